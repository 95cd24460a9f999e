// One leader over a pool that outlives it, and what sessions send it: for the tests of the leader.

#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/event/event_codec.h"
#include "core/leader/leader.h"
#include "core/sqlite/memory_pool.h"
#include "core/testing/todo_app.h"

namespace livestore {

// A pool in memory whose calls can be made to fail, or be counted.
class FaultyPool final : public StoragePool {
 public:
  MemoryPool inner{LeaderFileNames()};
  int64_t writes_left = std::numeric_limits<int64_t>::max();  // Then every write says full.
  std::string failing_file;                                   // Only writes to this one count.
  int flushes = 0;

  Handle Find(std::string_view name) override { return inner.Find(name); }
  int64_t Size(Handle file) override { return inner.Size(file); }
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override {
    return inner.Read(file, out, size, offset);
  }
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override {
    if (failing_file.empty() || inner.Find(failing_file) == file) {
      if (writes_left == 0) return StorageStatus::kFull;
      --writes_left;
    }
    return inner.Write(file, bytes, offset);
  }
  StorageStatus Truncate(Handle file, int64_t size) override { return inner.Truncate(file, size); }
  StorageStatus Flush(Handle file) override {
    ++flushes;
    return inner.Flush(file);
  }
};

// One leader process on a pool that outlives it: Crash drops it without closing in good order.
class Process {
 public:
  explicit Process(StoragePool& pool, SchemaDescriptor schema = TodoApp::Schema(),
                   std::optional<BackendSyncOptions> backend = std::nullopt,
                   BackendIdMismatch mismatch = BackendIdMismatch::kReset) {
    vfs = *PoolVfs::Create(pool, Environment());
    auto opened = Leader::Open({.schema = std::move(schema),
                                .vfs_name = vfs->name(),
                                .backend = backend,
                                .on_backend_id_mismatch = mismatch,
                                .client_id = "client",
                                .spare_client_id = "spare"},
                               app);
    if (!opened.ok()) {
      error = opened.error();
      return;
    }
    leader = std::move(*opened);
    app.Attach([this](std::string_view sql) { return leader->Prepare(sql); });
  }

  // Runs the boot to its end and returns the stages seen.
  std::vector<BootProgress> Boot() {
    std::vector<BootProgress> steps;
    while (true) {
      const auto step = leader->BootStep();
      if (!step.ok()) {
        error = step.error();
        return steps;
      }
      steps.push_back(*step);
      if (step->stage == BootProgress::Stage::kDone) return steps;
    }
  }

  static VfsEnvironment Environment() {
    return {.now_ms = [](void*) -> int64_t { return 1'700'000'000'000; },
            .random_bytes = [](void*, uint8_t* out,
                               size_t size) { std::fill_n(out, size, uint8_t{7}); },
            .context = nullptr};
  }

  TodoApp app;
  std::unique_ptr<PoolVfs> vfs;
  std::unique_ptr<Leader> leader;
  std::optional<Error> error;
};

// Events as a session would number them on `head`.
inline std::vector<Event> Numbered(SeqNum head, const std::vector<NewEvent>& events,
                                   const std::string& session = "A") {
  std::vector<Event> numbered;
  for (const NewEvent& event : events) {
    const SeqNumPair place = NextSeqNum(head, event.client_only);
    head = place.seq;
    numbered.push_back({place.seq, place.parent, event.name, event.args_json, "client", session,
                        event.schema_hash});
  }
  return numbered;
}

// As the session object `instance` sends them, for which they are its events from `first` on.
inline Bytes Encoded(const Cursor& base, const std::vector<Event>& events,
                     const std::string& instance = "tab", uint64_t first = 1) {
  std::vector<uint64_t> counters;
  for (size_t i = 0; i < events.size(); ++i) counters.push_back(first + i);
  return EncodePush(instance, counters, base, events);
}

inline std::string Answers(const DrainOutcome& outcome) {
  std::string text;
  for (const auto& entry : outcome.entries) {
    if (entry.news) {
      text += "news:" + std::to_string(entry.news->author) + "x" +
              std::to_string(DecodeNews(entry.news->news)->run.events.size()) + " ";
    } else {
      const char* names[] = {"accepted", "rejected", "failed"};
      text += std::string(names[static_cast<int>(entry.result->answer)]) + ":" +
              std::to_string(entry.result->session) + " ";
    }
  }
  return text;
}

inline std::string TodoRows(Leader& leader) {
  const auto rows = leader.Query(
      *leader.Prepare("select id || text || done from todos order by id"), BindsWriter().view());
  EXPECT_TRUE(rows.ok());
  ByteReader reader(*rows);
  const uint32_t count = reader.U32();
  reader.U32();
  const uint32_t text_bytes = reader.U32();
  reader.U32();
  reader.Raw(count * 9u);
  return std::string(AsText(reader.Raw(text_bytes)));
}

}  // namespace livestore

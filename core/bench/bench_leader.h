// What the benchmarks of the engine share: a leader over memory, and todos to push.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/event/event.h"
#include "core/event/event_codec.h"
#include "core/leader/leader.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/testing/todo_app.h"

namespace livestore {

// A world without surprises: time stands still and randomness is a counter.
inline VfsEnvironment FixedEnvironment() {
  return {.now_ms = [](void*) -> int64_t { return 1'700'000'000'000; },
          .random_bytes =
              [](void*, uint8_t* out, size_t size) {
                for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i);
              },
          .context = nullptr};
}

inline std::vector<NewEvent> NewTodos(uint64_t first, size_t count) {
  std::vector<NewEvent> events;
  events.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    events.push_back(TodoCreated("todo-" + std::to_string(first + i), "A todo of usual length"));
  }
  return events;
}

// `count` todos as a session numbers them after `head`.
inline std::vector<Event> NumberedTodos(const SeqNum& head, uint64_t first, size_t count,
                                        const std::string& client = "client") {
  std::vector<Event> events;
  events.reserve(count);
  SeqNum last = head;
  for (NewEvent& todo : NewTodos(first, count)) {
    const SeqNumPair number = NextSeqNum(last, false);
    events.push_back({.seq = number.seq,
                      .parent = number.parent,
                      .name = std::move(todo.name),
                      .args_json = std::move(todo.args_json),
                      .client_id = client,
                      .session_id = "session",
                      .schema_hash = todo.schema_hash});
    last = number.seq;
  }
  return events;
}

// A push of `count` events that continues `base`, by a session that pushed as many as the log has.
inline Bytes TodoPush(const Cursor& base, size_t count) {
  const SeqNum& seq = base.head.seq;
  std::vector<uint64_t> counters;
  for (size_t i = 0; i < count; ++i) counters.push_back(seq.global + 1 + i);
  return EncodePush("session", counters, base, NumberedTodos(seq, seq.global, count));
}

// A leader process over `pool`, booted.
class BenchLeader {
 public:
  explicit BenchLeader(StoragePool& pool,
                       std::optional<BackendSyncOptions> backend = std::nullopt) {
    auto made = PoolVfs::Create(pool, FixedEnvironment());
    LS_CHECK(made.ok());
    vfs = std::move(*made);
    auto opened = Leader::Open(
        {.schema = TodoApp::Schema(), .vfs_name = vfs->name(), .backend = backend}, app);
    LS_CHECK(opened.ok());
    leader = std::move(*opened);
    app.Attach([this](std::string_view sql) { return leader->Prepare(sql); });
    while (true) {
      const auto progress = leader->BootStep();
      LS_CHECK(progress.ok());
      if (progress->stage == BootProgress::Stage::kDone) break;
    }
  }

  TodoApp app;
  std::unique_ptr<PoolVfs> vfs;
  std::unique_ptr<Leader> leader;
};

}  // namespace livestore

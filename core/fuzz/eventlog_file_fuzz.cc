// Can a damaged eventlog file break the log? Opening and reading one either fails with a code or
// gives events that continue one another; and what is refused is left as it is.

#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/eventlog/eventlog.h"
#include "core/fuzz/corpus.h"
#include "core/fuzz/patch.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"

namespace livestore {
namespace {

constexpr char kFile[] = "eventlog.db";

std::vector<std::string> Files() {
  return {"eventlog.db", "eventlog.db-wal", "eventlog.db-journal"};
}

Bytes Read(MemoryPool& pool) {
  const StoragePool::Handle file = pool.Find(kFile);
  Bytes bytes(static_cast<size_t>(pool.Size(file)));
  LS_CHECK(pool.Read(file, bytes.data(), bytes.size(), 0) == static_cast<int64_t>(bytes.size()));
  return bytes;
}

// A log of a few events, all of it in the database file.
Bytes MakeLog() {
  MemoryPool pool(Files());
  const auto vfs = std::move(*PoolVfs::Create(pool, {}));
  {
    const auto log = std::move(*Eventlog::Open(vfs->name(), kFile));
    LS_CHECK(log->Begin().ok());
    std::vector<Event> events;
    SeqNum head;
    for (int i = 0; i < 12; ++i) {
      const SeqNumPair place = NextSeqNum(head, i % 3 == 1);
      head = place.seq;
      events.push_back({.seq = place.seq,
                        .parent = place.parent,
                        .name = "event" + std::to_string(i % 4),
                        .args_json = R"({"id":"a","text":"some text"})",
                        .client_id = "client",
                        .session_id = "session"});
    }
    LS_CHECK(log->Append(events).ok());
    LS_CHECK(log->SetAccepted("instance", 12).ok());
    LS_CHECK(log->Commit().ok());
  }
  return Read(pool);
}

Corpus MakeCorpus() {
  // Edits of a valid log: (offset:u16 value:u8)*. Page 1 is SQLite's header and the schema.
  return {{"valid", {}},
          {"page_size", {16, 0, 32}},
          {"rollback_mode", {18, 0, 1, 19, 0, 1}},
          {"fewer_pages", {31, 0, 3}},
          {"utf16", {59, 0, 2}},
          {"newer_format", {63, 0, 2}},
          {"another_application", {68, 0, 1}},
          {"first_page_only", {0, 16, 0}},
          {"cells_of_page_2", {4, 16, 255, 8, 16, 255}},
          {"rows_of_page_2", {240, 31, 9, 200, 31, 200, 150, 31, 1}}};
}

}  // namespace
}  // namespace livestore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace livestore;
  static const Bytes valid = MakeLog();
  const Bytes damaged = Patched(valid, BytesView(data, size));
  MemoryPool pool(Files());
  LS_CHECK(pool.Write(pool.Find(kFile), damaged, 0) == StorageStatus::kOk);
  const auto vfs = std::move(*PoolVfs::Create(pool, {}));
  {
    const auto log = Eventlog::Open(vfs->name(), kFile);
    if (log.ok()) {
      SeqNum after;
      while (true) {
        const Result<std::vector<Event>> chunk = (*log)->Range(after, 5);
        if (!chunk.ok() || chunk->empty()) break;
        LS_CHECK(Continues(after, *chunk));
        after = chunk->back().seq;
      }
      static_cast<void>((*log)->EndOfClientOnly({.global = 2}).ok());
      static_cast<void>((*log)->CountersAfter({}, "instance").ok());
      static_cast<void>((*log)->Accepted("instance").ok());
      return 0;
    }
    const ErrorCode code = log.error().code;
    LS_CHECK(code == ErrorCode::kCorruptEventlog || code == ErrorCode::kNewerFormat ||
             code == ErrorCode::kStorageIo);
  }
  LS_CHECK(Read(pool) == damaged);
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return livestore::OfferCorpus(*argc, *argv, &livestore::MakeCorpus);
}

// The eventlog of LiveStore, as its versions 0.3 and 0.4 write it, taken over whole or not at all.

#include "core/eventlog/import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/sqlite/fault_pool.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/testing/eventlog_text.h"

namespace livestore {
namespace {

constexpr char kOurFile[] = "eventlog.db";

std::string CreateSql(bool generations, bool strict = true) {
  const std::string generation =
      generations ? "\"seqNumRebaseGeneration\" integer not null, " : std::string();
  const std::string parent_generation =
      generations ? "\"parentSeqNumRebaseGeneration\" integer not null, " : std::string();
  const std::string key = generations ? ", \"seqNumRebaseGeneration\"" : "";
  return "create table \"eventlog\" (\"seqNumGlobal\" integer not null, \"seqNumClient\" integer "
         "not null, " +
         generation +
         "\"parentSeqNumGlobal\" integer not null, \"parentSeqNumClient\" integer not null, " +
         parent_generation +
         "\"name\" text not null, \"argsJson\" text not null, \"clientId\" text not null, "
         "\"sessionId\" text not null, \"schemaHash\" integer not null, \"syncMetadataJson\" text "
         "not null, primary key (\"seqNumGlobal\", \"seqNumClient\"" +
         key + "))" + (strict ? " strict" : "") +
         "; create index \"idx_eventlog_seqNumGlobal\" on \"eventlog\" (\"seqNumGlobal\");"
         "create table \"__livestore_sync_status\" (\"head\" integer primary key" +
         (generations ? ", \"backendId\" text" : "") + ") strict;";
}

std::string InsertSql(const Event& event, bool generations,
                      const std::string& metadata = R"({"_tag":"None"})") {
  const auto seq = [generations](const SeqNum& number) {
    return std::to_string(number.global) + ", " + std::to_string(number.client) + ", " +
           (generations ? std::to_string(number.generation) + ", " : "");
  };
  return "insert into eventlog values (" + seq(event.seq) + seq(event.parent) + "'" + event.name +
         "', '" + event.args_json + "', '" + event.client_id + "', '" + event.session_id + "', " +
         std::to_string(event.schema_hash) + ", '" + metadata + "');";
}

// A file of theirs: pages of 8192 bytes and a rollback journal.
class OldStore {
 public:
  explicit OldStore(const std::string& sql) {
    vfs_ = *PoolVfs::Create(pool_, {});
    auto database = Database::Open(vfs_->name(), "old.db", Durability::kFlushed);
    EXPECT_TRUE(database.ok()) << database.error().message;
    database_ = std::move(*database);
    Exec("pragma journal_mode = delete");
    Exec(sql);
  }

  void Exec(const std::string& sql) {
    const auto done = database_->Exec(sql);
    EXPECT_TRUE(done.ok()) << done.error().message;
  }
  Bytes Database() { return Read(0); }
  Bytes Journal() { return Read(1); }

 private:
  Bytes Read(StoragePool::Handle file) {
    Bytes bytes(static_cast<size_t>(pool_.Size(file)));
    pool_.Read(file, bytes.data(), bytes.size(), 0);
    return bytes;
  }

  MemoryPool pool_{{"old.db", "old.db-journal", "old.db-wal"}};
  std::unique_ptr<PoolVfs> vfs_;
  std::unique_ptr<livestore::Database> database_;
};

// A store of theirs with these events, of which the first `confirmed` are confirmed.
OldStore OldStoreWith(const std::vector<Event>& events, uint64_t confirmed = 0,
                      bool generations = true) {
  std::string sql = CreateSql(generations);
  sql += generations
             ? "insert into __livestore_sync_status values (" + std::to_string(confirmed) +
                   ", 'backend-7');"
             : "insert into __livestore_sync_status values (" + std::to_string(confirmed) + ");";
  for (const Event& event : events) {
    const bool has_metadata = event.seq.client == 0 && event.seq.global <= confirmed;
    sql += InsertSql(
        event, generations,
        has_metadata ? R"({"_tag":"Some","value":{"at":)" + std::to_string(event.seq.global) + "}}"
                     : R"({"_tag":"None"})");
  }
  return OldStore(sql);
}

class ImportTest : public ::testing::Test {
 protected:
  std::unique_ptr<Eventlog> Open() {
    if (!vfs) vfs = *PoolVfs::Create(pool, {});
    auto log = Eventlog::Open(vfs->name(), kOurFile);
    EXPECT_TRUE(log.ok()) << log.error().message;
    return std::move(*log);
  }

  // Imports, closes, and opens again what is on storage.
  Result<uint64_t> Import(const Bytes& database, const Bytes& journal = {},
                          bool generations = true) {
    return ImportLiveStore(*Open(),
                           {.database = database, .journal = journal, .generations = generations});
  }
  void ExpectRefused(const Bytes& database, const std::string& why, const Bytes& journal = {}) {
    const auto taken = Import(database, journal);
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().code, ErrorCode::kImportFailed) << taken.error().message;
    EXPECT_NE(taken.error().message.find(why), std::string::npos) << taken.error().message;
    const auto log = Open();
    EXPECT_EQ(log->event_count(), 0);
    EXPECT_EQ(log->epoch(), 0) << "it may be tried again";
  }

  // As on a device that has never run this.
  void BeginAnew() {
    vfs.reset();
    for (const char* name : {"eventlog.db", "eventlog.db-wal", "eventlog.db-journal"}) {
      memory.Truncate(memory.Find(name), 0);
    }
  }

  MemoryPool memory{{"eventlog.db", "eventlog.db-wal", "eventlog.db-journal"}};
  FaultPool pool{memory};
  std::unique_ptr<PoolVfs> vfs;
};

TEST_F(ImportTest, KeepsEventsNumbersAndWhatTheBackendConfirmed) {
  std::vector<Event> events = Chain(kRootSeqNum, 11);
  events[5].seq.generation = events[6].parent.generation = 3;
  events[10].client_id = "elsewhere";
  OldStore old = OldStoreWith(events, 4);

  EXPECT_EQ(*Import(old.Database()), 11);
  const auto log = Open();
  EXPECT_TRUE(All(*log) == events);
  EXPECT_EQ(log->upstream_head(), 4);
  EXPECT_EQ(log->backend_id(), "backend-7");
  EXPECT_EQ(*log->SyncMetadata(4), R"({"at":4})") << "what the backend wants to hear at a pull";
  EXPECT_TRUE(log->head() == HeadOf(events.back()));
}

TEST_F(ImportTest, TakesTheFilesOfTheVersionBeforeGenerations) {
  const std::vector<Event> events = Chain(kRootSeqNum, 9);
  OldStore old = OldStoreWith(events, 2, false);
  EXPECT_FALSE(Import(old.Database()).ok());
  EXPECT_EQ(*Import(old.Database(), {}, false), 9);
  const auto log = Open();
  EXPECT_TRUE(All(*log) == events);
  EXPECT_EQ(log->upstream_head(), 2);
  EXPECT_EQ(log->backend_id(), "");
}

TEST_F(ImportTest, TakesMoreEventsThanAreReadAtOnce) {
  const std::vector<Event> events = Chain(kRootSeqNum, 2 * limits::kEventlogChunkEvents + 7);
  OldStore old = OldStoreWith(events);
  EXPECT_EQ(*Import(old.Database()), events.size());
  EXPECT_TRUE(All(*Open()) == events);
}

TEST_F(ImportTest, IsDoneOnce) {
  OldStore old = OldStoreWith(Chain(kRootSeqNum, 3));
  EXPECT_EQ(*Import(old.Database()), 3);
  EXPECT_EQ(*Import(old.Database()), 0);
  {
    // As when the backend refuses all that was pending.
    const auto log = Open();
    ASSERT_TRUE(log->Begin().ok());
    ASSERT_TRUE(log->RemoveAfter(kRootSeqNum).ok());
    ASSERT_TRUE(log->Commit().ok());
  }
  EXPECT_EQ(*Import(old.Database()), 0);
  EXPECT_EQ(Open()->event_count(), 0);
}

TEST_F(ImportTest, LeavesALogThatHoldsEventsAlone) {
  const std::vector<Event> ours = Chain(kRootSeqNum, 2, "ours");
  ASSERT_TRUE(AppendGroup(*Open(), ours).ok());
  EXPECT_EQ(*Import(OldStoreWith(Chain(kRootSeqNum, 3)).Database()), 0);
  EXPECT_TRUE(All(*Open()) == ours);
}

TEST_F(ImportTest, NothingToTakeOverIsRemembered) {
  EXPECT_EQ(*Import({}), 0);
  EXPECT_EQ(Open()->epoch(), 1);
  EXPECT_EQ(*Import(OldStoreWith(Chain(kRootSeqNum, 3)).Database()), 0);
}

TEST_F(ImportTest, AStoreThatWasNeverUsedLeavesTheWayToAnOlderOne) {
  EXPECT_EQ(*Import(OldStore(CreateSql(true)).Database()), 0);
}

TEST_F(ImportTest, ATransactionThatACrashCutShortIsRolledBackFirst) {
  const std::vector<Event> events = Chain(kRootSeqNum, 200);
  OldStore old = OldStoreWith(events);
  const Bytes whole = old.Database();
  // Pages of the open transaction reach the file, because the cache is too small for them.
  old.Exec("pragma cache_size = 1; begin");
  old.Exec("update eventlog set argsJson = argsJson || printf('%.2000c', 'x')");
  const Bytes torn = old.Database();
  const Bytes journal = old.Journal();
  ASSERT_TRUE(torn != whole && !journal.empty());

  EXPECT_EQ(*Import(torn, journal), events.size());
  EXPECT_TRUE(All(*Open()) == events);
}

TEST_F(ImportTest, EventsThatMayNotBeConfirmedStayPending) {
  const std::vector<Event> events = Chain(kRootSeqNum, 3);
  // Killed after it noted what the backend had, before it took the events of it in.
  EXPECT_EQ(*Import(OldStoreWith(events, 8).Database()), 3);
  EXPECT_EQ(Open()->upstream_head(), 0);
  EXPECT_EQ(Open()->backend_id(), "backend-7");
}

TEST_F(ImportTest, DamagedFilesAreRefusedAndNothingIsWritten) {
  OldStore old = OldStoreWith(Chain(kRootSeqNum, 500));
  const Bytes whole = old.Database();
  ASSERT_GT(whole.size(), 50'000);

  Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(whole.size() / 2));
  ExpectRefused(cut, "");
  Bytes header = whole;
  header[3] = 'x';
  ExpectRefused(header, "");
  Bytes page = whole;
  std::fill(page.begin() + 40'960, page.begin() + 49'152, 0xff);
  ExpectRefused(page, "");
  ExpectRefused(Bytes(10, 7), "");
  EXPECT_EQ(*Import(whole), 500) << "what was refused before does not stand in the way";
}

TEST_F(ImportTest, WhatIsNoLogIsRefused) {
  const auto refused = [this](const std::string& change, const std::string& why) {
    SCOPED_TRACE(change);
    std::string sql = CreateSql(true, false);
    for (const Event& event : Chain(kRootSeqNum, 6)) sql += InsertSql(event, true);
    ExpectRefused(OldStore(sql + change).Database(), why);
  };
  refused("delete from eventlog where seqNumGlobal = 3", "a gap");
  refused(
      "insert into eventlog select seqNumGlobal, seqNumClient, 1, 0, 0, 0, name, argsJson, "
      "clientId, sessionId, schemaHash, syncMetadataJson from eventlog limit 1",
      "a gap");
  refused("update eventlog set seqNumGlobal = -1 where seqNumGlobal = 5", "no event");
  refused("update eventlog set seqNumGlobal = 'many' where seqNumGlobal = 5", "no event");
  refused("update eventlog set argsJson = x'00'", "no event");
  refused("update eventlog set name = printf('%.300c', 'x')", "too long");
  refused(
      "insert into __livestore_sync_status values (2, null); "
      "update eventlog set syncMetadataJson = '{'",
      "JSON");
  refused("drop table __livestore_sync_status", "__livestore_sync_status");
  refused("insert into __livestore_sync_status values (-2, null)", "no number");
}

TEST_F(ImportTest, AFailureOfStorageAtAnyCallLeavesAllOfItOrNothing) {
  const std::vector<Event> events = Chain(kRootSeqNum, 40);
  OldStore old = OldStoreWith(events, 7);
  const Bytes database = old.Database();
  int refusals = 0;
  for (const auto call : {FaultPool::Call::kWrite, FaultPool::Call::kFlush}) {
    bool failed = true;
    for (int after = 0; failed; ++after) {
      SCOPED_TRACE(after);
      BeginAnew();
      {
        const auto log = Open();
        pool.Fail(call, StorageStatus::kFull, after);
        const auto taken = ImportLiveStore(*log, {.database = database, .journal = {}});
        failed = !taken.ok();
        if (failed) {
          refusals += 1;
          EXPECT_EQ(taken.error().code, ErrorCode::kStorageFull) << taken.error().message;
        }
        pool.Heal();
      }
      const auto log = Open();
      const bool whole = log->event_count() == events.size() && log->epoch() == 1;
      EXPECT_TRUE(whole || (failed && log->event_count() == 0 && log->epoch() == 0));
      ASSERT_TRUE(ImportLiveStore(*log, {.database = database, .journal = {}}).ok());
      EXPECT_TRUE(All(*log) == events);
      EXPECT_EQ(log->upstream_head(), 7);
    }
  }
  EXPECT_GE(refusals, 2);
}

}  // namespace
}  // namespace livestore

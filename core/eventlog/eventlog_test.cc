#include "core/eventlog/eventlog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/rows_reader.h"
#include "core/testing/eventlog_text.h"

namespace livestore {
namespace {

constexpr char kFile[] = "eventlog.db";
const std::vector<std::string> kFiles = {"eventlog.db", "eventlog.db-wal", "eventlog.db-journal"};

// Storage in memory that fails where a test wants it to.
class FaultyPool final : public StoragePool {
 public:
  int64_t writes_left = std::numeric_limits<int64_t>::max();  // Then writes fail with `failure`.
  StorageStatus failure = StorageStatus::kFull;
  bool tear = false;         // The write that fails leaves its first half behind.
  bool flush_fails = false;  // After the bytes have been written.
  int64_t bytes_max = std::numeric_limits<int64_t>::max();  // Of all files together.

  Handle Find(std::string_view name) override { return inner_.Find(name); }
  int64_t Size(Handle file) override { return inner_.Size(file); }
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override {
    return inner_.Read(file, out, size, offset);
  }
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override {
    ++writes_;
    const bool too_large =
        Used() - inner_.Size(file) +
            std::max(inner_.Size(file), offset + static_cast<int64_t>(bytes.size())) >
        bytes_max;
    if (writes_left == 0 || too_large) {
      if (tear) inner_.Write(file, bytes.first(bytes.size() / 2), offset);
      return failure;
    }
    --writes_left;
    return inner_.Write(file, bytes, offset);
  }
  StorageStatus Truncate(Handle file, int64_t size) override {
    return writes_left == 0 ? StorageStatus::kIoError : inner_.Truncate(file, size);
  }
  StorageStatus Flush(Handle file) override {
    if (flush_fails) return StorageStatus::kIoError;
    return writes_left == 0 ? StorageStatus::kIoError : inner_.Flush(file);
  }

  int64_t Used() {
    int64_t used = 0;
    for (const std::string& name : kFiles) used += inner_.Size(inner_.Find(name));
    return used;
  }
  [[nodiscard]] int64_t writes() const { return writes_; }
  std::vector<Bytes> Snapshot() {
    std::vector<Bytes> files;
    for (const std::string& name : kFiles) {
      const Handle file = inner_.Find(name);
      Bytes bytes(static_cast<size_t>(inner_.Size(file)));
      inner_.Read(file, bytes.data(), bytes.size(), 0);
      files.push_back(std::move(bytes));
    }
    return files;
  }
  void Restore(const std::vector<Bytes>& files) {
    for (size_t i = 0; i < kFiles.size(); ++i) {
      const Handle file = inner_.Find(kFiles[i]);
      inner_.Truncate(file, 0);
      inner_.Write(file, files[i], 0);
    }
  }

 private:
  MemoryPool inner_{kFiles};
  int64_t writes_ = 0;
};

Event At(const SeqNum& seq, const SeqNum& parent) {
  return {.seq = seq,
          .parent = parent,
          .name = "v1.TodoCreated",
          .args_json = "{}",
          .client_id = "client",
          .session_id = "session",
          .schema_hash = 1};
}

// What the leader does when the backend orders others' events first, in one group: the events after
// `keep` go, `count` others come, one of them confirmed.
Result<void> RebaseGroup(Eventlog& log, const SeqNum& keep, size_t count) {
  LS_TRY(log.Begin());
  LS_TRY(log.RemoveAfter(keep));
  LS_TRY(log.Append(Chain(log.local_head(), count, "rebased")));
  LS_TRY(log.SetUpstreamHead(keep.global + 1));
  LS_TRY(log.SetSyncMetadata(keep.global + 1, R"({"at":1})"));
  LS_TRY(log.SetAccepted("tab", count));
  LS_TRY(log.SetBackendId("backend"));
  return log.Commit();
}

class EventlogTest : public ::testing::Test {
 protected:
  EventlogTest() { Start(); }

  // A new process on the same storage.
  void Start() { vfs_ = *PoolVfs::Create(pool_, {}); }
  Result<std::unique_ptr<Eventlog>> Open() { return Eventlog::Open(vfs_->name(), kFile); }
  std::unique_ptr<Eventlog> MustOpen() {
    auto log = Open();
    EXPECT_TRUE(log.ok()) << log.error().message;
    return log.ok() ? std::move(*log) : nullptr;
  }
  // What a new process sees of the same bytes, which stay as they are.
  std::unique_ptr<Eventlog> MustOpenAnew() {
    const std::vector<Bytes> bytes = pool_.Snapshot();
    MemoryPool& pool = *copies_.emplace_back(std::make_unique<MemoryPool>(kFiles));
    for (size_t i = 0; i < kFiles.size(); ++i) {
      EXPECT_EQ(pool.Write(pool.Find(kFiles[i]), bytes[i], 0), StorageStatus::kOk);
    }
    const PoolVfs& vfs = *copy_vfs_.emplace_back(*PoolVfs::Create(pool, {}));
    auto log = Eventlog::Open(vfs.name(), kFile);
    EXPECT_TRUE(log.ok()) << log.error().message;
    return log.ok() ? std::move(*log) : nullptr;
  }
  void Tamper(const std::string& sql) { livestore::Tamper(*vfs_, kFile, sql); }
  void Fill(size_t count) {
    const auto log = MustOpen();
    ASSERT_TRUE(AppendGroup(*log, Chain(log->local_head(), count)).ok());
  }
  void ExpectRefusedUntouched(ErrorCode code, const std::string& part) {
    const auto before = pool_.Snapshot();
    const int64_t writes = pool_.writes();
    const auto log = Open();
    ASSERT_FALSE(log.ok()) << part;
    EXPECT_EQ(log.error().code, code) << log.error().message;
    EXPECT_NE(log.error().message.find("eventlog \"eventlog.db\": "), std::string::npos);
    EXPECT_NE(log.error().message.find(part), std::string::npos) << log.error().message;
    EXPECT_EQ(pool_.writes(), writes) << part;
    EXPECT_TRUE(pool_.Snapshot() == before) << part;
  }

  FaultyPool pool_;
  std::unique_ptr<PoolVfs> vfs_;
  std::vector<std::unique_ptr<MemoryPool>> copies_;
  std::vector<std::unique_ptr<PoolVfs>> copy_vfs_;
};

TEST_F(EventlogTest, ANewLogIsEmpty) {
  const auto log = MustOpen();
  EXPECT_EQ(log->local_head(), kRootSeqNum);
  EXPECT_EQ(log->head(), Head());
  EXPECT_EQ(log->upstream_head(), 0u);
  EXPECT_EQ(log->backend_id(), "");
  EXPECT_EQ(*log->Accepted("any"), 0u);
  EXPECT_FALSE(log->lost());
  EXPECT_EQ(log->event_count(), 0u);
  EXPECT_TRUE(All(*log).empty());
  EXPECT_EQ(*log->CountAfter(kRootSeqNum), 0u);
  EXPECT_TRUE(*log->Holds(kRootSeqNum));
  EXPECT_FALSE(*log->Holds({1, 0, 0}));
  EXPECT_FALSE((*log->At({1, 0, 0})).has_value());
}

TEST_F(EventlogTest, EventsComeBackAsTheyWentAlsoAfterAReopen) {
  std::vector<Event> events = Chain(kRootSeqNum, 9);
  events[0].name = "größe \"'; --";
  events[0].args_json = "{\"text\":\"\U0001F600 é \u0001\"}";
  events[1].args_json = "\U0001F600\U0010FFFFé€";
  events[1].session_id = "";
  events[2].seq.generation = 7;
  events[2].parent.generation = 4'294'967'295;
  events[3].schema_hash = std::numeric_limits<int64_t>::min();
  events[4].schema_hash = std::numeric_limits<int64_t>::max();
  events[5].schema_hash = (int64_t{1} << 53) + 1;
  {
    const auto log = MustOpen();
    ASSERT_TRUE(AppendGroup(*log, events).ok());
    EXPECT_EQ(All(*log), events);
  }
  const auto log = MustOpen();
  EXPECT_EQ(All(*log), events);
  EXPECT_EQ(log->local_head(), events.back().seq);
  EXPECT_EQ(log->head(), HeadOf(events.back()));
  EXPECT_EQ(log->event_count(), 9u);
}

TEST_F(EventlogTest, ALogInMemoryIsALogToo) {
  auto log = Eventlog::Open("", "");
  ASSERT_TRUE(log.ok()) << log.error().message;
  const std::vector<Event> events = Chain(kRootSeqNum, 5);
  ASSERT_TRUE(AppendGroup(**log, events).ok());
  EXPECT_EQ(All(**log), events);
  ASSERT_TRUE((*log)->database().Exec("delete from eventlog where seqNumGlobal = 2").ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ((*log)->Range(kRootSeqNum, 5).error().code, ErrorCode::kCorruptEventlog);
  }
}

TEST_F(EventlogTest, TablesAreNamedAsInLiveStore) {
  Fill(1);
  const auto log = MustOpen();
  Database& database = log->database();
  const auto text = [&database](const std::string& sql) {
    const auto statement = database.PrepareInternal(sql);
    EXPECT_TRUE(statement.ok()) << statement.error().message;
    const BindsWriter binds;
    const auto rows = database.Query(*statement, binds.view());
    EXPECT_TRUE(rows.ok()) << rows.error().message;
    RowsReader reader(*rows);
    return std::string(reader.Next().text);
  };
  EXPECT_EQ(text("select group_concat(name || ':' || pk, ' ') from pragma_table_info('eventlog')"),
            "seqNumGlobal:1 seqNumClient:2 seqNumRebaseGeneration:3 parentSeqNumGlobal:0 "
            "parentSeqNumClient:0 parentSeqNumRebaseGeneration:0 name:0 argsJson:0 clientId:0 "
            "sessionId:0 schemaHash:0 syncMetadataJson:0 sessionNumber:0 sessionCounter:0");
  EXPECT_EQ(text("select group_concat(name || ':' || pk, ' ') from "
                 "pragma_table_info('__livestore_sync_status')"),
            "head:1 backendId:0 givenClientId:0 ownClientId:0 epoch:0");
  EXPECT_EQ(text("select group_concat(name || ':' || pk, ' ') from "
                 "pragma_table_info('__livestore_session')"),
            "number:1 instance:0 accepted:0 ordinal:0");
  EXPECT_EQ(text("select syncMetadataJson from eventlog"), R"({"_tag":"None"})");
  EXPECT_EQ(text("select head || ' ' || (backendId is null) from __livestore_sync_status"), "0 1");
}

TEST_F(EventlogTest, MetadataIsStoredAsInLiveStore) {
  Fill(3);
  const auto log = MustOpen();
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->SetSyncMetadata(2, R"({"a":[1,"}"]})").ok());
  ASSERT_TRUE(log->Commit().ok());
  const auto statement = log->database().PrepareInternal(
      "select syncMetadataJson from eventlog where seqNumGlobal = 2 and seqNumClient = 0");
  const BindsWriter none;
  RowsReader reader(*log->database().Query(*statement, none.view()));
  EXPECT_EQ(reader.Next().text, R"({"_tag":"Some","value":{"a":[1,"}"]}})");
}

// ---- Groups ------------------------------------------------------------------------------------

TEST_F(EventlogTest, AGroupIsSeenAtOnceAndKeptByCommit) {
  const std::vector<Event> events = Chain(kRootSeqNum, 6);
  const auto log = MustOpen();
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->Append(std::span(events).first(2)).ok());
  ASSERT_TRUE(log->Append({}).ok());
  ASSERT_TRUE(log->Append(std::span(events).subspan(2)).ok());
  EXPECT_EQ(log->local_head(), events.back().seq);
  EXPECT_EQ(All(*log), events);
  ASSERT_TRUE(log->Commit().ok());
  EXPECT_EQ(log->event_count(), 6u);
}

TEST_F(EventlogTest, RollbackLeavesTheLogAsItWas) {
  const auto log = MustOpen();
  const std::vector<Event> kept = Chain(kRootSeqNum, 3);
  ASSERT_TRUE(AppendGroup(*log, kept).ok());
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->Append(Chain(kept.back().seq, 5)).ok());
  log->Rollback();
  log->Rollback();  // Without a group it does nothing.
  EXPECT_EQ(log->local_head(), kept.back().seq);
  EXPECT_EQ(log->event_count(), 3u);
  EXPECT_EQ(All(*log), kept);
  const std::vector<Event> other = Chain(kept.back().seq, 1, "other");
  ASSERT_TRUE(AppendGroup(*log, other).ok());
  EXPECT_EQ(All(*log).back(), other.back());
}

TEST_F(EventlogTest, AGroupIsOneFlush) {
  const auto log = MustOpen();
  const auto before = vfs_->counters();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 100)).ok());
  EXPECT_EQ(vfs_->counters().flushes - before.flushes, 1u);
}

TEST_F(EventlogTest, ARepeatedGroupIsOneFlushToo) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 5)).ok());
  const auto before = vfs_->counters();
  ASSERT_TRUE(RebaseGroup(*log, {1, 0, 0}, 3).ok());
  EXPECT_EQ(vfs_->counters().flushes - before.flushes, 1u);
}

TEST_F(EventlogTest, TheHeadIsTheLastEventWithItsIdentity) {
  const auto log = MustOpen();
  const std::vector<Event> events = Chain(kRootSeqNum, 6);
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->Append(std::span(events).first(2)).ok());
  EXPECT_EQ(log->head(), HeadOf(events[1]));
  ASSERT_TRUE(log->Append(std::span(events).subspan(2)).ok());
  EXPECT_EQ(log->head(), HeadOf(events[5]));
  ASSERT_TRUE(log->RemoveAfter(events[3].seq).ok());
  EXPECT_EQ(log->head(), HeadOf(events[3]));
  log->Rollback();
  EXPECT_EQ(log->head(), Head());
}

TEST_F(EventlogTest, TheEndOfTheLogIsRewrittenInOneGroup) {
  std::vector<Event> events = Chain(kRootSeqNum, 10);  // e1 e2 e3 e3.1 e4 ...
  {
    const auto log = MustOpen();
    ASSERT_TRUE(AppendGroup(*log, events).ok());
    const std::string before = Dump(*log);
    for (const bool commit : {false, true}) {
      ASSERT_TRUE(log->Begin().ok());
      ASSERT_TRUE(log->RemoveAfter({3, 1, 9}).ok());  // Generations do not count.
      EXPECT_EQ(log->event_count(), 4u);
      EXPECT_EQ(All(*log).size(), 4u);
      EXPECT_FALSE((*log->At({4, 0, 0})).has_value());
      std::vector<Event> others = Chain({3, 1, 0}, 3, "other");
      for (Event& event : others) event.seq.generation = 1;
      ASSERT_TRUE(log->Append(others).ok());
      EXPECT_EQ(*log->CountAfter({3, 1, 0}), 3u);
      EXPECT_TRUE(*log->Holds({4, 0, 1}));
      EXPECT_FALSE(*log->Holds({4, 0, 0}));
      if (commit) {
        ASSERT_TRUE(log->Commit().ok());
        events.resize(4);
        events.insert(events.end(), others.begin(), others.end());
      } else {
        log->Rollback();
        EXPECT_EQ(Dump(*log), before);
      }
      EXPECT_EQ(All(*log), events);
    }
  }
  const auto log = MustOpen();
  EXPECT_EQ(All(*log), events);
  EXPECT_EQ(log->event_count(), 7u);
}

TEST_F(EventlogTest, ItsEpochCountsWhatTookItsEndBackAndIsDurableWithIt) {
  {
    const auto log = MustOpen();
    ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 4)).ok());
    EXPECT_EQ(log->epoch(), 0u);
    for (const bool commit : {false, true}) {
      ASSERT_TRUE(log->Begin().ok());
      ASSERT_TRUE(log->RemoveAfter({2, 0, 0}).ok());
      EXPECT_EQ(log->epoch(), 1u);
      if (commit) {
        ASSERT_TRUE(log->Commit().ok());
      } else {
        log->Rollback();
      }
      EXPECT_EQ(log->epoch(), commit ? 1u : 0u);
    }
    ASSERT_TRUE(AppendGroup(*log, Chain({2, 0, 0}, 2)).ok());
    EXPECT_EQ(log->epoch(), 1u);
  }
  EXPECT_EQ(MustOpen()->epoch(), 1u);
}

TEST_F(EventlogTest, EverythingCanBeRemoved) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 10)).ok());
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->RemoveAfter(kRootSeqNum).ok());
  EXPECT_EQ(log->head(), Head());
  ASSERT_TRUE(log->Append(Chain(kRootSeqNum, 2, "new")).ok());
  ASSERT_TRUE(log->Commit().ok());
  EXPECT_EQ(All(*log), Chain(kRootSeqNum, 2, "new"));
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->RemoveAfter(kRootSeqNum).ok());
  ASSERT_TRUE(log->Commit().ok());
  EXPECT_EQ(MustOpenAnew()->event_count(), 0u);
}

TEST_F(EventlogTest, RemovingWhatHasAGapIsCorrupt) {
  Fill(10);
  Tamper("delete from eventlog where seqNumGlobal = 5");
  const auto log = MustOpen();
  ASSERT_TRUE(log->Begin().ok());
  EXPECT_EQ(log->RemoveAfter({2, 0, 0}).error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(log->event_count(), 10u);
}

TEST_F(EventlogTest, WhatTheBackendConfirmedIsKept) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 5)).ok());
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->SetUpstreamHead(3).ok());
  ASSERT_TRUE(log->SetSyncMetadata(3, "\"three\"").ok());
  ASSERT_TRUE(log->SetBackendId("backend é").ok());
  EXPECT_EQ(log->upstream_head(), 3u);
  EXPECT_EQ(log->backend_id(), "backend é");
  EXPECT_EQ(*log->SyncMetadata(3), "\"three\"");
  log->Rollback();
  EXPECT_EQ(log->upstream_head(), 0u);
  EXPECT_EQ(log->backend_id(), "");
  EXPECT_EQ(*log->SyncMetadata(3), "");

  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->SetUpstreamHead(2).ok());
  ASSERT_TRUE(log->SetSyncMetadata(2, "null").ok());
  ASSERT_TRUE(log->SetSyncMetadata(1, "1").ok());
  ASSERT_TRUE(log->SetSyncMetadata(1, "").ok());
  ASSERT_TRUE(log->SetBackendId("b").ok());
  ASSERT_TRUE(log->Commit().ok());
  const auto again = MustOpenAnew();
  EXPECT_EQ(again->upstream_head(), 2u);
  EXPECT_EQ(again->backend_id(), "b");
  EXPECT_EQ(*again->SyncMetadata(2), "null");
  EXPECT_EQ(*again->SyncMetadata(1), "");
  EXPECT_EQ(*again->SyncMetadata(99), "");
  EXPECT_EQ(*again->SyncMetadata(UINT64_MAX), "");

  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->SetBackendId("").ok());
  ASSERT_TRUE(log->Commit().ok());
  EXPECT_EQ(MustOpenAnew()->backend_id(), "");
}

TEST_F(EventlogTest, WhatTheLogHasOfASessionIsKeptWithItsEvents) {
  const auto log = MustOpen();
  const auto accept = [&log](const std::string& instance, uint64_t counter) {
    ASSERT_TRUE(log->Begin().ok());
    ASSERT_TRUE(log->Append(Chain(log->local_head(), 1)).ok());
    ASSERT_TRUE(log->SetAccepted(instance, counter).ok());
    ASSERT_TRUE(log->Commit().ok());
  };
  accept("a", 3);
  accept("b", 1);
  accept("a", 7);
  EXPECT_EQ(*log->Accepted("a"), 7u);
  EXPECT_EQ(*log->Accepted("b"), 1u);
  EXPECT_EQ(*log->Accepted("c"), 0u);
  accept("a", 5);
  EXPECT_EQ(*log->Accepted("a"), 7u) << "what it has, it has";
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->SetAccepted("a", 100).ok());
  ASSERT_TRUE(log->SetAccepted("c", 100).ok());
  EXPECT_EQ(*log->Accepted("c"), 100u);
  log->Rollback();
  EXPECT_EQ(*log->Accepted("a"), 7u);
  EXPECT_EQ(*log->Accepted("c"), 0u);
  const auto again = MustOpenAnew();
  EXPECT_EQ(*again->Accepted("a"), 7u);
  EXPECT_EQ(*again->Accepted("b"), 1u);
}

TEST_F(EventlogTest, TheSessionsUsedLastAreRemembered) {
  const auto name = [](uint32_t i) { return "tab" + std::to_string(i); };
  {
    const auto log = MustOpen();
    ASSERT_TRUE(log->Begin().ok());
    for (uint32_t i = 0; i < limits::kSessionsRememberedMax; ++i) {
      ASSERT_TRUE(log->SetAccepted(name(i), 1).ok());
    }
    ASSERT_TRUE(log->SetAccepted(name(1), 2).ok());
    ASSERT_TRUE(log->Commit().ok());
  }
  const auto log = MustOpen();  // The order of use is in the file.
  EXPECT_EQ(*log->Accepted(name(0)), 1u);
  ASSERT_TRUE(log->Begin().ok());
  ASSERT_TRUE(log->SetAccepted("new", 4).ok());
  EXPECT_EQ(*log->Accepted(name(0)), 0u);
  ASSERT_TRUE(log->SetAccepted(name(0), 3).ok());
  ASSERT_TRUE(log->Commit().ok());
  EXPECT_EQ(*log->Accepted("new"), 4u);
  EXPECT_EQ(*log->Accepted(name(0)), 3u);
  EXPECT_EQ(*log->Accepted(name(1)), 2u);
  EXPECT_EQ(*log->Accepted(name(2)), 0u);
  EXPECT_EQ(*log->Accepted(name(3)), 1u);
}

using EventlogDeathTest = EventlogTest;

TEST_F(EventlogDeathTest, AppendingWhatDoesNotContinueTheLogIsABug) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 2)).ok());
  ASSERT_TRUE(log->Begin().ok());
  EXPECT_DEATH((void)log->Append(Chain({5, 0, 0}, 1)), "check failed");
  EXPECT_DEATH((void)log->Append(Chain({1, 0, 0}, 1)), "check failed");
  EXPECT_DEATH((void)log->Begin(), "check failed");
}

TEST_F(EventlogDeathTest, CommitWithoutBeginIsABug) {
  const auto log = MustOpen();
  EXPECT_DEATH((void)log->Commit(), "check failed");
  EXPECT_DEATH((void)log->Append({}), "check failed");
  EXPECT_DEATH((void)log->RemoveAfter(kRootSeqNum), "check failed");
  EXPECT_DEATH((void)log->SetUpstreamHead(0), "check failed");
  EXPECT_DEATH((void)log->SetAccepted("a", 1), "check failed");
  EXPECT_DEATH((void)log->SetBackendId("a"), "check failed");
}

TEST_F(EventlogDeathTest, SpeakingOfEventsTheLogDoesNotHaveIsABug) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 3)).ok());
  ASSERT_TRUE(log->Begin().ok());
  EXPECT_DEATH((void)log->RemoveAfter({4, 0, 0}), "check failed");
  EXPECT_DEATH((void)log->RemoveAfter({2, 1, 0}), "check failed");
  EXPECT_DEATH((void)log->SetUpstreamHead(4), "check failed");
  EXPECT_DEATH((void)log->SetSyncMetadata(4, "1"), "check failed");
  EXPECT_DEATH((void)log->SetSyncMetadata(0, "1"), "check failed");
  ASSERT_TRUE(log->SetUpstreamHead(3).ok());
  ASSERT_TRUE(log->RemoveAfter({2, 0, 0}).ok());
  EXPECT_DEATH((void)log->Commit(), "check failed");
  ASSERT_TRUE(log->SetUpstreamHead(2).ok());
  EXPECT_TRUE(log->Commit().ok());
}

TEST_F(EventlogDeathTest, UsingALostLogIsABug) {
  Fill(3);
  const auto log = MustOpen();
  pool_.flush_fails = true;
  ASSERT_FALSE(AppendGroup(*log, Chain(log->local_head(), 1)).ok());
  ASSERT_TRUE(log->lost());
  EXPECT_DEATH((void)log->Begin(), "check failed");
  EXPECT_DEATH((void)log->Range(kRootSeqNum, 1), "check failed");
  EXPECT_DEATH((void)log->Accepted("a"), "check failed");
}

// ---- Reading -----------------------------------------------------------------------------------

TEST_F(EventlogTest, RangeReadsInChunks) {
  const std::vector<Event> events = Chain(kRootSeqNum, 25);
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, events).ok());
  for (const uint32_t chunk : {1u, 3u, 24u, 25u, 26u}) {
    std::vector<Event> read;
    SeqNum after = kRootSeqNum;
    while (true) {
      const auto part = log->Range(after, chunk);
      ASSERT_TRUE(part.ok()) << part.error().message;
      EXPECT_LE(part->size(), chunk);
      if (part->empty()) break;
      read.insert(read.end(), part->begin(), part->end());
      after = part->back().seq;
    }
    EXPECT_EQ(read, events) << chunk;
  }
  EXPECT_TRUE(log->Range(kRootSeqNum, 0)->empty());
  EXPECT_TRUE(log->Range({kSeqNumGlobalMax, 0, 0}, 5)->empty());
  EXPECT_TRUE(log->Range({UINT64_MAX, UINT32_MAX, 0}, 5)->empty());
  EXPECT_EQ(*log->CountAfter({UINT64_MAX, 0, 0}), 0u);
}

TEST_F(EventlogTest, RangeEndsEarlyWhenItsArgumentsAreLarge) {
  const std::vector<Event> events = Chain(kRootSeqNum, 6, std::string(7u << 20, 'x'));
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, events).ok());
  EXPECT_EQ(log->Range(kRootSeqNum, 100)->size(), 2u);
  EXPECT_EQ(log->Range(events[1].seq, 100)->size(), 2u);
  EXPECT_EQ(log->Range(events[4].seq, 100)->size(), 1u);
}

TEST_F(EventlogTest, AnEventLargerThanAChunkIsReadAlone) {
  std::vector<Event> events = Chain(kRootSeqNum, 3);
  events[1].args_json = "\"" + std::string(limits::kEventlogChunkBytes, 'x') + "\"";
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, events).ok());
  EXPECT_EQ(log->Range(kRootSeqNum, 100)->size(), 1u);
  EXPECT_EQ(log->Range(events[0].seq, 100)->size(), 1u);
  EXPECT_EQ(log->Range(events[1].seq, 100)->size(), 1u);
}

TEST_F(EventlogTest, EventsAreFoundByPositionAndByNumber) {
  std::vector<Event> events = Chain(kRootSeqNum, 8);  // e1 e2 e3 e3.1 e4 e5 e6 e6.1
  events[4].seq.generation = 2;
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, events).ok());
  EXPECT_TRUE(*log->Holds({3, 1, 0}));
  EXPECT_TRUE(*log->Holds({4, 0, 2}));
  EXPECT_FALSE(*log->Holds({4, 0, 0}));
  EXPECT_FALSE(*log->Holds({3, 2, 0}));
  EXPECT_FALSE(*log->Holds({0, 0, 1}));
  EXPECT_EQ(*log->At({4, 0, 0}), events[4]);
  EXPECT_EQ(*log->At({3, 1, 9}), events[3]);
  EXPECT_FALSE((*log->At({7, 0, 0})).has_value());
  EXPECT_FALSE((*log->At(kRootSeqNum)).has_value());
  EXPECT_EQ(*log->CountAfter(kRootSeqNum), 8u);
  EXPECT_EQ(*log->CountAfter({3, 0, 0}), 5u);
  EXPECT_EQ(*log->CountAfter({3, 1, 0}), 4u);
  EXPECT_EQ(*log->CountAfter({3, 9, 0}), 4u);
  EXPECT_EQ(*log->CountAfter({6, 1, 0}), 0u);
  EXPECT_EQ(*log->CountAfter({99, 0, 0}), 0u);
}

TEST_F(EventlogTest, TheEndOfClientOnlyEventsIsBeforeTheNextSyncedOne) {
  const std::vector<Event> events = {At({0, 1, 0}, {0, 0, 0}), At({0, 2, 0}, {0, 1, 0}),
                                     At({1, 0, 0}, {0, 0, 0}), At({2, 0, 0}, {1, 0, 0}),
                                     At({2, 1, 0}, {2, 0, 0}), At({2, 2, 0}, {2, 1, 0})};
  const auto log = MustOpen();
  EXPECT_EQ(*log->EndOfClientOnly(kRootSeqNum), Head());
  ASSERT_TRUE(AppendGroup(*log, events).ok());
  EXPECT_EQ(*log->EndOfClientOnly(kRootSeqNum), HeadOf(events[1]));
  EXPECT_EQ(*log->EndOfClientOnly({0, 1, 0}), HeadOf(events[1]));
  EXPECT_EQ(*log->EndOfClientOnly({0, 2, 0}), HeadOf(events[1]));
  EXPECT_EQ(*log->EndOfClientOnly({1, 0, 0}), HeadOf(events[2]));
  EXPECT_EQ(*log->EndOfClientOnly({2, 0, 0}), HeadOf(events[5]));
  EXPECT_EQ(*log->EndOfClientOnly({2, 2, 0}), HeadOf(events[5]));
}

// ---- Files that are not a sound log of ours ----------------------------------------------------

TEST_F(EventlogTest, ANewerFormatIsRefusedUntouched) {
  Fill(10);
  Tamper("pragma user_version = 2; create table more (a)");
  ExpectRefusedUntouched(ErrorCode::kNewerFormat, "format 2 is newer than this build");
}

TEST_F(EventlogTest, ANewerFormatInTheWalIsRefusedUntouched) {
  Fill(10);
  std::vector<Bytes> crashed;
  {
    auto database = Database::Open(vfs_->name(), kFile, Durability::kFlushed);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)->Exec("pragma user_version = 2").ok());
    crashed = pool_.Snapshot();
  }
  pool_.Restore(crashed);
  ASSERT_FALSE(crashed[1].empty());
  ExpectRefusedUntouched(ErrorCode::kNewerFormat, "format 2 is newer than this build");
}

TEST_F(EventlogTest, TheDatabaseOfAnotherApplicationIsRefusedUntouched) {
  Tamper("create table notes (id integer primary key); insert into notes values (1)");
  ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "another application");
  Tamper("pragma application_id = 1234567");
  ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "another application");
}

TEST_F(EventlogTest, ARollbackModeDatabaseOfAnotherApplicationStaysInItsMode) {
  const auto other = Database::OpenInMemory();
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)->Exec("create table notes (id integer primary key)").ok());
  const auto image = (*other)->Serialize();
  ASSERT_TRUE(image.ok());
  pool_.Restore({*image, {}, {}});
  ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "another application");
}

TEST_F(EventlogTest, ALogInRollbackModeIsRefusedUntouched) {
  Fill(3);
  std::vector<Bytes> damaged = pool_.Snapshot();
  constexpr size_t kReadVersion = 19;  // In the header: 2 is WAL.
  ASSERT_EQ(damaged[0][kReadVersion], 2);
  damaged[0][kReadVersion] = 1;
  pool_.Restore(damaged);
  ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "not in WAL mode");
}

TEST_F(EventlogTest, ALogWithoutItsTablesIsRefusedUntouched) {
  for (const std::string table : {"eventlog", "__livestore_sync_status", "__livestore_session"}) {
    pool_.Restore({{}, {}, {}});
    Fill(3);
    Tamper("drop table " + table);
    ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, table + " is missing");
  }
}

TEST_F(EventlogTest, AFormatThatNeverWasIsRefusedUntouched) {
  Fill(3);
  Tamper("pragma user_version = 0");
  ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "format 0 does not exist");
}

TEST_F(EventlogTest, WhatIsNoDatabaseIsRefusedUntouched) {
  for (const Bytes& bytes : {Bytes{1}, Bytes(100, 'x'), Bytes(4096, 0), Bytes(5000, 0xff),
                             Bytes(10, 'S'), Bytes(20'000, 7)}) {
    pool_.Restore({bytes, {}, {}});
    ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "");
  }
}

TEST_F(EventlogTest, ATruncatedFileIsRefusedUntouched) {
  Fill(2'000);
  const std::vector<Bytes> whole = pool_.Snapshot();
  const size_t size = whole[0].size();
  ASSERT_TRUE(whole[1].empty());  // The last connection has put the WAL into the database.
  ASSERT_GT(size, 100'000u);
  for (const size_t cut :
       {size_t{1}, size_t{99}, size_t{100}, size_t{511}, size_t{4095}, size_t{4096}, size_t{8192},
        size_t{10'000}, size / 2, size - 4096, size - 1}) {
    pool_.Restore(
        {Bytes(whole[0].begin(), whole[0].begin() + static_cast<ptrdiff_t>(cut)), {}, {}});
    ExpectRefusedUntouched(ErrorCode::kCorruptEventlog, "");
  }
  pool_.Restore(whole);
  EXPECT_EQ(MustOpen()->event_count(), 2'000u);
}

TEST_F(EventlogTest, ADamagedByteNeverCrashesAndIsNeverReadAsAnotherOrder) {
  Fill(40);
  const std::vector<Bytes> whole = pool_.Snapshot();
  int refused = 0;
  for (size_t at = 0; at < whole[0].size(); at += at < 256 ? 1 : 61) {
    std::vector<Bytes> damaged = whole;
    damaged[0][at] ^= static_cast<uint8_t>(1 + at % 255);
    pool_.Restore(damaged);
    const auto log = Open();
    if (!log.ok()) {
      ++refused;
      EXPECT_TRUE(log.error().code == ErrorCode::kCorruptEventlog ||
                  log.error().code == ErrorCode::kNewerFormat)
          << at << ": " << log.error().message;
      continue;
    }
    // A damaged length may end a chunk early, so there can be more than one.
    SeqNum head;
    size_t read = 0;
    while (true) {
      const auto events = (*log)->Range(head, 1'000);
      if (!events.ok()) {
        EXPECT_EQ(events.error().code, ErrorCode::kCorruptEventlog) << events.error().message;
        break;
      }
      if (events->empty()) {
        EXPECT_EQ(read, (*log)->event_count()) << at;
        break;
      }
      EXPECT_TRUE(Continues(head, *events)) << at;
      head = events->back().seq;
      read += events->size();
    }
  }
  EXPECT_GT(refused, 20);
}

TEST_F(EventlogTest, AGapIsFoundWhenItIsRead) {
  Fill(20);  // e1 e2 e3 e3.1 e4 ...
  Tamper("delete from eventlog where seqNumGlobal = 4 and seqNumClient = 0");
  const auto log = MustOpen();
  EXPECT_TRUE(log->Range(kRootSeqNum, 4).ok());
  const auto events = log->Range(kRootSeqNum, 10);
  ASSERT_FALSE(events.ok());
  EXPECT_EQ(events.error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(events.error().message, "eventlog \"eventlog.db\": a gap: e3.1 is followed by e5");
  const auto behind = log->Range({3, 1, 0}, 1);
  ASSERT_FALSE(behind.ok());
  EXPECT_EQ(behind.error().code, ErrorCode::kCorruptEventlog);
}

TEST_F(EventlogTest, ACursorThatIsNotInTheLogIsNoGap) {
  Fill(5);  // e1 e2 e3 e3.1 e4
  const auto log = MustOpen();
  EXPECT_EQ(log->Range({0, 5, 0}, 10)->size(), 5u);
  EXPECT_EQ(log->Range({1, 3, 0}, 10)->size(), 4u);
  EXPECT_EQ(log->Range({3, 7, 0}, 10)->size(), 1u);
  EXPECT_EQ(log->Range({4, 1, 0}, 10)->size(), 0u);
}

TEST_F(EventlogTest, RowsThatWereNotAppendedInOrderAreCorrupt) {
  Fill(5);
  const std::vector<Bytes> whole = pool_.Snapshot();
  for (const char* sql :
       {"delete from eventlog where seqNumGlobal = 1", "update eventlog set rowid = rowid + 7",
        "update eventlog set rowid = 100 where seqNumGlobal = 2",
        "delete from __livestore_sync_status",
        "insert into __livestore_sync_status (head, backendId) values (9, '')",
        "update __livestore_sync_status set head = -1",
        "update __livestore_sync_status set head = 5",
        "update eventlog set seqNumGlobal = -1 where seqNumGlobal = 4",
        "update eventlog set seqNumGlobal = 9007199254740992 where seqNumGlobal = 4",
        "update eventlog set seqNumClient = 4294967296 where seqNumGlobal = 4"}) {
    pool_.Restore(whole);
    Tamper(sql);
    const auto log = Open();
    ASSERT_FALSE(log.ok()) << sql;
    EXPECT_EQ(log.error().code, ErrorCode::kCorruptEventlog) << sql;
  }
}

TEST_F(EventlogTest, ARowThatIsNoEventIsCorrupt) {
  Fill(5);
  Tamper("update eventlog set parentSeqNumClient = -1 where seqNumGlobal = 2");
  const auto log = MustOpen();
  EXPECT_EQ(log->Range(kRootSeqNum, 1)->size(), 1u);
  const auto events = log->Range(kRootSeqNum, 5);
  ASSERT_FALSE(events.ok());
  EXPECT_EQ(events.error().code, ErrorCode::kCorruptEventlog);
  EXPECT_NE(events.error().message.find("the row after e1 is no event"), std::string::npos);
  EXPECT_EQ(log->At({2, 0, 0}).error().code, ErrorCode::kCorruptEventlog);
}

TEST_F(EventlogTest, MetadataThatIsNoOptionIsCorrupt) {
  Fill(3);
  Tamper("update eventlog set syncMetadataJson = '7' where seqNumGlobal = 2");
  const auto log = MustOpen();
  EXPECT_EQ(log->SyncMetadata(2).error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(*log->SyncMetadata(1), "");
}

TEST_F(EventlogTest, AFileWithoutItsFirstTransactionIsANewLog) {
  {
    ASSERT_TRUE(Database::Open(vfs_->name(), kFile, Durability::kFlushed).ok());
  }
  ASSERT_GT(pool_.Used(), 0);
  Fill(3);
  EXPECT_EQ(MustOpen()->event_count(), 3u);
}

// ---- Failing storage ---------------------------------------------------------------------------

TEST_F(EventlogTest, AFullDiskLeavesTheLogAsItWasAndUsableAfterwards) {
  Fill(10);
  const std::vector<Bytes> start = pool_.Snapshot();
  int failures = 0;
  for (int64_t extra = 0; extra < 200'000; extra += 9'000) {
    for (const bool tear : {false, true}) {
      pool_.Restore(start);
      pool_.tear = tear;
      const auto log = MustOpen();
      const std::vector<Event> before = All(*log);
      const std::vector<Event> group = Chain(log->local_head(), 300, std::string(200, 'x'));

      pool_.bytes_max = pool_.Used() + extra;
      const Result<void> appended = AppendGroup(*log, group);
      pool_.bytes_max = std::numeric_limits<int64_t>::max();
      if (appended.ok()) continue;
      ++failures;
      EXPECT_EQ(appended.error().code, ErrorCode::kStorageFull) << appended.error().message;
      EXPECT_EQ(log->local_head(), before.back().seq);
      EXPECT_EQ(log->event_count(), before.size());
      if (log->lost()) {
        ASSERT_TRUE(log->Reopen().ok());
      }
      EXPECT_EQ(All(*log), before);
      EXPECT_EQ(log->head(), HeadOf(before.back()));

      const std::vector<Event> again = Chain(log->local_head(), 300, "again");
      const Result<void> retried = AppendGroup(*log, again);
      ASSERT_TRUE(retried.ok()) << retried.error().message;
      EXPECT_EQ(log->event_count(), before.size() + 300);
      EXPECT_EQ(All(*log).back(), again.back());
    }
  }
  EXPECT_GT(failures, 20);
}

TEST_F(EventlogTest, WhileTheDiskStaysFullEveryTryFailsAndNothingIsLost) {
  Fill(10);
  const auto log = MustOpen();
  const std::vector<Event> before = All(*log);
  pool_.bytes_max = pool_.Used();
  for (int i = 0; i < 3; ++i) {
    const Result<void> appended = AppendGroup(*log, Chain(log->local_head(), 50));
    ASSERT_FALSE(appended.ok());
    EXPECT_TRUE(IsStorageError(appended.error().code)) << appended.error().message;
    EXPECT_EQ(log->local_head(), before.back().seq);
    log->Rollback();
    ASSERT_TRUE(log->lost());
    ASSERT_TRUE(log->Reopen().ok()) << "a full disk can be read";
    EXPECT_EQ(All(*log), before);
  }
  pool_.bytes_max = std::numeric_limits<int64_t>::max();
  EXPECT_TRUE(AppendGroup(*log, Chain(log->local_head(), 50)).ok());
}

TEST_F(EventlogTest, AGroupWhoseFlushFailedIsBelievedOnceItIsFlushed) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 10)).ok());
  pool_.flush_fails = true;
  const Result<void> committed = RebaseGroup(*log, {2, 0, 0}, 3);
  ASSERT_FALSE(committed.ok());
  EXPECT_EQ(committed.error().code, ErrorCode::kStorageIo) << committed.error().message;
  EXPECT_TRUE(log->lost());
  EXPECT_EQ(log->event_count(), 10u);
  // The bytes are there, but who accepts the group now may lose it.
  EXPECT_FALSE(log->Reopen().ok());
  EXPECT_TRUE(log->lost());
  pool_.flush_fails = false;
  const auto before = vfs_->counters();
  ASSERT_TRUE(log->Reopen().ok());
  EXPECT_GT(vfs_->counters().flushes, before.flushes);
  EXPECT_FALSE(log->lost());
  EXPECT_EQ(log->event_count(), 5u);
  EXPECT_EQ(log->upstream_head(), 3u);
  EXPECT_EQ(*log->Accepted("tab"), 3u);
  EXPECT_EQ(Dump(*log), Dump(*MustOpenAnew()));
}

// Whichever call of a group fails, and however: the log is the one before it or the one after it,
// and what it says is what the file says.
TEST_F(EventlogTest, AFailedGroupIsWhollyThereOrNotAtAll) {
  Fill(10);
  const std::vector<Bytes> start = pool_.Snapshot();
  // One group before, so that the WAL is in use: a flush of its header would fail first else.
  const auto open = [this] {
    auto log = MustOpen();
    EXPECT_TRUE(AppendGroup(*log, Chain(log->local_head(), 1)).ok());
    return log;
  };
  std::string before;
  std::string after;
  {
    const auto log = open();
    before = Dump(*log);
    ASSERT_TRUE(RebaseGroup(*log, {2, 0, 0}, 300).ok());
    after = Dump(*log);
  }
  ASSERT_NE(before, after);
  int failures = 0;
  int kept = 0;
  for (const bool tear : {false, true}) {
    for (const bool heals_first : {false, true}) {
      for (int64_t writes = -1;; ++writes) {  // -1: only the flush fails.
        pool_.Restore(start);
        pool_.tear = tear;
        pool_.failure = StorageStatus::kIoError;
        const auto log = open();
        if (writes < 0) {
          pool_.flush_fails = true;
        } else {
          pool_.writes_left = writes;
        }
        const Result<void> committed = RebaseGroup(*log, {2, 0, 0}, 300);
        const auto heal = [this] {
          pool_.flush_fails = false;
          pool_.writes_left = std::numeric_limits<int64_t>::max();
        };
        if (heals_first || committed.ok()) heal();
        if (committed.ok()) break;
        ++failures;
        if (log->lost() && !log->Reopen().ok()) {
          EXPECT_TRUE(log->lost());
          heal();
          const Result<void> reopened = log->Reopen();
          ASSERT_TRUE(reopened.ok()) << reopened.error().message;
        }
        heal();
        const std::string dump = Dump(*log);
        EXPECT_TRUE(dump == before || dump == after) << "write " << writes << ": " << dump;
        if (dump == after) ++kept;
        EXPECT_EQ(Dump(*MustOpenAnew()), dump) << "write " << writes;
        ASSERT_TRUE(AppendGroup(*log, Chain(log->local_head(), 3, "more")).ok());
        EXPECT_EQ(Dump(*MustOpenAnew()), Dump(*log));
      }
    }
  }
  EXPECT_GT(failures, 4);
  EXPECT_GT(kept, 0);
}

TEST_F(EventlogTest, AFailureBeforeTheCommitTakesTheGroupBackForSure) {
  Fill(10);
  const std::string before = Dump(*MustOpenAnew());
  const auto log = MustOpen();
  // More than SQLite's cache holds, so that writing begins before the commit.
  const std::string large(1u << 20, 'x');
  pool_.writes_left = 1;
  pool_.failure = StorageStatus::kIoError;
  ASSERT_TRUE(log->Begin().ok());
  Result<void> appended = log->SetAccepted("tab", 9);
  for (int i = 0; appended.ok() && i < 64; ++i) {
    appended = log->Append(Chain(log->local_head(), 1, large));
  }
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(appended.error().code, ErrorCode::kStorageIo) << appended.error().message;
  EXPECT_FALSE(log->lost());
  EXPECT_EQ(log->event_count(), 10u);
  pool_.writes_left = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Dump(*log), before);
  EXPECT_EQ(Dump(*MustOpenAnew()), before);
  ASSERT_TRUE(AppendGroup(*log, Chain(log->local_head(), 3)).ok());
  EXPECT_EQ(log->event_count(), 13u);
}

TEST_F(EventlogTest, ReopenOfASoundLogChangesNothing) {
  const auto log = MustOpen();
  ASSERT_TRUE(AppendGroup(*log, Chain(kRootSeqNum, 5)).ok());
  const std::string before = Dump(*log);
  ASSERT_TRUE(log->Reopen().ok());
  EXPECT_EQ(Dump(*log), before);
  auto in_memory = Eventlog::Open("", "");
  ASSERT_TRUE(AppendGroup(**in_memory, Chain(kRootSeqNum, 5)).ok());
  ASSERT_TRUE((*in_memory)->Reopen().ok());
  EXPECT_EQ(Dump(**in_memory), before);
}

// A crash after any write: what was answered is there, and at most one group more, as a whole.
TEST_F(EventlogTest, ACrashAtAnyWriteKeepsWhatWasAccepted) {
  constexpr size_t kGroup = 7;
  for (const bool tear : {false, true}) {
    bool crashed = true;
    for (int64_t writes = 0; crashed; ++writes) {
      pool_.Restore({{}, {}, {}});
      pool_.tear = tear;
      pool_.failure = StorageStatus::kIoError;
      pool_.writes_left = writes;
      Start();
      size_t accepted = 0;
      {
        auto log = Open();
        while (log.ok() && accepted < 6 * kGroup &&
               AppendGroup(**log, Chain((*log)->local_head(), kGroup)).ok()) {
          accepted += kGroup;
        }
        crashed = accepted < 6 * kGroup;
      }
      // The next process.
      pool_.writes_left = std::numeric_limits<int64_t>::max();
      Start();
      const auto log = Open();
      ASSERT_TRUE(log.ok()) << "write " << writes << ": " << log.error().message;
      EXPECT_TRUE((*log)->event_count() == accepted || (*log)->event_count() == accepted + kGroup)
          << "write " << writes << ": " << (*log)->event_count() << " of " << accepted;
      EXPECT_EQ(All(**log).size(), (*log)->event_count());
    }
  }
}

}  // namespace
}  // namespace livestore

// The eventlog when storage fails at any one call of any one operation, and the log's file when
// somebody else has written into it. The error has its code, and what is left is the log before the
// operation or the one after it, usable again (laws 3 and 8).

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/eventlog/eventlog.h"
#include "core/sqlite/cold_cache.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/testing/eventlog_text.h"
#include "core/testing/fault_sweep.h"

namespace livestore {
namespace {

constexpr char kFile[] = "eventlog.db";
const std::vector<std::string> kFiles = {"eventlog.db", "eventlog.db-wal", "eventlog.db-journal"};

const ColdCache kColdCache;

// A process with its storage, which outlives it.
class Storage {
 public:
  Storage() { Restart(); }
  explicit Storage(const std::vector<Bytes>& files) : Storage() { Restore(files); }

  void Restart() { vfs_ = *PoolVfs::Create(faults, {}); }
  Result<std::unique_ptr<Eventlog>> Open() { return Eventlog::Open(vfs_->name(), kFile); }
  std::unique_ptr<Eventlog> MustOpen() {
    auto log = Open();
    EXPECT_TRUE(log.ok()) << log.error().message;
    return log.ok() ? std::move(*log) : nullptr;
  }
  void Tamper(const std::string& sql) { livestore::Tamper(*vfs_, kFile, sql); }
  std::vector<Bytes> Snapshot() {
    std::vector<Bytes> files;
    for (const std::string& name : kFiles) {
      const StoragePool::Handle file = memory_.Find(name);
      Bytes bytes(static_cast<size_t>(memory_.Size(file)));
      memory_.Read(file, bytes.data(), bytes.size(), 0);
      files.push_back(std::move(bytes));
    }
    return files;
  }
  void Restore(const std::vector<Bytes>& files) {
    for (size_t i = 0; i < kFiles.size(); ++i) {
      const StoragePool::Handle file = memory_.Find(kFiles[i]);
      EXPECT_EQ(memory_.Truncate(file, 0), StorageStatus::kOk);
      EXPECT_EQ(memory_.Write(file, files[i], 0), StorageStatus::kOk);
    }
  }

 private:
  MemoryPool memory_{kFiles};

 public:
  FaultPool faults{memory_};

 private:
  std::unique_ptr<PoolVfs> vfs_;
};

// e1 to e3 confirmed, two events of "tab" among what follows, one of its events refused.
std::vector<Bytes> MakeSample() {
  Storage storage;
  {
    const auto log = storage.MustOpen();
    EXPECT_TRUE(log->Begin().ok());
    const Result<int64_t> tab = log->NumberOf("tab");
    EXPECT_TRUE(tab.ok());
    std::vector<Event> events = Chain(kRootSeqNum, 8);
    events[5].origin = {*tab, 3};
    events[6].origin = {*tab, 4};
    EXPECT_TRUE(log->Append(events).ok());
    EXPECT_TRUE(log->SetUpstreamHead(3).ok());
    EXPECT_TRUE(log->SetBackendId("backend").ok());
    EXPECT_TRUE(log->SetSyncMetadata(3, "\"three\"").ok());
    EXPECT_TRUE(log->SetAccepted("tab", 4).ok());
    const Error no{ErrorCode::kBackendRefused, "no"};
    EXPECT_TRUE(log->AddRefused({*tab, 2}, no).ok());
    EXPECT_TRUE(log->Commit().ok());
  }
  return storage.Snapshot();
}

const std::vector<Bytes>& Sample() {
  static const std::vector<Bytes> kSample = MakeSample();
  return kSample;
}

// The same with as many sessions as are remembered.
const std::vector<Bytes>& CrowdedSample() {
  static const std::vector<Bytes> kSample = [] {
    Storage storage(Sample());
    storage.Tamper(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < " +
        std::to_string(limits::kSessionsRememberedMax - 1) +
        ") insert into __livestore_session (instance, accepted, ordinal) select 's' || i, 1, -i "
        "from n");
    return storage.Snapshot();
  }();
  return kSample;
}

std::string DumpOf(const std::vector<Bytes>& files) {
  Storage storage(files);
  return Dump(*storage.MustOpen());
}

struct Reader {
  std::string name;
  std::function<Result<std::string>(Eventlog&)> read;  // What it says, as text.
};

std::vector<Reader> Readers() {
  const auto text = [](const std::optional<Event>& event) {
    return event ? ToString(event->seq) : std::string("none");
  };
  return {
      {"Range",
       [](Eventlog& log) -> Result<std::string> {
         std::string all;
         const auto events = LS_TRY(log.Range({2, 0, 0}, 100));
         for (const Event& event : events) all += ToString(event.seq) + " ";
         return all;
       }},
      {"Holds",
       [](Eventlog& log) -> Result<std::string> {
         return std::to_string(static_cast<int>(LS_TRY(log.Holds({3, 1, 0}))));
       }},
      {"CountAfter",
       [](Eventlog& log) -> Result<std::string> {
         return std::to_string(LS_TRY(log.CountAfter({3, 0, 0})));
       }},
      {"At",
       [text](Eventlog& log) -> Result<std::string> { return text(LS_TRY(log.At({3, 1, 0}))); }},
      {"EndOfClientOnly",
       [](Eventlog& log) -> Result<std::string> {
         return ToString(LS_TRY(log.EndOfClientOnly({3, 0, 0})).seq);
       }},
      {"Accepted",
       [](Eventlog& log) -> Result<std::string> {
         return std::to_string(LS_TRY(log.Accepted("tab")));
       }},
      {"Refused",
       [](Eventlog& log) -> Result<std::string> {
         const auto refused = LS_TRY(log.Refused("tab"));
         return std::to_string(refused.size()) + refused.at(0).error.message;
       }},
      {"CountersAfter",
       [](Eventlog& log) -> Result<std::string> {
         std::string all;
         const auto counters = LS_TRY(log.CountersAfter({3, 0, 0}, "tab"));
         for (const uint64_t counter : counters) all += std::to_string(counter) + " ";
         return all;
       }},
      {"SyncMetadata", [](Eventlog& log) -> Result<std::string> { return log.SyncMetadata(3); }},
  };
}

struct Writer {
  std::string name;
  std::function<Result<void>(Eventlog&)> write;  // Between Begin and Commit.
  bool crowded = false;                          // Where a new session makes others forgotten.
};

std::vector<Writer> Writers() {
  return {
      {"Append",
       [](Eventlog& log) {
         return log.Append(Chain(log.local_head(), 40, std::string(300, 'x')));
       }},
      {"RemoveAfter", [](Eventlog& log) { return log.RemoveAfter({4, 0, 0}); }},
      {"RemoveAll",
       [](Eventlog& log) -> Result<void> {
         LS_TRY(log.RemoveAfter(kRootSeqNum));
         LS_TRY(log.SetUpstreamHead(0));
         return log.Append(Chain(kRootSeqNum, 3, "new"));
       }},
      {"SetUpstreamHead", [](Eventlog& log) { return log.SetUpstreamHead(5); }},
      {"SetSyncMetadata", [](Eventlog& log) { return log.SetSyncMetadata(2, "\"two\""); }},
      {"SetAccepted", [](Eventlog& log) { return log.SetAccepted("tab", 9); }},
      {"SetAcceptedOfANewSession", [](Eventlog& log) { return log.SetAccepted("newcomer", 9); },
       true},
      {"NumberOf",
       [](Eventlog& log) -> Result<void> {
         LS_TRY(log.NumberOf("newcomer"));
         return Ok();
       }},
      {"AddRefused",
       [](Eventlog& log) -> Result<void> {
         const int64_t tab = LS_TRY(log.NumberOf("tab"));
         return log.AddRefused({tab, 5}, {ErrorCode::kBackendRefused, "five"});
       }},
      {"SetBackendId", [](Eventlog& log) { return log.SetBackendId("another"); }},
      {"Rebase",
       [](Eventlog& log) -> Result<void> {
         LS_TRY(log.RemoveAfter({3, 0, 0}));
         LS_TRY(log.Append(Chain(log.local_head(), 5, "rebased")));
         LS_TRY(log.SetUpstreamHead(4));
         LS_TRY(log.SetSyncMetadata(4, "4"));
         return log.SetAccepted("tab", 7);
       }},
  };
}

Result<void> WriteGroup(Eventlog& log, const Writer& writer) {
  LS_TRY(log.Begin());
  LS_TRY(writer.write(log));
  return log.Commit();
}

ErrorCode CodeOf(const StorageFault& fault) {
  return fault.status == StorageStatus::kFull ? ErrorCode::kStorageFull : ErrorCode::kStorageIo;
}

class EventlogFaultsTest : public ::testing::TestWithParam<StorageFault> {
 protected:
  ColdCache::Scope cold_;
};

TEST_P(EventlogFaultsTest, Law8_WhatCannotBeReadIsSaidAndReadLater) {
  int faults = 0;
  for (const Reader& reader : Readers()) {
    SCOPED_TRACE(reader.name);
    Storage whole(Sample());
    const auto sound = whole.MustOpen();
    const std::string expected = *reader.read(*sound);
    faults += SweepFaults(GetParam(), [&](const StorageFault& fault) {
      Storage storage(Sample());
      const auto log = storage.MustOpen();
      fault.Arm(storage.faults);
      const Result<std::string> first = reader.read(*log);
      if (first.ok()) {
        EXPECT_EQ(*first, expected);
        return storage.faults.failed() > 0;
      }
      EXPECT_EQ(first.error().code, CodeOf(fault)) << first.error().message;
      EXPECT_FALSE(log->lost());
      const Result<std::string> second = reader.read(*log);
      EXPECT_EQ(second.ok(), fault.once) << "the file is opened anew, if it can be";
      storage.faults.Heal();
      const Result<std::string> healed = reader.read(*log);
      EXPECT_TRUE(healed.ok()) << healed.error().message;
      EXPECT_EQ(healed.value_or("nothing"), expected);
      EXPECT_EQ(Dump(*log), Dump(*sound));
      EXPECT_TRUE(AppendGroup(*log, Chain(log->local_head(), 2)).ok());
      return true;
    });
  }
  EXPECT_EQ(faults > 0, GetParam().call == FaultPool::Call::kRead);
}

TEST_P(EventlogFaultsTest, Laws3And8_AGroupThatMetAFaultIsWhollyThereOrNotAtAll) {
  int faults = 0;
  for (const Writer& writer : Writers()) {
    SCOPED_TRACE(writer.name);
    const std::vector<Bytes>& sample = writer.crowded ? CrowdedSample() : Sample();
    const std::string before = DumpOf(sample);
    std::string after;
    {
      Storage storage(sample);
      const auto log = storage.MustOpen();
      ASSERT_TRUE(WriteGroup(*log, writer).ok());
      after = Dump(*log);
    }
    faults += SweepFaults(GetParam(), [&](const StorageFault& fault) {
      Storage storage(sample);
      const auto log = storage.MustOpen();
      fault.Arm(storage.faults);
      const Result<void> written = WriteGroup(*log, writer);
      const bool met = storage.faults.failed() > 0;
      if (!written.ok()) {
        EXPECT_EQ(written.error().code, CodeOf(fault)) << written.error().message;
        log->Rollback();
        if (log->lost() && !fault.once) (void)log->Reopen();  // While it still fails.
      }
      storage.faults.Heal();
      if (log->lost()) {
        const Result<void> reopened = log->Reopen();
        EXPECT_TRUE(reopened.ok()) << reopened.error().message;
        if (!reopened.ok()) return false;
      }
      const std::string left = Dump(*log);
      EXPECT_TRUE(written.ok() ? left == after : left == before || left == after) << left;
      EXPECT_EQ(DumpOf(storage.Snapshot()), left) << "another process reads what this one says";
      const Result<void> more = AppendGroup(*log, Chain(log->local_head(), 3, "more"));
      EXPECT_TRUE(more.ok()) << more.error().message;
      EXPECT_EQ(DumpOf(storage.Snapshot()), Dump(*log));
      return met;
    });
  }
  if (GetParam().call != FaultPool::Call::kSize && GetParam().call != FaultPool::Call::kTruncate) {
    EXPECT_GT(faults, 0);
  }
}

TEST_P(EventlogFaultsTest, Law8_ALogThatCannotBeOpenedIsOpenedLater) {
  std::vector<Bytes> with_wal;  // As a crash leaves it.
  {
    Storage storage(Sample());
    const auto log = storage.MustOpen();
    ASSERT_TRUE(AppendGroup(*log, Chain(log->local_head(), 3)).ok());
    with_wal = storage.Snapshot();
    ASSERT_FALSE(with_wal[1].empty());
  }
  int faults = 0;
  for (const std::vector<Bytes>& files : {std::vector<Bytes>(3), Sample(), with_wal}) {
    const std::string before = DumpOf(files);
    faults += SweepFaults(GetParam(), [&](const StorageFault& fault) {
      Storage storage(files);
      fault.Arm(storage.faults);
      {
        const auto log = storage.Open();
        if (!log.ok()) {
          EXPECT_EQ(log.error().code, CodeOf(fault)) << log.error().message;
        }
      }
      const bool met = storage.faults.failed() > 0;
      storage.faults.Heal();
      EXPECT_EQ(DumpOf(storage.Snapshot()), before) << "another process";
      const auto log = storage.MustOpen();
      if (!log) return false;
      EXPECT_EQ(Dump(*log), before);
      EXPECT_TRUE(AppendGroup(*log, Chain(log->local_head(), 3, "more")).ok());
      return met;
    });
  }
  EXPECT_GT(faults, 0);
}

TEST_P(EventlogFaultsTest, Law3_ALostLogStaysLostUntilItIsRead) {
  const Writer writer = Writers().back();
  std::string after;
  {
    Storage storage(Sample());
    const auto log = storage.MustOpen();
    ASSERT_TRUE(WriteGroup(*log, writer).ok());
    after = Dump(*log);
  }
  SweepFaults(GetParam(), [&](const StorageFault& fault) {
    Storage storage(Sample());
    const auto log = storage.MustOpen();
    // The first flush of the WAL is that of its header.
    EXPECT_TRUE(AppendGroup(*log, Chain(log->local_head(), 1)).ok());
    const std::string before = Dump(*log);
    storage.faults.Fail(FaultPool::Call::kFlush, StorageStatus::kIoError);
    EXPECT_FALSE(WriteGroup(*log, writer).ok());
    EXPECT_TRUE(log->lost());
    fault.Arm(storage.faults);
    const Result<void> reopened = log->Reopen();
    const bool met = storage.faults.failed() > 0;
    storage.faults.Heal();
    EXPECT_EQ(log->lost(), !reopened.ok());
    if (!reopened.ok()) {
      EXPECT_EQ(reopened.error().code, CodeOf(fault)) << reopened.error().message;
      const Result<void> healed = log->Reopen();
      EXPECT_TRUE(healed.ok()) << healed.error().message;
    }
    if (log->lost()) return false;
    const std::string left = Dump(*log);
    EXPECT_TRUE(left == before || left == after) << left;
    EXPECT_EQ(DumpOf(storage.Snapshot()), left) << "another process reads what this one says";
    return met;
  });
}

INSTANTIATE_TEST_SUITE_P(Calls, EventlogFaultsTest, ::testing::ValuesIn(StorageFaults()),
                         [](const auto& fault) { return fault.param.Name(); });

// ---- What somebody else has written ------------------------------------------------------------

class EventlogTamperedTest : public ::testing::Test {
 protected:
  // The log after `sql`, which some other program ran on it.
  Result<std::unique_ptr<Eventlog>> Open(const std::string& sql) {
    Storage& storage = *storages_.emplace_back(std::make_unique<Storage>(Sample()));
    storage.Tamper(sql);
    return storage.Open();
  }
  std::unique_ptr<Eventlog> MustOpen(const std::string& sql) {
    auto log = Open(sql);
    EXPECT_TRUE(log.ok()) << log.error().message;
    return log.ok() ? std::move(*log) : nullptr;
  }
  // Nothing if it opens.
  std::optional<ErrorCode> CodeOfOpen(const std::string& sql) {
    const auto log = Open(sql);
    return log.ok() ? std::nullopt : std::optional(log.error().code);
  }

  std::vector<std::unique_ptr<Storage>> storages_;  // They outlive their logs.
};

// The table with its rows, but without types, so that a row may hold anything.
std::string WithoutTypes(const std::string& table, const std::string& columns) {
  return "create table untyped (" + columns + "); insert into untyped select * from " + table +
         "; drop table " + table + "; create table " + table + " (" + columns + "); insert into " +
         table + " select * from untyped; drop table untyped; ";
}

const std::string kUntypedEvents = WithoutTypes(
    "eventlog",
    "seqNumGlobal, seqNumClient, seqNumRebaseGeneration, parentSeqNumGlobal, parentSeqNumClient, "
    "parentSeqNumRebaseGeneration, name, argsJson, clientId, sessionId, schemaHash, "
    "syncMetadataJson, sessionNumber, sessionCounter");

TEST_F(EventlogTamperedTest, AColumnOfAnotherTypeOrRangeIsNoEvent) {
  for (const std::string column :
       {"seqNumGlobal", "seqNumClient", "seqNumRebaseGeneration", "parentSeqNumGlobal",
        "parentSeqNumClient", "parentSeqNumRebaseGeneration", "name", "argsJson", "clientId",
        "sessionId", "schemaHash", "sessionNumber", "sessionCounter"}) {
    for (const std::string value : {"null", "x'00ff'", "0.5", "-1", "9223372036854775807"}) {
      const bool any_integer = column == "schemaHash" || column == "sessionNumber";
      if (any_integer && (value == "-1" || value.size() > 10)) continue;
      SCOPED_TRACE(column + " = " + value);
      const auto log = Open(kUntypedEvents + "update eventlog set " + column + " = " + value +
                            " where rowid = 2");
      if (!log.ok()) {  // It sorts after the last event.
        EXPECT_EQ(column, "seqNumGlobal");
        EXPECT_EQ(log.error().code, ErrorCode::kCorruptEventlog);
        continue;
      }
      const auto events = (*log)->Range(kRootSeqNum, 100);
      ASSERT_FALSE(events.ok());
      EXPECT_EQ(events.error().code, ErrorCode::kCorruptEventlog);
      if (column.starts_with("seqNum")) continue;
      EXPECT_EQ((*log)->Range({2, 0, 0}, 100)->size(), 6u) << "what is sound can be rescued";
    }
  }
}

TEST_F(EventlogTamperedTest, ALastRowThatIsNoEventIsRefused) {
  EXPECT_EQ(CodeOfOpen("update eventlog set sessionCounter = -1 where rowid = 7"), std::nullopt);
  EXPECT_EQ(CodeOfOpen("update eventlog set sessionCounter = -1 where rowid = 8"),
            ErrorCode::kCorruptEventlog);
  EXPECT_EQ(CodeOfOpen("delete from eventlog where seqNumGlobal > 1; update eventlog set "
                       "seqNumGlobal = 0; update __livestore_sync_status set head = 0"),
            ErrorCode::kCorruptEventlog)
      << "e0 is no event";
}

TEST_F(EventlogTamperedTest, AFileWithAFormatButNoApplicationIsAnotherOnes) {
  EXPECT_EQ(CodeOfOpen("pragma application_id = 0"), ErrorCode::kCorruptEventlog);
  Storage empty;
  empty.Tamper("pragma user_version = 1");
  EXPECT_EQ(empty.Open().error().code, ErrorCode::kCorruptEventlog);
}

TEST_F(EventlogTamperedTest, AMissingColumnIsNamed) {
  const auto log =
      Open("drop table __livestore_session; create table __livestore_session (number integer)");
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error().code, ErrorCode::kCorruptEventlog);
  EXPECT_NE(log.error().message.find("a column is missing"), std::string::npos);
}

TEST_F(EventlogTamperedTest, ABackendIdThatIsNoTextIsNone) {
  const auto log = MustOpen(WithoutTypes("__livestore_sync_status",
                                         "head, backendId, givenClientId, ownClientId, epoch") +
                            "update __livestore_sync_status set backendId = 7");
  EXPECT_EQ(log->backend_id(), "");
  EXPECT_EQ(log->upstream_head(), 3u);
}

TEST_F(EventlogTamperedTest, WhatItHasOfASessionIsCountedUpwards) {
  const auto negative = MustOpen("update __livestore_session set accepted = -1");
  EXPECT_EQ(negative->Accepted("tab").error().code, ErrorCode::kCorruptEventlog);

  const auto unnumbered = MustOpen("update __livestore_session set number = -5");
  ASSERT_TRUE(unnumbered->Begin().ok());
  EXPECT_EQ(unnumbered->NumberOf("tab").error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(All(*unnumbered).size(), 8u);

  for (const std::string counter : {"0", "-1", "9223372036854775807"}) {
    const auto refused = MustOpen("update __livestore_refused set counter = " + counter);
    EXPECT_EQ(refused->Refused("tab").error().code, ErrorCode::kCorruptEventlog) << counter;
  }
  const auto twice = MustOpen(
      "insert into __livestore_refused (number, counter, code, reason) "
      "select number, counter, code, 'again' from __livestore_refused");
  EXPECT_EQ(twice->Refused("tab").error().code, ErrorCode::kCorruptEventlog);
  EXPECT_TRUE(twice->Refused("other")->empty());
}

TEST_F(EventlogTamperedTest, TheEventsOfASessionAscend) {
  using Counters = std::vector<uint64_t>;
  const auto sound = MustOpen("select 1");
  EXPECT_EQ(*sound->CountersAfter({4, 0, 0}, "tab"), (Counters{3, 4, 0}));
  const auto swapped = MustOpen("update eventlog set sessionCounter = 3 where sessionCounter = 4");
  EXPECT_EQ(swapped->CountersAfter({4, 0, 0}, "tab").error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(swapped->CountersAfter({5, 0, 0}, "tab")->size(), 2u);
  const auto negative =
      MustOpen("update eventlog set sessionCounter = -4 where sessionCounter = 4");
  EXPECT_EQ(*negative->CountersAfter({4, 0, 0}, "tab"), (Counters{3, 0, 0}))
      << "it is no event of the session; Range says that the row is damaged";
}

TEST_F(EventlogTamperedTest, MetadataOfAMissingEventIsCorrupt) {
  const auto log = MustOpen("delete from eventlog where seqNumGlobal = 2");
  ASSERT_TRUE(log->Begin().ok());
  EXPECT_EQ(log->SetSyncMetadata(2, "2").error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(*log->SyncMetadata(3), "\"three\"");
}

TEST_F(EventlogTamperedTest, MetadataThatIsCutOffIsCorrupt) {
  for (const std::string option : {R"({"_tag":"Some","value":7)", R"({"_tag":"Som)", "", "}"}) {
    const auto log = MustOpen("update eventlog set syncMetadataJson = '" + option + "'");
    EXPECT_EQ(log->SyncMetadata(2).error().code, ErrorCode::kCorruptEventlog) << option;
  }
}

TEST_F(EventlogTamperedTest, ARefusalOfNobodysEventIsNotRemembered) {
  const auto log = MustOpen("delete from __livestore_refused");
  ASSERT_TRUE(log->Begin().ok());
  EXPECT_TRUE(log->AddRefused({1, 0}, {ErrorCode::kBackendRefused, "no"}).ok());
  ASSERT_TRUE(log->Commit().ok());
  EXPECT_TRUE(log->Refused("tab")->empty());
}

// After a failed read the file is opened anew. What is in it then must be what was known.
TEST_F(EventlogTamperedTest, AFileThatWasSwappedDuringAFailureIsNotBelieved) {
  const ColdCache::Scope cold;
  for (const std::string sql :
       {"update __livestore_sync_status set head = 2", "delete from eventlog where rowid = 8",
        "update __livestore_sync_status set backendId = 'other'",
        "update __livestore_session set ordinal = 77",
        "insert into __livestore_session (instance, accepted, ordinal) values ('more', 1, 0)",
        "update eventlog set argsJson = '{}' where rowid = 8",
        "update eventlog set sessionCounter = -1 where rowid = 8"}) {
    SCOPED_TRACE(sql);
    Storage other(Sample());
    other.Tamper(sql);
    const std::vector<Bytes> others = other.Snapshot();
    Storage storage(Sample());
    const auto log = storage.MustOpen();
    storage.faults.Fail(FaultPool::Call::kRead, StorageStatus::kIoError);
    EXPECT_EQ(log->Range(kRootSeqNum, 9).error().code, ErrorCode::kStorageIo);
    storage.faults.Heal();
    storage.Restore(others);
    const auto events = log->Range(kRootSeqNum, 9);
    ASSERT_FALSE(events.ok());
    EXPECT_EQ(events.error().code, ErrorCode::kCorruptEventlog) << events.error().message;
    EXPECT_EQ(log->Begin().error().code, ErrorCode::kCorruptEventlog);
    storage.Restore(Sample());
    EXPECT_EQ(Dump(*log), DumpOf(Sample())) << "the right file is believed again";
  }
}

}  // namespace
}  // namespace livestore

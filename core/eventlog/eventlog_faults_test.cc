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
  // Changes the file as some other program might.
  void Tamper(const std::string& sql) {
    auto database = Database::Open(vfs_->name(), kFile, Durability::kFlushed);
    ASSERT_TRUE(database.ok()) << database.error().message;
    const Result<void> executed = (*database)->Exec(sql);
    ASSERT_TRUE(executed.ok()) << executed.error().message;
  }
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

}  // namespace
}  // namespace livestore

// What the conformance suite cannot ask of a real pool. The rest of PoolVfs is tested by
// vfs_conformance_test.cc.

#include "core/sqlite/pool_vfs.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "core/sqlite/database.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/vfs_environment.h"

namespace livestore {
namespace {

// A file so large that only its calls exist.
class VastPool final : public StoragePool {
 public:
  Handle Find(std::string_view name) override { return name == "vast.db" ? 0 : kNone; }
  int64_t Size(Handle /*file*/) override { return int64_t{1} << 40; }
  int64_t Read(Handle /*file*/, uint8_t* out, size_t size, int64_t offset) override {
    read_offsets.push_back(offset);
    std::fill(out, out + size, uint8_t{'v'});
    return static_cast<int64_t>(size);
  }
  StorageStatus Write(Handle /*file*/, BytesView /*bytes*/, int64_t offset) override {
    write_offsets.push_back(offset);
    return StorageStatus::kOk;
  }
  StorageStatus Truncate(Handle /*file*/, int64_t size) override {
    truncated_to = size;
    return StorageStatus::kOk;
  }
  StorageStatus Flush(Handle /*file*/) override { return StorageStatus::kOk; }

  std::vector<int64_t> read_offsets;
  std::vector<int64_t> write_offsets;
  int64_t truncated_to = -1;
};

TEST(PoolVfsTest, OffsetsBeyond32BitsAreKept) {
  VastPool pool;
  const auto vfs = std::move(*PoolVfs::Create(pool, {}));
  sqlite3_vfs* const found = sqlite3_vfs_find(vfs->name().c_str());
  ASSERT_NE(found, nullptr);
  std::vector<uint64_t> memory(static_cast<size_t>(found->szOsFile) / 8 + 1);
  auto* const file = reinterpret_cast<sqlite3_file*>(memory.data());
  ASSERT_EQ(
      found->xOpen(found, "vast.db", file, SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE, nullptr),
      SQLITE_OK);
  constexpr int64_t kFar = (int64_t{1} << 39) + 12345;
  char byte = 0;
  EXPECT_EQ(file->pMethods->xRead(file, &byte, 1, kFar), SQLITE_OK);
  EXPECT_EQ(byte, 'v');
  EXPECT_EQ(file->pMethods->xWrite(file, "x", 1, kFar + 1), SQLITE_OK);
  EXPECT_EQ(file->pMethods->xTruncate(file, kFar + 2), SQLITE_OK);
  EXPECT_EQ(file->pMethods->xClose(file), SQLITE_OK);
  EXPECT_EQ(pool.read_offsets, std::vector<int64_t>{kFar});
  EXPECT_EQ(pool.write_offsets, std::vector<int64_t>{kFar + 1});
  EXPECT_EQ(pool.truncated_to, kFar + 2);
}

TEST(PoolVfsTest, VfsesAreApartAndNeverTheDefault) {
  MemoryPool first_pool({"a.db", "a.db-wal", "a.db-journal"});
  MemoryPool second_pool({"a.db", "a.db-wal", "a.db-journal"});
  auto first = std::move(*PoolVfs::Create(first_pool, {}));
  const auto second = std::move(*PoolVfs::Create(second_pool, {}));
  EXPECT_NE(first->name(), second->name());
  EXPECT_STREQ(sqlite3_vfs_find(nullptr)->zName, "livestore-none");
  {
    const auto database = std::move(*Database::Open(first->name(), "a.db", Durability::kFlushed));
    ASSERT_TRUE(database->Exec("CREATE TABLE t(a)").ok());
  }
  EXPECT_GT(first_pool.Size(first_pool.Find("a.db")), 0);
  EXPECT_EQ(second_pool.Size(second_pool.Find("a.db")), 0);
  const std::string name = first->name();
  first.reset();
  EXPECT_EQ(sqlite3_vfs_find(name.c_str()), nullptr);
}

TEST(PoolVfsTest, TheDefaultVfsHasNoFiles) {
  internal::InitializeSqlite();
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open("some-file.db", &db), SQLITE_CANTOPEN);
  sqlite3_close(db);
}

int64_t NowOf(Database& database) {
  return *database.QueryInt(*database.Prepare("SELECT unixepoch('now')"), BindsWriter().view(), -1);
}

TEST(PoolVfsTest, TimeIsGivenNotTaken) {
  MemoryPool pool({"a.db", "a.db-wal", "a.db-journal"});
  int64_t now_ms = 1'700'000'000'000;
  const VfsEnvironment environment{
      .now_ms = [](void* context) { return *static_cast<int64_t*>(context); }, .context = &now_ms};
  const auto vfs = std::move(*PoolVfs::Create(pool, environment));
  const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
  EXPECT_EQ(NowOf(*file), 1'700'000'000);
  now_ms += 5000;
  EXPECT_EQ(NowOf(*file), 1'700'000'005);

  const auto memory = std::move(*Database::OpenInMemory());
  EXPECT_EQ(NowOf(*memory), 0);
  SetProcessEnvironment(environment);
  EXPECT_EQ(NowOf(*memory), 1'700'000'005);
  SetProcessEnvironment({});
  EXPECT_EQ(NowOf(*memory), 0);
}

TEST(PoolVfsTest, TheSameSeedGivesTheSameBytes) {
  const auto image = [](uint8_t seed) {
    SetProcessEnvironment({.random_bytes =
                               [](void* context, uint8_t* out, size_t size) {
                                 std::fill(out, out + size, *static_cast<uint8_t*>(context));
                               },
                           .context = &seed});
    MemoryPool pool({"a.db", "a.db-wal", "a.db-journal"});
    const auto vfs = std::move(*PoolVfs::Create(pool, {}));
    const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
    EXPECT_TRUE(file->Exec("CREATE TABLE t(a); INSERT INTO t VALUES (randomblob(100))").ok());
    const StoragePool::Handle wal = pool.Find("a.db-wal");
    Bytes bytes(static_cast<size_t>(pool.Size(wal)));
    pool.Read(wal, bytes.data(), bytes.size(), 0);
    SetProcessEnvironment({});
    return bytes;
  };
  EXPECT_EQ(image(1), image(1));
  EXPECT_NE(image(1), image(2));
}

TEST(PoolVfsTest, Law2_WhatADeadProcessLeftUnflushedIsFlushedBeforeItIsBelieved) {
  MemoryPool pool({"a.db", "a.db-wal", "a.db-journal"});
  {
    const auto vfs = std::move(*PoolVfs::Create(pool, {}));
    const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
    ASSERT_TRUE(file->Exec("create table t(a); insert into t values (1)").ok());
  }
  const auto vfs = std::move(*PoolVfs::Create(pool, {}));
  auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
  const StatementId count = *file->Prepare("select count(*) from t");
  EXPECT_EQ(*file->QueryInt(count, BindsWriter().view(), 0), 1);
  EXPECT_GE(vfs->counters().flushes, 1u);
  file.reset();
  const uint64_t flushes = vfs->counters().flushes;
  file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
  EXPECT_EQ(vfs->counters().flushes, flushes) << "by this process everything was flushed in time";
}

// What becomes of the rollback journal of a.db.
class JournalWatch final : public StoragePool {
 public:
  explicit JournalWatch(StoragePool& inner) : inner_(inner), journal_(inner.Find("a.db-journal")) {}

  int deletes = 0;
  int flushes = 0;
  bool may_come_back = false;  // It was deleted, and not flushed since.

  Handle Find(std::string_view name) override { return inner_.Find(name); }
  int64_t Size(Handle file) override { return inner_.Size(file); }
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override {
    return inner_.Read(file, out, size, offset);
  }
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override {
    return inner_.Write(file, bytes, offset);
  }
  StorageStatus Truncate(Handle file, int64_t size) override {
    if (file == journal_ && size == 0) {
      deletes++;
      may_come_back = true;
    }
    return inner_.Truncate(file, size);
  }
  StorageStatus Flush(Handle file) override {
    if (file == journal_) {
      flushes++;
      may_come_back = false;
    }
    return inner_.Flush(file);
  }

 private:
  StoragePool& inner_;
  Handle journal_;
};

// The switch to WAL is made in a rollback transaction: its journal, if a power cut brought it back,
// would take the database back to nothing.
TEST(PoolVfsTest, Law2_AJournalThatIsDeletedIsGoneForGood) {
  MemoryPool memory({"a.db", "a.db-wal", "a.db-journal"});
  {
    JournalWatch pool(memory);
    const auto vfs = std::move(*PoolVfs::Create(pool, {}));
    const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
    ASSERT_TRUE(file->Exec("create table t(a)").ok());
    EXPECT_GT(pool.deletes, 0);
    EXPECT_FALSE(pool.may_come_back);
  }
  // And if the process that deleted it died before its flush, the next one does it.
  JournalWatch pool(memory);
  const auto vfs = std::move(*PoolVfs::Create(pool, {}));
  const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
  EXPECT_GT(pool.flushes, 0);
}

TEST(PoolVfsDeathTest, AVfsOutlivesItsDatabases) {
  EXPECT_DEATH(
      {
        MemoryPool pool({"a.db", "a.db-wal", "a.db-journal"});
        auto vfs = std::move(*PoolVfs::Create(pool, {}));
        const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
        vfs.reset();
      },
      "open_files == 0");
}

}  // namespace
}  // namespace livestore

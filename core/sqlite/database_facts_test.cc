#include "core/sqlite/database_facts.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/sqlite/database.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"

namespace livestore {
namespace {

const std::vector<std::string> kFiles = {"a.db", "a.db-wal", "a.db-journal"};

class DatabaseFactsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> Open() {
    auto database = Database::Open(vfs_->name(), "a.db", Durability::kFlushed);
    EXPECT_TRUE(database.ok()) << database.error().message;
    return std::move(*database);
  }
  std::vector<Bytes> Snapshot() {
    std::vector<Bytes> files;
    for (const std::string& name : kFiles) {
      Bytes bytes(static_cast<size_t>(pool_.Size(pool_.Find(name))));
      pool_.Read(pool_.Find(name), bytes.data(), bytes.size(), 0);
      files.push_back(std::move(bytes));
    }
    return files;
  }
  void Write(const std::string& name, const Bytes& bytes) {
    pool_.Truncate(pool_.Find(name), 0);
    pool_.Write(pool_.Find(name), bytes, 0);
  }
  // The facts, after checking that learning them wrote nothing.
  Result<std::optional<DatabaseFacts>> Facts() {
    const auto files = Snapshot();
    const auto before = vfs_->counters();
    auto facts = ReadDatabaseFacts(vfs_->name(), "a.db");
    EXPECT_TRUE(Snapshot() == files);
    EXPECT_EQ(vfs_->counters().writes, before.writes);
    EXPECT_EQ(vfs_->counters().truncates, before.truncates);
    EXPECT_EQ(vfs_->counters().flushes, before.flushes);
    return facts;
  }

  MemoryPool pool_{kFiles};
  std::unique_ptr<PoolVfs> vfs_ = *PoolVfs::Create(pool_, {});
};

TEST_F(DatabaseFactsTest, AFileThatDoesNotExistHasNone) {
  const auto facts = Facts();
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_FALSE(facts->has_value());
}

TEST_F(DatabaseFactsTest, AreReadFromTheDatabaseAndFromItsWal) {
  {
    const auto database = Open();
    ASSERT_TRUE(database->Exec("create table t (a); pragma application_id = 7").ok());
  }
  auto facts = Facts();
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ((*facts)->application_id, 7);
  EXPECT_EQ((*facts)->user_version, 0);
  EXPECT_EQ((*facts)->tables, std::vector<std::string>{"t"});
  EXPECT_TRUE((*facts)->wal);

  std::vector<Bytes> crashed;
  {
    const auto database = Open();
    ASSERT_TRUE(database->Exec("create table u (a); pragma user_version = 9").ok());
    crashed = Snapshot();
  }
  ASSERT_FALSE(crashed[1].empty());
  for (size_t i = 0; i < kFiles.size(); ++i) Write(kFiles[i], crashed[i]);
  facts = Facts();
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ((*facts)->user_version, 9);
  EXPECT_EQ((*facts)->tables, (std::vector<std::string>{"t", "u"}));
  EXPECT_EQ(Open()->Exec("insert into u values (1)").ok(), true);
}

TEST_F(DatabaseFactsTest, WhatIsNoDatabaseIsCorrupt) {
  for (const Bytes& bytes : {Bytes(10, 'x'), Bytes(9000, 'x'), Bytes(4096, 0)}) {
    Write("a.db", bytes);
    const auto facts = Facts();
    ASSERT_FALSE(facts.ok());
    EXPECT_EQ(facts.error().code, ErrorCode::kCorruptState) << facts.error().message;
  }
}

TEST_F(DatabaseFactsTest, AFileThatLostItsEndIsCorrupt) {
  {
    const auto database = Open();
    ASSERT_TRUE(database->Exec("create table t (a); insert into t values (zeroblob(20000))").ok());
  }
  const Bytes whole = Snapshot()[0];
  for (const size_t lost : {size_t{1}, size_t{4095}, size_t{4096}, whole.size() - 4096}) {
    Write("a.db", Bytes(whole.begin(), whole.end() - static_cast<ptrdiff_t>(lost)));
    const auto facts = Facts();
    ASSERT_FALSE(facts.ok()) << lost;
    EXPECT_EQ(facts.error().code, ErrorCode::kCorruptState) << facts.error().message;
  }
}

TEST_F(DatabaseFactsTest, AFormatThatSqliteDoesNotReadIsCorrupt) {
  {
    ASSERT_TRUE(Open()->Exec("create table t (a)").ok());
  }
  Bytes bytes = Snapshot()[0];
  bytes[47] = 9;  // The schema format number.
  Write("a.db", bytes);
  const auto facts = Facts();
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, ErrorCode::kCorruptState) << facts.error().message;
}

}  // namespace
}  // namespace livestore

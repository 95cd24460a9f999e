#include "core/sqlite/vfs_conformance.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/sqlite/database.h"
#include "core/sqlite/fault_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/sqlite/savepoint.h"

// Fails the case when `condition` does not hold.
#define LS_HOLDS(condition)                                 \
  do {                                                      \
    if (!(condition)) return Because(#condition, __LINE__); \
  } while (false)

// Fails the case when `result` is an error.
#define LS_WORKS(result)                                                                   \
  do {                                                                                     \
    const auto& ls_works = (result);                                                       \
    if (!ls_works.ok()) return Because(#result ": " + ls_works.error().message, __LINE__); \
  } while (false)

namespace livestore {
namespace {

using Call = FaultPool::Call;

std::string Because(const std::string& what, int line) {
  return "vfs_conformance.cc:" + std::to_string(line) + ": " + what;
}

// A pool under test, in a FaultPool, with a VFS on it and the means to look at its files.
class Bench {
 public:
  explicit Bench(StoragePool& storage) : pool(storage) { Restart(); }

  // Makes a new VFS, as a new process would. Databases must be closed.
  void Restart() {
    vfs.reset();
    auto made = PoolVfs::Create(pool, {});
    LS_CHECK(made.ok());
    vfs = std::move(*made);
  }

  Result<std::unique_ptr<Database>> Open(const std::string& file,
                                         Durability durability = Durability::kFlushed) {
    return Database::Open(vfs->name(), file, durability);
  }

  int64_t Size(std::string_view file) { return pool.Size(pool.Find(file)); }

  // What a killed process leaves: the bytes of all files as they are now.
  std::vector<Bytes> Snapshot() {
    std::vector<Bytes> files;
    for (const std::string& name : ConformanceFiles()) {
      const StoragePool::Handle handle = pool.Find(name);
      Bytes bytes(static_cast<size_t>(pool.Size(handle)));
      pool.Read(handle, bytes.data(), bytes.size(), 0);
      files.push_back(std::move(bytes));
    }
    return files;
  }
  void Put(std::string_view file, BytesView bytes) {
    const StoragePool::Handle handle = pool.Find(file);
    pool.Truncate(handle, 0);
    if (!bytes.empty()) pool.Write(handle, bytes, 0);
  }
  void Restore(const std::vector<Bytes>& files) {
    const std::vector<std::string> names = ConformanceFiles();
    for (size_t i = 0; i < files.size(); i++) Put(names[i], files[i]);
  }

  FaultPool pool;
  std::unique_ptr<PoolVfs> vfs;
};

// One file, opened as SQLite opens it.
class RawFile {
 public:
  RawFile(const PoolVfs& vfs, const char* name, int flags)
      : vfs_(sqlite3_vfs_find(vfs.name().c_str())),
        memory_(static_cast<size_t>(vfs_->szOsFile) / sizeof(uint64_t) + 1) {
    result = vfs_->xOpen(vfs_, name, file(), flags, nullptr);
  }
  ~RawFile() {
    if (result == SQLITE_OK) file()->pMethods->xClose(file());
  }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  int Write(std::string_view text, int64_t offset) {
    return file()->pMethods->xWrite(file(), text.data(), static_cast<int>(text.size()), offset);
  }
  // The bytes read, NULs as '.', with "!" after them when SQLite was told of a short read.
  std::string Read(size_t size, int64_t offset) {
    std::string text(size, 'x');
    const int code = file()->pMethods->xRead(file(), text.data(), static_cast<int>(size), offset);
    std::replace(text.begin(), text.end(), '\0', '.');
    if (code == SQLITE_IOERR_SHORT_READ) return text + "!";
    return code == SQLITE_OK ? text : "error " + std::to_string(code);
  }
  int Truncate(int64_t size) { return file()->pMethods->xTruncate(file(), size); }
  int Sync() { return file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL); }
  int EndCommit() {
    return file()->pMethods->xFileControl(file(), SQLITE_FCNTL_COMMIT_PHASETWO, nullptr);
  }
  int64_t Size() {
    sqlite3_int64 size = -1;
    return file()->pMethods->xFileSize(file(), &size) == SQLITE_OK ? size : -1;
  }

  int result = SQLITE_ERROR;  // Of opening it.

 private:
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }

  sqlite3_vfs* vfs_;
  std::vector<uint64_t> memory_;
};

constexpr int kDatabaseFlags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
constexpr int kWalFlags = SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

bool Exists(const PoolVfs& vfs, const char* name) {
  sqlite3_vfs* const found = sqlite3_vfs_find(vfs.name().c_str());
  int exists = -1;
  LS_CHECK(found->xAccess(found, name, SQLITE_ACCESS_EXISTS, &exists) == SQLITE_OK);
  return exists == 1;
}

int Delete(const PoolVfs& vfs, const char* name) {
  sqlite3_vfs* const found = sqlite3_vfs_find(vfs.name().c_str());
  return found->xDelete(found, name, 1);
}

// The one integer that `sql` yields, or -1 on failure.
int64_t Number(Database& database, std::string_view sql) {
  const Result<StatementId> statement = database.PrepareInternal(sql);
  if (!statement.ok()) return -1;
  return database.QueryInt(*statement, BindsWriter().view(), -1).value_or(-1);
}

// By SQLite's own check; the module for browsers is built without it, and reads every row instead.
bool IsSound(Database& database) {
  constexpr char kCheck[] = "SELECT integrity_check = 'ok' FROM pragma_integrity_check";
  const Result<StatementId> check = database.PrepareInternal(kCheck);
  const bool has_check = check.ok() && database.Compiled(*check).ok();
  return Number(database, has_check ? kCheck : "SELECT count(body) >= 0 FROM t") == 1;
}

bool FailsWith(const Result<void>& result, ErrorCode code) {
  return !result.ok() && result.error().code == code;
}

constexpr char kCreate[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB) STRICT";
constexpr char kInsert[] = "INSERT INTO t(body) VALUES (randomblob(100))";
constexpr char kInsertPages[] = "INSERT INTO t(body) VALUES (randomblob(40000))";
constexpr char kCount[] = "SELECT count(*) FROM t";

// Files.

std::string EmptyFilesDoNotExist(StoragePool& pool) {
  Bench bench(pool);
  LS_HOLDS(!Exists(*bench.vfs, "a.db"));
  LS_HOLDS(!Exists(*bench.vfs, "unknown.db"));
  const RawFile absent(*bench.vfs, "a.db", SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE);
  LS_HOLDS(absent.result == SQLITE_CANTOPEN);
  {
    RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
    LS_HOLDS(file.result == SQLITE_OK);
    LS_HOLDS(file.Size() == 0);
    LS_HOLDS(file.Write("here", 0) == SQLITE_OK);
  }
  LS_HOLDS(Exists(*bench.vfs, "a.db"));
  LS_HOLDS(Delete(*bench.vfs, "a.db") == SQLITE_OK);
  LS_HOLDS(!Exists(*bench.vfs, "a.db"));
  LS_HOLDS(bench.Size("a.db") == 0);
  LS_HOLDS(Delete(*bench.vfs, "unknown.db") == SQLITE_IOERR_DELETE_NOENT);
  return "";
}
std::string DeletedFilesStayAway(StoragePool& pool) {
  Bench bench(pool);
  LS_HOLDS(!Exists(*bench.vfs, "a.db"));
  LS_HOLDS(bench.Size("a.db") == 0);
  return "";
}

std::string WhatWasWrittenIsThereAfterARestart(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Write("hello", 0) == SQLITE_OK);
  LS_HOLDS(file.Sync() == SQLITE_OK);
  LS_HOLDS(file.Write(" world", 5) == SQLITE_OK);
  return "";
}
std::string HelloWorldIsThere(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Size() == 11);
  LS_HOLDS(file.Read(11, 0) == "hello world");
  return "";
}

std::string ShortReadsAreFilledWithZeros(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Read(4, 0) == "....!");
  LS_HOLDS(file.Write("abcdef", 0) == SQLITE_OK);
  LS_HOLDS(file.Read(4, 0) == "abcd");
  LS_HOLDS(file.Read(4, 4) == "ef..!");
  LS_HOLDS(file.Read(4, 6) == "....!");
  LS_HOLDS(file.Read(4, 1000) == "....!");
  return "";
}

std::string AGapReadsAsZeros(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Write("end", 10) == SQLITE_OK);
  LS_HOLDS(file.Size() == 13);
  LS_HOLDS(file.Read(13, 0) == "..........end");
  return "";
}

std::string TruncateCutsAndKeeps(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Write("abcdef", 0) == SQLITE_OK);
  LS_HOLDS(file.Truncate(3) == SQLITE_OK);
  LS_HOLDS(file.Size() == 3);
  LS_HOLDS(bench.Size("a.db") == 3);
  LS_HOLDS(file.Read(6, 0) == "abc...!");
  LS_HOLDS(file.Write("xy", 3) == SQLITE_OK);
  LS_HOLDS(file.Read(5, 0) == "abcxy");
  return "";
}
std::string WhatWasKeptIsThere(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Size() == 5);
  LS_HOLDS(file.Read(6, 0) == "abcxy.!");
  return "";
}

std::string TwoFilesDoNotMix(StoragePool& pool) {
  Bench bench(pool);
  {
    RawFile a(*bench.vfs, "a.db", kDatabaseFlags);
    RawFile b(*bench.vfs, "b.db", kDatabaseFlags);
    for (int64_t i = 0; i < 50; i++) {
      LS_HOLDS(a.Write("aa", i * 2) == SQLITE_OK);
      LS_HOLDS(b.Write("bbb", i * 3) == SQLITE_OK);
      if (i % 10 == 0) LS_HOLDS(a.Read(2, i * 2) == "aa");
    }
    LS_HOLDS(a.Read(100, 0) == std::string(100, 'a'));
    LS_HOLDS(b.Read(150, 0) == std::string(150, 'b'));
  }
  LS_HOLDS(bench.Size("a.db") == 100);
  LS_HOLDS(bench.Size("b.db") == 150);
  return "";
}

constexpr int64_t kFar = (int64_t{16} << 20) + 7;

std::string LargeOffsetsHold(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Write("far", kFar) == SQLITE_OK);
  LS_HOLDS(file.Write("near", 0) == SQLITE_OK);
  LS_HOLDS(file.Size() == kFar + 3);
  LS_HOLDS(file.Read(3, kFar) == "far");
  LS_HOLDS(file.Read(4, 0) == "near");
  return "";
}
std::string BothEndsAreThere(StoragePool& pool) {
  Bench bench(pool);
  RawFile file(*bench.vfs, "a.db", kDatabaseFlags);
  LS_HOLDS(file.Size() == kFar + 3);
  LS_HOLDS(file.Read(4, kFar) == "far.!");
  LS_HOLDS(file.Read(6, 0) == "near..");
  return "";
}

std::string TemporaryAndUnknownFilesAreRefused(StoragePool& pool) {
  Bench bench(pool);
  const RawFile temporary(*bench.vfs, nullptr,
                          SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  LS_HOLDS(temporary.result == SQLITE_CANTOPEN);
  const RawFile unknown(*bench.vfs, "unknown.db", kDatabaseFlags);
  LS_HOLDS(unknown.result == SQLITE_CANTOPEN);
  return "";
}

std::string OneConnectionOwnsADatabase(StoragePool& pool) {
  Bench bench(pool);
  auto first = bench.Open("a.db");
  LS_WORKS(first);
  const auto second = bench.Open("a.db");
  LS_HOLDS(!second.ok());
  LS_HOLDS(second.error().code == ErrorCode::kStorageIo);
  first->reset();
  const auto third = bench.Open("a.db");
  LS_WORKS(third);
  return "";
}

// Coalescing.

std::string ContiguousWritesAreOneCall(StoragePool& pool) {
  Bench bench(pool);
  RawFile wal(*bench.vfs, "a.db-wal", kWalFlags);
  bench.pool.TakeWriteSizes();
  for (int64_t i = 0; i < 100; i++) LS_HOLDS(wal.Write("0123456789", i * 10) == SQLITE_OK);
  LS_HOLDS(bench.pool.TakeWriteSizes().empty());
  LS_HOLDS(wal.Size() == 1000);
  LS_HOLDS(wal.EndCommit() == SQLITE_OK);
  LS_HOLDS(bench.pool.TakeWriteSizes() == std::vector<size_t>{1000});
  LS_HOLDS(wal.EndCommit() == SQLITE_OK);
  LS_HOLDS(bench.pool.TakeWriteSizes().empty());
  LS_HOLDS(bench.vfs->counters().writes == 1);
  return "";
}

std::string NothingStaleCanBeObserved(StoragePool& pool) {
  Bench bench(pool);
  RawFile a(*bench.vfs, "a.db", kDatabaseFlags);
  RawFile b(*bench.vfs, "b.db", kDatabaseFlags);
  const auto written = [&bench] { return bench.pool.TakeWriteSizes(); };
  using Sizes = std::vector<size_t>;
  written();

  LS_HOLDS(a.Write("one", 0) == SQLITE_OK);
  LS_HOLDS(a.Read(3, 0) == "one");  // A read of that file writes it out,
  LS_HOLDS(written() == Sizes{3});
  LS_HOLDS(a.Write("two", 3) == SQLITE_OK);
  LS_HOLDS(a.Write("ONE", 0) == SQLITE_OK);  // a write elsewhere in it,
  LS_HOLDS(written() == Sizes{3});
  LS_HOLDS(b.Write("other", 0) == SQLITE_OK);  // a write to another file,
  LS_HOLDS(written() == Sizes{3});
  LS_HOLDS(a.Sync() == SQLITE_OK);  // a sync, of any file,
  LS_HOLDS(written() == Sizes{5});
  LS_HOLDS(a.Write("!", 6) == SQLITE_OK);
  LS_HOLDS(a.Truncate(5) == SQLITE_OK);  // and a truncate.
  LS_HOLDS(written() == Sizes{1});
  LS_HOLDS(a.Read(6, 0) == "ONEtw.!");
  LS_HOLDS(b.Read(5, 0) == "other");
  return "";
}

std::string AHeldRunIsBounded(StoragePool& pool) {
  Bench bench(pool);
  RawFile wal(*bench.vfs, "a.db-wal", kWalFlags);
  const std::string block(64 << 10, 'b');
  constexpr size_t kBlocks = limits::kCoalescedWriteBytesMax / (64 << 10) * 2 + 1;
  for (size_t i = 0; i < kBlocks; i++) {
    LS_HOLDS(wal.Write(block, static_cast<int64_t>(i * block.size())) == SQLITE_OK);
  }
  const std::vector<size_t> sizes = bench.pool.TakeWriteSizes();
  LS_HOLDS(sizes == std::vector<size_t>(2, limits::kCoalescedWriteBytesMax));
  LS_HOLDS(wal.Read(1, static_cast<int64_t>(kBlocks * block.size()) - 1) == "b");
  return "";
}

std::string AWalCommitIsOneWrite(StoragePool& pool) {
  Bench bench(pool);
  for (const Durability durability : {Durability::kFlushed, Durability::kDerived}) {
    const std::string file = durability == Durability::kFlushed ? "a.db" : "b.db";
    auto opened = bench.Open(file, durability);
    LS_WORKS(opened);
    Database& database = **opened;
    LS_WORKS(database.Exec(kCreate));
    LS_WORKS(database.Exec(kInsertPages));
    bench.pool.TakeWriteSizes();
    for (int i = 0; i < 5; i++) {
      LS_WORKS(database.Exec(kInsertPages));  // Ten pages and more.
      const std::vector<size_t> sizes = bench.pool.TakeWriteSizes();
      LS_HOLDS(sizes.size() == 1);
      LS_HOLDS(sizes[0] > 40'000);
    }
  }
  return "";
}

// Databases.

std::string ADatabasePersistsInWalMode(StoragePool& pool) {
  Bench bench(pool);
  {
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    Database& database = **opened;
    LS_HOLDS(Number(database, "SELECT journal_mode = 'wal' FROM pragma_journal_mode") == 1);
    LS_HOLDS(Number(database, "SELECT locking_mode = 'exclusive' FROM pragma_locking_mode") == 1);
    LS_HOLDS(Number(database, "PRAGMA page_size") == 4096);
    LS_WORKS(database.Exec(kCreate));
    for (int i = 0; i < 10; i++) LS_WORKS(database.Exec(kInsert));
    LS_HOLDS(bench.Size("a.db-wal") > 0);
    LS_HOLDS(bench.Size("a.db-journal") == 0);
  }
  LS_HOLDS(bench.Size("a.db") > 0);
  LS_HOLDS(bench.Size("a.db-wal") == 0);  // A clean close takes the WAL in and deletes it.
  return "";
}
std::string TenRowsAreThere(StoragePool& pool) {
  Bench bench(pool);
  LS_HOLDS(bench.Size("a.db-wal") == 0);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == 10);
  LS_HOLDS(IsSound(**opened));
  return "";
}

std::string EveryFlushedCommitFlushesAndNoDerivedOneDoes(StoragePool& pool) {
  Bench bench(pool);
  auto flushed = bench.Open("a.db", Durability::kFlushed);
  auto derived = bench.Open("b.db", Durability::kDerived);
  LS_WORKS(flushed);
  LS_WORKS(derived);
  for (Database* const database : {flushed->get(), derived->get()}) {
    LS_WORKS(database->Exec(kCreate));
    const int before = bench.pool.calls(Call::kFlush);
    for (int i = 0; i < 20; i++) LS_WORKS(database->Exec(kInsert));
    const int flushes = bench.pool.calls(Call::kFlush) - before;
    LS_HOLDS(flushes == (database == flushed->get() ? 20 : 0));
  }
  LS_HOLDS(bench.vfs->counters().flushes == static_cast<uint64_t>(bench.pool.calls(Call::kFlush)));
  return "";
}

std::string ALargeTransactionSpillsAndCommits(StoragePool& pool) {
  Bench bench(pool);
  {
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    Database& database = **opened;
    LS_WORKS(database.Exec("PRAGMA cache_size=20"));
    LS_WORKS(database.Exec(kCreate));
    auto outer = Savepoint::Begin(database, "outer_one");
    LS_WORKS(outer);
    for (int i = 0; i < 50; i++) LS_WORKS(database.Exec(kInsertPages));
    {
      auto inner = Savepoint::Begin(database, "inner_one");
      LS_WORKS(inner);
      LS_WORKS(database.Exec("UPDATE t SET body = zeroblob(50000)"));
      LS_HOLDS(Number(database, "SELECT count(*) FROM t WHERE length(body) = 50000") == 50);
    }
    LS_HOLDS(Number(database, "SELECT count(*) FROM t WHERE length(body) = 40000") == 50);
    LS_WORKS(outer->Release());
  }
  return "";
}
std::string FiftyRowsAreThere(StoragePool& pool) {
  Bench bench(pool);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == 50);
  LS_HOLDS(IsSound(**opened));
  return "";
}

std::string TemporaryDataStaysInMemory(StoragePool& pool) {
  Bench bench(pool);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  Database& database = **opened;
  LS_WORKS(database.Exec(kCreate));
  LS_WORKS(database.Exec("PRAGMA cache_size=20"));
  LS_WORKS(
      database.Exec("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<3000) "
                    "INSERT INTO t(body) SELECT randomblob(500) FROM n"));
  bench.pool.TakeWriteSizes();
  // A sort, a distinct and a temporary table that no cache holds.
  LS_HOLDS(Number(database, "SELECT count(*) FROM (SELECT DISTINCT body FROM t ORDER BY body)") ==
           3000);
  LS_WORKS(database.Exec("CREATE TEMP TABLE copy AS SELECT * FROM t; DROP TABLE copy"));
  LS_HOLDS(bench.pool.TakeWriteSizes().empty());
  // A statement that fails after writing much needs a statement journal.
  const Result<void> failed = database.Exec(
      "INSERT INTO t(id, body) SELECT id + 10000, randomblob(500) FROM t "
      "UNION ALL SELECT 1, x'00'");
  LS_HOLDS(FailsWith(failed, ErrorCode::kConstraint));
  LS_HOLDS(Number(database, kCount) == 3000);
  LS_HOLDS(IsSound(database));
  return "";
}

std::string CheckpointsBoundTheWal(StoragePool& pool) {
  Bench bench(pool);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  Database& database = **opened;
  LS_WORKS(database.Exec(kCreate));
  int64_t largest = 0;
  for (int i = 0; i < 500; i++) {
    LS_WORKS(database.Exec(kInsertPages));
    largest = std::max(largest, bench.Size("a.db-wal"));
  }
  LS_HOLDS(largest < int64_t{Database::kCheckpointFrames + 50} * 4200);
  LS_HOLDS(bench.Size("a.db") > 10'000'000);
  LS_HOLDS(Number(database, kCount) == 500);
  return "";
}

// Faults.

// Fails call `call` of a commit in every place it is made, and looks at what is left each time.
std::string FailCommits(StoragePool& pool, Durability durability, Call call, StorageStatus status,
                        ErrorCode code) {
  Bench bench(pool);
  int64_t rows = 0;
  {
    auto opened = bench.Open("a.db", durability);
    LS_WORKS(opened);
    LS_WORKS((*opened)->Exec(kCreate));
  }
  int failures = 0;
  for (int after = 0; after < 30; after++) {
    auto opened = bench.Open("a.db", durability);
    LS_WORKS(opened);
    Database& database = **opened;
    LS_HOLDS(Number(database, kCount) == rows);
    LS_WORKS(database.Exec("PRAGMA cache_size=5"));
    auto savepoint = Savepoint::Begin(database, "outer_one");
    LS_WORKS(savepoint);
    bench.pool.Fail(call, status, after);
    Result<void> outcome;
    for (int i = 0; i < 4 && outcome.ok(); i++) {
      outcome = database.Exec(kInsertPages);
      // A discontiguous write between the rows, so that more than the last run is at risk.
      if (outcome.ok()) outcome = database.Exec("UPDATE t SET body = x'00' WHERE id = 1");
    }
    if (outcome.ok()) {
      outcome = savepoint->Release();
    } else {
      // SQLite may have ended the whole transaction by now; then nobody may go on inside of it.
      const bool lost = !database.in_transaction();
      LS_HOLDS(Savepoint::Begin(database, "inner_one").ok() == !lost);
      savepoint->Rollback();
    }
    bench.pool.Heal();
    if (outcome.ok()) {
      rows += 4;
    } else {
      failures++;
      LS_HOLDS(outcome.error().code == code);
      LS_HOLDS(!database.in_transaction());
    }
    // Either the connection goes on as if nothing had happened, or it says so until it is reopened.
    if (bench.vfs->failure().has_value()) {
      LS_HOLDS(bench.vfs->failure()->code == code);
      LS_HOLDS(!outcome.ok());
      LS_HOLDS(FailsWith(database.Exec(kInsert), code));
      LS_HOLDS(Number(database, kCount) == -1);
      bench.vfs->ClearFailure();
      LS_HOLDS(FailsWith(database.Exec(kInsert), code));
    } else {
      LS_WORKS(database.Exec(kInsert));
      rows++;
      LS_HOLDS(Number(database, kCount) == rows);
    }
    opened->reset();
    bench.Restart();
    if (outcome.ok()) break;  // The fault was out of reach: every place has been tried.
  }
  LS_HOLDS(failures > 0);
  auto opened = bench.Open("a.db", durability);
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == rows);
  LS_HOLDS(IsSound(**opened));
  return "";
}
std::string WhatFailuresLeftIsSound(StoragePool& pool) {
  Bench bench(pool);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) >= 4);  // The commit that no failure reached.
  LS_HOLDS(IsSound(**opened));
  LS_WORKS((*opened)->Exec(kInsert));
  return "";
}

std::string AFullDiskFailsAFlushedCommitCleanly(StoragePool& pool) {
  return FailCommits(pool, Durability::kFlushed, Call::kWrite, StorageStatus::kFull,
                     ErrorCode::kStorageFull);
}
std::string AFullDiskFailsADerivedCommitCleanly(StoragePool& pool) {
  return FailCommits(pool, Durability::kDerived, Call::kWrite, StorageStatus::kFull,
                     ErrorCode::kStorageFull);
}
std::string AWriteErrorFailsAFlushedCommitCleanly(StoragePool& pool) {
  return FailCommits(pool, Durability::kFlushed, Call::kWrite, StorageStatus::kIoError,
                     ErrorCode::kStorageIo);
}
std::string AWriteErrorFailsADerivedCommitCleanly(StoragePool& pool) {
  return FailCommits(pool, Durability::kDerived, Call::kWrite, StorageStatus::kIoError,
                     ErrorCode::kStorageIo);
}

std::string AFlushThatFailsFailsItsCommit(StoragePool& pool) {
  Bench bench(pool);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  Database& database = **opened;
  LS_WORKS(database.Exec(kCreate));
  LS_WORKS(database.Exec(kInsert));
  for (const auto& [status, code] : {std::pair(StorageStatus::kFull, ErrorCode::kStorageFull),
                                     std::pair(StorageStatus::kIoError, ErrorCode::kStorageIo)}) {
    bench.pool.Fail(Call::kFlush, status);
    LS_HOLDS(FailsWith(database.Exec(kInsert), code));
    bench.pool.Heal();
    LS_HOLDS(Number(database, kCount) == 1);
  }
  LS_WORKS(database.Exec(kInsert));
  opened->reset();
  opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == 2);
  return "";
}

std::string AReadErrorIsReportedAndPasses(StoragePool& pool) {
  Bench bench(pool);
  {
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    LS_WORKS((*opened)->Exec(kCreate));
    LS_WORKS((*opened)->Exec(kInsertPages));
  }
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  Database& database = **opened;
  bench.pool.Fail(Call::kRead, StorageStatus::kIoError);
  LS_HOLDS(FailsWith(database.Exec("SELECT sum(length(body)), max(body) FROM t"),
                     ErrorCode::kStorageIo));
  const Result<Bytes> image = database.Serialize();
  LS_HOLDS(!image.ok());
  LS_HOLDS(image.error().code == ErrorCode::kStorageIo);
  bench.pool.Heal();
  LS_HOLDS(Number(database, "SELECT sum(length(body)) FROM t") == 40'000);
  LS_WORKS(database.Serialize());
  return "";
}

std::string AFullDiskDuringACheckpointFailsNoCommit(StoragePool& pool) {
  Bench bench(pool);
  {
    int64_t rows = 0;
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    Database& database = **opened;
    LS_WORKS(database.Exec(kCreate));
    bench.pool.Fail(Call::kWrite, StorageStatus::kFull, 0, "a.db");
    for (; rows < 150; rows++) LS_WORKS(database.Exec(kInsertPages));
    LS_HOLDS(bench.Size("a.db-wal") > int64_t{Database::kCheckpointFrames} * 4096);
    LS_HOLDS(!bench.vfs->failure().has_value());
    bench.pool.Heal();
    for (; rows < 300; rows++) LS_WORKS(database.Exec(kInsertPages));
    LS_HOLDS(bench.Size("a.db") > 4'000'000);
  }
  return "";
}
std::string ThreeHundredRowsAreThere(StoragePool& pool) {
  Bench bench(pool);
  auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == 300);
  LS_HOLDS(IsSound(**opened));
  return "";
}

std::string ADatabaseThatFailsLeavesOthersAlone(StoragePool& pool) {
  Bench bench(pool);
  auto a = bench.Open("a.db", Durability::kDerived);
  auto b = bench.Open("b.db", Durability::kDerived);
  LS_WORKS(a);
  LS_WORKS(b);
  LS_WORKS((*a)->Exec(kCreate));
  LS_WORKS((*b)->Exec(kCreate));
  LS_WORKS((*a)->Exec(kInsert));
  bench.pool.Fail(Call::kWrite, StorageStatus::kFull, 0, "a.db-wal");
  LS_HOLDS(FailsWith((*a)->Exec(kInsert), ErrorCode::kStorageFull));
  for (int i = 0; i < 10; i++) LS_WORKS((*b)->Exec(kInsert));
  LS_HOLDS(Number(**b, kCount) == 10);
  bench.pool.Heal();
  LS_HOLDS(FailsWith((*a)->Exec(kInsert), ErrorCode::kStorageFull));
  a->reset();
  a = bench.Open("a.db", Durability::kDerived);
  LS_WORKS(a);
  LS_HOLDS(Number(**a, kCount) == 1);
  LS_WORKS((*a)->Exec(kInsert));
  return "";
}

// What one database holds back is written out by a call on another; the failure must stay with its
// owner, although the owner makes no call at that moment.
std::string AHeldRunThatFailsInAnothersCallIsRemembered(StoragePool& pool) {
  Bench bench(pool);
  RawFile a(*bench.vfs, "a.db", kDatabaseFlags);
  RawFile b(*bench.vfs, "b.db", kDatabaseFlags);
  LS_HOLDS(a.Write("lost", 0) == SQLITE_OK);
  bench.pool.Fail(Call::kWrite, StorageStatus::kFull, 0, "a.db");
  LS_HOLDS(b.Write("kept", 0) == SQLITE_OK);
  bench.pool.Heal();
  LS_HOLDS(b.Sync() == SQLITE_OK);
  LS_HOLDS(b.Read(4, 0) == "kept");
  LS_HOLDS(bench.vfs->failure().has_value());
  LS_HOLDS(bench.vfs->failure()->code == ErrorCode::kStorageFull);
  LS_HOLDS(a.Write("x", 0) == SQLITE_FULL);
  LS_HOLDS(a.Read(1, 0) == "error 13");
  LS_HOLDS(a.Sync() == SQLITE_FULL);
  LS_HOLDS(a.Truncate(0) == SQLITE_FULL);
  LS_HOLDS(a.EndCommit() == SQLITE_FULL);
  LS_HOLDS(a.Size() == -1);
  LS_HOLDS(Delete(*bench.vfs, "a.db-wal") == SQLITE_FULL);
  return "";
}

// The same of calls whose answer SQLite does not look at.
std::string AHeldRunThatFailsUnheardIsRemembered(StoragePool& pool) {
  Bench bench(pool);
  RawFile database(*bench.vfs, "a.db", kDatabaseFlags);
  RawFile wal(*bench.vfs, "a.db-wal", kWalFlags);
  LS_HOLDS(wal.Write("committed", 0) == SQLITE_OK);
  bench.pool.Fail(Call::kWrite, StorageStatus::kIoError);
  LS_HOLDS(wal.Truncate(9) == SQLITE_IOERR_WRITE);
  bench.pool.Heal();
  LS_HOLDS(database.EndCommit() == SQLITE_IOERR_WRITE);
  LS_HOLDS(bench.vfs->failure().has_value());
  LS_HOLDS(bench.vfs->failure()->code == ErrorCode::kStorageIo);
  return "";
}

std::string AWriteThatFailedAloneLeavesTheFileUsable(StoragePool& pool) {
  Bench bench(pool);
  RawFile wal(*bench.vfs, "a.db-wal", kWalFlags);
  LS_HOLDS(wal.Write("0123456789", 0) == SQLITE_OK);
  bench.pool.Fail(Call::kWrite, StorageStatus::kFull);
  LS_HOLDS(wal.Sync() == SQLITE_FULL);
  bench.pool.Heal();
  LS_HOLDS(!bench.vfs->failure().has_value());
  LS_HOLDS(wal.Size() == bench.Size("a.db-wal"));  // What the disk took, and no more.
  LS_HOLDS(wal.Size() < 10);
  LS_HOLDS(wal.Write("9876543210", 0) == SQLITE_OK);
  LS_HOLDS(wal.Sync() == SQLITE_OK);
  LS_HOLDS(wal.Read(10, 0) == "9876543210");
  return "";
}

// Crashes.

constexpr std::pair<const char*, Durability> kCrashed[] = {{"a.db", Durability::kFlushed},
                                                           {"b.db", Durability::kDerived}};

std::string AHotWalIsRecovered(StoragePool& pool) {
  Bench bench(pool);
  for (const auto& [file, durability] : kCrashed) {
    std::vector<Bytes> left_behind;
    {
      auto opened = bench.Open(file, durability);
      LS_WORKS(opened);
      Database& database = **opened;
      LS_WORKS(database.Exec(kCreate));
      for (int i = 0; i < 7; i++) LS_WORKS(database.Exec(kInsertPages));
      auto savepoint = Savepoint::Begin(database, "outer_one");
      LS_WORKS(savepoint);
      LS_WORKS(database.Exec(kInsert));
      left_behind = bench.Snapshot();  // In the middle of a transaction.
    }
    bench.Restore(left_behind);
  }
  return "";
}
std::string SevenRowsAreRecovered(StoragePool& pool) {
  Bench bench(pool);
  for (const auto& [file, durability] : kCrashed) {
    LS_HOLDS(bench.Size(std::string(file) + "-wal") > 0);
    auto opened = bench.Open(file, durability);
    LS_WORKS(opened);
    LS_HOLDS(Number(**opened, kCount) == 7);
    LS_HOLDS(IsSound(**opened));
    LS_WORKS((*opened)->Exec(kInsert));
  }
  return "";
}

std::string ACutWalLosesOnlyWholeTransactionsFromTheEnd(StoragePool& pool) {
  Bench bench(pool);
  std::vector<Bytes> left_behind;
  std::vector<int64_t> ends;  // Size of the WAL after each transaction.
  {
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    LS_WORKS((*opened)->Exec(kCreate));
    opened->reset();  // The table is in the database file, the WAL is empty.
    opened = bench.Open("a.db");
    LS_WORKS(opened);
    for (int i = 0; i < 5; i++) {
      LS_WORKS((*opened)->Exec("INSERT INTO t(body) VALUES (randomblob(6000)), (randomblob(10))"));
      ends.push_back(bench.Size("a.db-wal"));
    }
    left_behind = bench.Snapshot();
  }
  const std::vector<std::string> names = ConformanceFiles();
  const auto wal =
      static_cast<size_t>(std::find(names.begin(), names.end(), "a.db-wal") - names.begin());
  const Bytes whole = left_behind[wal];
  LS_HOLDS(static_cast<int64_t>(whole.size()) == ends.back());
  constexpr int64_t kStep = 331;  // A prime, so that cuts fall everywhere in a frame.
  std::vector<int64_t> cuts;
  for (int64_t cut = 0; cut < ends.back(); cut += kStep) cuts.push_back(cut);
  for (const int64_t end : ends) cuts.insert(cuts.end(), {end - 1, end});
  for (const int64_t cut : cuts) {
    left_behind[wal].assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(cut));
    bench.Restore(left_behind);
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    const auto complete = std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin();
    LS_HOLDS(Number(**opened, kCount) == complete * 2);
    LS_WORKS((*opened)->Exec(kInsert));
    LS_HOLDS(IsSound(**opened));
  }
  return "";
}

std::string ADamagedFileIsLeftUntouched(StoragePool& pool) {
  Bench bench(pool);
  {
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    LS_WORKS((*opened)->Exec(kCreate));
    for (int i = 0; i < 10; i++) LS_WORKS((*opened)->Exec(kInsertPages));
  }
  const Bytes good = bench.Snapshot()[0];
  const auto damage = [&good](size_t from, size_t to) {
    Bytes bad = good;
    std::fill(bad.begin() + static_cast<ptrdiff_t>(from), bad.begin() + static_cast<ptrdiff_t>(to),
              uint8_t{0x5a});
    return bad;
  };
  const Bytes text(300, 'x');
  const std::vector<Bytes> damaged = {
      text,                                      // Not a database at all.
      damage(0, 16),                             // No magic.
      damage(16, 24),                            // Senseless page size and versions.
      damage(59, 60),                            // Not UTF-8.
      damage(100, 1000),                         // A broken schema page.
      Bytes(good.begin(), good.begin() + 4096),  // Cut after the first page.
      Bytes(good.begin(), good.begin() + 3000),  // Cut in the first page.
  };
  for (const Bytes& bad : damaged) {
    bench.Put("a.db", bad);
    bench.pool.TakeWriteSizes();
    const auto opened = bench.Open("a.db");
    LS_HOLDS(!opened.ok());
    LS_HOLDS(opened.error().code == ErrorCode::kCorruptState);
    LS_HOLDS(bench.pool.TakeWriteSizes().empty());
    LS_HOLDS(bench.Snapshot()[0] == bad);
  }
  bench.Put("a.db", good);
  const auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == 10);
  return "";
}

// A close would otherwise copy the WAL into the file.
std::string TheWalOfADamagedFileIsLeftUntouched(StoragePool& pool) {
  Bench bench(pool);
  std::vector<Bytes> left_behind;
  {
    auto opened = bench.Open("a.db");
    LS_WORKS(opened);
    LS_WORKS((*opened)->Exec(kCreate));
    LS_WORKS((*opened)->Exec(kInsert));
    opened->reset();
    opened = bench.Open("a.db");
    LS_WORKS(opened);
    LS_WORKS((*opened)->Exec(kInsert));  // Changes a page that is not the first.
    left_behind = bench.Snapshot();
  }
  left_behind[0][59] = 2;  // The first page says that text is UTF-16.
  bench.Restore(left_behind);
  LS_HOLDS(bench.Size("a.db-wal") > 0);
  {
    const auto opened = bench.Open("a.db");
    LS_HOLDS(!opened.ok());
    LS_HOLDS(opened.error().code == ErrorCode::kCorruptState);
  }
  LS_HOLDS(bench.Snapshot() == left_behind);
  left_behind[0][59] = 1;
  bench.Restore(left_behind);
  const auto opened = bench.Open("a.db");
  LS_WORKS(opened);
  LS_HOLDS(Number(**opened, kCount) == 2);
  return "";
}

}  // namespace

std::vector<std::string> ConformanceFiles() {
  return {"a.db", "a.db-wal", "a.db-journal", "b.db", "b.db-wal", "b.db-journal"};
}

std::span<const ConformanceCase> ConformanceCases() {
#define LS_CASE(name, ...) {#name, name __VA_OPT__(, ) __VA_ARGS__}
  static constexpr ConformanceCase kCases[] = {
      LS_CASE(EmptyFilesDoNotExist, DeletedFilesStayAway),
      LS_CASE(WhatWasWrittenIsThereAfterARestart, HelloWorldIsThere),
      LS_CASE(ShortReadsAreFilledWithZeros),
      LS_CASE(AGapReadsAsZeros),
      LS_CASE(TruncateCutsAndKeeps, WhatWasKeptIsThere),
      LS_CASE(TwoFilesDoNotMix),
      LS_CASE(LargeOffsetsHold, BothEndsAreThere),
      LS_CASE(TemporaryAndUnknownFilesAreRefused),
      LS_CASE(OneConnectionOwnsADatabase),
      LS_CASE(ContiguousWritesAreOneCall),
      LS_CASE(NothingStaleCanBeObserved),
      LS_CASE(AHeldRunIsBounded),
      LS_CASE(AWalCommitIsOneWrite),
      LS_CASE(ADatabasePersistsInWalMode, TenRowsAreThere),
      LS_CASE(EveryFlushedCommitFlushesAndNoDerivedOneDoes),
      LS_CASE(ALargeTransactionSpillsAndCommits, FiftyRowsAreThere),
      LS_CASE(TemporaryDataStaysInMemory),
      LS_CASE(CheckpointsBoundTheWal),
      LS_CASE(AFullDiskFailsAFlushedCommitCleanly, WhatFailuresLeftIsSound),
      LS_CASE(AFullDiskFailsADerivedCommitCleanly, WhatFailuresLeftIsSound),
      LS_CASE(AWriteErrorFailsAFlushedCommitCleanly, WhatFailuresLeftIsSound),
      LS_CASE(AWriteErrorFailsADerivedCommitCleanly, WhatFailuresLeftIsSound),
      LS_CASE(AFlushThatFailsFailsItsCommit),
      LS_CASE(AReadErrorIsReportedAndPasses),
      LS_CASE(AFullDiskDuringACheckpointFailsNoCommit, ThreeHundredRowsAreThere),
      LS_CASE(ADatabaseThatFailsLeavesOthersAlone),
      LS_CASE(AHeldRunThatFailsInAnothersCallIsRemembered),
      LS_CASE(AHeldRunThatFailsUnheardIsRemembered),
      LS_CASE(AWriteThatFailedAloneLeavesTheFileUsable),
      LS_CASE(AHotWalIsRecovered, SevenRowsAreRecovered),
      LS_CASE(ACutWalLosesOnlyWholeTransactionsFromTheEnd),
      LS_CASE(ADamagedFileIsLeftUntouched),
      LS_CASE(TheWalOfADamagedFileIsLeftUntouched),
  };
#undef LS_CASE
  return kCases;
}

std::string RunConformanceCase(const ConformanceCase& conformance_case, StoragePool& pool) {
  for (const std::string& name : ConformanceFiles()) {
    const StoragePool::Handle handle = pool.Find(name);
    if (handle == StoragePool::kNone) return "the pool does not hold " + name;
    if (pool.Truncate(handle, 0) != StorageStatus::kOk) return "cannot empty " + name;
  }
  return conformance_case.run(pool);
}

std::string RunConformanceCaseReopened(const ConformanceCase& conformance_case, StoragePool& pool) {
  return conformance_case.run_reopened == nullptr ? "" : conformance_case.run_reopened(pool);
}

}  // namespace livestore

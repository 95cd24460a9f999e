// Database: one SQLite connection, with its cached statements, savepoints and errors.
//
// Statements live in the connection and are named by number. The number of an SQL text never
// changes; the compiled statement behind it comes and goes (limits::kStatementsMax, least recently
// used first) and is recompiled when needed. What a statement reads and writes is learned from the
// authorizer while it compiles, so it needs no run and covers views and triggers.
//
// Not thread safe; calls do not nest, except queries from inside a materializer.

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/table_set.h"

struct sqlite3;
struct sqlite3_stmt;

namespace livestore {

using StatementId = uint32_t;  // 1 and up; 0 is none.

// Filled once, when a text is first prepared; columns again when it is recompiled.
struct StatementInfo {
  std::string sql;
  std::vector<std::string> columns;     // Names of the result columns; empty for a write.
  std::vector<std::string> parameters;  // "" for a plain `?`, else with its sign ("$id").
  TableSet reads;
  TableSet writes;
  bool read_only = true;  // False for anything that could change the database or its settings.
};

enum class Durability {
  kFlushed,  // WAL, synchronous=FULL: a commit returns after its flush.
  kDerived,  // WAL, synchronous=NORMAL: a crash may lose the last commits, never their order.
};

class Database {
 public:
  // Opens or creates `file` on the VFS called `vfs_name`: WAL, exclusive locking, page size 4096.
  // A file that is not a database, or is damaged, fails with kCorruptState and nothing is written to
  // it; who opens an eventlog turns that into kCorruptEventlog.
  static Result<std::unique_ptr<Database>> Open(const std::string& vfs_name, const std::string& file,
                                                Durability durability);
  // A private database in memory, no VFS files.
  static Result<std::unique_ptr<Database>> OpenInMemory();
  // Deletes `file` and its -wal and -journal, which no connection may have open.
  static Result<void> Remove(const std::string& vfs_name, const std::string& file);
  // Closes the connection and opens the same file again: the way on after a storage failure, which
  // is sticky in the VFS. An open transaction is rolled back. Statement numbers stay valid. On
  // failure every further call but Reopen fails with kStorageIo.
  Result<void> Reopen();
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs one or more statements without parameters or results: DDL, pragmas, savepoints.
  Result<void> Exec(std::string_view sql);

  // Returns the number of `sql`. Exactly one statement; trailing white space and comments are fine.
  // Fails with kSql (message holds the SQL and SQLite's words), kLimitExceeded.
  Result<StatementId> Prepare(std::string_view sql);
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const;

  // Runs a write. Rows it may return (RETURNING) are discarded. Fails with kConstraint or kSql; the
  // statement's own effects are then undone by SQLite.
  Result<void> Run(StatementId statement, BytesView binds);
  // Runs a query. The view dies with the next Query on this connection. Fails with kReadOnlyQuery
  // for a statement that is not read-only.
  Result<BytesView> Query(StatementId statement, BytesView binds);
  // For a handful of internal reads: one integer, the first cell of the first row; or `fallback`
  // without rows.
  Result<int64_t> QueryInt(StatementId statement, BytesView binds, int64_t fallback);

  // Rows changed by the last Run.
  [[nodiscard]] int64_t changes() const;

  // The whole database as the bytes of a rollback-mode (not WAL) database file.
  Result<Bytes> Serialize();
  // Replaces an in-memory database by `image`. All statements are recompiled on their next use.
  // Fails with kMalformedBytes when the bytes are no database; this one is then unchanged.
  Result<void> Deserialize(BytesView image);

  [[nodiscard]] TableNames& table_names();
  [[nodiscard]] sqlite3* handle() const;
  // Compiled form, reset and unbound. For code in core/ that steps rows itself.
  Result<sqlite3_stmt*> Compiled(StatementId statement);

  // The error of the last failed SQLite call on this connection, in our codes: FULL -> kStorageFull,
  // CONSTRAINT -> kConstraint, IOERR/CANTOPEN -> kStorageIo, CORRUPT/NOTADB -> kCorruptState,
  // else kSql. The message holds SQLite's words, its extended code, and `sql` shortened.
  [[nodiscard]] Error LastError(int result_code, std::string_view sql) const;

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore

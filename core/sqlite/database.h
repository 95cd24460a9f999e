// Database: one SQLite connection, with its cached statements, savepoints and errors.
//
// Statements live in the connection and are named by number. The number of an SQL text never
// changes; the compiled statement behind it comes and goes (limits::kStatementsMax, least recently
// used first) and is recompiled when needed. What a statement reads and writes is learned from the
// authorizer while it compiles, so it needs no run and covers views and triggers.
//
// Two kinds of statements. Those of Prepare may hold SQL of the app: they may read, and they may
// insert, update, delete and replace rows. Whatever else they try (DDL, transactions, pragmas,
// ATTACH) is refused when they are run, and never takes effect while compiling. Exec and
// PrepareInternal are for SQL written in core; only ATTACH and DETACH are refused there.
//
// A file database checkpoints its WAL itself, after a commit that leaves more than
// kCheckpointFrames in it. A checkpoint that fails (a full disk, say) fails no commit: the WAL just
// grows until a later one succeeds.
//
// Not thread safe; calls do not nest, except queries from inside a materializer: each Query runs to
// its end before it returns, so the only thing a second Query takes from a first is its view.

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

struct ChangesetState;

using StatementId = uint32_t;  // 1 and up; 0 is none.

// Filled when a text of the app is first prepared, and again when it is recompiled.
struct StatementInfo {
  std::string sql;
  std::vector<std::string> columns;     // Names of the result columns; empty for a write.
  std::vector<std::string> parameters;  // "" for a plain `?`, else with its sign ("$id").
  TableSet reads;                       // Views stand for the tables they read.
  TableSet writes;                      // Those of triggers included.
  bool read_only = true;  // False for anything that could change the database or its settings.
};

enum class Durability {
  kFlushed,  // WAL, synchronous=FULL: a commit returns after its flush.
  kDerived,  // WAL, synchronous=NORMAL: a crash may lose the last commits, never their order.
};

class Database {
 public:
  // WAL frames (4 KiB pages) that a commit may leave before the database checkpoints. SQLite's own
  // default; a checkpoint of so many takes a few milliseconds.
  static constexpr int kCheckpointFrames = 1000;

  // Opens or creates `file` on the VFS called `vfs_name`: WAL, exclusive locking, page size 4096.
  // A file that is not a database, or is damaged, fails with kCorruptState and nothing is written
  // to it; who opens an eventlog turns that into kCorruptEventlog. What is looked at is the header,
  // the size and the whole schema; damage deeper in is found when it is read.
  static Result<std::unique_ptr<Database>> Open(const std::string& vfs_name,
                                                const std::string& file, Durability durability);
  // A private database in memory, no VFS files.
  static Result<std::unique_ptr<Database>> OpenInMemory();
  // `image`, read only and where it lies: it must outlive the result. Fails with kMalformedBytes
  // when the bytes are no database of 4 KiB pages in rollback mode.
  static Result<std::unique_ptr<Database>> OpenImage(BytesView image);
  // Deletes `file` and its -wal and -journal, which no connection may have open. Fails with
  // kStorageIo.
  static Result<void> Remove(const std::string& vfs_name, const std::string& file);
  // Closes the connection and opens the same file again: the way on after a storage failure, which
  // is sticky in the VFS. An open transaction is rolled back. Statement numbers stay valid. On
  // failure every further call but Reopen fails with the same error. REQUIRES: a database in a
  // file, and no open savepoint.
  Result<void> Reopen();
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs one or more statements without parameters or results: DDL, pragmas, transactions. For SQL
  // written in core. Fails with the error of the first statement that fails; later ones do not run.
  Result<void> Exec(std::string_view sql);

  // Returns the number of `sql`. Exactly one statement; trailing white space and comments are fine.
  // Fails with kSql (message holds the SQL and SQLite's words), kLimitExceeded.
  Result<StatementId> Prepare(std::string_view sql);
  // The same for SQL written in core, which may do what an app's may not. It has numbers of its
  // own, is compiled when it is first used and fails then, and nobody asks for its Info.
  Result<StatementId> PrepareInternal(std::string_view sql);
  // REQUIRES: `statement` came from Prepare of this connection. The reference stays valid; what it
  // refers to is updated when the statement is recompiled.
  [[nodiscard]] const StatementInfo& Info(StatementId statement) const;

  // Runs a write. Rows it may return (RETURNING) are discarded. Fails with kConstraint or kSql; the
  // statement's own effects are then rolled back by SQLite. Also fails with kSql for a statement
  // that does not write, or does more than write rows; with kInvalidArgument for an unknown number.
  Result<void> Run(StatementId statement, BytesView binds);
  // Runs a query. The view dies with the next Query on this connection, nothing else. Fails with
  // kReadOnlyQuery for a statement that is not read-only, with kInvalidArgument for an unknown
  // number.
  Result<BytesView> Query(StatementId statement, BytesView binds);
  // For a handful of internal reads: one integer, the first cell of the first row; or `fallback`
  // without rows. Leaves the view of Query alone.
  Result<int64_t> QueryInt(StatementId statement, BytesView binds, int64_t fallback);

  // Rows changed by the last Run.
  [[nodiscard]] int64_t changes() const;
  // True while a transaction or a savepoint is open.
  [[nodiscard]] bool in_transaction() const;

  // The whole database as the bytes of a rollback-mode (not WAL) database file.
  Result<Bytes> Serialize();
  // Replaces an in-memory database by `image`. All statements are recompiled on their next use.
  // Fails as OpenImage does; this one is then unchanged. Who has opened the image already, to look
  // into it, says so: that it can be read is not asked again then.
  enum class Image { kUnread, kRead };
  Result<void> Deserialize(BytesView image, Image read = Image::kUnread);

  [[nodiscard]] TableNames& table_names();
  [[nodiscard]] sqlite3* handle() const;
  // Compiled form, reset and unbound. For code in core/ that steps rows itself, and resets it.
  Result<sqlite3_stmt*> Compiled(StatementId statement);

  // The error of the last failed SQLite call on this connection, in our codes: FULL ->
  // kStorageFull, CONSTRAINT -> kConstraint, IOERR/CANTOPEN -> kStorageIo, CORRUPT/NOTADB ->
  // kCorruptState, else kSql. The message holds SQLite's words, its extended code, and `sql`
  // shortened.
  [[nodiscard]] Error LastError(int result_code, std::string_view sql) const;

  // Changes whenever the schema may have: what was learned of tables before is then void.
  [[nodiscard]] uint64_t schema_generation() const;
  // What core/sqlite/changeset.cc keeps per connection.
  [[nodiscard]] ChangesetState& changeset_state();

 private:
  friend class Savepoint;
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);

  // For Savepoint. The number tells which statements belong to `name`.
  Result<size_t> BeginSavepoint(std::string_view name);
  Result<void> ReleaseSavepoint(size_t kind);
  void RollbackSavepoint(size_t kind);

  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore

#include "core/sqlite/database_facts.h"

#include <sqlite3.h>

#include <cstring>
#include <memory>
#include <utility>

#include "core/sqlite/sqlite_error.h"
#include "core/sqlite/vfs_environment.h"

namespace livestore {
namespace {

constexpr sqlite3_int64 kPageSize = 4096;  // Of every database that Database makes.

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// Calls `row` with each row of `sql`; returns SQLITE_DONE or an error.
template <typename Row>
int ForEachRow(sqlite3* db, const char* sql, Row row) {
  sqlite3_stmt* raw = nullptr;
  const int prepared = sqlite3_prepare_v2(db, sql, -1, &raw, nullptr);
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
  if (prepared != SQLITE_OK) return prepared;
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(raw)) == SQLITE_ROW) row(raw);
  return result;
}

// True if the file ends within a page. A crash can leave that only while a WAL still has the page;
// or else the end of the file is lost, and SQLite would read zeros there.
bool EndsWithinAPage(sqlite3* db, const std::string& file) {
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file* handle = nullptr;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs) != SQLITE_OK ||
      sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &handle) != SQLITE_OK) {
    return false;
  }
  int has_wal = 0;
  sqlite3_int64 size = 0;
  vfs->xAccess(vfs, (file + "-wal").c_str(), SQLITE_ACCESS_EXISTS, &has_wal);
  return has_wal == 0 && handle->pMethods->xFileSize(handle, &size) == SQLITE_OK &&
         size % kPageSize != 0;
}

}  // namespace

Result<std::optional<DatabaseFacts>> ReadDatabaseFacts(const std::string& vfs_name,
                                                       const std::string& file) {
  internal::InitializeSqlite();
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY, vfs_name.c_str());
  const Connection db(raw);
  if (opened == SQLITE_CANTOPEN) return std::optional<DatabaseFacts>();
  if (opened != SQLITE_OK) return SqliteError(raw, opened, "");
  // A close would otherwise copy the WAL into the database.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);

  DatabaseFacts facts;
  const auto first_int = [](int64_t& out) {
    return [&out](sqlite3_stmt* row) { out = sqlite3_column_int64(row, 0); };
  };
  int result = ForEachRow(raw, "select name from sqlite_schema", [&facts](sqlite3_stmt* row) {
    const auto* name = reinterpret_cast<const char*>(sqlite3_column_text(row, 0));
    facts.tables.emplace_back(name == nullptr ? "" : name);
  });
  if (result == SQLITE_DONE) {
    result = ForEachRow(raw, "pragma application_id", first_int(facts.application_id));
  }
  if (result == SQLITE_DONE) {
    result = ForEachRow(raw, "pragma user_version", first_int(facts.user_version));
  }
  if (result == SQLITE_DONE) {
    result = ForEachRow(raw, "pragma journal_mode", [&facts](sqlite3_stmt* row) {
      const auto* mode = reinterpret_cast<const char*>(sqlite3_column_text(row, 0));
      facts.wal = mode != nullptr && std::strcmp(mode, "wal") == 0;
    });
  }
  if (result == SQLITE_DONE) {
    if (!EndsWithinAPage(raw, file)) return std::optional(std::move(facts));
    return Error{ErrorCode::kCorruptState, "the end of " + file + " is missing"};
  }
  // A rollback journal that was not finished. A reader cannot play it back, and only the creation
  // of a database has one: from then on it is in WAL mode.
  if (result == SQLITE_READONLY || sqlite3_extended_errcode(raw) == SQLITE_READONLY_ROLLBACK) {
    return std::optional<DatabaseFacts>();
  }
  Error error = SqliteError(raw, result, "");
  // Besides CORRUPT and NOTADB, SQLite has plain errors for files that it will not read.
  if (error.code == ErrorCode::kSql) error.code = ErrorCode::kCorruptState;
  return error;
}

}  // namespace livestore

#include "core/sqlite/sqlite_error.h"

#include <sqlite3.h>

namespace livestore {
namespace {

constexpr size_t kShortSqlBytes = 200;

ErrorCode CodeOf(int result_code) {
  switch (result_code & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::kStorageFull;
    case SQLITE_CONSTRAINT:
      return ErrorCode::kConstraint;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return ErrorCode::kStorageIo;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorruptState;
    default:
      return ErrorCode::kSql;
  }
}

}  // namespace

std::string ShortenSql(std::string_view sql) {
  std::string text;
  bool space = false;
  for (const char c : sql) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      space = !text.empty();
      continue;
    }
    // Continuation bytes stay with their character.
    const bool starts_character = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (starts_character && text.size() >= kShortSqlBytes) return text + " ...";
    if (space) text += ' ';
    space = false;
    text += c;
  }
  return text;
}

Error SqliteError(sqlite3* db, int result_code, std::string_view sql) {
  // The connection remembers only its last error; a code from elsewhere has the general words.
  const bool is_last = (sqlite3_errcode(db) & 0xff) == (result_code & 0xff);
  const int code = is_last ? sqlite3_extended_errcode(db) : result_code;
  std::string message = is_last ? sqlite3_errmsg(db) : sqlite3_errstr(result_code);
  message += " (SQLite code " + std::to_string(code) + ")";
  if (!sql.empty()) message += " in: " + ShortenSql(sql);
  return Error{CodeOf(code), std::move(message)};
}

}  // namespace livestore

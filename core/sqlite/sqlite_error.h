// What SQLite says went wrong, as an Error. Used inside of core/sqlite only.

#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"

struct sqlite3;

namespace livestore {

// The error of the call on `db` that just returned `result_code`: SQLite's words, its extended code
// and `sql` shortened. FULL is kStorageFull, CONSTRAINT kConstraint, IOERR and CANTOPEN kStorageIo,
// CORRUPT and NOTADB kCorruptState, all else kSql.
Error SqliteError(sqlite3* db, int result_code, std::string_view sql);

// `sql` on one line, at most some 200 bytes, cut between characters.
std::string ShortenSql(std::string_view sql);

}  // namespace livestore

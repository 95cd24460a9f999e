// DatabaseFacts: what a database file says of itself, learned without writing a byte to it or to
// the files beside it. Asked before Database::Open, which sets the file up for use, by who must
// refuse a file and leave it untouched.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace livestore {

struct DatabaseFacts {
  int64_t application_id = 0;
  int64_t user_version = 0;
  bool wal = false;  // Else it is in rollback mode, which Database::Open would change.
  std::vector<std::string> tables;  // Names, in order of creation; also of views and indexes.
};

// Reads the facts of `file` on the VFS `vfs_name`; nullopt if there is no such file, or one whose
// creation was cut short by a crash, which Database::Open rolls back. Fails with kCorruptState for
// what is no database or cannot be read as one, kStorageIo. REQUIRES: no connection has the file
// open.
Result<std::optional<DatabaseFacts>> ReadDatabaseFacts(const std::string& vfs_name,
                                                       const std::string& file);

}  // namespace livestore

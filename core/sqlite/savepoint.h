// Savepoint: all or nothing for a run of statements. Rolls back in its destructor unless released.
// The outermost savepoint of a connection is its transaction: its release commits.

#pragma once

#include <string>

#include "core/base/result.h"
#include "core/sqlite/database.h"

namespace livestore {

class Savepoint {
 public:
  // `name` is a plain identifier from our own code, distinct among nested savepoints.
  static Result<Savepoint> Begin(Database& database, std::string_view name);
  ~Savepoint();
  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  Savepoint(const Savepoint&) = delete;

  // Keeps the changes; commits when outermost. Fails with kStorageFull or kStorageIo, and then the
  // changes are rolled back.
  Result<void> Release();
  // Undoes the changes now. Does nothing after Release.
  void Rollback();

 private:
  Savepoint(Database& database, std::string_view name);
  Database* database_;
  std::string name_;
  bool open_ = true;
};

}  // namespace livestore

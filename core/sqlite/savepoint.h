// Savepoint: all or nothing for a run of statements. Rolls back in its destructor unless released.
// The outermost savepoint of a connection is its transaction: its release commits.
//
// SQLite rolls a whole transaction back by itself when storage fails in the middle of it. Then the
// savepoints that are still open have nothing left to keep: Begin inside of them and Release fail
// with the error that ended the transaction, Rollback has nothing to do, and the connection is
// usable again once the outermost one is gone.
//
// Savepoints end in the reverse order of their beginning.

#pragma once

#include <string_view>
#include <utility>

#include "core/base/result.h"
#include "core/sqlite/database.h"

namespace livestore {

class Savepoint {
 public:
  // `name` is a plain identifier from our own code, distinct among nested savepoints. There should
  // be few of them: the statements of each are compiled once and kept.
  static Result<Savepoint> Begin(Database& database, std::string_view name);
  ~Savepoint();
  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  Savepoint(const Savepoint&) = delete;

  // Keeps the changes; commits when outermost. Fails with kStorageFull or kStorageIo, and then the
  // changes are rolled back. REQUIRES: neither Release nor Rollback was called before.
  Result<void> Release();
  // Rolls the changes back now. Does nothing after Release.
  void Rollback();

 private:
  Savepoint(Database& database, size_t kind);

  Database* database_;
  size_t kind_;  // Which of the connection's savepoint statements.
  bool open_ = true;
};

}  // namespace livestore

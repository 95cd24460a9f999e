// PoolVfs: a sqlite3_vfs over a StoragePool. The one VFS of livestore-wasm: over OPFS in the leader
// worker, over memory elsewhere.
//
// What it knows beyond passing calls on:
// - Coalescing. One contiguous run of writes to one file is held back and written in one call. It
// is
//   written out before anything could observe it: a write elsewhere, a read of that file, a sync,
//   a truncate, a close, and SQLITE_FCNTL_COMMIT_PHASETWO, which SQLite sends at the end of each
//   commit. An OPFS call costs 10-100 us, so a WAL commit of ten pages pays once, not ten times.
// - Failure. A held-back run that cannot be written fails the call that wrote it out, and SQLite
// rolls
//   the transaction back: nothing is lost and the connection goes on. Where SQLite already believes
//   in the run (the end of a commit) or does not listen (a truncate, a close, a call on another
//   database) the failure is sticky: the database and its WAL then answer every call with an error
//   until the database is opened anew, and failure() tells whether the disk is full (kStorageFull)
//   or broken (kStorageIo). What was committed before is intact when it is opened again.
// - A file that holds something when it is first opened is flushed before it is read: a process
//   before this one may have died between a write and its flush, and what is read is believed.
// - One connection owns a database: a second open of it is refused, locks are no-ops, and WAL runs
//   without shared memory (locking_mode=EXCLUSIVE is set by Database before journal_mode=WAL).
// - A file exists when its size is not 0; delete is truncate to 0. Temporary files are refused:
// with
//   temp_store=MEMORY SQLite asks for none.
//
// Lifetime: the VFS registers itself with SQLite under its own unique name and unregisters in its
// destructor; every Database on it must be closed before. It borrows the pool. Time comes from
// VfsEnvironment; randomness too, but SQLite draws its own from the process-wide one.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/sqlite/storage_pool.h"
#include "core/sqlite/vfs_environment.h"

struct sqlite3_vfs;

namespace livestore {

class PoolVfs {
 public:
  // Registers a VFS over `pool`, which must outlive it. Never the default VFS.
  static Result<std::unique_ptr<PoolVfs>> Create(StoragePool& pool, VfsEnvironment environment);
  ~PoolVfs();
  PoolVfs(const PoolVfs&) = delete;
  PoolVfs& operator=(const PoolVfs&) = delete;

  // What Database::Open takes.
  [[nodiscard]] const std::string& name() const;
  // The failure that made a database sticky-fail, kept until ClearFailure(). Clearing it does not
  // heal the database; opening it anew does.
  [[nodiscard]] std::optional<Error> failure() const;
  void ClearFailure();
  // Calls made on the pool so far; benchmarks and tests count with it.
  struct Counters {
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t flushes = 0;
    uint64_t truncates = 0;
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct Impl;
  explicit PoolVfs(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore

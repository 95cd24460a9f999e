// PoolVfs: a sqlite3_vfs over a StoragePool. The one VFS of livestore-wasm: over OPFS in the leader
// worker, over memory elsewhere.
//
// What it knows beyond passing calls on:
// - Coalescing. One contiguous run of writes to one file is held back and written in one call. It is
//   written out before anything could observe it: a write elsewhere, a read of that file, a sync,
//   a truncate, a delete, a close, and SQLITE_FCNTL_COMMIT_PHASETWO, which SQLite sends at the end
//   of each commit. An OPFS call costs 10-100 us, so a WAL commit of ten pages pays once, not ten
//   times.
// - Failure is sticky. When a held-back run cannot be written, SQLite may already believe in it: the
//   file then answers every further call with an I/O error until it is opened anew, and
//   failure() tells whether the disk is full (kStorageFull) or broken (kStorageIo).
// - One connection owns a file: locks are no-ops, WAL runs without shared memory
//   (locking_mode=EXCLUSIVE is set by Database before journal_mode=WAL).
//
// Lifetime: the VFS registers itself with SQLite under its own unique name and unregisters in its
// destructor; every Database on it must be closed before. It borrows the pool. Time and randomness
// come from VfsEnvironment, so that tests and the simulator decide them.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/sqlite/storage_pool.h"

struct sqlite3_vfs;

namespace livestore {

// What SQLite wants from the world besides files.
struct VfsEnvironment {
  int64_t (*now_ms)(void* context) = nullptr;                              // Unix time.
  void (*random_bytes)(void* context, uint8_t* out, size_t size) = nullptr;
  void* context = nullptr;
};

class PoolVfs {
 public:
  // Registers a VFS over `pool`, which must outlive it. Never the default VFS.
  static Result<std::unique_ptr<PoolVfs>> Create(StoragePool& pool, VfsEnvironment environment);
  ~PoolVfs();
  PoolVfs(const PoolVfs&) = delete;
  PoolVfs& operator=(const PoolVfs&) = delete;

  // What Database::Open takes.
  [[nodiscard]] const std::string& name() const;
  // The failure that made a file sticky-fail, kept until ClearFailure().
  [[nodiscard]] std::optional<Error> failure() const;
  void ClearFailure();
  // Calls made on the pool so far; benchmarks and tests count with it.
  struct Counters { uint64_t reads = 0, writes = 0, flushes = 0, truncates = 0; };
  [[nodiscard]] Counters counters() const;

 private:
  struct Impl;
  explicit PoolVfs(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace livestore

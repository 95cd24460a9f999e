// StoragePool: the few files that a store's databases live in, opened beforehand and owned alone.
//
// Implemented over OPFS sync access handles (wasm), over memory (here: MemoryPool), and by the
// simulator. Names are fixed when the pool is made ("eventlog.db", "eventlog.db-wal", ...): OPFS
// opens files asynchronously, SQLite does not. A file of size 0 does not exist for SQLite.
//
// Calls are synchronous. No call is made after the pool's owner has closed it.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

namespace livestore {

enum class StorageStatus { kOk, kFull, kIoError };

class StoragePool {
 public:
  using Handle = int;
  static constexpr Handle kNone = -1;

  virtual ~StoragePool() = default;

  // The handle of the file `name`, or kNone if the pool does not hold it.
  virtual Handle Find(std::string_view name) = 0;
  // Size in bytes, or -1 on failure.
  virtual int64_t Size(Handle file) = 0;
  // Reads up to `size` bytes at `offset`; returns how many, fewer only at the end, -1 on failure.
  virtual int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) = 0;
  // Writes all or fails. kFull when the origin's quota is used up; the file may then hold a part.
  virtual StorageStatus Write(Handle file, BytesView bytes, int64_t offset) = 0;
  virtual StorageStatus Truncate(Handle file, int64_t size) = 0;
  // Returns when everything written so far survives a crash of the process and, as far as the
  // platform promises it, a power cut.
  virtual StorageStatus Flush(Handle file) = 0;
};

}  // namespace livestore

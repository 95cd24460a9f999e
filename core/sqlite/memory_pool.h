// MemoryPool: a StoragePool in memory. For in-memory stores and tests.

#pragma once

#include "core/sqlite/storage_pool.h"

namespace livestore {

class MemoryPool final : public StoragePool {
 public:
  // Holds one empty file per name.
  explicit MemoryPool(std::vector<std::string> names);

  Handle Find(std::string_view name) override;
  int64_t Size(Handle file) override;
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override;
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override;
  StorageStatus Truncate(Handle file, int64_t size) override;
  StorageStatus Flush(Handle file) override;

 private:
  struct File {
    std::string name;
    Bytes bytes;
  };
  File& At(Handle file);

  std::vector<File> files_;
};

}  // namespace livestore

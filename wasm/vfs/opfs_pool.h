// OpfsPool: a StoragePool over the sync access handles that the leader worker opened
// (worker/src/opfs-pool.ts). The handles stay JavaScript's; this only calls them.

#pragma once

#include "core/sqlite/storage_pool.h"

namespace livestore::wasm {

class OpfsPool final : public StoragePool {
 public:
  // `pool` is the number under which JavaScript registered the handles.
  explicit OpfsPool(int pool) : pool_(pool) {}

  Handle Find(std::string_view name) override;
  int64_t Size(Handle file) override;
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override;
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override;
  StorageStatus Truncate(Handle file, int64_t size) override;
  StorageStatus Flush(Handle file) override;

 private:
  int pool_;
};

}  // namespace livestore::wasm

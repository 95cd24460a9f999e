#include "wasm/vfs/opfs_pool.h"

extern "C" {
// wasm/vfs/opfs_library.js. Offsets and sizes are doubles: OPFS takes numbers, and 2^53 is enough.
int ls_storage_find(int pool, const char* name, uint32_t name_bytes);
double ls_storage_size(int pool, int file);
double ls_storage_read(int pool, int file, uint8_t* out, uint32_t size, double offset);
int ls_storage_write(int pool, int file, const uint8_t* bytes, uint32_t size, double offset);
int ls_storage_truncate(int pool, int file, double size);
int ls_storage_flush(int pool, int file);
}

namespace livestore::wasm {
namespace {

StorageStatus StatusFromJs(int status) {
  switch (status) {
    case 0:
      return StorageStatus::kOk;
    case 1:
      return StorageStatus::kFull;
    default:
      return StorageStatus::kIoError;
  }
}

}  // namespace

StoragePool::Handle OpfsPool::Find(std::string_view name) {
  return ls_storage_find(pool_, name.data(), static_cast<uint32_t>(name.size()));
}

int64_t OpfsPool::Size(Handle file) { return static_cast<int64_t>(ls_storage_size(pool_, file)); }

int64_t OpfsPool::Read(Handle file, uint8_t* out, size_t size, int64_t offset) {
  return static_cast<int64_t>(
      ls_storage_read(pool_, file, out, static_cast<uint32_t>(size), static_cast<double>(offset)));
}

StorageStatus OpfsPool::Write(Handle file, BytesView bytes, int64_t offset) {
  return StatusFromJs(ls_storage_write(
      pool_, file, bytes.data(), static_cast<uint32_t>(bytes.size()), static_cast<double>(offset)));
}

StorageStatus OpfsPool::Truncate(Handle file, int64_t size) {
  return StatusFromJs(ls_storage_truncate(pool_, file, static_cast<double>(size)));
}

StorageStatus OpfsPool::Flush(Handle file) { return StatusFromJs(ls_storage_flush(pool_, file)); }

}  // namespace livestore::wasm

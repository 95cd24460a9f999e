#include "core/sqlite/memory_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace livestore {

MemoryPool::MemoryPool(std::vector<std::string> names) {
  files_.reserve(names.size());
  for (std::string& name : names) files_.push_back({std::move(name), {}});
}

StoragePool::Handle MemoryPool::Find(std::string_view name) {
  for (size_t i = 0; i < files_.size(); i++) {
    if (files_[i].name == name) return static_cast<Handle>(i);
  }
  return kNone;
}

MemoryPool::File& MemoryPool::At(Handle file) {
  LS_CHECK(file >= 0 && static_cast<size_t>(file) < files_.size());
  return files_[static_cast<size_t>(file)];
}

int64_t MemoryPool::Size(Handle file) { return static_cast<int64_t>(At(file).bytes.size()); }

int64_t MemoryPool::Read(Handle file, uint8_t* out, size_t size, int64_t offset) {
  const Bytes& bytes = At(file).bytes;
  if (offset < 0 || static_cast<uint64_t>(offset) >= bytes.size()) return 0;
  const size_t got = std::min(size, bytes.size() - static_cast<size_t>(offset));
  if (got > 0) std::memcpy(out, bytes.data() + offset, got);
  return static_cast<int64_t>(got);
}

StorageStatus MemoryPool::Write(Handle file, BytesView bytes, int64_t offset) {
  if (offset < 0) return StorageStatus::kIoError;
  Bytes& target = At(file).bytes;
  const size_t end = static_cast<size_t>(offset) + bytes.size();
  if (end > target.size()) {
    if (end > target.capacity()) target.reserve(std::max(end, target.capacity() * 2));
    target.resize(end);
  }
  if (!bytes.empty()) std::memcpy(target.data() + offset, bytes.data(), bytes.size());
  return StorageStatus::kOk;
}

StorageStatus MemoryPool::Truncate(Handle file, int64_t size) {
  if (size < 0) return StorageStatus::kIoError;
  At(file).bytes.resize(static_cast<size_t>(size));
  return StorageStatus::kOk;
}

StorageStatus MemoryPool::Flush(Handle file) {
  At(file);
  return StorageStatus::kOk;
}

}  // namespace livestore

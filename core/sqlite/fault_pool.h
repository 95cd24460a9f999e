// FaultPool: a StoragePool around another one that counts its calls and fails where a test wants.
// For tests only.

#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/sqlite/storage_pool.h"

namespace livestore {

class FaultPool final : public StoragePool {
 public:
  enum class Call { kSize, kRead, kWrite, kTruncate, kFlush };

  explicit FaultPool(StoragePool& inner) : inner_(inner) {}

  // Lets `after` more calls of this kind on files called `file` pass ("" means every file) and
  // fails the next `times` with `status`, or all later ones until Heal. A write that fails leaves
  // half of its bytes in the file, as a full disk may.
  void Fail(Call call, StorageStatus status, int after = 0, std::string_view file = "",
            int times = std::numeric_limits<int>::max()) {
    fault_ = {true, call, status, after, std::string(file), times};
    failed_ = 0;
  }
  void Heal() { fault_ = {}; }
  // Calls that failed since the last Fail.
  [[nodiscard]] int failed() const { return failed_; }

  [[nodiscard]] int calls(Call call) const { return calls_[static_cast<size_t>(call)]; }
  // The sizes of all writes since the last call.
  std::vector<size_t> TakeWriteSizes() { return std::exchange(write_sizes_, {}); }

  Handle Find(std::string_view name) override {
    const Handle handle = inner_.Find(name);
    if (handle == kNone) return kNone;
    const auto index = static_cast<size_t>(handle);
    if (names_.size() <= index) names_.resize(index + 1);
    names_[index] = name;
    return handle;
  }
  int64_t Size(Handle file) override {
    return Enter(Call::kSize, file) == StorageStatus::kOk ? inner_.Size(file) : -1;
  }
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override {
    if (Enter(Call::kRead, file) != StorageStatus::kOk) return -1;
    return inner_.Read(file, out, size, offset);
  }
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override {
    write_sizes_.push_back(bytes.size());
    const StorageStatus status = Enter(Call::kWrite, file);
    if (status == StorageStatus::kOk) return inner_.Write(file, bytes, offset);
    inner_.Write(file, bytes.first(bytes.size() / 2), offset);
    return status;
  }
  StorageStatus Truncate(Handle file, int64_t size) override {
    const StorageStatus status = Enter(Call::kTruncate, file);
    return status == StorageStatus::kOk ? inner_.Truncate(file, size) : status;
  }
  StorageStatus Flush(Handle file) override {
    const StorageStatus status = Enter(Call::kFlush, file);
    return status == StorageStatus::kOk ? inner_.Flush(file) : status;
  }

 private:
  struct Fault {
    bool armed = false;
    Call call = Call::kRead;
    StorageStatus status = StorageStatus::kOk;
    int after = 0;
    std::string file;
    int times = 0;
  };

  StorageStatus Enter(Call call, Handle file) {
    calls_[static_cast<size_t>(call)]++;
    if (!fault_.armed || fault_.call != call) return StorageStatus::kOk;
    if (!fault_.file.empty() && names_[static_cast<size_t>(file)] != fault_.file) {
      return StorageStatus::kOk;
    }
    if (fault_.after > 0) {
      fault_.after--;
      return StorageStatus::kOk;
    }
    if (fault_.times == 0) return StorageStatus::kOk;
    fault_.times--;
    failed_++;
    return fault_.status;
  }

  StoragePool& inner_;
  Fault fault_;
  int failed_ = 0;
  std::array<int, 5> calls_{};
  std::vector<size_t> write_sizes_;
  std::vector<std::string> names_;
};

}  // namespace livestore

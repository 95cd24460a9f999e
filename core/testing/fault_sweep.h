// Storage that fails at the first call of a kind, then at the second, and so on: for tests of what
// an operation leaves behind, wherever it is cut off.

#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/sqlite/fault_pool.h"

namespace livestore {

struct StorageFault {
  FaultPool::Call call = FaultPool::Call::kRead;
  StorageStatus status = StorageStatus::kIoError;
  bool once = false;  // Else every later call of the kind fails too, until the pool is healed.
  int after = 0;      // So many calls pass before it.
  std::string file;   // Only calls on this one count; empty for all.

  void Arm(FaultPool& pool) const {
    pool.Fail(call, status, after, file, once ? 1 : std::numeric_limits<int>::max());
  }
  [[nodiscard]] std::string Name() const {
    constexpr const char* kCalls[] = {"Size", "Read", "Write", "Truncate", "Flush"};
    return std::string(status == StorageStatus::kFull ? "Full" : "") +
           kCalls[static_cast<size_t>(call)] + (once ? "Once" : "");
  }
};

// Every way in which a call of a StoragePool can fail.
inline std::vector<StorageFault> StorageFaults() {
  using Call = FaultPool::Call;
  std::vector<StorageFault> faults;
  for (const bool once : {false, true}) {
    for (const Call call :
         {Call::kSize, Call::kRead, Call::kWrite, Call::kTruncate, Call::kFlush}) {
      faults.push_back({.call = call, .once = once, .file = ""});
    }
    faults.push_back(
        {.call = Call::kWrite, .status = StorageStatus::kFull, .once = once, .file = ""});
  }
  return faults;
}

// Calls `attempt` with the fault at the first call, the second, and so on, until it returns false:
// it met none. Returns how often it did.
template <typename Attempt>
int SweepFaults(StorageFault fault, Attempt attempt) {
  for (fault.after = 0;; ++fault.after) {
    SCOPED_TRACE(fault.Name() + " after " + std::to_string(fault.after));
    if (!attempt(fault) || ::testing::Test::HasFailure()) return fault.after;
  }
}

}  // namespace livestore

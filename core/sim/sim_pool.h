// SimPool: the storage of one simulated client. It outlives every process that uses it.
//
// A file is two things: what its process reads (every write so far), and what storage has for sure
// (everything up to the last flush of that file). Between them lie the writes since that flush. A
// power cut keeps any of them, in any order, torn at sectors of 512 bytes; the end of a process
// alone keeps them all.
//
// Failures, each armed for a number of calls from now: no space, an I/O error, an I/O error of
// reads, and the death of the process in the middle of a call. A write that fails leaves a part of
// its bytes. After a death every call fails until Restart.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/sim/prng.h"
#include "core/sqlite/storage_pool.h"

namespace livestore::sim {

class SimPool final : public StoragePool {
 public:
  enum class Fault { kFull, kIoError, kReadError, kCrash };

  explicit SimPool(std::vector<std::string> names);

  // Lets `after` calls pass to which the fault may happen, and makes `times` of them fail; after a
  // crash all do. Replaces what was armed before.
  void Arm(Fault fault, uint32_t after, uint32_t times);
  // Nothing is armed any more. A crashed pool stays so.
  void Heal() { armed_ = false; }
  [[nodiscard]] bool crashed() const { return crashed_; }
  // Failures so far, of all kinds.
  [[nodiscard]] uint64_t failures() const { return failures_; }

  // The process dies here: every call fails until Restart.
  void Crash();
  // The process is gone, and the next one may begin.
  void Restart();
  // So is the power: see above. `lose_everything` keeps nothing that was not flushed.
  void PowerCut(Prng& prng, bool lose_everything = false);
  // Deletes the files whose names begin with `prefix`, as a user's "clear site data" would not, but
  // a browser that evicts may.
  void Wipe(std::string_view prefix);

  Handle Find(std::string_view name) override;
  int64_t Size(Handle file) override;
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override;
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override;
  StorageStatus Truncate(Handle file, int64_t size) override;
  StorageStatus Flush(Handle file) override;

 private:
  // A write of bytes, or (without any) a truncation to `offset`.
  struct Change {
    bool truncate = false;
    int64_t offset = 0;
    Bytes bytes;
  };
  struct File {
    std::string name;
    Bytes seen;
    Bytes flushed;
    std::vector<Change> unflushed;
  };
  enum class Call { kRead, kWrite, kTruncate, kFlush };

  static void Apply(Bytes& file, const Change& change);
  void Note(File& file, Change change);
  // What becomes of this call.
  StorageStatus Enter(Call call);
  File& At(Handle file);

  std::vector<File> files_;
  bool armed_ = false;
  Fault fault_ = Fault::kFull;
  uint32_t after_ = 0;
  uint32_t times_ = 0;
  bool crashed_ = false;
  uint64_t failures_ = 0;
};

}  // namespace livestore::sim

#include "core/sim/sim_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace livestore::sim {
namespace {

constexpr size_t kSectorBytes = 512;

}  // namespace

SimPool::SimPool(std::vector<std::string> names) {
  for (std::string& name : names) files_.push_back({std::move(name), {}, {}, {}});
}

void SimPool::Arm(Fault fault, uint32_t after, uint32_t times) {
  armed_ = true;
  fault_ = fault;
  after_ = after;
  times_ = times;
}

void SimPool::Crash() {
  crashed_ = true;
  armed_ = false;
}

void SimPool::Restart() {
  crashed_ = false;
  armed_ = false;
}

void SimPool::PowerCut(Prng& prng, bool lose_everything) {
  for (File& file : files_) {
    std::vector<Change> kept;
    if (!lose_everything) {
      // In most cuts most of it is there: the interesting ones lack a little.
      const size_t kept_percent = 25 * prng.Below(5);
      for (Change& change : file.unflushed) {
        if (prng.Percent(kept_percent)) kept.push_back(std::move(change));
      }
      if (prng.OneIn(2)) {
        for (size_t left = kept.size(); left > 1; --left) {
          std::swap(kept[left - 1], kept[prng.Below(left)]);
        }
      }
    }
    for (const Change& change : kept) {
      if (change.truncate || !prng.OneIn(3)) {
        Apply(file.flushed, change);
        continue;
      }
      const size_t size = change.bytes.size();
      for (size_t begin = 0; begin < size;) {
        const size_t position = static_cast<size_t>(change.offset) + begin;
        const size_t end = std::min(size, begin + kSectorBytes - position % kSectorBytes);
        if (prng.OneIn(2)) {
          Apply(file.flushed, {false, static_cast<int64_t>(position),
                               Bytes(change.bytes.begin() + static_cast<ptrdiff_t>(begin),
                                     change.bytes.begin() + static_cast<ptrdiff_t>(end))});
        }
        begin = end;
      }
    }
    file.unflushed.clear();
    file.seen = file.flushed;
  }
}

void SimPool::Wipe(std::string_view prefix) {
  for (File& file : files_) {
    if (!file.name.starts_with(prefix)) continue;
    file.seen.clear();
    file.flushed.clear();
    file.unflushed.clear();
  }
}

void SimPool::Apply(Bytes& file, const Change& change) {
  const auto offset = static_cast<size_t>(change.offset);
  if (change.truncate) {
    file.resize(offset);
    return;
  }
  const size_t end = offset + change.bytes.size();
  if (end > file.size()) {
    if (end > file.capacity()) file.reserve(std::max(end, file.capacity() * 2));
    file.resize(end);
  }
  if (!change.bytes.empty()) {
    std::memcpy(file.data() + offset, change.bytes.data(), change.bytes.size());
  }
}

void SimPool::Note(File& file, Change change) {
  Apply(file.seen, change);
  file.unflushed.push_back(std::move(change));
}

StorageStatus SimPool::Enter(Call call) {
  if (crashed_) {
    failures_ += 1;
    return StorageStatus::kIoError;
  }
  if (!armed_) return StorageStatus::kOk;
  bool concerned = false;
  switch (fault_) {
    case Fault::kFull:
      concerned = call == Call::kWrite;
      break;
    case Fault::kReadError:
      concerned = call == Call::kRead;
      break;
    case Fault::kIoError:
    case Fault::kCrash:
      concerned = call != Call::kRead;
      break;
  }
  if (!concerned) return StorageStatus::kOk;
  if (after_ > 0) {
    after_ -= 1;
    return StorageStatus::kOk;
  }
  failures_ += 1;
  if (fault_ == Fault::kCrash) {
    crashed_ = true;
    armed_ = false;
    return StorageStatus::kIoError;
  }
  if (--times_ == 0) armed_ = false;
  return fault_ == Fault::kFull ? StorageStatus::kFull : StorageStatus::kIoError;
}

SimPool::File& SimPool::At(Handle file) {
  LS_CHECK(file >= 0 && static_cast<size_t>(file) < files_.size());
  return files_[static_cast<size_t>(file)];
}

StoragePool::Handle SimPool::Find(std::string_view name) {
  for (size_t i = 0; i < files_.size(); i++) {
    if (files_[i].name == name) return static_cast<Handle>(i);
  }
  return kNone;
}

int64_t SimPool::Size(Handle file) {
  if (crashed_) return -1;
  return static_cast<int64_t>(At(file).seen.size());
}

int64_t SimPool::Read(Handle file, uint8_t* out, size_t size, int64_t offset) {
  if (Enter(Call::kRead) != StorageStatus::kOk) return -1;
  const Bytes& bytes = At(file).seen;
  if (offset < 0 || static_cast<uint64_t>(offset) >= bytes.size()) return 0;
  const size_t got = std::min(size, bytes.size() - static_cast<size_t>(offset));
  if (got > 0) std::memcpy(out, bytes.data() + offset, got);
  return static_cast<int64_t>(got);
}

StorageStatus SimPool::Write(Handle file, BytesView bytes, int64_t offset) {
  LS_CHECK(offset >= 0);
  const bool was_crashed = crashed_;
  const StorageStatus status = Enter(Call::kWrite);
  if (status == StorageStatus::kOk) {
    Note(At(file), {false, offset, Bytes(bytes.begin(), bytes.end())});
  } else if (!was_crashed) {
    const BytesView part = bytes.first(bytes.size() / 2);
    Note(At(file), {false, offset, Bytes(part.begin(), part.end())});
  }
  return status;
}

StorageStatus SimPool::Truncate(Handle file, int64_t size) {
  LS_CHECK(size >= 0);
  const StorageStatus status = Enter(Call::kTruncate);
  if (status == StorageStatus::kOk) {
    Note(At(file), {true, size, {}});
  }
  return status;
}

// A flush that fails leaves everything as unsure as it was.
StorageStatus SimPool::Flush(Handle file) {
  const StorageStatus status = Enter(Call::kFlush);
  if (status != StorageStatus::kOk) return status;
  File& flushed = At(file);
  for (const Change& change : flushed.unflushed) Apply(flushed.flushed, change);
  flushed.unflushed.clear();
  return StorageStatus::kOk;
}

}  // namespace livestore::sim

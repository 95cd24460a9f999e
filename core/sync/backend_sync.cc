#include "core/sync/backend_sync.h"

#include <algorithm>
#include <utility>

#include "core/base/limits.h"

namespace livestore {
namespace {

// One step of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
// 2014).
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// True once the clock has reached `not_before`. A wait that seems longer than any we ask for means
// that the clock jumped back; it is over.
bool Reached(int64_t not_before, int64_t now_ms) {
  return now_ms >= not_before || not_before - now_ms > limits::kBackendRetryMaxMs;
}

}  // namespace

BackendSync::BackendSync(BackendSyncOptions options)
    : options_(options), random_(options.jitter_seed) {}

// The wait doubles up to its maximum; a half of it is drawn by lot, so that many clients that lost
// a server at one moment do not come back at one moment.
int64_t BackendSync::Delay(uint32_t failures) {
  int64_t delay = limits::kBackendRetryFirstMs;
  for (uint32_t i = 1; i < failures && delay < limits::kBackendRetryMaxMs; ++i) delay *= 2;
  delay = std::min(delay, limits::kBackendRetryMaxMs);
  const int64_t half = delay / 2;
  return half + static_cast<int64_t>(NextRandom(random_) % static_cast<uint64_t>(half + 1));
}

// ---- Pull --------------------------------------------------------------------------------------

std::optional<uint32_t> BackendSync::StartPull(int64_t now_ms) {
  if (!online_ || pull_ != 0 || !pull_wanted_ || !Reached(pull_not_before_, now_ms)) return {};
  pull_ = next_number_++;
  restart_pull_ = false;
  pull_must_reach_ = pushed_through_;
  return pull_;
}

std::optional<uint32_t> BackendSync::StopPull(int64_t now_ms) {
  // A push that the backend called behind gives the running pull a while to bring what is missing.
  const bool waited = parked_ && restart_pull_ && Reached(push_not_before_, now_ms);
  if (pull_ == 0 || !waited) return {};
  pull_wanted_ = true;
  return std::exchange(pull_, 0);
}

bool BackendSync::OnPage(uint32_t pull) {
  if (pull != pull_ || pull == 0) return false;
  pull_failures_ = 0;
  return true;
}

bool BackendSync::OnMerged(uint32_t pull, bool caught_up, uint64_t upstream_head) {
  merged_through_ = upstream_head;
  // A pull that is not live may have ended since it sent its last page.
  if ((pull != pull_ && pull != ended_pull_) || pull == 0 || !caught_up) return false;
  caught_up_ = true;
  if (!restart_pull_ || upstream_head > parked_at_) {
    parked_ = false;
    restart_pull_ = false;
  }
  // The backend once said it had these. It does not: push them again.
  if (upstream_head < pull_must_reach_) pushed_through_ = 0;
  return true;
}

bool BackendSync::OnPullEnded(uint32_t pull, int64_t now_ms) {
  if (pull != pull_ || pull == 0) return false;
  ended_pull_ = std::exchange(pull_, 0);
  pull_wanted_ = options_.live_pull || parked_;
  // One that ends at once again and again must not become a busy loop.
  pull_failures_ += 1;
  pull_not_before_ = options_.live_pull || parked_ ? now_ms + Delay(pull_failures_) : now_ms;
  return true;
}

bool BackendSync::OnPullFailed(uint32_t pull, int64_t now_ms) {
  if (pull != pull_ || pull == 0) return false;
  pull_ = 0;
  pull_wanted_ = true;
  pull_failures_ += 1;
  pull_not_before_ = now_ms + Delay(pull_failures_);
  return true;
}

// ---- Push --------------------------------------------------------------------------------------

bool BackendSync::MayPush(int64_t now_ms) const {
  return online_ && push_ == 0 && !parked_ && Reached(push_not_before_, now_ms);
}

uint32_t BackendSync::PushStarted(uint64_t last_global) {
  push_ = next_number_++;
  push_last_ = last_global;
  return push_;
}

bool BackendSync::OnPushTaken(uint32_t push) {
  if (push != push_ || push == 0) return false;
  push_ = 0;
  push_failures_ = 0;
  pushed_through_ = std::max(pushed_through_, push_last_);
  if (!options_.live_pull) {  // Somebody has to fetch the confirmation.
    pull_wanted_ = true;
    pull_failures_ = 0;
  }
  return true;
}

bool BackendSync::OnPushFailed(uint32_t push, BackendFailure failure, int64_t now_ms) {
  if (push != push_ || push == 0) return false;
  push_ = 0;
  pushed_through_ = 0;
  if (failure == BackendFailure::kServerAhead) {
    parked_ = true;
    parked_at_ = merged_through_;
    restart_pull_ = pull_ != 0;
    pull_wanted_ = true;
    push_not_before_ = now_ms + limits::kServerAheadWaitMs;
    return true;
  }
  push_failures_ += 1;
  push_not_before_ = now_ms + Delay(push_failures_);
  return true;
}

bool BackendSync::OnPushSettled(uint32_t push) {
  if (push != push_ || push == 0) return false;
  push_ = 0;
  pushed_through_ = 0;
  return true;
}

// ---- Both --------------------------------------------------------------------------------------

void BackendSync::OnRebase() {
  push_ = 0;
  pushed_through_ = 0;
  // What the backend was ahead by may be what was just merged. If not, it will say so again.
  parked_ = false;
  restart_pull_ = false;
}

void BackendSync::OnConnection(bool online) {
  if (online && !online_) {
    pull_not_before_ = 0;
    push_not_before_ = 0;
    pull_failures_ = 0;
    push_failures_ = 0;
  }
  online_ = online;
}

void BackendSync::Restart() {
  const uint64_t random = random_;
  const uint32_t next_number = next_number_;
  const bool online = online_;
  *this = BackendSync(options_);
  random_ = random;
  next_number_ = next_number;
  online_ = online;
}

std::optional<int64_t> BackendSync::WakeAt(int64_t now_ms) const {
  if (!online_) return {};
  std::optional<int64_t> wake;
  const auto consider = [&wake, now_ms](int64_t at) {
    if (!Reached(at, now_ms)) wake = wake ? std::min(*wake, at) : at;
  };
  if (pull_ == 0 && pull_wanted_) consider(pull_not_before_);
  // A parked push waits for a pull; only to stop the running one there is a time.
  if (push_ == 0 && (!parked_ || restart_pull_)) consider(push_not_before_);
  return wake;
}

}  // namespace livestore

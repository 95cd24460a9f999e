// BackendSync: when to talk to the sync backend, and about what. The leader asks it and does the
// rest (merge, log, state); it knows no event, no database and no connection.
//
//     pull   idle ──► running ──► (ended, failed) ──► waiting ──► running ...
//     push   idle ──► in flight ──► taken ──► idle
//                        ├──► offline, unavailable ──► waiting ──► idle      the same again
//                        └──► server ahead ──► parked ──► idle               after pulling anew
//
// A live pull runs for ever; the echo of our own events in it is what confirms them, and an answer
// to a push only lets the next one go. So a lost answer costs nothing: the backend takes a push
// only if it continues its head, which it then says, and the pull has the rest.
//
// What always holds: one pull and one push at most; every failure waits before the next try, longer
// each time, with jitter; a parked push is always followed by a new pull, so nothing waits for a
// message that will not come.
//
// Time is milliseconds of any clock that the caller passes; one that jumps back only makes a wait
// longer by at most limits::kBackendRetryMaxMs.

#pragma once

#include <cstdint>
#include <optional>

namespace livestore {

enum class BackendFailure {
  kOffline,      // No connection. Tried again.
  kUnavailable,  // Anything that may pass: a timeout, an error of the server. Tried again.
  kServerAhead,  // Of a push: it does not continue the backend's head. Pulled, then tried again.
};

struct BackendSyncOptions {
  bool live_pull = true;  // Else a pull ends at the backend's head, and another follows each push.
  uint64_t jitter_seed = 1;  // Different for each client.
};

class BackendSync {
 public:
  explicit BackendSync(BackendSyncOptions options);

  // A new pull may start now: the caller starts it with this number. Nullopt: not now.
  std::optional<uint32_t> StartPull(int64_t now_ms);
  // The running pull is to be stopped; the caller must, and StartPull will follow.
  std::optional<uint32_t> StopPull(int64_t now_ms);
  // True if a push may go now. If there is something to push, call PushStarted.
  [[nodiscard]] bool MayPush(int64_t now_ms) const;
  // Returns the number of the push.
  uint32_t PushStarted(uint64_t last_global);

  // A page of the running pull came. This and the others below are false, and nothing has changed,
  // for a pull or push that is not the current one.
  bool OnPage(uint32_t pull);
  // A page has been merged, and upstream_head is what it is now. `caught_up`: the backend had no
  // more when it sent the page.
  bool OnMerged(uint32_t pull, bool caught_up, uint64_t upstream_head);
  bool OnPullEnded(uint32_t pull, int64_t now_ms);
  bool OnPullFailed(uint32_t pull, int64_t now_ms);
  bool OnPushTaken(uint32_t push);
  bool OnPushFailed(uint32_t push, BackendFailure failure, int64_t now_ms);
  // The push in flight was answered for good in another way: a refused event.
  bool OnPushSettled(uint32_t push);

  // Pending was renumbered: what was pushed counts no more, and its answer says nothing.
  void OnRebase();
  // The connection came or went, as far as anybody knows. What comes ends every wait.
  void OnConnection(bool online);
  // Everything that was asked of the backend is forgotten (it was replaced, or storage failed).
  void Restart();

  // The next event to push is the one after this global number, or after the upstream head if that
  // is greater.
  [[nodiscard]] uint64_t pushed_through() const { return pushed_through_; }
  // When a wait ends; nullopt if only a message can change anything.
  [[nodiscard]] std::optional<int64_t> WakeAt(int64_t now_ms) const;
  [[nodiscard]] bool pulling() const { return pull_ != 0; }
  [[nodiscard]] uint32_t pull() const { return pull_; }  // 0 if none runs.
  [[nodiscard]] uint32_t push() const { return push_; }  // 0 if none is in flight.
  // A pull has reached the backend's head since this object was made or restarted.
  [[nodiscard]] bool caught_up() const { return caught_up_; }
  [[nodiscard]] bool online() const { return online_; }

 private:
  int64_t Delay(uint32_t failures);

  BackendSyncOptions options_;
  uint64_t random_;
  bool online_ = true;
  bool caught_up_ = false;

  uint32_t next_number_ = 1;
  uint32_t pull_ = 0;
  uint32_t ended_pull_ = 0;  // The last one that ended well.
  bool pull_wanted_ = true;  // False after a pull that ended well and is not live.
  int64_t pull_not_before_ = 0;
  uint32_t pull_failures_ = 0;

  uint32_t push_ = 0;
  uint64_t push_last_ = 0;  // The last event of the push in flight.
  uint64_t pushed_through_ = 0;
  int64_t push_not_before_ = 0;
  uint32_t push_failures_ = 0;
  bool parked_ = false;  // Until a pull that started after the backend said "ahead" caught up.
  bool restart_pull_ = false;     // The running pull began before that.
  uint64_t merged_through_ = 0;   // The upstream head after the last merge,
  uint64_t parked_at_ = 0;        // and when the push was parked.
  uint64_t pull_must_reach_ = 0;  // What the backend had taken when the running pull began.
};

}  // namespace livestore

// The inside of ClientSession, shared by its two sources: client_session.cc (calls and answers) and
// follow.cc (what becomes of the log upstream).

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/event/event_codec.h"
#include "core/session/client_session.h"
#include "core/session/tail.h"
#include "core/sqlite/savepoint.h"
#include "core/sync/merge.h"

namespace livestore {

// What becomes of the tail when upstream's news is followed.
struct FollowPlan {
  size_t keep = 0;                     // Entries that stay; the others are rolled back.
  size_t confirmed = 0;                // Pending ones that upstream has now, in their place.
  std::vector<uint64_t> counters;      // Per event of the news: its own counter, or 0.
  std::vector<Event> rebased;          // What is pending then, unless nothing is rolled back.
  std::vector<RefusedCommit> refused;  // What upstream refused; counter 0: of another.
};

// What upstream's events made of the state, before the session believes it.
struct Applied {
  std::vector<TailEntry> entries;    // Of the events that are not settled.
  std::optional<Head> settled_head;  // The last of those that are, if any.
};

// An event that shows in the state and is in no log.
struct OverlayEntry {
  Event event;
  Bytes changeset;
};

struct ClientSession::Impl {
  Impl(ClientSessionOptions session_options, std::unique_ptr<StateDb> state_db)
      : options(std::move(session_options)),
        state(std::move(state_db)),
        live_queries(state->database()) {}

  // ---- client_session.cc
  // Before anything but an image needs them: an image brings its own, and most sessions begin with
  // one.
  Result<void> MakeTables();
  Event NextEvent(const NewEvent& event, const SeqNum& head) const;
  Bytes PushOf(size_t count) const;
  // The first `count` pending events are upstream's now, in their place.
  void Confirm(size_t count);
  // The same, as an answer to a push: without a backend they are settled, and nobody will say so.
  void Accept(size_t count);
  void KeepOwn(size_t count);
  [[nodiscard]] uint64_t persisted() const;

  // ---- overlay.cc
  // Takes the overlay's rows off the state, in a savepoint that puts them back unless LowerOverlay
  // releases it. Does nothing without an overlay.
  Result<void> LiftOverlay(std::optional<Savepoint>& lifted, TableSet& touched);
  // Puts the overlay on top of the state as it is now; what fails is left out.
  void LowerOverlay(std::optional<Savepoint>& lifted, TableSet& touched);
  // All or nothing; the head stays.
  Result<OverlayEntry> Overlay(Event event, int local_index, TableSet& touched);
  void TrimOverlay(TableSet& touched);

  // ---- follow.cc
  // Follows `news`, that of `history` if there is one, which is done with the first `known` pending
  // events. Fails with kUpstreamGap, kMalformedBytes; nothing has changed then.
  Result<FollowOutcome> Follow(const News& news, size_t known, const History* history = nullptr);
  // Nullopt: it cannot be followed event by event.
  Result<std::optional<FollowPlan>> PlanFollow(const News& news, size_t known,
                                               const History* history) const;
  // Tells of own events that were refused, each once.
  void Report(std::span<const RefusedCommit> refused, FollowOutcome& outcome);
  Result<Applied> ApplyEvents(const News& news, const FollowPlan& plan, TableSet& touched);
  // Believes what `news` says of itself, once it is followed.
  void Settle(const News& news);
  void CountSynced();
  // Materializes `events` on top of the state as pending ones; those that fail are reported
  // instead.
  void Rebase(std::vector<Event> events, std::span<const uint64_t> counters, TableSet& touched,
              FollowOutcome& outcome);
  // Counters of the last `count` pending events.
  [[nodiscard]] std::vector<uint64_t> LastCounters(size_t count) const;
  // How many pending events a leader is done with that has this session's up to `accepted`. Fails
  // with kMalformedBytes for a counter that was never given.
  [[nodiscard]] Result<size_t> KnownPending(uint64_t accepted) const;
  // Fails with kMalformedBytes if there are not numbers enough after `run` for everything that may
  // be pending. No log comes that far; only bytes that lie do.
  static Result<void> CheckRoom(const EventRun& run);
  // The session goes on as it is until LoadImage.
  FollowOutcome NeedImage();

  ClientSessionOptions options;
  std::unique_ptr<StateDb> state;
  LiveQueries live_queries;

  SyncState sync;  // upstream_head is always that of `tail`.
  Tail tail;       // Its pending entries are those of sync.pending, in the same order.

  bool synced = false;  // As upstream said last.
  SeqNum settled;
  uint64_t epoch = 0;  // Of the leader's log, likewise.
  // Own events that the leader has and the backend may still refuse, by their counter.
  std::map<uint64_t, Event> own;
  uint64_t last_counter = 0;
  uint64_t synced_counter = 0;

  size_t in_flight = 0;  // Events of the unanswered push; always the front of pending.
  bool in_flight_outdated =
      false;  // Upstream went on after it was sent: only a rejection is right.
  bool awaiting_image = false;
  bool awaiting_history = false;  // A new leader has not said yet what it has of our events.
  bool state_lost = false;  // The state holds what pending does not; nothing but an image helps.
  bool has_tables = false;
  bool busy = false;

  std::vector<OverlayEntry> overlay;    // In the state, after everything pending.
  std::vector<Event> passing;           // Of it, what other sessions are still to be sent.
  std::vector<RejectedEvent> left_out;  // To be reported by the next FollowOutcome.
};

// Marks an engine call in progress, so that a call from inside a callback is refused.
class CallGuard {
 public:
  explicit CallGuard(bool& busy) : busy_(busy) { busy_ = true; }
  ~CallGuard() { busy_ = false; }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  bool& busy_;
};

Error NestedCall();

}  // namespace livestore

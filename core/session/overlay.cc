// Events that are not persisted: they show on top of what is pending, and are in no log.
//
//     settled ── accepted ── pending ┊ overlay
//
// Whatever changes the log part lifts the overlay off by its changesets, and lowers it again
// afterwards: it is materialized anew, on what is there then. So all that deals with logs, images
// and pushes sees a state without it.

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/session/client_session_impl.h"
#include "core/sqlite/changeset.h"

namespace livestore {
namespace {

size_t ArgsBytes(const std::vector<OverlayEntry>& overlay) {
  size_t bytes = 0;
  for (const OverlayEntry& entry : overlay) bytes += entry.event.args_json.size();
  return bytes;
}

}  // namespace

Result<void> ClientSession::Impl::LiftOverlay(std::optional<Savepoint>& lifted, TableSet& touched) {
  if (overlay.empty()) return Ok();
  lifted.emplace(LS_TRY(Savepoint::Begin(state->database(), "livestore_overlay")));
  for (size_t i = overlay.size(); i > 0; --i) {
    const Bytes& changeset = overlay[i - 1].changeset;
    if (changeset.empty()) continue;
    LS_TRY(ApplyInverse(state->database(), changeset));
    touched.AddAll(LS_TRY(TablesOf(state->database(), changeset)));
  }
  return Ok();
}

void ClientSession::Impl::LowerOverlay(std::optional<Savepoint>& lifted, TableSet& touched) {
  for (OverlayEntry& entry : std::exchange(overlay, {})) {
    Result<OverlayEntry> lowered = Overlay(entry.event, -1, touched);
    if (lowered.ok()) {
      overlay.push_back(std::move(*lowered));
    } else if (left_out.size() < limits::kMaxOverlayEvents) {
      left_out.push_back({.counter = 0,
                          .event = std::move(entry.event),
                          .accepted = false,
                          .error = std::move(lowered).error()});
    }
  }
  if (lifted) LS_CHECK(lifted->Release().ok());  // In memory: see Follow.
}

Result<OverlayEntry> ClientSession::Impl::Overlay(Event event, int local_index, TableSet& touched) {
  const Head head = state->head().head();
  Savepoint savepoint = LS_TRY(Savepoint::Begin(state->database(), "livestore_overlay_event"));
  Result<Materialized> materialized =
      state->Materialize(event, local_index, StateDb::Record::kChangeset);
  state->SetHead(head.seq, head.hash);
  if (!materialized.ok()) return std::move(materialized).error();
  if (!materialized->undoable) {
    return Error{ErrorCode::kNotUndoable,
                 "\"" + event.name +
                     "\" writes what a changeset cannot bring back, so it must be "
                     "persisted"};
  }
  LS_TRY(savepoint.Release());
  touched.AddAll(materialized->tables);
  return OverlayEntry{std::move(event), std::move(materialized->changeset)};
}

// The oldest half goes, as the bytes are counted too maybe more than once.
void ClientSession::Impl::TrimOverlay(TableSet& touched) {
  while (overlay.size() > limits::kMaxOverlayEvents ||
         ArgsBytes(overlay) > limits::kMaxOverlayBytes) {
    std::optional<Savepoint> lifted;
    LS_CHECK(LiftOverlay(lifted, touched).ok());
    // Rounded up: another session's event may be too large all by itself.
    const auto half = static_cast<ptrdiff_t>((overlay.size() + 1) / 2);
    overlay.erase(overlay.begin(), overlay.begin() + half);
    LowerOverlay(lifted, touched);
  }
}

Result<std::vector<LiveQueryId>> ClientSession::CommitPassing(std::span<const NewEvent> events) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  LS_TRY(self.MakeTables());
  size_t bytes = 0;
  for (const NewEvent& event : events) bytes += event.args_json.size();
  if (events.size() > limits::kMaxOverlayEvents / 2 || bytes > limits::kMaxOverlayBytes / 2) {
    return Error{ErrorCode::kLimitExceeded,
                 "a commit of events that are not persisted may have half of kMaxOverlayEvents (" +
                     std::to_string(limits::kMaxOverlayEvents) + ") and of kMaxOverlayBytes (" +
                     std::to_string(limits::kMaxOverlayBytes) + ")"};
  }
  TableSet touched;
  std::vector<OverlayEntry> added;
  Savepoint savepoint = LS_TRY(Savepoint::Begin(self.state->database(), "livestore_commit"));
  SeqNum head = self.sync.local_head();
  for (const NewEvent& event : events) {
    Event placed = self.NextEvent(event, head);
    head = placed.seq;
    const int index = static_cast<int>(added.size());
    added.push_back(LS_TRY(self.Overlay(std::move(placed), index, touched)));
  }
  LS_TRY(savepoint.Release());
  // Whoever does not ask is not there to send anything.
  if (self.passing.size() > limits::kMaxOverlayEvents) self.passing.clear();
  for (const OverlayEntry& entry : added) self.passing.push_back(entry.event);
  std::ranges::move(added, std::back_inserter(self.overlay));
  self.TrimOverlay(touched);
  return self.live_queries.Refresh(touched);
}

std::optional<Bytes> ClientSession::NextPassing() {
  if (impl_->passing.empty()) return std::nullopt;
  return EncodeEvents(std::exchange(impl_->passing, {}));
}

Result<FollowOutcome> ClientSession::OnPassing(BytesView events_bytes) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  LS_TRY(self.MakeTables());
  std::vector<Event> events = LS_TRY(DecodeEvents(events_bytes));
  FollowOutcome outcome;
  // An image that comes would not have them; they would be lowered on it all the same.
  TableSet touched;
  for (Event& event : events) {
    Result<OverlayEntry> entry = self.Overlay(event, -1, touched);
    if (entry.ok()) {
      self.overlay.push_back(std::move(*entry));
      self.TrimOverlay(touched);
    } else if (outcome.rejected.size() < limits::kMaxOverlayEvents) {
      outcome.rejected.push_back({.counter = 0,
                                  .event = std::move(event),
                                  .accepted = false,
                                  .error = std::move(entry).error()});
    }
  }
  std::ranges::move(std::exchange(self.left_out, {}), std::back_inserter(outcome.rejected));
  outcome.stale = self.live_queries.Refresh(touched);
  return outcome;
}

}  // namespace livestore

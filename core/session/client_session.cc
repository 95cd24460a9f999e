#include "core/session/client_session.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/event/event_codec.h"
#include "core/sqlite/changeset.h"
#include "core/sqlite/savepoint.h"
#include "core/sync/merge.h"

namespace livestore {
namespace {

// How to revert one pending event, and what the state's head is after it.
struct Undo {
  Materialized materialized;
  uint64_t event_hash = 0;
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

Error NestedCall() {
  return {ErrorCode::kNested,
          "this call was made from inside a materializer or another engine call"};
}

}  // namespace

struct ClientSession::Impl {
  Impl(ClientSessionOptions session_options, std::unique_ptr<StateDb> state_db)
      : options(std::move(session_options)),
        state(std::move(state_db)),
        live_queries(state->database()) {}

  Result<FollowOutcome> Follow(const MergeOutcome& merge);
  Result<void> RollBackPending(size_t count, TableSet& touched);
  // Materializes `events` on top of the state as pending ones; those that fail are reported
  // instead.
  void Rebase(std::span<const Event> events, TableSet& touched, FollowOutcome& outcome);
  void Confirm(size_t count);
  Event NextEvent(const NewEvent& event, const SeqNum& head) const;

  ClientSessionOptions options;
  std::unique_ptr<StateDb> state;
  LiveQueries live_queries;

  SyncState sync;
  std::vector<Undo> undo;  // One per pending event, in the same order.
  uint64_t upstream_hash = 0;

  size_t in_flight = 0;             // Events of the unanswered push; always the front of pending.
  bool in_flight_outdated = false;  // A rebase came after it was sent: only a rejection is right.
  bool awaiting_image = false;
  bool awaiting_history = false;  // A new leader has not said yet what it has of our events.
  std::vector<Event> unapplied;   // What upstream added while an image is awaited.
  bool busy = false;
};

ClientSession::ClientSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientSession::~ClientSession() = default;

Result<std::unique_ptr<ClientSession>> ClientSession::Create(ClientSessionOptions options,
                                                             Materializer& materializer) {
  auto database = LS_TRY(Database::OpenInMemory());
  auto state = LS_TRY(StateDb::Create(std::move(database), options.schema, materializer));
  LS_TRY(state->Recreate());
  return std::unique_ptr<ClientSession>(
      new ClientSession(std::make_unique<Impl>(std::move(options), std::move(state))));
}

Result<FollowOutcome> ClientSession::LoadImage(BytesView image) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);

  const MergeOutcome merge = LS_TRY(Merge(self.sync, self.unapplied));
  LS_TRY(self.state->LoadImage(image));
  const StateHead& head = self.state->head();

  // The image stands where the messages before it ended, so what upstream had of our own events is
  // known from them. An image of another history (a first boot, a log that was reset) knows none.
  std::vector<Event> mine = std::move(self.sync.pending);
  if (SamePosition(head.seq, merge.upstream_head)) {
    mine.erase(mine.begin(), mine.begin() + static_cast<ptrdiff_t>(merge.confirmed));
    if (merge.roll_back > 0) mine = merge.rebased;
  }
  self.sync = {.upstream_head = head.seq, .pending = {}};
  self.undo.clear();
  self.upstream_hash = head.event_hash;
  self.unapplied.clear();
  self.awaiting_image = false;
  self.awaiting_history = false;
  if (self.in_flight > 0) self.in_flight_outdated = true;

  FollowOutcome outcome;
  TableSet touched;
  self.Rebase(mine, touched, outcome);
  outcome.stale = self.live_queries.InvalidateAll();
  return outcome;
}

Result<std::vector<LiveQueryId>> ClientSession::Commit(std::span<const NewEvent> events) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  if (events.empty()) return std::vector<LiveQueryId>();
  if (events.size() > limits::kCommitEventsMax) {
    return Error{ErrorCode::kLimitExceeded, "a commit of " + std::to_string(events.size()) +
                                                " events exceeds kCommitEventsMax (" +
                                                std::to_string(limits::kCommitEventsMax) + ")"};
  }
  if (self.sync.pending.size() + events.size() > limits::kPendingEventsMax) {
    return Error{ErrorCode::kLimitExceeded,
                 "too many events wait for the leader (kPendingEventsMax, " +
                     std::to_string(limits::kPendingEventsMax) + ")"};
  }

  const StateHead old_head = self.state->head();
  std::vector<Event> committed;
  std::vector<Undo> undo;
  committed.reserve(events.size());
  undo.reserve(events.size());
  TableSet touched;
  {
    // A single event is atomic by itself.
    std::optional<Savepoint> savepoint;
    if (events.size() > 1) {
      savepoint.emplace(LS_TRY(Savepoint::Begin(self.state->database(), "livestore_commit")));
    }
    SeqNum head = self.sync.local_head();
    for (size_t i = 0; i < events.size(); ++i) {
      committed.push_back(self.NextEvent(events[i], head));
      head = committed.back().seq;
      Result<Materialized> materialized = self.state->Materialize(
          committed.back(), static_cast<int>(i), StateDb::Record::kChangeset);
      if (!materialized.ok()) {
        self.state->SetHead(old_head.seq, old_head.event_hash);
        return std::move(materialized).error();
      }
      touched.AddAll(materialized->tables);
      undo.push_back({std::move(*materialized), self.state->head().event_hash});
    }
    if (savepoint) {
      Result<void> released = savepoint->Release();
      if (!released.ok()) {
        self.state->SetHead(old_head.seq, old_head.event_hash);
        return std::move(released).error();
      }
    }
  }
  std::move(committed.begin(), committed.end(), std::back_inserter(self.sync.pending));
  std::move(undo.begin(), undo.end(), std::back_inserter(self.undo));
  return self.live_queries.Refresh(touched);
}

std::optional<Bytes> ClientSession::NextPush() {
  Impl& self = *impl_;
  if (self.busy || self.in_flight > 0 || self.awaiting_image || self.awaiting_history ||
      self.sync.pending.empty()) {
    return std::nullopt;
  }
  size_t count = 0;
  size_t bytes = 0;
  for (const Event& event : self.sync.pending) {
    bytes += event.args_json.size();
    if (count > 0 && (count == limits::kPushEventsMax || bytes > limits::kPushBytesMax)) break;
    ++count;
  }
  self.in_flight = count;
  self.in_flight_outdated = false;
  return EncodeRun(self.sync.upstream_head, std::span(self.sync.pending).first(count));
}

Result<void> ClientSession::OnPushAccepted() {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  if (self.in_flight == 0 || self.in_flight_outdated) {
    return Error{ErrorCode::kUpstreamGap, "the leader accepted a push that was not in flight"};
  }
  self.Confirm(std::exchange(self.in_flight, 0));
  return Ok();
}

Result<void> ClientSession::OnPushRejected() {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const bool explained = std::exchange(self.in_flight_outdated, false) || self.awaiting_image;
  self.in_flight = 0;
  if (explained) return Ok();
  // Nothing that arrived explains the rejection: pushing the same again would go on for ever.
  return Error{ErrorCode::kUpstreamGap, "the leader rejected a push that continues its known head"};
}

Result<FollowOutcome> ClientSession::OnPushFailed(size_t failed_index, Error error) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  if (self.in_flight_outdated || failed_index >= self.in_flight) {
    return Error{ErrorCode::kUpstreamGap, "the leader failed a push that was not in flight"};
  }
  self.in_flight = 0;
  self.Confirm(failed_index);
  RejectedEvent rejected{self.sync.pending.front(), std::move(error)};
  FollowOutcome outcome = LS_TRY(self.Follow(MergeWithout(self.sync, 0)));
  outcome.rejected.insert(outcome.rejected.begin(), std::move(rejected));
  return outcome;
}

Result<FollowOutcome> ClientSession::OnAdvance(BytesView event_run) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  auto [base, upstream] = LS_TRY(DecodeRun(event_run));
  const SeqNum known = self.unapplied.empty() ? self.sync.upstream_head : self.unapplied.back().seq;
  if (!SamePosition(base, known)) {
    return Error{ErrorCode::kUpstreamGap, "events after " + ToString(base) +
                                              " do not continue the known head " + ToString(known)};
  }
  if (self.awaiting_image) {
    std::move(upstream.begin(), upstream.end(), std::back_inserter(self.unapplied));
    return FollowOutcome{};
  }
  const MergeOutcome merge = LS_TRY(Merge(self.sync, upstream));
  FollowOutcome outcome = LS_TRY(self.Follow(merge));
  self.awaiting_history = false;
  if (outcome.need_image) self.unapplied = std::move(upstream);
  return outcome;
}

SeqNum ClientSession::OnLeaderChange() {
  impl_->in_flight = 0;
  impl_->in_flight_outdated = false;
  impl_->awaiting_image = false;
  impl_->awaiting_history = true;
  impl_->unapplied.clear();
  return impl_->sync.upstream_head;
}

// Runs a merge on the state, in one savepoint: live queries see its end or nothing of it.
Result<FollowOutcome> ClientSession::Impl::Follow(const MergeOutcome& merge) {
  const StateHead old_head = state->head();
  FollowOutcome outcome;
  TableSet touched;
  Savepoint savepoint = LS_TRY(Savepoint::Begin(state->database(), "livestore_follow"));

  Result<void> applied = RollBackPending(merge.roll_back, touched);
  for (size_t i = 0; applied.ok() && i < merge.materialize.size(); ++i) {
    const Event& event = merge.materialize[i];
    Result<Materialized> materialized = state->Materialize(event, -1, StateDb::Record::kNothing);
    if (materialized.ok()) {
      touched.AddAll(materialized->tables);
    } else if (materialized.error().code == ErrorCode::kUnknownEvent) {
      state->SetHead(event.seq,
                     EventHash(event));  // Kept in the log; it means nothing to this build.
    } else {
      applied = std::move(materialized).error();
    }
  }
  if (!applied.ok()) {
    // The leader has this history in its state, so its image is right whatever failed here.
    savepoint.Rollback();
    state->SetHead(old_head.seq, old_head.event_hash);
    awaiting_image = true;
    outcome.need_image = true;
    return outcome;
  }

  const size_t kept = sync.pending.size() - merge.roll_back;
  LS_CHECK(merge.confirmed <= kept);
  sync.pending.resize(kept);
  undo.resize(kept);
  if (merge.roll_back > 0 && in_flight > 0) in_flight_outdated = true;
  Confirm(merge.confirmed);
  if (!merge.materialize.empty()) {
    LS_CHECK(sync.pending.empty());  // News lie behind everything that stays pending in place.
    sync.upstream_head = merge.upstream_head;
    upstream_hash = state->head().event_hash;
  }
  Rebase(merge.rebased, touched, outcome);
  // In memory a commit can only fail when the process is out of memory.
  LS_CHECK(savepoint.Release().ok());
  outcome.stale = live_queries.Refresh(touched);
  return outcome;
}

Result<void> ClientSession::Impl::RollBackPending(size_t count, TableSet& touched) {
  LS_CHECK(count <= sync.pending.size());
  for (size_t left = count; left > 0; --left) {
    const Undo& last = undo[undo.size() - 1 - (count - left)];
    if (!last.materialized.undoable) {
      return Error{ErrorCode::kNotUndoable, "a table without primary key was written"};
    }
    if (!last.materialized.changeset.empty()) {
      LS_TRY(ApplyInverse(state->database(), last.materialized.changeset));
    }
    touched.AddAll(last.materialized.tables);
  }
  if (count > 0) {
    const size_t kept = sync.pending.size() - count;
    state->SetHead(kept == 0 ? sync.upstream_head : sync.pending[kept - 1].seq,
                   kept == 0 ? upstream_hash : undo[kept - 1].event_hash);
  }
  return Ok();
}

void ClientSession::Impl::Rebase(std::span<const Event> events, TableSet& touched,
                                 FollowOutcome& outcome) {
  for (const Event& original : events) {
    // Numbers are given here and not taken from the merge, because an event that fails leaves no
    // gap.
    Event event = original;
    const SeqNumPair place = NextSeqNum(sync.local_head(), event.client_only());
    const uint32_t generation = event.seq.generation;
    event.seq = place.seq;
    event.parent = place.parent;
    event.seq.generation = generation;
    Result<Materialized> materialized = state->Materialize(event, -1, StateDb::Record::kChangeset);
    if (!materialized.ok()) {
      outcome.rejected.push_back({original, std::move(materialized).error()});
      continue;
    }
    touched.AddAll(materialized->tables);
    undo.push_back({std::move(*materialized), state->head().event_hash});
    sync.pending.push_back(std::move(event));
  }
}

// The first `count` pending events are upstream's now.
void ClientSession::Impl::Confirm(size_t count) {
  if (count == 0) return;
  LS_CHECK(count <= sync.pending.size());
  sync.upstream_head = sync.pending[count - 1].seq;
  upstream_hash = undo[count - 1].event_hash;
  sync.pending.erase(sync.pending.begin(), sync.pending.begin() + static_cast<ptrdiff_t>(count));
  undo.erase(undo.begin(), undo.begin() + static_cast<ptrdiff_t>(count));
  in_flight -= std::min(in_flight, count);
}

Event ClientSession::Impl::NextEvent(const NewEvent& event, const SeqNum& head) const {
  const SeqNumPair place = NextSeqNum(head, event.client_only);
  return {.seq = place.seq,
          .parent = place.parent,
          .name = event.name,
          .args_json = event.args_json,
          .client_id = options.client_id,
          .session_id = options.session_id,
          .schema_hash = event.schema_hash};
}

Result<StatementId> ClientSession::Prepare(std::string_view sql) {
  return impl_->state->database().Prepare(sql);
}

const StatementInfo& ClientSession::Info(StatementId statement) const {
  return impl_->state->database().Info(statement);
}

const std::string& ClientSession::TableName(TableId table) const {
  return impl_->state->database().table_names().Name(table);
}

Result<BytesView> ClientSession::Query(StatementId statement, BytesView binds) {
  return impl_->state->database().Query(statement, binds);
}

LiveQueries& ClientSession::live_queries() { return impl_->live_queries; }

SyncStatus ClientSession::sync_status() const {
  return {.local_head = impl_->sync.local_head(),
          .upstream_head = impl_->sync.upstream_head,
          .pending_count = impl_->sync.pending.size()};
}

const std::string& ClientSession::schema_hash() const { return impl_->state->schema_hash(); }

Result<Bytes> ClientSession::Image() {
  if (impl_->busy) return NestedCall();
  LS_TRY(impl_->state->SaveHead());
  return impl_->state->database().Serialize();
}

}  // namespace livestore

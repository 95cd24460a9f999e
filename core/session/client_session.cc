#include "core/session/client_session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/session/client_session_impl.h"
#include "core/sqlite/savepoint.h"

namespace livestore {

Error NestedCall() {
  return {ErrorCode::kNested,
          "this call was made from inside a materializer or another engine call"};
}

ClientSession::ClientSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientSession::~ClientSession() = default;

Result<std::unique_ptr<ClientSession>> ClientSession::Create(ClientSessionOptions options,
                                                             Materializer& materializer) {
  if (options.instance.empty() || options.instance.size() > limits::kNameBytesMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "the instance name of a session is empty or longer than kNameBytesMax (" +
                     std::to_string(limits::kNameBytesMax) + ")"};
  }
  auto database = LS_TRY(Database::OpenInMemory());
  auto state = LS_TRY(StateDb::Create(std::move(database), options.schema, materializer));
  return std::unique_ptr<ClientSession>(
      new ClientSession(std::make_unique<Impl>(std::move(options), std::move(state))));
}

Result<std::vector<LiveQueryId>> ClientSession::Commit(std::span<const NewEvent> events) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  LS_TRY(self.MakeTables());
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
  std::vector<TailEntry> entries;
  committed.reserve(events.size());
  entries.reserve(events.size());
  TableSet touched;
  std::optional<Savepoint> lifted;
  LS_TRY(self.LiftOverlay(lifted, touched));
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
      entries.push_back({.head = self.state->head().head(),
                         .changeset = std::move(materialized->changeset),
                         .undoable = materialized->undoable,
                         .counter = self.last_counter + i + 1});
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
  // The overlay's rows are in no changeset here.
  const bool is_whole = self.overlay.empty() && std::ranges::all_of(entries, &TailEntry::undoable);
  const size_t first = self.tail.size();
  for (TailEntry& entry : entries) self.tail.Append(std::move(entry));
  self.last_counter += events.size();
  self.LowerOverlay(lifted, touched);
  std::vector<BytesView> changesets;
  for (size_t i = first; is_whole && i < self.tail.size(); ++i) {
    changesets.emplace_back(self.tail[i].changeset);
  }
  return self.live_queries.Refresh(touched, changesets);
}

Result<void> ClientSession::Impl::MakeTables() {
  if (has_tables) return Ok();
  LS_TRY(state->Recreate());
  has_tables = true;
  return Ok();
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

void ClientSession::SetClientId(std::string id) { impl_->options.client_id = std::move(id); }

// ---- Pushing -----------------------------------------------------------------------------------

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
  return self.PushOf(count);
}

std::optional<Bytes> ClientSession::PendingAsPush() const {
  const size_t count = impl_->sync.pending.size();
  if (count == 0) return std::nullopt;
  return impl_->PushOf(count);
}

Bytes ClientSession::Impl::PushOf(size_t count) const {
  std::vector<uint64_t> counters;
  counters.reserve(count);
  for (size_t i = 0; i < count; ++i) counters.push_back(tail[tail.accepted() + i].counter);
  return EncodePush(options.instance, counters, {tail.upstream_head(), epoch},
                    std::span(sync.pending).first(count));
}

Result<void> ClientSession::OnPushAccepted() {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  if (self.in_flight == 0 || self.in_flight_outdated) {
    return Error{ErrorCode::kUpstreamGap, "the leader accepted a push that was not in flight"};
  }
  self.Accept(std::exchange(self.in_flight, 0));
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
  const size_t keep = self.tail.accepted() + failed_index;
  const StateHead old_head = self.state->head();
  TableSet touched;
  std::optional<Savepoint> lifted;
  LS_TRY(self.LiftOverlay(lifted, touched));
  Savepoint savepoint = LS_TRY(Savepoint::Begin(self.state->database(), "livestore_follow"));
  const Result<void> rolled_back = self.tail.RollBack(self.state->database(), keep, touched);

  FollowOutcome outcome;
  outcome.rejected.push_back({.counter = self.tail[keep].counter,
                              .event = self.sync.pending[failed_index],
                              .accepted = false,
                              .error = std::move(error)});
  MergeOutcome merge = MergeWithout(self.sync, failed_index);
  const std::vector<uint64_t> counters = self.LastCounters(merge.rebased.size());
  self.in_flight = 0;
  self.Accept(failed_index);
  self.tail.Truncate(self.tail.accepted());
  self.sync.pending.clear();
  if (rolled_back.ok()) {
    const Head& head = self.tail.upstream_head();
    self.state->SetHead(head.seq, head.hash);
    self.Rebase(std::move(merge.rebased), counters, touched, outcome);
    LS_CHECK(savepoint.Release().ok());  // In memory: see Follow.
    self.LowerOverlay(lifted, touched);
    outcome.stale = self.live_queries.Refresh(touched);
    return outcome;
  }
  // The rows keep the effect of the event until an image replaces them, which also gives what is
  // pending its changesets again.
  savepoint.Rollback();
  self.state->SetHead(old_head.seq, old_head.event_hash);
  for (size_t i = 0; i < merge.rebased.size(); ++i) {
    self.tail.Append({.head = HeadOf(merge.rebased[i]),
                      .changeset = {},
                      .undoable = false,
                      .counter = counters[i]});
  }
  self.sync.pending = std::move(merge.rebased);
  self.state_lost = true;
  outcome.need_image = self.NeedImage().need_image;
  return outcome;
}

void ClientSession::Impl::Confirm(size_t count) {
  if (count == 0) return;
  LS_CHECK(count <= sync.pending.size());
  if (synced) KeepOwn(count);  // Else nobody can refuse them any more.
  tail.Accept(count);
  sync.upstream_head = tail.upstream_head().seq;
  sync.pending.erase(sync.pending.begin(), sync.pending.begin() + static_cast<ptrdiff_t>(count));
}

// The first `count` pending events are about to leave pending: the leader has taken or refused
// them.
void ClientSession::Impl::KeepOwn(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    own.emplace(tail[tail.accepted() + i].counter, std::move(sync.pending[i]));
  }
}

void ClientSession::Impl::Accept(size_t count) {
  Confirm(count);
  if (!synced) tail.Forget(tail.accepted());
  CountSynced();
}

// ---- Following ---------------------------------------------------------------------------------

Result<FollowOutcome> ClientSession::OnNews(BytesView news_bytes) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  LS_TRY(self.MakeTables());
  const News news = LS_TRY(DecodeNews(news_bytes));
  // The image or the history that comes was made after them.
  if (self.awaiting_image || self.awaiting_history) return FollowOutcome{};
  return self.Follow(news, 0);
}

Cursor ClientSession::OnLeaderChange() {
  Impl& self = *impl_;
  self.in_flight = 0;
  self.in_flight_outdated = false;
  self.awaiting_image = false;
  self.awaiting_history = true;
  return {self.tail.upstream_head(), self.epoch};
}

Result<FollowOutcome> ClientSession::OnHistory(BytesView history_bytes) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  LS_TRY(self.MakeTables());
  const History history = LS_TRY(DecodeHistory(history_bytes));
  const size_t known = LS_TRY(self.KnownPending(history.accepted));
  if (self.awaiting_image) return FollowOutcome{};
  FollowOutcome outcome =
      self.state_lost ? self.NeedImage() : LS_TRY(self.Follow(history.news, known, &history));
  self.awaiting_history = false;
  if (self.in_flight > 0) self.in_flight_outdated = true;
  return outcome;
}

Result<FollowOutcome> ClientSession::LoadImage(BytesView image, BytesView history_bytes) {
  Impl& self = *impl_;
  if (self.busy) return NestedCall();
  const CallGuard guard(self.busy);
  const History history = LS_TRY(DecodeHistory(history_bytes));
  const EventRun& run = history.news.run;
  const size_t known = LS_TRY(self.KnownPending(history.accepted));
  LS_TRY(Impl::CheckRoom(run));
  LS_TRY(self.state->LoadImage(image, run.base));
  self.has_tables = true;

  // Its rows went with the state before.
  std::vector<OverlayEntry> overlay = std::exchange(self.overlay, {});
  const Head head = self.state->head().head();
  Result<std::vector<UndoEntry>> undo = self.state->ReadUndo();
  Tail tail = undo.ok() ? Tail::OfImage(std::move(*undo), head) : Tail(head);
  // It costs nothing but its place if it stays.
  (void)self.state->TrimUndo(0).ok();
  // The counters are of the events after what is settled, to the end of the log.
  const std::vector<uint64_t>& of_log = history.counters;
  for (size_t i = tail.size(), j = of_log.size() - std::min(of_log.size(), run.events.size());
       i > 0 && j > 0; --i, --j) {
    tail[i - 1].counter = of_log[j - 1];
  }

  self.synced = history.news.synced;
  self.KeepOwn(known);
  std::vector<Event> mine(
      std::make_move_iterator(self.sync.pending.begin() + static_cast<ptrdiff_t>(known)),
      std::make_move_iterator(self.sync.pending.end()));
  const std::vector<uint64_t> counters = self.LastCounters(mine.size());
  self.sync = {.upstream_head = head.seq, .pending = {}};
  self.tail = std::move(tail);
  self.awaiting_image = false;
  self.awaiting_history = false;
  self.state_lost = false;
  if (self.in_flight > 0) self.in_flight_outdated = true;

  FollowOutcome outcome;
  TableSet touched;
  self.Rebase(std::move(mine), counters, touched, outcome);
  outcome.stale = self.live_queries.InvalidateAll();
  FollowOutcome after = LS_TRY(self.Follow(history.news, 0, &history));
  self.overlay = std::move(overlay);
  std::optional<Savepoint> lifted;
  self.LowerOverlay(lifted, touched);
  std::move(after.rejected.begin(), after.rejected.end(), std::back_inserter(outcome.rejected));
  outcome.need_image = after.need_image;
  return outcome;
}

// ---- Reading -----------------------------------------------------------------------------------

Result<StatementId> ClientSession::Prepare(std::string_view sql) {
  LS_TRY(impl_->MakeTables());
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

uint64_t ClientSession::Impl::persisted() const {
  return sync.pending.empty() ? last_counter : tail[tail.accepted()].counter - 1;
}

Receipts ClientSession::receipts() const {
  return {.committed = impl_->last_counter,
          .persisted = impl_->persisted(),
          .synced = impl_->synced_counter,
          .has_backend = impl_->synced};
}

const std::string& ClientSession::schema_hash() const { return impl_->state->schema_hash(); }

Result<Bytes> ClientSession::Image() {
  if (impl_->busy) return NestedCall();
  const CallGuard guard(impl_->busy);
  LS_TRY(impl_->MakeTables());
  TableSet touched;
  std::optional<Savepoint> lifted;
  LS_TRY(impl_->LiftOverlay(lifted, touched));
  if (lifted) LS_TRY(lifted->Release());
  LS_TRY(impl_->state->SaveHead());
  Result<Bytes> image = impl_->state->database().Serialize();
  lifted.reset();
  impl_->LowerOverlay(lifted, touched);
  return image;
}

}  // namespace livestore

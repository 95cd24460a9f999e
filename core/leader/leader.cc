#include "core/leader/leader.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/leader/leader_impl.h"

namespace livestore {
namespace {

constexpr char kEventlogFile[] = "eventlog.db";
constexpr char kStateFile[] = "state.db";

}  // namespace

std::vector<std::string> LeaderFileNames() {
  std::vector<std::string> names;
  for (const std::string file : {kEventlogFile, kStateFile}) {
    for (const char* suffix : {"", "-wal", "-journal"}) names.push_back(file + suffix);
  }
  return names;
}

Leader::Impl::Impl(LeaderOptions leader_options, Materializer& app_materializer)
    : options(std::move(leader_options)), materializer(app_materializer) {
  if (options.backend) backend.emplace(*options.backend);
}

Leader::Leader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Leader::~Leader() = default;

Result<std::unique_ptr<Leader>> Leader::Open(LeaderOptions options, Materializer& materializer) {
  auto impl = std::make_unique<Impl>(std::move(options), materializer);
  impl->eventlog = LS_TRY(Eventlog::Open(impl->options.vfs_name, kEventlogFile));
  LS_TRY(impl->OpenState());
  return std::unique_ptr<Leader>(new Leader(std::move(impl)));
}

// Opens the state database. One that is damaged is begun anew: it is derived from the log.
Result<void> Leader::Impl::OpenState() {
  for (const bool first_try : {true, false}) {
    auto database = Database::Open(options.vfs_name, kStateFile, Durability::kDerived);
    if (database.ok()) {
      state = LS_TRY(StateDb::Create(std::move(*database), options.schema, materializer));
      auto head = state->ReadHead();
      if (head.ok()) return Ok();
      if (head.error().code != ErrorCode::kCorruptState || !first_try) return head.error();
      state.reset();
    } else if (database.error().code != ErrorCode::kCorruptState || !first_try) {
      return database.error();
    }
    LS_TRY(Database::Remove(options.vfs_name, kStateFile));
    counters.damaged_states += 1;
  }
  return Ok();
}

Result<uint64_t> Leader::ImportLiveStore(const LiveStoreFiles& files) {
  LS_CHECK(impl_->phase == Impl::Phase::kCheck);
  return livestore::ImportLiveStore(*impl_->eventlog, files);
}

Result<BootProgress> Leader::BootStep() {
  switch (impl_->phase) {
    case Impl::Phase::kCheck:
      return impl_->Check();
    case Impl::Phase::kReplay:
      return impl_->Replay();
    case Impl::Phase::kDone:
      break;
  }
  return BootProgress{};
}

Result<bool> Leader::Impl::Holds(const Head& head) {
  if (head.seq == kRootSeqNum) return true;
  const std::optional<Event> event = LS_TRY(eventlog->At(head.seq));
  return event && HeadOf(*event) == head;
}

Result<std::vector<Event>> Leader::Impl::EventsAfter(SeqNum position) {
  std::vector<Event> events;
  while (true) {
    std::vector<Event> chunk = LS_TRY(eventlog->Range(position, limits::kEventlogChunkEvents));
    if (chunk.empty()) return events;
    position = chunk.back().seq;
    std::move(chunk.begin(), chunk.end(), std::back_inserter(events));
  }
}

Result<void> Leader::Impl::FindSettled() {
  if (!backend) {
    settled = eventlog->head();
    return Ok();
  }
  settled = LS_TRY(eventlog->EndOfClientOnly({.global = eventlog->upstream_head()}));
  return Ok();
}

// Decides from the recorded head what the state lacks: nothing, the log's tail, or everything. A
// state that reflects events which the log has no longer (a crash between the two commits of a
// rebase) takes them back first.
Result<BootProgress> Leader::Impl::Check() {
  LS_TRY(FindSettled());
  std::optional<StateHead> head = LS_TRY(state->ReadHead());
  bool usable = head && head->schema_hash == state->schema_hash();
  bool held = usable && LS_TRY(Holds(head->head()));
  if (held && !head->partial && SamePosition(head->seq, eventlog->local_head())) {
    // Undo rows of a time with a backend would be of other events than the last ones, later.
    if (!backend) LS_TRY(state->TrimUndo(0));
    phase = Phase::kDone;
    return BootProgress{};
  }

  boot_savepoint.emplace(LS_TRY(Savepoint::Begin(state->database(), "livestore_boot")));
  const Result<void> prepared = [&]() -> Result<void> {
    while (usable && !held) {
      usable = LS_TRY(state->TakeBack(nullptr));
      if (usable) counters.events_taken_back += 1;
      held = usable && LS_TRY(Holds(state->head().head()));
    }
    if (usable) {  // Also a partial one: an interrupted rebuild goes on.
      replay_total = LS_TRY(eventlog->CountAfter(state->head().seq));
      return Ok();
    }
    counters.rebuilds += 1;
    replay_total = eventlog->event_count();
    return state->RecreatePartial();
  }();
  if (!prepared.ok()) {
    boot_savepoint.reset();
    return prepared.error();
  }
  phase = Phase::kReplay;
  replay_done = 0;
  if (usable) return BootProgress{BootProgress::Stage::kRehydrating, 0, replay_total};
  const uint64_t tables = options.schema.tables.size();
  return BootProgress{BootProgress::Stage::kMigrating, tables, tables};
}

Result<BootProgress> Leader::Impl::Replay() {
  Result<void> replayed = [this]() -> Result<void> {
    const std::vector<Event> events =
        LS_TRY(eventlog->Range(state->head().seq, limits::kEventlogChunkEvents));
    for (const Event& event : events) LS_TRY(ApplyOrSkip(event, nullptr));
    replay_done += events.size();
    counters.events_replayed += events.size();
    if (!events.empty()) {
      // A partial state serves nobody, so it may be on storage: the next boot goes on from there.
      const bool whole_chunks = replay_done % limits::kRebuildCommitEvents < events.size();
      if (!state->head().partial || !whole_chunks) return Ok();
      LS_TRY(state->SaveHead());
      LS_TRY(boot_savepoint->Release());
      boot_savepoint.emplace(LS_TRY(Savepoint::Begin(state->database(), "livestore_boot")));
      return Ok();
    }
    if (state->head().partial) LS_TRY(state->Complete());
    LS_TRY(state->TrimUndo(LS_TRY(eventlog->CountAfter(settled.seq))));
    LS_TRY(state->SaveHead());
    LS_TRY(boot_savepoint->Release());
    boot_savepoint.reset();
    phase = Phase::kDone;
    return Ok();
  }();
  if (!replayed.ok()) {
    boot_savepoint.reset();
    phase = Phase::kCheck;  // The files are as they were; another try begins at the beginning.
    return std::move(replayed).error();
  }
  if (phase == Phase::kDone) return BootProgress{};
  return BootProgress{BootProgress::Stage::kRehydrating, replay_done, replay_total};
}

Result<void> Leader::Impl::Recover() {
  if (eventlog->lost()) {
    const Head known = eventlog->head();
    const uint64_t known_upstream = eventlog->upstream_head();
    LS_TRY(eventlog->Reopen());
    if (eventlog->head() != known || eventlog->upstream_head() != known_upstream) {
      // The group is in the log, and who waited for its outcome will never hear of it.
      BeginAnew();
    }
    state_behind = true;
  }
  if (state_behind) LS_TRY(RepairState());
  return Ok();
}

// The log is not what anybody knew: the sessions join again, and are told then what it has of their
// events; the backend is asked anew.
void Leader::Impl::BeginAnew() {
  outcome.rejoin = true;
  std::erase_if(pushes, [](const QueuedPush& queued) { return !queued.orphan(); });
  refusal.reset();
  pages.clear();
  pulled_events = 0;
  in_flight.clear();
  if (backend && backend->pulling()) pulls_to_stop.push_back(backend->pull());
  if (backend) backend->Restart();
}

// Brings a state that fell behind the log, or whose connection failed, up to the log again.
Result<void> Leader::Impl::RepairState() {
  LS_TRY(state->database().Reopen());
  phase = Phase::kCheck;
  Result<void> repaired = [this]() -> Result<void> {
    LS_TRY(Check());
    while (phase != Phase::kDone) LS_TRY(Replay());
    return Ok();
  }();
  phase = Phase::kDone;
  if (repaired.ok()) state_behind = false;
  return repaired;
}

// ---- Pushes ------------------------------------------------------------------------------------

Result<void> Leader::Submit(uint32_t session, uint32_t push, BytesView push_bytes) {
  LS_CHECK(impl_->phase == Impl::Phase::kDone);
  if (impl_->pushes.size() >= limits::kLeaderQueueMax) {
    return Error{ErrorCode::kLimitExceeded, "too many pushes wait in the leader (kLeaderQueueMax)"};
  }
  BytesView run_bytes;
  Push decoded = LS_TRY(DecodePush(push_bytes, &run_bytes));
  impl_->pushes.push_back(
      {session, push, std::move(decoded), Bytes(run_bytes.begin(), run_bytes.end())});
  return Ok();
}

Result<void> Leader::SubmitOrphans(BytesView push_bytes) { return Submit(0, 0, push_bytes); }

Result<DrainOutcome> Leader::Drain() {
  Impl& self = *impl_;
  LS_CHECK(self.phase == Impl::Phase::kDone);
  if (!HasWork()) return std::exchange(self.outcome, {});
  if (self.eventlog->lost() || self.state_behind) LS_TRY(self.Recover());

  if (!self.pages.empty()) LS_TRY(self.TakePages());
  if (self.new_backend_id) {
    LS_TRY(self.Group(&Impl::ReplaceBackend));
    self.new_backend_id.reset();
    self.BeginAnew();
  }
  if (self.refusal) {
    LS_TRY(self.Group(&Impl::TakeRefusal));
    self.refusal.reset();
  }
  if (!self.pushes.empty()) {
    LS_TRY(self.Group(&Impl::AdmitQueued));
    self.pushes.clear();
  }
  // Sessions that join again are told everything then; what is here may stand on news they missed.
  if (self.outcome.rejoin) self.outcome.entries.clear();
  return std::exchange(self.outcome, {});
}

bool Leader::HasWork() const {
  const Impl& self = *impl_;
  return !self.pushes.empty() || !self.pages.empty() || self.refusal || self.new_backend_id ||
         self.state_behind || self.eventlog->lost() || self.outcome.rejoin ||
         !self.outcome.entries.empty() || !self.outcome.skipped.empty();
}

Result<void> Leader::Impl::Group(Body body) {
  // The group before may have left it so. What this one writes, its head at least, would hide that.
  if (state_behind) LS_TRY(RepairState());
  const StateHead old_head = state->head();
  const Head old_settled = settled;
  const LeaderCounters old_counters = counters;
  const size_t old_reports = outcome.skipped.size();
  DrainOutcome out;
  Result<void> done = [&]() -> Result<void> {
    Savepoint savepoint = LS_TRY(Savepoint::Begin(state->database(), "livestore_group"));
    Result<void> logged = eventlog->Begin();
    if (logged.ok()) logged = (this->*body)(out);
    if (logged.ok()) {
      logged = eventlog->Commit();
    } else {
      eventlog->Rollback();
    }
    if (!logged.ok()) {
      savepoint.Rollback();
      return logged;
    }
    // The log is durable now, whatever happens to the state: it is repaired from the log.
    Result<void> saved = state->SaveHead();
    if (saved.ok()) saved = savepoint.Release();
    if (!saved.ok()) {
      savepoint.Rollback();
      state_behind = true;
    }
    return Ok();
  }();
  if (!done.ok()) {
    state->SetHead(old_head.seq, old_head.event_hash);
    settled = old_settled;
    counters = old_counters;
    outcome.skipped.erase(outcome.skipped.begin() + static_cast<ptrdiff_t>(old_reports),
                          outcome.skipped.end());
    state_behind = true;  // The connection may be unusable after a full disk; look again.
    return done;
  }
  std::move(out.entries.begin(), out.entries.end(), std::back_inserter(outcome.entries));
  std::move(out.skipped.begin(), out.skipped.end(), std::back_inserter(outcome.skipped));
  std::move(out.refused.begin(), out.refused.end(), std::back_inserter(outcome.refused));
  outcome.rejoin = outcome.rejoin || out.rejoin;
  return Ok();
}

Result<void> Leader::Impl::AdmitQueued(DrainOutcome& out) {
  const SeqNum before = eventlog->local_head();
  for (QueuedPush& queued : pushes) {
    if (queued.orphan()) {
      LS_TRY(AdmitOrphans(queued, out));
    } else {
      PushResult result = LS_TRY(Admit(queued, out));
      out.entries.push_back({.result = std::move(result)});
    }
  }
  if (eventlog->local_head() != before) counters.groups += 1;
  return Ok();
}

// What can be taken of a push. Whatever it is, `accepted` of its session moves with it, so that the
// same push after a crash is known.
Result<PushResult> Leader::Impl::Admit(QueuedPush& queued, DrainOutcome& out) {
  auto& [instance, counters_of, run] = queued.push;
  PushResult result{.session = queued.session, .push = queued.number};
  // In another epoch an old push might continue the head again, and its session have heard that it
  // does not: of events between that are gone since.
  if (run.epoch != eventlog->epoch() || run.base != state->head().head()) return result;
  if (counters_of.front() <= LS_TRY(eventlog->Accepted(instance))) return result;

  result.answer = PushAnswer::kAccepted;
  const int64_t number = LS_TRY(eventlog->NumberOf(instance));
  size_t admitted = 0;
  for (; admitted < run.events.size(); ++admitted) {
    run.events[admitted].origin = {number, counters_of[admitted]};
    Result<void> applied = Apply(run.events[admitted]);
    if (applied.ok()) continue;
    if (IsStorageError(applied.error().code)) return std::move(applied).error();
    result.answer = PushAnswer::kFailed;
    result.failed_index = static_cast<uint32_t>(admitted);
    result.error = std::move(applied).error();
    // For the case that this answer is lost.
    LS_TRY(eventlog->AddRefused(run.events[admitted].origin, result.error));
    break;
  }
  const auto events = std::span<const Event>(run.events).first(admitted);
  if (!events.empty()) {
    LS_TRY(eventlog->Append(events));
    counters.events_appended += events.size();
    const bool whole = admitted == run.events.size();
    out.entries.push_back(
        {.news = NewsFor{queued.session,
                         EncodeNewsAround(NewsAt(run.base),
                                          whole ? queued.run_bytes
                                                : EncodeRun({run.base, run.epoch}, events))}});
  }
  LS_TRY(eventlog->SetAccepted(instance, counters_of[std::min(admitted, counters_of.size() - 1)]));
  return result;
}

// What the log does not have of a session that is no more, at the end of the log. All of it: an
// event that fails where it stands now has nobody to hear of it, so it is kept without effect.
Result<void> Leader::Impl::AdmitOrphans(QueuedPush& queued, DrainOutcome& out) {
  const auto& [instance, counters_of, run] = queued.push;
  const uint64_t accepted = LS_TRY(eventlog->Accepted(instance));
  News news = NewsAt(state->head().head());
  std::vector<Event>& events = news.run.events;
  for (size_t i = 0; i < run.events.size(); ++i) {
    if (counters_of[i] <= accepted) continue;
    events.push_back(run.events[i]);
    events.back().origin.counter = counters_of[i];
  }
  if (events.empty()) return Ok();
  const int64_t number = LS_TRY(eventlog->NumberOf(instance));
  for (Event& event : events) event.origin.session = number;
  Renumber(events, news.run.base.seq, run.events.front().seq.generation);
  for (size_t i = 0; i < events.size(); ++i) {
    bool skipped = false;
    LS_TRY(ApplyOrSkip(events[i], &skipped));
    if (skipped) news.skipped.push_back(static_cast<uint32_t>(i));
  }
  LS_TRY(eventlog->Append(events));
  LS_TRY(eventlog->SetAccepted(instance, counters_of.back()));
  counters.events_appended += events.size();
  news.settled = settled.seq;
  out.entries.push_back({.news = NewsFor{0, EncodeNews(news)}});
  return Ok();
}

Result<void> Leader::Impl::Apply(const Event& event) {
  const Head before = state->head().head();
  const auto record =
      MayBeTakenBack(event, before) ? StateDb::Record::kChangeset : StateDb::Record::kNothing;
  Result<Materialized> materialized = state->Materialize(event, -1, record);
  if (materialized.ok()) return Passed(event, before, *materialized);
  if (materialized.error().code != ErrorCode::kUnknownEvent) return std::move(materialized).error();
  // An event of a newer build is kept in the log; it means nothing to this one.
  return Passed(event, before, {});
}

Result<void> Leader::Impl::ApplyOrSkip(const Event& event, bool* skipped) {
  const Head before = state->head().head();
  Result<void> applied = Apply(event);
  if (applied.ok() || IsStorageError(applied.error().code)) return applied;
  Report(event, applied.error());
  state->NoteSkipped(event.seq);
  if (skipped != nullptr) *skipped = true;
  return Passed(event, before, {});
}

// False for what is settled already (replayed after a boot, a repair or a rebase), and for what
// settles at once: everything without a backend, and a client-only event right after what is
// settled, which stays there in every rebase.
bool Leader::Impl::MayBeTakenBack(const Event& event, const Head& before) const {
  if (!backend || (event.client_only() && settled == before)) return false;
  return ComparePosition(event.seq, settled.seq) > 0;
}

// The state has passed `event`, by its effect or without one.
Result<void> Leader::Impl::Passed(const Event& event, const Head& before,
                                  const Materialized& materialized) {
  const bool keep = MayBeTakenBack(event, before);
  state->SetHead(event.seq, EventHash(event));
  if (keep) return state->KeepUndo(before, materialized);
  if (ComparePosition(event.seq, settled.seq) > 0) settled = state->head().head();
  return Ok();
}

// A materializer that fails for every event of a long log would fill memory with reports.
void Leader::Impl::Report(const Event& event, const Error& error) {
  if (outcome.skipped.size() < limits::kSkippedReportsMax) {
    outcome.skipped.push_back({event, error});
  }
}

News Leader::Impl::NewsAt(const Head& base) const {
  News news;
  news.synced = backend.has_value();
  news.settled = settled.seq;
  news.run.base = base;
  news.run.epoch = eventlog->epoch();
  return news;
}

// ---- Joining -----------------------------------------------------------------------------------

Result<Joined> Leader::Join(const std::optional<Cursor>& cursor, std::string_view instance) {
  Impl& self = *impl_;
  LS_CHECK(self.phase == Impl::Phase::kDone);
  if (self.eventlog->lost() || self.state_behind) LS_TRY(self.Recover());

  Joined joined;
  History history;
  history.accepted = LS_TRY(self.eventlog->Accepted(instance));
  const Head from = cursor ? cursor->head : Head();
  const bool same_log =
      cursor && (cursor->epoch == self.eventlog->epoch() || from.seq == kRootSeqNum);
  // A history does not say which of its events have no effect here; an image shows it.
  const bool known = same_log && LS_TRY(self.Holds(from)) &&
                     ComparePosition(self.state->head().skipped, from.seq) <= 0 &&
                     LS_TRY(self.eventlog->CountAfter(from.seq)) <= limits::kHistoryEventsMax;
  history.news = self.NewsAt(known ? from : self.state->head().head());
  if (!known) {
    joined.image = LS_TRY(self.state->database().Serialize());
  } else {
    history.news.run.events = LS_TRY(self.EventsAfter(from.seq));
  }
  history.refused = LS_TRY(self.eventlog->Refused(instance));
  history.counters = LS_TRY(self.eventlog->CountersAfter(self.settled.seq, instance));
  joined.history = EncodeHistory(history);
  joined.client_id = self.eventlog->ClientId(self.options.client_id);
  return joined;
}

Result<Bytes> Leader::Image() {
  if (impl_->eventlog->lost() || impl_->state_behind) LS_TRY(impl_->Recover());
  return impl_->state->database().Serialize();
}

Result<Bytes> Leader::SettledAfter(uint64_t global, uint32_t count) {
  Impl& self = *impl_;
  LS_CHECK(self.phase == Impl::Phase::kDone);
  if (self.eventlog->lost() || self.state_behind) LS_TRY(self.Recover());
  std::vector<Event> events;
  const SeqNum settled = self.settled.seq;
  if (global < settled.global) {
    const Head after = LS_TRY(self.eventlog->EndOfClientOnly({.global = global}));
    events = LS_TRY(
        self.eventlog->Range(after.seq, std::min<uint32_t>(count, limits::kEventlogChunkEvents)));
    std::erase_if(
        events, [&settled](const Event& event) { return ComparePosition(settled, event.seq) < 0; });
  }
  return EncodeEvents(events);
}

Result<StatementId> Leader::Prepare(std::string_view sql) {
  return impl_->state->database().Prepare(sql);
}

const StatementInfo& Leader::Info(StatementId statement) const {
  return impl_->state->database().Info(statement);
}

const std::string& Leader::TableName(TableId table) const {
  return impl_->state->database().table_names().Name(table);
}

Result<BytesView> Leader::Query(StatementId statement, BytesView binds) {
  return impl_->state->database().Query(statement, binds);
}

SeqNum Leader::local_head() const { return impl_->eventlog->local_head(); }

Cursor Leader::cursor() const { return {impl_->eventlog->head(), impl_->eventlog->epoch()}; }

const std::string& Leader::schema_hash() const { return impl_->state->schema_hash(); }

LeaderCounters Leader::counters() const { return impl_->counters; }

}  // namespace livestore

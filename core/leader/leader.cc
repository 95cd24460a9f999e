#include "core/leader/leader.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/event/event_codec.h"
#include "core/eventlog/eventlog.h"
#include "core/sqlite/savepoint.h"

namespace livestore {
namespace {

constexpr char kEventlogFile[] = "eventlog.db";
constexpr char kStateFile[] = "state.db";

struct QueuedPush {
  uint32_t session = 0;
  uint32_t push = 0;
  EventRun run;
  Bytes bytes;  // The same run as it came, to pass on without encoding it again.
};

}  // namespace

std::vector<std::string> LeaderFileNames() {
  std::vector<std::string> names;
  for (const std::string file : {kEventlogFile, kStateFile}) {
    for (const char* suffix : {"", "-wal", "-journal"}) names.push_back(file + suffix);
  }
  return names;
}

struct Leader::Impl {
  Impl(LeaderOptions leader_options, Materializer& app_materializer)
      : options(std::move(leader_options)), materializer(app_materializer) {}

  enum class Phase { kCheck, kReplay, kDone };

  Result<void> OpenState();
  Result<BootProgress> Check();
  Result<BootProgress> Replay();
  Result<void> MaterializeLogged(const Event& event);
  Result<void> RepairState();
  Result<void> AdmitQueued(DrainOutcome& outcome);

  LeaderOptions options;
  Materializer& materializer;
  std::unique_ptr<Eventlog> eventlog;
  std::unique_ptr<StateDb> state;
  LeaderCounters counters;

  Phase phase = Phase::kCheck;
  std::optional<Savepoint> boot_savepoint;  // Open from the first replayed event to the last.
  uint64_t replay_done = 0;
  uint64_t replay_total = 0;

  std::deque<QueuedPush> queue;
  bool state_behind =
      false;  // The log committed and the state did not: repair before the next group.
};

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

// Decides from the recorded head what the state lacks: nothing, the log's tail, or everything.
Result<BootProgress> Leader::Impl::Check() {
  const std::optional<StateHead> head = LS_TRY(state->ReadHead());
  bool usable = head && head->schema_hash == state->schema_hash();
  if (usable && head->seq != kRootSeqNum) {
    const std::optional<Event> reflected = LS_TRY(eventlog->At(head->seq));
    usable = reflected && EventHash(*reflected) == head->event_hash;
  }
  if (usable && SamePosition(head->seq, eventlog->local_head())) {
    phase = Phase::kDone;
    return BootProgress{};
  }

  boot_savepoint.emplace(LS_TRY(Savepoint::Begin(state->database(), "livestore_boot")));
  phase = Phase::kReplay;
  replay_done = 0;
  if (usable) {
    replay_total = LS_TRY(eventlog->CountAfter(head->seq));
    return BootProgress{BootProgress::Stage::kRehydrating, 0, replay_total};
  }
  counters.rebuilds += 1;
  replay_total = eventlog->event_count();
  Result<void> recreated = state->Recreate();
  if (!recreated.ok()) {
    boot_savepoint.reset();
    phase = Phase::kCheck;
    return std::move(recreated).error();
  }
  const uint64_t tables = options.schema.tables.size();
  return BootProgress{BootProgress::Stage::kMigrating, tables, tables};
}

Result<BootProgress> Leader::Impl::Replay() {
  Result<void> replayed = [this]() -> Result<void> {
    const std::vector<Event> events =
        LS_TRY(eventlog->Range(state->head().seq, limits::kEventlogChunkEvents));
    for (const Event& event : events) LS_TRY(MaterializeLogged(event));
    replay_done += events.size();
    counters.events_replayed += events.size();
    if (!events.empty()) return Ok();
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

// An event that is in the log stays there. If this build does not know it, it changes nothing here.
Result<void> Leader::Impl::MaterializeLogged(const Event& event) {
  Result<Materialized> materialized = state->Materialize(event, -1, StateDb::Record::kNothing);
  if (materialized.ok()) return Ok();
  if (materialized.error().code != ErrorCode::kUnknownEvent) return std::move(materialized).error();
  state->SetHead(event.seq, EventHash(event));
  return Ok();
}

Result<void> Leader::Submit(uint32_t session, uint32_t push, BytesView event_run) {
  LS_CHECK(impl_->phase == Impl::Phase::kDone);
  if (impl_->queue.size() >= limits::kLeaderQueueMax) {
    return Error{ErrorCode::kLimitExceeded, "too many pushes wait in the leader (kLeaderQueueMax)"};
  }
  QueuedPush queued{session, push, LS_TRY(DecodeRun(event_run)),
                    Bytes(event_run.begin(), event_run.end())};
  if (queued.run.events.empty()) return Error{ErrorCode::kMalformedBytes, "a push holds no event"};
  impl_->queue.push_back(std::move(queued));
  return Ok();
}

Result<DrainOutcome> Leader::Drain() {
  Impl& self = *impl_;
  LS_CHECK(self.phase == Impl::Phase::kDone);
  DrainOutcome outcome;
  if (self.queue.empty()) return outcome;
  if (self.state_behind) LS_TRY(self.RepairState());

  const StateHead old_head = self.state->head();
  Savepoint group = LS_TRY(Savepoint::Begin(self.state->database(), "livestore_group"));
  Result<void> logged = self.AdmitQueued(outcome);
  if (!logged.ok()) {
    // Nothing of the group is in the log, so nothing of it may stay in the state.
    group.Rollback();
    self.state->SetHead(old_head.seq, old_head.event_hash);
    self.state_behind = true;  // The connection may be unusable after a full disk; look again.
    return std::move(logged).error();
  }
  self.queue.clear();

  // The events are durable now, whatever happens to the state: it is repaired from the log.
  Result<void> saved = self.state->SaveHead();
  if (saved.ok()) saved = group.Release();
  if (!saved.ok()) {
    group.Rollback();
    self.state_behind = true;
  }
  return outcome;
}

// Puts every queued push into the log, or into the outcome as refused, and flushes.
Result<void> Leader::Impl::AdmitQueued(DrainOutcome& outcome) {
  LS_TRY(eventlog->Begin());
  uint64_t appended = 0;
  Result<void> logged = [&]() -> Result<void> {
    for (QueuedPush& push : queue) {
      PushResult result{.session = push.session, .push = push.push};
      const auto& [base, pushed] = push.run;
      if (SamePosition(base, state->head().seq)) {
        size_t admitted = 0;
        result.answer = PushAnswer::kAccepted;
        for (; admitted < pushed.size(); ++admitted) {
          Result<void> materialized = MaterializeLogged(pushed[admitted]);
          if (materialized.ok()) continue;
          if (IsStorageError(materialized.error().code)) return std::move(materialized).error();
          result.answer = PushAnswer::kFailed;
          result.failed_index = static_cast<uint32_t>(admitted);
          result.error = std::move(materialized).error();
          break;
        }
        const auto events = std::span<const Event>(pushed).first(admitted);
        if (!events.empty()) {
          LS_TRY(eventlog->Append(events));
          appended += events.size();
          const bool whole = admitted == pushed.size();
          outcome.entries.push_back(
              {.advance = Advance{push.session, whole ? push.bytes : EncodeRun(base, events)}});
        }
      }
      outcome.entries.push_back({.result = std::move(result)});
    }
    return Ok();
  }();
  if (logged.ok() && appended > 0) {
    logged = eventlog->Commit();
  } else {
    eventlog->Rollback();
  }
  if (!logged.ok()) {
    outcome.entries.clear();
    return logged;
  }
  counters.events_appended += appended;
  if (appended > 0) counters.groups += 1;
  return Ok();
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

Result<std::optional<Bytes>> Leader::EventsAfter(const SeqNum& cursor) {
  if (!LS_TRY(impl_->eventlog->Holds(cursor))) return std::optional<Bytes>();
  std::vector<Event> events;
  SeqNum after = cursor;
  while (true) {
    std::vector<Event> chunk = LS_TRY(impl_->eventlog->Range(after, limits::kEventlogChunkEvents));
    if (chunk.empty()) break;
    after = chunk.back().seq;
    std::move(chunk.begin(), chunk.end(), std::back_inserter(events));
  }
  return std::optional<Bytes>(EncodeRun(cursor, events));
}

Result<Bytes> Leader::Image() {
  if (impl_->state_behind) LS_TRY(impl_->RepairState());
  return impl_->state->database().Serialize();
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

const std::string& Leader::schema_hash() const { return impl_->state->schema_hash(); }

LeaderCounters Leader::counters() const { return impl_->counters; }

}  // namespace livestore

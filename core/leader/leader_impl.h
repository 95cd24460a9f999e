// The inside of Leader, shared by its two sources: leader.cc (boot, pushes of sessions, joining)
// and leader_backend.cc (what is pulled, refused, pushed to the sync backend).

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/event/event_codec.h"
#include "core/eventlog/eventlog.h"
#include "core/leader/leader.h"
#include "core/sqlite/savepoint.h"
#include "core/sync/merge.h"

namespace livestore {

// A push as it came. That of a session that is no more has no number and is not answered.
struct QueuedPush {
  uint32_t session = 0;
  uint32_t number = 0;
  Push push;
  Bytes run_bytes;  // The run as it came, to pass on without encoding it again.

  [[nodiscard]] bool orphan() const { return session == 0; }
};

struct QueuedPage {
  uint32_t pull = 0;
  PulledPage page;
  bool caught_up = false;
};

struct QueuedRefusal {
  SeqNum seq;
  Error error;
};

// How the end of the log is to be rewritten, and what the sessions are told of it.
struct LogChange {
  Head keep;                       // What comes after it is taken back,
  uint64_t taken_back = 0;         // so many events,
  std::vector<Event> materialize;  // and in its place come these, which are settled,
  std::vector<Event> rebased;      // and these, which are not.
  std::vector<Refusal> refused;
};

struct Leader::Impl {
  Impl(LeaderOptions leader_options, Materializer& app_materializer);

  enum class Phase { kCheck, kReplay, kDone };

  // ---- Boot and repair (leader.cc)
  Result<void> OpenState();
  Result<BootProgress> Check();
  Result<BootProgress> Replay();
  // Opens again what failed, and brings the state up to the log.
  Result<void> Recover();
  Result<void> RepairState();
  void BeginAnew();
  // True if the log holds the event that `head` names.
  Result<bool> Holds(const Head& head);
  // Everything in the log after this position.
  Result<std::vector<Event>> EventsAfter(SeqNum position);
  // Sets `settled` from the log.
  Result<void> FindSettled();

  // ---- Groups (leader.cc)
  // Materializes an event that is in the log, or is being put there, and keeps how to take it back
  // if a rebase may reach it. A failure of its materializer is returned, and nothing has changed.
  Result<void> Apply(const Event& event);
  // The same for an event that stays, whatever its materializer says.
  Result<void> ApplyOrSkip(const Event& event, bool* skipped);
  [[nodiscard]] bool MayBeTakenBack(const Event& event, const Head& before) const;
  Result<void> Passed(const Event& event, const Head& before, const Materialized& materialized);
  // Runs `body` between Begin and Commit of both databases. If anything fails, nothing has changed,
  // or recovery will tell.
  using Body = Result<void> (Impl::*)(DrainOutcome& out);
  Result<void> Group(Body body);
  Result<void> AdmitQueued(DrainOutcome& out);
  Result<PushResult> Admit(QueuedPush& queued, DrainOutcome& out);
  Result<void> AdmitOrphans(QueuedPush& queued, DrainOutcome& out);

  // ---- The sync backend (leader_backend.cc)
  // Merges the queued pages, each in a group of its own or several in one.
  Result<void> TakePages();
  Result<void> MergePages(DrainOutcome& out);
  // Another client has our id if, after we had all there was, the backend brings an event with it
  // that is of no session the log knows. Then we go by another.
  Result<void> NoticeTwin(std::span<const Event> news, DrainOutcome& out);
  Result<void> TakeRefusal(DrainOutcome& out);
  void OnBackendId(std::string id);
  // Stops syncing, for good.
  void Halt();
  Result<void> ReplaceBackend(DrainOutcome& out);
  // Rewrites the end of log and state, inside of a group, and queues the news.
  Result<void> Rewrite(LogChange change, uint64_t upstream_head, DrainOutcome& out);
  Result<std::vector<Event>> NextBatch(int64_t now_ms);
  void RestartPull(int64_t now_ms);

  News NewsAt(const Head& base) const;
  void Report(const Event& event, const Error& error);

  LeaderOptions options;
  Materializer& materializer;
  std::unique_ptr<Eventlog> eventlog;
  std::unique_ptr<StateDb> state;
  LeaderCounters counters;

  Phase phase = Phase::kCheck;
  std::optional<Savepoint> boot_savepoint;  // Open from the first replayed event to the last.
  uint64_t replay_done = 0;
  uint64_t replay_total = 0;
  bool state_behind =
      false;  // The log committed and the state did not: repair before the next group.

  // Nothing up to here will be rolled back: the end of the log without a backend, else the last
  // event before the first synced one that the backend has not confirmed. Undo rows are kept for
  // exactly the events after it.
  Head settled;

  std::vector<QueuedPush> pushes;
  std::vector<QueuedPage> pages;
  size_t pages_to_merge = 0;    // The first so many, by the next MergePages.
  uint64_t pulled_through = 0;  // The last event of the queued pages.
  size_t pulled_events = 0;     // How many wait in them.
  std::optional<QueuedRefusal> refusal;
  std::optional<std::string> new_backend_id;

  std::optional<BackendSync> backend;
  std::vector<uint32_t> pulls_to_stop;
  std::vector<SeqNum> in_flight;  // The events of the push that the backend has not answered.
  bool halted = false;

  // What groups that succeeded have to say, until a Drain returns it.
  DrainOutcome outcome;
};

}  // namespace livestore

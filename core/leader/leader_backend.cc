// The leader and its sync backend: what is pulled is merged, what is pending is pushed.

#include <algorithm>
#include <iterator>
#include <limits>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/leader/leader_impl.h"

namespace livestore {

// ---- Pulling -----------------------------------------------------------------------------------

Result<void> Leader::OnPulled(uint32_t pull, BytesView page, bool caught_up, int64_t now_ms) {
  Impl& self = *impl_;
  if (!self.backend || self.halted || !self.backend->OnPage(pull)) return Ok();
  if (self.pulled_events >= limits::kPulledEventsMax) {
    self.RestartPull(now_ms);
    return Error{ErrorCode::kLimitExceeded,
                 "more pulled events wait for a merge than kPulledEventsMax (" +
                     std::to_string(limits::kPulledEventsMax) + ")"};
  }
  Result<PulledPage> decoded = DecodePage(page);
  if (!decoded.ok()) {
    self.RestartPull(now_ms);
    return std::move(decoded).error();
  }
  // What the log or the queue has already is passed over: a pull may overlap, and a connection may
  // repeat itself.
  const uint64_t known = self.pages.empty()
                             ? self.eventlog->upstream_head()
                             : std::max(self.pulled_through, self.eventlog->upstream_head());
  size_t old = 0;
  while (old < decoded->events.size() && decoded->events[old].seq.global <= known) ++old;
  decoded->events.erase(decoded->events.begin(),
                        decoded->events.begin() + static_cast<ptrdiff_t>(old));
  decoded->metadata.erase(decoded->metadata.begin(),
                          decoded->metadata.begin() + static_cast<ptrdiff_t>(old));
  if (!decoded->events.empty() && decoded->events.front().seq.global != known + 1) {
    self.RestartPull(now_ms);
    return Error{ErrorCode::kUpstreamGap, "the sync backend sent " +
                                              ToString(decoded->events.front().seq) + " after e" +
                                              std::to_string(known)};
  }
  self.pulled_through = known + decoded->events.size();
  self.pulled_events += decoded->events.size();
  self.pages.push_back({pull, std::move(*decoded), caught_up});
  return Ok();
}

void Leader::Impl::RestartPull(int64_t now_ms) {
  if (!backend->pulling()) return;
  pulls_to_stop.push_back(backend->pull());
  backend->OnPullFailed(backend->pull(), now_ms);
}

// A merge with pending events rolls all of them back, so several pages share one.
Result<void> Leader::Impl::TakePages() {
  while (!pages.empty()) {
    const std::string& id = pages.front().page.backend_id;
    if (!id.empty() && !eventlog->backend_id().empty() && id != eventlog->backend_id()) {
      OnBackendId(std::string(id));
      pages.clear();
      pulled_events = 0;
      return Ok();
    }
    size_t events = 0;
    for (pages_to_merge = 0; pages_to_merge < pages.size() && events < limits::kMergeEventsMax &&
                             pages[pages_to_merge].page.backend_id == id;
         ++pages_to_merge) {
      events += pages[pages_to_merge].page.events.size();
    }
    LS_TRY(Group(&Impl::MergePages));
    pulled_events -= events;
    const auto end = pages.begin() + static_cast<ptrdiff_t>(pages_to_merge);
    for (auto page = pages.begin(); page != end; ++page) {
      backend->OnMerged(page->pull, page->caught_up, eventlog->upstream_head());
    }
    pages.erase(pages.begin(), end);
  }
  return Ok();
}

Result<void> Leader::Impl::MergePages(DrainOutcome& out) {
  std::vector<Event> upstream;
  std::vector<std::pair<uint64_t, std::string>> metadata;
  for (size_t i = 0; i < pages_to_merge; ++i) {
    const PulledPage& page = pages[i].page;
    for (size_t j = 0; j < page.events.size(); ++j) {
      upstream.push_back(page.events[j]);
      if (!page.metadata[j].empty()) {
        metadata.emplace_back(page.events[j].seq.global, page.metadata[j]);
      }
    }
  }
  const std::string& id = pages.front().page.backend_id;
  if (!id.empty() && eventlog->backend_id().empty()) LS_TRY(eventlog->SetBackendId(id));
  if (upstream.empty()) return Ok();
  counters.events_pulled += upstream.size();

  const SyncState sync{.upstream_head = {.global = eventlog->upstream_head()},
                       .pending = LS_TRY(EventsAfter(settled.seq))};
  MergeOutcome merge = LS_TRY(Merge(sync, upstream, {.synced_only = true}));
  LS_TRY(NoticeTwin(merge.materialize, out));
  const size_t kept = sync.pending.size() - merge.roll_back;
  LogChange change{.keep = kept == 0 ? settled : HeadOf(sync.pending[kept - 1]),
                   .taken_back = merge.roll_back,
                   .materialize = std::move(merge.materialize),
                   .rebased = std::move(merge.rebased),
                   .refused = {}};
  LS_TRY(Rewrite(std::move(change), merge.upstream_head.global, out));
  for (const auto& [global, json] : metadata) LS_TRY(eventlog->SetSyncMetadata(global, json));
  return Ok();
}

// Before that moment such events are our own, of a log that was reset. What is pending keeps its
// old id: it may have been pushed, and is recognised by it.
Result<void> Leader::Impl::NoticeTwin(std::span<const Event> news, DrainOutcome& out) {
  const std::string& given = options.client_id;
  const std::string id = eventlog->ClientId(given);
  if (id.empty() || options.spare_client_id.empty() || id == options.spare_client_id ||
      !backend->caught_up()) {
    return Ok();
  }
  for (const Event& event : news) {
    if (event.client_id != id || LS_TRY(eventlog->HasEventsOf(id, event.session_id))) continue;
    out.rejoin = true;  // The sessions are told when they join.
    return eventlog->SetClientId(given, options.spare_client_id);
  }
  return Ok();
}

Result<void> Leader::Impl::Rewrite(LogChange change, uint64_t upstream_head, DrainOutcome& out) {
  bool rebuild = false;
  if (change.taken_back > 0) {
    LS_TRY(eventlog->RemoveAfter(change.keep.seq));
    for (uint64_t left = change.taken_back; left > 0 && !rebuild; --left) {
      rebuild = !LS_TRY(state->TakeBack(nullptr));
      if (!rebuild) counters.events_taken_back += 1;
    }
    rebuild = rebuild || state->head().head() != change.keep;
    counters.rebases += 1;
    counters.events_rebased += change.rebased.size();
    if (backend) backend->OnRebase();
    in_flight.clear();
  }
  News news = NewsAt(change.keep);
  news.rebased = static_cast<uint32_t>(change.rebased.size());
  news.refused = std::move(change.refused);
  std::vector<Event>& events = news.run.events;
  events = std::move(change.materialize);
  std::move(change.rebased.begin(), change.rebased.end(), std::back_inserter(events));
  LS_TRY(eventlog->Append(events));
  LS_TRY(eventlog->SetUpstreamHead(upstream_head));
  counters.events_appended += events.size();
  counters.groups += 1;

  // From here on `settled` is what it will be, so that undo rows are kept for what comes after it.
  LS_TRY(FindSettled());
  news.settled = settled.seq;
  if (rebuild) {
    // Something cannot be taken back by changesets: begin anew.
    counters.rebuilds += 1;
    LS_TRY(state->Recreate());
    SeqNum after = kRootSeqNum;
    while (true) {
      const std::vector<Event> chunk = LS_TRY(eventlog->Range(after, limits::kEventlogChunkEvents));
      if (chunk.empty()) break;
      after = chunk.back().seq;
      counters.events_replayed += chunk.size();
      for (const Event& event : chunk) {
        bool skipped = false;
        LS_TRY(ApplyOrSkip(event, &skipped));
        if (!skipped) continue;
        const auto found = std::ranges::find(events, event.seq, &Event::seq);
        if (found != events.end()) {
          news.skipped.push_back(static_cast<uint32_t>(found - events.begin()));
        }
      }
    }
  } else {
    for (size_t i = 0; i < events.size(); ++i) {
      bool skipped = false;
      LS_TRY(ApplyOrSkip(events[i], &skipped));
      if (skipped) news.skipped.push_back(static_cast<uint32_t>(i));
    }
  }
  LS_TRY(state->TrimUndo(LS_TRY(eventlog->CountAfter(settled.seq))));
  out.entries.push_back({.news = NewsFor{0, EncodeNews(news)}});
  return Ok();
}

void Leader::OnPullEnded(uint32_t pull, int64_t now_ms) {
  if (impl_->backend) impl_->backend->OnPullEnded(pull, now_ms);
}

void Leader::OnPullFailed(uint32_t pull, int64_t now_ms) {
  if (impl_->backend) impl_->backend->OnPullFailed(pull, now_ms);
}

// ---- Pushing -----------------------------------------------------------------------------------

Result<std::vector<BackendRequest>> Leader::NextRequests(int64_t now_ms) {
  using Kind = BackendRequest::Kind;
  Impl& self = *impl_;
  std::vector<BackendRequest> requests;
  if (!self.backend || self.phase != Impl::Phase::kDone) return requests;
  // What waits for a Drain may change both the cursor and what is to be pushed.
  const bool idle = !self.halted && !HasWork();
  const uint64_t cursor = self.eventlog->upstream_head();
  std::string metadata;
  std::vector<Event> batch;
  if (idle) {
    // What can fail comes first: the answer to a request that began, and was not returned, would be
    // waited for in vain.
    if (cursor > 0) metadata = LS_TRY(self.eventlog->SyncMetadata(cursor));
    batch = LS_TRY(self.NextBatch(now_ms));
  }
  for (const uint32_t pull : std::exchange(self.pulls_to_stop, {})) {
    requests.push_back({.kind = Kind::kStopPull, .number = pull});
  }
  if (!idle) return requests;
  if (const auto stopped = self.backend->StopPull(now_ms)) {
    requests.push_back({.kind = Kind::kStopPull, .number = *stopped});
  }
  if (const auto pull = self.backend->StartPull(now_ms)) {
    requests.push_back({.kind = Kind::kPull,
                        .number = *pull,
                        .cursor = cursor,
                        .cursor_metadata = metadata,
                        .backend_id = self.eventlog->backend_id(),
                        .live = self.options.backend->live_pull});
  }
  if (!batch.empty()) {
    self.in_flight.clear();
    for (const Event& event : batch) self.in_flight.push_back(event.seq);
    requests.push_back({.kind = Kind::kPush,
                        .number = self.backend->PushStarted(batch.back().seq.global),
                        .backend_id = self.eventlog->backend_id(),
                        .events = EncodeEvents(batch)});
  }
  return requests;
}

// The next synced events that the backend was not given, as many as fit; none while no push may go.
Result<std::vector<Event>> Leader::Impl::NextBatch(int64_t now_ms) {
  std::vector<Event> batch;
  // Before a page has told whose log this is, another backend would take what is meant for this.
  const bool known = backend->caught_up() || !eventlog->backend_id().empty();
  if (!known || !backend->MayPush(now_ms)) return batch;
  size_t bytes = 0;
  uint64_t global = std::max(eventlog->upstream_head(), backend->pushed_through());
  while (batch.size() < limits::kBackendPushEventsMax) {
    std::optional<Event> event = LS_TRY(eventlog->At({.global = ++global}));
    if (!event) break;
    if (event->args_json.size() > limits::kBackendPushBytesMax && batch.empty()) {
      // It would be refused for ever, and everything after it would wait. The next Drain takes it
      // out.
      refusal =
          QueuedRefusal{event->seq, Error{ErrorCode::kLimitExceeded,
                                          "event " + event->name + " has " +
                                              std::to_string(event->args_json.size()) +
                                              " bytes of arguments, more than a sync backend takes "
                                              "(kBackendPushBytesMax, " +
                                              std::to_string(limits::kBackendPushBytesMax) + ")"}};
      return batch;
    }
    bytes += event->args_json.size();
    if (bytes > limits::kBackendPushBytesMax) break;
    batch.push_back(std::move(*event));
  }
  return batch;
}

std::optional<int64_t> Leader::WakeAt(int64_t now_ms) const {
  // What waits for a Drain comes first, and asks again after it.
  if (!impl_->backend || impl_->halted || HasWork()) return {};
  return impl_->backend->WakeAt(now_ms);
}

void Leader::OnPushTaken(uint32_t push) {
  if (impl_->backend) impl_->backend->OnPushTaken(push);
}

void Leader::OnPushFailed(uint32_t push, BackendFailure failure, int64_t now_ms) {
  if (impl_->backend) impl_->backend->OnPushFailed(push, failure, now_ms);
}

void Leader::OnPushRefused(uint32_t push, uint32_t index, std::string reason, int64_t now_ms) {
  Impl& self = *impl_;
  if (!self.backend || push != self.backend->push()) return;
  if (index >= self.in_flight.size()) {
    // It refuses what it was not given; that is no reason to drop anything.
    self.backend->OnPushFailed(push, BackendFailure::kUnavailable, now_ms);
    return;
  }
  self.backend->OnPushSettled(push);
  self.refusal =
      QueuedRefusal{self.in_flight[index], Error{ErrorCode::kBackendRefused, std::move(reason)}};
}

// Takes one event out of the log, wherever it came from, and moves what follows it up.
Result<void> Leader::Impl::TakeRefusal(DrainOutcome& out) {
  const SyncState sync{.upstream_head = settled.seq, .pending = LS_TRY(EventsAfter(settled.seq))};
  const auto found = std::ranges::find(sync.pending, refusal->seq, &Event::seq);
  if (found == sync.pending.end()) return Ok();  // A merge came first: it will be refused again.
  const auto index = static_cast<size_t>(found - sync.pending.begin());
  MergeOutcome merge = MergeWithout(sync, index);
  LogChange change{.keep = index == 0 ? settled : HeadOf(sync.pending[index - 1]),
                   .taken_back = merge.roll_back,
                   .materialize = {},
                   .rebased = std::move(merge.rebased),
                   .refused = {{.index = 0, .error = refusal->error}}};
  LS_TRY(eventlog->AddRefused(found->origin, refusal->error));
  out.refused.push_back({*found, refusal->error});
  return Rewrite(std::move(change), eventlog->upstream_head(), out);
}

// ---- Another backend ---------------------------------------------------------------------------

void Leader::OnBackendReplaced(std::string id) {
  if (impl_->backend && !impl_->halted) impl_->OnBackendId(std::move(id));
}

void Leader::Impl::OnBackendId(std::string id) {
  if (id == eventlog->backend_id()) return;
  if (options.on_backend_id_mismatch == BackendIdMismatch::kReset) {
    new_backend_id = std::move(id);
    return;
  }
  Halt();
}

void Leader::Impl::Halt() {
  halted = true;
  new_backend_id.reset();
  if (backend->pulling()) pulls_to_stop.push_back(backend->pull());
}

// The log begins again with what the old backend had not confirmed. What it had is the old one's
// history, and gone with it.
Result<void> Leader::Impl::ReplaceBackend(DrainOutcome& /*out*/) {
  std::vector<Event> pending = LS_TRY(EventsAfter({.global = eventlog->upstream_head()}));
  uint32_t generation = 0;
  for (const Event& event : pending) generation = std::max(generation, event.seq.generation);
  if (generation == std::numeric_limits<uint32_t>::max()) {
    // Numbers that start over would make heads of another history look known. Only a session that
    // lies comes here.
    Halt();
    return Error{ErrorCode::kSyncBackendReplaced,
                 "the log cannot move to another sync backend: its generations are used up"};
  }
  Renumber(pending, kRootSeqNum, generation + 1);

  LS_TRY(eventlog->RemoveAfter(kRootSeqNum));
  LS_TRY(eventlog->SetUpstreamHead(0));
  LS_TRY(eventlog->SetBackendId(*new_backend_id));
  LS_TRY(eventlog->Append(pending));
  counters.groups += 1;
  counters.rebuilds += 1;
  LS_TRY(FindSettled());
  LS_TRY(state->Recreate());
  for (const Event& event : pending) LS_TRY(ApplyOrSkip(event, nullptr));
  return Ok();
}

void Leader::OnConnection(bool online) {
  if (impl_->backend) impl_->backend->OnConnection(online);
}

LeaderSyncStatus Leader::sync_status() const {
  const Impl& self = *impl_;
  LeaderSyncStatus status{.local_head = self.eventlog->local_head(),
                          .upstream_head = self.eventlog->upstream_head(),
                          .halted = self.halted};
  if (!self.backend) return status;
  const Result<uint64_t> pending = self.eventlog->CountAfter({.global = status.upstream_head});
  status.pending_count = pending.ok() ? *pending : 0;
  status.online = self.backend->online();
  status.caught_up = self.backend->caught_up();
  return status;
}

}  // namespace livestore

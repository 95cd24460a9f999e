// How a session follows its upstream: see Merge for the part without rows.

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/session/client_session_impl.h"
#include "core/sqlite/savepoint.h"

namespace livestore {
namespace {

bool HasRoom(const SeqNum& head) {
  return head.global <= kSeqNumGlobalMax - limits::kPendingEventsMax &&
         head.client <= std::numeric_limits<uint32_t>::max() - limits::kPendingEventsMax;
}

// As Merge gives it: greater than any in sight.
uint32_t NextGeneration(const SyncState& sync, std::span<const Event> events) {
  uint32_t greatest = sync.upstream_head.generation;
  for (const Event& event : sync.pending) greatest = std::max(greatest, event.seq.generation);
  for (const Event& event : events) greatest = std::max(greatest, event.seq.generation);
  return greatest == std::numeric_limits<uint32_t>::max() ? greatest : greatest + 1;
}

}  // namespace

Result<void> ClientSession::Impl::CheckRoom(const EventRun& run) {
  const SeqNum& end = run.events.empty() ? run.base.seq : run.events.back().seq;
  if (HasRoom(run.base.seq) && HasRoom(end)) return Ok();
  return Error{ErrorCode::kMalformedBytes, "news: " + ToString(end) + " is out of range"};
}

FollowOutcome ClientSession::Impl::NeedImage() {
  awaiting_image = true;
  if (in_flight > 0) in_flight_outdated = true;
  FollowOutcome outcome;
  outcome.need_image = true;
  return outcome;
}

Result<size_t> ClientSession::Impl::KnownPending(uint64_t accepted) const {
  if (accepted > last_counter) {
    return Error{ErrorCode::kMalformedBytes, "history: the leader has accepted event " +
                                                 std::to_string(accepted) + " of " +
                                                 std::to_string(last_counter)};
  }
  size_t known = 0;
  while (known < sync.pending.size() && tail[tail.accepted() + known].counter <= accepted) ++known;
  return known;
}

std::vector<uint64_t> ClientSession::Impl::LastCounters(size_t count) const {
  std::vector<uint64_t> counters;
  counters.reserve(count);
  for (size_t i = tail.size() - count; i < tail.size(); ++i) counters.push_back(tail[i].counter);
  return counters;
}

Result<std::optional<FollowPlan>> ClientSession::Impl::PlanFollow(const News& news, size_t known,
                                                                  const History* history) const {
  const std::span<const Event> events(news.run.events);
  LS_TRY(CheckRoom(news.run));
  const std::optional<size_t> base = tail.Find(news.run.base);
  if (!base) {
    if (ComparePosition(news.run.base.seq, sync.upstream_head) <= 0) {
      return std::optional<FollowPlan>();  // Forgotten here, or never had.
    }
    return Error{ErrorCode::kUpstreamGap, "news after " + ToString(news.run.base.seq) +
                                              " does not continue the known head " +
                                              ToString(sync.upstream_head)};
  }
  const size_t taken_back = tail.accepted() - *base;
  if (taken_back != uint64_t{news.rebased} + news.refused.size()) {
    return std::optional<FollowPlan>();
  }

  FollowPlan plan{.keep = *base, .confirmed = 0, .counters = {}, .rebased = {}, .refused = {}};
  bool merged = false;
  if (taken_back == 0) {
    MergeOutcome merge = LS_TRY(Merge(sync, events, {.known = known}));
    // What stays in its place has its effect here, so it must have it upstream.
    merged = news.skipped.empty() || news.skipped.front() >= merge.confirmed;
    if (merged) {
      plan.keep = tail.size() - merge.roll_back;
      plan.confirmed = merge.confirmed;
      plan.rebased = std::move(merge.rebased);
    }
  }
  if (!merged) {
    plan.rebased.assign(sync.pending.begin() + static_cast<ptrdiff_t>(known), sync.pending.end());
    Renumber(plan.rebased, events.empty() ? news.run.base.seq : events.back().seq,
             NextGeneration(sync, events));
  }

  // Whose events these are: a history says it, and news does of those that it puts elsewhere.
  plan.counters.resize(events.size());
  if (history != nullptr) {
    const std::vector<uint64_t>& counters = history->counters;
    const size_t count = std::min(counters.size(), events.size());
    std::copy(counters.end() - static_cast<ptrdiff_t>(count), counters.end(),
              plan.counters.end() - static_cast<ptrdiff_t>(count));
    plan.refused = history->refused;
    return std::optional(std::move(plan));
  }
  auto refusal = news.refused.begin();
  size_t place = events.size() - news.rebased;
  for (size_t i = 0; i < taken_back; ++i) {
    const uint64_t counter = tail[*base + i].counter;
    if (refusal == news.refused.end() || refusal->index != i) {
      plan.counters[place++] = counter;
    } else {
      plan.refused.push_back({counter, refusal->error});
      ++refusal;
    }
  }
  return std::optional(std::move(plan));
}

void ClientSession::Impl::Report(std::span<const RefusedCommit> refused, FollowOutcome& outcome) {
  for (const RefusedCommit& one : refused) {
    const auto found = own.find(one.counter);
    if (found == own.end()) continue;  // Of another, or reported before.
    outcome.rejected.push_back({.counter = one.counter,
                                .event = std::move(found->second),
                                .accepted = true,
                                .error = one.error});
    own.erase(found);
  }
}

Result<Applied> ClientSession::Impl::ApplyEvents(const News& news, const FollowPlan& plan,
                                                 TableSet& touched) {
  LS_TRY(tail.RollBack(state->database(), plan.keep, touched));
  if (plan.keep < tail.size()) {
    const Head& before = tail.Before(plan.keep);
    state->SetHead(before.seq, before.hash);
  }
  Applied applied;
  auto skipped = news.skipped.begin();
  for (size_t i = plan.confirmed; i < news.run.events.size(); ++i) {
    const Event& event = news.run.events[i];
    const bool is_settled = ComparePosition(event.seq, news.settled) <= 0;
    while (skipped != news.skipped.end() && *skipped < i) ++skipped;
    Materialized done;
    if (skipped != news.skipped.end() && *skipped == i) {
      state->SetHead(event.seq, EventHash(event));
    } else {
      Result<Materialized> materialized = state->Materialize(
          event, -1, is_settled ? StateDb::Record::kNothing : StateDb::Record::kChangeset);
      if (materialized.ok()) {
        done = std::move(*materialized);
      } else if (materialized.error().code == ErrorCode::kUnknownEvent) {
        // Kept in the log; it means nothing to this build.
        state->SetHead(event.seq, EventHash(event));
      } else {
        return std::move(materialized).error();
      }
    }
    touched.AddAll(done.tables);
    if (is_settled) {
      applied.settled_head = state->head().head();
      continue;
    }
    applied.entries.push_back({.head = state->head().head(),
                               .changeset = std::move(done.changeset),
                               .undoable = done.undoable,
                               .counter = plan.counters[i]});
  }
  return applied;
}

// Runs in one savepoint: live queries see its end or nothing of it.
Result<FollowOutcome> ClientSession::Impl::Follow(const News& news, size_t known,
                                                  const History* history) {
  std::optional<FollowPlan> plan = LS_TRY(PlanFollow(news, known, history));
  if (!plan) return NeedImage();
  const StateHead old_head = state->head();
  const Head old_upstream = tail.upstream_head();
  TableSet touched;
  std::optional<Savepoint> lifted;
  LS_TRY(LiftOverlay(lifted, touched));
  Savepoint savepoint = LS_TRY(Savepoint::Begin(state->database(), "livestore_follow"));
  Result<Applied> applied = ApplyEvents(news, *plan, touched);
  if (!applied.ok()) {
    // The leader has this history in its state, so its image is right whatever failed here.
    savepoint.Rollback();
    state->SetHead(old_head.seq, old_head.event_hash);
    FollowOutcome image = NeedImage();
    Report(plan->refused, image);
    return image;
  }

  FollowOutcome outcome;
  synced = news.synced;
  const std::vector<uint64_t> counters = LastCounters(plan->rebased.size());
  const size_t moved = known - plan->confirmed;
  Confirm(plan->confirmed);
  if (plan->keep < tail.size()) {
    KeepOwn(moved);
    sync.pending.clear();
  }
  tail.Truncate(plan->keep);
  if (applied->settled_head) tail = Tail(*applied->settled_head);
  for (TailEntry& entry : applied->entries) tail.Append(std::move(entry));
  LS_CHECK(tail.size() - tail.accepted() == sync.pending.size() + applied->entries.size());
  tail.Accept(applied->entries.size());
  sync.upstream_head = tail.upstream_head().seq;
  if (in_flight > 0 && old_upstream != tail.upstream_head()) in_flight_outdated = true;
  Report(plan->refused, outcome);
  Rebase(std::move(plan->rebased), counters, touched, outcome);
  Settle(news);
  // In memory a commit can only fail when the process is out of memory.
  LS_CHECK(savepoint.Release().ok());
  LowerOverlay(lifted, touched);
  std::ranges::move(std::exchange(left_out, {}), std::back_inserter(outcome.rejected));
  outcome.stale = live_queries.Refresh(touched);
  return outcome;
}

void ClientSession::Impl::Settle(const News& news) {
  settled = news.settled;
  epoch = news.run.epoch;
  tail.Settle(settled);
  if (!synced) own.clear();
  CountSynced();
}

void ClientSession::Impl::CountSynced() {
  // A client-only event right after what is settled stays there in every rebase. Its author is not
  // told so: an accepted push is answered without news.
  while (tail.accepted() > 0 && tail[0].head.seq.client != 0 &&
         ComparePosition(tail.Before(0).seq, settled) <= 0) {
    settled = tail[0].head.seq;
    tail.Forget(1);
  }
  // What the tail has forgotten counts only when all of it is settled.
  if (!synced || ComparePosition(settled, tail.Before(0).seq) < 0) return;
  uint64_t through = persisted();
  for (size_t i = 0; i < tail.accepted() && through > synced_counter; ++i) {
    if (tail[i].counter != 0) through = std::min(through, tail[i].counter - 1);
  }
  synced_counter = std::max(synced_counter, through);
  own.erase(own.begin(), own.upper_bound(synced_counter));
}

void ClientSession::Impl::Rebase(std::vector<Event> events, std::span<const uint64_t> counters,
                                 TableSet& touched, FollowOutcome& outcome) {
  LS_CHECK(events.size() == counters.size());
  for (size_t i = 0; i < events.size(); ++i) {
    // Numbers are given here and not taken from the merge, because an event that fails leaves no
    // gap.
    Event event = std::move(events[i]);
    const SeqNumPair place = NextSeqNum(sync.local_head(), event.client_only());
    const uint32_t generation = event.seq.generation;
    event.seq = place.seq;
    event.parent = place.parent;
    event.seq.generation = generation;
    Result<Materialized> materialized = state->Materialize(event, -1, StateDb::Record::kChangeset);
    if (!materialized.ok()) {
      outcome.rejected.push_back({.counter = counters[i],
                                  .event = std::move(event),
                                  .accepted = false,
                                  .error = std::move(materialized).error()});
      continue;
    }
    touched.AddAll(materialized->tables);
    tail.Append({.head = state->head().head(),
                 .changeset = std::move(materialized->changeset),
                 .undoable = materialized->undoable,
                 .counter = counters[i]});
    sync.pending.push_back(std::move(event));
  }
}

}  // namespace livestore

#include "core/sync/merge.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "core/base/check.h"

namespace livestore {
namespace {

uint32_t GreatestGeneration(uint32_t at_least, std::span<const Event> events) {
  for (const Event& event : events) at_least = std::max(at_least, event.seq.generation);
  return at_least;
}

// The generation that rebased events get. It is a clock: one more than any that this node or the
// events it merges have, so that no two rebases give a number twice. (Were it taken from the new
// base alone, as the base of a foreign event has 0, every rebase would give 1 again.) At the end of
// its range, which only hostile bytes can bring, it stands still instead of starting over.
uint32_t NextGeneration(const SyncState& state, std::span<const Event> upstream) {
  const uint32_t greatest = GreatestGeneration(
      GreatestGeneration(state.upstream_head.generation, state.pending), upstream);
  return greatest == std::numeric_limits<uint32_t>::max() ? greatest : greatest + 1;
}

// The events of `mine` that upstream does not have in `news`. An event that upstream has of ours
// stands there at the very position at which we pushed it, since upstream takes a push only where
// it continues its head; so both lists are looked through once, by position.
//
// It need not be a confirmed prefix: a client-only event is not pushed further than the leader, so
// an upstream behind it may have the synced events after it and not itself.
std::vector<Event> WithoutKnown(std::span<const Event> mine, std::span<const Event> news) {
  std::vector<Event> rest;
  rest.reserve(mine.size());
  auto theirs = news.begin();
  for (const Event& event : mine) {
    while (theirs != news.end() && ComparePosition(theirs->seq, event.seq) < 0) ++theirs;
    if (theirs == news.end() || !SameEvent(event, *theirs)) rest.push_back(event);
  }
  return rest;
}

}  // namespace

Result<MergeOutcome> Merge(const SyncState& state, std::span<const Event> upstream) {
  LS_CHECK(Continues(state.upstream_head, state.pending));
  if (!Continues(state.upstream_head, upstream)) {
    return Error{ErrorCode::kUpstreamGap, "upstream events from " + ToString(upstream.front().seq) +
                                              " to " + ToString(upstream.back().seq) +
                                              " do not continue the upstream head " +
                                              ToString(state.upstream_head)};
  }
  MergeOutcome outcome;
  outcome.upstream_head = state.upstream_head;
  if (upstream.empty()) return outcome;
  outcome.upstream_head = upstream.back().seq;

  // Upstream keeps the order in which we pushed, so what it confirms is a prefix of pending.
  const std::span<const Event> pending(state.pending);
  const auto diverge =
      std::mismatch(pending.begin(), pending.end(), upstream.begin(), upstream.end(), SameEvent);
  outcome.confirmed = static_cast<size_t>(diverge.first - pending.begin());
  const auto open = pending.subspan(outcome.confirmed);
  const auto news = upstream.subspan(outcome.confirmed);
  if (news.empty()) return outcome;  // Only confirmations; what is open stays where it is.

  outcome.materialize.assign(news.begin(), news.end());
  if (!open.empty()) {
    outcome.roll_back = open.size();
    outcome.rebased = WithoutKnown(open, news);
    Renumber(outcome.rebased, outcome.upstream_head, NextGeneration(state, upstream));
  }
  LS_CHECK(outcome.confirmed + outcome.roll_back == state.pending.size());
  LS_CHECK(Continues(outcome.upstream_head, outcome.rebased));
  return outcome;
}

MergeOutcome MergeWithout(const SyncState& state, size_t index) {
  LS_CHECK(Continues(state.upstream_head, state.pending));
  LS_CHECK(index < state.pending.size());
  MergeOutcome outcome;
  outcome.upstream_head = state.upstream_head;
  const auto from = state.pending.begin() + static_cast<ptrdiff_t>(index);
  outcome.roll_back = state.pending.size() - index;
  outcome.rebased.assign(std::next(from), state.pending.end());
  const SeqNum& base = index == 0 ? state.upstream_head : std::prev(from)->seq;
  Renumber(outcome.rebased, base, NextGeneration(state, {}));
  return outcome;
}

}  // namespace livestore

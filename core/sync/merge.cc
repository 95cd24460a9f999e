#include "core/sync/merge.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
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

// Where pending and upstream part.
struct Parting {
  size_t confirmed = 0;  // Of pending, from the front: stay.
  size_t settled = 0;    // Of pending, from the front: upstream is done with them. >= confirmed.
  size_t matched = 0;    // Of upstream, from the front: here already.
};

// Upstream keeps the order in which we pushed, so what it confirms is a prefix of pending. An equal
// event beyond what is known to be ours is of an earlier life of this session.
Parting PartByPrefix(std::span<const Event> pending, std::span<const Event> upstream,
                     std::optional<size_t> known) {
  const auto parted =
      std::mismatch(pending.begin(), pending.end(), upstream.begin(), upstream.end(), SameEvent);
  const auto equal = static_cast<size_t>(parted.first - pending.begin());
  const size_t confirmed = std::min(equal, known.value_or(equal));
  return {.confirmed = confirmed, .settled = known.value_or(confirmed), .matched = confirmed};
}

// The same for an upstream that never sees client-only events.
Parting PartBySynced(std::span<const Event> pending, std::span<const Event> upstream) {
  size_t matched = 0;
  size_t confirmed = 0;
  for (; confirmed < pending.size(); ++confirmed) {
    if (pending[confirmed].client_only()) continue;
    if (matched == upstream.size() || !SameEvent(pending[confirmed], upstream[matched])) break;
    ++matched;
  }
  return {.confirmed = confirmed, .settled = confirmed, .matched = matched};
}

bool AllSynced(std::span<const Event> events) {
  return std::ranges::none_of(events, &Event::client_only);
}

}  // namespace

Result<MergeOutcome> Merge(const SyncState& state, std::span<const Event> upstream,
                           const UpstreamRule& rule) {
  LS_CHECK(Continues(state.upstream_head, state.pending));
  LS_CHECK(!rule.known || (*rule.known <= state.pending.size() && !rule.synced_only));
  LS_CHECK(!rule.synced_only || (state.upstream_head.client == 0 && AllSynced(upstream)));
  if (!Continues(state.upstream_head, upstream)) {
    return Error{ErrorCode::kUpstreamGap, "upstream events from " + ToString(upstream.front().seq) +
                                              " to " + ToString(upstream.back().seq) +
                                              " do not continue the upstream head " +
                                              ToString(state.upstream_head)};
  }
  const std::span<const Event> pending(state.pending);
  const Parting parting = rule.synced_only ? PartBySynced(pending, upstream)
                                           : PartByPrefix(pending, upstream, rule.known);
  const auto news = upstream.subspan(parting.matched);
  MergeOutcome outcome;
  outcome.upstream_head = upstream.empty() ? state.upstream_head : upstream.back().seq;
  outcome.confirmed = parting.confirmed;
  outcome.materialize.assign(news.begin(), news.end());

  // What is open stays in place only if nothing comes before it, and nothing of it goes.
  if (!news.empty() || parting.settled > parting.confirmed) {
    const auto rest = pending.subspan(parting.settled);
    outcome.roll_back = pending.size() - parting.confirmed;
    outcome.rebased.assign(rest.begin(), rest.end());
    Renumber(outcome.rebased, outcome.upstream_head, NextGeneration(state, upstream));
  }
  LS_CHECK(outcome.confirmed + outcome.roll_back <= state.pending.size());
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

// Merge: what a node does when its upstream speaks. All of rebase is this one pure function.
//
// A node is a client session, whose upstream is the leader; the leader, whose upstream is the sync
// backend, follows the same rule.
//
//     upstream_head        local head
//          e3   -->  e4'  -->  e5'
//                    '-- pending --'
//
// Invariant of SyncState, checked on entry and kept: pending continues upstream_head without a gap.
//
// Rebased events get a generation greater than every one in sight, so that it grows from rebase to
// rebase: a copy of an event that was pushed before a rebase never looks like the copy after it.
//
// No I/O, no clock, no global: a test calls Merge with literals.

#pragma once

#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/event/event.h"

namespace livestore {

struct SyncState {
  SeqNum upstream_head;
  std::vector<Event> pending;  // Oldest first. Committed here, not confirmed by upstream yet.

  [[nodiscard]] SeqNum local_head() const {
    return pending.empty() ? upstream_head : pending.back().seq;
  }
};

struct MergeOutcome {
  SeqNum upstream_head;            // After the merge.
  size_t confirmed = 0;            // How many of pending, from its front, upstream confirmed.
  size_t roll_back = 0;            // How many of pending, from its back, to revert, newest first.
  std::vector<Event> materialize;  // Upstream's news: materialize these, oldest first,
  std::vector<Event> rebased;      // then these, which replace what was rolled back.
};

// Returns how to follow `upstream`: the events upstream added after state.upstream_head, in order.
// Nothing to roll back means advance, else rebase: everything pending that is not confirmed is
// rolled back. Own events that upstream already has (a crash after our push and before its answer)
// are not applied twice: they leave `rebased`. Fails with kUpstreamGap if they do not continue
// upstream_head; then pull again from there.
Result<MergeOutcome> Merge(const SyncState& state, std::span<const Event> upstream);

// Takes the pending event at `index` out (upstream refused it for good): everything from it on is
// rolled back, and what came after it is rebased. REQUIRES: index < state.pending.size().
MergeOutcome MergeWithout(const SyncState& state, size_t index);

}  // namespace livestore

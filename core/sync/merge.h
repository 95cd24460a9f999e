// Merge: what a node does when its upstream speaks. All of rebase is this one pure function.
//
// A node is a client session, whose upstream is the leader, or the leader, whose upstream is the
// sync backend.
//
//     upstream_head        local head
//          e3   -->  e4'  -->  e5'
//                    '-- pending --'
//
// Invariant of SyncState, checked on entry and kept: pending continues upstream_head without a gap.
// A leader's upstream_head is the last event of its backend's, e3, and pending all of its log after
// that: so the client-only e3.1 is pending for as long as e3 is the backend's last, although nobody
// will ever confirm it.
//
// Rebased events get a generation greater than every one in sight, so that it grows from rebase to
// rebase: a copy of an event that was pushed before a rebase never looks like the copy after it.
//
// No I/O, no clock, no global: a test calls Merge with literals.

#pragma once

#include <optional>
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

// What is known of upstream besides its events.
struct UpstreamRule {
  // How many of pending, from the front, upstream is done with: they are among its events, maybe
  // renumbered, or it refused them. REQUIRES: at most all of pending. Without it own events are
  // recognised by being equal and at the same position, and only before any of others, which
  // suffices where upstream takes a push only if it continues its head.
  std::optional<size_t> known{};
  // Upstream is a sync backend: client-only events are never among its events. Those before the
  // first synced pending event that upstream does not confirm stay where they are. REQUIRES: no
  // `known`, and no client-only event at upstream_head or after it in upstream.
  bool synced_only = false;
};

struct MergeOutcome {
  SeqNum upstream_head;  // After the merge: the last of upstream's events.
  size_t confirmed = 0;  // How many of pending, from its front, keep their place for good.
  size_t roll_back = 0;  // How many of pending, from its back, to revert, newest first.
  std::vector<Event> materialize;  // Upstream's news: materialize these, oldest first,
  std::vector<Event> rebased;      // then these, which replace what was rolled back.
};

// Returns how to follow `upstream`: the events upstream added after state.upstream_head, in order.
// Nothing to roll back means advance, else rebase: everything pending that is not confirmed is
// rolled back. Own events that upstream has are not applied twice: `known` ones that it has
// elsewhere are rolled back and not rebased. Fails with kUpstreamGap if upstream's events do not
// continue upstream_head; then pull again from there.
//
// With `synced_only`, `confirmed` counts the synced events that upstream has, and all client-only
// ones before the first synced event that it does not have: e3.1, e4 and e4.1 of e3.1, e4, e4.1, e5
// if upstream says e4. The news then follow them in the log: e3.1, e4, e4.1, B:e5.
Result<MergeOutcome> Merge(const SyncState& state, std::span<const Event> upstream,
                           const UpstreamRule& rule = {});

// Takes the pending event at `index` out (upstream refused it for good): everything from it on is
// rolled back, and what came after it is rebased. REQUIRES: index < state.pending.size().
MergeOutcome MergeWithout(const SyncState& state, size_t index);

}  // namespace livestore

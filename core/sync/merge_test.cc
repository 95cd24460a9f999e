// Events are written as in the documents: e3 synced, e3.1 client-only after it, ' for one that is
// pending here, B: for one of another client.

#include "core/sync/merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"

namespace livestore {
namespace {

// SplitMix64: the same story for the same seed, everywhere.
class Prng {
 public:
  explicit Prng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

SeqNum Seq(std::string_view text) {
  const auto seq = ParseSeqNum(text);
  LS_CHECK(seq.ok());
  return *seq;
}

// "e4 add" or "B:e4 add": position and name; without a name all events look the same.
Event Make(std::string_view text) {
  Event event;
  event.client_id = "A";
  if (text.starts_with("B:")) {
    event.client_id = "B";
    text.remove_prefix(2);
  }
  const size_t space = text.find(' ');
  event.seq = Seq(text.substr(0, space));
  event.name = space == std::string_view::npos ? "e" : std::string(text.substr(space + 1));
  event.args_json = "{}";
  event.session_id = event.client_id + "1";
  return event;
}

std::vector<Event> Events(std::initializer_list<std::string_view> texts) {
  std::vector<Event> events;
  for (const std::string_view text : texts) events.push_back(Make(text));
  return events;
}

SyncState State(std::string_view upstream_head, std::initializer_list<std::string_view> pending) {
  return {.upstream_head = Seq(upstream_head), .pending = Events(pending)};
}

std::string Text(std::span<const Event> events) {
  std::string text;
  for (const Event& event : events) {
    if (!text.empty()) text += ", ";
    if (event.client_id != "A") text += event.client_id + ":";
    text += ToString(event.seq);
    if (event.name != "e") text += " " + event.name;
  }
  return text;
}

// The whole outcome in one line, to be compared with the line that is expected.
std::string Text(const Result<MergeOutcome>& outcome) {
  if (!outcome.ok()) return std::string(ErrorCodeName(outcome.error().code));
  std::string text = "head " + ToString(outcome->upstream_head);
  if (outcome->confirmed > 0) text += ", confirmed " + std::to_string(outcome->confirmed);
  if (outcome->roll_back > 0) text += ", roll back " + std::to_string(outcome->roll_back);
  if (!outcome->materialize.empty()) text += ", news [" + Text(outcome->materialize) + "]";
  if (!outcome->rebased.empty()) text += ", rebased [" + Text(outcome->rebased) + "]";
  return text;
}

std::string Merged(const SyncState& state, std::initializer_list<std::string_view> upstream,
                   const UpstreamRule& rule = {}) {
  return Text(Merge(state, Events(upstream), rule));
}

// As a session that knows how many of its pending events upstream is done with.
std::string MergedKnown(size_t known, const SyncState& state,
                        std::initializer_list<std::string_view> upstream) {
  return Merged(state, upstream, {.known = known});
}

// As a leader whose upstream is a sync backend.
std::string MergedSynced(const SyncState& state, std::initializer_list<std::string_view> upstream) {
  return Merged(state, upstream, {.synced_only = true});
}

// What a node does with an outcome. The numbers of its pending events are those of the merge.
SyncState Follow(SyncState state, const MergeOutcome& outcome) {
  auto& pending = state.pending;
  LS_CHECK(outcome.confirmed + outcome.roll_back <= pending.size());
  pending.erase(pending.end() - static_cast<ptrdiff_t>(outcome.roll_back), pending.end());
  pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(outcome.confirmed));
  pending.insert(pending.end(), outcome.rebased.begin(), outcome.rebased.end());
  state.upstream_head = outcome.upstream_head;
  return state;
}

// ---- The cases, one by one -------------------------------------------------------------------

TEST(MergeTest, NothingNewChangesNothing) {
  EXPECT_EQ(Merged(State("e0", {}), {}), "head e0");
  EXPECT_EQ(Merged(State("e3r1", {"e4", "e5"}), {}), "head e3r1");
}

TEST(MergeTest, ForeignEventsWithoutPendingAreMaterialized) {
  EXPECT_EQ(Merged(State("e0", {}), {"B:e1", "B:e1.1", "B:e2"}),
            "head e2, news [B:e1, B:e1.1, B:e2]");
}

TEST(MergeTest, OwnEventIsConfirmed) {
  EXPECT_EQ(Merged(State("e0", {"e1"}), {"e1"}), "head e1, confirmed 1");
}

TEST(MergeTest, AFirstPartOfPendingIsConfirmedAndTheRestStays) {
  EXPECT_EQ(Merged(State("e0", {"e1", "e2"}), {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(Merged(State("e3", {"e3.1", "e4", "e4.1", "e5"}), {"e3.1", "e4"}),
            "head e4, confirmed 2");
}

TEST(MergeTest, NewsBehindWhatIsConfirmedAdvances) {
  EXPECT_EQ(Merged(State("e0", {"e1"}), {"e1", "B:e1.1"}), "head e1.1, confirmed 1, news [B:e1.1]");
}

TEST(MergeTest, ForeignEventRebasesPendingOntoIt) {
  EXPECT_EQ(Merged(State("e0", {"e1 mine"}), {"B:e1 theirs"}),
            "head e1, roll back 1, news [B:e1 theirs], rebased [e2r1 mine]");
  EXPECT_EQ(Merged(State("e3", {"e4 a", "e5 b"}), {"B:e4 x"}),
            "head e4, roll back 2, news [B:e4 x], rebased [e5r1 a, e6r1 b]");
}

TEST(MergeTest, TheSameFactOfAnotherClientIsAnotherEvent) {
  EXPECT_EQ(Merged(State("e0", {"e1"}), {"B:e1"}),
            "head e1, roll back 1, news [B:e1], rebased [e2r1]");
}

TEST(MergeTest, ClientOnlyNewsRebasesASyncedPendingEventInPlace) {
  // e1' was on e0; now it is on e0.1. Its position is the same, what lies under it is not.
  EXPECT_EQ(Merged(State("e0", {"e1"}), {"B:e0.1"}),
            "head e0.1, roll back 1, news [B:e0.1], rebased [e1r1]");
  const auto outcome = Merge(State("e0", {"e1"}), Events({"B:e0.1"}));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ToString(outcome->rebased[0].parent), "e0");
}

TEST(MergeTest, DivergenceAfterAConfirmedPartRollsBackOnlyTheRest) {
  EXPECT_EQ(Merged(State("e0", {"e1", "e1.1 mine"}), {"e1", "B:e1.1", "B:e1.2", "B:e2"}),
            "head e2, confirmed 1, roll back 1, news [B:e1.1, B:e1.2, B:e2], "
            "rebased [e2.1r1 mine]");
}

TEST(MergeTest, EverythingDivergesAtTheFirstForeignEvent) {
  EXPECT_EQ(Merged(State("e0", {"e1 a", "e1.1 b"}), {"B:e1", "B:e1.1", "B:e1.2", "B:e2"}),
            "head e2, roll back 2, news [B:e1, B:e1.1, B:e1.2, B:e2], "
            "rebased [e3r1 a, e3.1r1 b]");
}

TEST(MergeTest, PendingClientOnlyEventsMoveOntoASyncedNews) {
  EXPECT_EQ(Merged(State("e3", {"e3.1 mine"}), {"B:e4"}),
            "head e4, roll back 1, news [B:e4], rebased [e4.1r1 mine]");
  EXPECT_EQ(Merged(State("e3", {"e3.1 a", "e3.2 b", "e4 c", "e4.1 d"}), {"B:e4"}),
            "head e4, roll back 4, news [B:e4], rebased [e4.1r1 a, e4.2r1 b, e5r1 c, e5.1r1 d]");
}

TEST(MergeTest, KeyOrderAndSpacesInArgumentsDoNotRebase) {
  SyncState state = State("e0", {"e1"});
  state.pending[0].args_json = R"({"a":1,"b":2})";
  std::vector<Event> upstream = Events({"e1"});
  upstream[0].args_json = R"({ "b":2, "a":1 })";
  EXPECT_EQ(Text(Merge(state, upstream)), "head e1, confirmed 1");
  upstream[0].args_json = R"({"a":1,"b":3})";
  EXPECT_EQ(Text(Merge(state, upstream)), "head e1, roll back 1, news [e1], rebased [e2r1]");
}

TEST(MergeTest, GenerationDoesNotMatterForConfirmation) {
  const auto outcome = Merge(State("e3", {"e4r2"}), Events({"e4"}));
  EXPECT_EQ(Text(outcome), "head e4, confirmed 1");
}

TEST(MergeTest, WithoutCountersAnEqualEventAtAnotherPositionIsAnotherEvent) {
  EXPECT_EQ(Merged(State("e3", {"e4 add"}), {"B:e4", "e5 add"}),
            "head e5, roll back 1, news [B:e4, e5 add], rebased [e6r1 add]");
}

TEST(MergeTest, UpstreamThatDoesNotContinueTheHeadIsAGap) {
  EXPECT_EQ(Merged(State("e1", {}), {"B:e3"}), "UpstreamGap");
  EXPECT_EQ(Merged(State("e1", {}), {"B:e1"}), "UpstreamGap");
  EXPECT_EQ(Merged(State("e2", {}), {"B:e1"}), "UpstreamGap");
  EXPECT_EQ(Merged(State("e1", {}), {"B:e2", "B:e4"}), "UpstreamGap");
  EXPECT_EQ(Merged(State("e1", {}), {"B:e2", "B:e2"}), "UpstreamGap");
  // Two rows of the known case table that have a gap in front of the head of this node.
  EXPECT_EQ(Merged(State("e0", {"e1"}), {"B:e1.1"}), "UpstreamGap");
  EXPECT_EQ(Merged(State("e0", {"e1", "e1.1"}), {"e1", "B:e1.2", "B:e1.3", "B:e2"}), "UpstreamGap");
}

TEST(MergeTest, AGapIsNamed) {
  const auto outcome = Merge(State("e1", {"e2"}), Events({"B:e3", "B:e4r1"}));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().message,
            "upstream events from e3 to e4r1 do not continue the upstream head e1");
}

TEST(MergeTest, ParentsOfRebasedEventsAreTheNewOnes) {
  const auto outcome = Merge(State("e3", {"e3.1", "e4", "e5"}), Events({"B:e4r7"}));
  ASSERT_TRUE(outcome.ok());
  ASSERT_EQ(outcome->rebased.size(), 3u);
  EXPECT_EQ(ToString(outcome->rebased[0].parent), "e4r7");
  EXPECT_EQ(ToString(outcome->rebased[1].parent), "e4r8");
  EXPECT_EQ(ToString(outcome->rebased[2].parent), "e5r8");
}

TEST(MergeTest, GenerationIsOneMoreThanAnyInSight) {
  EXPECT_EQ(Merged(State("e3r5", {"e4"}), {"B:e4"}),
            "head e4, roll back 1, news [B:e4], rebased [e5r6]");
  EXPECT_EQ(Merged(State("e3", {"e4r5", "e5"}), {"B:e4"}),
            "head e4, roll back 2, news [B:e4], rebased [e5r6, e6r6]");
  EXPECT_EQ(Merged(State("e3", {"e4"}), {"B:e4r5", "B:e5"}),
            "head e5, roll back 1, news [B:e4r5, B:e5], rebased [e6r6]");
}

TEST(MergeTest, GenerationGrowsFromRebaseToRebase) {
  SyncState state = State("e0", {"e1", "e1.1"});
  uint32_t last = 0;
  for (uint64_t global = 1; global <= 20; ++global) {
    // A foreign event has generation 0 every time: the clock must not follow it back.
    Event foreign = Make("B:e1");
    foreign.seq.global = global;
    const auto outcome = Merge(state, std::span(&foreign, 1));
    ASSERT_TRUE(outcome.ok());
    EXPECT_GT(outcome->rebased[0].seq.generation, last);
    last = outcome->rebased[0].seq.generation;
    state = Follow(state, *outcome);
  }
}

TEST(MergeTest, GenerationStandsStillAtTheEndOfItsRange) {
  const auto outcome = Merge(State("e3", {"e4"}), Events({"B:e4r4294967295"}));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->rebased[0].seq.generation, UINT32_MAX);
}

// ---- A session, which knows how many of its events the leader has ----------------------------

TEST(MergeKnownTest, WhatIsEqualInItsPlaceIsConfirmed) {
  EXPECT_EQ(MergedKnown(0, State("e0", {}), {}), "head e0");
  EXPECT_EQ(MergedKnown(0, State("e0", {"e1"}), {}), "head e0");
  EXPECT_EQ(MergedKnown(1, State("e0", {"e1"}), {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(MergedKnown(1, State("e0", {"e1", "e2"}), {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(MergedKnown(2, State("e3", {"e3.1", "e4", "e5"}), {"e3.1", "e4"}),
            "head e4, confirmed 2");
  EXPECT_EQ(MergedKnown(1, State("e0", {"e1"}), {"e1", "B:e2"}),
            "head e2, confirmed 1, news [B:e2]");
}

TEST(MergeKnownTest, OwnEventsThatUpstreamRenumberedAreNotAppliedTwice) {
  EXPECT_EQ(MergedKnown(1, State("e3", {"e4 a"}), {"B:e4", "e5 a"}),
            "head e5, roll back 1, news [B:e4, e5 a]");
  EXPECT_EQ(MergedKnown(1, State("e3", {"e4 a", "e5 b"}), {"B:e4", "e5r1 a"}),
            "head e5r1, roll back 2, news [B:e4, e5r1 a], rebased [e6r2 b]");
  EXPECT_EQ(MergedKnown(2, State("e3", {"e4 a", "e4.1 b", "e5 c"}), {"e4 a", "B:e5", "e5.1 b"}),
            "head e5.1, confirmed 1, roll back 2, news [B:e5, e5.1 b], rebased [e6r1 c]");
  EXPECT_EQ(MergedKnown(3, State("e3", {"e3.1 local", "e4 a", "e5 b"}),
                        {"e4 a", "e4.1 local", "e5 b", "B:e6"}),
            "head e6, roll back 3, news [e4 a, e4.1 local, e5 b, B:e6]");
}

TEST(MergeKnownTest, WhatUpstreamTookAndRefusedGoes) {
  // e4' was refused: it is in no log, and e5' comes into its place.
  EXPECT_EQ(MergedKnown(1, State("e3", {"e4 a"}), {}), "head e3, roll back 1");
  EXPECT_EQ(MergedKnown(1, State("e3", {"e4 a", "e5 b"}), {}),
            "head e3, roll back 2, rebased [e4r1 b]");
  EXPECT_EQ(MergedKnown(2, State("e3", {"e4 a", "e5 b", "e6 c"}), {"e4 a"}),
            "head e4, confirmed 1, roll back 2, rebased [e5r1 c]");
  EXPECT_EQ(MergedKnown(2, State("e3", {"e4 a", "e5 b", "e6 c"}), {"e4 b"}),
            "head e4, roll back 3, news [e4 b], rebased [e5r1 c]");
  EXPECT_EQ(MergedKnown(2, State("e3", {"e3.1 a", "e4 b", "e4.1 c"}), {"e3.1 a"}),
            "head e3.1, confirmed 1, roll back 2, rebased [e3.2r1 c]");
}

TEST(MergeKnownTest, AnEqualEventThatIsNotKnownToBeOursIsAnother) {
  // The same session of an earlier life, or another tab that thinks it is the same.
  EXPECT_EQ(MergedKnown(0, State("e0", {"e1 a"}), {"e1 a"}),
            "head e1, roll back 1, news [e1 a], rebased [e2r1 a]");
  EXPECT_EQ(MergedKnown(1, State("e0", {"e1 a", "e2 a"}), {"e1 a", "e2 a"}),
            "head e2, confirmed 1, roll back 1, news [e2 a], rebased [e3r1 a]");
}

TEST(MergeKnownTest, ForeignEventsRebaseWhatUpstreamDoesNotHave) {
  EXPECT_EQ(MergedKnown(0, State("e3", {"e3.1 a", "e4 b"}), {"B:e4"}),
            "head e4, roll back 2, news [B:e4], rebased [e4.1r1 a, e5r1 b]");
  EXPECT_EQ(MergedKnown(0, State("e3", {"e4"}), {"B:e5"}), "UpstreamGap");
}

// ---- A leader, whose backend sees synced events only -----------------------------------------

TEST(MergeSyncedTest, ClientOnlyEventsBeforeAndAfterConfirmedOnesStay) {
  EXPECT_EQ(MergedSynced(State("e0", {}), {}), "head e0");
  EXPECT_EQ(MergedSynced(State("e0", {"e0.1", "e1"}), {"e1"}), "head e1, confirmed 2");
  EXPECT_EQ(MergedSynced(State("e0", {"e0.1", "e1", "e1.1"}), {"e1", "B:e2"}),
            "head e2, confirmed 3, news [B:e2]");
  EXPECT_EQ(MergedSynced(State("e3", {"e3.1", "e4", "e4.1", "e5"}), {"e4"}),
            "head e4, confirmed 3");
}

TEST(MergeSyncedTest, ClientOnlyEventsAloneNeverRebase) {
  EXPECT_EQ(MergedSynced(State("e3", {"e3.1", "e3.2"}), {"B:e4", "B:e5"}),
            "head e5, confirmed 2, news [B:e4, B:e5]");
  EXPECT_EQ(MergedSynced(State("e3", {"e3.1", "e4"}), {}), "head e3, confirmed 1");
}

TEST(MergeSyncedTest, WhatTheBackendDoesNotSayYetStays) {
  EXPECT_EQ(MergedSynced(State("e0", {"e1", "e2"}), {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(MergedSynced(State("e0", {"e1", "e1.1", "e2", "e2.1"}), {"e1"}),
            "head e1, confirmed 2");
}

TEST(MergeSyncedTest, ADivergenceRollsBackFromTheFirstSyncedEventThatDiffers) {
  EXPECT_EQ(MergedSynced(State("e0", {"e1 a"}), {"B:e1"}),
            "head e1, roll back 1, news [B:e1], rebased [e2r1 a]");
  EXPECT_EQ(MergedSynced(State("e0", {"e0.1 x", "e1 a", "e1.1 y"}), {"B:e1"}),
            "head e1, confirmed 1, roll back 2, news [B:e1], rebased [e2r1 a, e2.1r1 y]");
  EXPECT_EQ(
      MergedSynced(State("e0", {"e0.1 x", "e1 a", "e1.1 y", "e2 b", "e2.1 z"}), {"e1 a", "B:e2"}),
      "head e2, confirmed 3, roll back 2, news [B:e2], rebased [e3r1 b, e3.1r1 z]");
  EXPECT_EQ(MergedSynced(State("e3", {"e4 a", "e4.1 x", "e5 b"}), {"B:e4", "B:e5", "B:e6"}),
            "head e6, roll back 3, news [B:e4, B:e5, B:e6], rebased [e7r1 a, e7.1r1 x, e8r1 b]");
}

TEST(MergeSyncedTest, ClientOnlyEventsOfALogStayPendingBehindTheBackendsHead) {
  // e3.1 was confirmed with e3, and is still after the head e3 when e4 comes.
  EXPECT_EQ(MergedSynced(State("e3", {"e3.1", "e3.2", "e4 a"}), {"e4 a"}), "head e4, confirmed 3");
  EXPECT_EQ(MergedSynced(State("e3", {"e3.1", "e3.2", "e4 a"}), {"B:e4"}),
            "head e4, confirmed 2, roll back 1, news [B:e4], rebased [e5r1 a]");
}

TEST(MergeSyncedTest, AGapIsAGap) {
  EXPECT_EQ(MergedSynced(State("e3", {"e3.1"}), {"B:e5"}), "UpstreamGap");
  EXPECT_EQ(MergedSynced(State("e3", {}), {"B:e3"}), "UpstreamGap");
}

// ---- LiveStore's own table of cases ----------------------------------------------------------
// Pending, what upstream says, outcome. Where LiveStore's outcome is another it is said.

TEST(MergeTableTest, Session) {
  const auto merged = [](size_t known, std::initializer_list<std::string_view> pending,
                         std::initializer_list<std::string_view> upstream) {
    const std::string text = MergedKnown(known, State("e0", pending), upstream);
    // Where nothing of ours is behind a foreign event, equality finds the same.
    EXPECT_EQ(Merged(State("e0", pending), upstream), text);
    return text;
  };
  EXPECT_EQ(merged(1, {"e1"}, {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(merged(1, {"e1", "e2"}, {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(merged(1, {"e1"}, {"e1", "B:e1.1"}), "head e1.1, confirmed 1, news [B:e1.1]");
  EXPECT_EQ(merged(0, {"e1"}, {"B:e1"}), "head e1, roll back 1, news [B:e1], rebased [e2r1]");
  EXPECT_EQ(merged(1, {"e1", "e1.1"}, {"e1", "B:e1.1", "B:e1.2", "B:e2"}),
            "head e2, confirmed 1, roll back 1, news [B:e1.1, B:e1.2, B:e2], rebased [e2.1r1]");
  EXPECT_EQ(merged(0, {"e1", "e1.1"}, {"B:e1", "B:e1.1", "B:e1.2", "B:e2"}),
            "head e2, roll back 2, news [B:e1, B:e1.1, B:e1.2, B:e2], rebased [e3r1, e3.1r1]");
  // LiveStore takes these three as they are; something is missing in front of each.
  EXPECT_EQ(merged(0, {"e1"}, {"B:e1.1"}), "UpstreamGap");
  EXPECT_EQ(merged(1, {"e1", "e1.1"}, {"e1", "B:e1.2", "B:e1.3", "B:e2"}), "UpstreamGap");
  EXPECT_EQ(merged(0, {"e1", "e1.1"}, {"B:e1.1", "B:e1.2", "B:e1.3", "B:e2"}), "UpstreamGap");
}

TEST(MergeTableTest, Leader) {
  const auto merged = [](std::initializer_list<std::string_view> pending,
                         std::initializer_list<std::string_view> upstream) {
    return MergedSynced(State("e0", pending), upstream);
  };
  EXPECT_EQ(merged({"e1"}, {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(merged({"e1", "e2"}, {"e1"}), "head e1, confirmed 1");
  EXPECT_EQ(merged({"e0.1", "e1"}, {"e1"}), "head e1, confirmed 2");
  EXPECT_EQ(merged({"e0.1", "e1", "e1.1"}, {"e1", "B:e2"}), "head e2, confirmed 3, news [B:e2]");
  EXPECT_EQ(merged({"e1"}, {"B:e1"}), "head e1, roll back 1, news [B:e1], rebased [e2r1]");
  // LiveStore takes the index among the synced events for one among all, and rolls back from the
  // first pending event here, e0.1.
  EXPECT_EQ(merged({"e0.1", "e0.2", "e1", "e2"}, {"e1", "B:e2"}),
            "head e2, confirmed 3, roll back 1, news [B:e2], rebased [e3r1]");
  EXPECT_EQ(merged({"e0.1", "e1"}, {"B:e1"}),
            "head e1, confirmed 1, roll back 1, news [B:e1], rebased [e2r1]");
}

TEST(MergeTableTest, APushThatDoesNotContinueTheHeadIsNotAdmitted) {
  EXPECT_FALSE(Continues(Seq("e1.1"), Events({"e1.1", "e1.2"})));
  EXPECT_TRUE(Continues(Seq("e1.1"), Events({"e1.2", "e1.3"})));
  // LiveStore takes a gap.
  EXPECT_FALSE(Continues(Seq("e1"), Events({"e3"})));
}

TEST(MergeTableTest, ArgumentsAreComparedAsJson) {
  SyncState state = State("e0", {"e1"});
  state.pending[0].args_json = R"({"a":1,"b":[2]})";
  std::vector<Event> upstream = Events({"e1"});
  upstream[0].args_json = R"({"b":[2],"a":1})";
  EXPECT_EQ(Text(Merge(state, upstream, {.known = 1})), "head e1, confirmed 1");
  EXPECT_EQ(Text(Merge(state, upstream, {.synced_only = true})), "head e1, confirmed 1");
}

TEST(MergeDeathTest, PendingThatDoesNotContinueItsHeadIsABug) {
  EXPECT_DEATH((void)Merge(State("e3", {"e5"}), {}), "check failed");
  EXPECT_DEATH((void)Merge(State("e3", {"e4", "e6"}), {}), "check failed");
  EXPECT_DEATH((void)MergeWithout(State("e3", {"e4"}), 1), "check failed");
}

TEST(MergeDeathTest, ARuleThatCannotBeIsABug) {
  EXPECT_DEATH((void)Merge(State("e3", {"e4"}), {}, {.known = 2}), "check failed");
  EXPECT_DEATH((void)Merge(State("e3", {}), {}, {.known = 0, .synced_only = true}), "check failed");
  EXPECT_DEATH((void)Merge(State("e3.1", {}), {}, {.synced_only = true}), "check failed");
  EXPECT_DEATH((void)Merge(State("e3", {}), Events({"B:e3.1"}), {.synced_only = true}),
               "check failed");
}

TEST(MergeWithoutTest, WhatCameAfterTheRefusedEventIsRebased) {
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e4 a", "e5 b", "e6 c"}), 0)),
            "head e3, roll back 3, rebased [e4r1 b, e5r1 c]");
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e4 a", "e5 b", "e6 c"}), 1)),
            "head e3, roll back 2, rebased [e5r1 c]");
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e4 a", "e5r2 b", "e6 c"}), 2)), "head e3, roll back 1");
}

TEST(MergeWithoutTest, ClientOnlyEventsCloseTheGap) {
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e3.1 a", "e3.2 b", "e4 c"}), 0)),
            "head e3, roll back 3, rebased [e3.1r1 b, e4r1 c]");
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e3.1 a", "e4 b", "e4.1 c", "e5 d"}), 1)),
            "head e3, roll back 3, rebased [e3.2r1 c, e4r1 d]");
  // Of a leader's log: the backend's head is e3, and e3.1 has its place already.
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e3.1 a", "e4 b", "e5 c"}), 1)),
            "head e3, roll back 2, rebased [e4r1 c]");
  EXPECT_EQ(Text(MergeWithout(State("e3", {"e4 a", "e4.1 b", "e5 c", "e5.1 d"}), 2)),
            "head e3, roll back 2, rebased [e4.2r1 d]");
}

// ---- Properties ------------------------------------------------------------------------------

std::string RandomName(Prng& prng) {
  return std::string(1, static_cast<char>('a' + prng.Below(3)));
}

std::vector<Event> RandomRun(Prng& prng, SeqNum head, size_t count, const std::string& client) {
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    Event event = Make("e1");
    event.args_json = std::to_string(i);
    SeqNumPair next = NextSeqNum(head, prng.OneIn(3));
    if (prng.OneIn(4)) next.seq.generation = static_cast<uint32_t>(prng.Below(4));
    event.seq = next.seq;
    event.parent = next.parent;
    event.name = RandomName(prng);
    event.client_id = client;
    event.session_id = client + "1";
    head = next.seq;
    events.push_back(std::move(event));
  }
  return events;
}

// A node in any state, and news that its upstream may really send. Arguments number the pending
// events, so that each one is found again wherever it went.
struct Story {
  SyncState state;
  std::vector<Event> upstream;
  bool synced_only = false;
  // Of a session: known[n] of its pending events upstream is done with when it has said n events.
  std::vector<size_t> known;

  // For upstream's first `cut` events, for those after them, and for all.
  [[nodiscard]] UpstreamRule first_rule(size_t cut) const {
    if (synced_only) return {.synced_only = true};
    return {.known = known[cut]};
  }
  [[nodiscard]] UpstreamRule second_rule(size_t cut) const {
    if (synced_only) return {.synced_only = true};
    return {.known = known.back() - known[cut]};
  }
  [[nodiscard]] UpstreamRule rule() const { return first_rule(upstream.size()); }
};

Event Renumbered(Prng& prng, Event event, const SeqNum& head) {
  const SeqNumPair next = NextSeqNum(head, event.client_only());
  event.seq = next.seq;
  event.parent = next.parent;
  event.seq.generation = static_cast<uint32_t>(prng.Below(4));
  return event;
}

// A leader's log: some of what the session pushed, in its order but not always at its places, some
// of it refused, others' events between.
Story SessionStory(Prng& prng) {
  Story story;
  story.state.upstream_head = {prng.Below(5), static_cast<uint32_t>(prng.Below(3)),
                               static_cast<uint32_t>(prng.Below(3))};
  story.state.pending = RandomRun(prng, story.state.upstream_head, prng.Below(6), "A");
  SeqNum head = story.state.upstream_head;
  const size_t known = prng.Below(story.state.pending.size() + 1);
  const bool in_place = prng.OneIn(3);  // Nothing comes between, as far as our events go.
  size_t foreign = prng.Below(5);
  for (size_t ours = 0; ours < known || foreign > 0;) {
    Event event;
    if (ours < known && (foreign == 0 || in_place || prng.OneIn(2))) {
      event = story.state.pending[ours++];
      if (!in_place && prng.OneIn(5)) continue;  // Refused.
      event = Renumbered(prng, event, head);
      story.known.push_back(ours - 1);
    } else {
      --foreign;
      event = RandomRun(prng, head, 1, "B")[0];
      story.known.push_back(ours);
    }
    head = event.seq;
    story.upstream.push_back(std::move(event));
  }
  story.known.push_back(known);
  return story;
}

// A backend's log: the first of the leader's synced events, then others'.
Story LeaderStory(Prng& prng) {
  Story story;
  story.synced_only = true;
  story.state.upstream_head = {prng.Below(5), 0, static_cast<uint32_t>(prng.Below(3))};
  story.state.pending = RandomRun(prng, story.state.upstream_head, prng.Below(7), "A");
  SeqNum head = story.state.upstream_head;
  for (uint64_t left = prng.Below(5); const Event& event : story.state.pending) {
    if (event.client_only()) continue;
    if (left-- == 0) break;
    story.upstream.push_back(event);
    story.upstream.back().seq.generation = 0;
    head = event.seq;
  }
  for (uint64_t left = prng.Below(4); left > 0; --left) {
    Event event = Make("B:e1");
    event.name = RandomName(prng);
    event.seq = head = NextSeqNum(head, false).seq;
    story.upstream.push_back(std::move(event));
  }
  return story;
}

Story RandomStory(uint64_t seed) {
  Prng prng(seed);
  return prng.OneIn(2) ? SessionStory(prng) : LeaderStory(prng);
}

constexpr uint64_t kStories = 10'000;

// Everything a node has after its first upstream head, in order.
std::vector<Event> FollowLog(std::vector<Event> log, const MergeOutcome& outcome) {
  LS_CHECK(outcome.roll_back <= log.size());
  log.resize(log.size() - outcome.roll_back);
  log.insert(log.end(), outcome.materialize.begin(), outcome.materialize.end());
  log.insert(log.end(), outcome.rebased.begin(), outcome.rebased.end());
  return log;
}

// Who, what, and with which arguments; not where.
std::vector<std::string> Facts(std::span<const Event> events) {
  std::vector<std::string> facts;
  for (const Event& event : events) {
    facts.push_back(event.client_id + " " + event.name + " " + event.args_json +
                    (event.client_only() ? " client-only" : ""));
  }
  return facts;
}

TEST(MergePropertyTest, PendingContinuesTheUpstreamHeadAfterEveryMerge) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(outcome.ok()) << seed;
    const SyncState next = Follow(story.state, *outcome);
    EXPECT_TRUE(Continues(next.upstream_head, next.pending)) << seed;
    const SeqNum& last =
        story.upstream.empty() ? story.state.upstream_head : story.upstream.back().seq;
    EXPECT_EQ(next.upstream_head, last) << seed;
    EXPECT_TRUE(ComparePosition(next.local_head(), last) >= 0) << seed;
    // The whole log, too: client-only events stay between the right ones.
    EXPECT_TRUE(Continues(story.state.upstream_head, FollowLog(story.state.pending, *outcome)))
        << seed;
  }
}

TEST(MergePropertyTest, UpstreamIsConfirmedOrMaterializedInItsOrderOnce) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(outcome.ok()) << seed;
    ASSERT_LE(outcome->confirmed, story.state.pending.size()) << seed;
    std::vector<Event> confirmed(
        story.state.pending.begin(),
        story.state.pending.begin() + static_cast<ptrdiff_t>(outcome->confirmed));
    if (story.synced_only) std::erase_if(confirmed, &Event::client_only);
    ASSERT_EQ(confirmed.size() + outcome->materialize.size(), story.upstream.size()) << seed;
    for (size_t i = 0; i < confirmed.size(); ++i) {
      EXPECT_TRUE(SameEvent(confirmed[i], story.upstream[i])) << seed;
    }
    EXPECT_TRUE(std::equal(outcome->materialize.begin(), outcome->materialize.end(),
                           story.upstream.begin() + static_cast<ptrdiff_t>(confirmed.size())))
        << seed;
    // What is rolled back is all that is open, or nothing.
    if (outcome->roll_back > 0) {
      EXPECT_EQ(outcome->confirmed + outcome->roll_back, story.state.pending.size()) << seed;
    } else {
      EXPECT_TRUE(outcome->rebased.empty()) << seed;
    }
  }
}

// Of a session: upstream's log, then what upstream is not done with, in order.
TEST(MergePropertyTest, ASessionHasUpstreamsLogAndThenWhatItAloneHas) {
  size_t rebased = 0;
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    if (story.synced_only) continue;
    const auto outcome = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(outcome.ok()) << seed;
    std::vector<Event> expected = story.upstream;
    expected.insert(expected.end(),
                    story.state.pending.begin() + static_cast<ptrdiff_t>(story.known.back()),
                    story.state.pending.end());
    EXPECT_EQ(Facts(FollowLog(story.state.pending, *outcome)), Facts(expected)) << seed;
    rebased += outcome->rebased.size();
  }
  EXPECT_GT(rebased, kStories / 10);
}

// Of a leader: the synced events are the backend's and then its own, nothing of its own is lost,
// and its own events keep their order, client-only ones included.
TEST(MergePropertyTest, ALeaderKeepsItsOrderAndTheBackends) {
  size_t rebased = 0;
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    if (!story.synced_only) continue;
    const auto outcome = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(outcome.ok()) << seed;
    std::vector<Event> log = FollowLog(story.state.pending, *outcome);
    std::vector<Event> ours = log;
    std::erase_if(ours, [](const Event& event) { return event.client_id != "A"; });
    EXPECT_EQ(Facts(ours), Facts(story.state.pending)) << seed;
    std::erase_if(log, &Event::client_only);
    ASSERT_GE(log.size(), story.upstream.size()) << seed;
    for (size_t i = 0; i < story.upstream.size(); ++i) {
      EXPECT_TRUE(SameEvent(log[i], story.upstream[i])) << seed;
    }
    rebased += outcome->rebased.size();
  }
  EXPECT_GT(rebased, kStories / 10);
}

// A leader rolls back no more than it must: nothing before its first synced event that differs.
TEST(MergePropertyTest, ARollBackBeginsAtASyncedEventThatDiffers) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    if (!story.synced_only) continue;
    const auto outcome = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(outcome.ok()) << seed;
    if (outcome->roll_back == 0) continue;
    const Event& first = story.state.pending[outcome->confirmed];
    EXPECT_FALSE(first.client_only()) << seed;
    const auto theirs = std::ranges::find_if(story.upstream, [&first](const Event& event) {
      return SamePosition(event.seq, first.seq);
    });
    ASSERT_TRUE(theirs != story.upstream.end()) << seed;
    EXPECT_FALSE(SameEvent(*theirs, first)) << seed;
  }
}

// Positions, too, but not generations: they count rebases, of which there may be one or two.
std::vector<std::string> WithoutGenerations(std::vector<Event> events) {
  for (Event& event : events) event.seq.generation = 0;
  std::vector<std::string> facts = Facts(events);
  for (size_t i = 0; i < events.size(); ++i) facts[i] += " at " + ToString(events[i].seq);
  return facts;
}

TEST(MergePropertyTest, TwoChunksMergeLikeOne) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto whole = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(whole.ok()) << seed;
    const auto expected = WithoutGenerations(FollowLog(story.state.pending, *whole));

    const auto upstream = std::span<const Event>(story.upstream);
    for (size_t cut = 0; cut <= upstream.size(); ++cut) {
      const auto first = Merge(story.state, upstream.first(cut), story.first_rule(cut));
      ASSERT_TRUE(first.ok()) << seed << " cut at " << cut;
      std::vector<Event> log = FollowLog(story.state.pending, *first);
      SyncState state = Follow(story.state, *first);
      if (story.synced_only) {
        // A leader's pending is all of its log after the head: confirmed client-only events again.
        state.pending.clear();
        std::ranges::copy_if(log, std::back_inserter(state.pending), [&state](const Event& event) {
          return ComparePosition(event.seq, state.upstream_head) > 0;
        });
      }
      const auto second = Merge(state, upstream.subspan(cut), story.second_rule(cut));
      ASSERT_TRUE(second.ok()) << seed << " cut at " << cut;
      EXPECT_EQ(WithoutGenerations(FollowLog(log, *second)), expected) << seed << " cut at " << cut;
      EXPECT_EQ(second->upstream_head, whole->upstream_head) << seed;
    }
  }
}

TEST(MergePropertyTest, RebasedEventsHaveAGenerationNeverSeenBefore) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream, story.rule());
    ASSERT_TRUE(outcome.ok()) << seed;
    for (const Event& rebased : outcome->rebased) {
      EXPECT_GT(rebased.seq.generation, story.state.upstream_head.generation) << seed;
      for (const auto* events : {&story.state.pending, &story.upstream}) {
        for (const Event& seen : *events) {
          EXPECT_GT(rebased.seq.generation, seen.seq.generation) << seed;
        }
      }
    }
  }
}

TEST(MergePropertyTest, WithoutARefusedEventEverythingElseStaysInOrder) {
  for (uint64_t seed = 0; seed < 2'000; ++seed) {
    const Story story = RandomStory(seed);
    for (size_t index = 0; index < story.state.pending.size(); ++index) {
      const MergeOutcome outcome = MergeWithout(story.state, index);
      EXPECT_EQ(outcome.upstream_head, story.state.upstream_head) << seed;
      const std::vector<Event> log = FollowLog(story.state.pending, outcome);
      EXPECT_TRUE(Continues(story.state.upstream_head, log)) << seed;
      std::vector<Event> expected = story.state.pending;
      expected.erase(expected.begin() + static_cast<ptrdiff_t>(index));
      EXPECT_EQ(Facts(log), Facts(expected)) << seed;
    }
  }
}

// Two sessions and an upstream that orders what they push, over channels that delay: in the end all
// have the same events in the same order, each exactly once.
TEST(MergePropertyTest, SessionsConverge) {
  struct Session {
    SyncState state;
    size_t received = 0;  // How much of the upstream's log it has merged.
    std::vector<Event> log;
  };
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Prng prng(seed);
    std::vector<Event> log;  // Upstream's.
    Session sessions[2];
    size_t committed = 0;
    const auto pull = [&log, &sessions](Session& session, size_t count) {
      const auto chunk = std::span<const Event>(log).subspan(session.received, count);
      // Here every event's client tells whose it is.
      const auto known = static_cast<size_t>(
          std::ranges::count(chunk, &session == sessions ? "A" : "B", &Event::client_id));
      const auto outcome = Merge(session.state, chunk, {.known = known});
      ASSERT_TRUE(outcome.ok()) << outcome.error().message;
      session.log.insert(session.log.end(), chunk.begin(), chunk.end());
      session.received += count;
      session.state = Follow(std::move(session.state), *outcome);
    };
    for (int step = 0; step < 200; ++step) {
      const size_t who = prng.Below(2);
      Session& session = sessions[who];
      switch (prng.Below(3)) {
        case 0: {  // Commit.
          Event event = RandomRun(prng, session.state.local_head(), 1, who == 0 ? "A" : "B")[0];
          event.args_json = std::to_string(committed++);
          session.state.pending.push_back(std::move(event));
          break;
        }
        case 1: {  // Push: taken only where it continues the log.
          const size_t count = prng.Below(session.state.pending.size() + 1);
          const auto batch = std::span<const Event>(session.state.pending).first(count);
          const SeqNum head = log.empty() ? kRootSeqNum : log.back().seq;
          if (Continues(head, batch)) log.insert(log.end(), batch.begin(), batch.end());
          break;
        }
        default:
          pull(session, prng.Below(log.size() - session.received + 1));
      }
    }
    for (int round = 0; round < 2; ++round) {
      for (Session& session : sessions) {
        pull(session, log.size() - session.received);
        log.insert(log.end(), session.state.pending.begin(), session.state.pending.end());
      }
    }
    for (Session& session : sessions) {
      pull(session, log.size() - session.received);
      EXPECT_TRUE(session.state.pending.empty()) << seed;
      EXPECT_EQ(session.log, log) << seed;
    }
    EXPECT_TRUE(Continues(kRootSeqNum, log)) << seed;
    std::vector<int> numbers;
    for (const Event& event : log) numbers.push_back(std::stoi(event.args_json));
    std::ranges::sort(numbers);
    ASSERT_EQ(numbers.size(), committed) << seed;
    for (size_t i = 0; i < committed; ++i) EXPECT_EQ(numbers[i], static_cast<int>(i)) << seed;
  }
}

}  // namespace
}  // namespace livestore

// Events are written as in the documents: e3 synced, e3.1 client-only after it, ' for one that is
// pending here, B: for one of another client.

#include "core/sync/merge.h"

#include <gtest/gtest.h>

#include <algorithm>
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

std::string Merged(const SyncState& state, std::initializer_list<std::string_view> upstream) {
  return Text(Merge(state, Events(upstream)));
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

TEST(MergeTest, OwnEventsFoundAfterADivergenceAreNotAppliedTwice) {
  // The leader's pushes to a backend skip client-only events, so e4' came back without e3.1'.
  EXPECT_EQ(Merged(State("e3", {"e3.1 local", "e4 pushed", "e5 new"}), {"e4 pushed"}),
            "head e4, roll back 3, news [e4 pushed], rebased [e4.1r1 local, e5r1 new]");
  EXPECT_EQ(Merged(State("e3", {"e3.1 local", "e4 a", "e5 b"}), {"e4 a", "e5 b", "B:e6"}),
            "head e6, roll back 3, news [e4 a, e5 b, B:e6], rebased [e6.1r1 local]");
  EXPECT_EQ(Merged(State("e3", {"e3.1 local", "e4 a", "e4.1 local", "e5 b"}), {"e4 a"}),
            "head e4, roll back 4, news [e4 a], rebased [e4.1r1 local, e4.2r1 local, e5r1 b]");
}

TEST(MergeTest, AnEqualEventAtAnotherPositionIsCommittedTwiceOnPurpose) {
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

TEST(MergeDeathTest, PendingThatDoesNotContinueItsHeadIsABug) {
  EXPECT_DEATH((void)Merge(State("e3", {"e5"}), {}), "check failed");
  EXPECT_DEATH((void)Merge(State("e3", {"e4", "e6"}), {}), "check failed");
  EXPECT_DEATH((void)MergeWithout(State("e3", {"e4"}), 1), "check failed");
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
}

// ---- Properties ------------------------------------------------------------------------------

std::string RandomName(Prng& prng) {
  return std::string(1, static_cast<char>('a' + prng.Below(3)));
}

std::vector<Event> RandomRun(Prng& prng, SeqNum head, size_t count, const std::string& client) {
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    Event event = Make("e1");
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

// A node in any state, and news that an upstream may really send: it took a first part of what we
// pushed (the whole of it, or only the synced events, as a backend does), then events of others.
struct Story {
  SyncState state;
  std::vector<Event> upstream;
  size_t taken = 0;  // How many of our events upstream has.
};

Story RandomStory(uint64_t seed) {
  Prng prng(seed);
  Story story;
  story.state.upstream_head = {prng.Below(5), static_cast<uint32_t>(prng.Below(3)),
                               static_cast<uint32_t>(prng.Below(3))};
  story.state.pending = RandomRun(prng, story.state.upstream_head, prng.Below(6), "A");
  const bool synced_only = prng.OneIn(2);
  SeqNum head = story.state.upstream_head;
  for (uint64_t left = prng.Below(7); const Event& event : story.state.pending) {
    if (left-- == 0) break;
    if (synced_only && event.client_only()) continue;
    Event copy = event;
    if (prng.OneIn(3)) copy.seq.generation = static_cast<uint32_t>(prng.Below(4));
    head = copy.seq;
    story.upstream.push_back(std::move(copy));
    ++story.taken;
  }
  const std::vector<Event> foreign = RandomRun(prng, head, prng.Below(5), "B");
  story.upstream.insert(story.upstream.end(), foreign.begin(), foreign.end());
  return story;
}

constexpr uint64_t kStories = 20'000;

TEST(MergePropertyTest, PendingContinuesTheUpstreamHeadAfterEveryMerge) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream);
    ASSERT_TRUE(outcome.ok()) << seed;
    const SyncState next = Follow(story.state, *outcome);
    EXPECT_TRUE(Continues(next.upstream_head, next.pending)) << seed;
    const SeqNum& last =
        story.upstream.empty() ? story.state.upstream_head : story.upstream.back().seq;
    EXPECT_EQ(next.upstream_head, last) << seed;
    EXPECT_TRUE(ComparePosition(next.local_head(), last) >= 0) << seed;
    // Neither head falls back, but where events left pending because upstream had them already.
    if (outcome->roll_back == outcome->rebased.size()) {
      EXPECT_TRUE(ComparePosition(next.local_head(), story.state.local_head()) >= 0) << seed;
    }
  }
}

TEST(MergePropertyTest, WhatIsConfirmedIsAPrefixThatUpstreamSent) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream);
    ASSERT_TRUE(outcome.ok()) << seed;
    ASSERT_LE(outcome->confirmed, std::min(story.state.pending.size(), story.upstream.size()));
    for (size_t i = 0; i < outcome->confirmed; ++i) {
      EXPECT_TRUE(SameEvent(story.state.pending[i], story.upstream[i])) << seed;
    }
    // Every event of upstream is either confirmed or materialized, in its order, once.
    const std::span<const Event> news = std::span(story.upstream).subspan(outcome->confirmed);
    ASSERT_EQ(outcome->materialize.size(), news.size()) << seed;
    EXPECT_TRUE(std::equal(news.begin(), news.end(), outcome->materialize.begin())) << seed;
    // Nothing is rolled back without news, and with news nothing open stays in place.
    EXPECT_EQ(outcome->roll_back,
              news.empty() ? 0 : story.state.pending.size() - outcome->confirmed)
        << seed;
  }
}

TEST(MergePropertyTest, OwnEventsAreNeitherLostNorDoubled) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream);
    ASSERT_TRUE(outcome.ok()) << seed;
    const SyncState next = Follow(story.state, *outcome);
    EXPECT_EQ(next.pending.size() + story.taken, story.state.pending.size()) << seed;
    // In order, and the client-only ones still client-only.
    std::vector<Event> left = story.state.pending;
    std::erase_if(left, [&story](const Event& mine) {
      return std::ranges::any_of(story.upstream,
                                 [&mine](const Event& theirs) { return SameEvent(mine, theirs); });
    });
    ASSERT_EQ(left.size(), next.pending.size()) << seed;
    for (size_t i = 0; i < left.size(); ++i) {
      EXPECT_EQ(left[i].name, next.pending[i].name) << seed;
      EXPECT_EQ(left[i].client_only(), next.pending[i].client_only()) << seed;
    }
  }
}

TEST(MergePropertyTest, TwoChunksMergeLikeOne) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto whole = Merge(story.state, story.upstream);
    ASSERT_TRUE(whole.ok()) << seed;
    SyncState expected = Follow(story.state, *whole);

    const auto upstream = std::span<const Event>(story.upstream);
    for (size_t cut = 0; cut <= upstream.size(); ++cut) {
      SyncState state = story.state;
      for (const auto chunk : {upstream.first(cut), upstream.subspan(cut)}) {
        const auto outcome = Merge(state, chunk);
        ASSERT_TRUE(outcome.ok()) << seed;
        state = Follow(std::move(state), *outcome);
      }
      // All but the generation, which counts rebases: there may have been one or two.
      for (SyncState* either : {&state, &expected}) {
        for (Event& event : either->pending) event.seq.generation = event.parent.generation = 0;
      }
      EXPECT_EQ(state.upstream_head, expected.upstream_head) << seed << " cut at " << cut;
      EXPECT_EQ(Text(state.pending), Text(expected.pending)) << seed << " cut at " << cut;
    }
  }
}

TEST(MergePropertyTest, RebasedEventsHaveAGenerationNeverSeenBefore) {
  for (uint64_t seed = 0; seed < kStories; ++seed) {
    const Story story = RandomStory(seed);
    const auto outcome = Merge(story.state, story.upstream);
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
    const auto pull = [&log](Session& session, size_t count) {
      const auto chunk = std::span<const Event>(log).subspan(session.received, count);
      const auto outcome = Merge(session.state, chunk);
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

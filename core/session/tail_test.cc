#include "core/session/tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/limits.h"

namespace livestore {
namespace {

Head At(uint64_t global) { return {.seq = {.global = global}, .hash = global * 7}; }

// e1 to e<count>, all pending.
Tail TailOf(uint64_t count) {
  Tail tail;
  for (uint64_t i = 1; i <= count; ++i) tail.Append({.head = At(i), .counter = i});
  return tail;
}

TEST(TailTest, TheUpstreamHeadIsBehindWhatIsAccepted) {
  Tail tail = TailOf(3);
  EXPECT_EQ(tail.upstream_head(), Head{});
  tail.Accept(2);
  EXPECT_EQ(tail.upstream_head(), At(2));
  EXPECT_EQ(tail.Before(3), At(3));
}

TEST(TailTest, AHeadIsFoundBeforeAcceptedEntriesAndBehindThem) {
  Tail tail = TailOf(4);
  tail.Accept(3);
  EXPECT_EQ(tail.Find({}), 0u);
  EXPECT_EQ(tail.Find(At(2)), 2u);
  EXPECT_EQ(tail.Find(At(3)), 3u);
  EXPECT_EQ(tail.Find(At(4)), std::nullopt);
  Head rebased = At(2);
  rebased.seq.generation = 5;
  EXPECT_EQ(tail.Find(rebased), std::nullopt);
  EXPECT_EQ(tail.Find({.seq = At(2).seq, .hash = 1}), std::nullopt);
}

TEST(TailTest, WhatIsSettledIsForgottenAndWhatIsPendingNever) {
  Tail tail = TailOf(4);
  tail.Accept(3);
  tail.Settle({.global = 2});
  EXPECT_EQ(tail.size(), 2u);
  EXPECT_EQ(tail.Before(0), At(2));
  EXPECT_EQ(tail.Find(At(1)), std::nullopt);
  tail.Settle({.global = 9});
  EXPECT_EQ(tail.size(), 1u);
  EXPECT_EQ(tail.accepted(), 0u);
  EXPECT_EQ(tail.upstream_head(), At(3));
  EXPECT_EQ(tail[0].counter, 4u);
}

TEST(TailTest, WhatIsTruncatedIsNeitherPendingNorAccepted) {
  Tail tail = TailOf(4);
  tail.Accept(3);
  tail.Truncate(1);
  EXPECT_EQ(tail.size(), 1u);
  EXPECT_EQ(tail.accepted(), 1u);
  EXPECT_EQ(tail.upstream_head(), At(1));
}

TEST(TailTest, Law9_NoMoreAcceptedEventsAreRememberedThanTheLimit) {
  Tail tail = TailOf(limits::kSessionUndoMax + 3);
  tail.Accept(limits::kSessionUndoMax + 2);
  EXPECT_EQ(tail.accepted(), limits::kSessionUndoMax);
  EXPECT_EQ(tail.size(), limits::kSessionUndoMax + 1);
  EXPECT_EQ(tail.Before(0), At(2));
}

TEST(TailTest, TheTailOfAnImageEndsAtItsHeadAndHasNoGap) {
  const auto undo = [](std::vector<uint64_t> before) {
    std::vector<UndoEntry> entries;
    for (const uint64_t global : before) {
      entries.push_back({.before = At(global), .changeset = {}, .undoable = global != 5});
    }
    return entries;
  };
  const Tail whole = Tail::OfImage(undo({4, 5, 6}), At(7));
  EXPECT_EQ(whole.accepted(), 3u);
  EXPECT_EQ(whole.Before(0), At(4));
  EXPECT_EQ(whole[0].head, At(5));
  EXPECT_EQ(whole.upstream_head(), At(7));
  EXPECT_TRUE(whole[0].undoable);
  EXPECT_FALSE(whole[1].undoable);

  const Tail cut = Tail::OfImage(undo({3, 5, 6}), At(7));
  EXPECT_EQ(cut.size(), 2u);
  EXPECT_EQ(cut.Before(0), At(5));

  for (const std::vector<uint64_t>& rows : {std::vector<uint64_t>{}, {4, 5}, {7}, {9, 2}}) {
    const Tail none = Tail::OfImage(undo(rows), At(7));
    EXPECT_EQ(none.size(), 0u);
    EXPECT_EQ(none.upstream_head(), At(7));
  }
}

}  // namespace
}  // namespace livestore

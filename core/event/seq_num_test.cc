#include "core/event/seq_num.h"

#include <gtest/gtest.h>

namespace livestore {
namespace {

TEST(SeqNumTest, TextFormLeavesOutZeroParts) {
  EXPECT_EQ(ToString(kRootSeqNum), "e0");
  EXPECT_EQ(ToString({3, 0, 0}), "e3");
  EXPECT_EQ(ToString({3, 1, 0}), "e3.1");
  EXPECT_EQ(ToString({3, 0, 2}), "e3r2");
  EXPECT_EQ(ToString({3, 1, 2}), "e3.1r2");
}

TEST(SeqNumTest, TextFormIsReadBack) {
  for (const SeqNum seq : {SeqNum{0, 0, 0}, SeqNum{3, 0, 0}, SeqNum{3, 1, 0}, SeqNum{3, 0, 2},
                           SeqNum{3, 1, 2}, SeqNum{kSeqNumGlobalMax, UINT32_MAX, UINT32_MAX}}) {
    const auto parsed = ParseSeqNum(ToString(seq));
    ASSERT_TRUE(parsed.ok()) << ToString(seq);
    EXPECT_EQ(*parsed, seq);
  }
}

TEST(SeqNumTest, TextNotBeginningWithEIsRefused) {
  for (const char* text : {"", "3", "E3", " e3", "x"}) {
    const auto parsed = ParseSeqNum(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("must start with \"e\""), std::string::npos);
  }
}

TEST(SeqNumTest, TextThatIsNoNumberIsRefused) {
  for (const char* text : {"e", "e-1", "e+1", "e 1", "e1 ", "ex", "e1.", "e1.x", "e1.-1", "e1r",
                           "e1rx", "e1r1.1", "e1.1.1", "e1r1r1", "e9007199254740992",
                           "e99999999999999999999999", "e1.4294967296", "e1r4294967296", "e0x10"}) {
    const auto parsed = ParseSeqNum(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("invalid number format"), std::string::npos);
  }
}

TEST(SeqNumTest, PositionOrderIgnoresGenerationAndEqualityDoesNot) {
  EXPECT_TRUE(ComparePosition({1, 0, 5}, {2, 0, 0}) < 0);
  EXPECT_TRUE(ComparePosition({2, 1, 0}, {2, 0, 9}) > 0);
  EXPECT_TRUE(SamePosition({2, 1, 0}, {2, 1, 9}));
  EXPECT_FALSE((SeqNum{2, 1, 0} == SeqNum{2, 1, 9}));
}

TEST(SeqNumTest, NextSyncedEventHasTheLastSyncedOneAsParent) {
  EXPECT_EQ(NextSeqNum({2, 0, 0}, false).seq, (SeqNum{3, 0, 0}));
  EXPECT_EQ(NextSeqNum({2, 0, 0}, false).parent, (SeqNum{2, 0, 0}));
  // e2, e2.1, e2.2 -> e3 with parent e2.
  EXPECT_EQ(NextSeqNum({2, 2, 4}, false).seq, (SeqNum{3, 0, 4}));
  EXPECT_EQ(NextSeqNum({2, 2, 4}, false).parent, (SeqNum{2, 0, 4}));
}

TEST(SeqNumTest, NextClientOnlyEventHasTheEventBeforeItAsParent) {
  EXPECT_EQ(NextSeqNum(kRootSeqNum, true).seq, (SeqNum{0, 1, 0}));
  EXPECT_EQ(NextSeqNum(kRootSeqNum, true).parent, kRootSeqNum);
  EXPECT_EQ(NextSeqNum({2, 1, 3}, true).seq, (SeqNum{2, 2, 3}));
  EXPECT_EQ(NextSeqNum({2, 1, 3}, true).parent, (SeqNum{2, 1, 3}));
}

TEST(SeqNumTest, OnlyTheVeryNextPositionContinuesAHead) {
  const SeqNum head{2, 1, 7};
  EXPECT_TRUE(ContinuesHead(head, {2, 2, 0}));
  EXPECT_TRUE(ContinuesHead(head, {3, 0, 0}));
  EXPECT_FALSE(ContinuesHead(head, {2, 1, 0}));
  EXPECT_FALSE(ContinuesHead(head, {2, 0, 0}));
  EXPECT_FALSE(ContinuesHead(head, {2, 3, 0}));
  EXPECT_FALSE(ContinuesHead(head, {3, 1, 0}));
  EXPECT_FALSE(ContinuesHead(head, {4, 0, 0}));
  EXPECT_FALSE(ContinuesHead(kRootSeqNum, kRootSeqNum));
  EXPECT_FALSE(ContinuesHead({UINT64_MAX, 0, 0}, kRootSeqNum));
  EXPECT_FALSE(ContinuesHead({1, UINT32_MAX, 0}, {1, 0, 0}));
}

TEST(SeqNumDeathTest, NumbersDoNotWrap) {
  EXPECT_DEATH(NextSeqNum({kSeqNumGlobalMax, 0, 0}, false), "check failed");
  EXPECT_DEATH(NextSeqNum({1, UINT32_MAX, 0}, true), "check failed");
}

}  // namespace
}  // namespace livestore

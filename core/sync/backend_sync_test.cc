#include "core/sync/backend_sync.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"

namespace livestore {
namespace {

constexpr int64_t kNow = 1'000'000;

TEST(BackendSyncTest, OnePullRunsAtATime) {
  BackendSync sync({});
  const auto pull = sync.StartPull(kNow);
  ASSERT_TRUE(pull.has_value());
  EXPECT_EQ(sync.StartPull(kNow), std::nullopt);
  EXPECT_TRUE(sync.OnPage(*pull));
  EXPECT_FALSE(sync.caught_up());
  EXPECT_TRUE(sync.OnMerged(*pull, true, 5));
  EXPECT_TRUE(sync.caught_up());
}

TEST(BackendSyncTest, AnswersToWhatIsNotCurrentChangeNothing) {
  BackendSync sync({});
  const uint32_t pull = *sync.StartPull(kNow);
  const uint32_t push = sync.PushStarted(3);
  EXPECT_FALSE(sync.OnPage(pull + 7));
  EXPECT_FALSE(sync.OnPullFailed(push, kNow));
  EXPECT_FALSE(sync.OnPushTaken(pull));
  EXPECT_FALSE(sync.OnPushFailed(0, BackendFailure::kOffline, kNow));
  EXPECT_TRUE(sync.pulling());
  EXPECT_FALSE(sync.MayPush(kNow));
  EXPECT_EQ(sync.WakeAt(kNow), std::nullopt);
}

TEST(BackendSyncTest, Law9_FailuresWaitLongerEachTimeUpToTheMaximum) {
  BackendSync sync({.jitter_seed = 42});
  int64_t now = kNow;
  int64_t expected = limits::kBackendRetryFirstMs;
  for (int i = 0; i < 12; ++i) {
    const auto pull = sync.StartPull(now);
    ASSERT_TRUE(pull.has_value()) << i;
    ASSERT_TRUE(sync.OnPullFailed(*pull, now));
    EXPECT_EQ(sync.StartPull(now), std::nullopt);
    const auto wake = sync.WakeAt(now);
    ASSERT_TRUE(wake.has_value());
    EXPECT_GE(*wake - now, expected / 2);
    EXPECT_LE(*wake - now, expected);
    now = *wake;
    expected = std::min(expected * 2, limits::kBackendRetryMaxMs);
  }
  const auto pull = sync.StartPull(now);
  sync.OnPage(*pull);  // A page that comes begins the row anew.
  sync.OnPullFailed(*pull, now);
  EXPECT_LE(*sync.WakeAt(now) - now, limits::kBackendRetryFirstMs);
}

TEST(BackendSyncTest, APushThatFailedIsTriedAgainFromTheUpstreamHead) {
  BackendSync sync({});
  ASSERT_TRUE(sync.OnPushTaken(sync.PushStarted(4)));
  EXPECT_EQ(sync.pushed_through(), 4u);
  ASSERT_TRUE(sync.OnPushFailed(sync.PushStarted(9), BackendFailure::kUnavailable, kNow));
  EXPECT_EQ(sync.pushed_through(), 0u);
  EXPECT_FALSE(sync.MayPush(kNow));
  EXPECT_TRUE(sync.MayPush(*sync.WakeAt(kNow)));
}

TEST(BackendSyncTest, Law6_APushBehindWaitsForThePullAndThenForANewOne) {
  BackendSync sync({});
  const uint32_t pull = *sync.StartPull(kNow);
  sync.OnMerged(pull, true, 5);
  sync.OnPushFailed(sync.PushStarted(6), BackendFailure::kServerAhead, kNow);
  EXPECT_FALSE(sync.MayPush(kNow + 100'000'000));
  EXPECT_EQ(sync.StopPull(kNow), std::nullopt);
  // The running pull brings what was missing:
  BackendSync lucky = sync;
  lucky.OnMerged(pull, true, 6);
  EXPECT_TRUE(lucky.MayPush(kNow + limits::kServerAheadWaitMs));
  // or it does not, and another one is started.
  const int64_t later = *sync.WakeAt(kNow);
  EXPECT_EQ(later, kNow + limits::kServerAheadWaitMs);
  EXPECT_EQ(sync.StopPull(later), pull);
  const auto second = sync.StartPull(later);
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(sync.MayPush(later));
  sync.OnMerged(*second, true, 5);
  EXPECT_TRUE(sync.MayPush(later)) << "whatever it brought: the backend will say it again";
}

TEST(BackendSyncTest, WhatTheBackendForgotIsPushedAgain) {
  BackendSync sync({});
  sync.OnPullFailed(*sync.StartPull(kNow), kNow);
  ASSERT_TRUE(sync.OnPushTaken(sync.PushStarted(4)));
  const int64_t later = *sync.WakeAt(kNow);
  const uint32_t pull = *sync.StartPull(later);
  sync.OnMerged(pull, true, 2);
  EXPECT_EQ(sync.pushed_through(), 0u);
}

TEST(BackendSyncTest, WithoutLivePullsAPullFollowsEachPush) {
  BackendSync sync({.live_pull = false});
  const uint32_t pull = *sync.StartPull(kNow);
  sync.OnMerged(pull, true, 0);
  sync.OnPullEnded(pull, kNow);
  EXPECT_EQ(sync.StartPull(kNow + 1'000'000), std::nullopt);
  sync.OnPushTaken(sync.PushStarted(1));
  EXPECT_TRUE(sync.StartPull(kNow).has_value());
}

TEST(BackendSyncTest, APageThatIsMergedAfterItsPullEndedCountsAllTheSame) {
  BackendSync sync({.live_pull = false});
  const uint32_t pull = *sync.StartPull(kNow);
  ASSERT_TRUE(sync.OnPage(pull));
  ASSERT_TRUE(sync.OnPullEnded(pull, kNow));
  EXPECT_TRUE(sync.OnMerged(pull, true, 3));
  EXPECT_TRUE(sync.caught_up());
}

TEST(BackendSyncTest, ALivePullThatEndsStartsAgainAfterAWait) {
  BackendSync sync({});
  sync.OnPullEnded(*sync.StartPull(kNow), kNow);
  EXPECT_EQ(sync.StartPull(kNow), std::nullopt);
  EXPECT_TRUE(sync.StartPull(*sync.WakeAt(kNow)).has_value());
}

TEST(BackendSyncTest, AConnectionThatComesBackEndsEveryWait) {
  BackendSync sync({});
  sync.OnPullFailed(*sync.StartPull(kNow), kNow);
  sync.OnPushFailed(sync.PushStarted(1), BackendFailure::kOffline, kNow);
  sync.OnConnection(false);
  EXPECT_EQ(sync.StartPull(kNow + 1'000'000), std::nullopt);
  EXPECT_FALSE(sync.MayPush(kNow + 1'000'000));
  EXPECT_EQ(sync.WakeAt(kNow), std::nullopt);
  sync.OnConnection(true);
  EXPECT_TRUE(sync.StartPull(kNow).has_value());
  EXPECT_TRUE(sync.MayPush(kNow));
}

TEST(BackendSyncTest, AClockThatJumpsBackDelaysByTheMaximumAtMost) {
  BackendSync sync({});
  sync.OnPullFailed(*sync.StartPull(kNow), kNow);
  EXPECT_TRUE(sync.StartPull(0).has_value());
}

TEST(BackendSyncTest, ARebaseForgetsWhatWasPushed) {
  BackendSync sync({});
  const uint32_t push = sync.PushStarted(3);
  sync.OnRebase();
  EXPECT_FALSE(sync.OnPushTaken(push));
  EXPECT_EQ(sync.pushed_through(), 0u);
  EXPECT_TRUE(sync.MayPush(kNow));
}

}  // namespace
}  // namespace livestore

// The leader and its sync backend, by calls: what is pulled, pushed, refused, and what of it
// survives a crash.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/testing/leader_process.h"

namespace livestore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kNow = 1'000'000;

class LeaderBackendTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start(std::optional<BackendSyncOptions> backend = BackendSyncOptions{}) {
    process_.reset();
    process_ = std::make_unique<Process>(pool_, TodoApp::Schema(), backend);
    ASSERT_TRUE(process_->leader != nullptr) << process_->error->message;
    process_->Boot();
    ASSERT_FALSE(process_->error.has_value()) << process_->error->message;
  }
  Leader& leader() { return *process_->leader; }

  DrainOutcome Drain() {
    auto outcome = leader().Drain();
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return outcome.ok() ? std::move(*outcome) : DrainOutcome{};
  }
  DrainOutcome Commit(const std::vector<NewEvent>& events) {
    const Cursor base = leader().cursor();
    const std::string tab = "tab" + std::to_string(++push_);
    EXPECT_TRUE(
        leader().Submit(1, push_, Encoded(base, Numbered(base.head.seq, events), tab)).ok());
    return Drain();
  }

  // The requests made now; a pull among them is the one that Pulled answers.
  std::vector<BackendRequest> Requests(int64_t now_ms = kNow) {
    auto requests = leader().NextRequests(now_ms);
    EXPECT_TRUE(requests.ok()) << requests.error().message;
    for (const BackendRequest& request : *requests) {
      if (request.kind == BackendRequest::Kind::kPull) pull_ = request.number;
    }
    return std::move(*requests);
  }
  std::optional<BackendRequest> Request(BackendRequest::Kind kind, int64_t now_ms = kNow) {
    for (BackendRequest& request : Requests(now_ms)) {
      if (request.kind == kind) return std::move(request);
    }
    return {};
  }
  // What the backend ordered after e<head>, of another client unless they are ours.
  static std::vector<Event> Foreign(uint64_t head, const std::vector<NewEvent>& events) {
    std::vector<Event> numbered = Numbered({.global = head}, events, "their-session");
    for (Event& event : numbered) event.client_id = "other";
    return numbered;
  }
  Result<void> Send(const std::vector<Event>& events, const std::string& backend_id = "",
                    bool caught_up = true) {
    if (pull_ == 0) Requests();
    PulledPage page{.backend_id = backend_id, .events = events, .metadata = {}};
    page.metadata.resize(events.size());
    return leader().OnPulled(pull_, EncodePage(page), caught_up, kNow);
  }
  DrainOutcome Pulled(const std::vector<Event>& events, const std::string& backend_id = "") {
    const Result<void> sent = Send(events, backend_id);
    EXPECT_TRUE(sent.ok()) << sent.error().message;
    return Drain();
  }
  static News OnlyNews(const DrainOutcome& outcome) {
    EXPECT_EQ(outcome.entries.size(), 1u);
    EXPECT_TRUE(outcome.entries[0].news.has_value());
    return *DecodeNews(outcome.entries[0].news->news);
  }
  // The whole log as "number name args-id" from oldest to newest.
  std::string Log() {
    const Joined joined = *leader().Join(Cursor{}, "reader");
    return Named(DecodeHistory(joined.history)->news.run.events);
  }
  static std::string Named(const std::vector<Event>& events) {
    std::string text;
    for (const Event& event : events) {
      const auto args = nlohmann::json::parse(event.args_json, nullptr, false);
      text += ToString(event.seq) + ":" + args.value("id", "?") + " ";
    }
    return text;
  }

  FaultyPool pool_;
  std::unique_ptr<Process> process_;
  uint32_t push_ = 0;
  uint32_t pull_ = 0;
};

TEST_F(LeaderBackendTest, WhatIsPulledIsLoggedSettledAndTold) {
  const News news = OnlyNews(Pulled(Foreign(0, {TodoCreated("a"), TodoCreated("b")})));
  EXPECT_TRUE(news.synced);
  EXPECT_EQ(ToString(news.settled), "e2");
  EXPECT_EQ(news.run.base, Head{});
  EXPECT_THAT(news.run.events, SizeIs(2));
  EXPECT_EQ(news.rebased, 0u);
  EXPECT_EQ(TodoRows(leader()), "at0bt0");
  EXPECT_EQ(leader().sync_status().upstream_head, 2u);
  EXPECT_EQ(leader().sync_status().pending_count, 0u);
}

TEST_F(LeaderBackendTest, WhatTheBackendHasNotOrderedIsNotReadAsSettled) {
  const auto settled = [&] { return Named(*DecodeEvents(*leader().SettledAfter(0, 10))); };
  Commit({TodoCreated("mine")});
  EXPECT_EQ(settled(), "");
  Pulled(Foreign(0, {TodoCreated("a")}));
  EXPECT_EQ(Log(), "e1:a e2r1:mine ");
  EXPECT_EQ(settled(), "e1:a ");
}

TEST_F(LeaderBackendTest, TheEchoOfOwnEventsConfirmsThemAndMovesNothing) {
  Pulled({});
  Commit({TodoCreated("a"), NoteSet("n", "x"), TodoCreated("b")});
  const std::vector<Event> mine = *DecodeEvents(Request(BackendRequest::Kind::kPush)->events);
  ASSERT_THAT(mine, SizeIs(2)) << "the client-only one stays here";
  const News news = OnlyNews(Pulled({mine[0]}));
  EXPECT_THAT(news.run.events, IsEmpty());
  EXPECT_EQ(news.run.base, leader().cursor().head);
  EXPECT_EQ(ToString(news.settled), "e1.1");
  EXPECT_EQ(ToString(OnlyNews(Pulled({mine[1]})).settled), "e2");
  EXPECT_EQ(leader().counters().rebases, 0u);
  EXPECT_EQ(leader().sync_status().pending_count, 0u);
}

TEST_F(LeaderBackendTest, ForeignEventsComeBeforeWhatIsPending) {
  Commit({TodoCreated("a"), NoteSet("n", "x"), TodoDone("b")});
  const uint64_t rebuilds = leader().counters().rebuilds;
  const News news = OnlyNews(Pulled(Foreign(0, {TodoCreated("b")})));
  EXPECT_EQ(news.run.base, Head{});
  EXPECT_THAT(news.run.events, SizeIs(4));
  EXPECT_EQ(news.rebased, 3u);
  EXPECT_EQ(ToString(news.settled), "e1");
  EXPECT_EQ(Log(), "e1:b e2r1:a e2.1r1:n e3r1:b ");
  EXPECT_EQ(TodoRows(leader()), "at0bt1") << "b is done: the rebased event found it";
  EXPECT_EQ(leader().counters().rebuilds, rebuilds) << "only what differs is taken back";
  EXPECT_EQ(leader().counters().events_taken_back, 3u);
}

TEST_F(LeaderBackendTest, ClientOnlyEventsBeforeThePendingOnesStay) {
  Pulled(Foreign(0, {TodoCreated("b")}));
  Commit({NoteSet("n", "x"), TodoCreated("a")});
  const News news = OnlyNews(Pulled(Foreign(1, {TodoCreated("c")})));
  EXPECT_EQ(ToString(news.run.base.seq), "e1.1");
  EXPECT_EQ(Log(), "e1:b e1.1:n e2:c e3r1:a ");
}

TEST_F(LeaderBackendTest, PushesInOrderOneAtATimeWithoutWaitingForTheEcho) {
  Pulled({});
  std::vector<NewEvent> many;
  for (int i = 0; i < 120; ++i) many.push_back(TodoCreated(std::to_string(i)));
  Commit(many);
  std::vector<size_t> sizes;
  uint64_t next = 1;
  while (const auto push = Request(BackendRequest::Kind::kPush)) {
    EXPECT_EQ(Request(BackendRequest::Kind::kPush), std::nullopt) << "one is in flight";
    const std::vector<Event> events = *DecodeEvents(push->events);
    EXPECT_EQ(events.front().seq.global, next);
    next += events.size();
    sizes.push_back(events.size());
    leader().OnPushTaken(push->number);
  }
  EXPECT_THAT(sizes, ElementsAre(50, 50, 20));
}

TEST_F(LeaderBackendTest, Law3_NothingIsPushedToABackendThatIsNotKnownYet) {
  // Without an id the push might arrive at another one, which would not refuse it.
  Commit({TodoCreated("a")});
  EXPECT_EQ(Request(BackendRequest::Kind::kPush), std::nullopt);
  Pulled({}, "b1");
  EXPECT_EQ(Request(BackendRequest::Kind::kPush)->backend_id, "b1");
  Start();
  EXPECT_EQ(Request(BackendRequest::Kind::kPush)->backend_id, "b1") << "it is remembered";
}

TEST_F(LeaderBackendTest, Law6_ABackendWithoutAnIdIsKnownWhenAPullHasReachedItsHead) {
  Commit({TodoCreated("a")});
  EXPECT_TRUE(Send({}, "", false).ok());
  Drain();
  EXPECT_EQ(Request(BackendRequest::Kind::kPush), std::nullopt);
  Pulled({});
  EXPECT_EQ(Request(BackendRequest::Kind::kPush)->backend_id, "");
}

TEST_F(LeaderBackendTest, Law3_WhatIsPendingIsPushedAfterACrash) {
  Pulled({}, "b1");
  Commit({TodoCreated("a")});
  ASSERT_TRUE(Request(BackendRequest::Kind::kPush).has_value());
  Start();  // The answer never came.
  const auto push = Request(BackendRequest::Kind::kPush);
  ASSERT_TRUE(push.has_value());
  EXPECT_THAT(*DecodeEvents(push->events), SizeIs(1));
}

TEST_F(LeaderBackendTest, ARefusedEventIsTakenOutAndTheRestMovesUp) {
  Pulled({});
  Commit({TodoCreated("a"), TodoCreated("bad"), NoteSet("n", "x"), TodoCreated("c")});
  const auto push = Request(BackendRequest::Kind::kPush);
  leader().OnPushRefused(push->number, 1, "not allowed", kNow);
  const DrainOutcome outcome = Drain();
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(ToString(outcome.refused[0].event.seq), "e2");
  EXPECT_EQ(outcome.refused[0].error.code, ErrorCode::kBackendRefused);
  EXPECT_EQ(outcome.refused[0].error.message, "not allowed");
  const News news = OnlyNews(outcome);
  EXPECT_EQ(ToString(news.run.base.seq), "e1");
  ASSERT_THAT(news.refused, SizeIs(1));
  EXPECT_EQ(news.refused[0].index, 0u);
  EXPECT_EQ(news.rebased, 2u);
  EXPECT_EQ(Log(), "e1:a e1.1r1:n e2r1:c ");
  EXPECT_EQ(TodoRows(leader()), "at0ct0");
  Start();
  EXPECT_EQ(TodoRows(leader()), "at0ct0");
}

TEST_F(LeaderBackendTest, Law3_APushFromBeforeARefusalIsRejectedThoughItContinuesTheHead) {
  Pulled(Foreign(0, {TodoCreated("a")}));
  const Cursor before = leader().cursor();
  Commit({TodoCreated("bad")});
  leader().OnPushRefused(Request(BackendRequest::Kind::kPush)->number, 0, "no", kNow);
  Drain();
  ASSERT_EQ(leader().cursor().head, before.head);
  const auto answer_to = [&](const Cursor& base) {
    const Bytes push = Encoded(base, Numbered(base.head.seq, {TodoCreated("b")}), "other");
    EXPECT_TRUE(leader().Submit(2, 1, push).ok());
    return Answers(Drain());
  };
  EXPECT_EQ(answer_to(before), "rejected:2 ") << "its session may have given it up in between";
  Start();
  EXPECT_EQ(answer_to(before), "rejected:2 ");
  EXPECT_EQ(answer_to(leader().cursor()), "news:2x1 accepted:2 ");
}

TEST_F(LeaderBackendTest, Law6_AnEventTooLargeForTheBackendDoesNotBlockTheQueue) {
  Pulled({});
  Commit({TodoCreated("big", std::string(limits::kBackendPushBytesMax, 'x')), TodoCreated("b")});
  EXPECT_EQ(Request(BackendRequest::Kind::kPush), std::nullopt);
  ASSERT_TRUE(leader().HasWork());
  const DrainOutcome outcome = Drain();
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].error.code, ErrorCode::kLimitExceeded);
  EXPECT_EQ(Log(), "e1r1:b ");
  EXPECT_TRUE(Request(BackendRequest::Kind::kPush).has_value());
}

TEST_F(LeaderBackendTest, Law6_AnEventWhoseMaterializerFailsIsSkippedAndReported) {
  const DrainOutcome outcome =
      Pulled(Foreign(0, {TodoCreated("a"), Broken(), TodoCreated("a"), TodoCreated("b")}));
  EXPECT_THAT(OnlyNews(outcome).skipped, ElementsAre(1, 2));
  ASSERT_THAT(outcome.skipped, SizeIs(2));
  EXPECT_EQ(outcome.skipped[0].error.code, ErrorCode::kMaterializerThrew);
  EXPECT_EQ(outcome.skipped[1].error.code, ErrorCode::kConstraint);
  EXPECT_EQ(TodoRows(leader()), "at0bt0");
  EXPECT_EQ(leader().sync_status().upstream_head, 4u);
}

TEST_F(LeaderBackendTest, Law4_WhoJoinsFromBeforeASkippedEventIsGivenTheImageAlsoAfterARestart) {
  Pulled(Foreign(0, {TodoCreated("a")}));
  const Cursor before = leader().cursor();
  Pulled(Foreign(1, {Broken()}));
  const Cursor after = leader().cursor();
  for (const bool restarted : {false, true}) {
    if (restarted) Start();
    EXPECT_TRUE(leader().Join(before, "tab")->image.has_value()) << restarted;
    EXPECT_FALSE(leader().Join(after, "tab")->image.has_value()) << restarted;
  }
}

TEST_F(LeaderBackendTest, APendingEventThatFailsAfterARebaseStaysInItsPlace) {
  Commit({TodoCreated("a", "mine"), TodoCreated("b")});
  const DrainOutcome outcome = Pulled(Foreign(0, {TodoCreated("a", "theirs")}));
  EXPECT_THAT(OnlyNews(outcome).skipped, ElementsAre(1));
  EXPECT_EQ(Named(OnlyNews(outcome).run.events), "e1:a e2r1:a e3r1:b ") << "accepted is accepted";
  EXPECT_EQ(TodoRows(leader()), "atheirs0bt0");
}

TEST_F(LeaderBackendTest, Law4_ACrashBetweenTheTwoCommitsOfARebaseIsRepairedByTakingBack) {
  Pulled(Foreign(0, {TodoCreated("x")}));
  Commit({TodoCreated("a"), TodoDone("b"), TodoCreated("c")});
  pool_.failing_file = "state.db-wal";
  pool_.writes_left = 0;
  ASSERT_TRUE(Send(Foreign(1, {TodoCreated("b")})).ok());
  const DrainOutcome outcome = Drain();
  EXPECT_THAT(outcome.entries, SizeIs(1)) << "the log has it";
  pool_.writes_left = std::numeric_limits<int64_t>::max();
  Start();
  EXPECT_EQ(TodoRows(leader()), "at0bt1ct0xt0");
  EXPECT_EQ(leader().counters().rebuilds, 0u);
  EXPECT_EQ(leader().counters().events_taken_back, 3u);
  EXPECT_EQ(leader().counters().events_replayed, 4u);
}

TEST_F(LeaderBackendTest, AFullDiskDuringARebaseLosesNothing) {
  Commit({TodoCreated("a")});
  ASSERT_TRUE(Send(Foreign(0, {TodoCreated("b")})).ok());
  pool_.failing_file = "eventlog.db-wal";
  pool_.writes_left = 0;
  const auto full = leader().Drain();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kStorageFull);
  pool_.writes_left = std::numeric_limits<int64_t>::max();
  EXPECT_TRUE(leader().HasWork());
  Drain();
  EXPECT_EQ(Log(), "e1:b e2r1:a ");
  EXPECT_EQ(TodoRows(leader()), "at0bt0");
}

TEST_F(LeaderBackendTest, PagesMayOverlapButNotLeaveAGap) {
  Pulled(Foreign(0, {TodoCreated("a"), TodoCreated("b")}));
  Pulled(Foreign(1, {TodoCreated("b"), TodoCreated("c")}));
  EXPECT_EQ(Log(), "e1:a e2:b e3:c ");
  const Result<void> gap = Send(Foreign(4, {TodoCreated("e")}));
  ASSERT_FALSE(gap.ok());
  EXPECT_EQ(gap.error().code, ErrorCode::kUpstreamGap);
  EXPECT_EQ(Request(BackendRequest::Kind::kStopPull)->number, pull_);
  const auto again = Request(BackendRequest::Kind::kPull, *leader().WakeAt(kNow));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->cursor, 3u);
}

TEST_F(LeaderBackendTest, Law8_GarbageFromTheBackendChangesNothing) {
  Requests();
  PulledPage page{.events = Foreign(0, {TodoCreated("a")}), .metadata = {""}};
  Bytes bytes = EncodePage(page);
  bytes.resize(bytes.size() - 1);
  EXPECT_FALSE(leader().OnPulled(pull_, bytes, true, kNow).ok());
  EXPECT_FALSE(leader().HasWork());
  EXPECT_EQ(Log(), "");
}

TEST_F(LeaderBackendTest, TheCursorCarriesWhatTheBackendSaidOfItsEvent) {
  Requests();
  PulledPage page{.backend_id = "b1",
                  .events = Foreign(0, {TodoCreated("a"), TodoCreated("b")}),
                  .metadata = {"", R"({"at":7})"}};
  ASSERT_TRUE(leader().OnPulled(pull_, EncodePage(page), true, kNow).ok());
  Drain();
  Start();
  const auto pull = Request(BackendRequest::Kind::kPull);
  EXPECT_EQ(pull->cursor, 2u);
  EXPECT_EQ(pull->cursor_metadata, R"({"at":7})");
  EXPECT_EQ(pull->backend_id, "b1");
}

TEST_F(LeaderBackendTest, AnotherBackendGetsWhatTheOldOneHadNotConfirmed) {
  Pulled(Foreign(0, {TodoCreated("a")}), "old");
  Commit({TodoCreated("b")});
  const DrainOutcome outcome = Pulled({}, "new");
  EXPECT_TRUE(outcome.rejoin);
  EXPECT_EQ(Log(), "e1r1:b ");
  EXPECT_EQ(TodoRows(leader()), "bt0");
  EXPECT_EQ(leader().sync_status().upstream_head, 0u);
  const auto requests = Requests();
  ASSERT_THAT(requests, SizeIs(3)) << "stop the old pull, pull and push anew";
  EXPECT_EQ(requests[0].kind, BackendRequest::Kind::kStopPull);
  EXPECT_EQ(requests[1].backend_id, "new");
  EXPECT_EQ(requests[1].cursor, 0u);
}

TEST_F(LeaderBackendTest, Law4_WhoJoinsALogThatGrewAgainToTheSameHeadIsGivenTheImage) {
  Commit({NoteSet("n", "x")});
  Pulled(Foreign(0, {TodoCreated("a")}), "old");
  const Cursor cursor = leader().cursor();
  EXPECT_TRUE(Pulled({}, "new").rejoin);
  Requests();
  Pulled(Foreign(0, {TodoCreated("a")}), "new");
  ASSERT_EQ(leader().cursor().head, cursor.head) << "and the note is gone";
  for (const bool restarted : {false, true}) {
    if (restarted) Start();
    EXPECT_TRUE(leader().Join(cursor, "tab")->image.has_value()) << restarted;
    EXPECT_FALSE(leader().Join(leader().cursor(), "tab")->image.has_value()) << restarted;
    EXPECT_FALSE(leader().Join(Cursor{}, "new")->image.has_value()) << "who has nothing";
  }
}

TEST_F(LeaderBackendTest, AClientWhoseIdAnotherOneHasTakesANewOneForGood) {
  const auto called = [this] { return leader().Join({}, "tab")->client_id; };
  EXPECT_FALSE(Pulled(Numbered({}, {TodoCreated("a")}, "before")).rejoin)
      << "our own, of a log that was reset";
  Commit({TodoCreated("b")});
  EXPECT_FALSE(Pulled(Numbered({.global = 1}, {TodoCreated("b")})).rejoin) << "the echo";
  EXPECT_FALSE(Pulled(Numbered({.global = 2}, {TodoCreated("c")}, "before")).rejoin)
      << "of a session that the log knows";
  EXPECT_EQ(called(), "client");
  EXPECT_TRUE(Pulled(Numbered({.global = 3}, {TodoCreated("d")}, "twin")).rejoin);
  EXPECT_EQ(called(), "spare");
  EXPECT_FALSE(Pulled(Numbered({.global = 4}, {TodoCreated("e")}, "third")).rejoin) << "once";
  Start();
  EXPECT_EQ(called(), "spare");
}

TEST_F(LeaderBackendTest, Law8_ALogWhoseGenerationsAreUsedUpIsLeftAloneByAnotherBackend) {
  Pulled(Foreign(0, {TodoCreated("a")}), "old");
  std::vector<Event> last = Numbered(leader().local_head(), {TodoCreated("b")});
  last.back().seq.generation = std::numeric_limits<uint32_t>::max();
  ASSERT_TRUE(leader().Submit(1, 1, Encoded(leader().cursor(), last)).ok());
  Drain();
  ASSERT_TRUE(Send({}, "new").ok());
  const auto drained = leader().Drain();
  ASSERT_FALSE(drained.ok());
  EXPECT_EQ(drained.error().code, ErrorCode::kSyncBackendReplaced);
  EXPECT_EQ(Log(), "e1:a e2r4294967295:b ");
  EXPECT_TRUE(leader().sync_status().halted);
  Commit({TodoCreated("c")});
  EXPECT_EQ(TodoRows(leader()), "at0bt0ct0");
}

TEST_F(LeaderBackendTest, WithoutABackendEverythingIsSettledAtOnce) {
  Start(std::nullopt);
  const DrainOutcome outcome = Commit({TodoCreated("a"), NoteSet("n", "x")});
  const News news = *DecodeNews(outcome.entries[0].news->news);
  EXPECT_FALSE(news.synced);
  EXPECT_EQ(ToString(news.settled), "e1.1");
  EXPECT_THAT(Requests(), IsEmpty());
}

TEST_F(LeaderBackendTest, ABackendThatComesLaterGetsTheWholeLog) {
  Start(std::nullopt);
  Commit({TodoCreated("a"), TodoCreated("b")});
  Start();
  Pulled({});
  EXPECT_THAT(*DecodeEvents(Request(BackendRequest::Kind::kPush)->events), SizeIs(2));
  // Nothing is known of how to take these back: the state is rebuilt, and right.
  Pulled(Foreign(0, {TodoCreated("z")}));
  EXPECT_EQ(Log(), "e1:z e2r1:a e3r1:b ");
  EXPECT_EQ(TodoRows(leader()), "at0bt0zt0");
  EXPECT_EQ(leader().counters().rebuilds, 1u);
}

TEST_F(LeaderBackendTest, ALongQueueIsMergedWithManyPagesAtOnce) {
  std::vector<NewEvent> many;
  for (int i = 0; i < 2'000; ++i) many.push_back(TodoCreated(std::to_string(i)));
  Commit(many);
  for (uint64_t page = 0; page < 10; ++page) {
    std::vector<NewEvent> theirs;
    for (int i = 0; i < 100; ++i) {
      theirs.push_back(TodoCreated("t" + std::to_string(page) + "-" + std::to_string(i)));
    }
    ASSERT_TRUE(Send(Foreign(page * 100, theirs)).ok());
  }
  Drain();
  EXPECT_EQ(leader().counters().rebases, 1u);
  EXPECT_EQ(leader().sync_status().pending_count, 2'000u);
}

}  // namespace
}  // namespace livestore

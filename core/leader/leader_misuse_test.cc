// What a leader is told at the wrong moment, in the wrong form or too often: it says so, or passes
// it over, and goes on (laws 6, 8 and 9).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/sqlite/fault_pool.h"
#include "core/testing/eventlog_text.h"
#include "core/testing/leader_process.h"

namespace livestore {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = BackendRequest::Kind;

constexpr int64_t kNow = 1'000'000;

class LeaderMisuseTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start(std::optional<BackendSyncOptions> backend = BackendSyncOptions{},
             BackendIdMismatch mismatch = BackendIdMismatch::kReset) {
    process_.reset();
    process_ = std::make_unique<Process>(pool_, TodoApp::Schema(), backend, mismatch);
    ASSERT_TRUE(process_->leader != nullptr) << process_->error->message;
    process_->Boot();
    ASSERT_FALSE(process_->error.has_value()) << process_->error->message;
    pull_ = 0;
  }
  Leader& leader() { return *process_->leader; }

  DrainOutcome Drain() {
    auto outcome = leader().Drain();
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return outcome.ok() ? std::move(*outcome) : DrainOutcome{};
  }
  Result<void> Submit(const std::vector<NewEvent>& events) {
    const Cursor base = leader().cursor();
    const std::string tab = "tab" + std::to_string(++push_);
    return leader().Submit(1, push_, Encoded(base, Numbered(base.head.seq, events), tab));
  }
  DrainOutcome Commit(const std::vector<NewEvent>& events) {
    EXPECT_TRUE(Submit(events).ok());
    return Drain();
  }
  std::vector<BackendRequest> Requests(int64_t now_ms = kNow) {
    auto requests = leader().NextRequests(now_ms);
    EXPECT_TRUE(requests.ok()) << requests.error().message;
    for (const BackendRequest& request : *requests) {
      if (request.kind == Kind::kPull) pull_ = request.number;
    }
    return std::move(*requests);
  }
  // The push that starts now, to a backend that is known.
  BackendRequest Push(int64_t now_ms = kNow) {
    if (!leader().sync_status().caught_up) {
      EXPECT_TRUE(Send(Page(leader().sync_status().upstream_head, {})).ok());
      Drain();
    }
    for (BackendRequest& request : Requests(now_ms)) {
      if (request.kind == Kind::kPush) return std::move(request);
    }
    ADD_FAILURE() << "no push";
    return {};
  }
  static PulledPage Page(uint64_t after, const std::vector<NewEvent>& events,
                         const std::string& backend_id = "") {
    PulledPage page{.backend_id = backend_id,
                    .events = Numbered({.global = after}, events, "theirs"),
                    .metadata = {}};
    page.metadata.resize(page.events.size());
    return page;
  }
  Result<void> Send(const PulledPage& page) {
    if (pull_ == 0) Requests();
    return leader().OnPulled(pull_, EncodePage(page), true, kNow);
  }
  std::string Log() {
    const auto joined = leader().Join(Cursor{}, "reader");
    const History history = *DecodeHistory(joined->history);
    std::string text;
    for (const Event& event : history.news.run.events) {
      const auto args = nlohmann::json::parse(event.args_json, nullptr, false);
      text += ToString(event.seq) + ":" + args.value("id", "?") + " ";
    }
    return text;
  }

  MemoryPool memory_{LeaderFileNames()};
  FaultPool pool_{memory_};
  std::unique_ptr<Process> process_;
  uint32_t push_ = 0;
  uint32_t pull_ = 0;
};

// ---- Bytes -------------------------------------------------------------------------------------

TEST_F(LeaderMisuseTest, Law8_APushThatIsCutOffAnywhereIsRefusedAndChangesNothing) {
  Commit({TodoCreated("a")});
  const std::string before = Log();
  const Cursor base = leader().cursor();
  const Bytes push = Encoded(base, Numbered(base.head.seq, {TodoCreated("b"), NoteSet("n", "x")}));
  for (size_t size = 0; size < push.size(); ++size) {
    const BytesView part = BytesView(push).first(size);
    for (const bool orphan : {false, true}) {
      const Result<void> submitted =
          orphan ? leader().SubmitOrphans(part) : leader().Submit(1, 9, part);
      ASSERT_FALSE(submitted.ok()) << size;
      EXPECT_EQ(submitted.error().code, ErrorCode::kMalformedBytes) << size;
    }
  }
  EXPECT_FALSE(leader().HasWork());
  EXPECT_EQ(Log(), before);
  ASSERT_TRUE(leader().Submit(1, 9, push).ok());
  EXPECT_EQ(Answers(Drain()), "news:1x2 accepted:1 ");
}

TEST_F(LeaderMisuseTest, Law8_APushWithADamagedByteIsRefusedOrTakenAsItIs) {
  const Bytes push = Encoded({}, Numbered({}, {TodoCreated("b")}));
  int refused = 0;
  for (size_t at = 0; at < push.size(); ++at) {
    for (const uint8_t flip : Bytes{1, 0x80, 0xff}) {
      Bytes damaged = push;
      damaged[at] ^= flip;
      const SeqNum before = leader().local_head();
      const Result<void> submitted = leader().Submit(1, 9, damaged);
      if (!submitted.ok()) {
        ++refused;
        const ErrorCode code = submitted.error().code;
        EXPECT_TRUE(code == ErrorCode::kMalformedBytes || code == ErrorCode::kProtocolMismatch)
            << at << ": " << submitted.error().message;
        EXPECT_FALSE(leader().HasWork());
        continue;
      }
      const DrainOutcome outcome = Drain();
      ASSERT_FALSE(outcome.entries.empty()) << at;
      const PushResult& result = *outcome.entries.back().result;
      const bool grew = leader().local_head() != before;
      EXPECT_EQ(result.answer == PushAnswer::kAccepted, grew) << at;
    }
  }
  EXPECT_GT(refused, 20);
}

TEST_F(LeaderMisuseTest, Law6_APageThatIsCutOffAnywhereIsPulledAgain) {
  PulledPage page = Page(0, {TodoCreated("a"), TodoDone("a")}, "backend");
  page.metadata[1] = R"({"at":7})";
  const Bytes bytes = EncodePage(page);
  int64_t now_ms = kNow;
  for (size_t size = 0; size < bytes.size(); ++size) {
    Requests(now_ms);
    ASSERT_NE(pull_, 0u);
    const uint32_t number = std::exchange(pull_, 0);
    const Result<void> pulled =
        leader().OnPulled(number, BytesView(bytes).first(size), true, now_ms);
    ASSERT_FALSE(pulled.ok()) << size;
    EXPECT_EQ(pulled.error().code, ErrorCode::kMalformedBytes) << size;
    EXPECT_FALSE(leader().HasWork());
    EXPECT_THAT(Requests(now_ms), SizeIs(1)) << "the pull is to be stopped";
    now_ms = leader().WakeAt(now_ms).value_or(now_ms);
  }
  EXPECT_EQ(Log(), "");
  Requests(now_ms);
  ASSERT_TRUE(leader().OnPulled(pull_, bytes, true, now_ms).ok());
  Drain();
  EXPECT_EQ(Log(), "e1:a e2:a ");
}

// ---- Limits ------------------------------------------------------------------------------------

TEST_F(LeaderMisuseTest, Law9_MorePushesThanKLeaderQueueMaxAreRefused) {
  const Bytes push = Encoded({}, Numbered({}, {TodoCreated("a")}));
  for (size_t i = 0; i < limits::kLeaderQueueMax; ++i) {
    ASSERT_TRUE(leader().Submit(1, 1, push).ok());
  }
  const Result<void> refused = leader().Submit(1, 1, push);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr("kLeaderQueueMax"));
  EXPECT_THAT(Drain().entries, SizeIs(limits::kLeaderQueueMax + 1)) << "one of them is news";
  EXPECT_EQ(Log(), "e1:a ");
  EXPECT_TRUE(leader().Submit(1, 1, push).ok());
}

TEST_F(LeaderMisuseTest, Law9_MorePulledEventsThanKPulledEventsMaxAreRefused) {
  const std::vector<NewEvent> many(limits::kPageEventsMax, {.name = "Unknown", .args_json = "{}"});
  uint64_t sent = 0;
  for (; sent < limits::kPulledEventsMax; sent += many.size()) {
    ASSERT_TRUE(Send(Page(sent, many)).ok());
  }
  const uint32_t pull = pull_;
  const Result<void> refused = Send(Page(sent, {TodoCreated("a")}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr("kPulledEventsMax"));
  const auto requests = Requests();
  ASSERT_THAT(requests, SizeIs(1)) << "until the queue is drained";
  EXPECT_EQ(requests[0].kind, Kind::kStopPull);
  EXPECT_EQ(requests[0].number, pull);
  EXPECT_TRUE(Send(Page(sent, {TodoCreated("a")})).ok()) << "what the old pull sends says nothing";
}

TEST_F(LeaderMisuseTest, Law9_NoMoreThanKSkippedReportsMaxAreReportedAtOnce) {
  const std::vector<NewEvent> many(limits::kSkippedReportsMax + 5, Broken());
  ASSERT_TRUE(leader().SubmitOrphans(Encoded({}, Numbered({}, many), "gone")).ok());
  const DrainOutcome outcome = Drain();
  EXPECT_THAT(outcome.skipped, SizeIs(limits::kSkippedReportsMax));
  const News news = *DecodeNews(outcome.entries[0].news->news);
  EXPECT_THAT(news.skipped, SizeIs(limits::kSkippedReportsMax + 5)) << "the sessions know them all";
  EXPECT_EQ(leader().local_head().global, limits::kSkippedReportsMax + 5);
}

TEST_F(LeaderMisuseTest, Law9_APushToTheBackendClosesAtKBackendPushBytesMax) {
  const std::string third(limits::kBackendPushBytesMax / 3, 'x');
  const std::string whole(limits::kBackendPushBytesMax + 1, 'x');
  Commit({TodoCreated("a", third), TodoCreated("b", third), TodoCreated("c", third),
          TodoCreated("big", whole), TodoCreated("d")});
  BackendRequest push = Push();
  EXPECT_THAT(*DecodeEvents(push.events), SizeIs(2)) << "their JSON is a little longer";
  leader().OnPushTaken(push.number);
  push = Push();
  EXPECT_THAT(*DecodeEvents(push.events), SizeIs(1)) << "the big one would not go with it";
  leader().OnPushTaken(push.number);
  EXPECT_THAT(Requests(), IsEmpty());
  EXPECT_EQ(leader().WakeAt(kNow), std::nullopt) << "a Drain comes first";
  EXPECT_THAT(Drain().refused, SizeIs(1));
  EXPECT_THAT(*DecodeEvents(Push().events), SizeIs(2)) << "after a rebase it begins anew";
}

// ---- Answers of a backend that nobody waits for ------------------------------------------------

TEST_F(LeaderMisuseTest, WithoutABackendItsCallsDoNothing) {
  Start(std::nullopt);
  Commit({TodoCreated("a")});
  EXPECT_TRUE(leader().OnPulled(1, EncodePage(Page(0, {TodoCreated("b")})), true, kNow).ok());
  leader().OnPullEnded(1, kNow);
  leader().OnPullFailed(1, kNow);
  leader().OnPushTaken(1);
  leader().OnPushFailed(1, BackendFailure::kOffline, kNow);
  leader().OnPushRefused(1, 0, "no", kNow);
  leader().OnBackendReplaced("other");
  leader().OnConnection(true);
  EXPECT_FALSE(leader().HasWork());
  EXPECT_EQ(leader().WakeAt(kNow), std::nullopt);
  EXPECT_THAT(Requests(), IsEmpty());
  EXPECT_EQ(Log(), "e1:a ");
  const LeaderSyncStatus status = leader().sync_status();
  EXPECT_FALSE(status.online);
  EXPECT_EQ(status.pending_count, 0u);
  EXPECT_EQ(ToString(status.local_head), "e1");
}

TEST_F(LeaderMisuseTest, BeforeTheBootNothingIsAskedOfTheBackendAndAfterItBootStepsSayDone) {
  EXPECT_EQ(leader().BootStep()->stage, BootProgress::Stage::kDone);
  process_.reset();
  process_ = std::make_unique<Process>(pool_, TodoApp::Schema(), BackendSyncOptions{});
  EXPECT_THAT(Requests(), IsEmpty());
  process_->Boot();
  EXPECT_THAT(Requests(), SizeIs(1));
}

TEST_F(LeaderMisuseTest, AnswersWithAnotherNumberSayNothing) {
  Commit({TodoCreated("a")});
  const BackendRequest push = Push();
  leader().OnPushRefused(push.number + 7, 0, "no", kNow);
  leader().OnPushTaken(push.number + 7);
  leader().OnPushFailed(push.number + 7, BackendFailure::kOffline, kNow);
  leader().OnPullEnded(pull_ + 7, kNow);
  leader().OnPullFailed(pull_ + 7, kNow);
  EXPECT_TRUE(leader().OnPulled(pull_ + 7, {}, true, kNow).ok());
  EXPECT_FALSE(leader().HasWork());
  EXPECT_THAT(Requests(), IsEmpty()) << "pull and push are still on their way";
  leader().OnPullEnded(pull_, kNow);
  EXPECT_THAT(Requests(*leader().WakeAt(kNow)), SizeIs(1));
}

TEST_F(LeaderMisuseTest, Law6_ARefusalOfWhatWasNotPushedIsAFailedPush) {
  Commit({TodoCreated("a")});
  const BackendRequest push = Push();
  leader().OnPushRefused(push.number, 1, "no", kNow);
  EXPECT_FALSE(leader().HasWork()) << "no reason to drop anything";
  const auto later = leader().WakeAt(kNow);
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(Push(*later).events, push.events);
}

TEST_F(LeaderMisuseTest, ARefusalThatAMergeOvertakesComesAgain) {
  Commit({TodoCreated("a")});
  leader().OnPushRefused(Push().number, 0, "no", kNow);
  ASSERT_TRUE(Send(Page(0, {TodoCreated("z")})).ok());
  const DrainOutcome outcome = Drain();
  EXPECT_THAT(outcome.refused, IsEmpty()) << "it is another event now";
  EXPECT_EQ(Log(), "e1:z e2r1:a ");
  leader().OnPushRefused(Push().number, 0, "no", kNow);
  EXPECT_THAT(Drain().refused, SizeIs(1));
  EXPECT_EQ(Log(), "e1:z ");
}

TEST_F(LeaderMisuseTest, APullThatTheBackendCalledBehindIsStopped) {
  Commit({TodoCreated("a")});
  const BackendRequest push = Push();
  const uint32_t pull = pull_;
  leader().OnPushFailed(push.number, BackendFailure::kServerAhead, kNow);
  const int64_t later = *leader().WakeAt(kNow);
  const auto requests = Requests(later);
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].kind, Kind::kStopPull);
  EXPECT_EQ(requests[0].number, pull);
  EXPECT_EQ(requests[1].kind, Kind::kPull);
}

// ---- Another backend ---------------------------------------------------------------------------

TEST_F(LeaderMisuseTest, TheSameBackendAgainIsNoOther) {
  ASSERT_TRUE(Send(Page(0, {TodoCreated("a")}, "b")).ok());
  ASSERT_TRUE(Send(Page(1, {}, "b")).ok());
  ASSERT_TRUE(Send(Page(1, {TodoCreated("c")})).ok()) << "one that does not say who it is";
  Drain();
  leader().OnBackendReplaced("b");
  EXPECT_FALSE(leader().HasWork());
  EXPECT_EQ(Log(), "e1:a e2:c ");
  EXPECT_EQ(leader().sync_status().upstream_head, 2u);
}

TEST_F(LeaderMisuseTest, WithKIgnoreAnotherBackendEndsSyncingAndNothingElse) {
  Start(BackendSyncOptions{}, BackendIdMismatch::kIgnore);
  ASSERT_TRUE(Send(Page(0, {TodoCreated("a")}, "old")).ok());
  Drain();
  Commit({TodoCreated("b")});
  const uint32_t pull = pull_;
  ASSERT_TRUE(Send(Page(1, {TodoCreated("c")}, "new")).ok());
  const DrainOutcome outcome = Drain();
  EXPECT_FALSE(outcome.rejoin);
  EXPECT_TRUE(leader().sync_status().halted);
  const auto requests = Requests();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].kind, Kind::kStopPull);
  EXPECT_EQ(requests[0].number, pull);
  EXPECT_THAT(Requests(), IsEmpty());
  EXPECT_EQ(leader().WakeAt(kNow), std::nullopt);
  EXPECT_TRUE(Send(Page(1, {TodoCreated("d")}, "old")).ok());
  leader().OnBackendReplaced("third");
  EXPECT_FALSE(leader().HasWork());
  EXPECT_EQ(Answers(Commit({TodoCreated("e")})), "news:1x1 accepted:1 ") << "the app goes on";
  EXPECT_EQ(Log(), "e1:a e2:b e3:e ");
  Start();
  EXPECT_FALSE(leader().sync_status().halted);
  EXPECT_EQ(leader().sync_status().pending_count, 2u);
}

TEST_F(LeaderMisuseTest, WithKIgnoreABackendThatIsReplacedBetweenPullsHaltsToo) {
  Start(BackendSyncOptions{}, BackendIdMismatch::kIgnore);
  leader().OnBackendReplaced("other");
  EXPECT_TRUE(leader().sync_status().halted);
  EXPECT_THAT(Requests(), IsEmpty()) << "no pull had begun";
}

// ---- A state or a log that cannot be used ------------------------------------------------------

class LeaderTamperedTest : public LeaderMisuseTest {
 protected:
  void Tamper(const std::string& file, const std::string& sql) {
    process_.reset();
    const auto vfs = *PoolVfs::Create(memory_, Process::Environment());
    livestore::Tamper(*vfs, file, sql);
  }
};

TEST_F(LeaderTamperedTest, Law4_AStateThatIsNotWhatItShouldBeIsBegunAnew) {
  Commit({TodoCreated("a"), NoteSet("n", "x"), TodoCreated("b")});
  const std::string another_table =
      "drop table __livestore_state; create table __livestore_state (id, formatVersion); "
      "insert into __livestore_state values (1, 3)";
  const std::string tampering[] = {"update __livestore_state set seqNumGlobal = -1",
                                   "update __livestore_state set formatVersion = 0",
                                   "delete from __livestore_state", another_table,
                                   "drop table __livestore_undo"};
  for (const std::string& sql : tampering) {
    SCOPED_TRACE(sql);
    Tamper("state.db", sql);
    Start();
    EXPECT_EQ(leader().counters().damaged_states, 1u);
    EXPECT_EQ(leader().counters().rebuilds, 1u);
    EXPECT_EQ(TodoRows(leader()), "at0bt0");
  }
  Start();
  EXPECT_EQ(leader().counters().damaged_states, 0u);
}

TEST_F(LeaderTamperedTest, Law8_AStateOfANewerBuildIsRefusedAndLeftUntouched) {
  Commit({TodoCreated("a")});
  Tamper("state.db", "update __livestore_state set formatVersion = 99");
  for (int i = 0; i < 2; ++i) {
    const Process process(pool_, TodoApp::Schema(), BackendSyncOptions{});
    ASSERT_TRUE(process.error.has_value());
    EXPECT_EQ(process.error->code, ErrorCode::kNewerFormat) << process.error->message;
  }
}

TEST_F(LeaderTamperedTest, Law8_ADamagedStateThatCannotBeRemovedIsAnErrorOfStorage) {
  Commit({TodoCreated("a")});
  Tamper("state.db", "update __livestore_state set seqNumGlobal = -1");
  pool_.Fail(FaultPool::Call::kTruncate, StorageStatus::kIoError, 0, "state.db");
  {
    const Process process(pool_, TodoApp::Schema(), BackendSyncOptions{});
    ASSERT_TRUE(process.error.has_value());
    EXPECT_EQ(process.error->code, ErrorCode::kStorageIo) << process.error->message;
  }
  pool_.Heal();
  Start();
  EXPECT_EQ(TodoRows(leader()), "at0");
}

TEST_F(LeaderTamperedTest, Law4_AnUndoRowThatIsDamagedMeansTheStateIsBuiltAnew) {
  Commit({TodoCreated("a"), TodoCreated("b")});
  for (const std::string sql :
       {"update __livestore_undo set changeset = null",
        "update __livestore_undo set changeset = x'ff'", "delete from __livestore_undo"}) {
    SCOPED_TRACE(sql);
    Tamper("state.db", sql);
    Start();
    const uint64_t head = leader().sync_status().upstream_head;
    const std::string id = "z" + std::to_string(head);
    ASSERT_TRUE(Send(Page(head, {TodoCreated(id)})).ok());
    const DrainOutcome outcome = Drain();
    ASSERT_THAT(outcome.entries, SizeIs(1));
    EXPECT_THAT(DecodeNews(outcome.entries[0].news->news)->run.events, SizeIs(3));
    EXPECT_EQ(leader().counters().rebuilds, 1u);
    EXPECT_THAT(TodoRows(leader()), HasSubstr("at0bt0z0t0"));
  }
}

TEST_F(LeaderTamperedTest, Law8_ADamagedRowOfTheLogIsSaidByWhoeverReadsIt) {
  ASSERT_TRUE(Send(Page(0, {}, "b")).ok());
  Commit({TodoCreated("a"), TodoCreated("b"), TodoCreated("c")});
  const Cursor end = leader().cursor();
  Tamper("eventlog.db", "update eventlog set sessionCounter = -1 where seqNumGlobal = 2");
  Start();
  EXPECT_EQ(leader().NextRequests(kNow).error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(leader().Join(Cursor{}, "tab").error().code, ErrorCode::kCorruptEventlog);
  EXPECT_EQ(leader().Join(Cursor{{{.global = 2}, 1}}, "tab").error().code,
            ErrorCode::kCorruptEventlog);
  EXPECT_TRUE(leader().Join(end, "tab").ok()) << "what is sound is served";
  EXPECT_TRUE(leader().Join(std::nullopt, "tab")->image.has_value());
  EXPECT_EQ(TodoRows(leader()), "at0bt0ct0");
}

// ---- Storage that failed when somebody else asks -----------------------------------------------

TEST_F(LeaderMisuseTest, Law4_TheGroupAfterOneWhoseStateFailedStandsOnARepairedState) {
  ASSERT_TRUE(Send(Page(0, {TodoCreated("a")})).ok());
  // Comes too late to be admitted, so nothing but the head of the state would be written.
  ASSERT_TRUE(leader().Submit(1, 1, Encoded({}, Numbered({}, {TodoCreated("b")}))).ok());
  pool_.Fail(FaultPool::Call::kWrite, StorageStatus::kIoError, 0, "state.db-wal", 1);
  EXPECT_EQ(Answers(Drain()), "news:0x1 rejected:1 ");
  ASSERT_EQ(pool_.failed(), 1);
  EXPECT_FALSE(leader().HasWork());
  EXPECT_EQ(TodoRows(leader()), "at0");
}

TEST_F(LeaderMisuseTest, Law2_WhoJoinsOrAsksForTheImageAfterAFailedCommitIsToldWhatIsThere) {
  for (const bool join : {true, false}) {
    ASSERT_TRUE(Submit({TodoCreated(join ? "a" : "b")}).ok());
    pool_.Fail(FaultPool::Call::kFlush, StorageStatus::kIoError);
    ASSERT_FALSE(leader().Drain().ok());
    const auto ask = [&]() -> Result<void> {
      if (join) {
        LS_TRY(leader().Join(std::nullopt, "new"));
      } else {
        LS_TRY(leader().Image());
      }
      return Ok();
    };
    const Result<void> early = ask();
    ASSERT_FALSE(early.ok()) << "nothing of it is known to be flushed";
    EXPECT_EQ(early.error().code, ErrorCode::kStorageIo) << early.error().message;
    pool_.Heal();
    EXPECT_TRUE(ask().ok());
    Drain();
    EXPECT_EQ(TodoRows(leader()), join ? "at0" : "at0bt0");
  }
}

TEST_F(LeaderMisuseTest, Law4_ARebuildWhoseFirstPartCannotBeKeptIsDoneByTheNextProcess) {
  std::vector<NewEvent> many;
  for (uint64_t i = 0; i <= limits::kRebuildCommitEvents; ++i) {
    many.push_back({.name = "Unknown", .args_json = "{}"});
  }
  many.push_back(TodoCreated("a"));
  Commit(many);
  process_.reset();
  pool_.Fail(FaultPool::Call::kWrite, StorageStatus::kFull, 0, "state.db-wal");
  {
    Process process(pool_, TodoApp::Schema("untitled"), BackendSyncOptions{});
    process.Boot();
    ASSERT_TRUE(process.error.has_value());
    EXPECT_EQ(process.error->code, ErrorCode::kStorageFull) << process.error->message;
  }
  pool_.Heal();
  Start();
  EXPECT_EQ(TodoRows(leader()), "at0");
}

}  // namespace
}  // namespace livestore

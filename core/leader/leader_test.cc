#include "core/leader/leader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/testing/leader_process.h"

namespace livestore {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LeaderTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start(SchemaDescriptor schema = TodoApp::Schema()) {
    process_.reset();
    process_ = std::make_unique<Process>(pool_, std::move(schema));
    ASSERT_TRUE(process_->leader != nullptr) << process_->error->message;
    steps_ = process_->Boot();
  }
  Leader& leader() { return *process_->leader; }

  // Every push here is of a session object of its own, unless it is named.
  void Submit(uint32_t session, const Cursor& base, const std::vector<Event>& events,
              const std::string& instance = "") {
    ++push_;
    const std::string name = instance.empty() ? "tab" + std::to_string(push_) : instance;
    ASSERT_TRUE(leader().Submit(session, push_, Encoded(base, events, name)).ok());
  }
  DrainOutcome Take(uint32_t session, const std::vector<NewEvent>& events) {
    const Cursor base = leader().cursor();
    Submit(session, base, Numbered(base.head.seq, events));
    auto outcome = leader().Drain();
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return std::move(*outcome);
  }

  FaultyPool pool_;
  std::unique_ptr<Process> process_;
  std::vector<BootProgress> steps_;
  uint32_t push_ = 0;
};

TEST_F(LeaderTest, AcceptsWhatContinuesItsHeadAndTellsTheOthers) {
  EXPECT_EQ(Answers(Take(1, {TodoCreated("a"), NoteSet("n", "x"), TodoDone("a")})),
            "news:1x3 accepted:1 ");
  EXPECT_EQ(ToString(leader().local_head()), "e2");
  EXPECT_EQ(TodoRows(leader()), "at1");
}

TEST_F(LeaderTest, RejectsWhatDoesNotContinueItsHead) {
  const std::vector<Event> on_root = Numbered({}, {TodoCreated("b")});
  Take(1, {TodoCreated("a")});
  Submit(2, {}, on_root);
  EXPECT_EQ(Answers(*leader().Drain()), "rejected:2 ");
  EXPECT_EQ(TodoRows(leader()), "at0");
}

TEST_F(LeaderTest, RejectsASyncedEventOfASessionThatMissedAClientOnlyOne) {
  Take(1, {TodoCreated("a")});
  const Cursor e1 = leader().cursor();
  Take(1, {NoteSet("n", "x")});
  // e2 follows e1.1 by number, but was committed on e1.
  Submit(2, e1, Numbered(e1.head.seq, {TodoCreated("b")}));
  EXPECT_EQ(Answers(*leader().Drain()), "rejected:2 ");
}

TEST_F(LeaderTest, WithoutABackendEverythingInTheLogIsSettledAndReadInPages) {
  const auto page = [&](uint64_t global, uint32_t count) {
    const std::vector<Event> events = *DecodeEvents(*leader().SettledAfter(global, count));
    std::string text;
    for (const Event& event : events) text += ToString(event.seq) + " ";
    return text;
  };
  EXPECT_EQ(page(0, 10), "");
  Take(1,
       {NoteSet("n", "x"), TodoCreated("a"), NoteSet("n", "y"), TodoCreated("b"), TodoDone("a")});
  EXPECT_EQ(page(0, 10), "e1 e1.1 e2 e3 ");
  EXPECT_EQ(page(0, 2), "e1 e1.1 ");
  EXPECT_EQ(page(1, 2), "e2 e3 ");
  EXPECT_EQ(page(3, 2), "");
  EXPECT_EQ(page(99, 2), "");
}

TEST_F(LeaderTest, GroupCommitTakesEveryQueuedPushWithOneFlush) {
  Cursor base = leader().cursor();
  for (uint32_t session = 1; session <= 5; ++session) {
    const auto events = Numbered(base.head.seq, {TodoCreated("t" + std::to_string(session))});
    Submit(session, base, events);
    base.head = HeadOf(events.back());
  }
  const int flushes = pool_.flushes;
  EXPECT_EQ(Answers(*leader().Drain()),
            "news:1x1 accepted:1 news:2x1 accepted:2 news:3x1 accepted:3 "
            "news:4x1 accepted:4 news:5x1 accepted:5 ");
  EXPECT_EQ(pool_.flushes - flushes, 1);
  EXPECT_EQ(leader().counters().groups, 1u);
}

TEST_F(LeaderTest, Law2_WhatWasAcceptedSurvivesACrash) {
  Take(1, {TodoCreated("a"), TodoCreated("b")});
  Start();
  EXPECT_EQ(ToString(leader().local_head()), "e2");
  EXPECT_EQ(TodoRows(leader()), "at0bt0");
  EXPECT_THAT(steps_, SizeIs(1)) << "nothing to replay";
}

TEST_F(LeaderTest, Law3_TheSamePushAfterACrashIsNotAppliedTwice) {
  const auto events = Numbered({}, {TodoCreated("a")});
  Submit(1, {}, events, "tab");
  ASSERT_TRUE(leader().Drain().ok());
  Start();
  EXPECT_EQ(DecodeHistory(leader().Join(Cursor{}, "tab")->history)->accepted, 1u);
  Submit(1, {}, events, "tab");
  EXPECT_EQ(Answers(*leader().Drain()), "rejected:1 ");
  EXPECT_EQ(TodoRows(leader()), "at0");
}

TEST_F(LeaderTest, AnEventThatCannotBeMaterializedFailsAloneWithItsIndex) {
  const DrainOutcome outcome = Take(1, {TodoCreated("a"), Broken(), TodoCreated("b")});
  EXPECT_EQ(Answers(outcome), "news:1x1 failed:1 ");
  const PushResult& result = *outcome.entries[1].result;
  EXPECT_EQ(result.failed_index, 1u);
  EXPECT_EQ(result.error.code, ErrorCode::kMaterializerThrew);
  EXPECT_THAT(result.error.message, HasSubstr("Broken"));
  EXPECT_EQ(TodoRows(leader()), "at0");
  EXPECT_EQ(ToString(leader().local_head()), "e1");
  EXPECT_EQ(Answers(Take(1, {TodoCreated("c")})), "news:1x1 accepted:1 ");
}

TEST_F(LeaderTest, AnUnknownEventIsKeptAndChangesNothing) {
  EXPECT_EQ(Answers(Take(1, {{.name = "FromTheFuture", .args_json = "{}"}, TodoCreated("a")})),
            "news:1x2 accepted:1 ");
  Start(TodoApp::Schema("changed"));
  EXPECT_EQ(TodoRows(leader()), "at0");
  EXPECT_EQ(ToString(leader().local_head()), "e2");
}

TEST_F(LeaderTest, ServesHistoryByCursorFromTheLog) {
  Take(1, {TodoCreated("a")});
  const Cursor e1 = leader().cursor();
  Take(1, {TodoCreated("b"), NoteSet("n", "x"), TodoCreated("c")});
  const Cursor e3 = leader().cursor();
  Start();
  const auto after = leader().Join(e1, "tab");
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->image, std::nullopt);
  EXPECT_THAT(DecodeHistory(after->history)->news.run.events, SizeIs(3));
  EXPECT_THAT(DecodeHistory(leader().Join(e3, "tab")->history)->news.run.events, IsEmpty());
}

TEST_F(LeaderTest, WhoKnowsNothingOrAnotherHistoryIsGivenTheImage) {
  Take(1, {TodoCreated("a")});
  const Cursor e1 = leader().cursor();
  for (const std::optional<Cursor>& cursor :
       {std::optional<Cursor>(), std::optional(Cursor{{{.global = 9}, 1}}),
        std::optional(Cursor{{e1.head.seq, e1.head.hash + 1}}),
        std::optional(Cursor{e1.head, 1})}) {
    const auto joined = leader().Join(cursor, "tab");
    ASSERT_TRUE(joined.ok() && joined->image.has_value());
    const History history = *DecodeHistory(joined->history);
    EXPECT_EQ(history.news.run.base, e1.head);
    EXPECT_THAT(history.news.run.events, IsEmpty());
  }
}

TEST_F(LeaderTest, ASchemaChangeRebuildsTheStateFromTheLog) {
  std::vector<NewEvent> many;
  for (int i = 0; i < 2500; ++i) many.push_back(TodoCreated(std::to_string(i)));
  Take(1, many);
  Start(TodoApp::Schema("untitled"));
  EXPECT_EQ(steps_.front().stage, BootProgress::Stage::kMigrating);
  std::vector<uint64_t> done;
  for (const BootProgress& step : steps_) {
    if (step.stage != BootProgress::Stage::kRehydrating) continue;
    done.push_back(step.done);
    EXPECT_EQ(step.total, 2500u);
  }
  EXPECT_EQ(done, (std::vector<uint64_t>{1000, 2000, 2500}));
  const auto count =
      leader().Query(*leader().Prepare("select count(*) from todos where title = 'untitled'"),
                     BindsWriter().view());
  ByteReader reader(*count);
  reader.Raw(16);
  EXPECT_EQ(reader.F64(), 2500);
  EXPECT_EQ(leader().counters().rebuilds, 1u);
}

TEST_F(LeaderTest, Law4_ARebuildThatIsCutOffIsNeverServedAndGoesOn) {
  constexpr uint64_t kEvents = limits::kRebuildCommitEvents + 2'500;
  std::vector<NewEvent> many;
  for (uint64_t i = 0; i < kEvents; ++i) many.push_back(TodoCreated(std::to_string(i)));
  Take(1, many);
  process_.reset();
  process_ = std::make_unique<Process>(pool_, TodoApp::Schema("untitled"));
  BootProgress progress;
  while (progress.done <= limits::kRebuildCommitEvents) {
    progress = *process_->leader->BootStep();
    ASSERT_NE(progress.stage, BootProgress::Stage::kDone);
  }  // And the worker dies.
  Start(TodoApp::Schema("untitled"));
  EXPECT_EQ(leader().counters().rebuilds, 0u);
  EXPECT_EQ(leader().counters().events_replayed, 2'500u) << "after the last whole transaction";
  const auto joined = leader().Join(std::nullopt, "tab");
  ASSERT_TRUE(joined.ok() && joined->image.has_value());
  Start(TodoApp::Schema("untitled"));
  EXPECT_THAT(steps_, SizeIs(1));
  process_.reset();
  process_ = std::make_unique<Process>(pool_, TodoApp::Schema("again"));
  ASSERT_TRUE(process_->leader->BootStep().ok());
  ASSERT_TRUE(process_->leader->BootStep().ok());
  Start(TodoApp::Schema("third"));
  EXPECT_EQ(leader().counters().events_replayed, kEvents) << "a partial state of another schema";
}

TEST_F(LeaderTest, Law6_AMaterializerThatFailsInARebuildIsReportedAndTheBootGoesOn) {
  process_->app.broken.reset();
  Take(1, {TodoCreated("a"), Broken(), TodoCreated("b")});
  Start(TodoApp::Schema("untitled"));
  EXPECT_EQ(TodoRows(leader()), "at0bt0");
  ASSERT_TRUE(leader().HasWork());
  const auto outcome = leader().Drain();
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->skipped, SizeIs(1));
  EXPECT_EQ(ToString(outcome->skipped[0].event.seq), "e2");
  EXPECT_EQ(outcome->skipped[0].error.code, ErrorCode::kMaterializerThrew);
  EXPECT_FALSE(leader().HasWork());
}

TEST_F(LeaderTest, AFullDiskLosesNothingAndTheSameGroupIsTakenLater) {
  Take(1, {TodoCreated("a")});
  for (const char* file : {"eventlog.db-wal", "state.db-wal"}) {
    SCOPED_TRACE(file);
    const std::string id = std::string("t") + file[0];
    Submit(1, leader().cursor(), Numbered(leader().local_head(), {TodoCreated(id)}));
    pool_.failing_file = file;
    pool_.writes_left = 0;
    const auto full = leader().Drain();
    pool_.writes_left = std::numeric_limits<int64_t>::max();
    if (full.ok()) {
      // The log had room: the event is durable although the state could not follow yet.
      EXPECT_EQ(Answers(*full), "news:1x1 accepted:1 ");
      EXPECT_EQ(Answers(Take(2, {TodoCreated(id + "next")})), "news:2x1 accepted:2 ");
    } else {
      EXPECT_EQ(full.error().code, ErrorCode::kStorageFull);
      EXPECT_EQ(Answers(*leader().Drain()), "news:1x1 accepted:1 ");
    }
    EXPECT_THAT(TodoRows(leader()), HasSubstr(id));
  }
  const std::string rows = TodoRows(leader());
  Start();
  EXPECT_EQ(TodoRows(leader()), rows);
}

TEST_F(LeaderTest, ADamagedStateIsBegunAnewFromTheLog) {
  Take(1, {TodoCreated("a")});
  process_.reset();
  for (const char* file : {"state.db", "state.db-wal"}) {
    const int handle = pool_.Find(file);
    const Bytes garbage(static_cast<size_t>(pool_.Size(handle)), 0xab);
    ASSERT_EQ(pool_.inner.Write(handle, garbage, 0), StorageStatus::kOk);
  }
  Start();
  EXPECT_EQ(TodoRows(leader()), "at0");
  EXPECT_EQ(leader().counters().damaged_states, 1u);
}

TEST_F(LeaderTest, AStateOfAnotherHistoryIsRebuilt) {
  Take(1, {TodoCreated("a")});
  // Another store's log, of the same length, under this state.
  FaultyPool other;
  {
    Process process(other);
    process.Boot();
    ASSERT_TRUE(process.leader->Submit(1, 1, Encoded({}, Numbered({}, {TodoCreated("z")}))).ok());
    ASSERT_TRUE(process.leader->Drain().ok());
  }
  process_.reset();
  for (const std::string& file : {std::string("eventlog.db"), std::string("eventlog.db-wal")}) {
    Bytes bytes(static_cast<size_t>(other.Size(other.Find(file))));
    other.Read(other.Find(file), bytes.data(), bytes.size(), 0);
    ASSERT_EQ(pool_.inner.Truncate(pool_.Find(file), 0), StorageStatus::kOk);
    ASSERT_EQ(pool_.inner.Write(pool_.Find(file), bytes, 0), StorageStatus::kOk);
  }
  Start();
  EXPECT_EQ(TodoRows(leader()), "zt0");
}

TEST_F(LeaderTest, ADamagedEventlogIsRefusedAndLeftUntouched) {
  Take(1, {TodoCreated("a")});
  process_.reset();
  const int log = pool_.Find("eventlog.db");
  const Bytes garbage(8192, 0xab);
  ASSERT_EQ(pool_.inner.Truncate(pool_.Find("eventlog.db-wal"), 0), StorageStatus::kOk);
  ASSERT_EQ(pool_.inner.Truncate(log, 0), StorageStatus::kOk);
  ASSERT_EQ(pool_.inner.Write(log, garbage, 0), StorageStatus::kOk);
  const Process process(pool_);
  ASSERT_TRUE(process.error.has_value());
  EXPECT_EQ(process.error->code, ErrorCode::kCorruptEventlog);
  Bytes after(static_cast<size_t>(pool_.Size(log)));
  pool_.Read(log, after.data(), after.size(), 0);
  EXPECT_EQ(after, garbage);
}

TEST_F(LeaderTest, DamagedBytesAreTheirSendersFault) {
  Bytes garbage = Encoded({}, Numbered({}, {TodoCreated("a")}));
  garbage.resize(garbage.size() - 1);
  const auto refused = leader().Submit(1, 1, garbage);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kMalformedBytes);
  EXPECT_FALSE(leader().Submit(1, 1, {}).ok());
  EXPECT_THAT(leader().Drain()->entries, IsEmpty());
}

TEST_F(LeaderTest, Law3_EventsOfASessionThatIsNoMoreAreTakenOnce) {
  Take(1, {TodoCreated("a")});
  // What the page journaled had been committed on e0, and its first event was accepted since.
  Submit(1, leader().cursor(), Numbered(leader().local_head(), {TodoCreated("b")}), "gone");
  ASSERT_TRUE(leader().Drain().ok());
  const Bytes journal =
      Encoded({}, Numbered({}, {TodoCreated("b"), TodoCreated("c"), TodoCreated("a")}), "gone");
  ASSERT_TRUE(leader().SubmitOrphans(journal).ok());
  ASSERT_TRUE(leader().SubmitOrphans(journal).ok());
  const auto outcome = leader().Drain();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(Answers(*outcome), "news:0x2 ");
  ASSERT_THAT(outcome->skipped, SizeIs(1)) << "the todo a exists";
  EXPECT_EQ(outcome->skipped[0].error.code, ErrorCode::kConstraint);
  Start();
  ASSERT_TRUE(leader().SubmitOrphans(journal).ok());
  EXPECT_EQ(Answers(*leader().Drain()), "");
  EXPECT_EQ(ToString(leader().local_head()), "e4");
  EXPECT_EQ(TodoRows(leader()), "at0bt0ct0");
}

}  // namespace
}  // namespace livestore

#include "core/session/client_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/base/limits.h"
#include "core/event/event_codec.h"
#include "core/sqlite/row_codec.h"
#include "core/testing/todo_app.h"

namespace livestore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using ::testing::AllOf;
using ::testing::Field;

// One session and a hand-driven upstream: what the leader has is written out in each test, as a log
// and how much of it is settled. At the end of each the session's rows are those of a replay.
class ClientSessionTest : public ::testing::Test {
 protected:
  void SetUp() override { session_ = Open(app_, "A"); }
  void TearDown() override { ExpectReplay(); }

  static std::unique_ptr<ClientSession> Open(TodoApp& app, const std::string& session_id,
                                             SchemaDescriptor schema = TodoApp::Schema()) {
    auto session = ClientSession::Create({.client_id = "client",
                                          .session_id = session_id,
                                          .instance = session_id + "-1",
                                          .schema = std::move(schema)},
                                         app);
    EXPECT_TRUE(session.ok());
    ClientSession* raw = session->get();
    app.Attach([raw](std::string_view sql) { return raw->Prepare(sql); });
    return std::move(*session);
  }

  Result<std::vector<LiveQueryId>> Commit(std::vector<NewEvent> events) {
    return session_->Commit(events);
  }

  // The first column of every row, joined by blanks.
  std::string Read(std::string_view sql) { return Read(*session_, sql); }
  static std::string Read(ClientSession& session, std::string_view sql) {
    const auto statement = session.Prepare(sql);
    if (!statement.ok()) return statement.error().message;
    const auto rows = session.Query(*statement, BindsWriter().view());
    if (!rows.ok()) return rows.error().message;
    ByteReader reader(*rows);
    const uint32_t count = reader.U32();
    EXPECT_EQ(reader.U32(), 1u) << "one column, please";
    const uint32_t text_bytes = reader.U32();
    reader.U32();
    std::vector<size_t> lengths;
    for (uint32_t i = 0; i < count; ++i) lengths.push_back(static_cast<size_t>(reader.F64()));
    reader.Raw(count);
    std::string_view text = AsText(reader.Raw(text_bytes));
    std::string joined;
    for (const size_t length : lengths) {
      if (!joined.empty()) joined += ' ';
      joined += text.substr(0, length);
      text.remove_prefix(length);
    }
    return joined;
  }
  std::string Todos() { return Read("select id from todos order by id"); }
  // Every row with its rowid.
  static std::string Rows(ClientSession& session) {
    std::string rows;
    for (const char* sql :
         {"select rowid || ':' || id || ':' || text || ':' || done from todos order by rowid",
          "select rowid || ':' || id || ':' || text from notes order by rowid",
          "select rowid || ':' || text from history order by rowid"}) {
      rows += Read(session, sql) + "\n";
    }
    return rows;
  }
  std::string Heads() {
    const SyncStatus status = session_->sync_status();
    return ToString(status.upstream_head) + " < " + ToString(status.local_head) + " (" +
           std::to_string(status.pending_count) + ")";
  }
  // "committed persisted synced"
  std::string Receipts() {
    const livestore::Receipts receipts = session_->receipts();
    return std::to_string(receipts.committed) + " " + std::to_string(receipts.persisted) + " " +
           std::to_string(receipts.synced);
  }
  std::vector<Event> Pending() {
    const auto pending = session_->PendingAsPush();
    if (!pending) return {};
    auto push = DecodePush(*pending);
    EXPECT_TRUE(push.ok());
    EXPECT_EQ(push->instance, "A-1");
    return std::move(push->run.events);
  }

  // Law 4: the rows are those of a session that only ever saw the leader's log, then what is
  // pending.
  void ExpectReplay() {
    News news{.run = {.events = log_}};
    const std::vector<Event> pending = Pending();
    ASSERT_TRUE(Continues(log_.empty() ? kRootSeqNum : log_.back().seq, pending));
    news.run.events.insert(news.run.events.end(), pending.begin(), pending.end());
    for (uint32_t i = 0; i < log_.size(); ++i) {
      if (skipped_.contains(ToString(log_[i].seq))) news.skipped.push_back(i);
    }
    TodoApp app;
    app.broken.reset();
    const auto replay = Open(app, "replay");
    const auto outcome = replay->OnNews(EncodeNews(news));
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    ASSERT_FALSE(outcome->need_image);
    EXPECT_EQ(Rows(*session_), Rows(*replay));
  }

  // ---- The leader

  // Has a backend from now on, and says so: then nothing is settled until a test says so.
  void Sync() {
    synced_ = true;
    const auto outcome = Tell(log_.size());
    ASSERT_TRUE(outcome.ok());
    ASSERT_FALSE(outcome->need_image);
  }
  // An event by somebody else at the end of the log.
  void Other(const NewEvent& event) { log_.push_back(After(HeadAt(log_.size()).seq, event)); }
  static Event After(const SeqNum& head, const NewEvent& event) {
    const SeqNumPair place = NextSeqNum(head, event.client_only);
    return {.seq = place.seq,
            .parent = place.parent,
            .name = event.name,
            .args_json = event.args_json,
            .client_id = "client",
            .session_id = "B",
            .schema_hash = event.schema_hash};
  }
  [[nodiscard]] Head HeadAt(size_t count) const {
    return count == 0 ? Head{} : HeadOf(log_[count - 1]);
  }
  // The backend says that `event` comes right after what is settled.
  void Pull(const NewEvent& event) {
    const auto at = log_.begin() + static_cast<ptrdiff_t>(settled_);
    const auto place = log_.insert(at, After(HeadAt(settled_).seq, event));
    ++settled_;
    Renumber(std::span(log_).subspan(settled_), place->seq, ++generation_);
  }
  void Refuse(size_t index) {
    const uint64_t counter = log_[index].origin.counter;
    if (counter != 0) refused_.push_back({counter, {ErrorCode::kBackendRefused, "no"}});
    std::ranges::sort(refused_, {}, &RefusedCommit::counter);
    log_.erase(log_.begin() + static_cast<ptrdiff_t>(index));
    Renumber(std::span(log_).subspan(index), HeadAt(index).seq, ++generation_);
  }
  // What the leader says of the log after its first `base` events.
  News NewsAfter(size_t base, uint32_t rebased = 0, std::vector<Refusal> refused = {}) {
    if (!synced_) settled_ = log_.size();
    News news{.synced = synced_,
              .settled = HeadAt(settled_).seq,
              .rebased = rebased,
              .skipped = {},
              .refused = std::move(refused),
              .run = {.base = HeadAt(base),
                      .events = {log_.begin() + static_cast<ptrdiff_t>(base), log_.end()}}};
    for (size_t i = base; i < log_.size(); ++i) {
      if (skipped_.contains(ToString(log_[i].seq))) {
        news.skipped.push_back(static_cast<uint32_t>(i - base));
      }
    }
    return news;
  }
  Result<FollowOutcome> Tell(size_t base, uint32_t rebased = 0, std::vector<Refusal> refused = {}) {
    return session_->OnNews(EncodeNews(NewsAfter(base, rebased, std::move(refused))));
  }
  Bytes HistoryAfter(size_t base, uint64_t accepted) {
    History history{
        .accepted = accepted, .refused = refused_, .counters = {}, .news = NewsAfter(base)};
    for (size_t i = settled_; i < log_.size(); ++i) {
      history.counters.push_back(log_[i].origin.counter);
    }
    return EncodeHistory(history);
  }
  // The leader's state, which can take back what is not settled.
  Bytes LeaderImage() {
    if (!synced_) settled_ = log_.size();
    TodoApp app;
    app.broken.reset();
    auto state = std::move(*StateDb::Create(*Database::OpenInMemory(), TodoApp::Schema(), app));
    app.Attach([&state](std::string_view sql) { return state->database().Prepare(sql); });
    EXPECT_TRUE(state->Recreate().ok());
    for (size_t i = 0; i < log_.size(); ++i) {
      Materialized done;
      if (skipped_.contains(ToString(log_[i].seq))) {
        state->SetHead(log_[i].seq, EventHash(log_[i]));
      } else {
        auto materialized = state->Materialize(log_[i], -1, StateDb::Record::kChangeset);
        EXPECT_TRUE(materialized.ok());
        done = std::move(*materialized);
      }
      if (i >= settled_) {
        EXPECT_TRUE(state->KeepUndo(HeadAt(i), done).ok());
      }
    }
    EXPECT_TRUE(state->SaveHead().ok());
    return *state->database().Serialize();
  }
  Result<FollowOutcome> Load(uint64_t accepted) {
    return session_->LoadImage(LeaderImage(), HistoryAfter(log_.size(), accepted));
  }

  std::vector<Event> Push() {
    const auto bytes = session_->NextPush();
    if (!bytes) return {};
    auto push = DecodePush(*bytes);
    EXPECT_TRUE(push.ok());
    EXPECT_EQ(push->run.base, HeadAt(log_.size())) << "unless the session is behind";
    pushed_ = push->counters;
    std::vector<Event> events = std::move(push->run.events);
    for (size_t i = 0; i < events.size(); ++i) events[i].origin = {1, pushed_[i]};
    return events;
  }
  // The leader takes everything pending.
  void PushAll() {
    for (std::vector<Event> events = Push(); !events.empty(); events = Push()) {
      log_.insert(log_.end(), events.begin(), events.end());
      ASSERT_TRUE(session_->OnPushAccepted().ok());
    }
  }
  LiveQueryId Live(std::string_view sql) {
    const auto id = session_->live_queries().Open(*session_->Prepare(sql), BindsWriter().view());
    EXPECT_TRUE(id.ok());
    return *id;
  }

  TodoApp app_;
  std::unique_ptr<ClientSession> session_;

  std::vector<Event> log_;
  size_t settled_ = 0;  // Events of the log; all of them without a backend.
  bool synced_ = false;
  std::vector<RefusedCommit> refused_;  // Own events that the log remembers as refused.
  std::set<std::string> skipped_;  // Positions of events that the leader could not materialize.
  uint32_t generation_ = 0;
  std::vector<uint64_t> pushed_;  // The counters of the last push.
};

TEST_F(ClientSessionTest, Law1_ACommitIsVisibleAtOnce) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  EXPECT_EQ(Todos(), "a b");
  EXPECT_EQ(Heads(), "e0 < e2 (2)");
}

TEST_F(ClientSessionTest, ClientOnlyEventsStandBetweenSyncedOnes) {
  ASSERT_TRUE(
      Commit({TodoCreated("a"), NoteSet("n", "x"), NoteSet("n", "y"), TodoCreated("b")}).ok());
  const std::vector<Event> pushed = Push();
  ASSERT_THAT(pushed, SizeIs(4));
  EXPECT_EQ(ToString(pushed[0].seq), "e1");
  EXPECT_EQ(ToString(pushed[2].seq), "e1.2");
  EXPECT_EQ(ToString(pushed[3].seq), "e2");
  EXPECT_EQ(ToString(pushed[3].parent), "e1");
}

TEST_F(ClientSessionTest, ACommitNamesTheLiveQueriesItMadeStale) {
  const LiveQueryId todos = Live("select id from todos");
  const LiveQueryId notes = Live("select id from notes");
  EXPECT_THAT(*Commit({TodoCreated("a")}), ElementsAre(todos));
  EXPECT_THAT(*Commit({NoteSet("n", "x")}), ElementsAre(notes));
  EXPECT_THAT(*Commit({TodoCreated("b"), NoteSet("n", "y")}), ElementsAre(todos, notes));
}

TEST_F(ClientSessionTest, ALiveQueryWhoseRowsACommitLeavesAsTheyAreIsNotStale) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  const LiveQueryId a = Live("select done from todos where id = 'a'");
  const LiveQueryId b = Live("select done from todos where id = 'b'");
  for (const LiveQueryId id : {a, b}) ASSERT_TRUE(session_->live_queries().Run(id)->has_value());
  EXPECT_THAT(*Commit({TodoDone("a")}), ElementsAre(a));
  EXPECT_TRUE(session_->live_queries().Run(a)->has_value());
  EXPECT_FALSE(session_->live_queries().Run(a)->has_value());
  EXPECT_FALSE(session_->live_queries().Run(b)->has_value());
}

TEST_F(ClientSessionTest, Law8_AFailedCommitLeavesEverythingAsItWas) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  const auto constraint = Commit({TodoCreated("b"), TodoCreated("a")});
  ASSERT_FALSE(constraint.ok());
  EXPECT_EQ(constraint.error().code, ErrorCode::kConstraint);
  EXPECT_THAT(constraint.error().message, HasSubstr("TodoCreated"));

  const auto broken = Commit({TodoCreated("c"), Broken()});
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, ErrorCode::kMaterializerThrew);

  const auto unknown = Commit({{.name = "Nothing", .args_json = "{}"}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kUnknownEvent);

  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(Heads(), "e0 < e1 (1)");
  ASSERT_TRUE(Commit({TodoCreated("d")}).ok());
  EXPECT_EQ(Todos(), "a d");
  EXPECT_EQ(Heads(), "e0 < e2 (2)");
}

// ---- Pushing -----------------------------------------------------------------------------------

TEST_F(ClientSessionTest, OnePushIsInFlightAtATime) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  log_ = Push();
  EXPECT_THAT(log_, SizeIs(1));
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  ASSERT_TRUE(session_->OnPushAccepted().ok());
  EXPECT_EQ(Heads(), "e1 < e2 (1)");
  const std::vector<Event> second = Push();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(ToString(second[0].seq), "e2");
  EXPECT_THAT(pushed_, ElementsAre(2));
  log_.push_back(second[0]);
  ASSERT_TRUE(session_->OnPushAccepted().ok());
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  EXPECT_EQ(session_->OnPushAccepted().error().code, ErrorCode::kUpstreamGap);
}

TEST_F(ClientSessionTest, ARejectionThatNothingExplainsAsksForAFreshStart) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Push();
  const auto rejected = session_->OnPushRejected();
  ASSERT_FALSE(rejected.ok());
  EXPECT_EQ(rejected.error().code, ErrorCode::kUpstreamGap);
}

TEST_F(ClientSessionTest, AnAnswerToAPushThatTheNewsOutdatedIsNoAcceptance) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Push();
  Other(TodoCreated("x"));
  ASSERT_TRUE(Tell(0).ok());
  EXPECT_EQ(session_->OnPushAccepted().error().code, ErrorCode::kUpstreamGap);
  EXPECT_EQ(session_->OnPushFailed(0, {}).error().code, ErrorCode::kUpstreamGap);
  EXPECT_EQ(Heads(), "e1 < e2r1 (1)");
}

TEST_F(ClientSessionTest, NewsOfWhatIsSettledOutdatesNoPush) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Other(TodoCreated("x"));
  ASSERT_TRUE(Tell(0).ok());
  const std::vector<Event> pushed = Push();
  settled_ = 1;
  ASSERT_TRUE(Tell(1).ok());
  log_.push_back(pushed.at(0));
  EXPECT_TRUE(session_->OnPushAccepted().ok());
  EXPECT_EQ(Heads(), "e2r1 < e2r1 (0)");
}

TEST_F(ClientSessionTest, AFailedPushConfirmsWhatCameBeforeDropsTheEventAndRebasesTheRest) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b"), TodoCreated("c")}).ok());
  log_ = {Push().at(0)};
  const auto outcome =
      session_->OnPushFailed(1, {ErrorCode::kMaterializerThrew, "not in this leader"});
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected, SizeIs(1));
  EXPECT_THAT(outcome->rejected[0].event.args_json, HasSubstr("\"b\""));
  EXPECT_EQ(outcome->rejected[0].counter, 2u);
  EXPECT_FALSE(outcome->rejected[0].accepted);
  EXPECT_EQ(Todos(), "a c");
  EXPECT_EQ(Receipts(), "3 2 0");
  const std::vector<Event> rest = Push();
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].seq.global, 2u);
  EXPECT_THAT(pushed_, ElementsAre(3));
}

TEST_F(ClientSessionTest, AFailedPushThatCannotBeRolledBackWaitsForTheImage) {
  // Where columns have all names of the rowid, no changeset can be rolled back.
  SchemaDescriptor schema = TodoApp::Schema();
  for (const char* name : {"rowid", "_rowid_", "oid"}) {
    schema.tables[0].columns.push_back({.name = name, .type = "text", .nullable = true});
  }
  TodoApp app;
  const auto session = Open(app, "A", schema);
  const std::vector<NewEvent> events{NoteSet("", ""), TodoCreated("a"), TodoCreated("b")};
  ASSERT_TRUE(session->Commit(events).ok());
  ASSERT_TRUE(session->NextPush().has_value());
  const auto outcome = session->OnPushFailed(1, {ErrorCode::kMaterializerThrew, "not here"});
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->need_image);
  EXPECT_THAT(outcome->rejected, ElementsAre(Field(&RejectedEvent::counter, 2u)));
  EXPECT_EQ(session->sync_status().pending_count, 1u);
  EXPECT_EQ(session->NextPush(), std::nullopt);
  // No history can mend the rows: not that of another leader either.
  const Head cursor = session->OnLeaderChange().head;
  EXPECT_EQ(ToString(cursor.seq), "e0.1");
  const auto history = session->OnHistory(
      EncodeHistory({.accepted = 2, .news = {.settled = cursor.seq, .run = {.base = cursor}}}));
  ASSERT_TRUE(history.ok());
  EXPECT_TRUE(history->need_image);
  EXPECT_EQ(session->NextPush(), std::nullopt);

  TodoApp leader_app;
  const auto leader = Open(leader_app, "leader", schema);
  const auto note = DecodePush(*[&] {
    EXPECT_TRUE(leader->Commit(std::vector{NoteSet("", "")}).ok());
    return leader->NextPush();
  }());
  ASSERT_TRUE(leader->OnPushAccepted().ok());
  const Head head = HeadOf(note->run.events[0]);
  const auto loaded = session->LoadImage(
      *leader->Image(),
      EncodeHistory({.accepted = 2, .news = {.settled = head.seq, .run = {.base = head}}}));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_THAT(loaded->rejected, IsEmpty());
  EXPECT_EQ(Read(*session, "select id from todos"), "b");
  const auto push = session->NextPush();
  ASSERT_TRUE(push.has_value());
  EXPECT_THAT(DecodePush(*push)->counters, ElementsAre(3));
}

TEST_F(ClientSessionTest, EverythingPendingIsOnePushForTheJournal) {
  EXPECT_EQ(session_->PendingAsPush(), std::nullopt);
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  log_ = Push();
  ASSERT_TRUE(Commit({NoteSet("n", "x")}).ok());
  const auto journal = DecodePush(*session_->PendingAsPush());
  ASSERT_TRUE(journal.ok());
  EXPECT_THAT(journal->counters, ElementsAre(1, 2, 3));
  ASSERT_TRUE(session_->OnPushAccepted().ok());
  EXPECT_THAT(DecodePush(*session_->PendingAsPush())->counters, ElementsAre(3));
}

TEST_F(ClientSessionTest, ASessionWithoutAnInstanceNameIsRefused) {
  for (const size_t length : {size_t{0}, limits::kNameBytesMax + 1}) {
    TodoApp app;
    const auto refused = ClientSession::Create({.client_id = "client",
                                                .session_id = "A",
                                                .instance = std::string(length, 'x'),
                                                .schema = TodoApp::Schema()},
                                               app);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

// Its tables are made when they are first needed; an image would bring others.
TEST_F(ClientSessionTest, TablesThatCannotBeMadeFailWhateverNeedsThem) {
  TodoApp app;
  SchemaDescriptor schema = TodoApp::Schema();
  schema.tables[0].columns[2].default_sql = "(no such column)";
  const auto session = Open(app, "B", std::move(schema));
  const std::vector<NewEvent> events = {TodoCreated("a")};
  const auto refused = [](const auto& outcome) {
    return outcome.ok() ? "" : std::string(ErrorCodeName(outcome.error().code));
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(refused(session->Commit(events)), "InvalidSchema");
    EXPECT_EQ(refused(session->CommitPassing(events)), "InvalidSchema");
    EXPECT_EQ(refused(session->OnPassing(EncodeEvents({}))), "InvalidSchema");
    EXPECT_EQ(refused(session->OnNews(EncodeNews({}))), "InvalidSchema");
    EXPECT_EQ(refused(session->OnHistory(EncodeHistory({}))), "InvalidSchema");
    EXPECT_EQ(refused(session->Prepare("select * from todos")), "InvalidSchema");
    EXPECT_EQ(refused(session->Image()), "InvalidSchema");
  }
  EXPECT_FALSE(session->NextPush());
  EXPECT_EQ(session->receipts().committed, 0u);
}

TEST_F(ClientSessionTest, MoreEventsThanMayBePendingAreRefused) {
  const std::vector<NewEvent> many(limits::kCommitEventsMax + 1, NoteSet("n", "x"));
  EXPECT_EQ(session_->Commit(many).error().code, ErrorCode::kLimitExceeded);
  EXPECT_EQ(session_->receipts().committed, 0u);
}

// ---- What others do ----------------------------------------------------------------------------

TEST_F(ClientSessionTest, NewsApplyWhatOthersCommitted) {
  const LiveQueryId todos = Live("select id from todos");
  Other(TodoCreated("x"));
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  EXPECT_THAT(outcome->stale, ElementsAre(todos));
  EXPECT_EQ(Todos(), "x");
  EXPECT_EQ(Heads(), "e1 < e1 (0)");
}

TEST_F(ClientSessionTest, Law4_ForeignEventRebasesPendingOntoIt) {
  ASSERT_TRUE(Commit({TodoCreated("a"), NoteSet("n", "mine"), TodoDone("a")}).ok());
  EXPECT_THAT(Push(), SizeIs(3));
  Other(TodoCreated("x"));
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  EXPECT_THAT(outcome->rejected, IsEmpty());
  EXPECT_EQ(Todos(), "a x");
  EXPECT_EQ(Read("select id from todos where done = 1"), "a");
  EXPECT_EQ(Read("select text from notes"), "mine");

  // The push in flight was built on the old head, so the leader refuses it; then the rebased go.
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  ASSERT_TRUE(session_->OnPushRejected().ok());
  const std::vector<Event> again = Push();
  ASSERT_THAT(again, SizeIs(3));
  EXPECT_EQ(ToString(again[0].seq), "e2r1");
  EXPECT_EQ(ToString(again[1].seq), "e2.1r1");
  EXPECT_EQ(ToString(again[2].seq), "e3r1");
  EXPECT_THAT(pushed_, ElementsAre(1, 2, 3));
}

TEST_F(ClientSessionTest, AnEventThatTheRebaseBreaksIsReportedAndTheRestStays) {
  ASSERT_TRUE(Commit({TodoCreated("same"), TodoCreated("mine")}).ok());
  Other(TodoCreated("same", "theirs"));
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected, SizeIs(1));
  EXPECT_EQ(outcome->rejected[0].event.name, "TodoCreated");
  EXPECT_EQ(outcome->rejected[0].counter, 1u);
  EXPECT_FALSE(outcome->rejected[0].accepted);
  EXPECT_EQ(outcome->rejected[0].error.code, ErrorCode::kConstraint);
  EXPECT_EQ(Todos(), "mine same");
  EXPECT_EQ(Read("select text from todos where id = 'same'"), "theirs");
  const std::vector<Event> pushed = Push();
  ASSERT_THAT(pushed, SizeIs(1));
  EXPECT_EQ(pushed[0].seq.global, 2u);
  EXPECT_THAT(pushed_, ElementsAre(2));
}

TEST_F(ClientSessionTest, ATableWithoutPrimaryKeyIsRolledBackToo) {
  ASSERT_TRUE(Commit({HistoryAdded("mine"), TodoCreated("a")}).ok());
  Other(HistoryAdded("theirs"));
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_EQ(Read("select text from history order by rowid"), "theirs mine");
}

TEST_F(ClientSessionTest, AnUnknownEventFromUpstreamChangesNothingAndIsPassed) {
  Other({.name = "FromTheFuture", .args_json = "{}"});
  Other(TodoCreated("x"));
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_EQ(Todos(), "x");
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
}

TEST_F(ClientSessionTest, WhatTheLeaderCouldNotMaterializeHasNoEffectHereEither) {
  app_.broken.reset();  // Here it could be: but the leader's state is what counts.
  Other(TodoCreated("x"));
  Other(TodoDone("x"));
  Other(TodoCreated("y"));
  skipped_ = {"e2"};
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_EQ(Read("select id from todos where done = 0 order by id"), "x y");
  EXPECT_EQ(Heads(), "e3 < e3 (0)");
}

// ---- What the backend does ---------------------------------------------------------------------

TEST_F(ClientSessionTest, Law4_TheLeaderRebasesWhatItHadAcceptedAndPendingFollows) {
  Sync();
  const LiveQueryId live = Live("select id from todos order by rowid");
  ASSERT_TRUE(Commit({TodoCreated("a"), HistoryAdded("mine")}).ok());
  PushAll();
  Other(TodoCreated("x"));
  Other(NoteSet("n", "theirs"));
  ASSERT_TRUE(Tell(2).ok());
  ASSERT_TRUE(Commit({NoteSet("n", "mine"), TodoDone("x")}).ok());
  EXPECT_EQ(Heads(), "e3.1 < e4 (2)");
  EXPECT_EQ(Receipts(), "4 2 0");
  ASSERT_TRUE(session_->live_queries().Run(live)->has_value());

  Pull(HistoryAdded("pulled"));
  Pull(TodoCreated("y"));
  const auto outcome = Tell(0, 4);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_THAT(outcome->rejected, IsEmpty());
  EXPECT_THAT(outcome->stale, ElementsAre(live));
  EXPECT_EQ(Read("select id from todos order by rowid"), "y a x");
  EXPECT_EQ(Read("select text from history order by rowid"), "pulled mine");
  EXPECT_EQ(Read("select text from notes"), "mine");
  EXPECT_EQ(session_->sync_status().upstream_head.global, 5u);
  EXPECT_EQ(session_->sync_status().pending_count, 2u);
  EXPECT_EQ(Receipts(), "4 2 0");

  settled_ = 3;
  ASSERT_TRUE(Tell(log_.size()).ok());
  EXPECT_EQ(Receipts(), "4 2 1");
  PushAll();
  settled_ = 6;
  ASSERT_TRUE(Tell(log_.size()).ok());
  EXPECT_EQ(Receipts(), "4 4 3");  // The client-only one stays where it is.
  settled_ = 8;
  ASSERT_TRUE(Tell(log_.size()).ok());
  EXPECT_EQ(Receipts(), "4 4 4");
}

TEST_F(ClientSessionTest, OneRebaseAfterAnotherFindsItsBase) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  PushAll();
  for (int i = 0; i < 4; ++i) {
    const size_t base = settled_;
    Pull(TodoCreated("p" + std::to_string(i)));
    const auto outcome = Tell(base, static_cast<uint32_t>(log_.size() - settled_));
    ASSERT_TRUE(outcome.ok());
    ASSERT_FALSE(outcome->need_image);
    ExpectReplay();
    ASSERT_TRUE(Commit({HistoryAdded(std::to_string(i))}).ok());
    if (i % 2 == 0) PushAll();
  }
  EXPECT_EQ(Read("select id from todos order by rowid"), "p0 p1 p2 p3 a b");
}

TEST_F(ClientSessionTest, ARefusedOwnEventIsReportedAndTheOthersMoveUp) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b"), TodoDone("a")}).ok());
  PushAll();
  Other(TodoCreated("x"));
  Other(TodoCreated("y"));
  ASSERT_TRUE(Tell(3).ok());
  ASSERT_TRUE(Commit({TodoCreated("c")}).ok());
  Refuse(1);
  const auto outcome = Tell(1, 3, {{.index = 0, .error = {ErrorCode::kBackendRefused, "no"}}});
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected, SizeIs(1));
  EXPECT_EQ(outcome->rejected[0].counter, 2u);
  EXPECT_TRUE(outcome->rejected[0].accepted);
  EXPECT_EQ(outcome->rejected[0].event.name, "TodoCreated");
  EXPECT_THAT(outcome->rejected[0].event.args_json, HasSubstr("\"b\""));
  EXPECT_EQ(outcome->rejected[0].error, Error(ErrorCode::kBackendRefused, "no"));
  EXPECT_EQ(Todos(), "a c x y");
  ExpectReplay();

  // Another one's is that one's to hear of.
  Refuse(2);
  const auto foreign = Tell(2, 1, {{.index = 0, .error = {ErrorCode::kBackendRefused, "no"}}});
  ASSERT_TRUE(foreign.ok());
  EXPECT_THAT(foreign->rejected, IsEmpty());
  EXPECT_EQ(Todos(), "a c y");
  settled_ = log_.size();
  ASSERT_TRUE(Tell(log_.size()).ok());
  EXPECT_EQ(Receipts(), "4 3 3");
}

TEST_F(ClientSessionTest, ARefusalThatComesWithWhatNeedsAnImageIsReportedOnce) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  PushAll();
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  Refuse(0);
  Other(Broken());
  const auto news =
      EncodeNews(NewsAfter(0, 0, {{.index = 0, .error = {ErrorCode::kBackendRefused, "no"}}}));
  const auto outcome = session_->OnNews(news);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->need_image);
  EXPECT_THAT(outcome->rejected, ElementsAre(Field(&RejectedEvent::counter, 1u)));
  session_->OnLeaderChange();
  const auto again = session_->OnHistory(EncodeHistory({.accepted = 1, .news = *DecodeNews(news)}));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->need_image);
  EXPECT_THAT(again->rejected, IsEmpty());
  const auto loaded = Load(1);
  ASSERT_TRUE(loaded.ok());
  EXPECT_THAT(loaded->rejected, IsEmpty());
  EXPECT_EQ(Todos(), "b");
}

TEST_F(ClientSessionTest, EverythingAcceptedMayBeRefused) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  PushAll();
  ASSERT_TRUE(Commit({NoteSet("n", "x")}).ok());
  Refuse(0);
  const auto outcome = Tell(0, 0, {{.index = 0, .error = {ErrorCode::kBackendRefused, "no"}}});
  ASSERT_TRUE(outcome.ok());
  EXPECT_THAT(outcome->rejected, ElementsAre(Field(&RejectedEvent::counter, 1u)));
  EXPECT_EQ(Todos(), "");
  EXPECT_EQ(session_->sync_status().local_head.client, 1u);
  EXPECT_EQ(session_->sync_status().local_head.global, 0u);
}

TEST_F(ClientSessionTest, AnAcceptedOwnEventThatFailsAfterTheLeadersRebaseHasNoEffect) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("same", "mine"), TodoCreated("b")}).ok());
  PushAll();
  Pull(TodoCreated("same", "theirs"));
  skipped_ = {ToString(log_[1].seq)};
  const auto outcome = Tell(0, 2);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_EQ(Read("select text from todos where id = 'same'"), "theirs");
  ExpectReplay();
  // It is in the log, so it may be taken back like any other.
  skipped_.clear();
  Pull(TodoCreated("z"));
  skipped_ = {ToString(log_[2].seq)};
  ASSERT_TRUE(Tell(1, 2).ok());
  EXPECT_EQ(Read("select id from todos order by rowid"), "same z b");
}

TEST_F(ClientSessionTest, ABaseThatIsForgottenOrOfAnotherHistoryNeedsTheImage) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  PushAll();
  settled_ = 1;
  ASSERT_TRUE(Tell(2).ok());
  const std::string rows = Rows(*session_);
  News other = NewsAfter(2);
  other.run.base.hash ^= 1;
  const std::vector<std::pair<const char*, Bytes>> cases{
      {"settled", EncodeNews(NewsAfter(0, 2))},
      {"another event at our head", EncodeNews(other)},
  };
  for (const auto& [name, news] : cases) {
    SCOPED_TRACE(name);
    const auto outcome = session_->OnNews(news);
    ASSERT_TRUE(outcome.ok());
    EXPECT_TRUE(outcome->need_image);
    EXPECT_EQ(Rows(*session_), rows);
    EXPECT_EQ(Heads(), "e2 < e2 (0)");
    // News that come now are in the image.
    const auto more = Tell(2);
    ASSERT_TRUE(more.ok());
    EXPECT_FALSE(more->need_image);
    ASSERT_TRUE(Commit({HistoryAdded(name)}).ok());
    ASSERT_TRUE(Load(2).ok());
    EXPECT_EQ(session_->sync_status().pending_count, 1u);
    ExpectReplay();
    PushAll();
    Refuse(2);
    ASSERT_TRUE(Tell(2, 0, {{.index = 0, .error = {}}}).ok());
  }
}

TEST_F(ClientSessionTest, NewsThatDoNotAccountForWhatTheyTakeBackNeedTheImage) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  PushAll();
  Pull(TodoCreated("x"));
  const auto outcome = Tell(0, 1);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->need_image);
  EXPECT_EQ(Todos(), "a b");
  ASSERT_TRUE(Load(2).ok());
  EXPECT_EQ(Todos(), "a b x");
}

TEST_F(ClientSessionTest, AGapIsToldAndChangesNothing) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  for (int i = 0; i < 3; ++i) Other(TodoCreated(std::to_string(i)));
  const auto outcome = Tell(2);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::kUpstreamGap);
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(Heads(), "e0 < e1 (1)");
  log_.clear();
}

TEST_F(ClientSessionTest, Law8_TruncatedBytesAreToldAndChangeNothing) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  PushAll();
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  Pull(TodoCreated("x"));
  const Bytes news = EncodeNews(NewsAfter(0, 1));
  const Bytes history = HistoryAfter(0, 1);
  const Bytes image = LeaderImage();
  const Bytes after_image = HistoryAfter(log_.size(), 1);
  const std::string rows = Rows(*session_);
  for (size_t length = 0; length < news.size(); ++length) {
    EXPECT_FALSE(session_->OnNews(BytesView(news).first(length)).ok());
  }
  for (size_t length = 0; length < history.size(); ++length) {
    EXPECT_FALSE(session_->OnHistory(BytesView(history).first(length)).ok());
  }
  for (size_t length = 0; length < after_image.size(); ++length) {
    EXPECT_FALSE(session_->LoadImage(image, BytesView(after_image).first(length)).ok());
  }
  EXPECT_EQ(Rows(*session_), rows);
  EXPECT_EQ(Heads(), "e1 < e2 (1)");
  ASSERT_TRUE(session_->OnNews(news).ok());
}

TEST_F(ClientSessionTest, ARebaseThatCannotBeMaterializedHereWaitsForTheImage) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  PushAll();
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  Push();
  Pull(Broken());
  const auto outcome = Tell(0, 1);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->need_image);
  EXPECT_EQ(Heads(), "e1 < e2 (1)");
  EXPECT_EQ(Todos(), "a b");
  ASSERT_TRUE(session_->OnPushRejected().ok());
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  ASSERT_TRUE(Load(1).ok());
  EXPECT_EQ(Todos(), "a b");
  EXPECT_EQ(session_->sync_status().upstream_head.global, 2u);
  EXPECT_THAT(Push(), SizeIs(1));
}

// ---- Receipts ----------------------------------------------------------------------------------

TEST_F(ClientSessionTest, WithoutABackendNothingIsEverSynced) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  EXPECT_EQ(Receipts(), "2 0 0");
  PushAll();
  EXPECT_EQ(Receipts(), "2 2 0");
  ASSERT_TRUE(Tell(2).ok());
  EXPECT_EQ(Receipts(), "2 2 0");
  EXPECT_FALSE(session_->receipts().has_backend);
  EXPECT_FALSE(Commit({Broken()}).ok());
  EXPECT_EQ(Receipts(), "2 2 0");
}

TEST_F(ClientSessionTest, ClientOnlyEventsAreSyncedWithTheOnesBefore) {
  Sync();
  ASSERT_TRUE(Commit({NoteSet("n", "1"), TodoCreated("a"), NoteSet("n", "2")}).ok());
  EXPECT_EQ(Receipts(), "3 0 0");
  PushAll();
  EXPECT_EQ(Receipts(), "3 3 1");
  EXPECT_TRUE(session_->receipts().has_backend);
  settled_ = 2;
  ASSERT_TRUE(Tell(3).ok());
  EXPECT_EQ(Receipts(), "3 3 3");
  ASSERT_TRUE(Commit({NoteSet("n", "3")}).ok());
  PushAll();
  EXPECT_EQ(Receipts(), "4 4 4");
}

TEST_F(ClientSessionTest, WhatWasAcceptedBeforeThereWasABackendIsSyncedWhenItSaysSo) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  PushAll();
  Sync();
  // That leader had told that all was settled, so this one has to bring what the session forgot.
  settled_ = 1;
  ASSERT_TRUE(Tell(2).ok());
  EXPECT_EQ(Receipts(), "2 2 0");
  settled_ = 2;
  ASSERT_TRUE(Tell(2).ok());
  EXPECT_EQ(Receipts(), "2 2 2");
}

// ---- Another leader ----------------------------------------------------------------------------

TEST_F(ClientSessionTest, ANewLeadersHistoryConfirmsWhatTheOldOneTook) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  // The old leader took both and died before its answer. The new one serves its log.
  log_ = Push();
  EXPECT_EQ(session_->OnLeaderChange(), Cursor{});
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  ASSERT_TRUE(session_->OnHistory(HistoryAfter(0, 2)).ok());
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
  EXPECT_EQ(Todos(), "a b");
  EXPECT_EQ(Receipts(), "2 2 0");
  EXPECT_EQ(session_->NextPush(), std::nullopt);
}

TEST_F(ClientSessionTest, Law3_APushThatTheOldLeaderLostIsPushedAgain) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Push();
  session_->OnLeaderChange();
  ASSERT_TRUE(session_->OnHistory(HistoryAfter(0, 0)).ok());
  EXPECT_THAT(Push(), SizeIs(1));
}

TEST_F(ClientSessionTest, Law3_AnOwnEventUnderAnotherNumberInTheHistoryIsNotApplied) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), HistoryAdded("once"), TodoCreated("c")}).ok());
  // The leader took the first two, and another's event came before them; then it was another
  // leader.
  const std::vector<Event> mine = Push();
  log_ = {mine[0], mine[1]};
  Pull(HistoryAdded("pulled"));
  EXPECT_EQ(session_->OnLeaderChange(), Cursor{});
  const auto outcome = session_->OnHistory(HistoryAfter(0, 2));
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_THAT(outcome->rejected, IsEmpty());
  EXPECT_EQ(Read("select text from history order by rowid"), "pulled once");
  EXPECT_EQ(session_->sync_status().upstream_head.global, 3u);
  EXPECT_EQ(session_->sync_status().pending_count, 1u);
  EXPECT_EQ(Receipts(), "3 2 0");
  ExpectReplay();
  // It knows which are which.
  Refuse(2);
  const auto refused = Tell(2, 0, {{.index = 0, .error = {ErrorCode::kBackendRefused, "no"}}});
  ASSERT_TRUE(refused.ok());
  EXPECT_THAT(refused->rejected, ElementsAre(AllOf(Field(&RejectedEvent::counter, 2u),
                                                   Field(&RejectedEvent::accepted, true))));
  settled_ = 2;
  ASSERT_TRUE(Tell(2).ok());
  EXPECT_EQ(Receipts(), "3 2 2");
}

TEST_F(ClientSessionTest, ItsPushesAndItsCursorAreOfTheEpochThatWasHeardOfLast) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  const auto told = [this] {
    EXPECT_EQ(session_->OnLeaderChange().epoch, DecodePush(*session_->PendingAsPush())->run.epoch);
    return session_->OnLeaderChange().epoch;
  };
  News news = NewsAfter(0);
  news.run.epoch = 1;
  ASSERT_TRUE(session_->OnNews(EncodeNews(news)).ok());
  EXPECT_EQ(told(), 1u);
  news.run.epoch = 2;
  ASSERT_TRUE(session_->OnHistory(EncodeHistory({.news = news})).ok());
  EXPECT_EQ(told(), 2u);
  news.run.epoch = 3;
  ASSERT_TRUE(session_->LoadImage(LeaderImage(), EncodeHistory({.news = news})).ok());
  EXPECT_EQ(told(), 3u);
}

TEST_F(ClientSessionTest, WhatTheLeaderTookAndTheBackendRefusedMeanwhileIsReported) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b"), TodoCreated("c")}).ok());
  const std::vector<Event> mine = Push();
  log_ = {mine[0], mine[1]};
  Refuse(0);
  session_->OnLeaderChange();
  const auto outcome = session_->OnHistory(HistoryAfter(0, 2));
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected, SizeIs(1));
  EXPECT_EQ(outcome->rejected[0].counter, 1u);
  EXPECT_TRUE(outcome->rejected[0].accepted);
  EXPECT_EQ(outcome->rejected[0].error.code, ErrorCode::kBackendRefused);
  EXPECT_EQ(Todos(), "b c");
  EXPECT_EQ(Receipts(), "3 2 1");  // All up to it, but for rejected ones.
  EXPECT_EQ(session_->OnLeaderChange().head, HeadAt(1));
  EXPECT_THAT(session_->OnHistory(HistoryAfter(1, 2))->rejected, IsEmpty()) << "each once";
  ExpectReplay();

  // And if nothing of it is there.
  Push();
  refused_.push_back({3, {ErrorCode::kMaterializerThrew, "the leader could not"}});
  session_->OnLeaderChange();
  const auto nothing = session_->OnHistory(HistoryAfter(1, 3));
  ASSERT_TRUE(nothing.ok());
  EXPECT_THAT(nothing->rejected, ElementsAre(Field(&RejectedEvent::counter, 3u)));
  EXPECT_EQ(Todos(), "b");
}

TEST_F(ClientSessionTest, TheSameFactByAnEarlierObjectOfTheSessionIsNotTakenForIt) {
  Sync();
  ASSERT_TRUE(Commit({HistoryAdded("again"), HistoryAdded("again")}).ok());
  const std::vector<Event> mine = Push();
  Other(TodoCreated("x"));
  Other(HistoryAdded("again"));
  log_.back().session_id = "A";
  log_.push_back(mine[0]);
  Renumber(std::span(log_).subspan(2), log_[1].seq, 1);
  session_->OnLeaderChange();
  ASSERT_TRUE(session_->OnHistory(HistoryAfter(0, 1)).ok());
  EXPECT_EQ(Read("select text from history"), "again again again");
  EXPECT_EQ(session_->sync_status().pending_count, 1u);
  settled_ = 2;
  ASSERT_TRUE(Tell(3).ok());
  EXPECT_EQ(Receipts(), "2 1 0");
  settled_ = 3;
  ASSERT_TRUE(Tell(3).ok());
  EXPECT_EQ(Receipts(), "2 1 1");
}

TEST_F(ClientSessionTest, NewsOfTheLeaderBeforeAreInTheHistory) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  session_->OnLeaderChange();
  Other(TodoCreated("x"));
  ASSERT_TRUE(Tell(0).ok());
  EXPECT_EQ(Todos(), "a");
  ASSERT_TRUE(session_->OnHistory(HistoryAfter(0, 0)).ok());
  EXPECT_EQ(Todos(), "a x");
}

TEST_F(ClientSessionTest, AHistoryThatHasWhatWasNeverCommittedIsMalformed) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  session_->OnLeaderChange();
  const auto outcome = session_->OnHistory(HistoryAfter(0, 2));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::kMalformedBytes);
  EXPECT_EQ(session_->LoadImage(LeaderImage(), HistoryAfter(0, 2)).error().code,
            ErrorCode::kMalformedBytes);
  EXPECT_EQ(Heads(), "e0 < e1 (1)");
}

TEST_F(ClientSessionTest, AConfirmedEventThatTheLeaderSkippedLosesItsEffect) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoDone("a"), TodoCreated("b")}).ok());
  const std::vector<Event> mine = Push();
  log_ = {mine[0], mine[1]};
  skipped_ = {"e2"};
  session_->OnLeaderChange();
  ASSERT_TRUE(session_->OnHistory(HistoryAfter(0, 2)).ok());
  EXPECT_EQ(Read("select id from todos where done = 0 order by id"), "a b");
  EXPECT_EQ(session_->sync_status().pending_count, 1u);
}

// ---- Images ------------------------------------------------------------------------------------

TEST_F(ClientSessionTest, WhatCannotBeFollowedHereIsLoadedFromAnImage) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  // The leader could materialize this event; this session cannot.
  Other(TodoCreated("w"));
  Other(Broken());
  const auto outcome = Tell(0);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->need_image);
  // Until the image comes, the session goes on with what it had, and pushes nothing.
  EXPECT_EQ(Todos(), "a");
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  Other(TodoCreated("x"));
  ASSERT_TRUE(Tell(2).ok());
  EXPECT_EQ(Todos(), "a b");

  const LiveQueryId live = Live("select id from todos");
  const auto loaded = Load(0);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_THAT(loaded->stale, ElementsAre(live));
  EXPECT_EQ(Todos(), "a b w x");
  const std::vector<Event> pushed = Push();
  ASSERT_THAT(pushed, SizeIs(2));
  EXPECT_EQ(pushed[0].seq.global, 4u);
  // News follow the image.
  ASSERT_TRUE(session_->OnPushRejected().error().code == ErrorCode::kUpstreamGap);
  Other(TodoCreated("y"));
  ASSERT_TRUE(Tell(3).ok());
  EXPECT_EQ(Todos(), "a b w x y");
}

TEST_F(ClientSessionTest, AnImageSaysWhichPendingEventsItHas) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b"), TodoCreated("c")}).ok());
  const std::vector<Event> mine = Push();
  Other(TodoCreated("x"));
  log_.push_back(mine[0]);
  log_.push_back(mine[1]);
  Renumber(std::span(log_).subspan(1), log_[0].seq, 1);
  session_->OnLeaderChange();
  ASSERT_TRUE(Load(2).ok());
  EXPECT_EQ(Todos(), "a b c x");
  EXPECT_EQ(session_->sync_status().pending_count, 1u);
  EXPECT_EQ(Receipts(), "3 2 0");
  settled_ = 2;
  ASSERT_TRUE(Tell(3).ok());
  EXPECT_EQ(Receipts(), "3 2 1");
  settled_ = 3;
  ASSERT_TRUE(Tell(3).ok());
  EXPECT_EQ(Receipts(), "3 2 2");
}

TEST_F(ClientSessionTest, Law4_ARebaseReachesIntoTheImage) {
  Sync();
  Other(TodoCreated("s"));
  settled_ = 1;
  Other(TodoCreated("x"));
  Other(TodoDone("s"));
  Other(Broken());
  Other(NoteSet("n", "theirs"));
  skipped_ = {"e4"};
  ASSERT_TRUE(Commit({TodoCreated("a"), NoteSet("n", "mine")}).ok());
  session_->OnLeaderChange();
  ASSERT_TRUE(Load(0).ok());
  ExpectReplay();
  EXPECT_EQ(Receipts(), "2 0 0");
  PushAll();
  Pull(TodoCreated("y"));
  skipped_ = {ToString(log_[4].seq)};
  const LiveQueryId live = Live("select id from todos order by rowid");
  ASSERT_TRUE(session_->live_queries().Run(live)->has_value());
  const auto outcome = Tell(1, 6);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_THAT(outcome->stale, ElementsAre(live));
  EXPECT_EQ(Read("select id from todos order by rowid"), "s y x a");
  EXPECT_EQ(Read("select text from notes"), "mine");
  settled_ = log_.size();
  ASSERT_TRUE(Tell(log_.size()).ok());
  EXPECT_EQ(Receipts(), "2 2 2");
}

TEST_F(ClientSessionTest, OwnEventsThatStandInTheImageAsTheyWereKeepTheirCounters) {
  Sync();
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  PushAll();
  ASSERT_TRUE(Commit({TodoCreated("c")}).ok());
  log_.push_back(Push().at(0));
  session_->OnLeaderChange();
  ASSERT_TRUE(Load(3).ok());
  EXPECT_EQ(Receipts(), "3 3 0");
  Refuse(2);
  Refuse(0);
  const auto outcome = Tell(0, 1,
                            {{.index = 0, .error = {ErrorCode::kBackendRefused, "1"}},
                             {.index = 2, .error = {ErrorCode::kBackendRefused, "3"}}});
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected,
              ElementsAre(Field(&RejectedEvent::counter, 1u), Field(&RejectedEvent::counter, 3u)));
  EXPECT_THAT(outcome->rejected[1].event.args_json, HasSubstr("\"c\""));
  EXPECT_EQ(Todos(), "b");
  settled_ = 1;
  ASSERT_TRUE(Tell(1).ok());
  EXPECT_EQ(Receipts(), "3 3 3");
}

TEST_F(ClientSessionTest, AnImageWithoutABackendIsSettled) {
  Other(TodoCreated("x"));
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  ASSERT_TRUE(Load(0).ok());
  PushAll();
  EXPECT_EQ(Receipts(), "1 1 0");
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
  // Its own image says the same, and has nothing to take back.
  TodoApp app;
  const auto other = Open(app, "B");
  ASSERT_TRUE(other->LoadImage(*session_->Image(), HistoryAfter(2, 0)).ok());
  EXPECT_EQ(Rows(*other), Rows(*session_));
}

TEST_F(ClientSessionTest, EventsAfterTheImageAreFollowedToo) {
  Sync();
  Other(TodoCreated("x"));
  const Bytes image = LeaderImage();
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Other(TodoCreated("y"));
  ASSERT_TRUE(session_->LoadImage(image, HistoryAfter(1, 0)).ok());
  EXPECT_EQ(Todos(), "a x y");
  EXPECT_EQ(session_->sync_status().upstream_head.global, 2u);
}

TEST_F(ClientSessionTest, ABadImageChangesNothing) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  const Bytes garbage(4096, 7);
  EXPECT_FALSE(session_->LoadImage(garbage, HistoryAfter(0, 0)).ok());
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(Heads(), "e0 < e1 (1)");
}

TEST_F(ClientSessionTest, AHistoryThatDoesNotContinueTheImageChangesNothing) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Other(TodoCreated("x"));
  Other(TodoCreated("y"));
  const Bytes image = LeaderImage();
  News other = NewsAfter(2);
  other.run.base.hash ^= 1;
  for (const Bytes& history : {HistoryAfter(1, 0), EncodeHistory({.accepted = 0, .news = other})}) {
    const auto loaded = session_->LoadImage(image, history);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, ErrorCode::kUpstreamGap);
  }
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(Heads(), "e0 < e1 (1)");
  log_.clear();
}

TEST_F(ClientSessionTest, AHeadAfterWhichThereAreNoNumbersIsMalformed) {
  const Event last = After({.global = kSeqNumGlobalMax - 1}, TodoCreated("x"));
  const Head head = HeadOf(last);
  const Bytes history = EncodeHistory({.accepted = 0, .news = {.run = {.base = head}}});
  EXPECT_EQ(session_->LoadImage(LeaderImage(), history).error().code, ErrorCode::kMalformedBytes);
  EXPECT_EQ(session_->OnHistory(history).error().code, ErrorCode::kMalformedBytes);
  EXPECT_EQ(session_->OnNews(EncodeNews({.run = {.base = head}})).error().code,
            ErrorCode::kMalformedBytes);
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
}

// ---- Calls -------------------------------------------------------------------------------------

TEST_F(ClientSessionTest, AMaterializerMayQueryButNotCommit) {
  std::optional<ErrorCode> nested;
  app_.on_materialize = [this, &nested] {
    const auto result = Commit({TodoCreated("inner")});
    if (!result.ok()) nested = result.error().code;
  };
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  EXPECT_EQ(nested, ErrorCode::kNested);
  app_.on_materialize = nullptr;
  EXPECT_EQ(Todos(), "a");
}

TEST_F(ClientSessionTest, Law9_ACommitBeyondTheLimitIsRefused) {
  const std::vector<NewEvent> many(limits::kCommitEventsMax + 1, TodoDone("a"));
  const auto refused = session_->Commit(many);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
  EXPECT_EQ(Heads(), "e0 < e0 (0)");
}

// ---- Events that are not persisted

class PassingTest : public ClientSessionTest {
 protected:
  // The overlay is not in any log, so the rows are compared by hand.
  void TearDown() override {}
  std::vector<LiveQueryId> Pass(const std::vector<NewEvent>& events) {
    const auto stale = session_->CommitPassing(events);
    EXPECT_TRUE(stale.ok()) << stale.error().message;
    return stale.ok() ? *stale : std::vector<LiveQueryId>();
  }
  std::string Notes() { return Read("select text from notes order by id"); }
  FollowOutcome News(const Head& base, const std::vector<Event>& events) {
    const auto followed = session_->OnNews(EncodeNews({.run = {.base = base, .events = events}}));
    EXPECT_TRUE(followed.ok()) << followed.error().message;
    return *followed;
  }
  // Others' events after `head`.
  static std::vector<Event> Others(SeqNum head, const std::vector<NewEvent>& events) {
    std::vector<Event> placed;
    for (const NewEvent& event : events) {
      const SeqNumPair place = NextSeqNum(head, event.client_only);
      head = place.seq;
      placed.push_back({place.seq, place.parent, event.name, event.args_json, "other", "B", 1});
    }
    return placed;
  }
};

TEST_F(PassingTest, ShowAtOnceOnTopOfWhatIsPendingAndAreInNoPushImageOrReceipt) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Pass({TodoCreated("b"), TodoDone("a")});
  ASSERT_TRUE(Commit({TodoCreated("c")}).ok());
  EXPECT_EQ(Read("select id || done from todos order by rowid"), "a1 c0 b0");
  EXPECT_EQ(Heads(), "e0 < e2 (2)");
  EXPECT_EQ(Receipts(), "2 0 0");
  EXPECT_THAT(Pending(), SizeIs(2));
  TodoApp app;
  const auto other = Open(app, "B");
  ASSERT_TRUE(other
                  ->LoadImage(*session_->Image(),
                              EncodeHistory({.news = {.run = {.base = HeadOf(Pending().back())}}}))
                  .ok());
  EXPECT_EQ(Read(*other, "select id || done from todos order by rowid"), "a0 c0");
  EXPECT_EQ(Todos(), "a b c") << "the image took it off for a moment only";
}

TEST_F(PassingTest, Law4_FollowARebaseAndOneThatFailsOnItIsLeftOutAndReported) {
  ASSERT_TRUE(Commit({TodoCreated("mine")}).ok());
  Pass({TodoCreated("x", "passing"), NoteSet("n", "passing")});
  const FollowOutcome followed = News({}, Others({}, {TodoCreated("x", "theirs")}));
  ASSERT_THAT(followed.rejected, SizeIs(1));
  EXPECT_EQ(followed.rejected[0].counter, 0u);
  EXPECT_EQ(followed.rejected[0].error.code, ErrorCode::kConstraint);
  EXPECT_EQ(Read("select id || text from todos order by rowid"), "xtheirs minet");
  EXPECT_EQ(Notes(), "passing");
}

TEST_F(PassingTest, Law8_BadOnesThrowAtTheCallAndChangeNothing) {
  Pass({NoteSet("n", "shown")});
  EXPECT_TRUE(session_->NextPassing().has_value());
  const std::vector<std::pair<std::vector<NewEvent>, ErrorCode>> cases = {
      {{TodoCreated("a"), Broken()}, ErrorCode::kMaterializerThrew},
      {{{.name = "Nobody", .args_json = "{}"}}, ErrorCode::kUnknownEvent},
      {{TodoCreated("a"), TodoCreated("a")}, ErrorCode::kConstraint},
      {std::vector<NewEvent>(limits::kMaxOverlayEvents / 2 + 1, NoteSet("n", "x")),
       ErrorCode::kLimitExceeded},
      {{NoteSet("n", std::string(limits::kMaxOverlayBytes, 'x'))}, ErrorCode::kLimitExceeded}};
  for (const auto& [events, code] : cases) {
    const auto stale = session_->CommitPassing(events);
    ASSERT_FALSE(stale.ok());
    EXPECT_EQ(stale.error().code, code) << stale.error().message;
    EXPECT_EQ(Todos() + Notes(), "shown");
    EXPECT_FALSE(session_->NextPassing().has_value());
  }
  const auto failed = Commit({TodoCreated("a"), TodoCreated("a")});
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(Todos() + Notes(), "shown") << "a commit that fails puts the overlay back";
}

TEST_F(PassingTest, ReachOtherSessionsAndEachTakesWhatItCan) {
  Pass({TodoCreated("a"), NoteSet("n", "x")});
  const std::optional<Bytes> sent = session_->NextPassing();
  TodoApp app;
  const auto other = Open(app, "B");
  ASSERT_TRUE(other->Commit(std::vector{TodoCreated("a", "own")}).ok());
  const auto taken = other->OnPassing(*sent);
  ASSERT_TRUE(taken.ok());
  EXPECT_THAT(taken->rejected, SizeIs(1)) << "there is a todo a";
  EXPECT_EQ(Read(*other, "select text from todos"), "own");
  EXPECT_EQ(Read(*other, "select text from notes"), "x");
  EXPECT_FALSE(other->NextPassing().has_value()) << "they are passed on by who committed them";
  EXPECT_FALSE(other->OnPassing(Bytes{9}).ok());
}

TEST_F(PassingTest, Law7_ALiveQueryHearsOfTheEndOnly) {
  Pass({NoteSet("n", "x")});
  const StatementId statement = *session_->Prepare("select text from notes");
  LiveQueries& live = session_->live_queries();
  const LiveQueryId query = *live.Open(statement, BindsWriter().view());
  ASSERT_TRUE(live.Run(query).ok());
  EXPECT_THAT(*Commit({NoteSet("n", "under it")}), IsEmpty()) << "the rows are the same as before";
  EXPECT_THAT(Pass({NoteSet("n", "y")}), ElementsAre(query));
}

TEST_F(PassingTest, TheOldestHalfGoesWhenThereAreTooMany) {
  for (size_t i = 0; i <= limits::kMaxOverlayEvents; ++i) {
    Pass({TodoCreated(std::to_string(1000 + i))});
  }
  EXPECT_EQ(Read("select count(*) || '' from todos"),
            std::to_string(limits::kMaxOverlayEvents / 2));
  EXPECT_EQ(Read("select min(id) from todos"),
            std::to_string(1000 + limits::kMaxOverlayEvents / 2 + 1));
}

TEST_F(PassingTest, Law9_OneThatIsTooLargeByItselfIsShownNowhere) {
  const NewEvent large = NoteSet("n", std::string(limits::kMaxOverlayBytes, 'x'));
  const auto taken = session_->OnPassing(EncodeEvents(Others({}, {NoteSet("m", "y"), large})));
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(Notes(), "");
  Pass({NoteSet("n", "z")});
  EXPECT_EQ(Notes(), "z");
}

TEST_F(PassingTest, Law4_WhatAChangesetCannotBringBackMustBePersisted) {
  SchemaDescriptor schema = TodoApp::Schema();
  for (const char* name : {"rowid", "_rowid_", "oid"}) {
    schema.tables[0].columns.push_back({.name = name, .type = "text", .nullable = true});
  }
  TodoApp app;
  const auto session = Open(app, "A", schema);
  const auto refused = session->CommitPassing(std::vector{TodoCreated("a")});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotUndoable);
  EXPECT_EQ(Read(*session, "select id from todos"), "");
  const auto taken = session->OnPassing(EncodeEvents(Others({}, {TodoCreated("a")})));
  ASSERT_TRUE(taken.ok());
  ASSERT_THAT(taken->rejected, SizeIs(1));
  EXPECT_EQ(taken->rejected[0].error.code, ErrorCode::kNotUndoable);
}

TEST_F(PassingTest, FollowARejectedPushAnImageAndAFailedPush) {
  Pass({NoteSet("n", "passing")});
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  ASSERT_TRUE(session_->NextPush().has_value());
  const auto failed = session_->OnPushFailed(1, {ErrorCode::kMaterializerThrew, "not here"});
  ASSERT_TRUE(failed.ok());
  EXPECT_THAT(failed->rejected, SizeIs(1));
  EXPECT_EQ(Todos() + Notes(), "apassing");
  TodoApp app;
  const auto leader = Open(app, "leader");
  ASSERT_TRUE(leader->Commit(std::vector{NoteSet("n", "theirs"), TodoCreated("c")}).ok());
  const std::vector<Event> theirs = DecodePush(*leader->NextPush())->run.events;
  ASSERT_TRUE(session_
                  ->LoadImage(*leader->Image(),
                              EncodeHistory({.news = {.run = {.base = HeadOf(theirs.back())}}}))
                  .ok());
  EXPECT_EQ(Todos() + Notes(), "cpassing") << "the image, and on it what passes";
}

TEST_F(PassingTest, Law8_NoneInsideAMaterializer) {
  ErrorCode committed = ErrorCode::kInternal;
  ErrorCode taken = ErrorCode::kInternal;
  app_.on_materialize = [&] {
    committed = session_->CommitPassing(std::vector{TodoCreated("b")}).error().code;
    taken = session_->OnPassing(EncodeEvents({})).error().code;
    EXPECT_EQ(session_->Image().error().code, ErrorCode::kNested);
  };
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  app_.on_materialize = nullptr;
  EXPECT_EQ(committed, ErrorCode::kNested);
  EXPECT_EQ(taken, ErrorCode::kNested);
  EXPECT_EQ(Todos(), "a");
}

TEST_F(ClientSessionTest, AStatementSaysWhatItReads) {
  const StatementId statement = *session_->Prepare("select text as words from notes");
  const StatementInfo& info = session_->Info(statement);
  EXPECT_THAT(info.columns, ElementsAre("words"));
  ASSERT_THAT(info.reads.tables(), SizeIs(1));
  EXPECT_EQ(session_->TableName(info.reads.tables()[0]), "notes");
}

TEST_F(ClientSessionTest, Law8_NothingMayFollowInsideAMaterializer) {
  std::vector<ErrorCode> codes;
  app_.on_materialize = [&] {
    codes = {session_->OnPushAccepted().error().code,
             session_->OnPushRejected().error().code,
             session_->OnPushFailed(0, {ErrorCode::kConstraint, "no"}).error().code,
             session_->OnNews({}).error().code,
             session_->OnHistory({}).error().code,
             session_->LoadImage({}, {}).error().code};
  };
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  app_.on_materialize = nullptr;
  EXPECT_EQ(codes, std::vector<ErrorCode>(6, ErrorCode::kNested));
  EXPECT_EQ(Todos(), "a");
}

TEST_F(ClientSessionTest, ACommitOfNothingDoesNothing) {
  EXPECT_THAT(*Commit({}), IsEmpty());
  EXPECT_EQ(Heads(), "e0 < e0 (0)");
}

TEST_F(PassingTest, Law9_WhatNobodyAsksForIsNotKept) {
  for (size_t i = 0; i <= limits::kMaxOverlayEvents + 1; ++i) Pass({NoteSet("n", "x")});
  const std::optional<Bytes> sent = session_->NextPassing();
  ASSERT_TRUE(sent.has_value());
  EXPECT_LE(DecodeEvents(*sent)->size(), limits::kMaxOverlayEvents);
}

}  // namespace
}  // namespace livestore

#include "core/session/client_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

// One session and a hand-driven upstream: what the leader would say is written out in each test.
class ClientSessionTest : public ::testing::Test {
 protected:
  void SetUp() override { session_ = Open(app_, "A"); }

  static std::unique_ptr<ClientSession> Open(TodoApp& app, const std::string& session_id) {
    auto session = ClientSession::Create(
        {.client_id = "client", .session_id = session_id, .schema = TodoApp::Schema()}, app);
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
  std::string Heads() {
    const SyncStatus status = session_->sync_status();
    return ToString(status.upstream_head) + " < " + ToString(status.local_head) + " (" +
           std::to_string(status.pending_count) + ")";
  }

  // An event of another session of the same client.
  static Event Foreign(uint64_t global, const NewEvent& event, uint32_t client = 0) {
    Event foreign{.seq = {.global = global, .client = client},
                  .parent = {.global = client == 0 ? global - 1 : global,
                             .client = client == 0 ? 0 : client - 1},
                  .name = event.name,
                  .args_json = event.args_json,
                  .client_id = "client",
                  .session_id = "B",
                  .schema_hash = event.schema_hash};
    return foreign;
  }
  // As the leader sends them after the event before.
  static Bytes Run(const std::vector<Event>& events) {
    return EncodeRun(events.empty() ? kRootSeqNum : events.front().parent, events);
  }
  Result<FollowOutcome> Advance(std::vector<Event> events) {
    return session_->OnAdvance(Run(events));
  }
  std::vector<Event> Push() {
    const auto batch = session_->NextPush();
    if (!batch) return {};
    auto run = DecodeRun(*batch);
    EXPECT_TRUE(run.ok());
    return std::move(run->events);
  }
  LiveQueryId Live(std::string_view sql) {
    const auto id = session_->live_queries().Open(*session_->Prepare(sql), BindsWriter().view());
    EXPECT_TRUE(id.ok());
    return *id;
  }

  TodoApp app_;
  std::unique_ptr<ClientSession> session_;
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

TEST_F(ClientSessionTest, OnePushIsInFlightAtATime) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  EXPECT_THAT(Push(), SizeIs(1));
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  ASSERT_TRUE(session_->OnPushAccepted().ok());
  EXPECT_EQ(Heads(), "e1 < e2 (1)");
  const std::vector<Event> second = Push();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(ToString(second[0].seq), "e2");
  ASSERT_TRUE(session_->OnPushAccepted().ok());
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
  EXPECT_EQ(session_->NextPush(), std::nullopt);
}

TEST_F(ClientSessionTest, AdvanceAppliesWhatOthersCommitted) {
  const LiveQueryId todos = Live("select id from todos");
  const auto outcome = Advance({Foreign(1, TodoCreated("x"))});
  ASSERT_TRUE(outcome.ok());
  EXPECT_THAT(outcome->stale, ElementsAre(todos));
  EXPECT_EQ(Todos(), "x");
  EXPECT_EQ(Heads(), "e1 < e1 (0)");
}

TEST_F(ClientSessionTest, Law4_ForeignEventRebasesPendingOntoIt) {
  ASSERT_TRUE(Commit({TodoCreated("a"), NoteSet("n", "mine"), TodoDone("a")}).ok());
  EXPECT_THAT(Push(), SizeIs(3));
  const auto outcome = Advance({Foreign(1, TodoCreated("x"))});
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
  EXPECT_EQ(ToString(again[0].seq).substr(0, 2), "e2");
  EXPECT_EQ(again[1].seq.client, 1u);
  EXPECT_EQ(again[2].seq.global, 3u);
  EXPECT_GT(again[0].seq.generation, 0u);
}

TEST_F(ClientSessionTest, ARejectionThatNothingExplainsAsksForAFreshStart) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Push();
  const auto rejected = session_->OnPushRejected();
  ASSERT_FALSE(rejected.ok());
  EXPECT_EQ(rejected.error().code, ErrorCode::kUpstreamGap);
}

TEST_F(ClientSessionTest, AnEventThatTheRebaseBreaksIsReportedAndTheRestStays) {
  ASSERT_TRUE(Commit({TodoCreated("same"), TodoCreated("mine")}).ok());
  const auto outcome = Advance({Foreign(1, TodoCreated("same", "theirs"))});
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected, SizeIs(1));
  EXPECT_EQ(outcome->rejected[0].event.name, "TodoCreated");
  EXPECT_EQ(outcome->rejected[0].error.code, ErrorCode::kConstraint);
  EXPECT_EQ(Todos(), "mine same");
  EXPECT_EQ(Read("select text from todos where id = 'same'"), "theirs");
  const std::vector<Event> pushed = Push();
  ASSERT_THAT(pushed, SizeIs(1));
  EXPECT_EQ(pushed[0].seq.global, 2u);
}

TEST_F(ClientSessionTest, AFailedPushConfirmsWhatCameBeforeDropsTheEventAndRebasesTheRest) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b"), TodoCreated("c")}).ok());
  Push();
  const auto outcome =
      session_->OnPushFailed(1, {ErrorCode::kMaterializerThrew, "not in this leader"});
  ASSERT_TRUE(outcome.ok());
  ASSERT_THAT(outcome->rejected, SizeIs(1));
  EXPECT_THAT(outcome->rejected[0].event.args_json, HasSubstr("\"b\""));
  EXPECT_EQ(Todos(), "a c");
  const std::vector<Event> rest = Push();
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].seq.global, 2u);
}

TEST_F(ClientSessionTest, ANewLeadersHistoryConfirmsWhatTheOldOneTook) {
  ASSERT_TRUE(Commit({TodoCreated("a"), TodoCreated("b")}).ok());
  std::vector<Event> pushed = Push();
  // The old leader took both and died before its answer. The new one serves its log.
  EXPECT_EQ(ToString(session_->OnLeaderChange()), "e0");
  ASSERT_TRUE(Advance(pushed).ok());
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
  EXPECT_EQ(Todos(), "a b");
  EXPECT_EQ(session_->NextPush(), std::nullopt);
}

TEST_F(ClientSessionTest, Law3_APushThatTheOldLeaderLostIsPushedAgain) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  Push();
  session_->OnLeaderChange();
  ASSERT_TRUE(Advance({}).ok());
  EXPECT_THAT(Push(), SizeIs(1));
}

TEST_F(ClientSessionTest, ATableWithoutPrimaryKeyIsRolledBackToo) {
  ASSERT_TRUE(Commit({HistoryAdded("mine"), TodoCreated("a")}).ok());
  const auto outcome = Advance({Foreign(1, HistoryAdded("theirs"))});
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_EQ(Read("select text from history order by rowid"), "theirs mine");
}

TEST_F(ClientSessionTest, WhatCannotBeFollowedHereIsLoadedFromAnImage) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  // The leader could materialize this event; this session cannot.
  const auto outcome = Advance({Foreign(1, TodoCreated("w")), Foreign(2, Broken())});
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->need_image);
  // Until the image comes, the session goes on with what it had, and pushes nothing.
  EXPECT_EQ(Todos(), "a");
  ASSERT_TRUE(Commit({TodoCreated("b")}).ok());
  EXPECT_EQ(session_->NextPush(), std::nullopt);
  ASSERT_TRUE(Advance({Foreign(3, TodoCreated("x"))}).ok());

  TodoApp other_app;
  other_app.broken.reset();
  const auto other = Open(other_app, "B");
  ASSERT_TRUE(other
                  ->OnAdvance(Run({Foreign(1, TodoCreated("w")), Foreign(2, Broken()),
                                   Foreign(3, TodoCreated("x"))}))
                  .ok());
  const LiveQueryId live = Live("select id from todos");
  const auto loaded = session_->LoadImage(*other->Image());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_THAT(loaded->stale, ElementsAre(live));
  EXPECT_EQ(Todos(), "a b w x");
  const std::vector<Event> pushed = Push();
  ASSERT_THAT(pushed, SizeIs(2));
  EXPECT_EQ(pushed[0].seq.global, 4u);
}

TEST_F(ClientSessionTest, ABadImageChangesNothing) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  const Bytes garbage(4096, 7);
  EXPECT_FALSE(session_->LoadImage(garbage).ok());
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(Heads(), "e0 < e1 (1)");
}

TEST_F(ClientSessionTest, AGapIsToldAndChangesNothing) {
  ASSERT_TRUE(Commit({TodoCreated("a")}).ok());
  const auto outcome = Advance({Foreign(3, TodoCreated("x"))});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::kUpstreamGap);
  EXPECT_EQ(Todos(), "a");
}

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

TEST_F(ClientSessionTest, AnUnknownEventFromUpstreamChangesNothingAndIsPassed) {
  const auto outcome = Advance(
      {Foreign(1, {.name = "FromTheFuture", .args_json = "{}"}), Foreign(2, TodoCreated("x"))});
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->need_image);
  EXPECT_EQ(Todos(), "x");
  EXPECT_EQ(Heads(), "e2 < e2 (0)");
}

TEST_F(ClientSessionTest, Law9_ACommitBeyondTheLimitIsRefused) {
  const std::vector<NewEvent> many(limits::kCommitEventsMax + 1, TodoDone("a"));
  const auto refused = session_->Commit(many);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
  EXPECT_EQ(Heads(), "e0 < e0 (0)");
}

}  // namespace
}  // namespace livestore

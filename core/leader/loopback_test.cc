// Sessions and their leader in one process, over queues that deliver in order but whenever they
// like.
//
// Each seed commits at random in random sessions, delivers at random, and replaces the leader at
// random, in the middle of anything. At quiescence every session's state must equal the leader's,
// and a replay of the log from empty, row for row (laws 3 to 6).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>
#include <variant>

#include "core/event/event_codec.h"
#include "core/leader/leader.h"
#include "core/session/client_session.h"
#include "core/sqlite/memory_pool.h"
#include "core/testing/todo_app.h"

namespace livestore {
namespace {

struct ToLeader {
  uint32_t push = 0;
  Bytes events;
};
struct Answer {
  PushResult result;
};
struct Told {
  Bytes news;
};
struct Joins {
  Joined joined;
};
struct AskImage {};  // By joining anew without a cursor.
using ToSession = std::variant<Answer, Told, Joins>;

class World {
 public:
  World(uint32_t seed, size_t session_count) : random_(seed), sessions_(session_count) {
    StartLeader();
    for (size_t i = 0; i < session_count; ++i) {
      Tab& tab = sessions_[i];
      tab.session = *ClientSession::Create({.client_id = "client",
                                            .session_id = "s" + std::to_string(i),
                                            .instance = "tab" + std::to_string(i),
                                            .schema = TodoApp::Schema()},
                                           tab.app);
      tab.app.Attach([&tab](std::string_view sql) { return tab.session->Prepare(sql); });
    }
  }

  void Step() {
    Tab& tab = sessions_[Pick(sessions_.size())];
    const size_t index = static_cast<size_t>(&tab - sessions_.data());
    switch (Pick(12)) {
      case 0:
      case 1:
      case 2:
        CommitSomething(tab, index);
        break;
      case 3:
      case 4:
        Push(tab);
        break;
      case 5:
      case 6:
        DeliverToLeader(tab, index);
        break;
      case 7:
      case 8:
        Drain();
        break;
      case 9:
      case 10:
        DeliverToSession(tab);
        break;
      default:
        if (Pick(20) == 0) ReplaceLeader();
        break;
    }
  }

  void Settle() {
    for (int round = 0; round < 1000; ++round) {
      bool quiet = true;
      for (size_t i = 0; i < sessions_.size(); ++i) {
        Tab& tab = sessions_[i];
        Push(tab);
        while (!tab.to_leader.empty()) {
          DeliverToLeader(tab, i);
          quiet = false;
        }
      }
      Drain();
      for (Tab& tab : sessions_) {
        while (!tab.to_session.empty()) {
          DeliverToSession(tab);
          quiet = false;
        }
      }
      if (quiet) return;
    }
    FAIL() << "no quiet after 1,000 rounds (law 6)";
  }

  void Check() {
    const std::string expected = Dump([this](std::string_view sql) { return LeaderRows(sql); });
    for (Tab& tab : sessions_) {
      EXPECT_EQ(tab.session->sync_status().pending_count, 0u);
      EXPECT_EQ(ToString(tab.session->sync_status().upstream_head),
                ToString(leader_->local_head()));
      EXPECT_EQ(Dump([&tab](std::string_view sql) { return SessionRows(*tab.session, sql); }),
                expected);
    }
    // A replay of the log from empty.
    TodoApp app;
    auto replay = *ClientSession::Create({.client_id = "client",
                                          .session_id = "replay",
                                          .instance = "replay",
                                          .schema = TodoApp::Schema()},
                                         app);
    app.Attach([&replay](std::string_view sql) { return replay->Prepare(sql); });
    replay->OnLeaderChange();
    const Joined all = *leader_->Join(Cursor{}, "replay");
    ASSERT_TRUE(replay->OnHistory(all.history).ok());
    EXPECT_EQ(Dump([&replay](std::string_view sql) { return SessionRows(*replay, sql); }),
              expected);
    // Each committed event is in the log once, or was reported to the app.
    std::multiset<std::string> logged;
    const std::vector<Event> log = DecodeHistory(all.history)->news.run.events;
    for (const Event& event : log) {
      logged.insert(event.session_id + event.args_json);
    }
    for (const std::string& committed : committed_) {
      EXPECT_EQ(logged.count(committed) + rejected_.count(committed), 1u) << committed;
    }
    EXPECT_EQ(logged.size() + rejected_.size(), committed_.size());
  }

 private:
  struct Tab {
    TodoApp app;
    std::unique_ptr<ClientSession> session;
    std::deque<std::variant<ToLeader, AskImage>> to_leader;
    std::deque<ToSession> to_session;
  };

  size_t Pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  std::string Instance(const Tab& tab) const {
    return "tab" + std::to_string(&tab - sessions_.data());
  }

  void StartLeader() {
    leader_.reset();
    vfs_.reset();
    vfs_ = *PoolVfs::Create(
        pool_, {.now_ms = [](void*) -> int64_t { return 0; },
                .random_bytes = [](void*, uint8_t* out,
                                   size_t size) { std::fill_n(out, size, uint8_t{1}); },
                .context = nullptr});
    leader_ = *Leader::Open({.schema = TodoApp::Schema(), .vfs_name = vfs_->name()}, leader_app_);
    leader_app_.Attach([this](std::string_view sql) { return leader_->Prepare(sql); });
    while (leader_->BootStep()->stage != BootProgress::Stage::kDone) {
    }
  }

  // The old leader's messages on their way are lost with its ports; each session says hello anew.
  void ReplaceLeader() {
    StartLeader();
    for (Tab& tab : sessions_) {
      tab.to_leader.clear();
      tab.to_session.clear();
      tab.to_session.emplace_back(
          Joins{*leader_->Join(tab.session->OnLeaderChange(), Instance(tab))});
    }
  }

  void CommitSomething(Tab& tab, size_t index) {
    std::vector<NewEvent> events;
    const size_t count = 1 + Pick(3);
    for (size_t i = 0; i < count; ++i) {
      const std::string tag = std::to_string(++serial_);
      switch (Pick(5)) {
        case 0:  // Ids collide between sessions, so that a rebase breaks a constraint now and then.
          events.push_back(TodoCreated("t" + std::to_string(Pick(60)), tag));
          break;
        case 1:
          events.push_back({.name = "TodoDone", .args_json = R"({"id":"t1","n":)" + tag + "}"});
          break;
        case 2:
          events.push_back(NoteSet("n" + std::to_string(Pick(3)), tag));
          break;
        case 3:
          events.push_back(Pick(4) == 0 ? HistoryAdded(tag) : TodoCreated("u" + tag, tag));
          break;
        default:
          events.push_back(
              {.name = "TodoDeleted",
               .args_json = R"({"id":"t)" + std::to_string(Pick(60)) + R"(","n":)" + tag + "}"});
          break;
      }
    }
    const auto outcome = tab.session->Commit(events);
    if (!outcome.ok()) {
      EXPECT_EQ(outcome.error().code, ErrorCode::kConstraint);
      return;
    }
    for (const NewEvent& event : events)
      committed_.insert("s" + std::to_string(index) + event.args_json);
  }

  void Push(Tab& tab) {
    if (auto batch = tab.session->NextPush())
      tab.to_leader.emplace_back(ToLeader{1, std::move(*batch)});
  }

  void DeliverToLeader(Tab& tab, size_t index) {
    if (tab.to_leader.empty()) return;
    auto message = std::move(tab.to_leader.front());
    tab.to_leader.pop_front();
    if (auto* push = std::get_if<ToLeader>(&message)) {
      ASSERT_TRUE(leader_->Submit(static_cast<uint32_t>(index + 1), push->push, push->events).ok());
    } else {
      Drain();
      tab.to_session.emplace_back(Joins{*leader_->Join(std::nullopt, Instance(tab))});
    }
  }

  void Drain() {
    auto outcome = leader_->Drain();
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    for (const auto& entry : outcome->entries) {
      if (entry.result) {
        sessions_[entry.result->session - 1].to_session.emplace_back(Answer{*entry.result});
        continue;
      }
      for (size_t i = 0; i < sessions_.size(); ++i) {
        if (i + 1 != entry.news->author) {
          sessions_[i].to_session.emplace_back(Told{entry.news->news});
        }
      }
    }
  }

  void DeliverToSession(Tab& tab) {
    if (tab.to_session.empty()) return;
    const ToSession message = std::move(tab.to_session.front());
    tab.to_session.pop_front();
    Result<FollowOutcome> outcome = FollowOutcome{};
    if (const auto* told = std::get_if<Told>(&message)) {
      outcome = tab.session->OnNews(told->news);
    } else if (const auto* joins = std::get_if<Joins>(&message)) {
      const auto& [image, history, client_id] = joins->joined;
      EXPECT_EQ(client_id, "") << "it was given none";
      outcome = image ? tab.session->LoadImage(*image, history) : tab.session->OnHistory(history);
    } else {
      const PushResult& result = std::get<Answer>(message).result;
      ASSERT_NE(result.answer, PushAnswer::kFailed);
      const Result<void> answered = result.answer == PushAnswer::kAccepted
                                        ? tab.session->OnPushAccepted()
                                        : tab.session->OnPushRejected();
      ASSERT_TRUE(answered.ok()) << answered.error().message << ", session at "
                                 << ToString(tab.session->sync_status().upstream_head)
                                 << ", leader at " << ToString(leader_->local_head());
    }
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    for (const RejectedEvent& rejected : outcome->rejected) {
      EXPECT_EQ(rejected.error.code, ErrorCode::kConstraint);
      rejected_.insert(rejected.event.session_id + rejected.event.args_json);
    }
    if (outcome->need_image) tab.to_leader.emplace_back(AskImage{});
  }

  static std::string Dump(const std::function<Bytes(std::string_view)>& rows) {
    std::string dump;
    for (const char* sql : {"select * from todos order by id", "select * from notes order by id",
                            "select text from history order by rowid"}) {
      dump += AsText(rows(sql));
    }
    return dump;
  }
  Bytes LeaderRows(std::string_view sql) {
    const BytesView rows = *leader_->Query(*leader_->Prepare(sql), BindsWriter().view());
    return Bytes(rows.begin(), rows.end());
  }
  static Bytes SessionRows(ClientSession& session, std::string_view sql) {
    const BytesView rows = *session.Query(*session.Prepare(sql), BindsWriter().view());
    return Bytes(rows.begin(), rows.end());
  }

  std::mt19937 random_;
  MemoryPool pool_{LeaderFileNames()};
  TodoApp leader_app_;
  std::unique_ptr<PoolVfs> vfs_;
  std::unique_ptr<Leader> leader_;
  std::vector<Tab> sessions_;
  std::multiset<std::string> committed_;
  std::multiset<std::string> rejected_;
  int serial_ = 0;
};

class LoopbackTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(LoopbackTest, Laws3To6_SessionsAndLeaderConverge) {
  World world(GetParam(), 1 + GetParam() % 4);
  for (int i = 0; i < 600; ++i) world.Step();
  world.Settle();
  world.Check();
}

INSTANTIATE_TEST_SUITE_P(Seeds, LoopbackTest, ::testing::Range(1u, 41u));

}  // namespace
}  // namespace livestore

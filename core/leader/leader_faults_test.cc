// The leader when storage fails at any one call: every call of a whole story is made to fail once,
// and after it the leader goes on, or another process does. Nothing may be lost, doubled or half
// done (laws 2, 3, 4 and 8).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <type_traits>

#include "core/sqlite/cold_cache.h"
#include "core/sqlite/fault_pool.h"
#include "core/testing/fault_sweep.h"
#include "core/testing/leader_process.h"

namespace livestore {
namespace {

using Call = FaultPool::Call;

const ColdCache kColdCache;

constexpr int64_t kNow = 1'000'000;

enum class After { kSameProcess, kNewProcess };

// What a leader is started with.
struct Given {
  MemoryPool memory{LeaderFileNames()};
  SchemaDescriptor schema = TodoApp::Schema();
  std::optional<BackendSyncOptions> backend = BackendSyncOptions{};
};

// The host of a leader, which does everything again that has failed.
class Story {
 public:
  Story(const Given& given, const StorageFault& fault, After then) : given_(given), then_(then) {
    fault.Arm(pool_);
  }
  [[nodiscard]] bool met() const { return pool_.failed() > 0; }
  void Heal() { pool_.Heal(); }

  Leader& leader() { return *process_->leader; }

  // Opens and boots until it works; what fails on the way must say that it is storage.
  void Start() {
    pull_ = 0;
    for (int tries = 0; tries < 3; ++tries) {
      process_.reset();
      process_ = std::make_unique<Process>(pool_, given_.schema, given_.backend);
      if (process_->leader) process_->Boot();
      if (!process_->error) return;
      Met(*process_->error);
    }
    FAIL() << "no boot after the fault";
  }
  void Met(const Error& error) {
    EXPECT_TRUE(IsStorageError(error.code)) << error.message;
    pool_.Heal();
  }

  // Makes a call again until it succeeds. In between the leader goes on or is another process.
  template <typename Make>
  std::invoke_result_t<Make> Do(Make make) {
    for (int tries = 0;; ++tries) {
      auto result = make();
      if (!result.ok() && then_ == After::kSameProcess) result = make();  // Nothing has healed yet.
      if (result.ok() || tries == 3) {
        EXPECT_TRUE(result.ok()) << result.error().message;
        return result;
      }
      Met(result.error());
      if (then_ == After::kNewProcess) Start();
    }
  }
  DrainOutcome Settle() {
    DrainOutcome all;
    for (int rounds = 0; rounds < 5 && leader().HasWork(); ++rounds) {
      auto outcome = Do([this] { return leader().Drain(); });
      if (!outcome.ok()) break;
      std::move(outcome->entries.begin(), outcome->entries.end(), std::back_inserter(all.entries));
    }
    EXPECT_FALSE(leader().HasWork());
    return all;
  }

  // As a session does: what the log has of it, it says, and the rest is pushed again.
  void Push(const std::string& instance, uint64_t first, const std::vector<NewEvent>& events) {
    for (int tries = 0; tries < 5; ++tries) {
      const auto joined = Do([&] { return leader().Join(std::nullopt, instance); });
      const uint64_t accepted = DecodeHistory(joined->history)->accepted;
      if (accepted >= first) return;
      const Cursor base = leader().cursor();
      EXPECT_TRUE(leader()
                      .Submit(1, 1, Encoded(base, Numbered(base.head.seq, events), instance, first))
                      .ok());
      Settle();
    }
    FAIL() << "the push of " << instance << " never arrived";
  }
  // As the host of a backend does, which has `events` from e1 on.
  void Pull(const std::vector<NewEvent>& events) {
    std::vector<Event> foreign = Numbered({}, events, "theirs");
    for (int tries = 0; tries < 5 && leader().sync_status().upstream_head == 0; ++tries) {
      const auto requests = Do([this] { return leader().NextRequests(kNow); });
      for (const auto& request : *requests) {
        if (request.kind == BackendRequest::Kind::kPull) pull_ = request.number;
      }
      const PulledPage page{.backend_id = "old", .events = foreign, .metadata = {"7"}};
      EXPECT_TRUE(leader().OnPulled(pull_, EncodePage(page), true, kNow).ok());
      Settle();
    }
    EXPECT_EQ(leader().sync_status().upstream_head, 1u);
  }
  void Refuse(const std::string& id) {
    for (int tries = 0; tries < 5 && Log().find(id) != std::string::npos; ++tries) {
      const auto requests = Do([this] { return leader().NextRequests(kNow); });
      for (const auto& request : *requests) {
        if (request.kind == BackendRequest::Kind::kPull) pull_ = request.number;
        if (request.kind != BackendRequest::Kind::kPush) continue;
        const std::vector<Event> batch = *DecodeEvents(request.events);
        for (uint32_t i = 0; i < batch.size(); ++i) {
          if (batch[i].args_json.find(id) == std::string::npos) continue;
          leader().OnPushRefused(request.number, i, "no", kNow);
        }
      }
      Settle();
    }
  }
  void Orphans() {
    const Bytes journal = Encoded({}, Numbered({}, {TodoCreated("o")}), "gone");
    for (int tries = 0; tries < 3; ++tries) {
      EXPECT_TRUE(leader().SubmitOrphans(journal).ok());
      Settle();
    }
  }
  void Replace() {
    for (int tries = 0; tries < 5 && leader().sync_status().upstream_head > 0; ++tries) {
      leader().OnBackendReplaced("new");
      Settle();
    }
  }

  void Join(const std::optional<Cursor>& cursor) {
    EXPECT_TRUE(Do([&] { return leader().Join(cursor, "t"); }).ok());
  }
  void Image() {
    EXPECT_TRUE(Do([this] { return leader().Image(); }).ok());
  }
  void Requests() {
    EXPECT_TRUE(Do([this] { return leader().NextRequests(kNow); }).ok());
  }

  std::string Log() {
    const auto joined = Do([this] { return leader().Join(Cursor{}, "reader"); });
    const News news = DecodeHistory(joined->history)->news;
    if (joined->image) return "image of " + ToString(news.run.base.seq);
    std::string text;
    for (const Event& event : news.run.events) {
      text += nlohmann::json::parse(event.args_json, nullptr, false).value("id", "?") + " ";
    }
    return text;
  }

 private:
  Given given_;
  FaultPool pool_{given_.memory};
  After then_;
  std::unique_ptr<Process> process_;
  uint32_t pull_ = 0;
};

class LeaderFaultsTest : public ::testing::TestWithParam<std::tuple<StorageFault, After>> {
 protected:
  // Runs `tell` with the fault at each call, and expects this log and these rows at its end, also
  // of the next process.
  void Sweep(const Given& given, const std::function<void(Story&)>& tell, const std::string& log,
             const std::string& rows) {
    const ColdCache::Scope cold;
    const StorageFault kind = std::get<0>(GetParam());
    const After then = std::get<1>(GetParam());
    const int faults = SweepFaults(kind, [&](const StorageFault& fault) {
      Story story(given, fault, then);
      story.Start();
      if (!HasFailure()) tell(story);
      story.Heal();
      if (!HasFailure()) story.Settle();
      for (int process = 0; process < 2 && !HasFailure(); ++process) {
        EXPECT_EQ(story.Log(), log);
        EXPECT_EQ(TodoRows(story.leader()), rows);
        if (process == 0) story.Start();
      }
      return story.met();
    });
    if (kind.call == Call::kRead) {
      EXPECT_GT(faults, 0);
    }
  }
};

TEST_P(LeaderFaultsTest, Laws2To4_OneCallThatFailsLosesNothing) {
  const auto tell = [](Story& story) {
    story.Push("t", 1, {TodoCreated("a"), NoteSet("n", "x"), TodoCreated("bad"), TodoDone("b")});
    story.Pull({TodoCreated("b")});
    story.Refuse("bad");
    story.Orphans();
    story.Push("u", 1, {Broken(), TodoCreated("never")});
    story.Join(std::nullopt);
    story.Image();
    story.Requests();
    story.Replace();
  };
  // The todo b went with the backend that had it.
  Sweep({}, tell, "a n b o ", "at0ot0");
}

TEST_P(LeaderFaultsTest, Laws2To4_NorWithoutABackend) {
  const auto tell = [](Story& story) {
    story.Push("t", 1, {TodoCreated("a"), NoteSet("n", "x"), TodoDone("a")});
    story.Image();
    story.Join(story.leader().cursor());
    story.Push("t", 4, {TodoCreated("b")});
    story.Join(story.leader().cursor());
  };
  Given given;
  given.backend.reset();
  Sweep(given, tell, "a n a b ", "at1bt0");
}

// What a store holds after a life in which nothing failed.
MemoryPool Lived(const std::vector<NewEvent>& events) {
  MemoryPool memory(LeaderFileNames());
  Process process(memory);
  process.app.broken.reset();
  process.Boot();
  EXPECT_TRUE(process.leader->Submit(1, 1, Encoded({}, Numbered({}, events))).ok());
  EXPECT_TRUE(process.leader->Drain().ok());
  return memory;
}

TEST_P(LeaderFaultsTest, Law4_NorWhenARebaseCannotTakeBackAndBuildsTheStateAnew) {
  // Without a backend nothing is kept of how to take these back.
  const Given given{.memory = Lived({TodoCreated("a"), Broken(), TodoCreated("b")})};
  const auto tell = [](Story& story) { story.Pull({TodoCreated("z")}); };
  // A history would not say that an event in it has no effect.
  Sweep(given, tell, "image of e4r1", "at0bt0zt0");
}

TEST_P(LeaderFaultsTest, Law4_NorWhenTheSchemaChanged) {
  const Given given{.memory = Lived({TodoCreated("a"), NoteSet("n", "x"), TodoCreated("b")}),
                    .schema = TodoApp::Schema("untitled")};
  Sweep(given, [](Story&) {}, "a n b ", "at0bt0");
}

TEST_P(LeaderFaultsTest, Law4_NorWhenABootTakesBackWhatTheLogHasNoLonger) {
  MemoryPool memory(LeaderFileNames());
  {
    FaultPool pool(memory);
    Process process(pool, TodoApp::Schema(), BackendSyncOptions{});
    process.Boot();
    Leader& leader = *process.leader;
    EXPECT_TRUE(
        leader.Submit(1, 1, Encoded({}, Numbered({}, {TodoCreated("a"), TodoDone("b")}))).ok());
    EXPECT_TRUE(leader.Drain().ok());
    const PulledPage page{.events = Numbered({}, {TodoCreated("b")}, "theirs"), .metadata = {""}};
    const auto requests = leader.NextRequests(kNow);
    EXPECT_TRUE(leader.OnPulled(requests->at(0).number, EncodePage(page), true, kNow).ok());
    pool.Fail(Call::kWrite, StorageStatus::kIoError, 0, "state.db-wal");
    EXPECT_TRUE(leader.Drain().ok()) << "the log has it";
  }
  const Given given{.memory = memory};
  const auto tell = [](Story& story) { EXPECT_EQ(story.leader().counters().rebuilds, 0u); };
  Sweep(given, tell, "b a b ", "at0bt1");
}

std::vector<StorageFault> Faults() {
  return {{.call = Call::kSize, .file = ""},
          {.call = Call::kRead, .file = ""},
          {.call = Call::kWrite, .status = StorageStatus::kFull, .file = ""},
          {.call = Call::kTruncate, .file = ""},
          {.call = Call::kFlush, .file = ""},
          {.call = Call::kWrite, .file = "eventlog.db-wal"},
          {.call = Call::kFlush, .file = "eventlog.db-wal"}};
}

std::string NameOf(const ::testing::TestParamInfo<std::tuple<StorageFault, After>>& tested) {
  const auto& [fault, then] = tested.param;
  return fault.Name() + (fault.file.empty() ? "" : "OfTheLog") +
         (then == After::kSameProcess ? "SameProcess" : "NewProcess");
}

INSTANTIATE_TEST_SUITE_P(Calls, LeaderFaultsTest,
                         ::testing::Combine(::testing::ValuesIn(Faults()),
                                            ::testing::Values(After::kSameProcess,
                                                              After::kNewProcess)),
                         NameOf);

// A pull or push that the leader believes to run, and nobody knows of, would be waited for for
// ever.
TEST(LeaderFaultTest, Law6_ARequestThatCouldNotBeMadeIsMadeLater) {
  const ColdCache::Scope cold;
  const StorageFault read{.call = Call::kRead, .file = ""};
  const int faults = SweepFaults(read, [](const StorageFault& fault) {
    MemoryPool memory{LeaderFileNames()};
    FaultPool pool(memory);
    {
      Process before(pool, TodoApp::Schema(), BackendSyncOptions{});
      before.Boot();
      const uint32_t pull = before.leader->NextRequests(kNow)->at(0).number;
      const Bytes page = EncodePage({.backend_id = "b", .events = {}, .metadata = {}});
      EXPECT_TRUE(before.leader->OnPulled(pull, page, true, kNow).ok());
      EXPECT_TRUE(before.leader->Drain().ok()) << "the backend is known";
    }
    Process process(pool, TodoApp::Schema(), BackendSyncOptions{});
    process.Boot();
    Leader& leader = *process.leader;
    EXPECT_TRUE(leader.Submit(1, 1, Encoded({}, Numbered({}, {TodoCreated("a")}))).ok());
    EXPECT_TRUE(leader.Drain().ok());
    fault.Arm(pool);
    auto requests = leader.NextRequests(kNow);
    pool.Heal();
    if (!requests.ok()) {
      EXPECT_EQ(requests.error().code, ErrorCode::kStorageIo) << requests.error().message;
      requests = leader.NextRequests(kNow);
    }
    EXPECT_TRUE(requests.ok());
    std::vector<BackendRequest::Kind> kinds;
    for (const BackendRequest& request : *requests) kinds.push_back(request.kind);
    EXPECT_THAT(kinds,
                ::testing::ElementsAre(BackendRequest::Kind::kPull, BackendRequest::Kind::kPush));
    return pool.failed() > 0;
  });
  EXPECT_GT(faults, 0);
}

}  // namespace
}  // namespace livestore

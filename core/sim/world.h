// World: the whole system in one process, driven by one seed.
//
//     backend ◄─ links ─► clients: storage, a leader now and then ◄─ ports ─► tabs: a session each
//
// Whatever may happen next is an action; at each step the seed picks one of those that are
// possible. Ports deliver in order but whenever they like, and end with their leader. Leaders die
// at any message and at any write, sessions too; requests to the backend, and answers from it, are
// late or lost. Time is a number that moves when nothing else does, or by chance.
//
// The world hosts leaders and sessions as JavaScript does: Submit, Drain, deliver, NextRequests,
// and again at WakeAt; a failed Drain is tried again or ends the leader.
//
// Each seed draws its own sizes and its own mix of faults, so that some seeds are calm and long and
// others have two faults at once. The laws (core/sim/laws.cc) are checked where they must hold: at
// every call, after every crash, and when everything has come to rest.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event/event_codec.h"
#include "core/leader/leader.h"
#include "core/session/client_session.h"
#include "core/sim/prng.h"
#include "core/sim/sim_app.h"
#include "core/sim/sim_backend.h"
#include "core/sim/sim_pool.h"
#include "core/sqlite/pool_vfs.h"

namespace livestore::sim {

// Everything a seed may draw and the shrinker may leave out, by number.
enum class Spice : uint32_t {
  kLeaderCrash,
  kPowerCut,
  kHandOver,
  kSessionCrash,
  kSessionClose,
  kJournalTwice,
  kStaleJournal,
  kStorageFull,
  kStorageIo,
  kReadError,
  kCrashInWrite,
  kWipeState,
  kNewSchema,
  kOffline,
  kUnavailable,
  kLostAnswer,
  kGhostPush,
  kReset,
  kIgnoreReset,
  kNotLive,
  kRewrittenArgs,
  kRefusedPrefix,
  kConflicts,
  kRefused,
  kPoison,
  kLeaderPoison,
  kUnknown,
  kHard,
  kBig,
  kClientOnly,
  kBatches,
  kMalformed,
  kSharedId,
  kPassing,
  kCount,
};
std::string_view SpiceName(Spice spice);

struct WorldOptions {
  uint64_t seed = 1;
  std::optional<uint32_t> steps{};  // Else the seed decides.
  uint64_t without = 0;             // Bits of Spice that are left out.
  bool trace = false;               // Print every action.
};

// Names of spices with commas between; nullopt if one is unknown.
std::optional<uint64_t> ParseWithout(std::string_view names);
// A line of seeds.txt: `seed [--steps N] [--without a,b] [# words]`. False for one without a seed.
bool ParseSeedLine(std::string_view line, WorldOptions& options);

struct Violation {
  int law = 0;
  std::string message;
};

struct WorldReport {
  std::optional<Violation> violation{};
  uint64_t trace_hash = 0;
  uint32_t steps = 0;      // That the seed asked for.
  uint32_t steps_run = 0;  // Without those of coming to rest.
  uint64_t spices = 0;
  // How often what happened; for the statistics of a run.
  std::map<std::string, uint64_t> counts{};
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs to the end, or to the first violation.
  WorldReport Run();

 private:
  // One committed event, and what is known of its fate.
  struct Fact {
    std::string uid;
    size_t client = 0;
    std::string instance;
    uint64_t counter = 0;
    bool client_only = false;
    bool may_fail = false;      // Its materializer can fail somewhere, or after a rebase.
    bool leader_fails = false;  // The leader may refuse it, and tell nobody who is still there.
    bool refusable = false;     // The backend will refuse it.
    bool persisted = false;     // Its session was told so.
    bool synced = false;        // Likewise.
    bool rejected = false;      // Its session was told that it is gone.
    bool journaled = false;     // A leader took a journal that holds it.
    bool disputed = false;      // Journaled before it was rejected.
    bool alive = true;          // Its session is.
    bool forgiven = false;      // A backend that was reset took it along.
  };

  struct ToLeader {
    enum class Kind { kPush, kJoin, kPassing };
    Kind kind = Kind::kPush;
    uint32_t number = 0;  // Of the push, or the epoch of the join.
    std::optional<Cursor> cursor{};
    Bytes bytes{};
  };
  struct ToTab {
    enum class Kind { kAnswer, kNews, kJoined, kRejoin, kPassing };
    Kind kind = Kind::kAnswer;
    uint32_t epoch = 0;
    PushResult result{};
    Joined joined{.image = {}, .history = {}, .client_id = {}};
    Bytes news{};
  };

  struct Live {
    LiveQueryId id = 0;
    StatementId statement = 0;
    Bytes binds;
    Bytes rows;
  };

  struct Tab {
    SimApp app;
    std::unique_ptr<ClientSession> session;  // Null once closed; the port may still hold messages.
    std::string instance;
    std::string session_id;
    uint32_t port = 0;
    uint32_t epoch = 0;
    bool connected = false;
    bool new_here = true;
    uint32_t push_in_flight = 0;
    bool pump = true;  // NextPush might return something.
    std::deque<ToLeader> out;
    std::deque<ToTab> in;
    std::vector<Fact*> facts;  // By counter - 1.
    Receipts receipts;
    std::vector<Live> lives;
    std::optional<Bytes> early_journal{};
    // What the leader's side of the port knows.
    bool joined = false;
    uint32_t leader_epoch = 0;
  };

  struct Journal {
    Bytes bytes;
    std::vector<Fact*> facts;
    bool submitted = false;
    uint32_t times_left = 1;
  };

  struct Client {
    size_t index = 0;
    std::string id;
    std::string client_id;  // As its events say; another client may have the same.
    SimPool pool{LeaderFileNames()};
    std::unique_ptr<PoolVfs> vfs;
    std::unique_ptr<Leader> leader;
    SimApp leader_app;
    uint32_t schema = 1;
    bool live_pull = true;
    bool knows_extra = true;
    BackendIdMismatch on_mismatch = BackendIdMismatch::kReset;
    int64_t retry_at = 0;  // Of the boot or the drain that failed.
    uint32_t failures = 0;
    std::optional<int64_t> wake_at{};  // The timer that its host has set.
    bool dirty = false;
    uint32_t boots = 0;
    bool ask_backend = false;
    bool halted = false;
    uint32_t idle_wakes = 0;
    std::vector<std::unique_ptr<Tab>> tabs;
    std::vector<Journal> journals;
    BackendLink link;
    uint32_t tabs_opened = 0;
  };

  struct Action {
    void (World::*run)(Client&, Tab*) = nullptr;
    Client* client = nullptr;
    Tab* tab = nullptr;
    uint32_t weight = 0;
  };

  [[nodiscard]] bool Has(Spice spice) const {
    return (spices_ & (uint64_t{1} << static_cast<uint32_t>(spice))) != 0;
  }
  [[nodiscard]] bool failed() const { return violation_.has_value(); }
  void Fail(int law, std::string message);
  // Part of the trace hash; printed with --trace.
  void Trace(std::string_view what, const Client* client = nullptr, const Tab* tab = nullptr,
             std::string_view more = {});
  void Count(const std::string& what) { counts_[what] += 1; }

  // ---- The scheduler.
  void Enumerate(bool calm);
  bool StepOnce(bool calm);  // False if nothing can happen any more.
  void ComeToRest();
  [[nodiscard]] std::optional<int64_t> NextTimer() const;

  // ---- Tabs (world.cc).
  void OpenTab(Client& client, Tab*);
  void Commit(Client& client, Tab* tab);
  void OpenLive(Tab& tab, std::string_view sql, const BindsWriter& binds, RowKey key);
  NewEvent DrawEvent(Client& client, Fact& fact);
  // Events that are not persisted.
  void CommitPassing(Client& client, Tab* tab);
  void Pump(Client& client, Tab* tab);
  void Connect(Client& client, Tab* tab);
  void DeliverToTab(Client& client, Tab* tab);
  void CloseTab(Client& client, Tab* tab);
  void CrashTab(Client& client, Tab* tab);
  void NoteJournal(Client& client, Tab* tab);
  void SendNonsenseToTab(Client& client, Tab* tab);
  void Follow(Client& client, Tab& tab, Result<FollowOutcome> followed, std::string_view what);
  void JoinAnew(Client& client, Tab& tab);
  void EndTab(Client& client, Tab& tab, std::optional<Bytes> journal);
  void ObserveTab(Client& client, Tab& tab, const std::vector<LiveQueryId>& stale);

  // ---- Leaders.
  void StartLeader(Client& client, Tab*);
  void DeliverToLeader(Client& client, Tab* tab);
  void DrainLeader(Client& client, Tab*);
  bool Drain(Client& client);
  void AskForRequests(Client& client, Tab*);
  void Wake(Client& client, Tab*);
  void SetTimers();
  void TakeJournal(Client& client, Tab*);
  void CrashLeader(Client& client, Tab*);
  void HandOver(Client& client, Tab*);
  void BreakStorage(Client& client, Tab*);
  void SendNonsenseToLeader(Client& client, Tab*);
  void EndLeader(Client& client, bool clean);
  // A storage failure of the leader: it is tried again, or the leader ends.
  void OnStorageFailure(Client& client, const Error& error, std::string_view what);

  // ---- The backend.
  void MakePage(Client& client, Tab*);
  void DeliverFromPull(Client& client, Tab*);
  void FailPull(Client& client, Tab*);
  void BackendTakesPush(Client& client, Tab*);
  void AnswerPush(Client& client, Tab*);
  void GhostArrives(Client& client, Tab*);
  void ToggleOnline(Client& client, Tab*);
  void TellOnline(Client& client, Tab*);
  void ResetBackend(Client& client, Tab*);

  // ---- The laws (laws.cc). Each fails the world with its number.
  void Law1_CommitIsVisible(Tab& tab, const std::vector<Fact*>& facts);
  // Law 2, and what of 3 and 5 a log on its own can show: `pool` as a power cut leaves it.
  void Law2_AcceptedIsDurable(Client& client, bool cut);
  void Law3_OwnPendingIsKept(Tab& tab);
  void Law3_EveryEventArrives(Client& client, const std::vector<Event>& log);
  void Law3_BackendTakesEachOnce();
  void Law4_StateIsTheLogReplayed(Client& client, const std::vector<Event>& log);
  void Law5_OneOrder(Client& client, const std::vector<Event>& log, uint64_t upstream_head,
                     const std::string& backend_id);
  void Law6_NothingWaits(Client& client);
  void Law7_LiveQueriesTell(Tab& tab, const std::vector<LiveQueryId>& stale);
  void Law8_FailedCallChangesNothing(Tab& tab, const std::string& before, std::string_view what);
  void CheckAtRest();

  struct ReadLog {
    std::vector<Event> events;
    uint64_t upstream_head = 0;
    std::string backend_id;
  };
  // The log in a copy of the client's storage, after a power cut or as its process sees it.
  std::optional<ReadLog> LogOf(Client& client, bool cut);
  std::string DumpTab(Tab& tab);
  // Without events that are not persisted.
  std::string DumpImage(Tab& tab);
  std::optional<std::string> DumpLeader(Client& client);
  std::string DumpReplay(Client& client, const std::vector<Event>& log);
  // All that a failed call must leave alone.
  std::string Everything(Tab& tab);
  Fact* FactOf(std::string_view uid);

  static std::string Name(const Client* client, const Tab* tab);

  WorldOptions options_;
  Prng prng_;
  uint64_t environment_random_;
  uint64_t spices_ = 0;
  uint32_t steps_ = 0;
  bool has_backend_ = true;
  uint32_t tabs_max_ = 1;
  uint32_t commit_weight_ = 1;
  uint32_t fault_weight_ = 1;
  uint32_t check_percent_ = 5;

  bool calm_ = false;  // Coming to rest: no more faults.
  int64_t now_ms_ = 1'000'000;
  std::unique_ptr<SimBackend> backend_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, std::unique_ptr<Fact>, std::less<>> facts_;
  uint32_t next_port_ = 1;
  uint32_t next_push_ = 1;
  uint64_t next_uid_ = 1;

  std::vector<Action> actions_;
  std::optional<Violation> violation_{};
  uint64_t hash_ = 0xcbf29ce484222325u;
  uint32_t steps_run_ = 0;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace livestore::sim

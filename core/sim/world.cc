#include "core/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/sqlite/vfs_environment.h"

namespace livestore::sim {
namespace {

constexpr const char* kSpiceNames[] = {
    "leader_crash",   "power_cut",      "hand_over",    "session_crash", "session_close",
    "journal_twice",  "stale_journal",  "storage_full", "storage_io",    "read_error",
    "crash_in_write", "wipe_state",     "new_schema",   "offline",       "unavailable",
    "lost_answer",    "ghost_push",     "reset",        "ignore_reset",  "not_live",
    "rewritten_args", "refused_prefix", "conflicts",    "refused",       "poison",
    "leader_poison",  "unknown",        "hard",         "big",           "client_only",
    "batches",        "malformed",      "shared_id",    "passing",
};
constexpr auto kSpiceCount = static_cast<size_t>(Spice::kCount);
static_assert(std::size(kSpiceNames) == kSpiceCount);

constexpr const char* kLiveSql[] = {
    "select * from docs order by id",
    "select count(*) from seen",
    "select i.id, d.value from items i left join docs d on d.id = i.id order by i.id",
    "select text from log order by rowid",
    "select id, uid from serials order by id",
    "select * from notes order by id",
};
// Each sees the rows of one key.
struct KeyedSql {
  const char* sql;
  uint32_t column;
  const char* text;  // Null: the number 2.
};
constexpr KeyedSql kKeyedSql[] = {
    {"select * from docs where id = ?", 0, "k1"},
    {"select count(*) from items where id = ? and uid > 'u1'", 0, "k2"},
    {"select * from notes where id = ?", 0, "k0"},
    {"select uid from serials where id = ?", 0, nullptr},
};

}  // namespace

std::string_view SpiceName(Spice spice) { return kSpiceNames[static_cast<size_t>(spice)]; }

std::optional<uint64_t> ParseWithout(std::string_view names) {
  uint64_t bits = 0;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    const auto found = std::find(std::begin(kSpiceNames), std::end(kSpiceNames), name);
    if (found == std::end(kSpiceNames)) return std::nullopt;
    bits |= uint64_t{1} << (found - std::begin(kSpiceNames));
  }
  return bits;
}

bool ParseSeedLine(std::string_view line, WorldOptions& options) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string> words;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    if (!word.empty()) words.emplace_back(word);
  }
  if (words.empty()) return false;
  options.seed = std::strtoull(words[0].c_str(), nullptr, 10);
  for (size_t i = 1; i + 1 < words.size(); i += 2) {
    if (words[i] == "--steps") {
      options.steps = static_cast<uint32_t>(std::strtoul(words[i + 1].c_str(), nullptr, 10));
    } else if (words[i] == "--without") {
      const auto without = ParseWithout(words[i + 1]);
      LS_CHECK(without.has_value());
      options.without = *without;
    }
  }
  return true;
}

World::World(const WorldOptions& options)
    : options_(options), prng_(options.seed), environment_random_(options.seed) {
  // SQLite's own randomness (salts of the WAL) is part of the seed too.
  SetProcessEnvironment({.now_ms = [](void*) -> int64_t { return 0; },
                         .random_bytes =
                             [](void* context, uint8_t* out, size_t size) {
                               auto& state = *static_cast<uint64_t*>(context);
                               for (size_t i = 0; i < size; ++i) {
                                 out[i] = static_cast<uint8_t>(SplitMix(state));
                               }
                             },
                         .context = &environment_random_});

  const size_t spice_percent = 15 + 20 * prng_.Below(4);
  for (size_t i = 0; i < kSpiceCount; ++i) {
    if (prng_.Percent(spice_percent)) spices_ |= uint64_t{1} << i;
  }
  // These change what the rest of a seed is about, so most have none of them.
  for (const Spice rare :
       {Spice::kReset, Spice::kIgnoreReset, Spice::kLeaderPoison, Spice::kNotLive}) {
    if (!prng_.OneIn(3)) spices_ &= ~(uint64_t{1} << static_cast<uint32_t>(rare));
  }
  spices_ &= ~options_.without;
  has_backend_ = !prng_.OneIn(7);
  const size_t client_count = has_backend_ ? prng_.Between(1, 3) : 1;
  tabs_max_ = static_cast<uint32_t>(prng_.Between(1, 3));
  commit_weight_ = static_cast<uint32_t>(prng_.Between(2, 14));
  fault_weight_ = static_cast<uint32_t>(prng_.Between(1, 4));
  // From 10 to 210, most of them short: more seeds for the same time.
  constexpr size_t kLongest = 200;
  const size_t length = prng_.Between(0, kLongest);
  steps_ = static_cast<uint32_t>(10 + length * length * length / (kLongest * kLongest));
  if (options_.steps) steps_ = *options_.steps;
  backend_ = std::make_unique<SimBackend>(Has(Spice::kRewrittenArgs), Has(Spice::kRefusedPrefix));
  for (size_t i = 0; i < client_count; ++i) {
    auto client = std::make_unique<Client>();
    client->index = i;
    client->id = "c" + std::to_string(i);
    client->client_id = Has(Spice::kSharedId) && i > 0 ? "c0" : client->id;
    client->live_pull = !(Has(Spice::kNotLive) && prng_.OneIn(2));
    client->knows_extra = prng_.OneIn(2);
    if (Has(Spice::kIgnoreReset) && prng_.OneIn(2)) {
      client->on_mismatch = BackendIdMismatch::kIgnore;
    }
    client->leader_app.client = client->id;
    client->leader_app.knows_extra = client->knows_extra;
    client->leader_app.leader = true;
    clients_.push_back(std::move(client));
  }
}

World::~World() {
  for (auto& client : clients_) {
    for (auto& tab : client->tabs) tab->session.reset();
    client->leader.reset();
    client->vfs.reset();
  }
  SetProcessEnvironment({});
}

WorldReport World::Run() {
  // A second part after the first rest begins with a history behind it.
  const bool second_part = prng_.OneIn(3);
  for (uint32_t part = 0; part < (second_part ? 2u : 1u) && !failed(); ++part) {
    const uint32_t steps = part == 0 ? steps_ : steps_ / 2;
    calm_ = false;
    for (uint32_t i = 0; i < steps && !failed(); ++i) {
      StepOnce(false);
      ++steps_run_;
    }
    ComeToRest();
    // A pull that is not live hears of others' events when the next one starts. It may hear of
    // another backend, and push to that what the others hear of with the one after it.
    const bool not_live =
        std::ranges::any_of(clients_, [](const auto& client) { return !client->live_pull; });
    for (int round = 0; round < (not_live && has_backend_ ? 2 : 0); ++round) {
      for (auto& client : clients_) {
        if (!failed() && !client->live_pull) HandOver(*client, nullptr);
      }
      ComeToRest();
    }
    CheckAtRest();
  }
  return {.violation = violation_,
          .trace_hash = hash_,
          .steps = steps_,
          .steps_run = steps_run_,
          .spices = spices_,
          .counts = counts_};
}

void World::Fail(int law, std::string message) {
  if (!violation_) violation_ = {law, std::move(message)};
}

std::string World::Name(const Client* client, const Tab* tab) {
  if (tab != nullptr) return tab->instance;
  return client != nullptr ? client->id : "";
}

void World::Trace(std::string_view what, const Client* client, const Tab* tab,
                  std::string_view more) {
  const auto mix = [this](std::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    hash_ = (hash_ ^ 0xffu) * 0x100000001b3u;
  };
  mix(what);
  if (client != nullptr) mix(client->id);
  if (tab != nullptr) mix(tab->instance);
  mix(more);
  if (options_.trace) {
    std::printf("%5u %9lld  %-8s %.*s %.*s\n", steps_run_, static_cast<long long>(now_ms_),
                Name(client, tab).c_str(), static_cast<int>(what.size()), what.data(),
                static_cast<int>(more.size()), more.data());
    std::fflush(stdout);
  }
}

// ---- The scheduler.

void World::Enumerate(bool calm) {
  actions_.clear();
  const auto add = [this](uint32_t weight, void (World::*run)(Client&, Tab*), Client& client,
                          Tab* tab = nullptr) {
    if (weight > 0) actions_.push_back({run, &client, tab, weight});
  };
  // Most steps are undisturbed, so that things get somewhere between two faults.
  const uint32_t fault = calm || !prng_.OneIn(3) ? 0 : fault_weight_;
  const auto faulty = [&](Spice spice) { return Has(spice) ? fault : 0; };
  for (auto& owned : clients_) {
    Client& client = *owned;
    std::erase_if(client.tabs,
                  [](const auto& tab) { return tab->session == nullptr && tab->out.empty(); });
    size_t open_tabs = 0;
    const bool waiting = now_ms_ < client.retry_at;
    for (auto& tab : client.tabs) {
      if (client.leader && !waiting && !tab->out.empty()) {
        add(12, &World::DeliverToLeader, client, tab.get());
      }
      if (!tab->session) continue;
      ++open_tabs;
      if (!calm) add(commit_weight_ * 2, &World::Commit, client, tab.get());
      if (!calm && Has(Spice::kPassing)) {
        add(commit_weight_, &World::CommitPassing, client, tab.get());
      }
      if (tab->connected && tab->pump) add(10, &World::Pump, client, tab.get());
      if (!tab->connected && client.leader) add(10, &World::Connect, client, tab.get());
      if (!tab->in.empty()) add(12, &World::DeliverToTab, client, tab.get());
      add(faulty(Spice::kSessionClose), &World::CloseTab, client, tab.get());
      add(faulty(Spice::kSessionCrash), &World::CrashTab, client, tab.get());
      add(faulty(Spice::kStaleJournal), &World::NoteJournal, client, tab.get());
      add(faulty(Spice::kMalformed), &World::SendNonsenseToTab, client, tab.get());
    }
    if (!calm && open_tabs < tabs_max_) add(6, &World::OpenTab, client);
    if (!client.leader) {
      if (!waiting) add(14, &World::StartLeader, client);
    } else {
      if (!waiting) {
        if (client.dirty || client.leader->HasWork()) add(12, &World::DrainLeader, client);
        const bool journal =
            std::any_of(client.journals.begin(), client.journals.end(),
                        [](const Journal& one) { return !one.submitted && one.times_left > 0; });
        if (journal) add(8, &World::TakeJournal, client);
        if (client.ask_backend) add(12, &World::AskForRequests, client);
        if (client.wake_at && *client.wake_at <= now_ms_) add(8, &World::Wake, client);
      }
      add(faulty(Spice::kLeaderCrash), &World::CrashLeader, client);
      add(faulty(Spice::kHandOver), &World::HandOver, client);
      add(faulty(Spice::kMalformed), &World::SendNonsenseToLeader, client);
    }
    if (Has(Spice::kStorageFull) || Has(Spice::kStorageIo) || Has(Spice::kReadError) ||
        Has(Spice::kCrashInWrite)) {
      add(fault, &World::BreakStorage, client);
    }
    if (!has_backend_) continue;
    BackendLink& link = client.link;
    if (link.pull && link.online &&
        (!link.pull->said_something || link.pull->cursor < backend_->head())) {
      add(8, &World::MakePage, client);
    }
    if (client.leader && !link.to_leader.empty()) add(10, &World::DeliverFromPull, client);
    if (link.pull) add(faulty(Spice::kUnavailable), &World::FailPull, client);
    if (link.push && !link.push->answered) add(8, &World::BackendTakesPush, client);
    if (client.leader && link.push && link.push->answered) add(8, &World::AnswerPush, client);
    if (!link.ghosts.empty()) add(4, &World::GhostArrives, client);
    if (!link.online) {
      add(calm ? 12 : 6, &World::ToggleOnline, client);
    } else {
      add(faulty(Spice::kOffline), &World::ToggleOnline, client);
    }
    if (client.leader && link.online != link.told_online) add(8, &World::TellOnline, client);
    if (client.index == 0 && backend_->resets() == 0 && backend_->head() > 0) {
      add(faulty(Spice::kReset), &World::ResetBackend, client);
    }
  }
}

std::optional<int64_t> World::NextTimer() const {
  std::optional<int64_t> next;
  const auto consider = [&](int64_t at) {
    if (at > now_ms_ && (!next || at < *next)) next = at;
  };
  for (const auto& client : clients_) {
    consider(client->retry_at);
    if (client->wake_at) consider(*client->wake_at);
  }
  return next;
}

// As JavaScript does: after each call a timer for what the leader says; one that is due fires.
void World::SetTimers() {
  for (auto& client : clients_) {
    if (!client->leader) {
      client->wake_at.reset();
      continue;
    }
    if (client->wake_at && *client->wake_at <= now_ms_) continue;
    client->wake_at = client->leader->WakeAt(now_ms_);
  }
}

bool World::StepOnce(bool calm) {
  SetTimers();
  if (!calm && prng_.OneIn(8)) now_ms_ += static_cast<int64_t>(prng_.Between(1, 4000));
  if (calm && prng_.OneIn(16)) now_ms_ += static_cast<int64_t>(prng_.Between(1, 200));
  Enumerate(calm);
  if (actions_.empty()) {
    const std::optional<int64_t> timer = NextTimer();
    if (!timer) return false;
    now_ms_ = *timer;
    return true;
  }
  uint32_t total = 0;
  for (const Action& action : actions_) total += action.weight;
  size_t pick = prng_.Below(total);
  for (const Action& action : actions_) {
    if (pick < action.weight) {
      (this->*action.run)(*action.client, action.tab);
      return true;
    }
    pick -= action.weight;
  }
  return true;
}

// No more faults and no more commits: what is on its way arrives. Law 6 is that this ends.
void World::ComeToRest() {
  if (failed()) return;
  Trace("coming to rest");
  calm_ = true;
  for (auto& client : clients_) {
    client->pool.Heal();
    client->failures = 0;
  }
  const size_t bound = 3'000 + 60 * facts_.size();
  for (size_t i = 0; i < bound; ++i) {
    if (failed() || !StepOnce(true)) return;
  }
  Fail(6, "no rest after " + std::to_string(bound) + " steps without faults");
}

// ---- Tabs.

void World::OpenTab(Client& client, Tab*) {
  auto owned = std::make_unique<Tab>();
  Tab& tab = *owned;
  const uint32_t number = client.tabs_opened++;
  tab.instance = client.id + ".t" + std::to_string(number);
  // A tab that is reloaded keeps its session id, as sessionStorage does.
  tab.session_id = "s" + std::to_string(number % 3);
  // Browsers that were cloned have the same session ids too, others do not.
  if (Has(Spice::kSharedId) && options_.seed % 4 != 0) tab.session_id += client.id;
  tab.port = next_port_++;
  tab.app.client = client.id;
  tab.app.knows_extra = client.knows_extra;
  Trace("opens", &client, &tab);
  auto session = ClientSession::Create({.client_id = client.client_id,
                                        .session_id = tab.session_id,
                                        .instance = tab.instance,
                                        .schema = SimApp::Schema(client.schema)},
                                       tab.app);
  if (!session.ok()) return Fail(6, "a session cannot be made: " + session.error().message);
  tab.session = std::move(*session);
  ClientSession* const raw = tab.session.get();
  tab.app.Attach(
      [raw](std::string_view sql) { return raw->Prepare(sql); },
      [raw](StatementId statement, BytesView binds) { return raw->Query(statement, binds); });
  for (const char* sql : kLiveSql) {
    if (prng_.OneIn(3)) continue;
    OpenLive(tab, sql, BindsWriter(), {});
  }
  for (const KeyedSql& keyed : kKeyedSql) {
    BindsWriter binds;
    OpenLive(tab, keyed.sql, keyed.text == nullptr ? binds.Int64(2) : binds.Text(keyed.text),
             {.column = keyed.column, .parameter = 1});
  }
  client.tabs.push_back(std::move(owned));
}

void World::OpenLive(Tab& tab, std::string_view sql, const BindsWriter& binds, RowKey key) {
  Live live;
  live.statement = *tab.session->Prepare(sql);
  live.binds.assign(binds.view().begin(), binds.view().end());
  live.id = *tab.session->live_queries().Open(live.statement, binds.view(), key);
  const auto rows = tab.session->live_queries().Run(live.id);
  if (!rows.ok() || !*rows) return Fail(7, "a live query does not run at first");
  live.rows.assign((*rows)->begin(), (*rows)->end());
  tab.lives.push_back(std::move(live));
}

NewEvent World::DrawEvent(Client& client, Fact& fact) {
  fact.uid = "u" + std::to_string(next_uid_++);
  const auto id = [this](size_t count) { return "k" + std::to_string(prng_.Below(count)); };
  NewEvent event{.name = "DocSet", .args_json = {}, .schema_hash = 7};
  std::string key = id(5);
  std::string value = "v" + fact.uid;
  switch (prng_.Below(10)) {
    case 0:
    case 1:
      if (Has(Spice::kConflicts)) {
        event.name = "ItemAdded";
        key = id(12);
        fact.may_fail = true;
      } else {
        event.name = "LogAdded";
      }
      break;
    case 2:
      event.name = "ItemRemoved";
      key = id(12);
      break;
    case 3:
    case 4:
      if (Has(Spice::kClientOnly)) {
        event.name = prng_.OneIn(2) ? "NoteSet" : "LogAdded";
        event.client_only = true;
      }
      break;
    case 5:
      event.name = "LogAdded";
      break;
    case 6:
      event.name = prng_.OneIn(2) ? "Counted" : "SerialAdded";
      break;
    case 7:
      if (Has(Spice::kHard) && prng_.OneIn(2)) event.name = "HardAdded";
      break;
    case 8:
      if (Has(Spice::kUnknown)) {
        event.name = "Extra";
        fact.may_fail = true;
      }
      break;
    default:
      break;
  }
  if (Has(Spice::kBig) && prng_.OneIn(12)) {
    value.append(static_cast<size_t>(1) << prng_.Between(10, 15), 'x');
  }
  std::string args =
      R"({"uid":")" + fact.uid + R"(","id":")" + key + R"(","value":")" + value + '"';
  if (Has(Spice::kRefused) && !event.client_only && prng_.OneIn(8)) {
    args += R"(,"refuse":"1")";
    fact.refusable = true;
  }
  if (Has(Spice::kPoison) && prng_.OneIn(8)) {
    args += R"(,"poison":"c)" + std::to_string(prng_.Below(3)) + '"';
    fact.may_fail = true;
  } else if (Has(Spice::kLeaderPoison) && prng_.OneIn(10)) {
    args += R"(,"leader_poison":"1")";
    fact.may_fail = true;
    fact.leader_fails = true;
  }
  event.args_json = args + "}";
  fact.client = client.index;
  fact.client_only = event.client_only;
  return event;
}

void World::Commit(Client& client, Tab* tab) {
  const size_t count = Has(Spice::kBatches) && prng_.OneIn(3) ? prng_.Between(2, 5) : 1;
  std::vector<std::unique_ptr<Fact>> facts;
  std::vector<NewEvent> events;
  bool may_fail = false;
  std::string names;
  for (size_t i = 0; i < count; ++i) {
    auto fact = std::make_unique<Fact>();
    events.push_back(DrawEvent(client, *fact));
    if (!names.empty()) names += ", ";
    names += events.back().name + " " + events.back().args_json.substr(0, 90) +
             (events.back().client_only ? " client-only" : "");
    fact->instance = tab->instance;
    fact->counter = tab->facts.size() + i + 1;
    may_fail = may_fail || fact->may_fail;
    facts.push_back(std::move(fact));
  }
  const bool look = may_fail && prng_.OneIn(2);
  const std::string before = look ? Everything(*tab) : "";
  const auto committed = tab->session->Commit(events);
  Trace(committed.ok() ? "commits" : "fails to commit", &client, tab, names);
  Count(committed.ok() ? "commits" : "failed commits");
  if (!committed.ok()) {
    const ErrorCode code = committed.error().code;
    if (!may_fail || (code != ErrorCode::kConstraint && code != ErrorCode::kMaterializerThrew &&
                      code != ErrorCode::kUnknownEvent)) {
      return Fail(8, "a commit failed: " + committed.error().message);
    }
    if (look) Law8_FailedCallChangesNothing(*tab, before, "a commit that failed");
    return ObserveTab(client, *tab, {});
  }
  std::vector<Fact*> added;
  for (auto& fact : facts) {
    added.push_back(fact.get());
    tab->facts.push_back(fact.get());
    facts_.emplace(fact->uid, std::move(fact));
  }
  tab->pump = true;
  Law1_CommitIsVisible(*tab, added);
  ObserveTab(client, *tab, *committed);
}

void World::CommitPassing(Client& client, Tab* tab) {
  std::vector<NewEvent> events;
  std::vector<std::unique_ptr<Fact>> facts;
  std::vector<Fact*> shown;
  for (size_t i = prng_.Between(1, 3); i > 0; --i) {
    facts.push_back(std::make_unique<Fact>());
    shown.push_back(facts.back().get());
    events.push_back(DrawEvent(client, *facts.back()));
  }
  const std::string before = Everything(*tab);
  const auto committed = tab->session->CommitPassing(events);
  Trace(committed.ok() ? "shows" : "fails to show", &client, tab, shown.front()->uid);
  Count(committed.ok() ? "passing commits" : "failed passing commits");
  if (!committed.ok()) {
    Law8_FailedCallChangesNothing(*tab, before, "a passing commit that failed");
    return ObserveTab(client, *tab, {});
  }
  Law1_CommitIsVisible(*tab, shown);
  ObserveTab(client, *tab, *committed);
  std::optional<Bytes> passing = tab->session->NextPassing();
  if (!passing) return Fail(1, "nothing of a passing commit is passed on");
  if (tab->connected) {
    tab->out.push_back({.kind = ToLeader::Kind::kPassing, .bytes = std::move(*passing)});
  }
}

void World::Pump(Client& client, Tab* tab) {
  std::optional<Bytes> push = tab->session->NextPush();
  Trace(push ? "pushes" : "has nothing to push", &client, tab);
  if (!push) {
    tab->pump = false;
    return;
  }
  if (tab->push_in_flight != 0) return Fail(9, "a second push while one is in flight");
  tab->push_in_flight = next_push_++;
  tab->out.push_back(
      {.kind = ToLeader::Kind::kPush, .number = tab->push_in_flight, .bytes = std::move(*push)});
}

void World::Connect(Client& client, Tab* tab) {
  Trace("connects", &client, tab);
  tab->connected = true;
  tab->in.clear();
  tab->out.clear();
  JoinAnew(client, *tab);
}

void World::JoinAnew(Client& client, Tab& tab) {
  tab.epoch += 1;
  tab.push_in_flight = 0;
  const Cursor cursor = tab.session->OnLeaderChange();
  ToLeader join{.kind = ToLeader::Kind::kJoin, .number = tab.epoch};
  // A new tab asks for the image, or for everything from the beginning.
  if (!std::exchange(tab.new_here, false) || prng_.OneIn(3)) join.cursor = cursor;
  Trace("joins", &client, &tab, join.cursor ? ToString(join.cursor->head.seq) : "without a cursor");
  tab.out.push_back(std::move(join));
  Count("joins");
}

void World::DeliverToTab(Client& client, Tab* tab) {
  ToTab message = std::move(tab->in.front());
  tab->in.pop_front();
  tab->pump = true;
  ClientSession& session = *tab->session;
  if (message.kind == ToTab::Kind::kAnswer) {
    if (message.result.push != tab->push_in_flight) {
      return Trace("passes over an old answer", &client, tab);
    }
    tab->push_in_flight = 0;
    if (message.result.answer == PushAnswer::kFailed) {
      Count("failed pushes");
      Trace("hears of a failed push", &client, tab, std::to_string(message.result.failed_index));
      auto followed = session.OnPushFailed(message.result.failed_index, message.result.error);
      if (!followed.ok() && followed.error().code == ErrorCode::kUpstreamGap) {
        Count("answers that need a join");
        return JoinAnew(client, *tab);
      }
      return Follow(client, *tab, std::move(followed), "OnPushFailed");
    }
    const bool accepted = message.result.answer == PushAnswer::kAccepted;
    Trace(accepted ? "hears: accepted" : "hears: rejected", &client, tab);
    Count(accepted ? "accepted pushes" : "rejected pushes");
    const Result<void> heard = accepted ? session.OnPushAccepted() : session.OnPushRejected();
    // The log was rewritten and stands again where it stood when this was pushed. What became of it
    // is in the history.
    if (!heard.ok() && heard.error().code == ErrorCode::kUpstreamGap) {
      Count("answers that need a join");
      return JoinAnew(client, *tab);
    }
    if (!heard.ok()) {
      return Fail(6, std::string(accepted ? "OnPushAccepted: " : "OnPushRejected: ") +
                         heard.error().message);
    }
    return ObserveTab(client, *tab, {});
  }
  if (message.epoch != tab->epoch) return Trace("passes over old news", &client, tab);
  switch (message.kind) {
    case ToTab::Kind::kNews: {
      Trace("hears news", &client, tab);
      return Follow(client, *tab, session.OnNews(message.news), "OnNews");
    }
    case ToTab::Kind::kJoined:
      Trace(message.joined.image ? "is given an image" : "is given history", &client, tab);
      Count(message.joined.image ? "images" : "histories");
      if (message.joined.client_id != client.client_id) {
        if (!Has(Spice::kSharedId)) return Fail(5, client.id + " was given another id for nothing");
        Count("joins under another id");
        session.SetClientId(message.joined.client_id);
      }
      return message.joined.image
                 ? Follow(client, *tab,
                          session.LoadImage(*message.joined.image, message.joined.history),
                          "LoadImage")
                 : Follow(client, *tab, session.OnHistory(message.joined.history), "OnHistory");
    case ToTab::Kind::kPassing:
      Trace("is shown something", &client, tab);
      return Follow(client, *tab, session.OnPassing(message.news), "OnPassing");
    case ToTab::Kind::kRejoin:
      Count("rejoins");
      return JoinAnew(client, *tab);
    case ToTab::Kind::kAnswer:
      break;
  }
}

void World::Follow(Client& client, Tab& tab, Result<FollowOutcome> followed,
                   std::string_view what) {
  if (!followed.ok()) {
    return Fail(6, tab.instance + ": " + std::string(what) + ": " + followed.error().message);
  }
  for (const RejectedEvent& rejected : followed->rejected) {
    Trace("hears that its event is gone", &client, &tab,
          std::to_string(rejected.counter) + ": " + rejected.error.message.substr(0, 60));
    Count(rejected.accepted ? "refused, reported" : "rejected, reported");
    if (rejected.counter == 0 && Has(Spice::kPassing)) continue;
    if (rejected.counter == 0 || rejected.counter > tab.facts.size()) {
      return Fail(3, tab.instance + ": an event with counter " + std::to_string(rejected.counter) +
                         " is reported as rejected");
    }
    Fact& fact = *tab.facts[static_cast<size_t>(rejected.counter - 1)];
    if (fact.rejected) return Fail(3, fact.uid + " is reported as rejected twice");
    if (!rejected.accepted && UidOf(rejected.event) != fact.uid) {
      return Fail(3, fact.uid + " has the counter of a rejected event that is called " +
                         std::string(UidOf(rejected.event)));
    }
    if (rejected.accepted ? !fact.refusable && !fact.leader_fails : !fact.may_fail) {
      return Fail(3, fact.uid + " is reported as rejected, but nothing is wrong with it: " +
                         rejected.error.message);
    }
    if (!rejected.accepted && fact.persisted) {
      return Fail(2, fact.uid + " is reported as rejected after it was acknowledged");
    }
    fact.rejected = true;
  }
  if (followed->need_image) {
    Trace("needs an image", &client, &tab);
    Count("images needed");
    tab.out.push_back({.kind = ToLeader::Kind::kJoin, .number = tab.epoch});
  }
  ObserveTab(client, tab, followed->stale);
}

void World::ObserveTab(Client& client, Tab& tab, const std::vector<LiveQueryId>& stale) {
  if (failed()) return;
  Law7_LiveQueriesTell(tab, stale);
  const Receipts now = tab.session->receipts();
  if (now.committed != tab.facts.size()) return Fail(3, tab.instance + ": commits are miscounted");
  if (now.persisted < tab.receipts.persisted || now.synced < tab.receipts.synced ||
      now.persisted > now.committed || now.synced > now.persisted) {
    return Fail(2, tab.instance + ": receipts went from " + std::to_string(tab.receipts.persisted) +
                       "/" + std::to_string(tab.receipts.synced) + " to " +
                       std::to_string(now.persisted) + "/" + std::to_string(now.synced) + " of " +
                       std::to_string(now.committed));
  }
  for (uint64_t i = tab.receipts.persisted; i < now.persisted; ++i) {
    tab.facts[static_cast<size_t>(i)]->persisted = true;
  }
  for (uint64_t i = tab.receipts.synced; i < now.synced; ++i) {
    Fact& fact = *tab.facts[static_cast<size_t>(i)];
    fact.synced = true;
    // One that was refused while this session waited for an image is passed over.
    if (!fact.client_only && !fact.rejected && backend_->resets() == 0 &&
        !backend_->Holds(fact.uid) && !backend_->refused().contains(fact.uid)) {
      return Fail(2, fact.uid + " is said to be synced, but the backend does not have it");
    }
  }
  if (now.synced > 0 && !has_backend_) return Fail(2, "something is synced without a backend");
  tab.receipts = now;
  Law3_OwnPendingIsKept(tab);
  if (!failed()) {
    const SyncStatus status = tab.session->sync_status();
    Trace("is at", &client, &tab,
          ToString(status.upstream_head) + " " + ToString(status.local_head) + " pending " +
              std::to_string(status.pending_count) + " persisted " + std::to_string(now.persisted) +
              " synced " + std::to_string(now.synced));
  }
}

void World::EndTab(Client& client, Tab& tab, std::optional<Bytes> journal) {
  if (journal) {
    const Result<Push> push = DecodePush(*journal);
    if (!push.ok()) return Fail(3, "a journal cannot be read: " + push.error().message);
    Journal entry{.bytes = std::move(*journal), .facts = {}};
    for (const uint64_t counter : push->counters) {
      entry.facts.push_back(tab.facts[static_cast<size_t>(counter - 1)]);
    }
    if (Has(Spice::kJournalTwice) && prng_.OneIn(2)) entry.times_left = 2;
    client.journals.push_back(std::move(entry));
  }
  for (Fact* fact : tab.facts) fact->alive = false;
  tab.session.reset();
  tab.connected = false;
  tab.joined = false;
  tab.in.clear();
  // What was posted before the end may arrive yet.
  if (prng_.OneIn(2)) tab.out.clear();
  std::erase_if(tab.out,
                [](const ToLeader& message) { return message.kind == ToLeader::Kind::kJoin; });
}

void World::CloseTab(Client& client, Tab* tab) {
  Trace("closes", &client, tab);
  Count("tabs closed");
  EndTab(client, *tab, tab->session->PendingAsPush());
}

void World::CrashTab(Client& client, Tab* tab) {
  Trace("crashes", &client, tab);
  Count("tabs crashed");
  EndTab(client, *tab, std::move(tab->early_journal));
}

// A page that is hidden writes its journal, and may die later without another word.
void World::NoteJournal(Client& client, Tab* tab) {
  Trace("writes its journal early", &client, tab);
  tab->early_journal = tab->session->PendingAsPush();
}

void World::SendNonsenseToTab(Client& client, Tab* tab) {
  const std::string before = Everything(*tab);
  Bytes nonsense{1, 2, 3};
  if (std::optional<Bytes> push = tab->session->PendingAsPush()) {
    nonsense = std::move(*push);
    nonsense.resize(prng_.Below(nonsense.size()));
  }
  Trace("is sent nonsense", &client, tab, std::to_string(nonsense.size()));
  bool taken = false;
  switch (prng_.Below(3)) {
    case 0:
      taken = tab->session->OnNews(nonsense).ok();
      break;
    case 1:
      taken = tab->session->OnHistory(nonsense).ok();
      break;
    default:
      taken = tab->session->LoadImage(nonsense, nonsense).ok();
      break;
  }
  if (taken) return Fail(8, tab->instance + " took nonsense");
  Law8_FailedCallChangesNothing(*tab, before, "nonsense");
  ObserveTab(client, *tab, {});
}

// ---- Leaders.

void World::StartLeader(Client& client, Tab*) {
  Trace("starts its leader", &client);
  client.boots += 1;
  Count("leaders");
  auto vfs = PoolVfs::Create(client.pool, {});
  if (!vfs.ok()) return Fail(6, "no VFS: " + vfs.error().message);
  client.vfs = std::move(*vfs);
  LeaderOptions options{.schema = SimApp::Schema(client.schema),
                        .vfs_name = client.vfs->name(),
                        .on_backend_id_mismatch = client.on_mismatch,
                        .client_id = client.client_id,
                        .spare_client_id = client.id + "'" + std::to_string(client.boots)};
  if (has_backend_) {
    options.backend = {.live_pull = client.live_pull, .jitter_seed = client.index + 1};
  }
  auto leader = Leader::Open(std::move(options), client.leader_app);
  if (!leader.ok()) return OnStorageFailure(client, leader.error(), "Open");
  client.leader = std::move(*leader);
  Leader* const raw = client.leader.get();
  client.leader_app.Attach(
      [raw](std::string_view sql) { return raw->Prepare(sql); },
      [raw](StatementId statement, BytesView binds) { return raw->Query(statement, binds); });
  while (true) {
    const auto progress = client.leader->BootStep();
    if (!progress.ok()) {
      // The host has one way on from a boot that failed: another leader.
      client.failures = 100;
      return OnStorageFailure(client, progress.error(), "BootStep");
    }
    if (progress->stage == BootProgress::Stage::kDone) break;
  }
  client.link.told_online = true;
  client.ask_backend = has_backend_;
  client.dirty = true;
  client.idle_wakes = 0;
  Trace("has booted", &client, nullptr, ToString(client.leader->local_head()));
  if (prng_.Percent(check_percent_)) {
    if (const auto log = LogOf(client, false)) Law4_StateIsTheLogReplayed(client, log->events);
  }
}

void World::OnStorageFailure(Client& client, const Error& error, std::string_view what) {
  Trace("fails in its storage", &client, nullptr,
        std::string(what) + ": " + std::string(ErrorCodeName(error.code)));
  Count("storage failures seen");
  if (!IsStorageError(error.code) || error.code == ErrorCode::kCorruptEventlog ||
      error.code == ErrorCode::kNewerFormat) {
    return Fail(error.code == ErrorCode::kCorruptEventlog ? 3 : 6,
                client.id + ": " + std::string(what) + ": " + error.message);
  }
  if (client.pool.failures() == 0) {
    return Fail(6, client.id + ": a storage failure that nobody caused: " + error.message);
  }
  if (calm_ && client.leader && !client.pool.crashed()) {
    // Storage is well again: the leader must find its way back by itself.
    client.retry_at = now_ms_ + 250;
    if (++client.failures > 4) {
      Fail(6, client.id + " does not recover from a storage failure: " + error.message);
    }
    return;
  }
  if (!client.leader || client.pool.crashed() || client.failures >= 3 || prng_.OneIn(5)) {
    EndLeader(client, !client.pool.crashed() && prng_.OneIn(2));
    client.retry_at = now_ms_ + 500;
    return;
  }
  client.failures += 1;
  client.retry_at = now_ms_ + 250;
}

void World::EndLeader(Client& client, bool clean) {
  Trace(clean ? "ends its leader" : "loses its leader", &client);
  if (!clean) client.pool.Crash();
  client.leader.reset();
  client.vfs.reset();
  client.pool.Restart();
  if (!clean && Has(Spice::kPowerCut) && prng_.OneIn(2)) {
    Trace("loses its power", &client);
    Count("power cuts");
    client.pool.PowerCut(prng_, prng_.OneIn(4));
  }
  client.link.Cut();
  client.dirty = false;
  client.ask_backend = false;
  client.failures = 0;
  client.retry_at = 0;
  for (Journal& journal : client.journals) journal.submitted = false;
  bool any_open = false;
  for (auto& tab : client.tabs) {
    tab->connected = false;
    tab->joined = false;
    tab->out.clear();
    tab->in.resize(prng_.Below(tab->in.size() + 1));
    any_open = any_open || tab->session != nullptr;
  }
  if (prng_.OneIn(2)) Law2_AcceptedIsDurable(client, false);
  if (Has(Spice::kWipeState) && prng_.OneIn(4)) {
    Trace("loses its state", &client);
    client.pool.Wipe("state.db");
  }
  if (Has(Spice::kNewSchema) && !any_open) client.schema += 1;
}

void World::CrashLeader(Client& client, Tab*) {
  Count("leader crashes");
  EndLeader(client, false);
}

void World::HandOver(Client& client, Tab*) {
  if (!client.leader) return;
  Count("hand-overs");
  EndLeader(client, true);
}

void World::BreakStorage(Client& client, Tab*) {
  std::vector<SimPool::Fault> kinds;
  if (Has(Spice::kStorageFull)) kinds.push_back(SimPool::Fault::kFull);
  if (Has(Spice::kStorageIo)) kinds.push_back(SimPool::Fault::kIoError);
  if (Has(Spice::kReadError)) kinds.push_back(SimPool::Fault::kReadError);
  if (Has(Spice::kCrashInWrite)) kinds.push_back(SimPool::Fault::kCrash);
  const SimPool::Fault kind = kinds[prng_.Below(kinds.size())];
  const auto after = static_cast<uint32_t>(prng_.Below(24));
  client.pool.Arm(kind, after, static_cast<uint32_t>(prng_.Between(1, 5)));
  Trace("will fail in its storage", &client, nullptr,
        std::to_string(static_cast<int>(kind)) + " after " + std::to_string(after));
}

void World::DeliverToLeader(Client& client, Tab* tab) {
  ToLeader& message = tab->out.front();
  if (message.kind == ToLeader::Kind::kPush) {
    Trace("takes a push", &client, tab);
    const auto submitted = client.leader->Submit(tab->port, message.number, message.bytes);
    if (!submitted.ok()) return Fail(6, "Submit: " + submitted.error().message);
    client.dirty = true;
    tab->out.pop_front();
    return;
  }
  if (message.kind == ToLeader::Kind::kPassing) {
    for (auto& owned : clients_) {
      for (auto& other : owned->tabs) {
        if (!other->session || !other->joined || other.get() == tab) continue;
        other->in.push_back(
            {.kind = ToTab::Kind::kPassing, .epoch = other->leader_epoch, .news = message.bytes});
      }
    }
    tab->out.pop_front();
    return;
  }
  // Whoever joins must have been answered before.
  if (!Drain(client)) return;
  auto joined = client.leader->Join(message.cursor, tab->instance);
  if (!joined.ok()) return OnStorageFailure(client, joined.error(), "Join");
  Trace("lets join", &client, tab);
  tab->leader_epoch = message.number;
  tab->joined = true;
  tab->in.push_back(
      {.kind = ToTab::Kind::kJoined, .epoch = tab->leader_epoch, .joined = std::move(*joined)});
  tab->out.pop_front();
}

void World::DrainLeader(Client& client, Tab*) { Drain(client); }

bool World::Drain(Client& client) {
  auto drained = client.leader->Drain();
  if (!drained.ok()) {
    Count("drains failed");
    OnStorageFailure(client, drained.error(), "Drain");
    return false;
  }
  client.dirty = false;
  client.failures = 0;
  client.ask_backend = has_backend_;
  Trace("drains", &client, nullptr,
        std::to_string(drained->entries.size()) + " entries, at " +
            ToString(client.leader->local_head()) + (drained->rejoin ? ", rejoin" : ""));
  for (auto& entry : drained->entries) {
    for (auto& tab : client.tabs) {
      if (!tab->session) continue;
      if (entry.news && tab->joined && entry.news->author != tab->port) {
        tab->in.push_back(
            {.kind = ToTab::Kind::kNews, .epoch = tab->leader_epoch, .news = entry.news->news});
      }
      if (entry.result && entry.result->session == tab->port) {
        tab->in.push_back({.kind = ToTab::Kind::kAnswer, .result = *entry.result});
      }
    }
  }
  if (drained->rejoin) {
    Count("drains that lost news");
    for (auto& tab : client.tabs) {
      if (!tab->session || !tab->joined) continue;
      tab->joined = false;
      tab->in.push_back({.kind = ToTab::Kind::kRejoin, .epoch = tab->leader_epoch});
    }
  }
  for (const FailedEvent& skipped : drained->skipped) {
    Count("events skipped");
    const Fact* fact = FactOf(UidOf(skipped.event));
    if (fact == nullptr || !fact->may_fail) {
      Fail(4, std::string(UidOf(skipped.event)) +
                  " was skipped, but nothing is wrong with it: " + skipped.error.message);
      return false;
    }
  }
  for (const FailedEvent& refused : drained->refused) {
    Count("events refused");
    if (!backend_->refused().contains(UidOf(refused.event))) {
      Fail(3, std::string(UidOf(refused.event)) + " was dropped, but the backend never refused it");
      return false;
    }
  }
  for (Journal& journal : client.journals) {
    if (!journal.submitted) continue;
    journal.submitted = false;
    journal.times_left -= 1;
    for (Fact* fact : journal.facts) {
      // An early journal may hold what its session has dropped since: then either is right.
      fact->disputed = fact->disputed || fact->rejected;
      fact->rejected = false;
      fact->journaled = true;
    }
  }
  std::erase_if(client.journals, [](const Journal& journal) { return journal.times_left == 0; });
  if (prng_.Percent(check_percent_)) Law2_AcceptedIsDurable(client, true);
  if (prng_.Percent(check_percent_)) {
    if (const auto log = LogOf(client, false)) Law4_StateIsTheLogReplayed(client, log->events);
  }
  return !failed();
}

void World::TakeJournal(Client& client, Tab*) {
  for (Journal& journal : client.journals) {
    if (journal.submitted || journal.times_left == 0) continue;
    Trace("takes a journal", &client, nullptr, std::to_string(journal.facts.size()));
    Count("journals taken");
    const auto submitted = client.leader->SubmitOrphans(journal.bytes);
    if (!submitted.ok()) return Fail(3, "SubmitOrphans: " + submitted.error().message);
    journal.submitted = true;
    client.dirty = true;
    return;
  }
}

void World::AskForRequests(Client& client, Tab*) {
  client.ask_backend = false;
  // What waits for a Drain comes first.
  if (client.leader->HasWork()) return;
  auto requests = client.leader->NextRequests(now_ms_);
  if (!requests.ok()) {
    client.ask_backend = true;
    return OnStorageFailure(client, requests.error(), "NextRequests");
  }
  BackendLink& link = client.link;
  for (BackendRequest& request : *requests) {
    switch (request.kind) {
      case BackendRequest::Kind::kPull: {
        Trace("pulls", &client, nullptr, "after " + std::to_string(request.cursor));
        Count("pulls");
        if (link.pull) return Fail(9, client.id + ": a second pull while one runs");
        const bool same = backend_->resets() == 0 || request.backend_id == backend_->id();
        if (same && request.cursor > 0 &&
            request.cursor_metadata != backend_->Metadata(request.cursor)) {
          return Fail(5, client.id + ": the metadata of e" + std::to_string(request.cursor) +
                             " is " + request.cursor_metadata);
        }
        if (link.online && !request.backend_id.empty() && request.backend_id != backend_->id() &&
            prng_.OneIn(2)) {
          link.to_leader.push_back({.kind = BackendLink::OnItsWay::Kind::kReplaced,
                                    .pull = request.number,
                                    .backend_id = backend_->id()});
        } else if (link.online) {
          link.pull = {.number = request.number, .cursor = request.cursor, .live = request.live};
        } else {
          link.to_leader.push_back(
              {.kind = BackendLink::OnItsWay::Kind::kFailed, .pull = request.number});
        }
        break;
      }
      case BackendRequest::Kind::kStopPull:
        Trace("stops its pull", &client);
        if (link.pull && link.pull->number == request.number) link.pull.reset();
        if (prng_.OneIn(2)) {
          std::erase_if(link.to_leader,
                        [&](const auto& message) { return message.pull == request.number; });
        }
        break;
      case BackendRequest::Kind::kPush: {
        // One that was overtaken by a rebase is not waited for; its answer says nothing any more.
        if (link.push && !link.push->answered) link.ghosts.push_back(std::move(*link.push));
        link.push.reset();
        auto events = DecodeEvents(request.events);
        if (!events.ok()) return Fail(9, "a push to the backend: " + events.error().message);
        if (events->empty() || events->size() > limits::kBackendPushEventsMax) {
          return Fail(9, "a push of " + std::to_string(events->size()) + " events");
        }
        Trace("pushes to the backend", &client, nullptr,
              ToString(events->front().seq) + " to " + ToString(events->back().seq));
        Count("backend pushes");
        link.push = BackendLink::Push{.number = request.number,
                                      .boot = client.boots,
                                      .events = std::move(*events),
                                      .backend_id = request.backend_id};
        if (!link.online) {
          link.push->answered = true;
          link.push->failed = true;
          link.push->offline = true;
        }
        break;
      }
    }
  }
  if (!requests->empty()) client.idle_wakes = 0;
}

void World::Wake(Client& client, Tab*) {
  Trace("wakes", &client);
  AskForRequests(client, nullptr);
  if (failed() || !client.leader) return;
  client.wake_at = client.leader->WakeAt(now_ms_);
  if (client.wake_at && *client.wake_at <= now_ms_ && client.retry_at <= now_ms_ &&
      ++client.idle_wakes > 20) {
    Fail(6, client.id + " wants to be woken again and again, and does nothing");
  }
}

void World::SendNonsenseToLeader(Client& client, Tab*) {
  Trace("is sent nonsense", &client);
  Bytes nonsense{1, 2, 3};
  for (const auto& tab : client.tabs) {
    if (!tab->session) continue;
    if (std::optional<Bytes> push = tab->session->PendingAsPush()) {
      nonsense = std::move(*push);
      nonsense.resize(prng_.Below(nonsense.size()));
    }
  }
  if (prng_.OneIn(2) && has_backend_ && client.link.pull) {
    // The pull begins anew; or it has done so already, and this page is of no interest.
    (void)client.leader->OnPulled(client.link.pull->number, nonsense, false, now_ms_).ok();
    client.ask_backend = true;
    return;
  }
  if (client.leader->Submit(next_port_ + 1000, 1, nonsense).ok()) {
    Fail(8, client.id + " took a push of nonsense");
  }
}

// ---- The backend.

void World::MakePage(Client& client, Tab*) {
  BackendLink::Pull& pull = *client.link.pull;
  const size_t count = prng_.OneIn(3) ? 1'000 : prng_.Between(1, 4);
  const uint64_t after = pull.cursor;
  // A connection may repeat itself.
  const uint64_t again = after > 0 && after <= backend_->head() && prng_.OneIn(8) ? 1 : 0;
  pull.said_something = true;
  if (pull.cursor < backend_->head()) {
    pull.cursor = std::min<uint64_t>(backend_->head(), pull.cursor + count);
  }
  const bool caught_up = pull.cursor >= backend_->head();
  Trace("will get a page", &client, nullptr,
        std::to_string(after) + " to " + std::to_string(pull.cursor));
  client.link.to_leader.push_back({.kind = BackendLink::OnItsWay::Kind::kPage,
                                   .pull = pull.number,
                                   .page = backend_->Page(after - again, count + again),
                                   .caught_up = caught_up});
  if (caught_up && !pull.live) {
    client.link.to_leader.push_back(
        {.kind = BackendLink::OnItsWay::Kind::kEnded, .pull = pull.number});
    client.link.pull.reset();
  }
}

void World::DeliverFromPull(Client& client, Tab*) {
  const BackendLink::OnItsWay message = std::move(client.link.to_leader.front());
  client.link.to_leader.pop_front();
  client.ask_backend = true;
  switch (message.kind) {
    case BackendLink::OnItsWay::Kind::kPage: {
      Trace("gets a page", &client);
      Count("pages");
      const auto taken =
          client.leader->OnPulled(message.pull, message.page, message.caught_up, now_ms_);
      if (!taken.ok()) return Fail(6, "OnPulled: " + taken.error().message);
      client.dirty = true;
      return;
    }
    case BackendLink::OnItsWay::Kind::kEnded:
      Trace("gets the end of its pull", &client);
      return client.leader->OnPullEnded(message.pull, now_ms_);
    case BackendLink::OnItsWay::Kind::kReplaced:
      Trace("hears of another backend", &client);
      client.leader->OnBackendReplaced(message.backend_id);
      return client.leader->OnPullFailed(message.pull, now_ms_);
    case BackendLink::OnItsWay::Kind::kFailed:
      Trace("loses its pull", &client);
      return client.leader->OnPullFailed(message.pull, now_ms_);
  }
}

void World::FailPull(Client& client, Tab*) {
  BackendLink& link = client.link;
  if (!link.pull) return;
  if (prng_.OneIn(2)) link.to_leader.clear();
  link.to_leader.push_back(
      {.kind = BackendLink::OnItsWay::Kind::kFailed, .pull = link.pull->number});
  link.pull.reset();
  Count("pulls failed");
}

void World::BackendTakesPush(Client& client, Tab*) {
  BackendLink::Push& push = *client.link.push;
  push.answered = true;
  if (Has(Spice::kUnavailable) && prng_.OneIn(5)) {
    Trace("pushes in vain", &client);
    push.failed = true;
    if (Has(Spice::kGhostPush) && prng_.OneIn(2)) {
      client.link.ghosts.push_back(push);
      Count("ghosts");
    }
    return;
  }
  push.answer = backend_->Push(push.backend_id, push.events);
  Trace("is heard by the backend", &client, nullptr,
        std::to_string(static_cast<int>(push.answer.verdict)) + ", now at " +
            std::to_string(backend_->head()));
  Count("backend verdict " + std::to_string(static_cast<int>(push.answer.verdict)));
  Law3_BackendTakesEachOnce();
  if (Has(Spice::kLostAnswer) && prng_.OneIn(4)) {
    push.failed = true;
    Count("lost answers");
  }
}

void World::AnswerPush(Client& client, Tab*) {
  const BackendLink::Push push = std::move(*client.link.push);
  client.link.push.reset();
  client.ask_backend = true;
  Leader& leader = *client.leader;
  if (push.failed) {
    Trace("hears that its push failed", &client);
    return leader.OnPushFailed(
        push.number, push.offline ? BackendFailure::kOffline : BackendFailure::kUnavailable,
        now_ms_);
  }
  Trace("hears what became of its push", &client);
  switch (push.answer.verdict) {
    case SimBackend::Verdict::kTaken:
      return leader.OnPushTaken(push.number);
    case SimBackend::Verdict::kAhead:
      return leader.OnPushFailed(push.number, BackendFailure::kServerAhead, now_ms_);
    case SimBackend::Verdict::kRefused:
      client.dirty = true;
      return leader.OnPushRefused(push.number, push.answer.refused_index, "no", now_ms_);
    case SimBackend::Verdict::kWrongBackend:
      client.dirty = true;
      leader.OnBackendReplaced(backend_->id());
      return leader.OnPushFailed(push.number, BackendFailure::kUnavailable, now_ms_);
  }
}

void World::GhostArrives(Client& client, Tab*) {
  const BackendLink::Push ghost = std::move(client.link.ghosts.front());
  client.link.ghosts.erase(client.link.ghosts.begin());
  const SimBackend::Answer answer = backend_->Push(ghost.backend_id, ghost.events);
  Trace("had sent what arrives only now", &client, nullptr,
        std::to_string(static_cast<int>(answer.verdict)));
  if (answer.verdict == SimBackend::Verdict::kTaken) Count("ghosts taken");
  // Whoever gave up waiting may hear the answer all the same.
  if (client.leader && ghost.boot == client.boots && prng_.OneIn(2)) {
    client.ask_backend = true;
    if (answer.verdict == SimBackend::Verdict::kTaken) {
      client.leader->OnPushTaken(ghost.number);
    } else if (answer.verdict == SimBackend::Verdict::kRefused) {
      client.dirty = true;
      client.leader->OnPushRefused(ghost.number, answer.refused_index, "no", now_ms_);
    } else {
      client.leader->OnPushFailed(ghost.number, BackendFailure::kServerAhead, now_ms_);
    }
  }
  Law3_BackendTakesEachOnce();
}

void World::ToggleOnline(Client& client, Tab*) {
  BackendLink& link = client.link;
  link.online = !link.online;
  Trace(link.online ? "is online" : "is offline", &client);
  Count("connections lost or found");
  if (link.online) return;
  if (link.pull) FailPull(client, nullptr);
  if (link.push && !link.push->answered) {
    if (Has(Spice::kGhostPush) && prng_.OneIn(2)) link.ghosts.push_back(*link.push);
    link.push->answered = true;
    link.push->failed = true;
    link.push->offline = true;
  }
}

// The host does not always hear of it at once.
void World::TellOnline(Client& client, Tab*) {
  client.link.told_online = client.link.online;
  Trace(client.link.online ? "is told: online" : "is told: offline", &client);
  client.leader->OnConnection(client.link.online);
  client.ask_backend = true;
}

void World::ResetBackend(Client&, Tab*) {
  Trace("the backend is reset");
  Count("resets");
  // What it had ordered goes with it, and so may client-only events between that.
  for (auto& [uid, fact] : facts_) {
    if (fact->client_only || backend_->Holds(uid)) fact->forgiven = true;
  }
  backend_->Reset();
  for (auto& client : clients_) {
    client->link.ghosts.clear();
    FailPull(*client, nullptr);
  }
}

}  // namespace livestore::sim

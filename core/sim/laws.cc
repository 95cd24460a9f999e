// The laws that the simulation checks. Their numbers and words are in README.md.

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/eventlog/eventlog.h"
#include "core/sim/world.h"

namespace livestore::sim {
namespace {

constexpr uint32_t kRangeEvents = 1'000;

// The rows of the app's tables, one line per table, as bytes.
// Nullopt if they cannot be read: a state whose storage failed is repaired at its next use.
template <typename Engine>
std::optional<std::string> Dump(Engine& engine) {
  std::string dump;
  for (const char* sql : kDumpSql) {
    const auto statement = engine.Prepare(sql);
    if (!statement.ok()) return std::nullopt;
    const auto rows = engine.Query(*statement, BindsWriter().view());
    if (!rows.ok()) return std::nullopt;
    dump += std::to_string(rows->size()) + ":";
    dump += AsText(*rows);
  }
  return dump;
}

// The first table in which two dumps differ, for a message.
std::string WhereTheyDiffer(std::string_view a, std::string_view b) {
  for (const char* sql : kDumpSql) {
    const auto next = [](std::string_view& dump) {
      const size_t colon = dump.find(':');
      if (colon == std::string_view::npos) return std::exchange(dump, {});
      size_t size = 0;
      for (const char digit : dump.substr(0, colon)) {
        size = size * 10 + static_cast<size_t>(digit - '0');
      }
      const std::string_view rows = dump.substr(colon + 1, size);
      dump.remove_prefix(std::min(dump.size(), colon + 1 + size));
      return rows;
    };
    const std::string_view rows_a = next(a);
    const std::string_view rows_b = next(b);
    if (rows_a == rows_b) continue;
    const auto shown = [](std::string_view rows) {
      std::string text = rows.size() >= 4 ? std::to_string(static_cast<uint8_t>(rows[0])) + " rows "
                                          : std::string();
      for (const char c : rows) {
        if (c >= ' ' && c <= '~') text += c;
      }
      return text.substr(0, 600);
    };
    return "in \"" + std::string(sql) + "\":\n    " + shown(rows_a) + "\n    " + shown(rows_b);
  }
  return "nowhere";
}

// Empty tables, into which logs are replayed from their beginning; each is rolled back afterwards.
// One for all worlds of a process: to create the tables costs more than most logs do.
struct Replica {
  Replica() {
    auto database = Database::OpenInMemory();
    LS_CHECK(database.ok());
    auto created = StateDb::Create(std::move(*database), SimApp::Schema(1), app);
    LS_CHECK(created.ok() && (*created)->Recreate().ok());
    state = std::move(*created);
    Database& db = state->database();
    app.leader = true;
    app.Attach([&db](std::string_view sql) { return db.Prepare(sql); },
               [&db](StatementId id, BytesView binds) { return db.Query(id, binds); });
  }

  SimApp app;
  std::unique_ptr<StateDb> state;
};

}  // namespace

World::Fact* World::FactOf(std::string_view uid) {
  const auto found = facts_.find(uid);
  return found == facts_.end() ? nullptr : found->second.get();
}

std::string World::DumpTab(Tab& tab) { return Dump(*tab.session).value_or("no rows"); }
std::string World::DumpImage(Tab& tab) {
  const std::string before = DumpTab(tab);
  const auto image = tab.session->Image();
  LS_CHECK(image.ok());
  if (DumpTab(tab) != before) Fail(4, tab.instance + ": what passes differs when it is put back");
  auto database = Database::OpenInMemory();
  LS_CHECK(database.ok() && (*database)->Deserialize(*image).ok());
  return Dump(**database).value_or("no rows");
}

std::optional<std::string> World::DumpLeader(Client& client) {
  // A state that could not follow its log serves nobody before the next Drain has repaired it.
  if (client.leader->HasWork()) return std::nullopt;
  return Dump(*client.leader);
}

std::string World::DumpReplay(Client& client, const std::vector<Event>& log) {
  static Replica& replica = *new Replica();
  replica.app.client = client.id;
  replica.app.knows_extra = client.knows_extra;
  Database& db = replica.state->database();
  LS_CHECK(db.Exec("begin").ok());
  for (const Event& event : log) {
    // An event that fails changes nothing.
    (void)replica.state->Materialize(event, -1, StateDb::Record::kNothing).ok();
  }
  std::string dump = Dump(db).value_or("no rows");
  LS_CHECK(db.Exec("rollback").ok());
  return dump;
}

std::string World::Everything(Tab& tab) {
  const SyncStatus status = tab.session->sync_status();
  const Receipts receipts = tab.session->receipts();
  std::string all = DumpTab(tab) + ToString(status.local_head) + ToString(status.upstream_head) +
                    std::to_string(status.pending_count) + "," +
                    std::to_string(receipts.committed) + "," + std::to_string(receipts.persisted) +
                    "," + std::to_string(receipts.synced);
  if (const std::optional<Bytes> pending = tab.session->PendingAsPush()) all += AsText(*pending);
  return all;
}

std::optional<World::ReadLog> World::LogOf(Client& client, bool cut) {
  SimPool copy = client.pool;
  copy.Restart();
  if (cut) copy.PowerCut(prng_, prng_.OneIn(2));
  const auto vfs = PoolVfs::Create(copy, {});
  LS_CHECK(vfs.ok());
  auto log = Eventlog::Open((*vfs)->name(), "eventlog.db");
  if (!log.ok()) {
    Fail(3, client.id + ": the log cannot be opened: " + log.error().message);
    return std::nullopt;
  }
  ReadLog read{
      .events = {}, .upstream_head = (*log)->upstream_head(), .backend_id = (*log)->backend_id()};
  while (true) {
    auto events =
        (*log)->Range(read.events.empty() ? kRootSeqNum : read.events.back().seq, kRangeEvents);
    if (!events.ok()) {
      Fail(3, client.id + ": the log cannot be read: " + events.error().message);
      return std::nullopt;
    }
    if (events->empty()) break;
    std::move(events->begin(), events->end(), std::back_inserter(read.events));
  }
  return read;
}

void World::Law1_CommitIsVisible(Tab& tab, const std::vector<Fact*>& facts) {
  const auto statement = tab.session->Prepare("select count(*) from seen where uid = ?");
  LS_CHECK(statement.ok());
  for (const Fact* fact : facts) {
    const auto rows = tab.session->Query(*statement, BindsWriter().Text(fact->uid).view());
    ByteReader reader(rows.ok() ? *rows : BytesView());
    reader.Raw(16);
    if (reader.F64() != 1) Fail(1, "a query does not see " + fact->uid + " after its commit");
  }
}

void World::Law2_AcceptedIsDurable(Client& client, bool cut) {
  const auto log = LogOf(client, cut);
  if (!log) return;
  std::map<std::string_view, uint32_t> times;
  for (const Event& event : log->events) times[UidOf(event)] += 1;
  for (const auto& [uid, fact] : facts_) {
    if (fact->client != client.index) continue;
    const auto found = times.find(uid);
    const uint32_t count = found == times.end() ? 0 : found->second;
    if (count > 1) return Fail(3, client.id + ": " + uid + " is in the log twice");
    const bool owed = fact->persisted || fact->journaled;
    const bool excused = fact->rejected || fact->disputed || fact->forgiven ||
                         (fact->leader_fails && !fact->alive) || backend_->refused().contains(uid);
    if (owed && !excused && count == 0) {
      return Fail(2, client.id + ": " + uid + " was accepted, and is not in the log" +
                         (cut ? " after a power cut" : "") + ", which ends at " +
                         (log->events.empty() ? "e0" : ToString(log->events.back().seq)));
    }
  }
  Law5_OneOrder(client, log->events, log->upstream_head, log->backend_id);
}

// What a session has not been told to be persisted or gone, it has.
void World::Law3_OwnPendingIsKept(Tab& tab) {
  const std::optional<Bytes> bytes = tab.session->PendingAsPush();
  std::vector<uint64_t> counters;
  std::vector<Event> events;
  if (bytes) {
    auto push = DecodePush(*bytes);
    if (!push.ok()) return Fail(3, "pending cannot be read: " + push.error().message);
    counters = std::move(push->counters);
    events = std::move(push->run.events);
  }
  if (tab.session->sync_status().pending_count != events.size()) {
    return Fail(3, tab.instance + ": pending is miscounted");
  }
  size_t next = 0;
  for (uint64_t counter = tab.receipts.persisted + 1; counter <= tab.facts.size(); ++counter) {
    const Fact& fact = *tab.facts[static_cast<size_t>(counter - 1)];
    if (fact.rejected) continue;
    if (next == events.size() || counters[next] != counter || UidOf(events[next]) != fact.uid) {
      return Fail(3, tab.instance + ": " + fact.uid + " (" + std::to_string(counter) +
                         ") is neither pending nor persisted nor rejected");
    }
    ++next;
  }
  if (next != events.size()) {
    Fail(3, tab.instance + ": " + std::string(UidOf(events[next])) +
                " is still pending, though persisted or rejected");
  }
}

void World::Law3_BackendTakesEachOnce() {
  if (!backend_->complaint().empty()) Fail(3, "the backend: " + backend_->complaint());
}

// At rest: an event that was accepted, or whose session lives, is where it belongs, once.
void World::Law3_EveryEventArrives(Client& client, const std::vector<Event>& log) {
  std::map<std::string_view, uint32_t> times;
  for (const Event& event : log) times[UidOf(event)] += 1;
  for (const auto& [uid, fact] : facts_) {
    const auto found = times.find(uid);
    const uint32_t count = found == times.end() ? 0 : found->second;
    if (count > 1) return Fail(3, client.id + ": " + uid + " is in the log twice");
    if (fact->client != client.index) continue;
    const bool refused = backend_->refused().contains(uid);
    if (fact->rejected && count > 0) {
      return Fail(3, client.id + ": " + uid + " is in the log, though reported as gone");
    }
    if (refused && has_backend_ && !client.halted && count > 0 && !fact->forgiven) {
      return Fail(3, client.id + ": " + uid + " is in the log, though the backend refused it");
    }
    const bool owed = fact->persisted || fact->journaled || fact->alive;
    const bool excused = fact->rejected || fact->disputed || refused || fact->forgiven ||
                         (fact->leader_fails && !fact->alive);
    if (owed && !excused && count == 0) {
      return Fail(3, client.id + ": " + uid + " is lost");
    }
    if (refused && fact->alive && !fact->rejected && !fact->forgiven && count == 0) {
      return Fail(6, client.id + ": the refusal of " + uid + " is never reported");
    }
    if (count == 1 && has_backend_ && !client.halted && !fact->client_only && !fact->forgiven &&
        !backend_->Holds(uid)) {
      return Fail(3, client.id + ": " + uid + " never reached the backend");
    }
  }
}

void World::Law4_StateIsTheLogReplayed(Client& client, const std::vector<Event>& log) {
  const std::string expected = DumpReplay(client, log);
  const std::optional<std::string> actual = DumpLeader(client);
  if (actual && *actual != expected) {
    Fail(4, client.id + ": the leader's state is not the log replayed, " +
                WhereTheyDiffer(expected, *actual));
  }
}

void World::Law5_OneOrder(Client& client, const std::vector<Event>& log, uint64_t upstream_head,
                          const std::string& backend_id) {
  if (!has_backend_ || (backend_->resets() > 0 && backend_id != backend_->id())) return;
  if (upstream_head > backend_->head()) {
    return Fail(5, client.id + " knows more of the backend than there is");
  }
  for (const Event& event : log) {
    if (event.client_only() || event.seq.global > upstream_head) continue;
    if (!SameEvent(event, backend_->events()[static_cast<size_t>(event.seq.global - 1)])) {
      return Fail(5, client.id + ": " + ToString(event.seq) + " is " + std::string(UidOf(event)) +
                         ", but not in the backend");
    }
  }
}

void World::Law6_NothingWaits(Client& client) {
  if (!client.leader) return Fail(6, client.id + " has no leader at rest");
  const LeaderSyncStatus status = client.leader->sync_status();
  if (!client.journals.empty()) return Fail(6, client.id + " has a journal at rest");
  client.halted = status.halted;
  if (has_backend_ && !client.halted) {
    // Client-only events behind the last synced one wait for nothing.
    if (status.local_head.global != backend_->head() || status.upstream_head != backend_->head() ||
        !status.caught_up || !status.online) {
      return Fail(6, client.id + " rests at " + std::to_string(status.upstream_head) + " of " +
                         std::to_string(backend_->head()) + ", its log at " +
                         ToString(status.local_head) + (status.caught_up ? "" : ", not caught up") +
                         (status.online ? "" : ", not online"));
    }
  }
  for (const auto& tab : client.tabs) {
    if (!tab->session) continue;
    const SyncStatus at = tab->session->sync_status();
    if (at.pending_count != 0 || tab->push_in_flight != 0 || !tab->connected ||
        !SamePosition(at.upstream_head, client.leader->local_head())) {
      return Fail(6, tab->instance + " rests at " + ToString(at.upstream_head) + " of " +
                         ToString(client.leader->local_head()) + " with " +
                         std::to_string(at.pending_count) + " pending" +
                         (tab->push_in_flight != 0 ? " and a push in flight" : "") +
                         (tab->connected ? "" : ", not connected"));
    }
    const Receipts receipts = tab->session->receipts();
    for (size_t i = 0; i < tab->facts.size(); ++i) {
      const Fact& fact = *tab->facts[i];
      if (fact.rejected) continue;
      if (i >= receipts.persisted) return Fail(6, fact.uid + " is never said to be persisted");
      if (i >= receipts.synced && has_backend_ && !client.halted && backend_->resets() == 0 &&
          !backend_->refused().contains(fact.uid)) {
        return Fail(6, fact.uid + " is never said to be synced");
      }
    }
  }
}

// A live query whose rows are others is named, and what it then yields is what a fresh run does.
void World::Law7_LiveQueriesTell(Tab& tab, const std::vector<LiveQueryId>& stale) {
  for (Live& live : tab.lives) {
    if (std::find(stale.begin(), stale.end(), live.id) != stale.end()) {
      const auto rows = tab.session->live_queries().Run(live.id);
      if (!rows.ok()) return Fail(7, "a live query failed: " + rows.error().message);
      if (*rows) live.rows.assign((*rows)->begin(), (*rows)->end());
    }
    const auto fresh = tab.session->Query(live.statement, live.binds);
    if (!fresh.ok()) return Fail(7, "a query failed: " + fresh.error().message);
    if (!std::equal(fresh->begin(), fresh->end(), live.rows.begin(), live.rows.end())) {
      return Fail(7, tab.instance + ": a live query was not told of a change: " +
                         tab.session->Info(live.statement).sql);
    }
  }
}

void World::Law8_FailedCallChangesNothing(Tab& tab, const std::string& before,
                                          std::string_view what) {
  if (Everything(tab) != before) {
    Fail(8, tab.instance + ": " + std::string(what) + " left a trace");
  }
}

void World::CheckAtRest() {
  if (failed()) return;
  for (auto& owned : clients_) {
    Client& client = *owned;
    Law6_NothingWaits(client);
    if (failed()) return;
    const auto log = LogOf(client, false);
    if (!log) return;
    Law3_EveryEventArrives(client, log->events);
    Law5_OneOrder(client, log->events, log->upstream_head, log->backend_id);
    // What the next leader will begin with.
    if (const uint64_t said = client.leader->sync_status().upstream_head;
        log->upstream_head != said) {
      Fail(5, client.id + " says that the backend confirmed " + std::to_string(said) +
                  ", and its log has " + std::to_string(log->upstream_head));
    }
    if (failed()) return;
    const std::string expected = DumpReplay(client, log->events);
    // Whatever storage did to the state, an image of it is right.
    if (const auto image = client.leader->Image(); !image.ok()) {
      return Fail(6, client.id + " has no image at rest: " + image.error().message);
    }
    const std::string leader = DumpLeader(client).value_or("no rows");
    if (leader != expected) {
      return Fail(4, client.id + ": at rest the leader's state is not the log replayed, " +
                         WhereTheyDiffer(expected, leader));
    }
    for (auto& tab : client.tabs) {
      if (!tab->session) continue;
      const std::string mine = DumpImage(*tab);
      if (mine != expected) {
        return Fail(4, tab->instance + ": at rest its state is not the log replayed, " +
                           WhereTheyDiffer(expected, mine));
      }
    }
    Trace("is at rest", &client, nullptr, expected);
  }
}

}  // namespace livestore::sim

#include "core/eventlog/eventlog.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/eventlog/event_row.h"
#include "core/sqlite/database_facts.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/rows_reader.h"
#include "core/sqlite/savepoint.h"

namespace livestore {
namespace {

constexpr int64_t kApplicationId = 0x4c57454c;  // "LWEL".
constexpr int64_t kFormatVersion = 1;

// The primary key leads with the position, so it serves every search; further indexes would only
// make each append write more pages.
constexpr char kCreateSql[] = R"sql(
  create table eventlog (
    seqNumGlobal integer not null,
    seqNumClient integer not null,
    seqNumRebaseGeneration integer not null,
    parentSeqNumGlobal integer not null,
    parentSeqNumClient integer not null,
    parentSeqNumRebaseGeneration integer not null,
    name text not null,
    argsJson text not null,
    clientId text not null,
    sessionId text not null,
    schemaHash integer not null,
    syncMetadataJson text not null,
    sessionNumber integer not null,
    sessionCounter integer not null,
    primary key (seqNumGlobal, seqNumClient, seqNumRebaseGeneration)
  ) strict;
  create table __livestore_sync_status (
    head integer primary key,
    backendId text,
    givenClientId text,
    ownClientId text,
    epoch integer not null default 0
  ) strict;
  insert into __livestore_sync_status (head, backendId) values (0, null);
  create table __livestore_session (
    number integer primary key autoincrement,
    instance text unique not null,
    accepted integer not null,
    ordinal integer not null
  ) strict;
  create table __livestore_refused (
    id integer primary key autoincrement,
    number integer not null,
    counter integer not null,
    code integer not null,
    reason text not null
  ) strict;
)sql";
constexpr const char* kTables[] = {"eventlog", "__livestore_sync_status", "__livestore_session",
                                   "__livestore_refused"};

#define LS_EVENT_COLUMNS                                 \
  "seqNumGlobal, seqNumClient, seqNumRebaseGeneration, " \
  "parentSeqNumGlobal, parentSeqNumClient, "             \
  "parentSeqNumRebaseGeneration, name, argsJson, "       \
  "clientId, sessionId, schemaHash, sessionNumber, sessionCounter"

constexpr char kInsertSql[] =
    "insert into eventlog (" LS_EVENT_COLUMNS
    ", syncMetadataJson) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kRangeSql[] =
    "select " LS_EVENT_COLUMNS " from eventlog where rowid > ? and rowid <= ? order by rowid";
constexpr char kAtSql[] =
    "select " LS_EVENT_COLUMNS " from eventlog where seqNumGlobal = ? and seqNumClient = ? limit 1";

// The last event at or before a position.
constexpr char kLastUpToSql[] = "select " LS_EVENT_COLUMNS
                                " from eventlog where (seqNumGlobal, seqNumClient) <= (?, ?) "
                                "order by seqNumGlobal desc, seqNumClient desc limit 1";
constexpr char kHeadSql[] =
    "select " LS_EVENT_COLUMNS
    ", rowid, (select min(rowid) from eventlog), (select max(rowid) from eventlog) "
    "from eventlog order by seqNumGlobal desc, seqNumClient desc limit 1";

#undef LS_EVENT_COLUMNS

constexpr char kHoldsSql[] =
    "select 1 from eventlog where seqNumGlobal = ? and seqNumClient = ? and "
    "seqNumRebaseGeneration = ?";
// The ordinal of the last event at or before a position.
constexpr char kOrdinalSql[] =
    "select rowid from eventlog where (seqNumGlobal, seqNumClient) <= (?, ?) "
    "order by seqNumGlobal desc, seqNumClient desc limit 1";
constexpr char kBytesSql[] =
    "select sum(octet_length(argsJson)) from eventlog where rowid > ? and rowid <= ?";
// Of the events with ordinals in (?1, ?2], the last one up to which the arguments have ?3 bytes.
constexpr char kChunkEndSql[] =
    "select rowid from (select rowid, sum(octet_length(argsJson)) over (order by rowid) as bytes "
    "from eventlog where rowid > ?1 and rowid <= ?2) where bytes <= ?3 order by rowid desc limit 1";
constexpr char kRemoveAfterSql[] = "delete from eventlog where rowid > ?";

constexpr char kSyncStatusSql[] =
    "select head, backendId, givenClientId, ownClientId, epoch, (select max(ordinal) from "
    "__livestore_session), "
    "(select count(*) from __livestore_session) from __livestore_sync_status";
constexpr char kSetUpstreamHeadSql[] = "update __livestore_sync_status set head = ?";
constexpr char kSetEpochSql[] = "update __livestore_sync_status set epoch = ?";
constexpr char kSetBackendIdSql[] = "update __livestore_sync_status set backendId = ?";
constexpr char kSetClientIdSql[] =
    "update __livestore_sync_status set givenClientId = ?, ownClientId = ?";
constexpr char kHasSessionSql[] =
    "select 1 from eventlog where clientId = ? and sessionId = ? limit 1";
constexpr char kSetSyncMetadataSql[] =
    "update eventlog set syncMetadataJson = ?2 where seqNumGlobal = ?1 and seqNumClient = 0";
constexpr char kSyncMetadataSql[] =
    "select syncMetadataJson from eventlog where seqNumGlobal = ? and seqNumClient = 0";

// Two statements where one upsert would do, since that does not say whether the session is new. It
// rarely is.
constexpr char kMoveAcceptedSql[] =
    "update __livestore_session set accepted = max(accepted, ?2), ordinal = ?3 where instance = ?1";
constexpr char kAddAcceptedSql[] =
    "insert into __livestore_session (instance, accepted, ordinal) values (?1, ?2, ?3)";
constexpr char kForgetSessionsSql[] =
    "delete from __livestore_session where rowid in "
    "(select rowid from __livestore_session order by ordinal limit ?)";
constexpr char kNumberSql[] = "select number from __livestore_session where instance = ?";
constexpr char kAddRefusedSql[] =
    "insert into __livestore_refused (number, counter, code, reason) values (?, ?, ?, ?)";
constexpr char kForgetRefusedSql[] =
    "delete from __livestore_refused where id <= (select max(id) from __livestore_refused) - ?";
constexpr char kRefusedSql[] =
    "select counter, code, reason from __livestore_refused where number = "
    "(select number from __livestore_session where instance = ?) order by counter";
constexpr char kCountersSql[] =
    "select iif(sessionNumber = (select number from __livestore_session where instance = ?1), "
    "sessionCounter, 0) from eventlog where rowid > ?2 order by rowid";
constexpr char kAcceptedSql[] = "select accepted from __livestore_session where instance = ?";

// The metadata that a sync backend gave with an event, as an encoded option.
constexpr std::string_view kNoSyncMetadata = R"({"_tag":"None"})";
constexpr std::string_view kSomeBefore = R"({"_tag":"Some","value":)";
constexpr std::string_view kSomeAfter = "}";

// For a bind. A cursor from outside may be anything; what is beyond every event stays beyond.
int64_t Bounded(uint64_t global) {
  return static_cast<int64_t>(std::min<uint64_t>(global, std::numeric_limits<int64_t>::max()));
}

struct Statements {
  StatementId insert, range, at, holds, ordinal, bytes, chunk_end, last_up_to, head, remove_after;
  StatementId sync_status, set_upstream_head, set_backend_id, set_sync_metadata, sync_metadata;
  StatementId move_accepted, add_accepted, forget_sessions, accepted, number;
  StatementId add_refused, forget_refused, refused, counters, set_client_id, has_session, set_epoch;
};

// What is known of the log without reading it.
struct Heads {
  Head local_head;
  uint64_t event_count = 0;
  uint64_t upstream_head = 0;
  uint64_t epoch = 0;
  std::string backend_id;
  std::string given_client_id;  // Empty until SetClientId.
  std::string own_client_id;
  int64_t session_ordinal = 0;  // Of the session used last.
  int64_t sessions = 0;

  bool operator==(const Heads&) const = default;
};

Error Corrupt(const std::string& what) { return {ErrorCode::kCorruptEventlog, what}; }

// Says whether the file may be opened for writing: true for a log, false for a new one.
Result<bool> CheckFile(const std::string& vfs_name, const std::string& file) {
  const std::optional<DatabaseFacts> facts = LS_TRY(ReadDatabaseFacts(vfs_name, file));
  if (!facts) return false;
  const bool blank =
      facts->application_id == 0 && facts->user_version == 0 && facts->tables.empty();
  if (blank) return false;  // Left by a crash before the first transaction.
  if (facts->application_id != kApplicationId) {
    return Corrupt("the file is the database of another application");
  }
  if (facts->user_version > kFormatVersion) {
    return Error{ErrorCode::kNewerFormat, "format " + std::to_string(facts->user_version) +
                                              " is newer than this build, " + "which knows " +
                                              std::to_string(kFormatVersion)};
  }
  if (facts->user_version != kFormatVersion) {
    return Corrupt("format " + std::to_string(facts->user_version) + " does not exist");
  }
  // It was before its tables came. To open it would write to what may be damaged elsewhere too.
  if (!facts->wal) return Corrupt("its header says that it is not in WAL mode");
  for (const char* table : kTables) {
    if (std::ranges::find(facts->tables, table) == facts->tables.end()) {
      return Corrupt("the table " + std::string(table) + " is missing");
    }
  }
  return true;
}

}  // namespace

struct Eventlog::Impl {
  explicit Impl(std::string log_file) : file(std::move(log_file)) {}

  Result<void> Open(const std::string& vfs_name);
  Result<void> CreateTables();
  Result<void> PrepareStatements();
  Result<Heads> ReadHeads();
  Result<void> EnsureOpen();
  Result<void> Reopen();
  Result<void> AppendRows(std::span<const Event> events);
  Result<void> RemoveAfter(const SeqNum& keep);
  Result<void> SetSyncMetadata(uint64_t global, std::string_view json);
  Result<void> SetAccepted(std::string_view instance, uint64_t counter);
  Result<std::optional<Event>> ReadOne(StatementId statement, const SeqNum& position);
  Result<std::string> ReadSyncMetadata(uint64_t global);
  Result<std::vector<Event>> ReadRange(const SeqNum& after, uint32_t count);
  Result<int64_t> OrdinalOf(const SeqNum& position);
  BytesView Binds(std::initializer_list<int64_t> values);

  // Passes a result on; a failure ends the open group, names the file, and is remembered if the
  // connection cannot be trusted any more.
  template <typename T>
  Result<T> Conclude(Result<T> result) {
    if (result.ok()) return result;
    Rollback();
    Error error = std::move(result).error();
    if (error.code == ErrorCode::kCorruptState) error.code = ErrorCode::kCorruptEventlog;
    failed = failed || (is_file && IsStorageError(error.code));
    error.message = "eventlog \"" + file + "\": " + error.message;
    return error;
  }
  void Rollback();

  std::string file;
  bool is_file = false;  // Else in memory, where there is nothing to open anew.
  std::unique_ptr<Database> database;
  Statements statements{};
  BindsWriter binds;

  Heads committed;  // What the file is known to hold.
  Heads current;    // The same with the open group.
  std::optional<Savepoint> group;
  bool failed = false;  // Storage failed: the connection is to be opened anew before its next use.
  bool lost = false;    // A commit failed: `committed` may not be what the file holds.
};

Eventlog::Eventlog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Eventlog::~Eventlog() = default;

Result<std::unique_ptr<Eventlog>> Eventlog::Open(const std::string& vfs_name,
                                                 const std::string& file) {
  auto impl = std::make_unique<Impl>(file);
  LS_TRY(impl->Conclude(impl->Open(vfs_name)));
  return std::unique_ptr<Eventlog>(new Eventlog(std::move(impl)));
}

Result<void> Eventlog::Impl::Open(const std::string& vfs_name) {
  if (vfs_name.empty()) {
    database = LS_TRY(Database::OpenInMemory());
    LS_TRY(CreateTables());
  } else {
    is_file = true;
    const bool exists = LS_TRY(CheckFile(vfs_name, file));
    database = LS_TRY(Database::Open(vfs_name, file, Durability::kFlushed));
    if (!exists) LS_TRY(CreateTables());
  }
  LS_TRY(PrepareStatements());
  Result<Heads> heads = ReadHeads();
  if (!heads.ok() && heads.error().code == ErrorCode::kSql) {
    return Corrupt("a column is missing: " + heads.error().message);
  }
  committed = current = LS_TRY(std::move(heads));
  return Ok();
}

// In one transaction, so that a file either is a log or holds nothing.
Result<void> Eventlog::Impl::CreateTables() {
  Savepoint savepoint = LS_TRY(Savepoint::Begin(*database, "livestore_log_create"));
  LS_TRY(database->Exec(kCreateSql));
  LS_TRY(database->Exec("pragma application_id = " + std::to_string(kApplicationId) +
                        "; pragma user_version = " + std::to_string(kFormatVersion)));
  return savepoint.Release();
}

Result<void> Eventlog::Impl::PrepareStatements() {
  const std::pair<StatementId*, const char*> wanted[] = {
      {&statements.insert, kInsertSql},
      {&statements.range, kRangeSql},
      {&statements.at, kAtSql},
      {&statements.holds, kHoldsSql},
      {&statements.ordinal, kOrdinalSql},
      {&statements.bytes, kBytesSql},
      {&statements.chunk_end, kChunkEndSql},
      {&statements.last_up_to, kLastUpToSql},
      {&statements.head, kHeadSql},
      {&statements.remove_after, kRemoveAfterSql},
      {&statements.sync_status, kSyncStatusSql},
      {&statements.set_upstream_head, kSetUpstreamHeadSql},
      {&statements.set_backend_id, kSetBackendIdSql},
      {&statements.set_sync_metadata, kSetSyncMetadataSql},
      {&statements.sync_metadata, kSyncMetadataSql},
      {&statements.move_accepted, kMoveAcceptedSql},
      {&statements.add_accepted, kAddAcceptedSql},
      {&statements.forget_sessions, kForgetSessionsSql},
      {&statements.accepted, kAcceptedSql},
      {&statements.number, kNumberSql},
      {&statements.add_refused, kAddRefusedSql},
      {&statements.forget_refused, kForgetRefusedSql},
      {&statements.refused, kRefusedSql},
      {&statements.counters, kCountersSql},
      {&statements.set_client_id, kSetClientIdSql},
      {&statements.has_session, kHasSessionSql},
      {&statements.set_epoch, kSetEpochSql}};
  for (const auto& [statement, sql] : wanted) {
    *statement = LS_TRY(database->PrepareInternal(sql));
  }
  return Ok();
}

Result<Heads> Eventlog::Impl::ReadHeads() {
  Heads heads;
  RowsReader status(LS_TRY(database->Query(statements.sync_status, Binds({}))));
  if (status.rows() != 1) return Corrupt("__livestore_sync_status has not exactly one row");
  const Cell upstream_head = status.Next();
  if (!InRange(upstream_head, kSeqNumGlobalMax)) return Corrupt("its sync status is no number");
  heads.upstream_head = static_cast<uint64_t>(upstream_head.integer);
  const Cell backend_id = status.Next();
  if (backend_id.type == Cell::Type::kText) heads.backend_id = backend_id.text;
  heads.given_client_id = status.Next().text;
  heads.own_client_id = status.Next().text;
  heads.epoch = static_cast<uint64_t>(status.Next().integer);
  heads.session_ordinal = status.Next().integer;
  heads.sessions = status.Next().integer;

  RowsReader last(LS_TRY(database->Query(statements.head, Binds({}))));
  if (last.rows() > 0) {
    const std::optional<Event> event = ReadEvent(last);
    if (!event || event->seq == kRootSeqNum) return Corrupt("its last row is no event");
    heads.local_head = HeadOf(*event);
    const int64_t rowid = last.Next().integer;
    const int64_t first = last.Next().integer;
    const int64_t greatest = last.Next().integer;
    if (first != 1 || greatest != rowid) return Corrupt("its last event was not appended last");
    heads.event_count = static_cast<uint64_t>(rowid);
  }
  if (heads.upstream_head > heads.local_head.seq.global) {
    return Corrupt("a sync backend has confirmed more than it holds");
  }
  return heads;
}

SeqNum Eventlog::local_head() const { return impl_->current.local_head.seq; }
Head Eventlog::head() const { return impl_->current.local_head; }
uint64_t Eventlog::upstream_head() const { return impl_->current.upstream_head; }
uint64_t Eventlog::event_count() const { return impl_->current.event_count; }
uint64_t Eventlog::epoch() const { return impl_->current.epoch; }
const std::string& Eventlog::backend_id() const { return impl_->current.backend_id; }
bool Eventlog::lost() const { return impl_->lost; }
Database& Eventlog::database() { return *impl_->database; }

// ---- Groups ------------------------------------------------------------------------------------

Result<void> Eventlog::Begin() {
  LS_CHECK(!impl_->group);
  return impl_->Conclude([this]() -> Result<void> {
    LS_TRY(impl_->EnsureOpen());
    impl_->group.emplace(LS_TRY(Savepoint::Begin(*impl_->database, "livestore_log_group")));
    return Ok();
  }());
}

Result<void> Eventlog::Append(std::span<const Event> events) {
  LS_CHECK(impl_->group);
  LS_CHECK(Continues(impl_->current.local_head.seq, events));
  return impl_->Conclude(impl_->AppendRows(events));
}

Result<void> Eventlog::Impl::AppendRows(std::span<const Event> events) {
  for (const Event& event : events) {
    binds.Clear();
    binds.Int64(static_cast<int64_t>(event.seq.global))
        .Int64(event.seq.client)
        .Int64(event.seq.generation)
        .Int64(static_cast<int64_t>(event.parent.global))
        .Int64(event.parent.client)
        .Int64(event.parent.generation)
        .Text(event.name)
        .Text(event.args_json)
        .Text(event.client_id)
        .Text(event.session_id)
        .Int64(event.schema_hash)
        .Int64(event.origin.session)
        .Int64(static_cast<int64_t>(event.origin.counter))
        .Text(kNoSyncMetadata);
    LS_TRY(database->Run(statements.insert, binds.view()));
  }
  if (events.empty()) return Ok();
  current.local_head = HeadOf(events.back());
  current.event_count += events.size();
  return Ok();
}

Result<void> Eventlog::RemoveAfter(const SeqNum& keep) {
  LS_CHECK(impl_->group);
  return impl_->Conclude(impl_->RemoveAfter(keep));
}

Result<void> Eventlog::Impl::RemoveAfter(const SeqNum& keep) {
  Head head;
  int64_t ordinal = 0;
  if (keep != kRootSeqNum) {
    const std::optional<Event> last = LS_TRY(ReadOne(statements.at, keep));
    LS_CHECK(last);
    head = HeadOf(*last);
    ordinal = LS_TRY(OrdinalOf(keep));
  }
  LS_TRY(database->Run(statements.remove_after, Binds({ordinal})));
  if (database->changes() != static_cast<int64_t>(current.event_count) - ordinal) {
    return Corrupt("a gap: events after " + ToString(keep) + " are missing");
  }
  current.local_head = head;
  current.event_count = static_cast<uint64_t>(ordinal);
  current.epoch += 1;
  return database->Run(statements.set_epoch, Binds({static_cast<int64_t>(current.epoch)}));
}

Result<void> Eventlog::SetUpstreamHead(uint64_t global) {
  Impl& self = *impl_;
  LS_CHECK(self.group && global <= self.current.local_head.seq.global);
  self.current.upstream_head = global;
  return self.Conclude(
      self.database->Run(self.statements.set_upstream_head, self.Binds({Bounded(global)})));
}

Result<void> Eventlog::SetSyncMetadata(uint64_t global, std::string_view json) {
  LS_CHECK(impl_->group && global > 0 && global <= impl_->current.local_head.seq.global);
  return impl_->Conclude(impl_->SetSyncMetadata(global, json));
}

Result<void> Eventlog::Impl::SetSyncMetadata(uint64_t global, std::string_view json) {
  std::string option(kNoSyncMetadata);
  if (!json.empty()) option.assign(kSomeBefore).append(json).append(kSomeAfter);
  binds.Clear();
  binds.Int64(Bounded(global)).Text(option);
  LS_TRY(database->Run(statements.set_sync_metadata, binds.view()));
  if (database->changes() != 1) return Corrupt("a gap: e" + std::to_string(global) + " is missing");
  return Ok();
}

Result<void> Eventlog::SetAccepted(std::string_view instance, uint64_t counter) {
  LS_CHECK(impl_->group);
  return impl_->Conclude(impl_->SetAccepted(instance, counter));
}

Result<void> Eventlog::Impl::SetAccepted(std::string_view instance, uint64_t counter) {
  current.session_ordinal += 1;
  binds.Clear();
  binds.Text(instance).Int64(Bounded(counter)).Int64(current.session_ordinal);
  LS_TRY(database->Run(statements.move_accepted, binds.view()));
  if (database->changes() == 1) return Ok();
  LS_TRY(database->Run(statements.add_accepted, binds.view()));
  current.sessions += 1;
  const int64_t too_many = current.sessions - int64_t{limits::kSessionsRememberedMax};
  if (too_many <= 0) return Ok();
  LS_TRY(database->Run(statements.forget_sessions, Binds({too_many})));
  current.sessions -= database->changes();
  return Ok();
}

Result<int64_t> Eventlog::NumberOf(std::string_view instance) {
  LS_CHECK(impl_->group);
  return impl_->Conclude([&]() -> Result<int64_t> {
    for (const bool first_try : {true, false}) {
      impl_->binds.Clear();
      impl_->binds.Text(instance);
      const int64_t number =
          LS_TRY(impl_->database->QueryInt(impl_->statements.number, impl_->binds.view(), 0));
      if (number > 0) return number;
      if (first_try) LS_TRY(impl_->SetAccepted(instance, 0));
    }
    return Corrupt("a session has no number");
  }());
}

Result<void> Eventlog::AddRefused(const EventOrigin& origin, const Error& error) {
  LS_CHECK(impl_->group);
  if (origin.counter == 0) return Ok();
  return impl_->Conclude([&]() -> Result<void> {
    impl_->binds.Clear();
    impl_->binds.Int64(origin.session)
        .Int64(static_cast<int64_t>(origin.counter))
        .Int64(static_cast<int64_t>(error.code))
        .Text(error.message);
    LS_TRY(impl_->database->Run(impl_->statements.add_refused, impl_->binds.view()));
    return impl_->database->Run(impl_->statements.forget_refused,
                                impl_->Binds({int64_t{limits::kRefusedRememberedMax}}));
  }());
}

Result<std::vector<RefusedCommit>> Eventlog::Refused(std::string_view instance) {
  return impl_->Conclude([&]() -> Result<std::vector<RefusedCommit>> {
    LS_TRY(impl_->EnsureOpen());
    impl_->binds.Clear();
    impl_->binds.Text(instance);
    RowsReader reader(
        LS_TRY(impl_->database->Query(impl_->statements.refused, impl_->binds.view())));
    std::vector<RefusedCommit> refused;
    for (size_t i = 0; i < reader.rows(); ++i) {
      const Cell counter = reader.Next();
      const Cell code = reader.Next();
      const Cell reason = reader.Next();
      const uint64_t last = refused.empty() ? 0 : refused.back().counter;
      if (!InRange(counter, kCounterMax) || static_cast<uint64_t>(counter.integer) <= last) {
        return Corrupt("a refused event has no counter");
      }
      refused.push_back({static_cast<uint64_t>(counter.integer),
                         {static_cast<ErrorCode>(code.integer), std::string(reason.text)}});
    }
    return refused;
  }());
}

Result<std::vector<uint64_t>> Eventlog::CountersAfter(const SeqNum& position,
                                                      std::string_view instance) {
  return impl_->Conclude([&]() -> Result<std::vector<uint64_t>> {
    LS_TRY(impl_->EnsureOpen());
    const int64_t ordinal = LS_TRY(impl_->OrdinalOf(position));
    impl_->binds.Clear();
    impl_->binds.Text(instance).Int64(ordinal);
    RowsReader reader(
        LS_TRY(impl_->database->Query(impl_->statements.counters, impl_->binds.view())));
    std::vector<uint64_t> counters;
    counters.reserve(reader.rows());
    uint64_t last = 0;
    for (size_t i = 0; i < reader.rows(); ++i) {
      const Cell counter = reader.Next();
      const uint64_t value =
          InRange(counter, kCounterMax) ? static_cast<uint64_t>(counter.integer) : 0;
      if (value != 0 && value <= last) return Corrupt("the events of a session do not ascend");
      last = std::max(last, value);
      counters.push_back(value);
    }
    return counters;
  }());
}

std::string Eventlog::ClientId(const std::string& given) const {
  const Heads& heads = impl_->current;
  return heads.own_client_id.empty() || heads.given_client_id != given ? given
                                                                       : heads.own_client_id;
}

Result<void> Eventlog::SetClientId(std::string_view given, std::string_view own) {
  Impl& self = *impl_;
  LS_CHECK(self.group);
  self.current.given_client_id = given;
  self.current.own_client_id = own;
  self.binds.Clear();
  self.binds.Text(given).Text(own);
  return self.Conclude(self.database->Run(self.statements.set_client_id, self.binds.view()));
}

Result<bool> Eventlog::HasEventsOf(std::string_view client_id, std::string_view session_id) {
  Impl& self = *impl_;
  return self.Conclude([&]() -> Result<bool> {
    LS_TRY(self.EnsureOpen());
    self.binds.Clear();
    self.binds.Text(client_id).Text(session_id);
    return LS_TRY(self.database->QueryInt(self.statements.has_session, self.binds.view(), 0)) != 0;
  }());
}

Result<void> Eventlog::SetBackendId(std::string_view id) {
  Impl& self = *impl_;
  LS_CHECK(self.group);
  self.current.backend_id = id;
  self.binds.Clear();
  if (id.empty()) {
    self.binds.Null();
  } else {
    self.binds.Text(id);
  }
  return self.Conclude(self.database->Run(self.statements.set_backend_id, self.binds.view()));
}

Result<void> Eventlog::Commit() {
  LS_CHECK(impl_->group);
  // Else the next opening would call the log damaged.
  LS_CHECK(impl_->current.upstream_head <= impl_->current.local_head.seq.global);
  Result<void> released = impl_->group->Release();
  impl_->group.reset();
  if (released.ok()) {
    impl_->committed = impl_->current;
  } else {
    impl_->lost = impl_->is_file;
  }
  return impl_->Conclude(std::move(released));
}

void Eventlog::Rollback() { impl_->Rollback(); }

void Eventlog::Impl::Rollback() {
  group.reset();
  current = committed;
}

// ---- After a failure ---------------------------------------------------------------------------

Result<void> Eventlog::Impl::EnsureOpen() {
  LS_CHECK(!lost);
  if (!failed) return Ok();
  LS_CHECK(!group);
  LS_TRY(database->Reopen());
  const Heads heads = LS_TRY(ReadHeads());
  // What failed was no commit, so nothing can have come to the log or gone from it.
  if (heads != committed) {
    return Corrupt("after a failure of storage it ends at " + ToString(heads.local_head.seq) +
                   " instead of " + ToString(committed.local_head.seq));
  }
  failed = false;
  return Ok();
}

Result<void> Eventlog::Reopen() {
  LS_CHECK(!impl_->group);
  return impl_->Conclude(impl_->Reopen());
}

Result<void> Eventlog::Impl::Reopen() {
  if (!is_file) return Ok();
  LS_TRY(database->Reopen());
  Heads heads = LS_TRY(ReadHeads());
  // What is believed now will be called accepted, but no flush of it has succeeded. A checkpoint
  // flushes the WAL first. Not without need: on a full disk it may fail.
  if (heads != committed) LS_TRY(database->Exec("pragma wal_checkpoint"));
  committed = current = std::move(heads);
  failed = false;
  lost = false;
  return Ok();
}

// ---- Reading -----------------------------------------------------------------------------------

Result<std::vector<Event>> Eventlog::Range(const SeqNum& after, uint32_t count) {
  return impl_->Conclude([&]() -> Result<std::vector<Event>> {
    LS_TRY(impl_->EnsureOpen());
    return impl_->ReadRange(after, count);
  }());
}

Result<std::vector<Event>> Eventlog::Impl::ReadRange(const SeqNum& after, uint32_t count) {
  const int64_t start = LS_TRY(OrdinalOf(after));
  const int64_t all = static_cast<int64_t>(current.event_count);
  if (start >= all || count == 0) return std::vector<Event>();
  int64_t end = start + std::min<int64_t>(count, all - start);
  // The sum alone costs a fraction of where it passes the limit, which it rarely does.
  const int64_t bytes = LS_TRY(database->QueryInt(statements.bytes, Binds({start, end}), 0));
  if (bytes > limits::kEventlogChunkBytes) {
    end = LS_TRY(database->QueryInt(statements.chunk_end,
                                    Binds({start, end, limits::kEventlogChunkBytes}), start + 1));
  }

  RowsReader reader(LS_TRY(database->Query(statements.range, Binds({start, end}))));
  std::vector<Event> events;
  events.reserve(reader.rows());
  SeqNum head = after;
  for (size_t i = 0; i < reader.rows(); ++i) {
    std::optional<Event> event = ReadEvent(reader);
    if (!event) return Corrupt("the row after " + ToString(head) + " is no event");
    if (!ContinuesHead(head, event->seq)) {
      return Corrupt("a gap: " + ToString(head) + " is followed by " + ToString(event->seq));
    }
    head = event->seq;
    events.push_back(std::move(*event));
  }
  if (static_cast<int64_t>(events.size()) != end - start) {
    return Corrupt("a gap: events after " + ToString(head) + " are missing");
  }
  return events;
}

Result<bool> Eventlog::Holds(const SeqNum& seq) {
  if (seq == kRootSeqNum) return true;
  return impl_->Conclude([&]() -> Result<bool> {
    LS_TRY(impl_->EnsureOpen());
    const BytesView binds = impl_->Binds({Bounded(seq.global), seq.client, seq.generation});
    return LS_TRY(impl_->database->QueryInt(impl_->statements.holds, binds, 0)) == 1;
  }());
}

Result<uint64_t> Eventlog::CountAfter(const SeqNum& position) {
  return impl_->Conclude([&]() -> Result<uint64_t> {
    LS_TRY(impl_->EnsureOpen());
    return impl_->current.event_count - static_cast<uint64_t>(LS_TRY(impl_->OrdinalOf(position)));
  }());
}

Result<std::optional<Event>> Eventlog::At(const SeqNum& position) {
  return impl_->Conclude([&]() -> Result<std::optional<Event>> {
    LS_TRY(impl_->EnsureOpen());
    return impl_->ReadOne(impl_->statements.at, position);
  }());
}

Result<Head> Eventlog::EndOfClientOnly(const SeqNum& position) {
  return impl_->Conclude([&]() -> Result<Head> {
    LS_TRY(impl_->EnsureOpen());
    // The next synced event has the next global number, since the log has no gaps.
    const SeqNum last{position.global, std::numeric_limits<uint32_t>::max(), 0};
    const std::optional<Event> event = LS_TRY(impl_->ReadOne(impl_->statements.last_up_to, last));
    return event ? HeadOf(*event) : Head();
  }());
}

Result<uint64_t> Eventlog::Accepted(std::string_view instance) {
  return impl_->Conclude([&]() -> Result<uint64_t> {
    LS_TRY(impl_->EnsureOpen());
    impl_->binds.Clear();
    impl_->binds.Text(instance);
    const int64_t accepted =
        LS_TRY(impl_->database->QueryInt(impl_->statements.accepted, impl_->binds.view(), 0));
    if (accepted < 0) return Corrupt("what it has of a session is no number");
    return static_cast<uint64_t>(accepted);
  }());
}

Result<std::string> Eventlog::SyncMetadata(uint64_t global) {
  return impl_->Conclude([&]() -> Result<std::string> {
    LS_TRY(impl_->EnsureOpen());
    return impl_->ReadSyncMetadata(global);
  }());
}

Result<std::string> Eventlog::Impl::ReadSyncMetadata(uint64_t global) {
  RowsReader reader(LS_TRY(database->Query(statements.sync_metadata, Binds({Bounded(global)}))));
  if (reader.rows() == 0) return std::string();
  std::string_view option = reader.Next().text;
  if (option == kNoSyncMetadata) return std::string();
  if (!option.starts_with(kSomeBefore) || !option.ends_with(kSomeAfter)) {
    return Corrupt("the sync metadata of e" + std::to_string(global) + " is no option");
  }
  option.remove_prefix(kSomeBefore.size());
  option.remove_suffix(kSomeAfter.size());
  return std::string(option);
}

// The event that a statement finds by a position.
Result<std::optional<Event>> Eventlog::Impl::ReadOne(StatementId statement,
                                                     const SeqNum& position) {
  RowsReader reader(
      LS_TRY(database->Query(statement, Binds({Bounded(position.global), position.client}))));
  if (reader.rows() == 0) return std::optional<Event>();
  std::optional<Event> event = ReadEvent(reader);
  if (!event) return Corrupt("the row at " + ToString(position) + " is no event");
  return event;
}

// 0 before the first event.
Result<int64_t> Eventlog::Impl::OrdinalOf(const SeqNum& position) {
  return database->QueryInt(statements.ordinal, Binds({Bounded(position.global), position.client}),
                            0);
}

// The view dies with the next call.
BytesView Eventlog::Impl::Binds(std::initializer_list<int64_t> values) {
  binds.Clear();
  for (const int64_t value : values) binds.Int64(value);
  return binds.view();
}

}  // namespace livestore

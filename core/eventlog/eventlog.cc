#include "core/eventlog/eventlog.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
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
    primary key (seqNumGlobal, seqNumClient, seqNumRebaseGeneration)
  ) strict;
  create table __livestore_sync_status (head integer primary key, backendId text) strict;
  insert into __livestore_sync_status (head, backendId) values (0, null);
)sql";

#define LS_EVENT_COLUMNS                                 \
  "seqNumGlobal, seqNumClient, seqNumRebaseGeneration, " \
  "parentSeqNumGlobal, parentSeqNumClient, "             \
  "parentSeqNumRebaseGeneration, name, argsJson, "       \
  "clientId, sessionId, schemaHash"

constexpr char kInsertSql[] = "insert into eventlog (" LS_EVENT_COLUMNS
                              ", syncMetadataJson) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kRangeSql[] =
    "select " LS_EVENT_COLUMNS " from eventlog where rowid > ? and rowid <= ? order by rowid";
constexpr char kAtSql[] =
    "select " LS_EVENT_COLUMNS " from eventlog where seqNumGlobal = ? and seqNumClient = ? limit 1";

#undef LS_EVENT_COLUMNS

constexpr char kHoldsSql[] =
    "select 1 from eventlog where seqNumGlobal = ? and seqNumClient = ? and "
    "seqNumRebaseGeneration = ?";
// The ordinal of the last event at or before a position.
constexpr char kOrdinalSql[] =
    "select rowid from eventlog where (seqNumGlobal, seqNumClient) <= (?, ?) "
    "order by seqNumGlobal desc, seqNumClient desc limit 1";
// Of the events with ordinals in (?1, ?2], the last one up to which the arguments have ?3 bytes.
constexpr char kChunkEndSql[] =
    "select rowid from (select rowid, sum(octet_length(argsJson)) over (order by rowid) as bytes "
    "from eventlog where rowid > ?1 and rowid <= ?2) where bytes <= ?3 order by rowid desc limit 1";
constexpr char kHeadSql[] =
    "select seqNumGlobal, seqNumClient, seqNumRebaseGeneration, rowid, "
    "(select min(rowid) from eventlog), (select max(rowid) from eventlog) "
    "from eventlog order by seqNumGlobal desc, seqNumClient desc limit 1";
constexpr char kSyncStatusSql[] = "select head, count(*) over () from __livestore_sync_status";
constexpr char kRemoveAfterSql[] = "delete from eventlog where rowid > ?";

// The metadata that a sync backend gave with an event, as an encoded option: none.
constexpr char kNoSyncMetadata[] = R"({"_tag":"None"})";

// For a bind. A cursor from outside may be anything; what is beyond every event stays beyond.
int64_t Bounded(uint64_t global) {
  return static_cast<int64_t>(std::min<uint64_t>(global, std::numeric_limits<int64_t>::max()));
}

struct Statements {
  StatementId insert, range, at, holds, ordinal, chunk_end, head, sync_status, remove_after;
};

// What is known of the log without reading it.
struct Heads {
  SeqNum local_head;
  uint64_t event_count = 0;
  uint64_t upstream_head = 0;
};

Error Corrupt(const std::string& what) { return {ErrorCode::kCorruptEventlog, what}; }

// True if `number` is what a part of a sequence number may be.
bool InRange(const Cell& cell, uint64_t max) {
  return cell.type == Cell::Type::kInteger && cell.integer >= 0 &&
         static_cast<uint64_t>(cell.integer) <= max;
}

std::optional<SeqNum> ReadSeqNum(RowsReader& reader) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  const Cell global = reader.Next();
  const Cell client = reader.Next();
  const Cell generation = reader.Next();
  if (!InRange(global, kSeqNumGlobalMax) || !InRange(client, kMax) || !InRange(generation, kMax)) {
    return std::nullopt;
  }
  return SeqNum{static_cast<uint64_t>(global.integer), static_cast<uint32_t>(client.integer),
                static_cast<uint32_t>(generation.integer)};
}

// The columns of a row, in the order of the statements above.
std::optional<Event> ReadEvent(RowsReader& reader) {
  const std::optional<SeqNum> seq = ReadSeqNum(reader);
  if (!seq) return std::nullopt;
  const std::optional<SeqNum> parent = ReadSeqNum(reader);
  if (!parent) return std::nullopt;
  const Cell name = reader.Next();
  const Cell args = reader.Next();
  const Cell client_id = reader.Next();
  const Cell session_id = reader.Next();
  const Cell schema_hash = reader.Next();
  for (const Cell* cell : {&name, &args, &client_id, &session_id}) {
    if (cell->type != Cell::Type::kText) return std::nullopt;
  }
  if (schema_hash.type != Cell::Type::kInteger) return std::nullopt;
  return Event{.seq = *seq,
               .parent = *parent,
               .name = std::string(name.text),
               .args_json = std::string(args.text),
               .client_id = std::string(client_id.text),
               .session_id = std::string(session_id.text),
               .schema_hash = schema_hash.integer};
}

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
  for (const char* table : {"eventlog", "__livestore_sync_status"}) {
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
  Result<void> ReopenAndRepair();
  Result<void> AppendRows(std::span<const Event> events);
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
  committed = current = LS_TRY(ReadHeads());
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
      {&statements.chunk_end, kChunkEndSql},
      {&statements.head, kHeadSql},
      {&statements.sync_status, kSyncStatusSql},
      {&statements.remove_after, kRemoveAfterSql}};
  for (const auto& [statement, sql] : wanted) {
    Result<StatementId> prepared = database->Prepare(sql);
    if (!prepared.ok() && prepared.error().code == ErrorCode::kSql) {
      return Corrupt("a column is missing: " + prepared.error().message);
    }
    *statement = LS_TRY(std::move(prepared));
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

  RowsReader last(LS_TRY(database->Query(statements.head, Binds({}))));
  if (last.rows() == 0) return heads;
  const std::optional<SeqNum> seq = ReadSeqNum(last);
  if (!seq || *seq == kRootSeqNum) return Corrupt("the number of its last event is none");
  heads.local_head = *seq;
  const int64_t rowid = last.Next().integer;
  const int64_t first = last.Next().integer;
  const int64_t greatest = last.Next().integer;
  if (first != 1 || greatest != rowid) return Corrupt("its last event was not appended last");
  heads.event_count = static_cast<uint64_t>(rowid);
  return heads;
}

SeqNum Eventlog::local_head() const { return impl_->current.local_head; }
uint64_t Eventlog::upstream_head() const { return impl_->current.upstream_head; }
uint64_t Eventlog::event_count() const { return impl_->current.event_count; }
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
  LS_CHECK(Continues(impl_->current.local_head, events));
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
        .Text(kNoSyncMetadata);
    LS_TRY(database->Run(statements.insert, binds.view()));
    current.local_head = event.seq;
    current.event_count += 1;
  }
  return Ok();
}

Result<void> Eventlog::Commit() {
  LS_CHECK(impl_->group);
  Result<void> released = impl_->group->Release();
  impl_->group.reset();
  if (released.ok()) impl_->committed = impl_->current;
  return impl_->Conclude(std::move(released));
}

void Eventlog::Rollback() { impl_->Rollback(); }

void Eventlog::Impl::Rollback() {
  group.reset();
  current = committed;
}

// ---- After a failure ---------------------------------------------------------------------------

Result<void> Eventlog::Impl::EnsureOpen() {
  if (!failed) return Ok();
  LS_TRY(ReopenAndRepair());
  failed = false;
  return Ok();
}

Result<void> Eventlog::Impl::ReopenAndRepair() {
  LS_CHECK(!group);
  LS_TRY(database->Reopen());
  Heads heads = LS_TRY(ReadHeads());
  if (heads.event_count > committed.event_count) {
    // A group that was reported as failed, because its flush failed, was written all the same.
    Savepoint savepoint = LS_TRY(Savepoint::Begin(*database, "livestore_log_repair"));
    LS_TRY(database->Run(statements.remove_after,
                         Binds({static_cast<int64_t>(committed.event_count)})));
    LS_TRY(savepoint.Release());
    heads = LS_TRY(ReadHeads());
  }
  if (heads.event_count != committed.event_count || heads.local_head != committed.local_head) {
    return Corrupt("after a failure of storage it ends at " + ToString(heads.local_head) +
                   " instead of " + ToString(committed.local_head));
  }
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
  const int64_t wanted = start + std::min<int64_t>(count, all - start);
  const int64_t end = LS_TRY(database->QueryInt(
      statements.chunk_end, Binds({start, wanted, limits::kEventlogChunkBytes}), start + 1));

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
    const BytesView binds = impl_->Binds({Bounded(position.global), position.client});
    RowsReader reader(LS_TRY(impl_->database->Query(impl_->statements.at, binds)));
    if (reader.rows() == 0) return std::optional<Event>();
    std::optional<Event> event = ReadEvent(reader);
    if (!event) return Corrupt("the row at " + ToString(position) + " is no event");
    return event;
  }());
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

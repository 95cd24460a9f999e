#include "core/state/state_db.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/sqlite/changeset.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/rows_reader.h"
#include "core/sqlite/savepoint.h"

namespace livestore {
namespace {

constexpr int64_t kFormatVersion = 3;
constexpr std::string_view kOurPrefix = "__livestore_";
// Before the schema hash of a state that is not complete.
constexpr std::string_view kPartialPrefix = "partial ";

constexpr char kHasHeadSql[] =
    "select count(*) from sqlite_schema where type = 'table' and name = '__livestore_state'";
constexpr char kHasUndoSql[] =
    "select count(*) from sqlite_schema where type = 'table' and name = '__livestore_undo'";
constexpr char kFormatSql[] = "select formatVersion from __livestore_state where id = 1";
constexpr char kReadHeadSql[] =
    "select seqNumGlobal, seqNumClient, seqNumRebaseGeneration, eventHash, schemaHash, "
    "skippedGlobal, skippedClient from __livestore_state where id = 1";
constexpr char kSaveHeadSql[] =
    "update __livestore_state set seqNumGlobal = ?, seqNumClient = ?, seqNumRebaseGeneration = ?, "
    "eventHash = ?, skippedGlobal = ?, skippedClient = ? where id = 1";
constexpr char kCreateOursSql[] = R"sql(
  create table __livestore_state (
    id integer primary key check (id = 1),
    formatVersion integer not null,
    schemaHash text not null,
    seqNumGlobal integer not null,
    seqNumClient integer not null,
    seqNumRebaseGeneration integer not null,
    eventHash integer not null,
    skippedGlobal integer not null,
    skippedClient integer not null
  ) strict;
  create table __livestore_undo (
    id integer primary key,
    seqNumGlobal integer not null,
    seqNumClient integer not null,
    seqNumRebaseGeneration integer not null,
    eventHash integer not null,
    changeset blob
  ) strict;
)sql";

// Rows come at the end and go from either end, so that their ids have no gaps.
constexpr char kKeepUndoSql[] =
    "insert into __livestore_undo (seqNumGlobal, seqNumClient, seqNumRebaseGeneration, eventHash, "
    "changeset) values (?, ?, ?, ?, ?)";
constexpr char kReadUndoSql[] =
    "select seqNumGlobal, seqNumClient, seqNumRebaseGeneration, eventHash, changeset "
    "from __livestore_undo order by id";
constexpr char kLastUndoSql[] =
    "select seqNumGlobal, seqNumClient, seqNumRebaseGeneration, eventHash, changeset "
    "from __livestore_undo order by id desc limit 1";
constexpr char kDropLastUndoSql[] =
    "delete from __livestore_undo where id = (select max(id) from __livestore_undo)";
constexpr char kTrimUndoSql[] =
    "delete from __livestore_undo where id <= (select max(id) from __livestore_undo) - ?";
constexpr char kUndoCountSql[] =
    "select (select max(id) from __livestore_undo) - (select min(id) from __livestore_undo) + 1 "
    "from __livestore_undo limit 1";
// Triggers and views before the tables they stand on. Indexes go with their table.
constexpr char kDroppedFirstSql[] =
    "select type, name from sqlite_schema where type in ('trigger', 'view', 'table') and "
    "name not like 'sqlite\\_%' escape '\\' order by type = 'table', type = 'view'";
constexpr char kHasSequencesSql[] =
    "select count(*) from sqlite_schema where name = 'sqlite_sequence'";

BytesView NoBinds() {
  static const BindsWriter kNone;
  return kNone.view();
}

Result<int64_t> ReadInt(Database& database, const char* sql, int64_t fallback) {
  return database.QueryInt(LS_TRY(database.PrepareInternal(sql)), NoBinds(), fallback);
}

Error Corrupt(const std::string& what) {
  return {ErrorCode::kCorruptState, "state database: " + what};
}

bool InRange(const Cell& cell, uint64_t max) {
  return cell.type == Cell::Type::kInteger && cell.integer >= 0 &&
         static_cast<uint64_t>(cell.integer) <= max;
}

// The four columns of a sequence number and the identity of its event.
std::optional<Head> ReadHeadCells(RowsReader& row) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  const Cell global = row.Next();
  const Cell client = row.Next();
  const Cell generation = row.Next();
  const Cell event_hash = row.Next();
  if (!InRange(global, kSeqNumGlobalMax) || !InRange(client, kMax) || !InRange(generation, kMax) ||
      event_hash.type != Cell::Type::kInteger) {
    return std::nullopt;
  }
  return Head{.seq = {static_cast<uint64_t>(global.integer), static_cast<uint32_t>(client.integer),
                      static_cast<uint32_t>(generation.integer)},
              .hash = static_cast<uint64_t>(event_hash.integer)};
}

// A row of the undo statements, in the order of their columns.
Result<UndoEntry> ReadUndoCells(RowsReader& row) {
  const std::optional<Head> before = ReadHeadCells(row);
  if (!before) return Corrupt("__livestore_undo has a row without a sequence number");
  const Cell changeset = row.Next();
  return UndoEntry{.before = *before,
                   .changeset = Bytes(changeset.blob.begin(), changeset.blob.end()),
                   .undoable = changeset.type == Cell::Type::kBlob};
}

Result<std::optional<StateHead>> ReadStateHead(Database& database) {
  if (LS_TRY(ReadInt(database, kHasHeadSql, 0)) == 0) return std::optional<StateHead>();
  const Result<int64_t> format = ReadInt(database, kFormatSql, 0);
  if (!format.ok() && format.error().code != ErrorCode::kSql) return format.error();
  if (!format.ok() || *format < 1) return Corrupt("__livestore_state has no format version");
  if (*format > kFormatVersion) {
    return Error{ErrorCode::kNewerFormat, "state database: format " + std::to_string(*format) +
                                              " is newer than this build, which knows " +
                                              std::to_string(kFormatVersion)};
  }
  // Derived, so it is built anew instead of being changed.
  if (*format < kFormatVersion) return std::optional<StateHead>();
  if (LS_TRY(ReadInt(database, kHasUndoSql, 0)) == 0) {
    return Corrupt("__livestore_undo is missing");
  }
  const StatementId read_head = LS_TRY(database.PrepareInternal(kReadHeadSql));
  const Result<BytesView> rows = database.Query(read_head, NoBinds());
  if (!rows.ok()) {
    if (rows.error().code != ErrorCode::kSql) return rows.error();
    return Corrupt("__livestore_state has other columns");
  }
  RowsReader row(*rows);
  if (row.rows() != 1) return Corrupt("__livestore_state has no head");
  const std::optional<Head> head = ReadHeadCells(row);
  const Cell schema_hash = row.Next();
  const Cell skipped_global = row.Next();
  const Cell skipped_client = row.Next();
  if (!head || schema_hash.type != Cell::Type::kText ||
      !InRange(skipped_global, kSeqNumGlobalMax) ||
      !InRange(skipped_client, std::numeric_limits<uint32_t>::max())) {
    return Corrupt("its head is no sequence number");
  }
  const bool partial = schema_hash.text.starts_with(kPartialPrefix);
  return StateHead{
      .seq = head->seq,
      .event_hash = head->hash,
      .schema_hash = std::string(schema_hash.text.substr(partial ? kPartialPrefix.size() : 0)),
      .partial = partial,
      .skipped = {.global = static_cast<uint64_t>(skipped_global.integer),
                  .client = static_cast<uint32_t>(skipped_client.integer)}};
}

// SQLite compares names without ASCII case.
bool StartsWithOurPrefix(std::string_view name) {
  if (name.size() < kOurPrefix.size()) return false;
  return std::equal(kOurPrefix.begin(), kOurPrefix.end(), name.begin(),
                    [](char ours, char c) { return ours == (c >= 'A' && c <= 'Z' ? c + 32 : c); });
}

// True if `sql` may hold the conflict clause OR FAIL: the one way in which a statement that fails
// keeps a part of its changes. A false alarm costs a savepoint.
bool MayKeepPart(std::string_view sql) {
  constexpr std::string_view kFail = "fail";
  return std::search(sql.begin(), sql.end(), kFail.begin(), kFail.end(),
                     [](char c, char f) { return (c | 0x20) == f; }) != sql.end();
}

}  // namespace

struct StateDb::Impl {
  Impl(std::unique_ptr<Database> db, SchemaDescriptor app_schema, Materializer& app_materializer)
      : database(std::move(db)),
        schema(std::move(app_schema)),
        schema_hash(SchemaHash(schema)),
        materializer(app_materializer) {
    head.schema_hash = schema_hash;
  }

  struct Write {
    StatementId statement;
    BytesView binds;
  };
  // What is known of a statement that passed its check.
  struct Checked {
    bool is_write = false;
    bool may_keep_part = false;
  };

  Result<void> DropAll();
  Result<void> CreateAll();
  Result<Materialized> Materialize(const Event& event, int local_index, Record record);
  Result<void> ReadBatch(BytesView batch, TableSet& tables, bool& may_keep_part);
  Result<const Checked*> Check(StatementId statement);
  Result<void> RunWrites();
  Result<StatementId> Prepared(StatementId& statement, const char* sql);
  BindsWriter& HeadBinds(const Head& of);

  std::unique_ptr<Database> database;
  SchemaDescriptor schema;
  std::string schema_hash;
  Materializer& materializer;
  StateHead head;

  // Numbers of statements on our tables, which do not exist from the beginning; 0 until they are
  // needed. A number stays valid while the tables come and go.
  StatementId save_head = 0;
  StatementId keep_undo = 0;
  StatementId last_undo = 0;
  StatementId drop_last_undo = 0;
  StatementId trim_undo = 0;

  std::vector<Write> writes;     // Of the event in work; kept for its capacity.
  std::vector<Checked> checked;  // By statement number. Void when the schema changes.
  uint64_t checked_generation = 0;
  BindsWriter binds;
};

StateDb::StateDb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StateDb::~StateDb() = default;

Result<std::unique_ptr<StateDb>> StateDb::Create(std::unique_ptr<Database> database,
                                                 SchemaDescriptor schema,
                                                 Materializer& materializer) {
  LS_CHECK(database != nullptr);
  auto impl = std::make_unique<Impl>(std::move(database), std::move(schema), materializer);
  return std::unique_ptr<StateDb>(new StateDb(std::move(impl)));
}

const StateHead& StateDb::head() const { return impl_->head; }
const std::string& StateDb::schema_hash() const { return impl_->schema_hash; }
Database& StateDb::database() { return *impl_->database; }

void StateDb::SetHead(const SeqNum& seq, uint64_t event_hash) {
  impl_->head.seq = seq;
  impl_->head.event_hash = event_hash;
}

void StateDb::NoteSkipped(const SeqNum& seq) {
  if (ComparePosition(seq, impl_->head.skipped) > 0) impl_->head.skipped = seq;
}

Result<std::optional<StateHead>> StateDb::ReadHead() {
  std::optional<StateHead> head = LS_TRY(ReadStateHead(*impl_->database));
  if (head) impl_->head = *head;
  return head;
}

Result<void> StateDb::SaveHead() {
  Impl& self = *impl_;
  const StatementId statement = LS_TRY(self.Prepared(self.save_head, kSaveHeadSql));
  const SeqNum& skipped = self.head.skipped;
  BindsWriter& binds = self.HeadBinds(self.head.head());
  binds.Int64(static_cast<int64_t>(skipped.global)).Int64(skipped.client);
  LS_TRY(self.database->Run(statement, binds.view()));
  if (self.database->changes() != 1) return Corrupt("__livestore_state has no head");
  return Ok();
}

Result<StatementId> StateDb::Impl::Prepared(StatementId& statement, const char* sql) {
  if (statement == 0) statement = LS_TRY(database->PrepareInternal(sql));
  return statement;
}

BindsWriter& StateDb::Impl::HeadBinds(const Head& of) {
  binds.Clear();
  return binds.Int64(static_cast<int64_t>(of.seq.global))
      .Int64(of.seq.client)
      .Int64(of.seq.generation)
      .Int64(static_cast<int64_t>(of.hash));
}

// ---- Undo --------------------------------------------------------------------------------------

Result<void> StateDb::KeepUndo(const Head& before, const Materialized& materialized) {
  Impl& self = *impl_;
  const StatementId statement = LS_TRY(self.Prepared(self.keep_undo, kKeepUndoSql));
  BindsWriter& binds = self.HeadBinds(before);
  if (materialized.undoable) {
    binds.Blob(materialized.changeset);
  } else {
    binds.Null();
  }
  return self.database->Run(statement, binds.view());
}

Result<bool> StateDb::TakeBack(TableSet* touched) {
  Impl& self = *impl_;
  const StatementId statement = LS_TRY(self.Prepared(self.last_undo, kLastUndoSql));
  RowsReader row(LS_TRY(self.database->Query(statement, NoBinds())));
  if (row.rows() == 0) return false;
  const UndoEntry entry = LS_TRY(ReadUndoCells(row));
  if (!entry.undoable) return false;

  Savepoint savepoint = LS_TRY(Savepoint::Begin(*self.database, "livestore_take_back"));
  const Result<void> undone = ApplyInverse(*self.database, entry.changeset);
  if (!undone.ok()) {
    // The state is not what the event left behind, or the changeset is damaged: who derives the
    // state anew has it right again.
    const ErrorCode code = undone.error().code;
    if (code == ErrorCode::kNotUndoable || code == ErrorCode::kMalformedBytes) return false;
    return undone.error();
  }
  const TableSet tables = LS_TRY(TablesOf(*self.database, entry.changeset));
  LS_TRY(
      self.database->Run(LS_TRY(self.Prepared(self.drop_last_undo, kDropLastUndoSql)), NoBinds()));
  LS_TRY(savepoint.Release());
  SetHead(entry.before.seq, entry.before.hash);
  if (touched != nullptr) touched->AddAll(tables);
  return true;
}

Result<void> StateDb::TrimUndo(uint64_t count) {
  Impl& self = *impl_;
  const StatementId statement = LS_TRY(self.Prepared(self.trim_undo, kTrimUndoSql));
  self.binds.Clear();
  self.binds.Int64(
      static_cast<int64_t>(std::min<uint64_t>(count, std::numeric_limits<int64_t>::max())));
  return self.database->Run(statement, self.binds.view());
}

Result<std::vector<UndoEntry>> StateDb::ReadUndo() {
  Database& database = *impl_->database;
  RowsReader row(LS_TRY(database.Query(LS_TRY(database.PrepareInternal(kReadUndoSql)), NoBinds())));
  std::vector<UndoEntry> entries;
  entries.reserve(row.rows());
  for (size_t i = 0; i < row.rows(); ++i) entries.push_back(LS_TRY(ReadUndoCells(row)));
  return entries;
}

Result<uint64_t> StateDb::UndoCount() {
  const int64_t count = LS_TRY(ReadInt(*impl_->database, kUndoCountSql, 0));
  return static_cast<uint64_t>(count);
}

// ---- Tables ------------------------------------------------------------------------------------

Result<void> StateDb::RecreatePartial() {
  LS_TRY(Recreate());
  LS_TRY(impl_->database->Exec("update __livestore_state set schemaHash = '" +
                               std::string(kPartialPrefix) + "' || schemaHash"));
  impl_->head.partial = true;
  return Ok();
}

Result<void> StateDb::Complete() {
  LS_TRY(impl_->database->Exec("update __livestore_state set schemaHash = " +
                               QuoteText(impl_->schema_hash)));
  impl_->head.partial = false;
  return Ok();
}

Result<void> StateDb::Recreate() {
  Impl& self = *impl_;
  Savepoint savepoint = LS_TRY(Savepoint::Begin(*self.database, "livestore_recreate"));
  LS_TRY(self.DropAll());
  LS_TRY(self.CreateAll());
  LS_TRY(savepoint.Release());
  self.head = {.seq = kRootSeqNum, .event_hash = 0, .schema_hash = self.schema_hash};
  return Ok();
}

Result<void> StateDb::Impl::DropAll() {
  std::string sql;
  RowsReader rows(
      LS_TRY(database->Query(LS_TRY(database->PrepareInternal(kDroppedFirstSql)), NoBinds())));
  for (size_t i = 0; i < rows.rows(); ++i) {
    const std::string_view type = rows.Next().text;
    const std::string_view name = rows.Next().text;
    sql.append("drop ").append(type).append(" ").append(QuoteIdentifier(name)).append(";");
  }
  // A dropped table takes its sequence along; this is for rows that something else left behind.
  if (LS_TRY(ReadInt(*database, kHasSequencesSql, 0)) > 0) sql += "delete from sqlite_sequence;";
  return database->Exec(sql);
}

Result<void> StateDb::Impl::CreateAll() {
  for (const TableDescriptor& table : schema.tables) {
    Result<void> created = database->Exec(CreateTableSql(table));
    for (const IndexDescriptor& index : table.indexes) {
      if (created.ok()) created = database->Exec(CreateIndexSql(table, index));
    }
    if (created.ok()) continue;
    Error error = std::move(created).error();
    if (error.code == ErrorCode::kSql) error.code = ErrorCode::kInvalidSchema;
    error.message = "table \"" + table.name + "\": " + error.message;
    return error;
  }
  LS_TRY(database->Exec(kCreateOursSql));
  return database->Exec("insert into __livestore_state values (1, " +
                        std::to_string(kFormatVersion) + ", " + QuoteText(schema_hash) +
                        ", 0, 0, 0, 0, 0, 0)");
}

Result<void> StateDb::LoadImage(BytesView image, const std::optional<Head>& expected) {
  Impl& self = *impl_;
  // Looked at in a database of its own, so that a refused image leaves no trace in this one.
  const std::unique_ptr<Database> probe = LS_TRY(Database::OpenImage(image));
  Result<std::optional<StateHead>> head = ReadStateHead(*probe);
  if (!head.ok()) {
    Error error = std::move(head).error();
    if (error.code == ErrorCode::kCorruptState) error.code = ErrorCode::kMalformedBytes;
    return error;
  }
  if (!*head || (*head)->partial)
    return Error{ErrorCode::kMalformedBytes, "the image is no state of this format"};
  if ((*head)->schema_hash != self.schema_hash) {
    return Error{ErrorCode::kSchemaMismatch, "the image has the schema " + (*head)->schema_hash +
                                                 ", this state has " + self.schema_hash};
  }
  if (expected && (*head)->head() != *expected) {
    return Error{ErrorCode::kUpstreamGap, "the image is at " + ToString((*head)->seq) +
                                              ", and not at the " + ToString(expected->seq) +
                                              " that is expected"};
  }
  LS_TRY(self.database->Deserialize(image, Database::Image::kRead));
  self.head = std::move(**head);
  return Ok();
}

// ---- Materialization ---------------------------------------------------------------------------

Result<Materialized> StateDb::Materialize(const Event& event, int local_index, Record record) {
  Impl& self = *impl_;
  Result<Materialized> materialized = self.Materialize(event, local_index, record);
  if (!materialized.ok()) {
    Error error = std::move(materialized).error();
    error.message =
        "materializer of \"" + event.name + "\" (" + ToString(event.seq) + "): " + error.message;
    return error;
  }
  SetHead(event.seq, EventHash(event));
  return materialized;
}

Result<Materialized> StateDb::Impl::Materialize(const Event& event, int local_index,
                                                Record record) {
  const BytesView batch = LS_TRY(materializer.Materialize(event, local_index));
  Materialized result;
  bool may_keep_part = false;
  LS_TRY(ReadBatch(batch, result.tables, may_keep_part));
  if (writes.empty()) return result;

  // A statement that fails undoes its own changes, so one alone needs no savepoint. Most events
  // have one; it saves them a third of their time.
  std::optional<Savepoint> savepoint;
  if (writes.size() > 1 || may_keep_part) {
    savepoint.emplace(LS_TRY(Savepoint::Begin(*database, "livestore_event")));
  }
  if (record == Record::kChangeset) {
    ChangesetRecorder recorder = LS_TRY(ChangesetRecorder::Begin(*database));
    LS_TRY(RunWrites());
    result.changeset = LS_TRY(recorder.Finish());
    result.undoable = recorder.undoable();
  } else {
    LS_TRY(RunWrites());
  }
  if (savepoint) LS_TRY(savepoint->Release());
  return result;
}

Result<void> StateDb::Impl::RunWrites() {
  for (const Write& write : writes) LS_TRY(database->Run(write.statement, write.binds));
  return Ok();
}

// Reads `batch` into `writes`, and checks each statement.
Result<void> StateDb::Impl::ReadBatch(BytesView batch, TableSet& tables, bool& may_keep_part) {
  constexpr size_t kWriteBytesMin = 16;  // Number and size, and binds without a value.
  const auto malformed = [](const std::string& what) {
    return Error{ErrorCode::kMalformedBytes, "its statement batch is damaged: " + what};
  };
  writes.clear();
  ByteReader reader(batch);
  const uint32_t count = reader.U32();
  const uint32_t reserved = reader.U32();
  if (!reader.ok() || reserved != 0) return malformed("the header");
  if (count > limits::kStatementsPerEventMax) {
    return Error{ErrorCode::kLimitExceeded,
                 std::to_string(count) + " statements exceed kStatementsPerEventMax (" +
                     std::to_string(limits::kStatementsPerEventMax) + ")"};
  }
  if (count > reader.remaining() / kWriteBytesMin) {
    return malformed("the count exceeds the bytes that follow");
  }
  StatementId last = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const StatementId statement = reader.U32();
    const uint32_t binds_bytes = reader.U32();
    const BytesView statement_binds = reader.Raw(binds_bytes);
    if (!reader.ok() || binds_bytes % 8 != 0) {
      return malformed("statement " + std::to_string(i));
    }
    writes.push_back({statement, statement_binds});
    if (i > 0 && statement == last) continue;  // Often the same one, many times.
    last = statement;
    const Checked* const known = LS_TRY(Check(statement));
    may_keep_part = may_keep_part || known->may_keep_part;
    tables.AddAll(database->Info(statement).writes);
  }
  if (!reader.AtEnd()) return malformed("bytes follow the last statement");
  return Ok();
}

// Fails unless `statement` may be run by an app's materializer.
Result<const StateDb::Impl::Checked*> StateDb::Impl::Check(StatementId statement) {
  if (checked_generation != database->schema_generation()) {
    checked.clear();
    checked_generation = database->schema_generation();
  }
  if (statement < checked.size() && checked[statement].is_write) return &checked[statement];

  const auto refused = [](const std::string& why) {
    return Error{ErrorCode::kInvalidMaterializerResult, why};
  };
  const Result<sqlite3_stmt*> compiled = database->Compiled(statement);
  if (!compiled.ok()) {
    const Error& error = compiled.error();
    const bool is_refusal =
        error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kSql;
    return is_refusal ? refused(error.message) : error;
  }
  const StatementInfo& info = database->Info(statement);
  if (info.read_only || info.writes.empty()) return refused("this is not a write: " + info.sql);
  for (const TableId table : info.writes.tables()) {
    const std::string& name = database->table_names().Name(table);
    if (StartsWithOurPrefix(name)) return refused("the table " + name + " is not the app's");
  }
  if (statement >= checked.size()) checked.resize(statement + size_t{1});
  checked[statement] = {.is_write = true, .may_keep_part = MayKeepPart(info.sql)};
  return &checked[statement];
}

}  // namespace livestore

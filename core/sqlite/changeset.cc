#include "core/sqlite/changeset.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/sqlite/changeset_state.h"
#include "core/sqlite/row_codec.h"

namespace livestore {
namespace {

constexpr uint8_t kVersion = 1;

enum PartKind : uint8_t { kTable, kInserted, kUpdated, kDeleted, kSequence };
enum ValueTag : uint8_t { kNull, kInteger, kReal, kText, kBlob, kSame };

// Recording.

bool IsOurs(std::string_view table) {
  const auto starts_with = [table](std::string_view prefix) {
    return table.size() >= prefix.size() &&
           sqlite3_strnicmp(table.data(), prefix.data(), static_cast<int>(prefix.size())) == 0;
  };
  return starts_with("sqlite_") || starts_with("__livestore_");
}

BytesView BytesOf(sqlite3_value* value) {
  // sqlite3_value_text would add a terminator, in memory of its own.
  const auto* const bytes = static_cast<const uint8_t*>(sqlite3_value_blob(value));
  return {bytes, bytes == nullptr ? 0 : static_cast<size_t>(sqlite3_value_bytes(value))};
}

void WriteValue(ByteWriter& out, sqlite3_value* value) {
  const int type = sqlite3_value_type(value);
  switch (type) {
    case SQLITE_INTEGER:
      out.U8(kInteger);
      out.I64(sqlite3_value_int64(value));
      break;
    case SQLITE_FLOAT:
      out.U8(kReal);
      out.F64(sqlite3_value_double(value));
      break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
      out.U8(type == SQLITE_TEXT ? kText : kBlob);
      out.Block(BytesOf(value));
      break;
    default:
      out.U8(kNull);
      break;
  }
}

bool SameValue(sqlite3_value* a, sqlite3_value* b) {
  const int type = sqlite3_value_type(a);
  if (type != sqlite3_value_type(b)) return false;
  switch (type) {
    case SQLITE_INTEGER:
      return sqlite3_value_int64(a) == sqlite3_value_int64(b);
    case SQLITE_FLOAT:
      return sqlite3_value_double(a) == sqlite3_value_double(b);
    case SQLITE_TEXT:
    case SQLITE_BLOB: {
      const BytesView left = BytesOf(a);
      const BytesView right = BytesOf(b);
      return left.size() == right.size() &&
             (left.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0);
    }
    default:
      return true;
  }
}

// The place of `name` among the tables of the recording, announcing it when it is new.
uint64_t TableNumber(ChangesetState& state, std::string_view name, int columns) {
  for (size_t i = state.tables.size(); i > 0; i--) {  // The last table is the likely one.
    if (state.tables[i - 1] == name) return i - 1;
  }
  state.tables.emplace_back(name);
  state.changes.U8(kTable);
  state.changes.Text(name);
  state.changes.Varint(static_cast<uint64_t>(columns));
  return state.tables.size() - 1;
}

// Called by SQLite before each row changes.
void OnPreupdate(void* context, sqlite3* db, int operation, const char* database_name,
                 const char* table_name, sqlite3_int64 rowid_before, sqlite3_int64 rowid_after) {
  auto& state = *static_cast<ChangesetState*>(context);
  const std::string_view table = table_name;
  if (std::strcmp(database_name, "main") != 0 || IsOurs(table)) return;
  const int columns = sqlite3_preupdate_count(db);
  ByteWriter& out = state.changes;
  const uint64_t number = TableNumber(state, table, columns);
  const size_t start = out.size();

  if (operation == SQLITE_UPDATE) {
    out.U8(kUpdated);
    out.Varint(number);
    out.I64(rowid_before);
    out.I64(rowid_after);
  } else {
    out.U8(operation == SQLITE_INSERT ? kInserted : kDeleted);
    out.Varint(number);
    out.I64(operation == SQLITE_INSERT ? rowid_after : rowid_before);
  }
  sqlite3_value* value = nullptr;
  if (operation != SQLITE_INSERT) {
    for (int i = 0; i < columns; i++) {
      if (sqlite3_preupdate_old(db, i, &value) != SQLITE_OK) state.complete = false;
      WriteValue(out, value);
    }
  }
  bool differs = operation != SQLITE_UPDATE || rowid_before != rowid_after;
  if (operation != SQLITE_DELETE) {
    for (int i = 0; i < columns; i++) {
      if (sqlite3_preupdate_new(db, i, &value) != SQLITE_OK) state.complete = false;
      sqlite3_value* old = nullptr;
      if (operation == SQLITE_UPDATE && sqlite3_preupdate_old(db, i, &old) == SQLITE_OK &&
          SameValue(old, value)) {
        out.U8(kSame);
      } else {
        differs = true;
        WriteValue(out, value);
      }
    }
  }
  if (differs) {
    state.rows++;
  } else {
    out.Truncate(start);  // An update to what already stands there changes nothing.
  }
}

// Shapes.

std::string Quote(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + '"';
}

struct Column {
  std::string name;
  bool is_key = false;
};

// Runs `sql` of ours with the table's name as ?1 and calls `row` for each row.
template <typename Row>
Result<void> ForEachRow(Database& database, std::string_view sql, std::string_view table, Row row) {
  const StatementId id = LS_TRY(database.PrepareInternal(sql));
  sqlite3_stmt* const statement = LS_TRY(database.Compiled(id));
  sqlite3_bind_text64(statement, 1, table.data(), table.size(), SQLITE_STATIC, SQLITE_UTF8);
  int result = sqlite3_step(statement);
  for (; result == SQLITE_ROW; result = sqlite3_step(statement)) row(statement);
  Result<void> outcome;
  if (result != SQLITE_DONE) outcome = database.LastError(result, sql);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return outcome;
}

std::string ColumnText(sqlite3_stmt* statement, int column) {
  const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  return text != nullptr ? text : "";
}

bool SameName(const std::string& a, const char* b) { return sqlite3_stricmp(a.c_str(), b) == 0; }

// A name for the rowid that no column takes for itself, or empty.
std::string RowidName(const std::vector<Column>& columns) {
  for (const char* const alias : {"rowid", "_rowid_", "oid"}) {
    bool taken = false;
    for (const Column& column : columns) taken = taken || SameName(column.name, alias);
    if (!taken) return alias;
  }
  return "";
}

Result<TableShape> LearnShape(Database& database, const std::string& table) {
  TableShape shape;
  std::vector<Column> columns;
  std::string type;
  bool without_rowid = false;
  LS_TRY(ForEachRow(database, "SELECT type, wr FROM pragma_table_list(?1) WHERE schema = 'main'",
                    table, [&](sqlite3_stmt* row) {
                      type = ColumnText(row, 0);
                      without_rowid = sqlite3_column_int(row, 1) != 0;
                    }));
  LS_TRY(ForEachRow(database, "SELECT name, pk FROM pragma_table_info(?1)", table,
                    [&](sqlite3_stmt* row) {
                      columns.push_back({ColumnText(row, 0), sqlite3_column_int(row, 1) != 0});
                    }));
  // SQLite has no flag for AUTOINCREMENT. The keyword in a comment or a default is a false alarm
  // that costs nothing: such a table just has no row among the sequences.
  bool has_triggers = false;
  LS_TRY(ForEachRow(database,
                    "SELECT max(type = 'trigger'), max(type = 'table' AND sql LIKE "
                    "'%autoincrement%') FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE",
                    table, [&](sqlite3_stmt* row) {
                      has_triggers = sqlite3_column_int(row, 0) != 0;
                      shape.auto_increment = sqlite3_column_int(row, 1) != 0;
                    }));
  const std::string rowid = without_rowid ? "" : RowidName(columns);

  shape.columns = static_cast<uint32_t>(columns.size());
  const auto obstacle = [&](const char* what) { shape.obstacle = "table " + table + " " + what; };
  if (type != "table") {
    obstacle("is not an ordinary table");
  } else if (has_triggers) {
    obstacle("has triggers");
  } else if (!without_rowid && rowid.empty()) {
    obstacle("has columns named like all names of the rowid");
  }
  if (!shape.obstacle.empty()) return shape;

  const auto parameter = [](size_t number) { return "?" + std::to_string(number); };
  // "<rowid> = ?n AND a IS ?n+1 ...": the row exactly as it must be.
  const auto matches = [&](size_t first) {
    std::string sql;
    if (!without_rowid) sql = rowid + " = " + parameter(first);
    for (size_t i = 0; i < columns.size(); i++) {
      if (!sql.empty()) sql += " AND ";
      // IS also holds between NULLs; = says plainly that the key's index is to be used.
      const bool by_key = without_rowid && columns[i].is_key;
      sql += Quote(columns[i].name) + (by_key ? " = " : " IS ") + parameter(first + 1 + i);
    }
    return sql;
  };
  std::string names;
  std::string values;
  std::string settings;
  const auto add = [&](const std::string& name, size_t number) {
    const char* const comma = names.empty() ? "" : ", ";
    names += comma + name;
    values += comma + parameter(number);
    settings += comma + name + " = " + parameter(number);
  };
  if (!without_rowid) add(rowid, 1);
  for (size_t i = 0; i < columns.size(); i++) add(Quote(columns[i].name), i + 2);
  const std::string target = Quote(table);
  const size_t after_row = columns.size() + 2;
  shape.remove_row =
      LS_TRY(database.PrepareInternal("DELETE FROM " + target + " WHERE " + matches(1)));
  shape.insert_row = LS_TRY(database.PrepareInternal("INSERT INTO " + target + "(" + names +
                                                     ") VALUES (" + values + ")"));
  shape.restore_row = LS_TRY(database.PrepareInternal("UPDATE " + target + " SET " + settings +
                                                      " WHERE " + matches(after_row)));
  return shape;
}

// What was learned of tables is void when the schema has changed.
Result<void> RefreshShapes(Database& database) {
  ChangesetState& state = database.changeset_state();
  if (state.shapes_generation == database.schema_generation()) return Ok();
  state.shapes.clear();
  state.has_sequences = false;
  LS_TRY(ForEachRow(database, "SELECT 1 FROM sqlite_schema WHERE name = ?1", "sqlite_sequence",
                    [&](sqlite3_stmt*) { state.has_sequences = true; }));
  state.shapes_generation = database.schema_generation();
  return Ok();
}

Result<const TableShape*> ShapeOf(Database& database, const std::string& table) {
  ChangesetState& state = database.changeset_state();
  auto known = state.shapes.find(table);
  if (known == state.shapes.end()) {
    known = state.shapes.emplace(table, LS_TRY(LearnShape(database, table))).first;
  }
  return &known->second;
}

// Reading.

struct Value {
  ValueTag tag = kNull;
  int64_t integer = 0;
  double real = 0;
  BytesView bytes;
};

struct Part {
  PartKind kind = kTable;
  uint64_t table = 0;
  int64_t rowid = 0;        // Of the row before, for an update; the sequence, for a sequence.
  int64_t rowid_after = 0;  // Updates only.
  bool existed = false;     // Sequences only.
  size_t values = 0;        // Where its values begin.
};

struct TableName {
  std::string name;
  uint64_t columns = 0;
};

struct Parsed {
  std::vector<TableName> tables;
  std::vector<Part> parts;
};

Error Malformed() { return Error{ErrorCode::kMalformedBytes, "a changeset is damaged"}; }

bool ReadValue(ByteReader& reader, bool may_be_same, Value& value) {
  value.tag = static_cast<ValueTag>(reader.U8());
  switch (value.tag) {
    case kNull:
      break;
    case kInteger:
      value.integer = reader.I64();
      break;
    case kReal:
      value.real = reader.F64();
      break;
    case kText:
    case kBlob:
      value.bytes = reader.Block();
      break;
    case kSame:
      if (!may_be_same) return false;
      break;
    default:
      return false;
  }
  return reader.ok();
}

// Reads the whole structure, so that nothing is applied of a damaged changeset.
Result<Parsed> Parse(BytesView changeset) {
  Parsed parsed;
  if (changeset.empty()) return parsed;
  ByteReader reader(changeset);
  if (reader.U8() != kVersion) return Malformed();
  while (reader.ok() && !reader.AtEnd()) {
    const uint8_t kind = reader.U8();
    if (kind == kTable) {
      const std::string_view name = reader.Text();
      const uint64_t columns = reader.Varint();
      if (columns > changeset.size() && reader.ok()) return Malformed();
      parsed.tables.push_back({std::string(name), columns});
      continue;
    }
    if (kind > kSequence) return Malformed();
    Part part{.kind = static_cast<PartKind>(kind), .table = reader.Varint()};
    if (part.table >= parsed.tables.size()) return Malformed();
    if (kind == kSequence) part.existed = reader.U8() != 0;
    part.rowid = reader.I64();
    if (kind == kUpdated) part.rowid_after = reader.I64();
    part.values = reader.position();
    if (kind != kSequence) {
      const uint64_t columns = parsed.tables[static_cast<size_t>(part.table)].columns;
      const uint64_t count = kind == kUpdated ? columns * 2 : columns;
      Value value;
      for (uint64_t i = 0; i < count; i++) {
        if (!ReadValue(reader, kind == kUpdated && i >= columns, value)) return Malformed();
      }
    }
    parsed.parts.push_back(part);
  }
  if (!reader.ok()) return Malformed();
  return parsed;
}

// Whether `value` may be what a column equals `bind` by. What a bind becomes on its way into a
// comparison depends on the column's affinity, so values of different types are never told apart.
bool MayEqual(const Value& value, const PackedBind& bind) {
  if (value.tag == kNull) return bind.type == PackedBind::Type::kOther;
  if (value.tag == kSame) return false;  // The old value has been looked at.
  if (value.tag == kText && bind.type == PackedBind::Type::kText) {
    return std::ranges::equal(bind.text, value.bytes);
  }
  if (value.tag == kInteger && bind.type == PackedBind::Type::kInteger) {
    return bind.integer == value.integer;
  }
  return true;
}

// Rolling back.

int BindValue(sqlite3_stmt* statement, int index, const Value& value) {
  switch (value.tag) {
    case kInteger:
      return sqlite3_bind_int64(statement, index, value.integer);
    case kReal:
      return sqlite3_bind_double(statement, index, value.real);
    case kText:
      return sqlite3_bind_text64(statement, index, AsText(value.bytes).data(), value.bytes.size(),
                                 SQLITE_STATIC, SQLITE_UTF8);
    case kBlob:
      return sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(),
                                 SQLITE_STATIC);
    case kNull:
    case kSame:
      break;
  }
  return sqlite3_bind_null(statement, index);
}

// Runs one statement of a shape, which must change exactly one row.
Result<void> StepOneRow(Database& database, sqlite3_stmt* statement, const std::string& table) {
  const int result = sqlite3_step(statement);
  if (result == SQLITE_DONE) {
    sqlite3_reset(statement);
    if (database.changes() == 1) return Ok();
    return Error{ErrorCode::kNotUndoable,
                 "a row of table " + table + " is not as the event had left it"};
  }
  Error error = database.LastError(result, sqlite3_sql(statement));
  sqlite3_reset(statement);
  if (error.code == ErrorCode::kConstraint) error.code = ErrorCode::kNotUndoable;
  return error;
}

Result<void> RollBackRow(Database& database, BytesView changeset, const Part& part,
                         const TableName& table, const TableShape& shape) {
  const StatementId id = part.kind == kInserted  ? shape.remove_row
                         : part.kind == kDeleted ? shape.insert_row
                                                 : shape.restore_row;
  sqlite3_stmt* const statement = LS_TRY(database.Compiled(id));
  ByteReader reader(changeset.subspan(part.values));
  const int columns = static_cast<int>(shape.columns);
  std::vector<Value> old;
  sqlite3_bind_int64(statement, 1, part.rowid);
  for (int i = 0; i < columns; i++) {
    Value value;
    LS_CHECK(ReadValue(reader, false, value));
    BindValue(statement, i + 2, value);
    if (part.kind == kUpdated) old.push_back(value);
  }
  if (part.kind == kUpdated) {
    const int after_row = columns + 2;
    sqlite3_bind_int64(statement, after_row, part.rowid_after);
    for (int i = 0; i < columns; i++) {
      Value value;
      LS_CHECK(ReadValue(reader, true, value));
      if (value.tag == kSame) value = old[static_cast<size_t>(i)];
      BindValue(statement, after_row + 1 + i, value);
    }
  }
  return StepOneRow(database, statement, table.name);
}

Result<void> RestoreSequence(Database& database, const Part& part, const std::string& table) {
  BindsWriter binds;
  binds.Text(table);
  const StatementId remove =
      LS_TRY(database.PrepareInternal("DELETE FROM sqlite_sequence WHERE name = ?1"));
  LS_TRY(database.Run(remove, binds.view()));
  if (!part.existed) return Ok();
  const StatementId insert =
      LS_TRY(database.PrepareInternal("INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)"));
  binds.Int64(part.rowid);
  return database.Run(insert, binds.view());
}

}  // namespace

Result<ChangesetRecorder> ChangesetRecorder::Begin(Database& database) {
  ChangesetState& state = database.changeset_state();
  if (state.recording) return Error{ErrorCode::kNested, "changes are being recorded already"};
  LS_TRY(RefreshShapes(database));
  state.changes.Clear();
  state.changes.U8(kVersion);
  state.tables.clear();
  state.sequences.clear();
  state.rows = 0;
  state.complete = true;
  if (state.has_sequences) {
    LS_TRY(ForEachRow(database, "SELECT name, seq FROM sqlite_sequence WHERE name <> ?1", "",
                      [&](sqlite3_stmt* row) {
                        state.sequences.emplace_back(ColumnText(row, 0),
                                                     sqlite3_column_int64(row, 1));
                      }));
  }
  state.recording = true;
  sqlite3_preupdate_hook(database.handle(), OnPreupdate, &state);
  return ChangesetRecorder(database);
}

ChangesetRecorder::ChangesetRecorder(Database& database) : database_(&database) {}

ChangesetRecorder::ChangesetRecorder(ChangesetRecorder&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), obstacle_(std::move(other.obstacle_)) {}

ChangesetRecorder::~ChangesetRecorder() { End(); }

void ChangesetRecorder::End() {
  if (database_ == nullptr) return;
  sqlite3_preupdate_hook(database_->handle(), nullptr, nullptr);
  database_->changeset_state().recording = false;
  database_ = nullptr;
}

Result<Bytes> ChangesetRecorder::Finish() {
  LS_CHECK(database_ != nullptr);
  Database& database = *database_;
  End();
  ChangesetState& state = database.changeset_state();
  if (!state.complete) {
    obstacle_ = "a statement failed while changes were recorded";
  } else if (state.shapes_generation != database.schema_generation()) {
    obstacle_ = "the schema changed while changes were recorded";
  }
  if (state.rows == 0) return Bytes();  // An update that changes nothing may have named its table.
  for (size_t i = 0; i < state.tables.size() && obstacle_.empty(); i++) {
    const std::string& table = state.tables[i];
    const TableShape* const shape = LS_TRY(ShapeOf(database, table));
    obstacle_ = shape->obstacle;
    if (!shape->auto_increment) continue;
    const std::pair<std::string, int64_t>* before = nullptr;
    for (const auto& sequence : state.sequences) {
      if (SameName(sequence.first, table.c_str())) before = &sequence;
    }
    state.changes.U8(kSequence);
    state.changes.Varint(i);
    state.changes.U8(before != nullptr ? 1 : 0);
    state.changes.I64(before != nullptr ? before->second : 0);
  }
  const BytesView changes = state.changes.view();
  return Bytes(changes.begin(), changes.end());
}

bool MayChangeRow(BytesView changeset, const std::string& table, RowKey key, BytesView binds) {
  if (changeset.empty()) return false;
  const PackedBind wanted = BindAt(binds, key.parameter);
  ByteReader reader(changeset);
  if (reader.U8() != kVersion) return true;
  std::vector<std::pair<uint64_t, bool>> tables;  // Columns, and whether it is `table`.
  while (reader.ok() && !reader.AtEnd()) {
    const uint8_t kind = reader.U8();
    if (kind == kTable) {
      const bool is_asked = SameName(table, std::string(reader.Text()).c_str());
      tables.emplace_back(reader.Varint(), is_asked);
      continue;
    }
    const uint64_t number = reader.Varint();
    if (kind > kSequence || number >= tables.size()) return true;
    const auto& [columns, is_asked] = tables[static_cast<size_t>(number)];
    if (kind == kSequence) reader.U8();
    reader.I64();
    if (kind == kUpdated) reader.I64();
    if (kind == kSequence) continue;
    for (uint64_t i = 0; i < (kind == kUpdated ? columns * 2 : columns); i++) {
      Value value;
      if (!ReadValue(reader, kind == kUpdated && i >= columns, value)) return true;
      if (is_asked && i % columns == key.column && MayEqual(value, wanted)) return true;
    }
  }
  return !reader.ok();
}

Result<void> ApplyInverse(Database& database, BytesView changeset) {
  const Parsed parsed = LS_TRY(Parse(changeset));
  LS_TRY(RefreshShapes(database));
  std::vector<const TableShape*> shapes;
  for (const TableName& table : parsed.tables) {
    const TableShape* const shape = LS_TRY(ShapeOf(database, table.name));
    if (!shape->obstacle.empty()) return Error{ErrorCode::kNotUndoable, shape->obstacle};
    if (shape->columns != table.columns) {
      return Error{ErrorCode::kNotUndoable, "table " + table.name + " has other columns now"};
    }
    shapes.push_back(shape);
  }
  for (auto part = parsed.parts.rbegin(); part != parsed.parts.rend(); ++part) {
    if (part->kind == kSequence) continue;
    LS_TRY(RollBackRow(database, changeset, *part, parsed.tables[static_cast<size_t>(part->table)],
                       *shapes[static_cast<size_t>(part->table)]));
  }
  // Last, because putting a row back moves its sequence on.
  for (const Part& part : parsed.parts) {
    if (part.kind == kSequence) {
      LS_TRY(RestoreSequence(database, part, parsed.tables[static_cast<size_t>(part.table)].name));
    }
  }
  return Ok();
}

Result<TableSet> TablesOf(Database& database, BytesView changeset) {
  const Parsed parsed = LS_TRY(Parse(changeset));
  TableSet tables;
  for (const TableName& table : parsed.tables) {
    tables.Add(database.table_names().Intern(table.name));
  }
  return tables;
}

}  // namespace livestore

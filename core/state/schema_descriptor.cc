#include "core/state/schema_descriptor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <set>
#include <utility>

#include "core/base/fnv1a.h"
#include "core/base/json.h"
#include "core/base/limits.h"

namespace livestore {
namespace {

constexpr int64_t kDescriptorVersion = 1;
// The rows of these tables are not the app's, and its changesets leave them out.
constexpr std::string_view kReservedPrefixes[] = {"sqlite_", "__livestore_"};

Error Invalid(const std::string& where, const std::string& what) {
  return {ErrorCode::kInvalidSchema, where + ": " + what};
}

// ---- Names -----------------------------------------------------------------------------------

// As SQLite compares names.
std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// `text` for a message: quoted, shortened, with what would break a line made visible.
std::string Shown(std::string_view text) {
  constexpr size_t kShownBytesMax = 64;
  std::string shown = "\"";
  for (const char c : text.substr(0, kShownBytesMax)) {
    shown += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  if (text.size() > kShownBytesMax) shown += "...";
  return shown + "\"";
}

Result<void> CheckName(const std::string& where, std::string_view name) {
  if (name.empty()) return Invalid(where, "the name is empty");
  if (name.size() > limits::kNameBytesMax) {
    return Error{ErrorCode::kLimitExceeded, where + ": the name has " +
                                                std::to_string(name.size()) +
                                                " bytes, more than kNameBytesMax (" +
                                                std::to_string(limits::kNameBytesMax) + ")"};
  }
  if (name.find('\0') != std::string_view::npos) return Invalid(where, "the name holds NUL");
  return Ok();
}

// Tables and indexes live in one namespace of SQLite.
Result<void> CheckGlobalName(const std::string& where, std::string_view name,
                             std::set<std::string>& taken) {
  LS_TRY(CheckName(where, name));
  const std::string lower = LowerAscii(name);
  for (const std::string_view prefix : kReservedPrefixes) {
    if (lower.starts_with(prefix)) {
      return Invalid(where, "names that begin with \"" + std::string(prefix) + "\" are reserved");
    }
  }
  if (!taken.insert(lower).second) {
    return Invalid(where, "a table or index of this name exists already");
  }
  return Ok();
}

// ---- Shape of the JSON -----------------------------------------------------------------------

Result<void> CheckKeys(const std::string& where, const Json& object,
                       std::initializer_list<std::string_view> known) {
  if (object.type != Json::Type::kObject) return Invalid(where, "is not an object");
  for (const auto& [key, unused] : object.members) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return Invalid(where, "has the unknown key " + Shown(key));
    }
  }
  return Ok();
}

Result<std::string> GetText(const std::string& where, const Json& object, const char* key) {
  const Json* value = object.Find(key);
  if (value == nullptr || value->type != Json::Type::kText) {
    return Invalid(where, std::string(key) + " is not a string");
  }
  return value->text;
}

// Absent is false.
Result<bool> GetFlag(const std::string& where, const Json& object, const char* key) {
  const Json* value = object.Find(key);
  if (value == nullptr) return false;
  if (value->type != Json::Type::kBoolean) {
    return Invalid(where, std::string(key) + " is not a boolean");
  }
  return value->boolean;
}

Result<const std::vector<Json>*> GetArray(const std::string& where, const Json& object,
                                          const char* key) {
  const Json* value = object.Find(key);
  if (value == nullptr || value->type != Json::Type::kArray) {
    return Invalid(where, std::string(key) + " is not an array");
  }
  return &value->elements;
}

// ---- Defaults --------------------------------------------------------------------------------

std::optional<std::string> HexLiteral(std::string_view hex) {
  const auto is_hex_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  if (hex.size() % 2 != 0 || !std::all_of(hex.begin(), hex.end(), is_hex_digit)) return {};
  return "x'" + std::string(hex) + "'";
}

// The integer that `value` is, whichever way JSON wrote it.
std::optional<int64_t> IntegerOf(const Json& value) {
  if (value.type == Json::Type::kUnsigned) {
    if (value.natural > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return {};
    return static_cast<int64_t>(value.natural);
  }
  if (value.type == Json::Type::kInteger) return value.integer;
  if (value.type != Json::Type::kReal) return {};
  constexpr double kSafeMax = 9007199254740992;  // 2^53: beyond, a double no longer counts by ones.
  if (std::trunc(value.real) != value.real || std::abs(value.real) > kSafeMax) return {};
  return static_cast<int64_t>(value.real);
}

// A number of JSON is one of SQL too, as it was written.
std::string RealLiteral(const Json& value) {
  if (value.type == Json::Type::kReal) return value.text;
  return value.type == Json::Type::kInteger ? std::to_string(value.integer)
                                            : std::to_string(value.natural);
}

// A default that was given as an encoded value, as SQL. STRICT would refuse a value of another type
// at every insert, so it is refused here, once.
Result<std::string> LiteralSql(const std::string& where, const std::string& type,
                               const Json& value) {
  if (value.type == Json::Type::kNull) return std::string("null");
  if (type == "text" && value.type == Json::Type::kText) return QuoteText(value.text);
  if (type == "integer") {
    if (const auto number = IntegerOf(value)) return std::to_string(*number);
  }
  if (type == "real" && value.is_number()) return RealLiteral(value);
  if (type == "blob" && value.type == Json::Type::kObject) {
    LS_TRY(CheckKeys(where + ", default value", value, {"blob"}));
    const std::string hex = LS_TRY(GetText(where + ", default value", value, "blob"));
    if (const auto literal = HexLiteral(hex)) return *literal;
    return Invalid(where, "the default blob is not hex digits in pairs");
  }
  return Invalid(where, "the default does not fit the type " + type);
}

Result<std::optional<std::string>> ParseDefault(const std::string& where, const std::string& type,
                                                const Json& column) {
  const Json* value = column.Find("default");
  if (value == nullptr || value->type == Json::Type::kNull) return std::optional<std::string>();
  LS_TRY(CheckKeys(where + ", default", *value, {"sql", "value"}));
  if (value->members.size() != 1) return Invalid(where, "the default is neither {sql} nor {value}");
  if (const Json* literal = value->Find("value")) {
    return std::optional(LS_TRY(LiteralSql(where, type, *literal)));
  }
  const std::string sql = LS_TRY(GetText(where + ", default", *value, "sql"));
  if (sql.empty() || sql.find('\0') != std::string::npos) {
    return Invalid(where, "the SQL of the default is empty or holds NUL");
  }
  if (sql.size() > limits::kSqlBytesMax) {
    return Error{ErrorCode::kLimitExceeded,
                 where + ": the SQL of the default is longer than kSqlBytesMax"};
  }
  // Parentheses make any expression a valid default; the line break ends a comment it may end in.
  return std::optional("(" + sql + (sql.find("--") == std::string::npos ? ")" : "\n)"));
}

// ---- Columns, indexes, tables ----------------------------------------------------------------

Result<ColumnDescriptor> ParseColumn(const std::string& where, const Json& json) {
  LS_TRY(
      CheckKeys(where, json,
                {"name", "type", "nullable", "primaryKey", "autoIncrement", "default", "codec"}));
  ColumnDescriptor column;
  column.name = LS_TRY(GetText(where, json, "name"));
  const std::string named = where + " " + Shown(column.name);
  LS_TRY(CheckName(named, column.name));
  column.type = LS_TRY(GetText(named, json, "type"));
  if (column.type != "text" && column.type != "integer" && column.type != "real" &&
      column.type != "blob") {
    return Invalid(named, "the type " + Shown(column.type) + " is not text, integer, real or blob");
  }
  column.nullable = LS_TRY(GetFlag(named, json, "nullable"));
  column.primary_key = LS_TRY(GetFlag(named, json, "primaryKey"));
  column.auto_increment = LS_TRY(GetFlag(named, json, "autoIncrement"));
  if (column.primary_key && column.nullable) {
    return Invalid(named, "a primary key cannot be nullable");
  }
  column.default_sql = LS_TRY(ParseDefault(named, column.type, json));
  column.codec = column.type;
  if (json.Find("codec") != nullptr) column.codec = LS_TRY(GetText(named, json, "codec"));
  return column;
}

// `columns` holds the names of the table's columns in lower case.
Result<IndexDescriptor> ParseIndex(const std::string& where, const std::set<std::string>& columns,
                                   const Json& json) {
  LS_TRY(CheckKeys(where, json, {"name", "columns", "unique"}));
  IndexDescriptor index;
  index.name = LS_TRY(GetText(where, json, "name"));
  const std::string named = where + " " + Shown(index.name);
  index.unique = LS_TRY(GetFlag(named, json, "unique"));
  std::set<std::string> taken;
  for (const Json& json_column : *LS_TRY(GetArray(named, json, "columns"))) {
    if (json_column.type != Json::Type::kText) return Invalid(named, "a column is not a string");
    const std::string& column = json_column.text;
    if (!columns.contains(LowerAscii(column))) {
      return Invalid(named, "the table has no column " + Shown(column));
    }
    if (!taken.insert(LowerAscii(column)).second) {
      return Invalid(named, "the column " + Shown(column) + " is listed twice");
    }
    index.columns.push_back(column);
  }
  if (index.columns.empty()) return Invalid(named, "it has no columns");
  return index;
}

size_t PrimaryKeyColumns(const TableDescriptor& table) {
  return static_cast<size_t>(std::count_if(table.columns.begin(), table.columns.end(),
                                           [](const auto& column) { return column.primary_key; }));
}

Result<TableDescriptor> ParseTable(const std::string& where, const Json& json,
                                   std::set<std::string>& names) {
  LS_TRY(CheckKeys(where, json, {"name", "columns", "indexes"}));
  TableDescriptor table;
  table.name = LS_TRY(GetText(where, json, "name"));
  const std::string named = "table " + Shown(table.name);
  LS_TRY(CheckGlobalName(named, table.name, names));

  const std::vector<Json>& columns = *LS_TRY(GetArray(named, json, "columns"));
  if (columns.empty()) return Invalid(named, "it has no columns");
  if (columns.size() > limits::kColumnsMax) {
    return Error{ErrorCode::kLimitExceeded, named + " has " + std::to_string(columns.size()) +
                                                " columns, more than kColumnsMax (" +
                                                std::to_string(limits::kColumnsMax) + ")"};
  }
  std::set<std::string> column_names;
  for (const Json& json_column : columns) {
    ColumnDescriptor column = LS_TRY(ParseColumn(named + ", column", json_column));
    if (!column_names.insert(LowerAscii(column.name)).second) {
      return Invalid(named, "the column " + Shown(column.name) + " is declared twice");
    }
    table.columns.push_back(std::move(column));
  }
  const bool single_key = PrimaryKeyColumns(table) == 1;
  for (const ColumnDescriptor& column : table.columns) {
    const bool can_increment = column.type == "integer" && column.primary_key && single_key;
    if (column.auto_increment && !can_increment) {
      return Invalid(named + ", column " + Shown(column.name),
                     "autoIncrement is only for a single integer primary key");
    }
  }

  if (json.Find("indexes") != nullptr) {
    for (const Json& json_index : *LS_TRY(GetArray(named, json, "indexes"))) {
      table.indexes.push_back(LS_TRY(ParseIndex(named + ", index", column_names, json_index)));
    }
  }
  return table;
}

// ---- DDL -------------------------------------------------------------------------------------

// Each inside of double quotes, with commas between.
std::string QuotedList(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (!list.empty()) list += ", ";
    list += QuoteIdentifier(name);
  }
  return list;
}

}  // namespace

Result<SchemaDescriptor> ParseSchemaDescriptor(std::string_view json) {
  const std::string where = "schema descriptor";
  if (json.size() > limits::kSchemaBytesMax) {
    return Error{ErrorCode::kLimitExceeded, where + ": it has " + std::to_string(json.size()) +
                                                " bytes, more than kSchemaBytesMax (" +
                                                std::to_string(limits::kSchemaBytesMax) + ")"};
  }
  Json root;
  switch (ParseJson(json, root)) {
    case JsonOutcome::kParsed:
      break;
    case JsonOutcome::kNotJson:
      return Invalid(where, "it is not JSON");
    case JsonOutcome::kTooDeep:
      return Error{ErrorCode::kLimitExceeded, where + ": it nests deeper than kJsonDepthMax (" +
                                                  std::to_string(limits::kJsonDepthMax) + ")"};
  }
  LS_TRY(CheckKeys(where, root, {"version", "tables", "materializers"}));
  const Json* version = root.Find("version");
  if (version == nullptr || IntegerOf(*version) != kDescriptorVersion) {
    return Invalid(where, "version is not " + std::to_string(kDescriptorVersion));
  }
  const std::vector<Json>& tables = *LS_TRY(GetArray(where, root, "tables"));
  if (tables.size() > limits::kTablesMax) {
    return Error{ErrorCode::kLimitExceeded, where + ": " + std::to_string(tables.size()) +
                                                " tables are more than kTablesMax (" +
                                                std::to_string(limits::kTablesMax) + ")"};
  }
  SchemaDescriptor schema;
  std::set<std::string> names;
  for (size_t i = 0; i < tables.size(); ++i) {
    schema.tables.push_back(
        LS_TRY(ParseTable(where + ", table " + std::to_string(i), tables[i], names)));
  }
  if (root.Find("materializers") != nullptr) {
    schema.materializers = LS_TRY(GetText(where, root, "materializers"));
    if (schema.materializers.size() > limits::kNameBytesMax) {
      return Error{ErrorCode::kLimitExceeded, where + ": materializers has " +
                                                  std::to_string(schema.materializers.size()) +
                                                  " bytes, more than kNameBytesMax (" +
                                                  std::to_string(limits::kNameBytesMax) + ")"};
    }
  }
  // After all tables, so that the message about a name in use points at the index.
  for (const TableDescriptor& table : schema.tables) {
    for (const IndexDescriptor& index : table.indexes) {
      LS_TRY(CheckGlobalName("table " + Shown(table.name) + ", index " + Shown(index.name),
                             index.name, names));
    }
  }
  return schema;
}

std::string CreateTableSql(const TableDescriptor& table) {
  const bool composite_key = PrimaryKeyColumns(table) > 1;
  std::vector<std::string> key;
  std::string sql = "create table " + QuoteIdentifier(table.name) + " (";
  for (const ColumnDescriptor& column : table.columns) {
    if (&column != &table.columns.front()) sql += ", ";
    sql += QuoteIdentifier(column.name) + " " + column.type;
    const bool inline_key = column.primary_key && !composite_key;
    if (inline_key) sql += " primary key";
    if (column.auto_increment) sql += " autoincrement";
    // SQLite would take NULL as the key of a row otherwise, and a row without a key is one that no
    // changeset can find again. An integer key is the rowid: NULL there asks for the next one.
    const bool is_rowid = inline_key && column.type == "integer";
    if (!column.nullable && !is_rowid) sql += " not null";
    if (column.default_sql) sql += " default " + *column.default_sql;
    if (column.primary_key) key.push_back(column.name);
  }
  if (composite_key) sql += ", primary key (" + QuotedList(key) + ")";
  return sql + ") strict";
}

std::string CreateIndexSql(const TableDescriptor& table, const IndexDescriptor& index) {
  return std::string(index.unique ? "create unique index " : "create index ") +
         QuoteIdentifier(index.name) + " on " + QuoteIdentifier(table.name) + " (" +
         QuotedList(index.columns) + ")";
}

std::string SchemaHash(const SchemaDescriptor& schema) {
  Fnv1a hash;
  for (const TableDescriptor& table : schema.tables) {
    hash.Part(CreateTableSql(table));
    for (const ColumnDescriptor& column : table.columns) hash.Part(column.codec);
    for (const IndexDescriptor& index : table.indexes) hash.Part(CreateIndexSql(table, index));
  }
  if (!schema.materializers.empty()) {
    hash.Part("materializers");
    hash.Part(schema.materializers);
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[(hash.hash() >> shift) & 15];
  return text;
}

std::string QuoteIdentifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + "\"";
}

std::string QuoteText(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    // SQL text ends at a NUL, so this one is spelled in bytes.
    constexpr char kDigits[] = "0123456789abcdef";
    std::string cast = "(cast(x'";
    for (const char c : text) {
      cast += kDigits[static_cast<uint8_t>(c) >> 4];
      cast += kDigits[static_cast<uint8_t>(c) & 15];
    }
    return cast + "' as text))";
  }
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c;
    if (c == '\'') quoted += c;
  }
  return quoted + "'";
}

}  // namespace livestore

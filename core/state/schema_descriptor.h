// SchemaDescriptor: the tables an app declares, as JavaScript hands them over (JSON), checked, and
// the two things made of them: DDL and the schema hash.
//
// The JSON is written by js/src/schema/descriptor.ts:
//     {"version":1,"tables":[{"name","columns":[{"name","type","nullable","primaryKey",
//       "autoIncrement","default","codec"}],"indexes":[{"name","columns","unique"}]}],
//       "materializers":text}
// default: null (none) | {"sql":text} | {"value":string|number|null|{"blob":hex}}.
// Flags, default, indexes, codec (then as type) and materializers (then empty) may be left out;
// other keys are refused.
//
// Names are quoted everywhere, literals escaped. Names may not be empty, hold NUL or repeat (ASCII
// case does not count, as in SQLite); those of tables and indexes share one namespace and may not
// begin with "sqlite_" or "__livestore_".

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace livestore {

struct ColumnDescriptor {
  std::string name;
  std::string type;  // text, integer, real or blob.
  bool nullable = false;
  bool primary_key = false;
  bool auto_increment = false;
  std::optional<std::string>
      default_sql{};  // An SQL expression, already escaped when it was a value.
  std::string codec;  // How JavaScript encodes it; part of the hash.
};

struct IndexDescriptor {
  std::string name;
  std::vector<std::string> columns;
  bool unique = false;
};

struct TableDescriptor {
  std::string name;
  std::vector<ColumnDescriptor> columns;
  std::vector<IndexDescriptor> indexes;
};

struct SchemaDescriptor {
  std::vector<TableDescriptor> tables;
  // Whatever the app gives as the version of its materializers: another one makes another hash.
  std::string materializers;
};

// Fails with kInvalidSchema naming table and column, or kLimitExceeded.
Result<SchemaDescriptor> ParseSchemaDescriptor(std::string_view json);

// `create table ... strict` in the shape LiveStore uses: "<col>" <type> <primary key> <not null>
// <default>; a single primary key inline, a composite one at table level. Unlike there, a key that
// is not the rowid is `not null`: the schema says so, and changesets need it.
std::string CreateTableSql(const TableDescriptor& table);
std::string CreateIndexSql(const TableDescriptor& table, const IndexDescriptor& index);

// Sixteen hex digits that change whenever tables, columns, their order, defaults, codecs, indexes
// or the version of the materializers change: the state must then be rebuilt. FNV-1a over the DDL,
// the codecs and that version, unless it is empty.
std::string SchemaHash(const SchemaDescriptor& schema);

// `name` in double quotes, inner quotes doubled.
std::string QuoteIdentifier(std::string_view name);
// `text` as an SQL string literal, or as an expression in parentheses if it holds NUL.
std::string QuoteText(std::string_view text);

}  // namespace livestore

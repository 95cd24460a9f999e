#include "core/state/schema_descriptor.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/base/limits.h"

namespace livestore {
namespace {

std::string Schema(const std::string& tables) {
  return R"({"version":1,"tables":[)" + tables + "]}";
}

std::string Table(const std::string& columns, const std::string& rest = "") {
  return Schema(R"({"name":"todos","columns":[)" + columns + "]" + rest + "}");
}

// The DDL of the only table.
std::string Ddl(const std::string& json) {
  const auto schema = ParseSchemaDescriptor(json);
  if (!schema.ok()) return schema.error().message;
  return CreateTableSql(schema->tables.at(0));
}

void ExpectRefused(const std::string& json, const std::string& message,
                   ErrorCode code = ErrorCode::kInvalidSchema) {
  const auto schema = ParseSchemaDescriptor(json);
  ASSERT_FALSE(schema.ok()) << json;
  EXPECT_EQ(schema.error().message, message);
  EXPECT_EQ(schema.error().code, code);
}

constexpr char kId[] = R"({"name":"id","type":"text","primaryKey":true})";

TEST(SchemaDescriptorTest, TheFullShapeIsRead) {
  const auto schema = ParseSchemaDescriptor(
      R"({"version":1,"tables":[{"name":"todos","columns":[
            {"name":"id","type":"text","nullable":false,"primaryKey":true,"autoIncrement":false,
             "default":null,"codec":"text"},
            {"name":"done","type":"integer","nullable":true,"primaryKey":false,
             "autoIncrement":false,"default":{"value":0},"codec":"boolean"}],
          "indexes":[{"name":"by_done","columns":["done","id"],"unique":true}]},
         {"name":"other","columns":[{"name":"n","type":"real"}],"indexes":[]}]})");
  ASSERT_TRUE(schema.ok()) << schema.error().message;
  ASSERT_EQ(schema->tables.size(), 2u);
  const TableDescriptor& todos = schema->tables[0];
  EXPECT_EQ(todos.name, "todos");
  ASSERT_EQ(todos.columns.size(), 2u);
  EXPECT_TRUE(todos.columns[0].primary_key);
  EXPECT_FALSE(todos.columns[0].default_sql.has_value());
  EXPECT_TRUE(todos.columns[1].nullable);
  EXPECT_EQ(todos.columns[1].default_sql, "0");
  EXPECT_EQ(todos.columns[1].codec, "boolean");
  ASSERT_EQ(todos.indexes.size(), 1u);
  EXPECT_EQ(CreateIndexSql(todos, todos.indexes[0]),
            R"(create unique index "by_done" on "todos" ("done", "id"))");
  EXPECT_EQ(schema->tables[1].columns[0].codec, "real");
}

TEST(SchemaDescriptorTest, NoTablesAreASchemaToo) {
  const auto schema = ParseSchemaDescriptor(Schema(""));
  ASSERT_TRUE(schema.ok());
  EXPECT_TRUE(schema->tables.empty());
}

// ---- DDL -------------------------------------------------------------------------------------

TEST(CreateTableTest, ASingleKeyIsInlineAndTheTableStrict) {
  EXPECT_EQ(Ddl(Table(std::string(kId) + R"(,{"name":"title","type":"text"},
                      {"name":"note","type":"blob","nullable":true})")),
            R"(create table "todos" ("id" text primary key not null, "title" text not null, )"
            R"("note" blob) strict)");
}

TEST(CreateTableTest, AnIntegerKeyIsTheRowid) {
  EXPECT_EQ(Ddl(Table(R"({"name":"id","type":"integer","primaryKey":true})")),
            R"(create table "todos" ("id" integer primary key) strict)");
  EXPECT_EQ(Ddl(Table(R"({"name":"id","type":"integer","primaryKey":true,"autoIncrement":true})")),
            R"(create table "todos" ("id" integer primary key autoincrement) strict)");
}

TEST(CreateTableTest, ACompositeKeyIsAtTableLevel) {
  EXPECT_EQ(Ddl(Table(R"({"name":"a","type":"text","primaryKey":true},
                         {"name":"v","type":"real","nullable":true},
                         {"name":"b","type":"integer","primaryKey":true})")),
            R"(create table "todos" ("a" text not null, "v" real, "b" integer not null, )"
            R"(primary key ("a", "b")) strict)");
}

std::string DefaultOf(const std::string& type, const std::string& value) {
  const std::string ddl =
      Ddl(Table(R"({"name":"c","type":")" + type + R"(","default":)" + value + "}"));
  const std::string before = R"(create table "todos" ("c" )" + type + " not null default ";
  if (!ddl.starts_with(before)) return ddl;
  return ddl.substr(before.size(), ddl.size() - before.size() - std::string(") strict").size());
}

TEST(CreateTableTest, DefaultsAreEscaped) {
  EXPECT_EQ(DefaultOf("text", R"({"value":""})"), "''");
  EXPECT_EQ(DefaultOf("text", R"({"value":"it's '' \"so\"; drop table x --"})"),
            "'it''s '''' \"so\"; drop table x --'");
  EXPECT_EQ(DefaultOf("text", R"({"value":"a\u0000b"})"), "(cast(x'610062' as text))");
  EXPECT_EQ(DefaultOf("integer", R"({"value":-5})"), "-5");
  EXPECT_EQ(DefaultOf("integer", R"({"value":1e3})"), "1000");
  EXPECT_EQ(DefaultOf("integer", R"({"value":9223372036854775807})"), "9223372036854775807");
  EXPECT_EQ(DefaultOf("real", R"({"value":0.1})"), "0.1");
  EXPECT_EQ(DefaultOf("real", R"({"value":-1e300})"), "-1e300");
  EXPECT_EQ(DefaultOf("real", R"({"value":2})"), "2");
  EXPECT_EQ(DefaultOf("blob", R"({"value":{"blob":"00fFA9"}})"), "x'00fFA9'");
  EXPECT_EQ(DefaultOf("blob", R"({"value":{"blob":""}})"), "x''");
  EXPECT_EQ(DefaultOf("text", R"({"value":null})"), "null");
  EXPECT_EQ(DefaultOf("text", R"({"sql":"CURRENT_TIMESTAMP"})"), "(CURRENT_TIMESTAMP)");
  EXPECT_EQ(DefaultOf("text", R"({"sql":"'x' -- why"})"), "('x' -- why\n)");
}

TEST(CreateTableTest, NamesAreQuoted) {
  const auto schema = ParseSchemaDescriptor(Schema(
      R"({"name":"or\"der; --","columns":[{"name":"select \"x\"","type":"text"}],
          "indexes":[{"name":"i\"dx","columns":["select \"x\""]}]})"));
  ASSERT_TRUE(schema.ok()) << schema.error().message;
  const TableDescriptor& table = schema->tables[0];
  EXPECT_EQ(CreateTableSql(table),
            R"(create table "or""der; --" ("select ""x""" text not null) strict)");
  EXPECT_EQ(CreateIndexSql(table, table.indexes[0]),
            R"(create index "i""dx" on "or""der; --" ("select ""x"""))");
}

TEST(QuoteTest, QuotesAreDoubled) {
  EXPECT_EQ(QuoteIdentifier(""), "\"\"");
  EXPECT_EQ(QuoteIdentifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(QuoteText(""), "''");
  EXPECT_EQ(QuoteText("a'b"), "'a''b'");
}

// ---- Refusals --------------------------------------------------------------------------------

TEST(SchemaDescriptorTest, WhatIsNotTheShapeIsRefused) {
  ExpectRefused("", "schema descriptor: it is not JSON");
  ExpectRefused("{", "schema descriptor: it is not JSON");
  ExpectRefused("[]", "schema descriptor: is not an object");
  ExpectRefused("null", "schema descriptor: is not an object");
  ExpectRefused("{}", "schema descriptor: version is not 1");
  ExpectRefused(R"({"version":2,"tables":[]})", "schema descriptor: version is not 1");
  ExpectRefused(R"({"version":"1","tables":[]})", "schema descriptor: version is not 1");
  ExpectRefused(R"({"version":1})", "schema descriptor: tables is not an array");
  ExpectRefused(R"({"version":1,"tables":{}})", "schema descriptor: tables is not an array");
  ExpectRefused(R"({"version":1,"tables":[],"more":1})",
                "schema descriptor: has the unknown key \"more\"");
  ExpectRefused(R"({"version":1,"tables":[],"__proto__":1})",
                "schema descriptor: has the unknown key \"__proto__\"");
  ExpectRefused(Schema("1"), "schema descriptor, table 0: is not an object");
  ExpectRefused(Schema(R"({"columns":[]})"), "schema descriptor, table 0: name is not a string");
  ExpectRefused(Schema(R"({"name":"todos"})"), "table \"todos\": columns is not an array");
  ExpectRefused(Table(""), "table \"todos\": it has no columns");
  ExpectRefused(Table(kId, R"(,"indices":[])"),
                "schema descriptor, table 0: has the unknown key \"indices\"");
}

TEST(SchemaDescriptorTest, ColumnsAreNamedInErrors) {
  ExpectRefused(Table("7"), "table \"todos\", column: is not an object");
  ExpectRefused(Table(R"({"type":"text"})"), "table \"todos\", column: name is not a string");
  ExpectRefused(Table(R"({"name":"","type":"text"})"),
                "table \"todos\", column \"\": the name is empty");
  ExpectRefused(Table(R"({"name":"a\u0000b","type":"text"})"),
                "table \"todos\", column \"a?b\": the name holds NUL");
  ExpectRefused(Table(R"({"name":"c"})"), "table \"todos\", column \"c\": type is not a string");
  ExpectRefused(Table(R"({"name":"c","type":"varchar"})"),
                "table \"todos\", column \"c\": the type \"varchar\" is not text, integer, real or "
                "blob");
  ExpectRefused(Table(R"({"name":"c","type":"text","nullable":1})"),
                "table \"todos\", column \"c\": nullable is not a boolean");
  ExpectRefused(Table(R"({"name":"c","type":"text","codec":1})"),
                "table \"todos\", column \"c\": codec is not a string");
  ExpectRefused(Table(R"({"name":"c","type":"text","nullable":true,"primaryKey":true})"),
                "table \"todos\", column \"c\": a primary key cannot be nullable");
  ExpectRefused(Table(R"({"name":"C","type":"text"},{"name":"c","type":"text"})"),
                "table \"todos\": the column \"c\" is declared twice");
}

TEST(SchemaDescriptorTest, AutoIncrementIsForASingleIntegerKey) {
  const std::string message =
      "table \"todos\", column \"n\": autoIncrement is only for a single integer primary key";
  ExpectRefused(Table(R"({"name":"n","type":"integer","autoIncrement":true})"), message);
  ExpectRefused(Table(R"({"name":"n","type":"text","primaryKey":true,"autoIncrement":true})"),
                message);
  ExpectRefused(Table(std::string(kId) +
                      R"(,{"name":"n","type":"integer","primaryKey":true,"autoIncrement":true})"),
                message);
}

TEST(SchemaDescriptorTest, DefaultsMustFitTheirType) {
  const auto expect = [](const std::string& type, const std::string& value,
                         const std::string& message) {
    ExpectRefused(Table(R"({"name":"c","type":")" + type + R"(","default":)" + value + "}"),
                  "table \"todos\", column \"c\"" + message);
  };
  expect("text", R"({"value":1})", ": the default does not fit the type text");
  expect("text", R"({"value":true})", ": the default does not fit the type text");
  expect("integer", R"({"value":"1"})", ": the default does not fit the type integer");
  expect("integer", R"({"value":1.5})", ": the default does not fit the type integer");
  expect("integer", R"({"value":1e300})", ": the default does not fit the type integer");
  expect("integer", R"({"value":18446744073709551615})",
         ": the default does not fit the type integer");
  expect("real", R"({"value":"1"})", ": the default does not fit the type real");
  expect("blob", R"({"value":"00"})", ": the default does not fit the type blob");
  expect("blob", R"({"value":{"blob":"0"}})", ": the default blob is not hex digits in pairs");
  expect("blob", R"({"value":{"blob":"0g"}})", ": the default blob is not hex digits in pairs");
  expect("blob", R"({"value":{}})", ", default value: blob is not a string");
  expect("text", R"({"value":[]})", ": the default does not fit the type text");
  expect("text", R"("x")", ", default: is not an object");
  expect("text", R"({})", ": the default is neither {sql} nor {value}");
  expect("text", R"({"sql":"1","value":"1"})", ": the default is neither {sql} nor {value}");
  expect("text", R"({"thunk":1})", ", default: has the unknown key \"thunk\"");
  expect("text", R"({"sql":1})", ", default: sql is not a string");
  expect("text", R"({"sql":""})", ": the SQL of the default is empty or holds NUL");
  expect("text", R"({"sql":"1\u0000"})", ": the SQL of the default is empty or holds NUL");
}

TEST(SchemaDescriptorTest, IndexesAreChecked) {
  const auto expect = [](const std::string& indexes, const std::string& message) {
    ExpectRefused(Table(kId, R"(,"indexes":)" + indexes), "table \"todos\"" + message);
  };
  expect("{}", ": indexes is not an array");
  expect("[1]", ", index: is not an object");
  expect(R"([{"columns":["id"]}])", ", index: name is not a string");
  expect(R"([{"name":"i"}])", ", index \"i\": columns is not an array");
  expect(R"([{"name":"i","columns":[]}])", ", index \"i\": it has no columns");
  expect(R"([{"name":"i","columns":[1]}])", ", index \"i\": a column is not a string");
  expect(R"([{"name":"i","columns":["nope"]}])", ", index \"i\": the table has no column \"nope\"");
  expect(R"([{"name":"i","columns":["id","ID"]}])",
         ", index \"i\": the column \"ID\" is listed twice");
  expect(R"([{"name":"i","columns":["id"],"unique":"yes"}])",
         ", index \"i\": unique is not a boolean");
  expect(R"([{"name":"","columns":["id"]}])", ", index \"\": the name is empty");
  expect(R"([{"name":"sqlite_i","columns":["id"]}])",
         ", index \"sqlite_i\": names that begin with \"sqlite_\" are reserved");
  expect(R"([{"name":"i","columns":["id"]},{"name":"I","columns":["id"]}])",
         ", index \"I\": a table or index of this name exists already");
  expect(R"([{"name":"Todos","columns":["id"]}])",
         ", index \"Todos\": a table or index of this name exists already");
  EXPECT_TRUE(
      ParseSchemaDescriptor(Table(kId, R"(,"indexes":[{"name":"i","columns":["ID"]}])")).ok());
}

TEST(SchemaDescriptorTest, TableNamesAreChecked) {
  const auto table = [](const std::string& name) {
    return R"({"name":")" + name + R"(","columns":[)" + kId + "]}";
  };
  ExpectRefused(Schema(table("")), "table \"\": the name is empty");
  ExpectRefused(Schema(table("a\\u0000")), "table \"a?\": the name holds NUL");
  ExpectRefused(Schema(table("SQLite_x")),
                "table \"SQLite_x\": names that begin with \"sqlite_\" are reserved");
  ExpectRefused(Schema(table("__livestore_state")),
                "table \"__livestore_state\": names that begin with \"__livestore_\" are reserved");
  ExpectRefused(Schema(table("a") + "," + table("A")),
                "table \"A\": a table or index of this name exists already");
  EXPECT_TRUE(ParseSchemaDescriptor(Schema(table("__proto__") + "," + table("größe"))).ok());
  ExpectRefused(Schema(table("\xff")), "schema descriptor: it is not JSON");
}

TEST(SchemaDescriptorTest, LimitsAreNamed) {
  const auto expect_limit = [](const std::string& json, const std::string& part) {
    const auto schema = ParseSchemaDescriptor(json);
    ASSERT_FALSE(schema.ok()) << part;
    EXPECT_EQ(schema.error().code, ErrorCode::kLimitExceeded);
    EXPECT_NE(schema.error().message.find(part), std::string::npos) << schema.error().message;
  };
  std::string columns = kId;
  for (size_t i = 1; i <= limits::kColumnsMax; ++i) {
    columns += R"(,{"name":"c)" + std::to_string(i) + R"(","type":"text"})";
  }
  expect_limit(Table(columns), "table \"todos\" has 501 columns, more than kColumnsMax (500)");

  std::string tables;
  for (size_t i = 0; i <= limits::kTablesMax; ++i) {
    tables += (i == 0 ? "" : ",") + (R"({"name":"t)" + std::to_string(i)) + R"(","columns":[)" +
              kId + "]}";
  }
  expect_limit(Schema(tables), "1001 tables are more than kTablesMax (1000)");
  expect_limit(
      Table(R"({"name":")" + std::string(limits::kNameBytesMax + 1, 'n') + R"(","type":"text"})"),
      "kNameBytesMax");
  expect_limit(std::string(limits::kSchemaBytesMax + 1, ' '), "kSchemaBytesMax");
  expect_limit(Table(R"({"name":"c","type":"text","default":{"sql":")" +
                     std::string(limits::kSqlBytesMax + 1, '1') + R"("}})"),
               "kSqlBytesMax");
}

TEST(SchemaDescriptorTest, ADepthBombIsRefused) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string bomb = R"({"version":1,"tables":)";
    for (int i = 0; i < 1'000'000; ++i) bomb += open;
    const auto schema = ParseSchemaDescriptor(bomb);
    ASSERT_FALSE(schema.ok());
    EXPECT_EQ(schema.error().code, ErrorCode::kLimitExceeded);
  }
}

// Nothing may crash, whatever part of a descriptor is damaged.
TEST(SchemaDescriptorTest, AnyFlippedByteIsRefusedOrReadable) {
  const std::string json = Table(
      R"({"name":"id","type":"integer","primaryKey":true,"autoIncrement":true},
         {"name":"b","type":"blob","nullable":true,"default":{"value":{"blob":"00"}}},
         {"name":"t","type":"text","default":{"sql":"1"},"codec":"json"})",
      R"(,"indexes":[{"name":"i","columns":["b","t"],"unique":false}])");
  ASSERT_TRUE(ParseSchemaDescriptor(json).ok());
  for (size_t i = 0; i < json.size(); ++i) {
    ASSERT_FALSE(ParseSchemaDescriptor(json.substr(0, i)).ok());
    for (const char value : std::string_view("\0\"\\{}[],:019aeE.- \x80\xff", 20)) {
      std::string flipped = json;
      flipped[i] = value;
      const auto schema = ParseSchemaDescriptor(flipped);
      EXPECT_EQ(schema.ok() ? SchemaHash(*schema).size() : 16u, 16u);
    }
  }
}

// ---- Hash ------------------------------------------------------------------------------------

std::string HashOf(const std::string& json) {
  const auto schema = ParseSchemaDescriptor(json);
  return schema.ok() ? SchemaHash(*schema) : schema.error().message;
}

TEST(SchemaHashTest, IsStable) {
  // Stored in every state database: another value means that every store is rebuilt.
  EXPECT_EQ(HashOf(Schema("")), "cbf29ce484222325");
  EXPECT_EQ(HashOf(Table(kId)), "cef4d5a21e3a8c8a");
}

TEST(SchemaHashTest, ChangesWithEverythingTheStateDependsOn) {
  const std::string id(kId);
  const std::string other = R"({"name":"b","columns":[)" + id + "]}";
  const std::set<std::string> hashes = {
      HashOf(Schema("")),
      HashOf(Table(id)),
      HashOf(Table(R"({"name":"id","type":"text"})")),
      HashOf(Table(R"({"name":"id","type":"integer","primaryKey":true})")),
      HashOf(Table(R"({"name":"id","type":"integer","primaryKey":true,"autoIncrement":true})")),
      HashOf(Table(R"({"name":"id","type":"text","nullable":true})")),
      HashOf(Table(R"({"name":"id","type":"text","codec":"json"})")),
      HashOf(Table(R"({"name":"id","type":"text","default":{"value":""}})")),
      HashOf(Table(R"({"name":"id","type":"text","default":{"value":"x"}})")),
      HashOf(Table(id + R"(,{"name":"c","type":"text"})")),
      HashOf(Table(R"({"name":"c","type":"text"},)" + id)),
      HashOf(Table(id, R"(,"indexes":[{"name":"i","columns":["id"]}])")),
      HashOf(Table(id, R"(,"indexes":[{"name":"i","columns":["id"],"unique":true}])")),
      HashOf(Table(id, R"(,"indexes":[{"name":"j","columns":["id"]}])")),
      HashOf(Schema(other)),
      HashOf(Schema(R"({"name":"a","columns":[)" + id + "]}," + other)),
      HashOf(Schema(other + R"(,{"name":"a","columns":[)" + id + "]}")),
  };
  EXPECT_EQ(hashes.size(), 17u);
  for (const std::string& hash : hashes) {
    EXPECT_EQ(hash.size(), 16u);
    EXPECT_EQ(hash.find_first_not_of("0123456789abcdef"), std::string::npos) << hash;
  }
}

TEST(SchemaHashTest, ChangesWithTheVersionOfTheMaterializers) {
  const auto hash = [](const std::string& more) {
    const auto schema = ParseSchemaDescriptor(
        R"({"version":1,"tables":[{"name":"t","columns":[{"name":"a","type":"text"}]}])" + more +
        "}");
    return schema.ok() ? SchemaHash(*schema) : schema.error().message;
  };
  EXPECT_EQ(hash(""), hash(R"(,"materializers":"")"));
  EXPECT_NE(hash(""), hash(R"(,"materializers":"1")"));
  EXPECT_NE(hash(R"(,"materializers":"2")"), hash(R"(,"materializers":"1")"));
  // Not to be taken for one more codec.
  EXPECT_NE(hash(R"(,"materializers":"text")"), hash(""));
  EXPECT_EQ(hash(R"(,"materializers":1)"), "schema descriptor: materializers is not a string");
  EXPECT_EQ(hash(R"(,"materializers":null)"), "schema descriptor: materializers is not a string");
}

TEST(SchemaDescriptorTest, TheVersionOfTheMaterializersHasALimit) {
  const auto parse = [](size_t bytes) {
    return ParseSchemaDescriptor(R"({"version":1,"tables":[],"materializers":")" +
                                 std::string(bytes, 'v') + "\"}");
  };
  const auto schema = parse(limits::kNameBytesMax);
  ASSERT_TRUE(schema.ok()) << schema.error().message;
  EXPECT_EQ(schema->materializers, std::string(limits::kNameBytesMax, 'v'));
  const auto refused = parse(limits::kNameBytesMax + 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
}

TEST(SchemaHashTest, DoesNotDependOnHowTheJsonIsWritten) {
  EXPECT_EQ(HashOf(Table(kId)),
            HashOf(Table(R"({ "primaryKey" : true, "codec":"text", "default":null,
                              "nullable":false, "type":"text", "name":"id" })",
                         R"(, "indexes": [])")));
}

}  // namespace
}  // namespace livestore

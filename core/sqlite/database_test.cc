#include "core/sqlite/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/sqlite/cold_cache.h"
#include "core/sqlite/fault_pool.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/sqlite/savepoint.h"
#include "core/sqlite/test_rows.h"

namespace livestore {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const ColdCache kColdCache;
const Bytes kNoBinds(8);

std::string Explain(const Error& error) {
  return std::string(ErrorCodeName(error.code)) + ": " + error.message;
}

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() : database_(std::move(*Database::OpenInMemory())) {}

  void Exec(std::string_view sql) {
    const auto outcome = database_->Exec(sql);
    ASSERT_TRUE(outcome.ok()) << Explain(outcome.error());
  }
  StatementId Prepare(std::string_view sql) {
    const auto statement = database_->Prepare(sql);
    EXPECT_TRUE(statement.ok()) << Explain(statement.error());
    return statement.value_or(0);
  }
  // "" or the error.
  std::string Run(std::string_view sql, BytesView binds = kNoBinds) {
    const auto statement = database_->Prepare(sql);
    if (!statement.ok()) return Explain(statement.error());
    const auto outcome = database_->Run(*statement, binds);
    return outcome.ok() ? "" : Explain(outcome.error());
  }
  std::string Query(std::string_view sql, BytesView binds = kNoBinds) {
    return Query(*database_, sql, binds);
  }
  static std::string Query(Database& database, std::string_view sql, BytesView binds = kNoBinds) {
    const auto statement = database.Prepare(sql);
    if (!statement.ok()) return Explain(statement.error());
    const auto rows = database.Query(*statement, binds);
    return rows.ok() ? RowsToText(*rows) : Explain(rows.error());
  }
  std::vector<std::string> Names(const TableSet& tables) {
    std::vector<std::string> names;
    for (const TableId table : tables.tables())
      names.push_back(database_->table_names().Name(table));
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<std::string> Reads(std::string_view sql) {
    return Names(database_->Info(Prepare(sql)).reads);
  }
  std::vector<std::string> Writes(std::string_view sql) {
    return Names(database_->Info(Prepare(sql)).writes);
  }

  std::unique_ptr<Database> database_;
};

using Tables = std::vector<std::string>;

// Statements.

TEST_F(DatabaseTest, TheNumberOfATextNeverChanges) {
  Exec("CREATE TABLE t(a)");
  const StatementId first = Prepare("SELECT a FROM t");
  const StatementId second = Prepare("SELECT a + 1 FROM t");
  EXPECT_NE(first, 0);
  EXPECT_NE(first, second);
  EXPECT_EQ(Prepare("SELECT a FROM t"), first);
  EXPECT_EQ(database_->Info(first).sql, "SELECT a FROM t");
}

TEST_F(DatabaseTest, InfoHasColumnsAndParameters) {
  Exec("CREATE TABLE t(a, b)");
  const StatementInfo& query = database_->Info(
      Prepare("SELECT a, b AS \"other b\", 1 FROM t WHERE a = ? AND b = $b OR b = :c"));
  EXPECT_EQ(query.columns, (std::vector<std::string>{"a", "other b", "1"}));
  EXPECT_EQ(query.parameters, (std::vector<std::string>{"", "$b", ":c"}));
  EXPECT_TRUE(query.read_only);
  const StatementInfo& write =
      database_->Info(Prepare("INSERT INTO t VALUES (@a, ?3) RETURNING a"));
  EXPECT_EQ(write.columns, std::vector<std::string>{});
  EXPECT_EQ(write.parameters, (std::vector<std::string>{"@a", "", "?3"}));
  EXPECT_FALSE(write.read_only);
}

TEST_F(DatabaseTest, TheLeastRecentlyUsedStatementIsRecompiledOnUse) {
  Exec("CREATE TABLE t(a)");
  const StatementId kept = Prepare("SELECT 'kept'");
  std::vector<StatementId> ids;
  const size_t count = limits::kStatementsMax * 2;
  for (size_t i = 0; i < count; i++) {
    ids.push_back(Prepare("SELECT " + std::to_string(i)));
    ASSERT_TRUE(database_->Query(kept, kNoBinds).ok());
  }
  const auto compiled = [this] {
    size_t found = 0;
    for (sqlite3_stmt* s = nullptr; (s = sqlite3_next_stmt(database_->handle(), s)) != nullptr;) {
      found++;
    }
    return found;
  };
  EXPECT_LE(compiled(), limits::kStatementsMax + 1);
  for (size_t i = 0; i < count; i++) {
    const auto rows = database_->Query(ids[i], kNoBinds);
    ASSERT_TRUE(rows.ok());
    EXPECT_EQ(RowsToText(*rows), std::to_string(i));
  }
  EXPECT_LE(compiled(), limits::kStatementsMax + 1);
}

TEST_F(DatabaseTest, AStatementInTheMiddleOfItsRowsIsNotEvicted) {
  sqlite3_stmt* const stepped = *database_->Compiled(Prepare("VALUES (1), (2), (3)"));
  ASSERT_EQ(sqlite3_step(stepped), SQLITE_ROW);
  for (size_t i = 0; i < limits::kStatementsMax * 2; i++) Prepare("SELECT " + std::to_string(i));
  ASSERT_EQ(sqlite3_step(stepped), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(stepped, 0), 2);
  sqlite3_reset(stepped);
}

TEST_F(DatabaseTest, CompiledIsResetAndUnbound) {
  const StatementId id = Prepare("SELECT ?");
  ASSERT_TRUE(database_->Query(id, BindsWriter().Number(5).view()).ok());
  sqlite3_stmt* statement = *database_->Compiled(id);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_type(statement, 0), SQLITE_NULL);
  statement = *database_->Compiled(id);
  EXPECT_EQ(sqlite3_stmt_busy(statement), 0);
}

TEST_F(DatabaseTest, ASecondStatementIsRefusedAndNamed) {
  Exec("CREATE TABLE t(a)");
  const auto refused = database_->Prepare("SELECT 1; DELETE FROM t");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(
      Explain(refused.error()),
      "Sql: only one statement is allowed at a time; a second begins at \"DELETE FROM t\" in: "
      "SELECT 1; DELETE FROM t");
  EXPECT_EQ(Query("SELECT 1 ; ; -- that was all\n /* really */ ;"), "1");
  EXPECT_EQ(Query("SELECT 1 /* unfinished"), "1");
}

TEST_F(DatabaseTest, NoStatementIsRefused) {
  for (const char* const sql : {"", "  ", "-- only a comment", ";"}) {
    const auto refused = database_->Prepare(sql);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(Explain(refused.error()), StartsWith("Sql: there is no statement in"));
  }
}

TEST_F(DatabaseTest, ANulInSqlIsRefused) {
  const auto refused = database_->Prepare(std::string_view("SELECT 1\0, 2", 12));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(Explain(refused.error()), "Sql: the SQL has a NUL character at byte 8: SELECT 1");
}

TEST_F(DatabaseTest, SqlBeyondTheLimitIsRefused) {
  const auto refused =
      database_->Prepare("SELECT '" + std::string(limits::kSqlBytesMax, 'x') + "'");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
  EXPECT_LT(refused.error().message.size(), 400);
}

TEST_F(DatabaseTest, ASyntaxErrorSaysWhereAndKeepsNoNumber) {
  const StatementId before = Prepare("SELECT 1");
  const auto refused = database_->Prepare("SELEC 1");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(Explain(refused.error()),
            "Sql: near \"SELEC\": syntax error (SQLite code 1) in: SELEC 1");
  EXPECT_EQ(Prepare("SELECT 2"), before + 1);
}

TEST_F(DatabaseTest, AnUnknownColumnIsNamed) {
  Exec("CREATE TABLE t(a)");
  EXPECT_EQ(Query("SELECT b\n  FROM t"),
            "Sql: no such column: b (SQLite code 1) in: SELECT b FROM t");
  // With double quotes it is no text either.
  EXPECT_THAT(Query("SELECT \"b\" FROM t"), HasSubstr("no such column: \"b\""));
}

TEST_F(DatabaseTest, LongSqlIsShortenedInErrors) {
  const auto refused = database_->Prepare("SELEC '" + std::string(5000, 'x') + "'");
  ASSERT_FALSE(refused.ok());
  EXPECT_LT(refused.error().message.size(), 400);
  EXPECT_THAT(refused.error().message, testing::EndsWith("xxx ..."));
}

TEST_F(DatabaseTest, AnUnknownNumberIsRefused) {
  for (const StatementId unknown : {0u, 1u, 4'000'000'000u}) {
    EXPECT_EQ(database_->Run(unknown, kNoBinds).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(database_->Query(unknown, kNoBinds).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(database_->Compiled(unknown).error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(DatabaseTest, TooManyTextsAreRefusedWithAdvice) {
  for (size_t i = 0; i < limits::kStatementIdsMax; i++) {
    ASSERT_TRUE(database_->Prepare("SELECT " + std::to_string(i)).ok());
  }
  const auto refused = database_->Prepare("SELECT 'one more'");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr("pass values as parameters"));
  EXPECT_EQ(Query("SELECT 7"), "7");  // Known ones go on.
}

// What a statement reads and writes.

TEST_F(DatabaseTest, ReadsAreTheTablesOfAQuery) {
  Exec("CREATE TABLE a(x, y); CREATE TABLE b(x); CREATE TABLE c(x); CREATE TABLE d(x)");
  EXPECT_EQ(Reads("SELECT x FROM a"), (Tables{"a"}));
  EXPECT_EQ(Reads("SELECT 1"), (Tables{}));
  EXPECT_EQ(Reads("SELECT count(*) FROM a"), (Tables{"a"}));
  EXPECT_EQ(Reads("SELECT 1 FROM A"), (Tables{"a"}));
  EXPECT_EQ(Reads("SELECT * FROM a JOIN b USING (x)"), (Tables{"a", "b"}));
  EXPECT_EQ(Reads("SELECT * FROM a LEFT JOIN b ON 1"), (Tables{"a", "b"}));
  EXPECT_EQ(Reads("SELECT (SELECT max(x) FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c)"),
            (Tables{"a", "b", "c"}));
  EXPECT_EQ(Reads("WITH w AS (SELECT x FROM b) SELECT * FROM w UNION SELECT x FROM c"),
            (Tables{"b", "c"}));
  EXPECT_EQ(Reads("WITH RECURSIVE w(x) AS (SELECT x FROM a UNION SELECT w.x + 1 FROM w, d) "
                  "SELECT count(*) FROM w"),
            (Tables{"a", "d"}));
  EXPECT_EQ(Reads("SELECT value FROM a, json_each(a.x)"),
            Reads("SELECT value FROM json_each('[]'), a"));
  EXPECT_EQ(Writes("SELECT x FROM a"), (Tables{}));
  EXPECT_EQ(Reads("EXPLAIN QUERY PLAN SELECT x FROM a"), (Tables{"a"}));
}

// The authorizer is silent about the columns that USING and NATURAL compare.
TEST_F(DatabaseTest, ReadsOfAJoinByNamesAreComplete) {
  Exec(
      "CREATE TABLE a(x, y); CREATE TABLE b(x); CREATE INDEX b_x ON b(x);"
      "CREATE TABLE c(x PRIMARY KEY) WITHOUT ROWID");
  EXPECT_EQ(Reads("SELECT a.y FROM a JOIN b USING (x)"), (Tables{"a", "b"}));
  EXPECT_EQ(Reads("SELECT y FROM a NATURAL JOIN c"), (Tables{"a", "c"}));
  EXPECT_EQ(Reads("SELECT a.y, ? + ?, 'a long row of text', 5, 6, 7, 8 FROM a JOIN b USING (x) "
                  "JOIN c USING (x) WHERE a.y > ?"),
            (Tables{"a", "b", "c"}));
  EXPECT_EQ(RowsToText(*database_->Query(Prepare("SELECT a.y FROM a JOIN b USING (x)"), kNoBinds)),
            "");
}

TEST_F(DatabaseTest, ReadsOfAViewAreItsTables) {
  Exec(
      "CREATE TABLE a(x); CREATE TABLE b(x); CREATE VIEW v AS SELECT a.x FROM a, b;"
      "CREATE VIEW w AS SELECT count(*) AS n FROM v");
  EXPECT_EQ(Reads("SELECT x FROM v"), (Tables{"a", "b"}));
  EXPECT_EQ(Reads("SELECT n FROM w"), (Tables{"a", "b"}));
  EXPECT_EQ(Reads("SELECT count(*) FROM v"), (Tables{"a", "b"}));
}

TEST_F(DatabaseTest, OwnTablesOfSqliteAreLeftOut) {
  Exec("CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, x)");
  EXPECT_EQ(Reads("SELECT name FROM sqlite_schema"), (Tables{}));
  EXPECT_EQ(Writes("INSERT INTO a(x) VALUES (1)"), (Tables{"a"}));
}

TEST_F(DatabaseTest, WritesAreTheTablesAStatementMayChange) {
  Exec("CREATE TABLE a(x PRIMARY KEY, y); CREATE TABLE b(x)");
  EXPECT_EQ(Writes("INSERT INTO a SELECT x, 1 FROM b"), (Tables{"a"}));
  EXPECT_EQ(Reads("INSERT INTO a SELECT x, 1 FROM b"), (Tables{"b"}));
  EXPECT_EQ(Writes("UPDATE a SET y = (SELECT max(x) FROM b)"), (Tables{"a"}));
  EXPECT_EQ(Writes("DELETE FROM a"), (Tables{"a"}));
  EXPECT_EQ(Writes("DELETE FROM a WHERE x IN (SELECT x FROM b)"), (Tables{"a"}));
  EXPECT_EQ(Writes("REPLACE INTO a VALUES (1, 2)"), (Tables{"a"}));
  EXPECT_EQ(Writes("INSERT INTO a VALUES (1, 2) ON CONFLICT (x) DO UPDATE SET y = excluded.y"),
            (Tables{"a"}));
  EXPECT_EQ(Writes("INSERT INTO a VALUES (1, 2) RETURNING x"), (Tables{"a"}));
  EXPECT_EQ(Writes("WITH w AS (SELECT 1) INSERT INTO a SELECT *, 2 FROM w"), (Tables{"a"}));
  EXPECT_EQ(Writes("UPDATE a SET y = b.x FROM b"), (Tables{"a"}));
}

TEST_F(DatabaseTest, WritesOfTriggersCount) {
  Exec(
      "CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE audit(x);"
      "CREATE TRIGGER logged AFTER INSERT ON parent BEGIN INSERT INTO audit VALUES (new.id); END");
  EXPECT_EQ(Writes("INSERT INTO parent VALUES (1)"), (Tables{"audit", "parent"}));
}

TEST_F(DatabaseTest, WhatAStatementTouchesIsLearnedAnewAfterDdl) {
  Exec("CREATE TABLE a(x); CREATE TABLE b(x); CREATE VIEW v AS SELECT x FROM a");
  const StatementId id = Prepare("SELECT * FROM v");
  EXPECT_EQ(Names(database_->Info(id).reads), (Tables{"a"}));
  Exec("DROP VIEW v; CREATE VIEW v AS SELECT x, 2 AS two FROM b");
  ASSERT_TRUE(database_->Query(id, kNoBinds).ok());
  EXPECT_EQ(Names(database_->Info(id).reads), (Tables{"b"}));
  EXPECT_EQ(database_->Info(id).columns, (std::vector<std::string>{"x", "two"}));
  const uint64_t generation = database_->schema_generation();
  {
    auto savepoint = *Savepoint::Begin(*database_, "ddl");
    Exec("DROP VIEW v; CREATE VIEW v AS SELECT x FROM a");
    ASSERT_TRUE(database_->Query(id, kNoBinds).ok());
    EXPECT_EQ(Names(database_->Info(id).reads), (Tables{"a"}));
  }
  ASSERT_TRUE(database_->Query(id, kNoBinds).ok());
  EXPECT_EQ(Names(database_->Info(id).reads), (Tables{"b"}));
  EXPECT_GT(database_->schema_generation(), generation);
}

// What an app may not do.

TEST_F(DatabaseTest, AQueryThatWritesIsRefused) {
  Exec("CREATE TABLE t(a)");
  for (const char* const sql :
       {"INSERT INTO t VALUES (1)", "DELETE FROM t", "UPDATE t SET a = 1",
        "REPLACE INTO t VALUES (1)", "INSERT INTO t VALUES (1) RETURNING a"}) {
    EXPECT_THAT(Query(sql), StartsWith("ReadOnlyQuery: a query may not write")) << sql;
  }
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "0");
}

TEST_F(DatabaseTest, AWriteThatOnlyReadsIsRefused) {
  EXPECT_EQ(Run("SELECT 1"), "Sql: this statement writes nothing: SELECT 1");
}

TEST_F(DatabaseTest, StatementsOfAppsOnlyReadAndWriteRows) {
  Exec("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO t(a) VALUES (1)");
  const std::pair<const char*, const char*> refused[] = {
      {"CREATE TABLE u(a)", "CREATE"},
      {"CREATE TABLE u AS SELECT * FROM t", "CREATE"},
      {"CREATE TEMP TABLE u(a)", "CREATE"},
      {"create index i ON t(a)", "create"},
      {"/* a comment */ CREATE VIEW v AS SELECT 1", "CREATE"},
      {"EXPLAIN CREATE TABLE u(a)", "this"},
      {"CREATE VIRTUAL TABLE u USING sqlite_dbpage", "CREATE"},
      {"DROP TABLE t", "DROP"},
      {"ALTER TABLE t RENAME TO u", "ALTER"},
      {"ALTER TABLE t RENAME COLUMN a TO b", "ALTER"},
      {"ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'", "ALTER"},
      {"ALTER TABLE t DROP COLUMN a", "ALTER"},
      {"ALTER TABLE t ALTER COLUMN a SET NOT NULL", "ALTER"},
      {"ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "ALTER"},
      {"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "ALTER"},
      {"ALTER TABLE t DROP CONSTRAINT c", "ALTER"},
      {"REINDEX", "REINDEX"},
      {"REINDEX t", "REINDEX"},
      {"ANALYZE", "ANALYZE"},
      {"ANALYZE t", "ANALYZE"},
      {"VACUUM", "VACUUM"},
      {"VACUUM INTO 'other' || '.db'", "VACUUM"},
      {"ATTACH ':memory:' AS other", "ATTACH"},
      {"DETACH main", "DETACH"},
      {"BEGIN", "BEGIN"},
      {"BEGIN IMMEDIATE", "BEGIN"},
      {"COMMIT", "COMMIT"},
      {"ROLLBACK", "ROLLBACK"},
      {"SAVEPOINT s", "SAVEPOINT"},
      {"RELEASE s", "RELEASE"},
      {"ROLLBACK TO s", "ROLLBACK"},
      {"PRAGMA foreign_keys = off", "this PRAGMA"},
      {"EXPLAIN PRAGMA foreign_keys = off", "this PRAGMA"},
      {"PRAGMA journal_mode = delete", "this PRAGMA"},
      {"PRAGMA user_version", "this PRAGMA"},
      {"PRAGMA user_version = 9", "this PRAGMA"},
      {"PRAGMA writable_schema = on", "this PRAGMA"},
      {"PRAGMA wal_checkpoint", "this PRAGMA"},
      {"UPDATE sqlite_sequence SET seq = 1000", "writing to SQLite's own tables"},
      {"DELETE FROM sqlite_sequence", "writing to SQLite's own tables"},
      {"INSERT OR ROLLBACK INTO t VALUES (1, 1)", "OR ROLLBACK"},
      {"UPDATE OR /* now */ rollback t SET a = 1", "OR ROLLBACK"},
  };
  for (const auto& [sql, kind] : refused) {
    const auto statement = database_->Prepare(sql);
    ASSERT_TRUE(statement.ok()) << sql << ": " << statement.error().message;
    EXPECT_FALSE(database_->Info(*statement).read_only) << sql;
    EXPECT_THAT(Query(sql), StartsWith("ReadOnlyQuery: " + std::string(kind))) << sql;
    EXPECT_THAT(Run(sql), StartsWith("Sql: " + std::string(kind))) << sql;
    EXPECT_EQ(database_->Compiled(*statement).error().code, ErrorCode::kSql) << sql;
    EXPECT_FALSE(database_->in_transaction()) << sql;
  }
  EXPECT_EQ(Query("SELECT name FROM sqlite_schema ORDER BY name"), "'sqlite_sequence'\n't'");
  EXPECT_EQ(Query("SELECT seq FROM sqlite_sequence"), "1");
  EXPECT_THAT(Run("UPDATE sqlite_schema SET name = 'x'"), HasSubstr("may not be modified"));
}

TEST_F(DatabaseTest, CoreIsToldWhatThisBuildOfSqliteLeavesOut) {
  Exec("CREATE TABLE t(a)");
  const std::pair<const char*, const char*> left_out[] = {
      {"ALTER TABLE t ADD COLUMN b", "ALTER TABLE"},
      {"ALTER TABLE t ADD CHECK (a > 0)", "ALTER TABLE"},
      {"REINDEX", "REINDEX"},
      {"ANALYZE", "ANALYZE"},
      {"VACUUM", "VACUUM"},
  };
  for (const auto& [sql, what] : left_out) {
    const auto outcome = database_->Exec(sql);
    ASSERT_FALSE(outcome.ok()) << sql;
    EXPECT_THAT(Explain(outcome.error()),
                HasSubstr(std::string(what) + " is not part of this build of SQLite"));
  }
}

TEST_F(DatabaseTest, OtherUsesOfTheWordRollbackAreFine) {
  Exec("CREATE TABLE t(a, \"rollback\")");
  EXPECT_EQ(Run("INSERT INTO t VALUES ('insert or rollback', 1)"), "");
  EXPECT_EQ(Run("UPDATE t SET a = 1 WHERE a = 2 OR \"rollback\" -- or rollback"), "");
  EXPECT_EQ(Run("INSERT OR IGNORE INTO t VALUES (2, 2)"), "");
}

TEST_F(DatabaseTest, AppsMayAskForTheSchema) {
  Exec("CREATE TABLE t(a TEXT PRIMARY KEY, b INTEGER)");
  EXPECT_EQ(Query("SELECT name, type FROM pragma_table_info('t')"), "'a'|'TEXT'\n'b'|'INTEGER'");
  EXPECT_EQ(Query("PRAGMA table_info(t)"), "0|'a'|'TEXT'|0|null|1\n1|'b'|'INTEGER'|0|null|0");
  EXPECT_EQ(Query("SELECT name FROM sqlite_schema WHERE type = 'table'"), "'t'");
}

TEST_F(DatabaseTest, StatementsOfCoreMayDoMore) {
  const StatementId version = *database_->PrepareInternal("PRAGMA user_version");
  Exec("PRAGMA user_version = 12");
  EXPECT_EQ(*database_->QueryInt(version, kNoBinds, -1), 12);
  EXPECT_NE(database_->Prepare("PRAGMA user_version").value(), version);
  EXPECT_FALSE(database_->Exec("ATTACH ':memory:' AS other").ok());
}

// Running.

TEST_F(DatabaseTest, RunWritesAndCountsRows) {
  Exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
  EXPECT_EQ(Run("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')"), "");
  EXPECT_EQ(database_->changes(), 3);
  EXPECT_EQ(Run("UPDATE t SET b = ? WHERE a > ?", BindsWriter().Text("w").Number(1).view()), "");
  EXPECT_EQ(database_->changes(), 2);
  EXPECT_EQ(Run("DELETE FROM t WHERE a = 1 RETURNING b"), "");
  EXPECT_EQ(Run("INSERT INTO t VALUES (7, 'r'), (8, 's') RETURNING a, b"), "");
  EXPECT_EQ(Query("SELECT * FROM t"), "2|'w'\n3|'w'\n7|'r'\n8|'s'");
}

TEST_F(DatabaseTest, AConstraintFailsTheWholeStatement) {
  Exec("CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES (3)");
  EXPECT_EQ(Run("INSERT INTO t VALUES (1), (2), (3)"),
            "Constraint: UNIQUE constraint failed: t.a (SQLite code 1555) in: INSERT INTO t VALUES "
            "(1), (2), (3)");
  EXPECT_EQ(Query("SELECT a FROM t"), "3");
  EXPECT_EQ(Run("INSERT INTO t VALUES (4)"), "");
}

TEST_F(DatabaseTest, StrictTypesAreConstraints) {
  Exec("CREATE TABLE t(a INTEGER) STRICT");
  EXPECT_THAT(Run("INSERT INTO t VALUES (?)", BindsWriter().Text("x").view()),
              StartsWith("Constraint: cannot store TEXT value in INTEGER column t.a"));
}

TEST_F(DatabaseTest, AViewLivesUntilTheNextQueryAndNoLonger) {
  Exec("CREATE TABLE t(a)");
  const auto rows = database_->Query(Prepare("SELECT 'first'"), kNoBinds);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(Run("INSERT INTO t VALUES (1)"), "");
  EXPECT_EQ(*database_->QueryInt(Prepare("SELECT a FROM t"), kNoBinds, 0), 1);
  EXPECT_EQ(RowsToText(*rows), "'first'");
}

TEST_F(DatabaseTest, QueryIntFallsBackWithoutRows) {
  EXPECT_EQ(*database_->QueryInt(Prepare("SELECT 5"), kNoBinds, -1), 5);
  EXPECT_EQ(*database_->QueryInt(Prepare("SELECT 5 WHERE 0"), kNoBinds, -1), -1);
  const auto failed =
      database_->QueryInt(Prepare("SELECT abs(-9223372036854775807-1)"), kNoBinds, 0);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kSql);
}

TEST_F(DatabaseTest, ExecStopsAtTheFirstFailure) {
  const auto failed = database_->Exec(
      "CREATE TABLE t(a); INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1); DROP TABLE t");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(Explain(failed.error()),
            "Sql: no such table: nowhere (SQLite code 1) in: INSERT INTO nowhere VALUES (1); DROP "
            "TABLE t");
  EXPECT_EQ(Query("SELECT a FROM t"), "1");
  Exec(" ; -- nothing\n");
}

// SQLite clears a whole table at once, without telling who records changes, unless the statement
// was compiled not to. Statements are compiled long before they are recorded.
TEST_F(DatabaseTest, ADeleteOfAllRowsIsSeenRowByRow) {
  Exec("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)");
  const StatementId clear = Prepare("DELETE FROM t");
  int seen = 0;
  const auto count = [](void* context, sqlite3*, int, const char*, const char*, sqlite3_int64,
                        sqlite3_int64) { ++*static_cast<int*>(context); };
  for (int round = 1; round <= 2; round++) {
    sqlite3_preupdate_hook(database_->handle(), count, &seen);
    ASSERT_TRUE(database_->Run(clear, kNoBinds).ok());
    sqlite3_preupdate_hook(database_->handle(), nullptr, nullptr);
    EXPECT_EQ(seen, round * 3);
    // A schema change that Database does not hear of makes SQLite compile the statement again, by
    // itself, in the middle of a Run that nobody records.
    sqlite3* const db = database_->handle();
    ASSERT_EQ(
        sqlite3_exec(db, "CREATE TABLE unheard(a); DROP TABLE unheard", nullptr, nullptr, nullptr),
        SQLITE_OK);
    ASSERT_TRUE(database_->Run(clear, kNoBinds).ok());
    EXPECT_EQ(Run("INSERT INTO t VALUES (1), (2), (3)"), "");
  }
}

// Savepoints.

TEST_F(DatabaseTest, SavepointsNest) {
  Exec("CREATE TABLE t(a)");
  auto outer = *Savepoint::Begin(*database_, "outer");
  EXPECT_TRUE(database_->in_transaction());
  EXPECT_EQ(Run("INSERT INTO t VALUES (1)"), "");
  {
    const auto dropped = *Savepoint::Begin(*database_, "inner");
    EXPECT_EQ(Run("INSERT INTO t VALUES (2)"), "");
    EXPECT_EQ(Query("SELECT a FROM t"), "1\n2");
  }
  EXPECT_EQ(Query("SELECT a FROM t"), "1");
  auto kept = *Savepoint::Begin(*database_, "inner");
  EXPECT_EQ(Run("INSERT INTO t VALUES (3)"), "");
  EXPECT_TRUE(kept.Release().ok());
  kept.Rollback();  // Nothing to do any more.
  EXPECT_TRUE(outer.Release().ok());
  EXPECT_FALSE(database_->in_transaction());
  EXPECT_EQ(Query("SELECT a FROM t"), "1\n3");
}

TEST_F(DatabaseTest, AMovedSavepointEndsOnce) {
  Exec("CREATE TABLE t(a)");
  {
    auto first = *Savepoint::Begin(*database_, "outer");
    auto second = std::move(first);
    EXPECT_EQ(Run("INSERT INTO t VALUES (1)"), "");
    EXPECT_TRUE(second.Release().ok());
  }
  EXPECT_EQ(Query("SELECT a FROM t"), "1");
  EXPECT_FALSE(database_->in_transaction());
}

TEST_F(DatabaseTest, ASavepointNameThatIsNoIdentifierFails) {
  EXPECT_FALSE(Savepoint::Begin(*database_, "not one").ok());
  EXPECT_FALSE(database_->in_transaction());
}

TEST_F(DatabaseTest, ATransactionThatWasLostIsNotGoneOnWith) {
  Exec(
      "CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);"
      "CREATE TRIGGER r BEFORE INSERT ON t WHEN new.a = 13 "
      "BEGIN SELECT raise(ROLLBACK, 'unlucky'); END");
  auto outer = *Savepoint::Begin(*database_, "outer");
  EXPECT_EQ(Run("INSERT INTO t VALUES (2)"), "");
  {
    const auto inner = *Savepoint::Begin(*database_, "inner");
    EXPECT_THAT(Run("INSERT INTO t VALUES (13)"), HasSubstr("unlucky"));
    EXPECT_FALSE(database_->in_transaction());
    // Without a transaction this would commit on its own.
    EXPECT_THAT(Run("INSERT INTO t VALUES (3)"), HasSubstr("unlucky"));
  }
  const auto next = Savepoint::Begin(*database_, "inner");
  ASSERT_FALSE(next.ok());
  EXPECT_THAT(next.error().message, HasSubstr("unlucky"));
  const auto released = outer.Release();
  ASSERT_FALSE(released.ok());
  EXPECT_THAT(released.error().message, HasSubstr("unlucky"));
  EXPECT_EQ(Query("SELECT a FROM t"), "1");
  auto fresh = *Savepoint::Begin(*database_, "outer");
  EXPECT_EQ(Run("INSERT INTO t VALUES (4)"), "");
  EXPECT_TRUE(fresh.Release().ok());
  EXPECT_EQ(Query("SELECT a FROM t"), "1\n4");
}

// Images.

class DatabaseImageTest : public DatabaseTest {
 protected:
  DatabaseImageTest()
      : pool_({"a.db", "a.db-wal", "a.db-journal"}), vfs_(std::move(*PoolVfs::Create(pool_, {}))) {}

  std::unique_ptr<Database> OpenFile() {
    auto opened = Database::Open(vfs_->name(), "a.db", Durability::kDerived);
    EXPECT_TRUE(opened.ok()) << Explain(opened.error());
    return std::move(*opened);
  }

  MemoryPool pool_;
  std::unique_ptr<PoolVfs> vfs_;
};

TEST_F(DatabaseImageTest, AnImageOfAWalDatabaseIsInRollbackMode) {
  const auto file = OpenFile();
  ASSERT_TRUE(file->Exec("CREATE TABLE t(a); INSERT INTO t VALUES (1), ('two')").ok());
  const Bytes image = *file->Serialize();
  EXPECT_EQ(AsText(image).substr(0, 15), "SQLite format 3");
  EXPECT_EQ(image.size() % 4096, 0);
  EXPECT_EQ(image[18], 1);
  EXPECT_EQ(image[19], 1);
  ASSERT_TRUE(database_->Deserialize(image).ok());
  EXPECT_EQ(Query("SELECT a FROM t"), "1\n'two'");
  EXPECT_EQ(Run("INSERT INTO t VALUES (3)"), "");
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "3");
  EXPECT_EQ(Query("SELECT integrity_check FROM pragma_integrity_check"),
            Query("SELECT integrity_check FROM pragma_integrity_check"));
  EXPECT_EQ(Query(*file, "SELECT count(*) FROM t"), "2");
}

TEST_F(DatabaseImageTest, AnImageInsideATransactionHasWhatTheTransactionSees) {
  Exec("CREATE TABLE t(a)");
  auto savepoint = *Savepoint::Begin(*database_, "outer");
  EXPECT_EQ(Run("INSERT INTO t VALUES (1)"), "");
  const Bytes image = *database_->Serialize();
  savepoint.Rollback();
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "0");
  ASSERT_TRUE(database_->Deserialize(image).ok());
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "1");
}

TEST_F(DatabaseImageTest, AnEmptyDatabaseHasAnImage) {
  const Bytes image = *database_->Serialize();
  EXPECT_EQ(image.size(), 4096);
  ASSERT_TRUE(database_->Deserialize(image).ok());
  Exec("CREATE TABLE t(a)");
}

TEST_F(DatabaseImageTest, StatementsGoOnAfterTheDatabaseIsReplaced) {
  Exec("CREATE TABLE t(a); INSERT INTO t VALUES ('old')");
  const StatementId query = Prepare("SELECT * FROM t");
  const StatementId insert = Prepare("INSERT INTO t(a) VALUES ('more')");
  EXPECT_EQ(RowsToText(*database_->Query(query, kNoBinds)), "'old'");
  const auto other = OpenFile();
  ASSERT_TRUE(
      other->Exec("CREATE TABLE s(x); CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2)").ok());
  ASSERT_TRUE(database_->Deserialize(*other->Serialize()).ok());
  EXPECT_EQ(RowsToText(*database_->Query(query, kNoBinds)), "1|2");
  EXPECT_EQ(database_->Info(query).columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(database_->Run(insert, kNoBinds).ok());
  auto savepoint = *Savepoint::Begin(*database_, "outer");
  EXPECT_TRUE(database_->Run(insert, kNoBinds).ok());
  savepoint.Rollback();
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "2");
}

TEST_F(DatabaseImageTest, BadBytesLeaveTheDatabaseAsItIs) {
  Exec("CREATE TABLE t(a); INSERT INTO t VALUES ('kept')");
  const StatementId query = Prepare("SELECT a FROM t");
  const Bytes good = *database_->Serialize();
  const auto changed = [&good](size_t at, uint8_t value) {
    Bytes bad = good;
    bad[at] = value;
    return bad;
  };
  Bytes broken_schema = good;
  std::fill(broken_schema.begin() + 100, broken_schema.begin() + 4096, uint8_t{0xee});
  Bytes cut = good;
  cut.resize(4096);
  Bytes odd = good;
  odd.pop_back();
  const Bytes empty;
  const Bytes text(8192, 'x');
  for (const Bytes& bad : {empty, text, cut, odd, broken_schema, changed(0, 'x'), changed(16, 0x08),
                           changed(18, 2), changed(19, 2), changed(31, 99), changed(59, 2)}) {
    const auto refused = database_->Deserialize(bad);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kMalformedBytes) << Explain(refused.error());
    EXPECT_EQ(RowsToText(*database_->Query(query, kNoBinds)), "'kept'");
  }
  EXPECT_EQ(Run("INSERT INTO t VALUES ('more')"), "");
}

TEST_F(DatabaseImageTest, AFileIsNotReplaced) {
  const auto file = OpenFile();
  const auto refused = file->Deserialize(*database_->Serialize());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DatabaseImageTest, AnImageGrowsPastItsFirstSize) {
  Exec("CREATE TABLE t(a)");
  ASSERT_TRUE(database_->Deserialize(*database_->Serialize()).ok());
  EXPECT_EQ(Run("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
                "INSERT INTO t SELECT zeroblob(50000) FROM n"),
            "");
  EXPECT_EQ(Query("SELECT sum(length(a)) FROM t"), "5000000");
}

// Files.

TEST_F(DatabaseImageTest, AFileThatThePoolDoesNotHoldFails) {
  const auto opened = Database::Open(vfs_->name(), "other.db", Durability::kFlushed);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kStorageIo);
  const auto no_vfs = Database::Open("no such vfs", "a.db", Durability::kFlushed);
  ASSERT_FALSE(no_vfs.ok());
}

TEST_F(DatabaseImageTest, APoolWithoutAFileForTheWalFails) {
  MemoryPool small({"a.db", "a.db-journal"});
  const auto vfs = std::move(*PoolVfs::Create(small, {}));
  const auto opened = Database::Open(vfs->name(), "a.db", Durability::kFlushed);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kStorageIo);
}

TEST_F(DatabaseImageTest, AnErrorOfStorageHasItsOwnCode) {
  FaultPool faults(pool_);
  const auto vfs = std::move(*PoolVfs::Create(faults, {}));
  const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
  ASSERT_TRUE(file->Exec("CREATE TABLE t(a)").ok());
  const StatementId insert = *file->Prepare("INSERT INTO t VALUES (1)");
  faults.Fail(FaultPool::Call::kWrite, StorageStatus::kFull);
  const auto full = file->Run(insert, kNoBinds);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(Explain(full.error()),
            "StorageFull: database or disk is full (SQLite code 13) in: INSERT INTO t VALUES (1)");
  faults.Heal();
  EXPECT_TRUE(file->Run(insert, kNoBinds).ok());
}

// A write whose tables could not be learned would be taken for one of none, and nobody would hear.
TEST_F(DatabaseImageTest, AStatementIsNotCompiledWithoutItsTables) {
  const ColdCache::Scope cold;
  FaultPool faults(pool_);
  const auto vfs = std::move(*PoolVfs::Create(faults, {}));
  const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kFlushed));
  ASSERT_TRUE(file->Exec("CREATE TABLE t(a)").ok());
  int failed = 0;
  for (int reads = 0;; ++reads) {
    // Another schema each time, so that it must be learned again; and another text.
    ASSERT_TRUE(file->Exec("CREATE TABLE u" + std::to_string(reads) + "(a)").ok());
    faults.Fail(FaultPool::Call::kRead, StorageStatus::kIoError, reads);
    const std::string sql = "INSERT INTO t VALUES (" + std::to_string(reads) + ")";
    const auto insert = file->Prepare(sql);
    if (!insert.ok()) {
      ++failed;
      EXPECT_EQ(insert.error().code, ErrorCode::kStorageIo) << reads;
    }
    const bool untouched = faults.failed() == 0;
    faults.Heal();
    const auto healed = file->Prepare(sql);
    ASSERT_TRUE(healed.ok()) << healed.error().message;
    EXPECT_TRUE(file->Info(*healed).writes.Contains(file->table_names().Intern("t"))) << reads;
    if (untouched) break;
  }
  EXPECT_GT(failed, 0);
}

TEST_F(DatabaseImageTest, ReopeningIsTheWayOnAfterAStickyFailure) {
  FaultPool faults(pool_);
  const auto vfs = std::move(*PoolVfs::Create(faults, {}));
  const auto file = std::move(*Database::Open(vfs->name(), "a.db", Durability::kDerived));
  ASSERT_TRUE(file->Exec("CREATE TABLE t(a); INSERT INTO t VALUES (1)").ok());
  const StatementId insert = *file->Prepare("INSERT INTO t VALUES (2)");
  const StatementId count = *file->Prepare("SELECT count(*) FROM t");
  {
    const auto savepoint = *Savepoint::Begin(*file, "outer");
    ASSERT_TRUE(file->Run(insert, kNoBinds).ok());
  }
  faults.Fail(FaultPool::Call::kWrite, StorageStatus::kFull);
  EXPECT_EQ(file->Run(insert, kNoBinds).error().code, ErrorCode::kStorageFull);
  faults.Heal();
  EXPECT_EQ(file->Run(insert, kNoBinds).error().code, ErrorCode::kStorageFull);

  faults.Fail(FaultPool::Call::kRead, StorageStatus::kIoError);
  EXPECT_EQ(file->Reopen().error().code, ErrorCode::kStorageIo);
  faults.Heal();
  EXPECT_EQ(file->Run(insert, kNoBinds).error().code, ErrorCode::kStorageIo);
  EXPECT_EQ(file->Query(count, kNoBinds).error().code, ErrorCode::kStorageIo);
  EXPECT_EQ(file->Exec("SELECT 1").error().code, ErrorCode::kStorageIo);
  EXPECT_EQ(file->Prepare("SELECT 'new'").error().code, ErrorCode::kStorageIo);
  EXPECT_EQ(Savepoint::Begin(*file, "outer").error().code, ErrorCode::kStorageIo);

  ASSERT_TRUE(file->Reopen().ok());
  EXPECT_EQ(*file->QueryInt(count, kNoBinds, -1), 1);
  auto savepoint = *Savepoint::Begin(*file, "outer");
  EXPECT_TRUE(file->Run(insert, kNoBinds).ok());
  EXPECT_TRUE(savepoint.Release().ok());
  EXPECT_EQ(*file->QueryInt(count, kNoBinds, -1), 2);
}

TEST_F(DatabaseImageTest, ReopeningRollsAnOpenTransactionBack) {
  const auto file = OpenFile();
  ASSERT_TRUE(file->Exec("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1)").ok());
  ASSERT_TRUE(file->Reopen().ok());
  EXPECT_FALSE(file->in_transaction());
  EXPECT_EQ(Query(*file, "SELECT count(*) FROM t"), "0");
}

TEST_F(DatabaseImageTest, RemoveLeavesNothing) {
  ASSERT_TRUE(OpenFile()->Exec("CREATE TABLE t(a)").ok());
  ASSERT_GT(pool_.Size(pool_.Find("a.db")), 0);
  ASSERT_TRUE(Database::Remove(vfs_->name(), "a.db").ok());
  for (const char* const name : {"a.db", "a.db-wal", "a.db-journal"}) {
    EXPECT_EQ(pool_.Size(pool_.Find(name)), 0);
  }
  EXPECT_THAT(Query(*OpenFile(), "SELECT * FROM t"), HasSubstr("no such table"));
  EXPECT_TRUE(Database::Remove(vfs_->name(), "never-was.db").ok());
  EXPECT_FALSE(Database::Remove("no such vfs", "a.db").ok());
}

TEST_F(DatabaseTest, DatabasesInMemoryAreApart) {
  const auto other = std::move(*Database::OpenInMemory());
  Exec("CREATE TABLE t(a)");
  EXPECT_THAT(Query(*other, "SELECT * FROM t"), HasSubstr("no such table"));
}

}  // namespace
}  // namespace livestore

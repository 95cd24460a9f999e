#include "core/sqlite/changeset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "core/sqlite/savepoint.h"
#include "core/sqlite/test_rows.h"

namespace livestore {
namespace {

using testing::HasSubstr;

const Bytes kNoBinds(8);

class ChangesetTest : public testing::Test {
 protected:
  ChangesetTest() : database_(std::move(*Database::OpenInMemory())) {}

  void Exec(std::string_view sql) {
    const auto outcome = database_->Exec(sql);
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  }
  void Run(std::string_view sql) {
    const auto statement = database_->Prepare(sql);
    ASSERT_TRUE(statement.ok()) << statement.error().message;
    const auto outcome = database_->Run(*statement, kNoBinds);
    ASSERT_TRUE(outcome.ok()) << sql << ": " << outcome.error().message;
  }
  std::string Query(std::string_view sql) {
    const auto rows = database_->Query(*database_->Prepare(sql), kNoBinds);
    return rows.ok() ? RowsToText(*rows) : rows.error().message;
  }
  // Runs `sql`, a statement per line, as one recorded event.
  Bytes Record(std::string_view sql) {
    auto recorder = std::move(*ChangesetRecorder::Begin(*database_));
    while (!sql.empty()) {
      const size_t end = std::min(sql.find('\n'), sql.size());
      Run(sql.substr(0, end));
      sql.remove_prefix(std::min(end + 1, sql.size()));
    }
    const auto changeset = recorder.Finish();
    EXPECT_TRUE(changeset.ok());
    obstacle_ = recorder.obstacle();
    EXPECT_EQ(recorder.undoable(), obstacle_.empty());
    return changeset.value_or(Bytes());
  }
  // Everything that can be told from outside: rows in their order with rowids, and sequences.
  std::string State() {
    std::string state;
    for (const char* const table : {"t", "u", "s"}) {
      const auto all = database_->Prepare("SELECT rowid, * FROM " + std::string(table));
      if (!all.ok()) continue;
      state += std::string(table) + "\n" + RowsToText(*database_->Query(*all, kNoBinds)) + "\n";
    }
    const auto sequences = database_->Prepare("SELECT name, seq FROM sqlite_sequence");
    if (sequences.ok()) state += RowsToText(*database_->Query(*sequences, kNoBinds));
    return state;
  }
  // Records `sql` and rolls it back; the state must be what it was.
  void ExpectRollsBack(std::string_view sql) {
    const std::string before = State();
    const Bytes changeset = Record(sql);
    EXPECT_EQ(obstacle_, "") << sql;
    EXPECT_FALSE(changeset.empty()) << sql;
    EXPECT_NE(State(), before) << sql;
    auto savepoint = *Savepoint::Begin(*database_, "inverse");
    const auto applied = ApplyInverse(*database_, changeset);
    EXPECT_TRUE(applied.ok()) << sql << ": " << applied.error().message;
    EXPECT_TRUE(savepoint.Release().ok());
    EXPECT_EQ(State(), before) << sql;
  }

  std::unique_ptr<Database> database_;
  std::string obstacle_;
};

constexpr char kTables[] =
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, n INTEGER, r REAL, b BLOB) STRICT;"
    "CREATE UNIQUE INDEX t_n ON t(n);"
    "CREATE TABLE u(x, y);"
    "CREATE TABLE s(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT) STRICT;"
    "INSERT INTO t VALUES ('a', 1, 1.5, x'01'), ('b', 2, 2.0, NULL), ('c', NULL, NULL, x'');"
    "INSERT INTO u VALUES (1, 'one'), (2, NULL), (2, NULL);"
    "INSERT INTO s(v) VALUES ('first'), ('second')";

TEST_F(ChangesetTest, EveryKindOfWriteRollsBack) {
  Exec(kTables);
  ExpectRollsBack("INSERT INTO t VALUES ('d', 4, 4.25, x'0405')");
  ExpectRollsBack("INSERT INTO t VALUES ('d', 4, 3, NULL), ('e', 5, -0.0, zeroblob(10000))");
  ExpectRollsBack("UPDATE t SET n = 100, b = x'ff' WHERE id = 'a'");
  ExpectRollsBack("UPDATE t SET id = id || '!'");
  ExpectRollsBack("UPDATE t SET n = n + 10");
  ExpectRollsBack("DELETE FROM t WHERE id = 'b'");
  ExpectRollsBack("DELETE FROM t");
  ExpectRollsBack("REPLACE INTO t VALUES ('z', 1, 0, NULL)");
  ExpectRollsBack("INSERT OR REPLACE INTO t VALUES ('a', 2, 0, NULL)");
  ExpectRollsBack("INSERT INTO t VALUES ('a', 9, 9.5, NULL) ON CONFLICT (id) DO UPDATE SET r = 8");
  ExpectRollsBack("UPDATE OR REPLACE t SET n = 2 WHERE id = 'a'");
  ExpectRollsBack("INSERT INTO t SELECT id || '2', n + 50, r, b FROM t");
}

TEST_F(ChangesetTest, TablesWithoutAPrimaryKeyRollBackToo) {
  Exec(kTables);
  ExpectRollsBack("INSERT INTO u VALUES (3, 'three')");
  ExpectRollsBack("DELETE FROM u WHERE x = 2");
  ExpectRollsBack("UPDATE u SET y = 'same'");
  ExpectRollsBack("INSERT INTO u SELECT * FROM u");
  ExpectRollsBack("DELETE FROM u");
}

TEST_F(ChangesetTest, RowsComeBackWhereTheyWere) {
  Exec(kTables);
  // The order of a query without ORDER BY is that of the rowids.
  ExpectRollsBack("DELETE FROM t WHERE id = 'a'\nINSERT INTO t VALUES ('f', 6, 6, NULL)");
  EXPECT_EQ(Query("SELECT id FROM t NOT INDEXED"), "'a'\n'b'\n'c'");
}

TEST_F(ChangesetTest, AutoIncrementGoesBack) {
  Exec(kTables);
  ExpectRollsBack("INSERT INTO s(v) VALUES ('third')");
  ExpectRollsBack("DELETE FROM s");
  ExpectRollsBack("INSERT INTO s VALUES (1000, 'far')\nDELETE FROM s WHERE id = 1000");
  Run("INSERT INTO s(v) VALUES ('third, as in a replay')");
  EXPECT_EQ(Query("SELECT max(id) FROM s"), "3");
}

TEST_F(ChangesetTest, TheFirstRowOfAnAutoIncrementTableRollsBack) {
  Exec("CREATE TABLE s(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT)");
  ExpectRollsBack("INSERT INTO s(v) VALUES ('first')");
  EXPECT_EQ(Query("SELECT count(*) FROM sqlite_sequence"), "0");
}

TEST_F(ChangesetTest, ManyChangesOfOneRowRollBackInReverse) {
  Exec(kTables);
  ExpectRollsBack(
      "INSERT INTO t VALUES ('x', 50, 1, NULL)\n"
      "UPDATE t SET n = 51 WHERE id = 'x'\n"
      "UPDATE t SET id = 'y' WHERE id = 'x'\n"
      "DELETE FROM t WHERE id = 'y'\n"
      "INSERT INTO t VALUES ('x', 1000, 2, x'00')\n"
      "DELETE FROM t WHERE id = 'a'\n"
      "UPDATE t SET n = 1 WHERE id = 'x'\n"
      "UPDATE u SET x = 7 WHERE y = 'one'\n"
      "INSERT INTO t VALUES ('a', 99, 3, NULL)");
}

TEST_F(ChangesetTest, OddNamesAndKeysRollBack) {
  Exec(
      "CREATE TABLE t(\"a \"\"quoted\"\" name\" TEXT, rowid TEXT, \"select\", PRIMARY KEY (rowid, "
      "\"select\"))"
      ";CREATE TABLE s(k INTEGER PRIMARY KEY, v);"
      "CREATE TABLE \"u\"(a TEXT, b INT, c, PRIMARY KEY (b, a)) WITHOUT ROWID;"
      "INSERT INTO t VALUES ('x', 'y', 'z'); INSERT INTO s VALUES (-5, 1);"
      "INSERT INTO u VALUES ('k', 1, NULL), ('l', 2, 'x')");
  ExpectRollsBack("INSERT INTO t VALUES ('1', '2', '3')");
  ExpectRollsBack("UPDATE t SET rowid = 'other'");
  ExpectRollsBack("DELETE FROM t");
  ExpectRollsBack("UPDATE s SET k = 12");
  ExpectRollsBack("DELETE FROM s");
  ExpectRollsBack("INSERT INTO s VALUES (NULL, 7)");
  // `rowid` does not exist in u, so State() leaves it out: compare its rows here.
  for (const char* const sql : {"INSERT INTO u VALUES ('m', 3, x'00')", "UPDATE u SET c = 9",
                                "UPDATE u SET a = a || '!'", "DELETE FROM u"}) {
    const std::string before = Query("SELECT * FROM u");
    const Bytes changeset = Record(sql);
    EXPECT_EQ(obstacle_, "");
    EXPECT_NE(Query("SELECT * FROM u"), before);
    const auto applied = ApplyInverse(*database_, changeset);
    ASSERT_TRUE(applied.ok()) << sql << ": " << applied.error().message;
    EXPECT_EQ(Query("SELECT * FROM u"), before) << sql;
  }
}

TEST_F(ChangesetTest, WithoutChangesThereIsNothing) {
  Exec(kTables);
  EXPECT_TRUE(Record("DELETE FROM t WHERE id = 'nobody'").empty());
  EXPECT_TRUE(Record("UPDATE t SET n = n, r = r, b = b").empty());
  EXPECT_TRUE(Record("INSERT OR IGNORE INTO t VALUES ('a', 1, 1, NULL)").empty());
  EXPECT_TRUE(Record("").empty());
  EXPECT_TRUE(ApplyInverse(*database_, {}).ok());
}

TEST_F(ChangesetTest, OwnTablesAreNotRecorded) {
  Exec("CREATE TABLE __livestore_state(id INTEGER PRIMARY KEY, v); CREATE TABLE t(a)");
  EXPECT_TRUE(Record("INSERT INTO __livestore_state VALUES (1, 2)").empty());
  const Bytes changeset =
      Record("INSERT INTO __livestore_state VALUES (2, 2)\nINSERT INTO t VALUES (1)");
  ASSERT_TRUE(ApplyInverse(*database_, changeset).ok());
  EXPECT_EQ(Query("SELECT count(*) FROM __livestore_state"), "2");
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "0");
}

TEST_F(ChangesetTest, TheTablesOfAChangesetAreKnown) {
  Exec(kTables);
  const Bytes changeset = Record("INSERT INTO u VALUES (1, 1)\nDELETE FROM t");
  TableSet expected;
  expected.Add(database_->table_names().Intern("t"));
  expected.Add(database_->table_names().Intern("u"));
  EXPECT_EQ(*TablesOf(*database_, changeset), expected);
  EXPECT_TRUE(TablesOf(*database_, {})->empty());
}

TEST_F(ChangesetTest, ARowThatHasChangedSinceIsNotRolledBack) {
  Exec(kTables);
  const std::pair<const char*, const char*> cases[] = {
      {"INSERT INTO t VALUES ('d', 4, 4, NULL)", "UPDATE t SET r = 5 WHERE id = 'd'"},
      {"UPDATE t SET r = 6 WHERE id = 'a'", "UPDATE t SET b = NULL WHERE id = 'a'"},
      {"DELETE FROM t WHERE id = 'b'", "INSERT INTO t VALUES ('b', 70, 7, NULL)"},
      {"UPDATE t SET r = 6 WHERE id = 'c'", "DELETE FROM t WHERE id = 'c'"},
  };
  for (const auto& [recorded, since] : cases) {
    const Bytes changeset = Record(recorded);
    Run(since);
    const std::string before = State();
    {
      const auto savepoint = *Savepoint::Begin(*database_, "inverse");
      const auto refused = ApplyInverse(*database_, changeset);
      ASSERT_FALSE(refused.ok()) << recorded;
      EXPECT_EQ(refused.error().code, ErrorCode::kNotUndoable) << refused.error().message;
      EXPECT_THAT(refused.error().message, HasSubstr("t"));
    }
    EXPECT_EQ(State(), before);
  }
}

TEST_F(ChangesetTest, ObstaclesAreNamed) {
  Exec(
      "CREATE TABLE triggered(a); CREATE TABLE log(a);"
      "CREATE TRIGGER r AFTER INSERT ON triggered BEGIN INSERT INTO log VALUES (new.a); END;"
      "CREATE TABLE shadow(rowid, _rowid_, oid)");
  const auto obstacle = [this](std::string_view sql) {
    const Bytes changeset = Record(sql);
    const auto refused = ApplyInverse(*database_, changeset);
    EXPECT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kNotUndoable);
    return obstacle_;
  };
  EXPECT_EQ(obstacle("INSERT INTO triggered VALUES (1)"), "table triggered has triggers");
  EXPECT_EQ(obstacle("INSERT INTO shadow VALUES (1, 2, 3)"),
            "table shadow has columns named like all names of the rowid");
}

TEST_F(ChangesetTest, AStatementThatFailedMakesTheRecordingIncomplete) {
  Exec(kTables);
  auto recorder = std::move(*ChangesetRecorder::Begin(*database_));
  const auto insert =
      *database_->Prepare("INSERT INTO t VALUES ('d', 4, 1, NULL), ('a', 5, 1, NULL)");
  EXPECT_FALSE(database_->Run(insert, kNoBinds).ok());
  ASSERT_TRUE(recorder.Finish().ok());
  EXPECT_EQ(recorder.obstacle(), "a statement failed while changes were recorded");
}

TEST_F(ChangesetTest, OneRecordingAtATime) {
  Exec(kTables);
  {
    const auto first = std::move(*ChangesetRecorder::Begin(*database_));
    const auto second = ChangesetRecorder::Begin(*database_);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kNested);
  }
  auto moved_from = std::move(*ChangesetRecorder::Begin(*database_));
  auto third = std::move(moved_from);
  Run("DELETE FROM u");
  EXPECT_FALSE(third.Finish()->empty());
  EXPECT_TRUE(ChangesetRecorder::Begin(*database_).ok());
}

TEST_F(ChangesetTest, ARecordingThatWasDroppedLeavesNoTrace) {
  Exec(kTables);
  {
    const auto dropped = std::move(*ChangesetRecorder::Begin(*database_));
    Run("DELETE FROM u");
  }
  ExpectRollsBack("DELETE FROM t");
}

TEST_F(ChangesetTest, AChangesetOutlivesASchemaThatStaysTheSame) {
  Exec(kTables);
  const std::string before = State();
  const Bytes changeset = Record("DELETE FROM t");
  Exec("CREATE TABLE unrelated(a)");
  ASSERT_TRUE(ApplyInverse(*database_, changeset).ok());
  EXPECT_EQ(State(), before);
  const Bytes second = Record("DELETE FROM u");
  Exec("DROP TABLE u; CREATE TABLE u(x, y, z)");
  EXPECT_EQ(ApplyInverse(*database_, second).error().code, ErrorCode::kNotUndoable);
}

TEST_F(ChangesetTest, ARecordingSurvivesAReplacedDatabase) {
  Exec(kTables);
  ExpectRollsBack("DELETE FROM t");
  ASSERT_TRUE(database_->Deserialize(*database_->Serialize()).ok());
  ExpectRollsBack("DELETE FROM t\nINSERT INTO s(v) VALUES ('x')");
}

TEST_F(ChangesetTest, DamagedBytesAreRefusedBeforeAnythingIsApplied) {
  Exec(kTables);
  const Bytes changeset =
      Record("DELETE FROM t\nUPDATE u SET x = 5\nINSERT INTO s(v) VALUES ('v')");
  const std::string after = State();
  size_t accepted = 0;
  for (size_t size = 1; size < changeset.size(); size++) {
    const Bytes cut(changeset.begin(), changeset.begin() + static_cast<ptrdiff_t>(size));
    const auto savepoint = *Savepoint::Begin(*database_, "inverse");
    // A cut between two parts is a shorter changeset; its parts are all there.
    if (const auto outcome = TablesOf(*database_, cut); outcome.ok()) {
      accepted++;
    } else {
      EXPECT_EQ(outcome.error().code, ErrorCode::kMalformedBytes);
      EXPECT_EQ(ApplyInverse(*database_, cut).error().code, ErrorCode::kMalformedBytes);
      EXPECT_EQ(State(), after);
    }
  }
  EXPECT_LT(accepted, 15);
  Bytes other_version = changeset;
  other_version[0] = 2;
  EXPECT_EQ(TablesOf(*database_, other_version).error().code, ErrorCode::kMalformedBytes);
  std::mt19937 random(7);
  for (int i = 0; i < 3000; i++) {
    Bytes flipped = changeset;
    flipped[random() % flipped.size()] ^= static_cast<uint8_t>(1u << (random() % 8));
    const auto savepoint = *Savepoint::Begin(*database_, "inverse");
    (void)ApplyInverse(*database_, flipped);  // Any answer will do, but no crash.
  }
  EXPECT_EQ(State(), after);
}

// Any run of events rolls back to any point before it, to the last bit of what can be observed.
TEST_F(ChangesetTest, RandomEventsRollBackToEveryStateBefore) {
  Exec(kTables);
  std::mt19937 random(42);
  const auto number = [&random](unsigned below) { return static_cast<int>(random() % below); };
  const auto statement = [&]() -> std::string {
    const std::string id = "'k" + std::to_string(number(12)) + "'";
    const std::string n = std::to_string(number(30));
    switch (number(9)) {
      case 0:
        return "INSERT OR REPLACE INTO t VALUES (" + id + ", " + n + ", " + n + ".5, x'" + "0a')";
      case 1:
        return "INSERT OR IGNORE INTO t VALUES (" + id + ", " + n + ", " + n + ", NULL)";
      case 2:
        return "UPDATE OR REPLACE t SET n = " + n + " WHERE id >= " + id;
      case 3:
        return "DELETE FROM t WHERE id < " + id;
      case 4:
        return "INSERT INTO u VALUES (" + n + ", " + id + ")";
      case 5:
        return "DELETE FROM u WHERE x % 3 = " + std::to_string(number(3));
      case 6:
        return "INSERT INTO s(v) VALUES (" + id + ")";
      case 7:
        return "UPDATE OR IGNORE s SET id = id + " + n + " WHERE id = " + n;
      default:
        return "DELETE FROM s WHERE id > " + n;
    }
  };
  std::vector<std::string> states;
  std::vector<Bytes> changesets;
  for (int event = 0; event < 300; event++) {
    states.push_back(State());
    std::string sql = statement();
    for (int more = number(4); more > 0; more--) sql += "\n" + statement();
    changesets.push_back(Record(sql));
    ASSERT_EQ(obstacle_, "");
  }
  while (!changesets.empty()) {
    const auto applied = ApplyInverse(*database_, changesets.back());
    ASSERT_TRUE(applied.ok()) << applied.error().message;
    ASSERT_EQ(State(), states.back()) << "event " << changesets.size();
    changesets.pop_back();
    states.pop_back();
  }
}

}  // namespace
}  // namespace livestore

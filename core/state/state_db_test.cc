#include "core/state/state_db.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/sqlite/changeset.h"
#include "core/sqlite/fault_pool.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/rows_reader.h"
#include "core/sqlite/savepoint.h"

namespace livestore {
namespace {

constexpr char kSchema[] = R"({"version":1,"tables":[
  {"name":"todos","columns":[
    {"name":"id","type":"text","primaryKey":true},
    {"name":"title","type":"text","default":{"value":"it's"}},
    {"name":"done","type":"integer","default":{"value":0},"codec":"boolean"}],
   "indexes":[{"name":"by_done","columns":["done"]}]},
  {"name":"log","columns":[{"name":"line","type":"text"}]},
  {"name":"counted","columns":[
    {"name":"n","type":"integer","primaryKey":true,"autoIncrement":true},
    {"name":"t","type":"text","nullable":true}]}]})";

SchemaDescriptor Schema(const std::string& json = kSchema) {
  auto schema = ParseSchemaDescriptor(json);
  EXPECT_TRUE(schema.ok()) << schema.error().message;
  return std::move(*schema);
}

// Answers with what the test put in place.
class ScriptedMaterializer final : public Materializer {
 public:
  Result<BytesView> Materialize(const Event& event, int local_index) override {
    last_local_index = local_index;
    if (error) return *error;
    if (on_event) on_event(event);
    return batch.view();
  }

  // Appends a statement to the batch.
  void Add(StatementId statement, const BindsWriter& binds) {
    if (batch.size() == 0) Clear();
    batch.PatchU32(0, ++count_);
    batch.U32(statement);
    batch.U32(static_cast<uint32_t>(binds.view().size()));
    batch.Raw(binds.view());
  }
  void Clear() {
    batch.Clear();
    batch.U32(0);
    batch.U32(0);
    count_ = 0;
  }

  ByteWriter batch;
  std::optional<Error> error;
  std::function<void(const Event&)> on_event;
  int last_local_index = -2;

 private:
  uint32_t count_ = 0;
};

BindsWriter Texts(std::initializer_list<std::string> values) {
  BindsWriter binds;
  for (const std::string& value : values) binds.Text(value);
  return binds;
}

class StateDbTest : public ::testing::Test {
 protected:
  StateDbTest() { Reset(kSchema); }

  void Reset(const std::string& schema) {
    state_ = *StateDb::Create(*Database::OpenInMemory(), Schema(schema), materializer_);
    ASSERT_TRUE(state_->Recreate().ok());
    materializer_.Clear();
  }

  Event NextEvent(bool client_only = false) {
    const SeqNumPair next = NextSeqNum(state_->head().seq, client_only);
    return {.seq = next.seq,
            .parent = next.parent,
            .name = "v1.TodoCreated",
            .args_json = "{}",
            .client_id = "c",
            .session_id = "s",
            .schema_hash = 1};
  }

  // Materializes the next event as the statements given with their texts.
  Result<Materialized> Apply(
      const std::vector<std::pair<std::string, std::initializer_list<std::string>>>& writes,
      StateDb::Record record = StateDb::Record::kChangeset) {
    materializer_.Clear();
    for (const auto& [sql, values] : writes) {
      const auto statement = state_->database().Prepare(sql);
      if (!statement.ok()) return statement.error();
      materializer_.Add(*statement, Texts(values));
    }
    return state_->Materialize(NextEvent(), -1, record);
  }
  // The same, and remembers how to take it back.
  Result<Materialized> Keep(
      const std::vector<std::pair<std::string, std::initializer_list<std::string>>>& writes) {
    const Head before = state_->head().head();
    Materialized materialized = LS_TRY(Apply(writes));
    LS_TRY(state_->KeepUndo(before, materialized));
    return materialized;
  }
  Result<Materialized> Insert(const std::string& id) {
    return Apply({{"insert into todos (id) values (?)", {id}}});
  }

  // All rows of a query as text.
  std::string Rows(const std::string& sql) { return RowsOf(state_->database(), sql); }
  static std::string RowsOf(Database& database, const std::string& sql) {
    const BindsWriter none;
    const auto statement = database.PrepareInternal(sql);
    if (!statement.ok()) return statement.error().message;
    const auto rows = database.Query(*statement, none.view());
    if (!rows.ok()) return rows.error().message;
    RowsReader reader(*rows);
    std::string text;
    for (size_t row = 0; row < reader.rows(); ++row) {
      if (row > 0) text += "; ";
      for (size_t column = 0; column < reader.columns(); ++column) {
        const Cell cell = reader.Next();
        if (column > 0) text += ",";
        if (cell.type == Cell::Type::kInteger) text += std::to_string(cell.integer);
        if (cell.type == Cell::Type::kText) text += cell.text;
        if (cell.type == Cell::Type::kNull) text += "null";
      }
    }
    return text;
  }
  // The whole state but what is remembered of it.
  std::string Dump() {
    return Rows("select rowid, * from todos order by rowid") + " / " +
           Rows("select rowid, * from log order by rowid") + " / " + Rows("select * from counted") +
           " / " + Rows("select * from sqlite_sequence");
  }
  std::string Todos() { return Rows("select id from todos order by rowid"); }

  void ExpectFails(const Result<Materialized>& result, ErrorCode code, const std::string& part) {
    ASSERT_FALSE(result.ok()) << part;
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  }

  std::string SortedNames(const TableSet& tables) {
    std::set<std::string> names;
    for (const TableId table : tables.tables()) {
      names.insert(state_->database().table_names().Name(table) + " ");
    }
    std::string text;
    for (const std::string& name : names) text += name;
    return text;
  }
  std::string TableNames(const TableSet& tables) {
    std::string text;
    for (const TableId table : tables.tables()) {
      text += state_->database().table_names().Name(table) + " ";
    }
    return text;
  }

  ScriptedMaterializer materializer_;
  std::unique_ptr<StateDb> state_;
};

// ---- Tables ------------------------------------------------------------------------------------

TEST_F(StateDbTest, RecreateMakesTheTablesOfTheSchema) {
  EXPECT_EQ(Rows("select name from sqlite_schema where type = 'table' order by name"),
            "__livestore_state; __livestore_undo; counted; log; sqlite_sequence; todos");
  EXPECT_EQ(Rows("select sql from sqlite_schema where name = 'todos'"),
            "CREATE TABLE \"todos\" (\"id\" text primary key not null, \"title\" text not null "
            "default 'it''s', \"done\" integer not null default 0) strict");
  EXPECT_EQ(Rows("select name from sqlite_schema where type = 'index' and sql is not null"),
            "by_done");
  ASSERT_TRUE(Insert("a").ok());
  EXPECT_EQ(Rows("select * from todos"), "a,it's,0");
}

TEST_F(StateDbTest, RecreateLeavesNothingOfWhatWasThere) {
  Database& database = state_->database();
  ASSERT_TRUE(database
                  .Exec("create table \"odd \"\" name\" (a); create view v as select * from todos;"
                        "create trigger t after insert on todos begin delete from log; end;"
                        "create index extra on log (line); create table sqlitex (a);"
                        "create view w as select * from v")
                  .ok());
  ASSERT_TRUE(Insert("a").ok());
  ASSERT_TRUE(Apply({{"insert into counted (t) values (?)", {"x"}}}).ok());
  EXPECT_EQ(Rows("select seq from sqlite_sequence"), "1");

  ASSERT_TRUE(state_->Recreate().ok());
  EXPECT_EQ(Rows("select type, name from sqlite_schema where sql is not null and "
                 "name not like 'sqlite\\_%' escape '\\' order by name"),
            "table,__livestore_state; table,__livestore_undo; index,by_done; table,counted; "
            "table,log; table,todos");
  EXPECT_EQ(Todos(), "");
  EXPECT_EQ(Rows("select count(*) from sqlite_sequence"), "0");
  EXPECT_EQ(state_->head().seq, kRootSeqNum);
  EXPECT_EQ(state_->head().event_hash, 0u);
  ASSERT_TRUE(Apply({{"insert into counted (t) values (?)", {"x"}}}).ok());
  EXPECT_EQ(Rows("select n from counted"), "1");
}

TEST_F(StateDbTest, DefaultsOfEveryKindWork) {
  Reset(R"({"version":1,"tables":[{"name":"t","columns":[
    {"name":"id","type":"text","primaryKey":true},
    {"name":"a","type":"text","default":{"value":"a\u0000'b"}},
    {"name":"b","type":"blob","default":{"value":{"blob":"00ff"}}},
    {"name":"c","type":"real","default":{"value":-1.5e-7}},
    {"name":"d","type":"integer","default":{"value":-9223372036854775807}},
    {"name":"e","type":"text","default":{"sql":"lower('ABC') -- why"}},
    {"name":"f","type":"text","nullable":true,"default":{"value":null}}]}]})");
  ASSERT_TRUE(Apply({{"insert into t (id) values (?)", {"1"}}}).ok());
  EXPECT_EQ(Rows("select hex(a), hex(b), c = -1.5e-7, d, e, f from t"),
            "61002762,00FF,1,-9223372036854775807,abc,null");
}

TEST_F(StateDbTest, SqlThatSqliteRefusesFailsRecreateAndChangesNothing) {
  ASSERT_TRUE(Insert("a").ok());
  const auto image = state_->database().Serialize();
  auto database = Database::OpenInMemory();
  ASSERT_TRUE((*database)->Deserialize(*image).ok());
  const auto other = StateDb::Create(std::move(*database), Schema(R"({"version":1,"tables":[
    {"name":"t","columns":[{"name":"c","type":"text","default":{"sql":"no such ("}}]}]})"),
                                     materializer_);
  const Result<void> recreated = (*other)->Recreate();
  ASSERT_FALSE(recreated.ok());
  EXPECT_EQ(recreated.error().code, ErrorCode::kInvalidSchema);
  EXPECT_EQ(recreated.error().message.find("table \"t\": "), 0u) << recreated.error().message;
  EXPECT_EQ(RowsOf((*other)->database(), "select id from todos"), "a");
}

TEST_F(StateDbTest, RecreateRollsBackWithTheSavepointAroundIt) {
  ASSERT_TRUE(Insert("a").ok());
  const StateHead before = state_->head();
  {
    auto savepoint = Savepoint::Begin(state_->database(), "test");
    ASSERT_TRUE(savepoint.ok());
    ASSERT_TRUE(state_->Recreate().ok());
    EXPECT_EQ(Todos(), "");
  }
  state_->SetHead(before.seq, before.event_hash);
  EXPECT_EQ(Todos(), "a");
  EXPECT_TRUE(Insert("b").ok());
  EXPECT_EQ(Todos(), "a; b");
}

// ---- Head --------------------------------------------------------------------------------------

TEST_F(StateDbTest, AnEmptyDatabaseHasNoHead) {
  const auto state = StateDb::Create(*Database::OpenInMemory(), Schema(), materializer_);
  const auto head = (*state)->ReadHead();
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_FALSE(head->has_value());
  EXPECT_EQ((*state)->head().seq, kRootSeqNum);
}

TEST_F(StateDbTest, ADatabaseOfAnotherOriginHasNoHead) {
  auto database = Database::OpenInMemory();
  ASSERT_TRUE((*database)->Exec("create table todos (id)").ok());
  const auto state = StateDb::Create(std::move(*database), Schema(), materializer_);
  EXPECT_FALSE((*state)->ReadHead()->has_value());
}

TEST_F(StateDbTest, TheSavedHeadIsReadBack) {
  state_->SetHead({7, 2, 4'294'967'295}, 0xfedcba9876543210);
  ASSERT_TRUE(state_->SaveHead().ok());
  state_->SetHead(kRootSeqNum, 0);
  const auto head = state_->ReadHead();
  ASSERT_TRUE(head.ok() && head->has_value());
  EXPECT_EQ((*head)->seq, (SeqNum{7, 2, 4'294'967'295}));
  EXPECT_EQ((*head)->event_hash, 0xfedcba9876543210);
  EXPECT_EQ((*head)->schema_hash, SchemaHash(Schema()));
  EXPECT_EQ(state_->head().seq, (SeqNum{7, 2, 4'294'967'295}));
}

TEST_F(StateDbTest, TheHeadRollsBackWithTheTables) {
  {
    auto savepoint = Savepoint::Begin(state_->database(), "test");
    ASSERT_TRUE(Insert("a").ok());
    ASSERT_TRUE(state_->SaveHead().ok());
  }
  EXPECT_EQ((*state_->ReadHead())->seq, kRootSeqNum);
  EXPECT_EQ(Todos(), "");
}

TEST_F(StateDbTest, ANewerFormatIsRefused) {
  ASSERT_TRUE(state_->database()
                  .Exec("drop table __livestore_state;"
                        "create table __livestore_state (id, formatVersion, other);"
                        "insert into __livestore_state values (1, 4, 4)")
                  .ok());
  const auto head = state_->ReadHead();
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code, ErrorCode::kNewerFormat);
  EXPECT_EQ(head.error().message,
            "state database: format 4 is newer than this build, which knows 3");
}

TEST_F(StateDbTest, AnOlderFormatIsNoStateAndCanBeBuiltAnew) {
  // As format 1 was.
  ASSERT_TRUE(Insert("a").ok());
  ASSERT_TRUE(state_->database()
                  .Exec("drop table __livestore_undo; "
                        "update __livestore_state set formatVersion = 1")
                  .ok());
  const auto head = state_->ReadHead();
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_FALSE(head->has_value());
  ASSERT_TRUE(state_->Recreate().ok());
  EXPECT_TRUE((*state_->ReadHead()).has_value());
  EXPECT_EQ(Todos(), "");
  EXPECT_EQ(*state_->UndoCount(), 0u);
}

TEST_F(StateDbTest, ADamagedHeadIsCorrupt) {
  constexpr char kStateWithABlob[] =
      "drop table __livestore_state; create table __livestore_state (id, formatVersion, "
      "schemaHash, seqNumGlobal, seqNumClient, seqNumRebaseGeneration, eventHash, skippedGlobal, "
      "skippedClient); "
      "insert into __livestore_state values (1, 3, x'00', 1, 0, 0, 0, 0, 0)";
  constexpr char kStateWithoutAHash[] =
      "drop table __livestore_state; create table __livestore_state (id, formatVersion, "
      "schemaHash, seqNumGlobal, seqNumClient, seqNumRebaseGeneration, other, skippedGlobal, "
      "skippedClient); "
      "insert into __livestore_state values (1, 3, 'hash', 1, 0, 0, 0, 0, 0)";
  constexpr char kStateWithoutAFormat[] =
      "drop table __livestore_state; create table __livestore_state (id, other, "
      "schemaHash, seqNumGlobal, seqNumClient, seqNumRebaseGeneration, eventHash, skippedGlobal, "
      "skippedClient); "
      "insert into __livestore_state values (1, 3, 'hash', 1, 0, 0, 0, 0, 0)";
  for (const char* sql : {"delete from __livestore_state", "drop table __livestore_undo",
                          "update __livestore_state set formatVersion = 0",
                          "update __livestore_state set seqNumGlobal = -1",
                          "update __livestore_state set seqNumGlobal = 9007199254740992",
                          "update __livestore_state set seqNumClient = 4294967296",
                          "update __livestore_state set skippedGlobal = -1", kStateWithoutAHash,
                          kStateWithoutAFormat, kStateWithABlob}) {
    Reset(kSchema);
    ASSERT_TRUE(state_->database().Exec(sql).ok()) << sql;
    const auto head = state_->ReadHead();
    ASSERT_FALSE(head.ok()) << sql;
    EXPECT_EQ(head.error().code, ErrorCode::kCorruptState) << sql;
  }
  Reset(kSchema);
  ASSERT_TRUE(state_->database().Exec("delete from __livestore_state").ok());
  EXPECT_EQ(state_->SaveHead().error().code, ErrorCode::kCorruptState);
}

// ---- Materialization ---------------------------------------------------------------------------

TEST_F(StateDbTest, AnEventMovesTablesAndHead) {
  const Event event = NextEvent();
  const auto materialized = Insert("a");
  ASSERT_TRUE(materialized.ok()) << materialized.error().message;
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(state_->head().seq, event.seq);
  EXPECT_EQ(state_->head().event_hash, EventHash(event));
  EXPECT_EQ(TableNames(materialized->tables), "todos ");
  EXPECT_FALSE(materialized->changeset.empty());
  EXPECT_TRUE(materialized->undoable);
}

TEST_F(StateDbTest, AnEventWithoutWritesMovesTheHeadOnly) {
  const auto materialized = Apply({});
  ASSERT_TRUE(materialized.ok());
  EXPECT_EQ(state_->head().seq, (SeqNum{1, 0, 0}));
  EXPECT_TRUE(materialized->changeset.empty());
  EXPECT_TRUE(materialized->tables.empty());
}

TEST_F(StateDbTest, AWriteThatChangesNothingNamesItsTableAndHasNoChangeset) {
  const auto materialized = Apply({{"delete from todos where id = ?", {"none"}}});
  ASSERT_TRUE(materialized.ok());
  EXPECT_TRUE(materialized->changeset.empty());
  EXPECT_EQ(TableNames(materialized->tables), "todos ");
}

TEST_F(StateDbTest, TheLocalIndexReachesTheMaterializer) {
  ASSERT_TRUE(state_->Materialize(NextEvent(), 5, StateDb::Record::kNothing).ok());
  EXPECT_EQ(materializer_.last_local_index, 5);
}

TEST_F(StateDbTest, NothingIsRecordedWhenNotAsked) {
  const auto materialized =
      Apply({{"insert into todos (id) values (?)", {"a"}}}, StateDb::Record::kNothing);
  ASSERT_TRUE(materialized.ok());
  EXPECT_TRUE(materialized->changeset.empty());
  EXPECT_EQ(TableNames(materialized->tables), "todos ");
}

TEST_F(StateDbTest, TheInverseChangesetBringsTheStateBack) {
  ASSERT_TRUE(Insert("a").ok());
  ASSERT_TRUE(Insert("b").ok());
  ASSERT_TRUE(Apply({{"insert into counted (t) values (?)", {"x"}}}).ok());
  const std::string before = Dump();
  std::vector<Materialized> events;
  for (const auto& writes :
       std::vector<std::vector<std::pair<std::string, std::initializer_list<std::string>>>>{
           {{"delete from todos where id = ?", {"a"}}},
           {{"insert into todos (id, title) values (?, ?)", {"c", "t"}},
            {"update todos set title = ? || id", {"x"}},
            {"insert into log (line) values (?)", {"one"}}},
           {{"insert or replace into todos (id, title) values (?, ?)", {"b", "again"}}},
           {{"insert into counted (t) values (?)", {"y"}}, {"delete from counted", {}}},
           {{"delete from todos", {}}}}) {
    auto materialized = Apply(writes);
    ASSERT_TRUE(materialized.ok()) << materialized.error().message;
    EXPECT_TRUE(materialized->undoable);
    events.push_back(std::move(*materialized));
  }
  EXPECT_NE(Dump(), before);
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    const Result<void> undone = ApplyInverse(state_->database(), event->changeset);
    ASSERT_TRUE(undone.ok()) << undone.error().message;
  }
  EXPECT_EQ(Dump(), before);
}

TEST_F(StateDbTest, WhatAChangesetCannotRollBackIsSaid) {
  ASSERT_TRUE(state_->database()
                  .Exec("create trigger t after insert on todos begin "
                        "insert into log values ('inserted'); end")
                  .ok());
  const auto materialized = Insert("a");
  ASSERT_TRUE(materialized.ok()) << materialized.error().message;
  EXPECT_FALSE(materialized->undoable);
  EXPECT_EQ(materialized->tables.tables().size(), 2u);
}

TEST_F(StateDbTest, AnEventIsAllOrNothing) {
  ASSERT_TRUE(Insert("a").ok());
  const StateHead head = state_->head();
  const auto failed = Apply({{"insert into todos (id) values (?)", {"b"}},
                             {"update todos set title = ?", {"changed"}},
                             {"insert into todos (id) values (?)", {"a"}}});
  ExpectFails(failed, ErrorCode::kConstraint,
              "materializer of \"v1.TodoCreated\" (e2): UNIQUE constraint failed: todos.id");
  EXPECT_EQ(Rows("select id, title from todos"), "a,it's");
  EXPECT_EQ(state_->head().seq, head.seq);
  EXPECT_EQ(state_->head().event_hash, head.event_hash);
  EXPECT_TRUE(Insert("b").ok());
}

TEST_F(StateDbTest, ASingleStatementIsAllOrNothing) {
  ASSERT_TRUE(Insert("c").ok());
  for (const char* sql : {"insert into todos (id) values ('a'), ('b'), ('c')",
                          "insert or abort into todos (id) values ('a'), ('b'), ('c')",
                          // This one would keep a and b.
                          "insert or fail into todos (id) values ('a'), ('b'), ('c')",
                          "insert Or /* */ FAIL into todos (id) select 'a' union all select 'c'"}) {
    ExpectFails(Apply({{sql, {}}}), ErrorCode::kConstraint, "UNIQUE constraint failed");
    EXPECT_EQ(Todos(), "c") << sql;
  }
  const auto ignoring = Apply({{"insert or ignore into todos (id) values ('a'), ('c')", {}}});
  ASSERT_TRUE(ignoring.ok());
  EXPECT_EQ(Todos(), "c; a");
}

TEST_F(StateDbTest, AFailedEventInsideATransactionLeavesItOpen) {
  auto savepoint = Savepoint::Begin(state_->database(), "test");
  ASSERT_TRUE(Insert("a").ok());
  EXPECT_FALSE(Insert("a").ok());
  EXPECT_FALSE(Apply({{"insert into todos (id) values (?)", {"b"}},
                      {"insert into todos (id) values (?)", {"a"}}})
                   .ok());
  EXPECT_FALSE(Apply({{"insert or rollback into todos (id) values (?)", {"a"}}}).ok());
  ASSERT_TRUE(Insert("c").ok());
  ASSERT_TRUE(savepoint->Release().ok());
  EXPECT_EQ(Todos(), "a; c");
}

TEST_F(StateDbTest, AMaterializerThatFailsIsNamed) {
  materializer_.error = Error{ErrorCode::kMaterializerThrew, "TypeError: x is undefined"};
  const auto failed = state_->Materialize(NextEvent(true), -1, StateDb::Record::kChangeset);
  ExpectFails(failed, ErrorCode::kMaterializerThrew,
              "materializer of \"v1.TodoCreated\" (e0.1): TypeError: x is undefined");
  EXPECT_EQ(state_->head().seq, kRootSeqNum);
}

TEST_F(StateDbTest, OnlyWritesOfRowsAreTaken) {
  for (const char* sql : {"select 1", "select * from todos", "with x as (select 1) select * from x",
                          "pragma table_info(todos)", "values (1)"}) {
    ExpectFails(Apply({{sql, {}}}), ErrorCode::kInvalidMaterializerResult, "this is not a write");
  }
  for (const char* sql :
       {"create table more (a)", "drop table todos", "alter table todos add column x",
        "create index i on todos (id)", "begin", "commit", "rollback", "savepoint s",
        "pragma user_version = 3", "vacuum", "attach 'x' as y", "analyze", "reindex",
        "delete from sqlite_sequence", "insert or rollback into todos (id) values ('a')"}) {
    ExpectFails(Apply({{sql, {}}}), ErrorCode::kInvalidMaterializerResult, "not allowed");
  }
  for (const char* sql :
       {"delete from __livestore_state", "update \"__LIVESTORE_state\" set seqNumGlobal = 9",
        "delete from __livestore_undo"}) {
    ExpectFails(Apply({{sql, {}}}), ErrorCode::kInvalidMaterializerResult, "is not the app's");
  }
  EXPECT_EQ(state_->head().seq, kRootSeqNum);
  for (const char* sql :
       {"insert into todos (id) values ('a') returning id", "replace into todos (id) values ('a')",
        "with x as (select 'b' as id) insert into todos (id) select id from x",
        "update todos set title = 'fail'", "delete from todos",
        "insert into todos (id) values ('a') on conflict (id) do update set title = 'x'"}) {
    const auto materialized = Apply({{sql, {}}});
    EXPECT_TRUE(materialized.ok()) << materialized.error().message;
  }
}

TEST_F(StateDbTest, ARefusedStatementRunsNothingOfItsBatch) {
  ExpectFails(Apply({{"insert into todos (id) values (?)", {"a"}}, {"select 1", {}}}),
              ErrorCode::kInvalidMaterializerResult, "this is not a write: select 1");
  EXPECT_EQ(Todos(), "");
}

TEST_F(StateDbTest, AnUnknownStatementIsRefused) {
  for (const StatementId statement : {0u, 999u, 0xffffffffu}) {
    materializer_.Clear();
    materializer_.Add(statement, BindsWriter());
    ExpectFails(state_->Materialize(NextEvent(), -1, StateDb::Record::kChangeset),
                ErrorCode::kInvalidMaterializerResult, "no statement");
  }
}

TEST_F(StateDbTest, AStatementOfCoreIsRefused) {
  // Its number is as good as any to who guesses it.
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"b"}}}).ok());
  ASSERT_TRUE(*state_->TakeBack(nullptr));
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"a"}}}).ok());
  ASSERT_TRUE(state_->TrimUndo(5).ok());
  ASSERT_TRUE(state_->SaveHead().ok());
  for (StatementId statement = 1; statement < 50; ++statement) {
    materializer_.Clear();
    materializer_.Add(statement, BindsWriter());
    EXPECT_FALSE(state_->Materialize(NextEvent(), -1, StateDb::Record::kChangeset).ok());
  }
  EXPECT_EQ(Rows("select seqNumGlobal from __livestore_state"), "1");
  EXPECT_EQ(*state_->UndoCount(), 1u);
}

TEST_F(StateDbTest, BindsThatDoNotFitAreRefused) {
  ExpectFails(Apply({{"insert into todos (id) values (?)", {}}}), ErrorCode::kInvalidBind, "");
  ExpectFails(Apply({{"insert into todos (id) values (?)", {"a", "b"}}}), ErrorCode::kInvalidBind,
              "");
  ExpectFails(Apply({{"insert into todos (id, done) values (?, ?)", {"a", "text"}}}),
              ErrorCode::kConstraint, "cannot store TEXT value in INTEGER column todos.done");
  EXPECT_EQ(Todos(), "");
}

TEST_F(StateDbTest, ADamagedBatchIsRefusedAndNeverCrashes) {
  const auto statement = state_->database().Prepare("insert into todos (id) values (?)");
  materializer_.Clear();
  materializer_.Add(*statement, Texts({"a"}));
  materializer_.Add(*statement, Texts({"b"}));
  const BytesView whole = materializer_.batch.view();
  const Bytes batch(whole.begin(), whole.end());
  const auto run = [this](const Bytes& bytes) {
    materializer_.batch.Clear();
    materializer_.batch.Raw(bytes);
    auto savepoint = Savepoint::Begin(state_->database(), "test");  // Rolled back each time.
    const SeqNum head = state_->head().seq;
    auto result = state_->Materialize(NextEvent(), -1, StateDb::Record::kChangeset);
    state_->SetHead(head, 0);
    return result;
  };
  ASSERT_TRUE(run(batch).ok());
  for (size_t size = 0; size < batch.size(); ++size) {
    ExpectFails(run(Bytes(batch.begin(), batch.begin() + static_cast<ptrdiff_t>(size))),
                ErrorCode::kMalformedBytes, "batch is damaged");
  }
  Bytes longer = batch;
  longer.resize(batch.size() + 8);
  ExpectFails(run(longer), ErrorCode::kMalformedBytes, "bytes follow the last statement");
  for (size_t i = 0; i < batch.size(); ++i) {
    for (const unsigned value : {0u, 1u, 2u, 3u, 0x7fu, 0x80u, 0xffu}) {
      Bytes flipped = batch;
      flipped[i] = static_cast<uint8_t>(value);
      const auto result = run(flipped);
      if (result.ok()) continue;
      EXPECT_NE(result.error().code, ErrorCode::kInternal) << result.error().message;
      EXPECT_EQ(Todos(), "");
    }
  }
}

TEST_F(StateDbTest, TooManyStatementsAreRefused) {
  materializer_.batch.Clear();
  materializer_.batch.U32(limits::kStatementsPerEventMax + 1);
  materializer_.batch.U32(0);
  ExpectFails(state_->Materialize(NextEvent(), -1, StateDb::Record::kChangeset),
              ErrorCode::kLimitExceeded, "kStatementsPerEventMax");
}

TEST_F(StateDbTest, AThousandRowsAreOneEvent) {
  const auto statement = state_->database().Prepare("insert into todos (id) values (?)");
  materializer_.Clear();
  for (int i = 0; i < 1'000; ++i) materializer_.Add(*statement, Texts({std::to_string(i)}));
  const auto materialized = state_->Materialize(NextEvent(), -1, StateDb::Record::kChangeset);
  ASSERT_TRUE(materialized.ok()) << materialized.error().message;
  EXPECT_EQ(Rows("select count(*) from todos"), "1000");
  ASSERT_TRUE(ApplyInverse(state_->database(), materialized->changeset).ok());
  EXPECT_EQ(Rows("select count(*) from todos"), "0");
}

TEST_F(StateDbTest, AMaterializerMayQueryTheStateBeforeItsEvent) {
  ASSERT_TRUE(Insert("a").ok());
  std::string seen;
  materializer_.on_event = [&](const Event&) { seen = Todos(); };
  ASSERT_TRUE(Insert("b").ok());
  EXPECT_EQ(seen, "a");
}

TEST_F(StateDbTest, StatementsKeepTheirNumbersThroughRecreateAndImage) {
  const auto statement = state_->database().Prepare("insert into todos (id) values (?)");
  const auto insert = [&](const std::string& id) {
    materializer_.Clear();
    materializer_.Add(*statement, Texts({id}));
    return state_->Materialize(NextEvent(), -1, StateDb::Record::kChangeset).ok();
  };
  EXPECT_TRUE(insert("a"));
  ASSERT_TRUE(state_->SaveHead().ok());
  const auto image = state_->database().Serialize();
  ASSERT_TRUE(state_->Recreate().ok());
  EXPECT_TRUE(insert("b"));
  ASSERT_TRUE(state_->LoadImage(*image).ok());
  EXPECT_TRUE(insert("c"));
  EXPECT_EQ(Todos(), "a; c");
}

// ---- Undo --------------------------------------------------------------------------------------

TEST_F(StateDbTest, RememberedEventsAreTakenBackNewestFirst) {
  ASSERT_TRUE(Insert("kept").ok());
  std::vector<std::string> dumps;
  std::vector<Head> heads;
  for (const auto& writes :
       std::vector<std::vector<std::pair<std::string, std::initializer_list<std::string>>>>{
           {{"insert into todos (id) values (?)", {"a"}}},
           {{"insert into counted (t) values (?)", {"x"}}, {"delete from todos", {}}},
           {},  // Changes nothing.
           {{"insert into log (line) values (?)", {"one"}},
            {"insert into todos (id) values (?)", {"kept"}}}}) {
    dumps.push_back(Dump());
    heads.push_back(state_->head().head());
    const auto kept = Keep(writes);
    ASSERT_TRUE(kept.ok()) << kept.error().message;
  }
  EXPECT_EQ(*state_->UndoCount(), 4u);
  const std::vector<std::string> tables = {"log todos ", "", "counted todos ", "todos "};
  for (size_t i = 0; i < 4; ++i) {
    TableSet touched;
    const Result<bool> taken = state_->TakeBack(&touched);
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    EXPECT_TRUE(*taken);
    EXPECT_EQ(Dump(), dumps[3 - i]);
    EXPECT_EQ(state_->head().head(), heads[3 - i]);
    EXPECT_EQ(*state_->UndoCount(), 3 - i);
    EXPECT_EQ(SortedNames(touched), tables[i]);
  }
  const Result<bool> none = state_->TakeBack(nullptr);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(*none);
  EXPECT_EQ(Todos(), "kept");
  EXPECT_EQ(state_->head().head(), heads[0]);
}

TEST_F(StateDbTest, WhatCannotBeTakenBackStays) {
  ASSERT_TRUE(state_->database()
                  .Exec("create trigger t after insert on todos begin "
                        "insert into log values ('inserted'); end")
                  .ok());
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"a"}}}).ok());
  const Head head = state_->head().head();
  TableSet touched;
  EXPECT_FALSE(*state_->TakeBack(&touched));
  EXPECT_TRUE(touched.empty());
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(state_->head().head(), head);
  EXPECT_EQ(*state_->UndoCount(), 1u);
  EXPECT_FALSE((*state_->ReadUndo())[0].undoable);
}

TEST_F(StateDbTest, RowsThatAreNotAsTheEventLeftThemAreNotTakenBack) {
  ASSERT_TRUE(Keep({{"insert into log (line) values (?)", {"one"}},
                    {"insert into todos (id) values (?)", {"a"}}})
                  .ok());
  const Head head = state_->head().head();
  // The row that is taken back first is as it was, so that there is something to roll back.
  ASSERT_TRUE(state_->database().Exec("update log set line = 'changed'").ok());
  const std::string before = Dump();
  const Result<bool> taken = state_->TakeBack(nullptr);
  ASSERT_TRUE(taken.ok()) << taken.error().message;
  EXPECT_FALSE(*taken);
  EXPECT_EQ(Dump(), before);
  EXPECT_EQ(state_->head().head(), head);
  EXPECT_EQ(*state_->UndoCount(), 1u);
  ASSERT_TRUE(state_->database().Exec("update __livestore_undo set changeset = x'99'").ok());
  EXPECT_FALSE(*state_->TakeBack(nullptr));
}

TEST_F(StateDbTest, TrimForgetsTheOldestEvents) {
  const auto ends = [this] {
    std::string text;
    const auto entries = state_->ReadUndo();
    for (const UndoEntry& entry : *entries) text += ToString(entry.before.seq) + " ";
    return text;
  };
  ASSERT_TRUE(state_->TrimUndo(3).ok());
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {id}}}).ok());
  }
  EXPECT_EQ(ends(), "e0 e1 e2 e3 e4 ");
  for (const uint64_t count : {uint64_t{5}, uint64_t{6}, UINT64_MAX}) {
    ASSERT_TRUE(state_->TrimUndo(count).ok());
    EXPECT_EQ(*state_->UndoCount(), 5u);
  }
  ASSERT_TRUE(state_->TrimUndo(2).ok());
  EXPECT_EQ(ends(), "e3 e4 ");
  EXPECT_TRUE(*state_->TakeBack(nullptr));
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"f"}}}).ok());
  EXPECT_EQ(ends(), "e3 e4 ");
  EXPECT_EQ(*state_->UndoCount(), 2u);
  ASSERT_TRUE(state_->TrimUndo(0).ok());
  EXPECT_EQ(*state_->UndoCount(), 0u);
  EXPECT_FALSE(*state_->TakeBack(nullptr));
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"g"}}}).ok());
  EXPECT_EQ(*state_->UndoCount(), 1u);
  EXPECT_EQ(Todos(), "a; b; c; d; f; g");
}

TEST_F(StateDbTest, WhatIsRememberedIsReadAsItWasKept) {
  state_->SetHead({7, 2, 4'294'967'295}, 0xfedcba9876543210);
  const Head before = state_->head().head();
  const auto kept = Keep({{"insert into todos (id) values (?)", {"a"}}});
  ASSERT_TRUE(kept.ok()) << kept.error().message;
  const Head between = state_->head().head();
  ASSERT_TRUE(state_->KeepUndo(between, {}).ok());
  const auto entries = state_->ReadUndo();
  ASSERT_TRUE(entries.ok()) << entries.error().message;
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].before, before);
  EXPECT_EQ((*entries)[0].changeset, kept->changeset);
  EXPECT_TRUE((*entries)[0].undoable);
  EXPECT_EQ((*entries)[1].before, between);
  EXPECT_TRUE((*entries)[1].changeset.empty());
  EXPECT_TRUE((*entries)[1].undoable);
}

TEST_F(StateDbTest, RememberingIsNoChangeOfTheState) {
  auto recorder = ChangesetRecorder::Begin(state_->database());
  ASSERT_TRUE(recorder.ok());
  ASSERT_TRUE(state_->KeepUndo({}, {}).ok());
  ASSERT_TRUE(state_->TrimUndo(0).ok());
  const auto changes = recorder->Finish();
  ASSERT_TRUE(changes.ok());
  EXPECT_TRUE(changes->empty());
  const auto kept = Keep({{"insert into todos (id) values (?)", {"a"}}});
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(TableNames(kept->tables), "todos ");
  EXPECT_EQ(TableNames(*TablesOf(state_->database(), kept->changeset)), "todos ");
}

TEST_F(StateDbTest, WhatIsRememberedRollsBackWithTheTables) {
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"a"}}}).ok());
  const Head head = state_->head().head();
  {
    auto savepoint = Savepoint::Begin(state_->database(), "test");
    ASSERT_TRUE(*state_->TakeBack(nullptr));
    ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"b"}}}).ok());
    ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"c"}}}).ok());
  }
  state_->SetHead(head.seq, head.hash);
  EXPECT_EQ(*state_->UndoCount(), 1u);
  EXPECT_EQ(Todos(), "a");
  EXPECT_TRUE(*state_->TakeBack(nullptr));
  EXPECT_EQ(Todos(), "");
}

TEST_F(StateDbTest, AnImageCarriesWhatIsRemembered) {
  ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"a"}}}).ok());
  ASSERT_TRUE(Keep({{"delete from todos", {}}}).ok());
  ASSERT_TRUE(state_->SaveHead().ok());
  const auto image = state_->database().Serialize();
  const auto other = StateDb::Create(*Database::OpenInMemory(), Schema(), materializer_);
  ASSERT_TRUE((*other)->Recreate().ok());
  ASSERT_TRUE((*other)->KeepUndo({}, {}).ok());
  ASSERT_TRUE((*other)->LoadImage(*image).ok());
  EXPECT_EQ(*(*other)->UndoCount(), 2u);
  EXPECT_TRUE(*(*other)->TakeBack(nullptr));
  EXPECT_EQ(RowsOf((*other)->database(), "select id from todos"), "a");
  EXPECT_TRUE(*(*other)->TakeBack(nullptr));
  EXPECT_EQ((*other)->head().head(), Head());
}

TEST_F(StateDbTest, RecreateForgetsAndKeepsTheStatementsGood) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"a"}}}).ok());
    ASSERT_TRUE(Keep({{"insert into todos (id) values (?)", {"b"}}}).ok());
    ASSERT_TRUE(*state_->TakeBack(nullptr));
    ASSERT_TRUE(state_->TrimUndo(1).ok());
    EXPECT_EQ(state_->ReadUndo()->size(), 1u);
    ASSERT_TRUE(state_->Recreate().ok());
    EXPECT_EQ(*state_->UndoCount(), 0u);
    EXPECT_TRUE(state_->ReadUndo()->empty());
    EXPECT_FALSE(*state_->TakeBack(nullptr));
  }
}

// A failure of storage at any write of a group that takes events back: after a reopen the state is
// the one before the group, with all that is remembered.
TEST(StateDbFaultTest, AFailedTransactionTakesNothingBack) {
  const std::vector<std::string> files = {"state.db", "state.db-wal", "state.db-journal"};
  int failures = 0;
  for (int writes = 0;; ++writes) {
    MemoryPool memory(files);
    FaultPool pool(memory);
    const auto vfs = PoolVfs::Create(pool, {});
    ScriptedMaterializer materializer;
    const auto state = StateDb::Create(
        *Database::Open((*vfs)->name(), "state.db", Durability::kDerived), Schema(), materializer);
    ASSERT_TRUE((*state)->Recreate().ok());
    const auto insert = (*state)->database().Prepare("insert into log (line) values (?)");
    const auto run = [&](uint64_t global) -> Result<void> {
      const Head before = (*state)->head().head();
      materializer.Clear();
      materializer.Add(*insert, Texts({std::string(3'000, 'x')}));
      const Event event{.seq = {global, 0, 0},
                        .parent = before.seq,
                        .name = "n",
                        .args_json = "{}",
                        .client_id = "c",
                        .session_id = "s",
                        .schema_hash = 1};
      const Materialized materialized =
          LS_TRY((*state)->Materialize(event, -1, StateDb::Record::kChangeset));
      LS_TRY((*state)->KeepUndo(before, materialized));
      return (*state)->SaveHead();
    };
    for (uint64_t global = 1; global <= 4; ++global) ASSERT_TRUE(run(global).ok());
    const Head head = (*state)->head().head();

    pool.Fail(FaultPool::Call::kWrite, StorageStatus::kFull, writes);
    const Result<void> done = [&]() -> Result<void> {
      Savepoint savepoint = LS_TRY(Savepoint::Begin((*state)->database(), "test"));
      for (int i = 0; i < 2; ++i) {
        if (!LS_TRY((*state)->TakeBack(nullptr))) return Error{ErrorCode::kInternal, "no undo"};
      }
      LS_TRY(run(3));
      LS_TRY((*state)->TrimUndo(2));
      return savepoint.Release();
    }();
    pool.Heal();
    if (done.ok()) break;
    ++failures;
    EXPECT_TRUE(IsStorageError(done.error().code)) << done.error().message;
    ASSERT_TRUE((*state)->database().Reopen().ok());
    const auto read = (*state)->ReadHead();
    ASSERT_TRUE(read.ok() && read->has_value());
    EXPECT_EQ((*read)->head(), head);
    EXPECT_EQ(*(*state)->UndoCount(), 4u);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(*(*state)->TakeBack(nullptr));
    EXPECT_EQ((*state)->head().head(), Head());
  }
  EXPECT_GT(failures, 0);
}

// ---- Images ------------------------------------------------------------------------------------

TEST_F(StateDbTest, AnImageReplacesStateAndHead) {
  ASSERT_TRUE(Insert("a").ok());
  ASSERT_TRUE(state_->SaveHead().ok());
  const StateHead head = state_->head();
  const auto image = state_->database().Serialize();
  ASSERT_TRUE(image.ok()) << image.error().message;

  const auto other = StateDb::Create(*Database::OpenInMemory(), Schema(), materializer_);
  ASSERT_TRUE((*other)->Recreate().ok());
  const Result<void> loaded = (*other)->LoadImage(*image);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ((*other)->head().seq, head.seq);
  EXPECT_EQ((*other)->head().event_hash, head.event_hash);
  EXPECT_EQ(RowsOf((*other)->database(), "select id from todos"), "a");
}

TEST_F(StateDbTest, AnImageAtAnotherHeadThanExpectedChangesNothing) {
  ASSERT_TRUE(Insert("a").ok());
  ASSERT_TRUE(state_->SaveHead().ok());
  const Head there = state_->head().head();
  const auto image = state_->database().Serialize();
  ASSERT_TRUE(Insert("b").ok());
  const Head here = state_->head().head();
  // The same position is not enough: another event may stand there.
  for (const Head& expected : {here, Head(), Head{there.seq, there.hash + 1}}) {
    const Result<void> loaded = state_->LoadImage(*image, expected);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, ErrorCode::kUpstreamGap) << loaded.error().message;
    EXPECT_EQ(Todos(), "a; b");
    EXPECT_EQ(state_->head().head(), here);
  }
  ASSERT_TRUE(state_->LoadImage(*image, there).ok());
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(state_->head().head(), there);
}

TEST_F(StateDbTest, AnImageOfAStateOnThePoolIsOneToo) {
  MemoryPool pool({"state.db", "state.db-wal", "state.db-journal"});
  const auto vfs = PoolVfs::Create(pool, {});
  ASSERT_TRUE(vfs.ok());
  auto database = Database::Open((*vfs)->name(), "state.db", Durability::kDerived);
  ASSERT_TRUE(database.ok());
  const auto leader = StateDb::Create(std::move(*database), Schema(), materializer_);
  ASSERT_TRUE((*leader)->Recreate().ok());
  const auto statement = (*leader)->database().Prepare("insert into todos (id) values (?)");
  materializer_.Clear();
  materializer_.Add(*statement, Texts({"a"}));
  ASSERT_TRUE((*leader)->Materialize(NextEvent(), -1, StateDb::Record::kNothing).ok());
  ASSERT_TRUE((*leader)->SaveHead().ok());
  const auto image = (*leader)->database().Serialize();
  ASSERT_TRUE(image.ok());
  ASSERT_TRUE(state_->LoadImage(*image).ok());
  EXPECT_EQ(Todos(), "a");
  EXPECT_EQ(state_->head().seq, (SeqNum{1, 0, 0}));
}

TEST_F(StateDbTest, AnImageThatIsNoStateOfThisSchemaChangesNothing) {
  ASSERT_TRUE(Insert("mine").ok());
  const StateHead before = state_->head();
  const auto image_of = [this](const std::string& schema, const std::string& tamper) {
    const auto other = StateDb::Create(*Database::OpenInMemory(), Schema(schema), materializer_);
    EXPECT_TRUE((*other)->Recreate().ok());
    EXPECT_TRUE((*other)->database().Exec(tamper).ok());
    return *(*other)->database().Serialize();
  };
  const Bytes good = image_of(kSchema, "");
  const std::vector<std::pair<Bytes, ErrorCode>> cases = {
      {{}, ErrorCode::kMalformedBytes},
      {Bytes(100, 'x'), ErrorCode::kMalformedBytes},
      {Bytes(8192, 0), ErrorCode::kMalformedBytes},
      {Bytes(good.begin(), good.end() - 4096), ErrorCode::kMalformedBytes},
      {image_of(kSchema, "drop table __livestore_state"), ErrorCode::kMalformedBytes},
      {image_of(kSchema, "delete from __livestore_state"), ErrorCode::kMalformedBytes},
      {image_of(kSchema, "update __livestore_state set formatVersion = 1"),
       ErrorCode::kMalformedBytes},
      {image_of(kSchema, "drop table __livestore_undo"), ErrorCode::kMalformedBytes},
      {image_of(kSchema, "update __livestore_state set formatVersion = 4"),
       ErrorCode::kNewerFormat},
      {image_of(R"({"version":1,"tables":[]})", ""), ErrorCode::kSchemaMismatch},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Result<void> loaded = state_->LoadImage(cases[i].first);
    ASSERT_FALSE(loaded.ok()) << i;
    EXPECT_EQ(loaded.error().code, cases[i].second) << i << ": " << loaded.error().message;
    EXPECT_EQ(Todos(), "mine") << i;
    EXPECT_EQ(state_->head().seq, before.seq) << i;
    EXPECT_EQ(state_->head().event_hash, before.event_hash) << i;
  }
  EXPECT_TRUE(Insert("more").ok());
  ASSERT_TRUE(state_->LoadImage(good).ok());
}

}  // namespace
}  // namespace livestore

#include "core/reactive/live_queries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/sqlite/row_codec.h"
#include "core/sqlite/rows_reader.h"

namespace livestore {
namespace {

using Ids = std::vector<LiveQueryId>;

class LiveQueriesTest : public ::testing::Test {
 protected:
  LiveQueriesTest() {
    EXPECT_TRUE(database_
                    ->Exec("create table a (id integer primary key, t text); "
                           "create table b (id integer primary key); "
                           "create table big (x blob); create view v as select * from b")
                    .ok());
  }

  StatementId Prepare(const std::string& sql) {
    const auto statement = database_->Prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.error().message;
    return *statement;
  }
  Result<LiveQueryId> TryOpen(const std::string& sql) {
    const BindsWriter none;
    return queries_.Open(Prepare(sql), none.view());
  }
  LiveQueryId Open(const std::string& sql) {
    const auto query = TryOpen(sql);
    EXPECT_TRUE(query.ok()) << query.error().message;
    return *query;
  }
  // What a commit of `sql` writes, after running it.
  TableSet Write(const std::string& sql) {
    const BindsWriter none;
    const StatementId statement = Prepare(sql);
    EXPECT_TRUE(database_->Run(statement, none.view()).ok());
    return database_->Info(statement).writes;
  }
  // "changed: n rows", "same", or the code of an error.
  std::string Run(LiveQueryId query) {
    const auto result = queries_.Run(query);
    if (!result.ok()) return std::string(ErrorCodeName(result.error().code));
    if (!*result) return "same";
    return std::to_string(RowsReader(**result).rows()) + " rows";
  }

  std::unique_ptr<Database> database_ = *Database::OpenInMemory();
  LiveQueries queries_{*database_};
};

TEST_F(LiveQueriesTest, TheFirstRunIsNewsAndTheSameRowsAreNot) {
  const LiveQueryId query = Open("select * from a");
  EXPECT_EQ(Run(query), "0 rows");
  EXPECT_EQ(Run(query), "same");
  Write("insert into a values (1, 'x')");
  EXPECT_EQ(Run(query), "1 rows");
  EXPECT_EQ(Run(query), "same");
  Write("update a set t = 'x'");
  EXPECT_EQ(Run(query), "same");
  Write("update a set t = 'y'");
  EXPECT_EQ(Run(query), "1 rows");
  Write("delete from a");
  EXPECT_EQ(Run(query), "0 rows");
}

TEST_F(LiveQueriesTest, OnlyReadersOfWhatWasWrittenAreAffected) {
  const LiveQueryId of_a = Open("select * from a");
  const LiveQueryId of_both = Open("select a.id from a join b using (id)");
  const LiveQueryId of_view = Open("select * from v");
  const LiveQueryId constant = Open("select 1");
  const LiveQueryId nested = Open("select (select count(*) from a where exists (select 1 from b))");
  EXPECT_EQ(queries_.Affected(Write("insert into a (t) values ('x')")),
            (Ids{of_a, of_both, nested}));
  EXPECT_EQ(queries_.Affected(Write("insert into b values (1)")), (Ids{of_both, of_view, nested}));
  EXPECT_EQ(queries_.Affected(Write("insert into big values (null)")), Ids());
  EXPECT_EQ(queries_.Affected(TableSet()), Ids());
  TableSet both = Write("delete from a");
  both.AddAll(Write("delete from b"));
  EXPECT_EQ(queries_.Affected(both), (Ids{of_a, of_both, of_view, nested}));
  EXPECT_EQ(Run(constant), "1 rows");
}

TEST_F(LiveQueriesTest, BindsAreKept) {
  Write("insert into a values (1, 'x'), (2, 'y'), (3, 'y')");
  LiveQueryId query = 0;
  {
    BindsWriter binds;
    binds.Text("y");
    query = *queries_.Open(Prepare("select * from a where t = ?"), binds.view());
  }
  const BindsWriter other = BindsWriter().Text("x");
  const LiveQueryId of_x = *queries_.Open(Prepare("select * from a where t = ?"), other.view());
  EXPECT_EQ(Run(query), "2 rows");
  EXPECT_EQ(Run(of_x), "1 rows");
  EXPECT_EQ(Run(query), "same");
}

// What a commit of `sql` changed, after running it.
Bytes Change(Database& database, const std::string& sql) {
  auto recorder = *ChangesetRecorder::Begin(database);
  const auto statement = database.Prepare(sql);
  EXPECT_TRUE(statement.ok() && database.Run(*statement, BindsWriter().view()).ok()) << sql;
  Bytes changeset = *recorder.Finish();
  EXPECT_TRUE(recorder.undoable());
  return changeset;
}

TEST_F(LiveQueriesTest, AQueryOfOneKeyIsNotRunForChangesOfOthers) {
  Write("insert into a values (1, 'x'), (2, 'y'), (3, 'y')");
  const auto open = [this](const std::string& sql, const BindsWriter& binds, RowKey key) {
    const LiveQueryId query = *queries_.Open(Prepare(sql), binds.view(), key);
    Run(query);
    return query;
  };
  const LiveQueryId two = open("select * from a where id = ?", BindsWriter().Number(2), {0, 1});
  const LiveQueryId xs = open("select * from a where t = ?", BindsWriter().Text("x"), {1, 1});
  // The claim is wrong, to see whether the query is run.
  const LiveQueryId probe = open("select * from a", BindsWriter(), {});
  const LiveQueryId wrong =
      open("select count(*) from a where ? = 'x'", BindsWriter().Text("x"), {1, 1});
  const TableSet written = database_->Info(Prepare("delete from a")).writes;
  const auto refresh = [&](const std::string& sql) {
    const Bytes changeset = Change(*database_, sql);
    const BytesView view = changeset;
    return queries_.Refresh(written, {&view, 1});
  };
  EXPECT_EQ(refresh("update a set t = 'z' where id = 2"), (Ids{two, probe}));
  EXPECT_EQ(refresh("update a set t = 'x' where id = 3"), (Ids{xs, probe}));
  EXPECT_EQ(refresh("insert into a values (4, 'y')"), (Ids{probe}));
  EXPECT_EQ(refresh("update a set id = 7 where id = 2"), (Ids{two, probe}));
  EXPECT_EQ(refresh("replace into a values (1, 'w')"), (Ids{xs, probe, wrong}));
  EXPECT_EQ(refresh("delete from a where id = 4"), (Ids{probe}));
  EXPECT_EQ(Run(wrong), "1 rows");
  EXPECT_EQ(queries_.Refresh(Change(*database_, "delete from a").empty() ? TableSet() : written),
            (Ids{xs, probe, wrong}));
}

TEST_F(LiveQueriesTest, AKeyIsNoUseBeforeTheFirstRunNorAfterAFailedOneNorForManyChanges) {
  const BindsWriter binds = BindsWriter().Number(1);
  const LiveQueryId query =
      *queries_.Open(Prepare("select * from a where id = ?"), binds.view(), {0, 1});
  const TableSet written = database_->Info(Prepare("delete from a")).writes;
  const auto refresh = [&](const std::string& sql) {
    const Bytes changeset = Change(*database_, sql);
    const BytesView view = changeset;
    return queries_.Refresh(written, {&view, 1});
  };
  EXPECT_EQ(refresh("insert into a values (5, 'x')"), Ids{query});
  EXPECT_EQ(Run(query), "0 rows");
  EXPECT_EQ(refresh("insert into a values (6, 'x')"), Ids());
  EXPECT_EQ(queries_.InvalidateAll(), Ids{query});
  EXPECT_EQ(refresh("insert into a values (7, 'x')"), Ids{query});
  EXPECT_EQ(Run(query), "0 rows");
  // Run, as it would take longer to look through this; and found to be the same.
  EXPECT_EQ(refresh("insert into a values (8, '" + std::string(5'000, 'x') + "')"), Ids());
}

TEST_F(LiveQueriesTest, AKeyOfAParameterThatIsNotThereIsRefused) {
  const auto refused = queries_.Open(Prepare("select * from a"), BindsWriter().view(), {0, 1});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

// Whatever the types on both sides, a query that is passed over has the rows it had.
TEST_F(LiveQueriesTest, AKeyNeverHidesAChange) {
  ASSERT_TRUE(database_->Exec("create table k (t text, i integer, r real, b blob, n)").ok());
  const std::vector<std::string> values = {
      "null", "1", "2", "1.0", "1.5", "'1'", "'a'", "'A'", "''", "x'61'", "9007199254740993", "-1"};
  std::vector<BindsWriter> binds(8);
  binds[0].Null();
  binds[1].Number(1);
  binds[2].Number(1.5);
  binds[3].Text("1");
  binds[4].Text("a");
  binds[5].Int64(9007199254740993);
  binds[6].Blob(Bytes{0x61});
  binds[7].Text("");
  struct Keyed {
    StatementId statement;
    LiveQueryId query;
    const BindsWriter* binds;
    Bytes rows;
  };
  std::vector<Keyed> all;
  const std::string columns = "tirbn";
  for (uint32_t column = 0; column < columns.size(); ++column) {
    for (const BindsWriter& bind : binds) {
      for (const char* const op : {" = ?", " is ?"}) {
        const StatementId statement =
            Prepare(std::string("select rowid, * from k where ") + columns[column] + op);
        const LiveQueryId query = *queries_.Open(statement, bind.view(), {column, 1});
        ASSERT_TRUE(queries_.Run(query)->has_value());
        all.push_back({statement, query, &bind, {}});
      }
    }
  }
  const auto rows_now = [&](const Keyed& keyed) {
    const BytesView rows = *database_->Query(keyed.statement, keyed.binds->view());
    return Bytes(rows.begin(), rows.end());
  };
  for (Keyed& keyed : all) keyed.rows = rows_now(keyed);
  const TableSet written = database_->Info(Prepare("delete from k")).writes;
  size_t passed_over = 0;
  uint64_t random = 1;
  const auto below = [&random](size_t count) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(random >> 33) % count;
  };
  for (int step = 0; step < 600; ++step) {
    const std::string value = values[below(values.size())];
    const std::string column(1, columns[below(columns.size())]);
    std::string sql = "delete from k where rowid = " + std::to_string(below(6));
    if (below(2) == 0) {
      sql = "insert or replace into k (rowid, " + column + ") values (" + std::to_string(below(6)) +
            ", " + value + ")";
    } else if (below(2) == 0) {
      sql = "update k set " + column + " = " + value + " where rowid < " + std::to_string(below(6));
    }
    const Bytes changeset = Change(*database_, sql);
    const BytesView view = changeset;
    const Ids stale = queries_.Refresh(written, {&view, 1});
    for (Keyed& keyed : all) {
      Bytes now = rows_now(keyed);
      const bool told = std::ranges::find(stale, keyed.query) != stale.end();
      if (told) {
        ASSERT_TRUE(queries_.Run(keyed.query).ok());
      }
      ASSERT_EQ(told, now != keyed.rows) << sql;
      if (!told) ++passed_over;
      keyed.rows = std::move(now);
    }
  }
  EXPECT_GT(passed_over, 0u);
}

TEST_F(LiveQueriesTest, AClosedQueryIsGoneAndItsNumberIsNotUsedAgain) {
  const LiveQueryId first = Open("select * from a");
  const LiveQueryId second = Open("select * from a");
  EXPECT_EQ(queries_.open_count(), 2u);
  queries_.Close(first);
  queries_.Close(first);
  queries_.Close(999);
  EXPECT_EQ(queries_.open_count(), 1u);
  EXPECT_EQ(Run(first), "InvalidArgument");
  EXPECT_EQ(Run(0), "InvalidArgument");
  EXPECT_EQ(queries_.Affected(Write("delete from a")), Ids{second});
  EXPECT_GT(Open("select * from a"), second);
}

TEST_F(LiveQueriesTest, InvalidateAllForgetsTheLastRows) {
  const LiveQueryId first = Open("select * from a");
  const LiveQueryId second = Open("select 1");
  EXPECT_EQ(Run(first), "0 rows");
  EXPECT_EQ(Run(second), "1 rows");
  EXPECT_EQ(queries_.InvalidateAll(), (Ids{first, second}));
  EXPECT_EQ(Run(first), "0 rows");
  EXPECT_EQ(Run(second), "1 rows");
  EXPECT_EQ(Run(second), "same");
}

TEST_F(LiveQueriesTest, OnlyQueriesAreOpened) {
  for (const char* sql : {"insert into a (t) values ('x')", "delete from a", "create table c (x)",
                          "pragma user_version = 3", "begin"}) {
    const auto query = TryOpen(sql);
    ASSERT_FALSE(query.ok()) << sql;
    EXPECT_EQ(query.error().code, ErrorCode::kReadOnlyQuery) << query.error().message;
  }
  const BindsWriter none;
  const auto unknown = queries_.Open(999, none.view());
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queries_.open_count(), 0u);
}

TEST_F(LiveQueriesTest, BindsThatDoNotFitAreRefusedAtOnce) {
  const StatementId statement = Prepare("select * from a where t = ?");
  const BindsWriter none;
  EXPECT_EQ(queries_.Open(statement, none.view()).error().code, ErrorCode::kInvalidBind);
  EXPECT_EQ(queries_.Open(statement, Bytes{1, 2, 3}).error().code, ErrorCode::kMalformedBytes);
  EXPECT_EQ(queries_.open_count(), 0u);
}

TEST_F(LiveQueriesTest, AQueryThatFailsIsAnErrorAndMayRecover) {
  Write("insert into a values (1, '[1]')");
  const LiveQueryId query = Open("select json_extract(t, '$[0]') from a");
  EXPECT_EQ(Run(query), "1 rows");
  Write("update a set t = 'no json'");
  EXPECT_EQ(Run(query), "Sql");
  Write("update a set t = '[1]'");
  EXPECT_EQ(Run(query), "1 rows");  // News to who was told of the error.
  EXPECT_EQ(Run(query), "same");
}

TEST_F(LiveQueriesTest, RefreshTellsOnlyOfRowsThatChanged) {
  Write("insert into a values (1, 'x'), (2, 'y')");
  const LiveQueryId of_x = Open("select * from a where t = 'x'");
  const LiveQueryId of_y = Open("select * from a where t = 'y'");
  const LiveQueryId never_run = Open("select count(*) from a");
  const LiveQueryId of_b = Open("select * from b");
  for (const LiveQueryId query : {of_x, of_y, of_b}) Run(query);

  EXPECT_EQ(queries_.Refresh(Write("insert into a values (3, 'y')")), (Ids{of_y, never_run}));
  EXPECT_EQ(Run(of_x), "same");
  EXPECT_EQ(Run(of_y), "2 rows");
  EXPECT_EQ(Run(of_y), "same");
  EXPECT_EQ(Run(never_run), "1 rows");
  EXPECT_EQ(queries_.Refresh(Write("update a set t = t")), Ids());
  EXPECT_EQ(queries_.Refresh(TableSet()), Ids());
}

TEST_F(LiveQueriesTest, RowsThatRefreshFoundAreReadEvenAfterMoreCommits) {
  const LiveQueryId query = Open("select * from a");
  EXPECT_EQ(Run(query), "0 rows");
  EXPECT_EQ(queries_.Refresh(Write("insert into a values (1, 'x')")), Ids{query});
  EXPECT_EQ(queries_.Refresh(Write("update a set t = 'x'")), Ids());
  EXPECT_EQ(queries_.Refresh(Write("insert into a values (2, 'x')")), Ids{query});
  EXPECT_EQ(Run(query), "2 rows");
  EXPECT_EQ(queries_.Refresh(Write("delete from a")), Ids{query});
  EXPECT_EQ(queries_.InvalidateAll(), Ids{query});
  EXPECT_EQ(Run(query), "0 rows");
}

TEST_F(LiveQueriesTest, RefreshTellsOfAnErrorAndOfItsEnd) {
  Write("insert into a values (1, '[1]')");
  const LiveQueryId query = Open("select json_extract(t, '$[0]') from a");
  EXPECT_EQ(Run(query), "1 rows");
  EXPECT_EQ(queries_.Refresh(Write("update a set t = 'no json'")), Ids{query});
  EXPECT_EQ(Run(query), "Sql");
  EXPECT_EQ(queries_.Refresh(Write("update a set t = '[1]'")), Ids{query});
  EXPECT_EQ(Run(query), "1 rows");
  EXPECT_EQ(queries_.Refresh(Write("update a set t = 'no json'")), Ids{query});
  // The error was not read, but the rows before it were: telling once too often is harmless.
  EXPECT_EQ(queries_.Refresh(Write("update a set t = '[1]'")), Ids{query});
  EXPECT_EQ(Run(query), "1 rows");
}

TEST_F(LiveQueriesTest, ResultsBeyondTheLimitCountAsChangedEachTime) {
  Write("insert into big values (zeroblob(40000000))");
  const LiveQueryId first = Open("select x from big");
  const LiveQueryId second = Open("select x from big");
  EXPECT_EQ(Run(first), "1 rows");
  EXPECT_EQ(Run(first), "same");
  EXPECT_EQ(Run(second), "1 rows");
  EXPECT_EQ(Run(second), "1 rows");  // There is no room to remember it.
  EXPECT_EQ(Run(first), "same");
  queries_.Close(first);
  EXPECT_EQ(Run(second), "1 rows");
  EXPECT_EQ(Run(second), "same");
}

TEST_F(LiveQueriesTest, TheNumberOfOpenQueriesIsLimited) {
  const StatementId statement = Prepare("select 1");
  const BindsWriter none;
  for (size_t i = 0; i < limits::kLiveQueriesMax; ++i) {
    ASSERT_TRUE(queries_.Open(statement, none.view()).ok()) << i;
  }
  const auto query = queries_.Open(statement, none.view());
  ASSERT_FALSE(query.ok());
  EXPECT_EQ(query.error().code, ErrorCode::kLimitExceeded);
  queries_.Close(1);
  EXPECT_TRUE(queries_.Open(statement, none.view()).ok());
}

TEST_F(LiveQueriesTest, ReadSetsFollowAReplacedSchema) {
  const LiveQueryId query = Open("select * from v");
  EXPECT_EQ(queries_.Affected(Write("insert into b values (7)")), Ids{query});
  ASSERT_TRUE(database_->Exec("drop view v; create view v as select * from a").ok());
  EXPECT_EQ(Run(query), "0 rows");
  EXPECT_EQ(queries_.Affected(Write("insert into a values (7, 'x')")), Ids{query});
}

}  // namespace
}  // namespace livestore

#include "core/reactive/live_queries.h"

#include <gtest/gtest.h>

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

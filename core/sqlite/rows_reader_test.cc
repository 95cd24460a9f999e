#include "core/sqlite/rows_reader.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "core/sqlite/database.h"
#include "core/sqlite/row_codec.h"

namespace livestore {
namespace {

class RowsReaderTest : public ::testing::Test {
 protected:
  RowsReader Query(const std::string& sql) {
    const BindsWriter none;
    const auto statement = database_->Prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.error().message;
    const auto rows = database_->Query(*statement, none.view());
    EXPECT_TRUE(rows.ok()) << rows.error().message;
    return RowsReader(*rows);
  }

  std::unique_ptr<Database> database_ = *Database::OpenInMemory();
};

TEST_F(RowsReaderTest, CellsComeInOrderWithTheirTypes) {
  RowsReader reader =
      Query("select null, 1, -2.5, 'text', x'0102' union all select 3, 'a', x'', '', 4.0");
  ASSERT_EQ(reader.rows(), 2u);
  ASSERT_EQ(reader.columns(), 5u);
  EXPECT_EQ(reader.Next().type, Cell::Type::kNull);
  const Cell integer = reader.Next();
  EXPECT_EQ(integer.type, Cell::Type::kInteger);
  EXPECT_EQ(integer.integer, 1);
  const Cell real = reader.Next();
  EXPECT_EQ(real.type, Cell::Type::kReal);
  EXPECT_EQ(real.real, -2.5);
  const Cell text = reader.Next();
  EXPECT_EQ(text.type, Cell::Type::kText);
  EXPECT_EQ(text.text, "text");
  const Cell blob = reader.Next();
  EXPECT_EQ(blob.type, Cell::Type::kBlob);
  EXPECT_EQ(Bytes(blob.blob.begin(), blob.blob.end()), (Bytes{1, 2}));
  EXPECT_EQ(reader.Next().integer, 3);
  EXPECT_EQ(reader.Next().text, "a");
  EXPECT_TRUE(reader.Next().blob.empty());
  const Cell empty = reader.Next();
  EXPECT_EQ(empty.type, Cell::Type::kText);
  EXPECT_EQ(empty.text, "");
  const Cell whole = reader.Next();
  EXPECT_EQ(whole.type, Cell::Type::kInteger);
  EXPECT_EQ(whole.integer, 4);
}

TEST_F(RowsReaderTest, IntegersKeepAllTheirBits) {
  RowsReader reader = Query(
      "select 9223372036854775807, -9223372036854775808, 9007199254740993, 9007199254740992, "
      "1e300, 9e999");
  EXPECT_EQ(reader.Next().integer, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(reader.Next().integer, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(reader.Next().integer, 9007199254740993);
  EXPECT_EQ(reader.Next().integer, 9007199254740992);
  EXPECT_EQ(reader.Next().real, 1e300);
  EXPECT_EQ(reader.Next().real, std::numeric_limits<double>::infinity());
}

TEST_F(RowsReaderTest, TextsAreCutByUtf16UnitsAndReadAsUtf8) {
  RowsReader reader = Query("select 'é', '€uro', '\U0001F600x', '', 'ascii', '\U0010FFFF'");
  for (const char* expected : {"é", "€uro", "\U0001F600x", "", "ascii", "\U0010FFFF"}) {
    EXPECT_EQ(reader.Next().text, expected);
  }
}

TEST_F(RowsReaderTest, NoRowsHaveNoCells) {
  RowsReader reader = Query("select 1 where 0");
  EXPECT_EQ(reader.rows(), 0u);
  EXPECT_EQ(reader.columns(), 1u);
}

using RowsReaderDeathTest = RowsReaderTest;

TEST_F(RowsReaderDeathTest, ReadingBeyondTheLastCellIsABug) {
  RowsReader reader = Query("select 1");
  reader.Next();
  EXPECT_DEATH(reader.Next(), "check failed");
}

}  // namespace
}  // namespace livestore

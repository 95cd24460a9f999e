#include "core/sqlite/row_codec.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "core/sqlite/database.h"
#include "core/sqlite/test_rows.h"

namespace livestore {
namespace {

class RowCodecTest : public testing::Test {
 protected:
  RowCodecTest() : database_(std::move(*Database::OpenInMemory())) {}

  // The rows of `sql` as text, or the error's message.
  std::string Query(std::string_view sql, const BindsWriter& binds = {}) {
    const auto statement = database_->Prepare(sql);
    if (!statement.ok()) return statement.error().message;
    const auto rows = database_->Query(*statement, binds.view());
    return rows.ok() ? RowsToText(*rows) : rows.error().message;
  }
  Result<BytesView> QueryBytes(std::string_view sql, BytesView binds) {
    return database_->Query(*database_->Prepare(sql), binds);
  }

  std::unique_ptr<Database> database_;
};

TEST_F(RowCodecTest, EveryKindOfCellCrosses) {
  EXPECT_EQ(Query("SELECT null, 1, -7, 1.5, 'text', '', x'00ff', x''"),
            "null|1|-7|1.5|'text'|''|x00ff|x");
}

TEST_F(RowCodecTest, NoRowsAreStillColumns) {
  EXPECT_EQ(Query("SELECT 1, 2 WHERE 0"), "");
  const auto rows = QueryBytes("SELECT 1, 2 WHERE 0", BindsWriter().view());
  ASSERT_TRUE(rows.ok());
  ByteReader reader(*rows);
  EXPECT_EQ(reader.U32(), 0);
  EXPECT_EQ(reader.U32(), 2);
}

TEST_F(RowCodecTest, IntegersBeyondTheExactRangeKeepTheirBits) {
  EXPECT_EQ(
      Query("SELECT 9007199254740992, 9007199254740993, -9007199254740992, -9007199254740993"),
      "9007199254740992|9007199254740993n|-9007199254740992|-9007199254740993n");
  EXPECT_EQ(Query("SELECT 9223372036854775807, -9223372036854775808"),
            "9223372036854775807n|-9223372036854775808n");
}

TEST_F(RowCodecTest, TheAsciiFlagIsOnlySetForAscii) {
  const auto flags = [this](std::string_view sql) {
    ByteReader reader(*QueryBytes(sql, BindsWriter().view()));
    reader.Raw(12);
    return reader.U32();
  };
  EXPECT_EQ(flags("SELECT 'plain', 1"), 1);
  EXPECT_EQ(flags("SELECT 1"), 1);
  EXPECT_EQ(flags("SELECT 'plain', 'm\xc3\xb6re'"), 0);
}

TEST_F(RowCodecTest, TextIsCountedInUtf16Units) {
  EXPECT_EQ(Query("SELECT 'a\xc3\xa4', '\xe2\x82\xac!', '\xf0\x9f\x98\x80x', 'end'"),
            "'a\xc3\xa4'|'\xe2\x82\xac!'|'\xf0\x9f\x98\x80x'|'end'");
  EXPECT_EQ(Query("SELECT 'a' || char(0) || 'b'"), std::string("'a\0b'", 5));
}

// By the "maximal subpart" rule of the Encoding Standard: what TextDecoder answers.
TEST_F(RowCodecTest, InvalidUtf8IsReplacedAsTextDecoderDoes) {
  const std::string r = "\xef\xbf\xbd";
  const std::pair<std::string, std::string> cases[] = {
      {"80", r},                         // A lone continuation.
      {"c3", r},                         // Cut at the end.
      {"c341", r + "A"},                 // Cut by ASCII.
      {"c080", r + r},                   // Overlong.
      {"e08080", r + r + r},             // Overlong.
      {"e282", r},                       // Two bytes of three: one replacement,
      {"e28241", r + "A"},               // and what follows is kept.
      {"e2c3a4", r + "\xc3\xa4"},        // A new character right after.
      {"eda080", r + r + r},             // A surrogate.
      {"ed9fbf", "\xed\x9f\xbf"},        // Just before them.
      {"ee8080", "\xee\x80\x80"},        // Just after them.
      {"f09f98", r},                     // Three bytes of four.
      {"f08f8080", r + r + r + r},       // Overlong.
      {"f48fbfbf", "\xf4\x8f\xbf\xbf"},  // U+10FFFF.
      {"f4908080", r + r + r + r},       // Beyond it.
      {"f5808080", r + r + r + r},       // Never a lead.
      {"ff41fe", r + "A" + r},           // Never anything.
      {"41c3a480f09f9880", "A\xc3\xa4" + r + "\xf0\x9f\x98\x80"},
  };
  for (const auto& [hex, expected] : cases) {
    EXPECT_EQ(Query("SELECT CAST(x'" + hex + "' AS TEXT), 'after'"), "'" + expected + "'|'after'")
        << hex;
  }
}

TEST_F(RowCodecTest, ManyRowsOfMixedTextKeepTheirPlaces) {
  std::string expected;
  for (int i = 0; i < 2000; i++) {
    if (i > 0) expected += "\n";
    expected +=
        std::to_string(i) + "|'\xc3\xa4" + std::to_string(i) + "'|x" + (i % 2 == 0 ? "ab" : "");
  }
  EXPECT_EQ(Query("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i+1 FROM n WHERE i < 1999) "
                  "SELECT i, '\xc3\xa4' || i, iif(i % 2 = 0, x'ab', x'') FROM n"),
            expected);
}

TEST_F(RowCodecTest, AViewIsAlignedForDoubles) {
  const auto rows = QueryBytes("SELECT 1.5, 'abc'", BindsWriter().view());
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(rows->data()) % 8, 0);
}

TEST_F(RowCodecTest, MemoryOfAHugeResultIsGivenBack) {
  ASSERT_TRUE(QueryBytes("SELECT zeroblob(30000000)", BindsWriter().view()).ok());
  EXPECT_EQ(Query("SELECT 1"), "1");
  EXPECT_EQ(Query("SELECT 'still right', x'01'"), "'still right'|x01");
}

TEST_F(RowCodecTest, NumbersBindAsIntegersWhenTheyAre) {
  const auto kind = [this](double value) {
    return Query("SELECT typeof(?1) || ' ' || ?1", BindsWriter().Number(value));
  };
  EXPECT_EQ(kind(3), "'integer 3'");
  EXPECT_EQ(kind(-3), "'integer -3'");
  EXPECT_EQ(kind(0), "'integer 0'");
  EXPECT_EQ(kind(9007199254740992), "'integer 9007199254740992'");
  EXPECT_EQ(kind(3.5), "'real 3.5'");
  EXPECT_EQ(kind(9007199254740994), "'real 9007199254740994.0'");
  EXPECT_EQ(kind(1e300), "'real 1.0e+300'");
  EXPECT_EQ(kind(-0.0), "'real 0.0'");
  EXPECT_EQ(Query("SELECT ?", BindsWriter().Number(-0.0)), "-0");
  EXPECT_EQ(Query("SELECT ?", BindsWriter().Number(std::numeric_limits<double>::quiet_NaN())),
            "null");
  EXPECT_EQ(Query("SELECT ?", BindsWriter().Number(std::numeric_limits<double>::infinity())),
            "inf");
}

TEST_F(RowCodecTest, EveryKindOfBindCrosses) {
  const uint8_t blob[] = {1, 2, 255};
  BindsWriter binds;
  binds.Null().Number(1.25).Int64(std::numeric_limits<int64_t>::min()).Text("gr\xc3\xbc\xc3\x9f");
  binds.Text("").Blob(blob).Blob({});
  EXPECT_EQ(Query("SELECT ?, ?, ?, ?, ?, ?, ?", binds),
            "null|1.25|-9223372036854775808n|'gr\xc3\xbc\xc3\x9f'|''|x0102ff|x");
  binds.Clear();
  binds.Number(7);
  EXPECT_EQ(Query("SELECT ?", binds), "7");
}

TEST_F(RowCodecTest, StrictTablesTakeWholeNumbersAsIntegers) {
  ASSERT_TRUE(database_->Exec("CREATE TABLE s(i INTEGER, r REAL) STRICT").ok());
  const auto insert = *database_->Prepare("INSERT INTO s VALUES (?, ?)");
  EXPECT_TRUE(database_->Run(insert, BindsWriter().Number(5).Number(5).view()).ok());
  const auto refused = database_->Run(insert, BindsWriter().Number(5.5).Number(5).view());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kConstraint);
  EXPECT_EQ(Query("SELECT i, typeof(i), r, typeof(r) FROM s"), "5|'integer'|5|'real'");
}

TEST_F(RowCodecTest, AWrongNumberOfBindsIsRefused) {
  const auto few = QueryBytes("SELECT ?, ?", BindsWriter().Number(1).view());
  ASSERT_FALSE(few.ok());
  EXPECT_EQ(few.error().code, ErrorCode::kInvalidBind);
  EXPECT_EQ(few.error().message,
            "the statement has 2 parameters, 1 values were given, in: SELECT ?, ?");
  EXPECT_FALSE(QueryBytes("SELECT 1", BindsWriter().Number(1).view()).ok());
}

TEST_F(RowCodecTest, DamagedBindsAreRefusedAtEveryLength) {
  const BindsWriter binds = [] {
    BindsWriter writer;
    writer.Text("some text").Number(2).Blob(AsBytes("bytes"));
    return writer;
  }();
  const BytesView whole = binds.view();
  for (size_t size = 0; size < whole.size(); size++) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const auto rows = QueryBytes("SELECT ?, ?, ?", cut);
    ASSERT_FALSE(rows.ok()) << size;
    EXPECT_EQ(rows.error().code, ErrorCode::kMalformedBytes) << size;
  }
  Bytes longer(whole.begin(), whole.end());
  longer.resize(longer.size() + 8);
  EXPECT_EQ(QueryBytes("SELECT ?, ?, ?", longer).error().code, ErrorCode::kMalformedBytes);
  Bytes wrong_tag(whole.begin(), whole.end());
  wrong_tag[8] = 9;
  EXPECT_EQ(QueryBytes("SELECT ?, ?, ?", wrong_tag).error().code, ErrorCode::kMalformedBytes);
  Bytes reserved(whole.begin(), whole.end());
  reserved[4] = 1;
  EXPECT_EQ(QueryBytes("SELECT ?, ?, ?", reserved).error().code, ErrorCode::kMalformedBytes);
  Bytes huge_length(whole.begin(), whole.end());
  for (size_t i = 12; i < 16; i++) huge_length[i] = 0xff;
  EXPECT_EQ(QueryBytes("SELECT ?, ?, ?", huge_length).error().code, ErrorCode::kMalformedBytes);
}

TEST_F(RowCodecTest, AnErrorWhileSteppingIsReported) {
  EXPECT_EQ(Query("SELECT abs(-9223372036854775807 - 1)"),
            "integer overflow (SQLite code 1) in: SELECT abs(-9223372036854775807 - 1)");
  EXPECT_EQ(Query("SELECT 1"), "1");
}

}  // namespace
}  // namespace livestore

#include "core/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "core/base/check.h"

namespace livestore {
namespace {

const Error kOdd{ErrorCode::kInvalidArgument, "odd"};

Result<int> Half(int number) {
  if (number % 2 != 0) return kOdd;
  return number / 2;
}

Result<int> Quarter(int number) {
  const int half = LS_TRY(Half(number));
  return LS_TRY(Half(half));
}

Result<std::string> QuarterText(int number) { return std::to_string(LS_TRY(Quarter(number))); }

Result<void> MustBeEven(int number) {
  LS_TRY(Half(number));
  return Ok();
}

Result<void> BothEven(int a, int b) {
  LS_TRY(MustBeEven(a));
  LS_TRY(MustBeEven(b));
  return Ok();
}

Result<std::unique_ptr<int>> Boxed(int number) {
  return std::make_unique<int>(LS_TRY(Half(number)));
}

Result<int> Unboxed(int number) {
  const std::unique_ptr<int> box = LS_TRY(Boxed(number));
  return *box;
}

TEST(ResultTest, IsAValueOrAnError) {
  const Result<int> value = Half(8);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value, 4);
  const Result<int> error = Half(7);
  ASSERT_FALSE(error.ok());
  EXPECT_EQ(error.error(), kOdd);
  EXPECT_TRUE(Ok().ok());
  EXPECT_TRUE(Result<void>().ok());
}

TEST(ResultTest, TryYieldsTheValueOrPassesTheErrorOn) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(6).error(), kOdd);  // From the second call.
  EXPECT_EQ(Quarter(5).error(), kOdd);
  EXPECT_EQ(QuarterText(12).value(), "3");
  EXPECT_EQ(QuarterText(6).error(), kOdd);
}

TEST(ResultTest, TryOfNothingOnlyPassesErrorsOn) {
  EXPECT_TRUE(BothEven(2, 4).ok());
  EXPECT_EQ(BothEven(1, 2).error(), kOdd);
  EXPECT_EQ(BothEven(2, 1).error(), kOdd);
}

TEST(ResultTest, TryMovesWhatCannotBeCopied) {
  EXPECT_EQ(Unboxed(10).value(), 5);
  EXPECT_EQ(Unboxed(9).error(), kOdd);
}

TEST(ResultTest, TryNests) {
  const auto twice = []() -> Result<int> { return LS_TRY(Half(LS_TRY(Half(20)))); };
  EXPECT_EQ(twice().value(), 5);
}

// The value type converts to bool by itself; a copy must still be a copy and not "it has a value".
TEST(ResultTest, AResultOfBoolKeepsItsValue) {
  Result<bool> no = false;
  Result<bool> copy = no;
  const Result<bool> moved = std::move(no);
  EXPECT_FALSE(*copy);
  EXPECT_FALSE(*moved);
  copy = true;
  EXPECT_TRUE(*copy);
}

TEST(ErrorTest, EveryCodeHasItsNameAndItsOwnNumber) {
#define LS_ERROR(name, number, doc)                             \
  EXPECT_EQ(ErrorCodeName(ErrorCode::k##name), #name);          \
  EXPECT_EQ(static_cast<uint32_t>(ErrorCode::k##name), number); \
  EXPECT_GT(sizeof doc, 10u) << #name << " needs an explanation";
#include "core/base/error_codes.def"
#undef LS_ERROR
  EXPECT_EQ(ErrorCodeName(static_cast<ErrorCode>(999)), "Unknown");
  EXPECT_EQ(ErrorCodeName(static_cast<ErrorCode>(0)), "Unknown");
}

TEST(ErrorTest, AnErrorWithoutWordsIsInternal) {
  EXPECT_EQ(Error().code, ErrorCode::kInternal);
  EXPECT_EQ(Error().message, "");
}

TEST(ErrorTest, StorageErrorsAreThoseOfTheirRange) {
  EXPECT_TRUE(IsStorageError(ErrorCode::kStorageFull));
  EXPECT_TRUE(IsStorageError(ErrorCode::kNotUndoable));
  EXPECT_FALSE(IsStorageError(ErrorCode::kSchemaMismatch));
  EXPECT_FALSE(IsStorageError(ErrorCode::kInternal));
}

TEST(CheckTest, ATrueConditionCostsNothing) {
  int evaluated = 0;
  LS_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, AFalseConditionEndsTheProcessAndSaysWhere) {
  EXPECT_DEATH(LS_CHECK(1 + 1 == 3), "check failed: 1 \\+ 1 == 3 \\(result_test.cc:");
}

}  // namespace
}  // namespace livestore

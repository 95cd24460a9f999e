#include "core/base/json_depth.h"

#include <gtest/gtest.h>

#include <string>

namespace livestore {
namespace {

TEST(JsonDepthTest, CountsOpenArraysAndObjects) {
  EXPECT_EQ(JsonDepth(""), 0u);
  EXPECT_EQ(JsonDepth("1"), 0u);
  EXPECT_EQ(JsonDepth("{}"), 1u);
  EXPECT_EQ(JsonDepth(R"([[1],[2],{"a":[3]}])"), 3u);
  EXPECT_EQ(JsonDepth(std::string(100'000, '[')), 100'000u);
}

TEST(JsonDepthTest, BracketsInStringsDoNotCount) {
  EXPECT_EQ(JsonDepth(R"(["[[[", "\"[[", "\\"])"), 1u);
  EXPECT_EQ(JsonDepth(R"({"[[": "{{"})"), 1u);
}

TEST(JsonDepthTest, TextThatIsNotJsonIsMeasuredToo) {
  EXPECT_EQ(JsonDepth("]]]["), 1u);
  EXPECT_EQ(JsonDepth("\"unfinished [[["), 0u);
  EXPECT_EQ(JsonDepth("\"\\"), 0u);
}

}  // namespace
}  // namespace livestore

#include "core/base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/limits.h"

namespace livestore {
namespace {

Json Parsed(std::string_view text) {
  Json value;
  EXPECT_EQ(ParseJson(text, value), JsonOutcome::kParsed) << text;
  return value;
}

TEST(JsonTest, ReadsEveryKindOfValue) {
  const Json value = Parsed(
      R"({"null":null,"yes":true,"below":-3,"above":18446744073709551615,"real":1.5,
          "text":"a\u0000ü","list":[1,[],{"a":[2]}]})");
  ASSERT_EQ(value.type, Json::Type::kObject);
  EXPECT_EQ(value.Find("null")->type, Json::Type::kNull);
  EXPECT_TRUE(value.Find("yes")->boolean);
  EXPECT_EQ(value.Find("below")->integer, -3);
  EXPECT_EQ(value.Find("above")->natural, 18446744073709551615u);
  EXPECT_EQ(value.Find("real")->real, 1.5);
  EXPECT_EQ(value.Find("real")->text, "1.5");
  EXPECT_EQ(value.Find("text")->text, std::string("a\0ü", 4));
  const Json& list = *value.Find("list");
  ASSERT_EQ(list.elements.size(), 3u);
  EXPECT_EQ(list.elements[1].type, Json::Type::kArray);
  EXPECT_EQ(list.elements[2].Find("a")->elements[0].number(), 2);
  EXPECT_EQ(value.Find("absent"), nullptr);
  EXPECT_EQ(list.Find("a"), nullptr);
}

TEST(JsonTest, OfARepeatedKeyTheLastOneCounts) {
  EXPECT_EQ(Parsed(R"({"a":[1,2],"a":{"b":3}})"), Parsed(R"({"a":{"b":3}})"));
  EXPECT_EQ(Parsed(R"({"a":1,"a":"x"})"), Parsed(R"({"a":"x"})"));
}

TEST(JsonTest, EqualityIsOfValuesNotOfText) {
  EXPECT_EQ(Parsed(R"({"a":1,"b":[1,2]})"), Parsed(R"( {"b": [1.0, 2e0], "a": 1} )"));
  EXPECT_EQ(Parsed("-0"), Parsed("0"));
  EXPECT_EQ(Parsed("1.50"), Parsed("15e-1"));
  for (const auto& [one, other] : {std::pair{R"({"a":1})", R"({"a":2})"},
                                   {R"({"a":1})", R"({"a":1,"b":null})"},
                                   {"[1,2]", "[2,1]"},
                                   {"1", "\"1\""},
                                   {"null", "false"},
                                   {"{}", "[]"},
                                   {"1.5", "\"1.5\""},
                                   {"-1", "18446744073709551615"}}) {
    EXPECT_NE(Parsed(one), Parsed(other)) << one << " and " << other;
  }
}

TEST(JsonTest, WhatIsNotJsonIsSaid) {
  Json value;
  for (const std::string_view text :
       {"", "{", "[1,]", "{\"a\":}", "nul", "1 2", "\"\\u12\"", "\"\xff\"", "1e999", "]"}) {
    EXPECT_EQ(ParseJson(text, value), JsonOutcome::kNotJson) << text;
  }
}

TEST(JsonTest, Law9DepthIsBounded) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  Json value;
  EXPECT_EQ(ParseJson(nested(limits::kJsonDepthMax), value), JsonOutcome::kParsed);
  EXPECT_EQ(ParseJson(nested(limits::kJsonDepthMax + 1), value), JsonOutcome::kTooDeep);
  EXPECT_EQ(ParseJson(std::string(1'000'000, '['), value), JsonOutcome::kTooDeep);
  EXPECT_EQ(ParseJson(std::string(100, '[') + "x", value), JsonOutcome::kNotJson);
}

}  // namespace
}  // namespace livestore

#include "core/event/event.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace livestore {
namespace {

Event At(const SeqNum& seq, std::string args = "{}") {
  return {.seq = seq,
          .parent = {},
          .name = "v1.TodoCreated",
          .args_json = std::move(args),
          .client_id = "A",
          .session_id = "s1",
          .schema_hash = 1};
}

bool SameArgs(const std::string& a, const std::string& b) {
  return SameEvent(At({1, 0, 0}, a), At({1, 0, 0}, b));
}

TEST(EventTest, ClientOnlyIsReadOffTheNumber) {
  EXPECT_FALSE(At({3, 0, 1}).client_only());
  EXPECT_TRUE(At({3, 1, 0}).client_only());
}

TEST(EventTest, SameEventIgnoresGenerationParentAndSchemaHash) {
  Event mine = At({3, 0, 0});
  Event theirs = At({3, 0, 5});
  theirs.parent = {2, 0, 5};
  theirs.schema_hash = 99;
  EXPECT_TRUE(SameEvent(mine, theirs));
}

TEST(EventTest, SameEventComparesPositionNameAndOrigin) {
  const Event event = At({3, 1, 0});
  Event other = event;
  other.seq = {3, 2, 0};
  EXPECT_FALSE(SameEvent(event, other));
  other = event;
  other.seq = {4, 1, 0};
  EXPECT_FALSE(SameEvent(event, other));
  other = event;
  other.name = "v1.TodoDeleted";
  EXPECT_FALSE(SameEvent(event, other));
  other = event;
  other.client_id = "B";
  EXPECT_FALSE(SameEvent(event, other));
  other = event;
  other.session_id = "s2";
  EXPECT_FALSE(SameEvent(event, other));
}

TEST(EventTest, ArgumentsAreComparedAsValues) {
  EXPECT_TRUE(SameArgs(R"({"a":1,"b":[true,null,"x"]})", R"( { "b":[true,null,"x"], "a":1 } )"));
  EXPECT_TRUE(SameArgs(R"({"a":1})", R"({"a":1.0})"));
  EXPECT_TRUE(SameArgs(R"("\u0041")", R"("A")"));
  EXPECT_FALSE(SameArgs(R"({"a":1})", R"({"a":2})"));
  EXPECT_FALSE(SameArgs(R"({"a":1})", R"({"a":"1"})"));
  EXPECT_FALSE(SameArgs(R"({"a":1})", R"({"a":1,"b":null})"));
  EXPECT_FALSE(SameArgs(R"([1,2])", R"([2,1])"));
  EXPECT_TRUE(SameArgs(R"({"__proto__":{"x":1},"a":1})", R"({"a":1,"__proto__":{"x":1}})"));
}

TEST(EventTest, ArgumentsThatAreNotJsonEqualOnlyThemselves) {
  EXPECT_TRUE(SameArgs("{oops", "{oops"));
  EXPECT_FALSE(SameArgs("{oops", "{oops "));
  EXPECT_FALSE(SameArgs("", "{}"));
  EXPECT_FALSE(SameArgs("\"\xff\"", "\"\xfe\""));
}

TEST(EventTest, ADepthBombIsComparedByBytes) {
  const std::string bomb = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_TRUE(SameArgs(bomb, bomb));
  EXPECT_FALSE(SameArgs(bomb, bomb + " "));
  EXPECT_FALSE(SameArgs(std::string(1'000'000, '['), std::string(1'000'001, '[')));
}

TEST(EventTest, TheHashTellsEventsApartByWhatTheyAre) {
  const Event event = At({3, 1, 0});
  EXPECT_EQ(EventHash(Event{}), 0u);
  EXPECT_NE(EventHash(event), 0u);
  Event same = event;
  same.seq.generation = 9;
  same.parent = {3, 0, 9};
  same.schema_hash = 2;
  EXPECT_EQ(EventHash(event), EventHash(same));
  const std::function<void(Event&)> changes[] = {[](Event& e) { e.seq.global = 4; },
                                                 [](Event& e) { e.seq.client = 2; },
                                                 [](Event& e) { e.name = "m"; },
                                                 [](Event& e) { e.args_json = "[]"; },
                                                 [](Event& e) { e.client_id = "B"; },
                                                 [](Event& e) { e.session_id = "s2"; },
                                                 [](Event& e) {
                                                   e.name += e.args_json;
                                                   e.args_json = "";
                                                 },
                                                 [](Event& e) {
                                                   e.client_id += e.session_id;
                                                   e.session_id = "";
                                                 }};
  for (const auto& change : changes) {
    Event other = event;
    change(other);
    EXPECT_NE(EventHash(event), EventHash(other));
  }
}

// Stored in logs and states, and compared between builds.
TEST(EventTest, TheHashIsTheSameForEver) {
  EXPECT_EQ(EventHash(At({3, 1, 0})), 0xae41b28a21e3de67u);
}

TEST(EventTest, AHeadIsANumberAndTheEventThatStandsThere) {
  const Event event = At({3, 0, 0});
  EXPECT_EQ(HeadOf(event), (Head{{3, 0, 0}, EventHash(event)}));
  EXPECT_EQ(HeadOf(Event{}), Head{});
  Event rebased = event;
  rebased.seq.generation = 4;
  EXPECT_NE(HeadOf(event), HeadOf(rebased)) << "what stands before it may be another log";
  EXPECT_NE(HeadOf(event), HeadOf(At({3, 0, 0}, "[]")));
}

TEST(EventTest, ContinuesAsksForEveryPositionInARow) {
  const std::vector<Event> events = {At({2, 1, 0}), At({2, 2, 0}), At({3, 0, 4}), At({3, 1, 0})};
  EXPECT_TRUE(Continues({2, 0, 9}, events));
  EXPECT_TRUE(Continues({2, 0, 9}, {}));
  EXPECT_FALSE(Continues({1, 0, 0}, events));
  EXPECT_FALSE(Continues({2, 1, 0}, events));
  EXPECT_FALSE(Continues({2, 0, 0}, std::vector<Event>{At({3, 0, 0}), At({5, 0, 0})}));
  EXPECT_FALSE(Continues({2, 0, 0}, std::vector<Event>{At({3, 0, 0}), At({3, 0, 1})}));
}

TEST(EventTest, RenumberKeepsOrderAndClientOnlyEvents) {
  // e3.1, e3.2, e4, e4.1 rebased onto e4.
  std::vector<Event> events = {At({3, 1, 0}), At({3, 2, 0}), At({4, 0, 0}), At({4, 1, 0})};
  Renumber(events, {4, 0, 0}, 1);
  EXPECT_EQ(events[0].seq, (SeqNum{4, 1, 1}));
  EXPECT_EQ(events[0].parent, (SeqNum{4, 0, 0}));
  EXPECT_EQ(events[1].seq, (SeqNum{4, 2, 1}));
  EXPECT_EQ(events[1].parent, (SeqNum{4, 1, 1}));
  EXPECT_EQ(events[2].seq, (SeqNum{5, 0, 1}));
  EXPECT_EQ(events[2].parent, (SeqNum{4, 0, 1}));
  EXPECT_EQ(events[3].seq, (SeqNum{5, 1, 1}));
  EXPECT_EQ(events[3].parent, (SeqNum{5, 0, 1}));
}

TEST(EventTest, RenumberOntoAClientOnlyBase) {
  std::vector<Event> events = {At({1, 0, 0})};
  Renumber(events, {1, 1, 0}, 1);
  EXPECT_EQ(ToString(events[0].seq), "e2r1");
  EXPECT_EQ(ToString(events[0].parent), "e1");
}

}  // namespace
}  // namespace livestore

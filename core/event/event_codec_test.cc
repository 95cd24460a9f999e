#include "core/event/event_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/limits.h"

namespace livestore {
namespace {

// SplitMix64: the same events for the same seed, everywhere.
class Prng {
 public:
  explicit Prng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t limit) { return Next() % limit; }

 private:
  uint64_t state_;
};

std::string RandomText(Prng& prng, size_t pieces_max) {
  static const std::string kPieces[] = {"a", "Zz", "\"", "{",   "0123456789", "\x7f",      "\x01",
                                        "é", "ÿ",  "€",  "퟿", "𝄞",          "\U0010FFFF"};
  std::string text;
  for (uint64_t left = prng.Below(pieces_max + 1); left > 0; --left) {
    text += kPieces[prng.Below(std::size(kPieces))];
  }
  return text;
}

std::vector<Event> RandomEvents(Prng& prng, size_t count) {
  SeqNum head{prng.Below(3) == 0 ? kSeqNumGlobalMax - 1'000 : prng.Below(1'000),
              static_cast<uint32_t>(prng.Below(3)), static_cast<uint32_t>(prng.Next())};
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    SeqNumPair next = NextSeqNum(head, prng.Below(3) == 0);
    if (prng.Below(4) == 0) next.seq.generation = static_cast<uint32_t>(prng.Next());
    events.push_back({.seq = next.seq,
                      .parent = next.parent,
                      .name = "v1." + RandomText(prng, 2),
                      .args_json = RandomText(prng, 30),
                      .client_id = RandomText(prng, 1),
                      .session_id = RandomText(prng, 1),
                      .schema_hash = static_cast<int64_t>(prng.Next())});
    head = next.seq;
  }
  return events;
}

TEST(EventCodecTest, EventsComeBackAsTheyWent) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Prng prng(seed);
    const std::vector<Event> events = RandomEvents(prng, prng.Below(40));
    const Bytes bytes = EncodeEvents(events);
    const auto decoded = DecodeEvents(bytes);
    ASSERT_TRUE(decoded.ok()) << "seed " << seed << ": " << decoded.error().message;
    EXPECT_EQ(*decoded, events) << "seed " << seed;
    EXPECT_EQ(EncodeEvents(*decoded), bytes) << "seed " << seed;
  }
}

// The bytes that js/src/wasm/codec.ts reads: a change here is a new version.
TEST(EventCodecTest, BytesFollowTheGrammar) {
  const std::vector<Event> events = {
      {.seq = {300, 0, 1},
       .parent = {299, 0, 0},
       .name = "n",
       .args_json = "{}",
       .client_id = "c",
       .session_id = "s",
       .schema_hash = -1},
      {.seq = {300, 1, 1},
       .parent = {300, 0, 1},
       .name = "m",
       .args_json = "[]",
       .client_id = "c",
       .session_id = "t",
       .schema_hash = 2},
  };
  const Bytes expected = {
      1,    2,                                      // version, events
      2,    1, 'n', 1,   'm',                       // names
      4,    1, 'c', 1,   's',  1,   'c', 1,   't',  // origins, as texts
      0xac, 2, 0,   1,   0xab, 2,   0,   0,         // e300r1 after e299
      0,    0, 255, 255, 255,  255, 255, 255, 255, 255, 2, '{', '}',
      0xac, 2, 1,   1,   0xac, 2,   0,   1,  // e300.1r1 after e300r1
      1,    1, 2,   0,   0,    0,   0,   0,   0,   0,   2, '[', ']',
  };
  EXPECT_EQ(EncodeEvents(events), expected);
  const auto decoded = DecodeEvents(expected);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(*decoded, events);
}

TEST(EventCodecTest, NoEventsAreABatchToo) {
  const Bytes bytes = EncodeEvents({});
  EXPECT_EQ(bytes, (Bytes{1, 0, 0, 0}));
  ASSERT_TRUE(DecodeEvents(bytes).ok());
  EXPECT_TRUE(DecodeEvents(bytes)->empty());
}

TEST(EventCodecTest, EveryTruncationIsRefused) {
  Prng prng(1);
  const Bytes bytes = EncodeEvents(RandomEvents(prng, 12));
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly this size, so that a read past the end is seen by the sanitizer.
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const auto decoded = DecodeEvents(cut);
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::kMalformedBytes) << size;
  }
}

TEST(EventCodecTest, BytesAfterTheLastEventAreRefused) {
  Prng prng(2);
  Bytes bytes = EncodeEvents(RandomEvents(prng, 3));
  bytes.push_back(0);
  EXPECT_EQ(DecodeEvents(bytes).error().code, ErrorCode::kMalformedBytes);
}

TEST(EventCodecTest, AnyFlippedByteIsRefusedOrDecodesToSomethingThatEncodes) {
  Prng prng(3);
  const Bytes bytes = EncodeEvents(RandomEvents(prng, 6));
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes flipped = bytes;
      flipped[i] = static_cast<uint8_t>(value);
      const auto decoded = DecodeEvents(flipped);
      if (decoded.ok()) {
        const auto again = DecodeEvents(EncodeEvents(*decoded));
        ASSERT_TRUE(again.ok()) << "byte " << i << " = " << value << ": " << again.error().message;
        EXPECT_EQ(*again, *decoded);
      } else {
        EXPECT_TRUE(decoded.error().code == ErrorCode::kMalformedBytes ||
                    (i == 0 && decoded.error().code == ErrorCode::kProtocolMismatch))
            << decoded.error().message;
      }
    }
  }
}

TEST(EventCodecTest, RandomBytesNeverCrash) {
  Prng prng(4);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes(prng.Below(64));
    // Small values reach deeper: they pass for counts and lengths.
    for (uint8_t& byte : bytes) {
      byte = static_cast<uint8_t>(prng.Below(4) == 0 ? prng.Next() : prng.Below(4));
    }
    if (!bytes.empty()) bytes[0] = kEventBatchVersion;
    const auto decoded = DecodeEvents(bytes);
    if (decoded.ok()) continue;
    EXPECT_EQ(decoded.error().code, ErrorCode::kMalformedBytes);
  }
}

TEST(EventCodecTest, AnotherVersionIsAProtocolMismatch) {
  const auto decoded = DecodeEvents(Bytes{2, 0, 0, 0});
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kProtocolMismatch);
  EXPECT_EQ(decoded.error().message, "event batch has version 2, this build reads 1");
}

TEST(EventCodecTest, HugeCountsReserveNothing) {
  for (const uint64_t count : {uint64_t{1} << 20, uint64_t{1} << 40, UINT64_MAX}) {
    ByteWriter events;
    events.U8(1);
    events.Varint(count);
    EXPECT_EQ(DecodeEvents(events.view()).error().code, ErrorCode::kMalformedBytes);
    ByteWriter names;
    names.U8(1);
    names.Varint(0);
    names.Varint(count);
    EXPECT_EQ(DecodeEvents(names.view()).error().code, ErrorCode::kMalformedBytes);
    ByteWriter text;
    text.U8(1);
    text.Varint(0);
    text.Varint(1);
    text.Varint(count);
    text.Raw(AsBytes("abc"));
    EXPECT_EQ(DecodeEvents(text.view()).error().code, ErrorCode::kMalformedBytes);
  }
}

// One event with the parts that a test wants wrong.
struct RawEvent {
  uint64_t global = 1, client = 0, generation = 0;
  uint64_t parent_global = 0, parent_client = 0, parent_generation = 0;
  uint64_t name = 0, origin = 0;
  std::string args = "{}";
};

Result<std::vector<Event>> Decode(const RawEvent& event, const std::string& name = "n",
                                  const std::vector<std::string>& origins = {"c", "s"}) {
  ByteWriter writer;
  writer.U8(1);
  writer.Varint(1);
  writer.Varint(1);
  writer.Text(name);
  writer.Varint(origins.size());
  for (const std::string& origin : origins) writer.Text(origin);
  for (const uint64_t part :
       {event.global, event.client, event.generation, event.parent_global, event.parent_client,
        event.parent_generation, event.name, event.origin}) {
    writer.Varint(part);
  }
  writer.I64(7);
  writer.Text(event.args);
  return DecodeEvents(writer.view());
}

void ExpectMalformed(const Result<std::vector<Event>>& decoded, const std::string& part) {
  ASSERT_FALSE(decoded.ok()) << part;
  EXPECT_EQ(decoded.error().code, ErrorCode::kMalformedBytes);
  EXPECT_NE(decoded.error().message.find(part), std::string::npos) << decoded.error().message;
}

TEST(EventCodecTest, NumbersOutOfRangeAreRefused) {
  ASSERT_TRUE(Decode({}).ok());
  ASSERT_TRUE(Decode({.global = kSeqNumGlobalMax, .parent_global = kSeqNumGlobalMax - 1}).ok());
  const uint64_t beyond = kSeqNumGlobalMax + 1;
  ExpectMalformed(Decode({.global = beyond, .parent_global = beyond - 1}), "out of range");
  ExpectMalformed(Decode({.global = 1, .generation = uint64_t{1} << 32}), "out of range");
  ExpectMalformed(Decode({.global = 1, .client = uint64_t{1} << 32}), "out of range");
  ExpectMalformed(Decode({.global = 1, .parent_generation = uint64_t{1} << 32}), "out of range");
}

TEST(EventCodecTest, AParentElsewhereIsRefused) {
  ASSERT_TRUE(Decode({.global = 3, .parent_global = 2, .parent_generation = 9}).ok());
  ASSERT_TRUE(Decode({.global = 3, .client = 2, .parent_global = 3, .parent_client = 1}).ok());
  ExpectMalformed(Decode({.global = 0}), "event 0 (e0)");
  ExpectMalformed(Decode({.global = 3, .parent_global = 1}), "(e3) cannot have the parent e1");
  ExpectMalformed(Decode({.global = 3, .parent_global = 3}), "parent");
  ExpectMalformed(Decode({.global = 3, .parent_global = 2, .parent_client = 1}), "parent e2.1");
  ExpectMalformed(Decode({.global = 3, .client = 2, .parent_global = 3}), "parent e3");
}

TEST(EventCodecTest, IndexesOutsideTheirTablesAreRefused) {
  ExpectMalformed(Decode({.name = 1}), "not in its table");
  ExpectMalformed(Decode({.origin = 1}), "not in its table");
  ExpectMalformed(Decode({.name = UINT64_MAX}), "not in its table");
  ExpectMalformed(Decode({.origin = UINT64_MAX}), "not in its table");
  ExpectMalformed(Decode({}, "n", {}), "not in its table");
  ExpectMalformed(Decode({}, "n", {"c"}), "origins are not pairs");
}

TEST(EventCodecTest, TextThatIsNotUtf8OrHoldsNulIsRefused) {
  using namespace std::string_literals;
  for (const std::string& bad :
       {"\x80"s, "\xc3"s, "\xc0\x80"s, "\xc1\xbf"s, "\xe0\x80\x80"s, "\xe2\x82"s, "\xed\xa0\x80"s,
        "\xf0\x80\x80\x80"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s, "\0"s,
        "abcdefg\0h"s, "abcdefgh\xc3(jklmnop"s, "abcdefghij\x80"s, "\xf0\x9d\x84"s,
        "\xe2\x82\x28"s}) {
    ExpectMalformed(Decode({.args = bad}), "not UTF-8");
    ExpectMalformed(Decode({}, bad), "not UTF-8");
    ExpectMalformed(Decode({}, "n", {"c", bad}), "not UTF-8");
  }
  for (const std::string& good : {"é"s, "€"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\U0001F600"s,
                                  "\U0010FFFF"s, "abcdefgh\x01\x7fijklmnopqrstuvw"s, ""s}) {
    const auto decoded = Decode({.args = good});
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->front().args_json, good);
  }
}

TEST(EventCodecTest, SizesBeyondTheLimitsAreRefused) {
  EXPECT_TRUE(Decode({}, std::string(limits::kNameBytesMax, 'n')).ok());
  ExpectMalformed(Decode({}, std::string(limits::kNameBytesMax + 1, 'n')), "too long");
  EXPECT_TRUE(Decode({.args = std::string(limits::kEventArgsBytesMax, ' ')}).ok());
  ExpectMalformed(Decode({.args = std::string(limits::kEventArgsBytesMax + 1, ' ')}), "too long");
}

TEST(EventCodecTest, ALengthVarintInALongerFormIsRefused) {
  EXPECT_EQ(DecodeEvents(Bytes{1, 0x80, 0, 0, 0}).error().code, ErrorCode::kMalformedBytes);
}

// ---- Runs ------------------------------------------------------------------------------------

TEST(EventRunTest, ComesBackWithTheHeadItContinues) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Prng prng(seed);
    std::vector<Event> events = RandomEvents(prng, 1 + prng.Below(9));
    const SeqNum base{events[0].parent.global,
                      events[0].client_only() ? events[0].parent.client : 7,
                      static_cast<uint32_t>(prng.Next())};
    const auto run = DecodeRun(EncodeRun(base, events));
    ASSERT_TRUE(run.ok()) << run.error().message;
    EXPECT_EQ(run->base, base);
    EXPECT_EQ(run->events, events);
  }
}

TEST(EventRunTest, MayBeEmpty) {
  const auto run = DecodeRun(EncodeRun({5, 1, 2}, {}));
  ASSERT_TRUE(run.ok()) << run.error().message;
  EXPECT_EQ(run->base, (SeqNum{5, 1, 2}));
  EXPECT_TRUE(run->events.empty());
}

TEST(EventRunTest, EventsThatDoNotContinueTheirHeadAreRefused) {
  Prng prng(5);
  const std::vector<Event> events = RandomEvents(prng, 3);
  ByteWriter writer;
  for (const uint64_t part : {uint64_t{2'000}, uint64_t{0}, uint64_t{0}}) writer.Varint(part);
  writer.Raw(EncodeEvents(events));
  const auto run = DecodeRun(writer.view());
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code, ErrorCode::kMalformedBytes);
  EXPECT_NE(run.error().message.find("do not continue e2000"), std::string::npos);
  EXPECT_DEATH(EncodeRun({2'000, 0, 0}, events), "check failed");
}

TEST(EventRunTest, DamageIsRefused) {
  Prng prng(6);
  std::vector<Event> events = RandomEvents(prng, 4);
  const SeqNum base = events[0].parent;
  const Bytes bytes = EncodeRun(base, events);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_FALSE(DecodeRun(cut).ok()) << size;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes flipped = bytes;
      flipped[i] = static_cast<uint8_t>(value);
      const auto run = DecodeRun(flipped);
      EXPECT_TRUE(!run.ok() || Continues(run->base, run->events));
    }
  }
}

// ---- New events ------------------------------------------------------------------------------

struct RawNewEvent {
  uint32_t flags = 0;
  std::string name = "v1.TodoCreated";
  std::string args = R"({"id":"a"})";
  int64_t schema_hash = 5;
  uint32_t reserved = 0;
};

Bytes EncodeNew(const std::vector<RawNewEvent>& events) {
  ByteWriter writer;
  writer.U32(static_cast<uint32_t>(events.size()));
  writer.U32(0);
  for (const RawNewEvent& event : events) {
    writer.U32(event.flags);
    writer.U32(static_cast<uint32_t>(event.name.size()));
    writer.U32(static_cast<uint32_t>(event.args.size()));
    writer.U32(event.reserved);
    writer.I64(event.schema_hash);
    writer.Raw(AsBytes(event.name));
    writer.Raw(AsBytes(event.args));
    writer.Align(8);
  }
  return writer.Take();
}

TEST(NewEventsTest, AreDecoded) {
  const auto decoded =
      DecodeNewEvents(EncodeNew({{}, {.flags = 1, .name = "n", .args = "{}", .schema_hash = -1}}));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  ASSERT_EQ(decoded->size(), 2u);
  EXPECT_EQ((*decoded)[0].name, "v1.TodoCreated");
  EXPECT_EQ((*decoded)[0].args_json, R"({"id":"a"})");
  EXPECT_EQ((*decoded)[0].schema_hash, 5);
  EXPECT_FALSE((*decoded)[0].client_only);
  EXPECT_EQ((*decoded)[1].name, "n");
  EXPECT_EQ((*decoded)[1].schema_hash, -1);
  EXPECT_TRUE((*decoded)[1].client_only);
}

TEST(NewEventsTest, NoneIsFine) {
  const auto decoded = DecodeNewEvents(EncodeNew({}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->empty());
}

void ExpectNewEventsFail(BytesView bytes, ErrorCode code, const std::string& part) {
  const auto decoded = DecodeNewEvents(bytes);
  ASSERT_FALSE(decoded.ok()) << part;
  EXPECT_EQ(decoded.error().code, code) << decoded.error().message;
  EXPECT_NE(decoded.error().message.find(part), std::string::npos) << decoded.error().message;
}

TEST(NewEventsTest, EveryTruncationAndLongerInputIsRefused) {
  Bytes bytes = EncodeNew({{}, {.name = "n"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    ExpectNewEventsFail(cut, ErrorCode::kMalformedBytes, "new events");
  }
  bytes.push_back(0);
  ExpectNewEventsFail(bytes, ErrorCode::kMalformedBytes, "follow the last event");
}

TEST(NewEventsTest, AnyFlippedByteNeverCrashes) {
  const Bytes bytes = EncodeNew({{}, {.flags = 1, .name = "n", .args = "[1]"}});
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes flipped = bytes;
      flipped[i] = static_cast<uint8_t>(value);
      const auto decoded = DecodeNewEvents(flipped);
      if (decoded.ok()) continue;
      EXPECT_FALSE(decoded.error().message.empty());
    }
  }
}

TEST(NewEventsTest, UnknownFlagsAreRefused) {
  ExpectNewEventsFail(EncodeNew({{.flags = 2}}), ErrorCode::kMalformedBytes, "unknown flags");
  ExpectNewEventsFail(EncodeNew({{.reserved = 1}}), ErrorCode::kMalformedBytes, "unknown flags");
}

TEST(NewEventsTest, NamesMustBeText) {
  using namespace std::string_literals;
  ExpectNewEventsFail(EncodeNew({{}, {.name = ""}}), ErrorCode::kMalformedBytes, "event 1");
  ExpectNewEventsFail(EncodeNew({{.name = "a\0b"s}}), ErrorCode::kMalformedBytes,
                      "name of event 0");
  ExpectNewEventsFail(EncodeNew({{.name = "\xff"}}), ErrorCode::kMalformedBytes, "name of event 0");
  ExpectNewEventsFail(EncodeNew({{.args = "\"\0\""s}}), ErrorCode::kMalformedBytes,
                      "arguments of \"v1.TodoCreated\" (event 0)");
}

TEST(NewEventsTest, LimitsAreNamed) {
  ExpectNewEventsFail(EncodeNew({{}, {.name = std::string(limits::kNameBytesMax + 1, 'n')}}),
                      ErrorCode::kLimitExceeded, "name of event 1 has 257 bytes");
  ExpectNewEventsFail(EncodeNew({{.args = std::string(limits::kEventArgsBytesMax + 1, ' ')}}),
                      ErrorCode::kLimitExceeded, "arguments of \"v1.TodoCreated\" (event 0)");
  ByteWriter many;
  many.U32(limits::kCommitEventsMax + 1);
  many.U32(0);
  ExpectNewEventsFail(many.view(), ErrorCode::kLimitExceeded, "kCommitEventsMax");
}

TEST(NewEventsTest, ACountBeyondTheBytesReservesNothing) {
  ByteWriter writer;
  writer.U32(limits::kCommitEventsMax);
  writer.U32(0);
  ExpectNewEventsFail(writer.view(), ErrorCode::kMalformedBytes, "count exceeds");
}

}  // namespace
}  // namespace livestore

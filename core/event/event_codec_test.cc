#include "core/event/event_codec.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

template <typename Message>
void ExpectMalformed(const Result<Message>& decoded, const std::string& part) {
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

Head BaseOf(const std::vector<Event>& events, uint64_t hash) { return {events[0].parent, hash}; }

TEST(EventRunTest, ComesBackWithTheHeadItContinues) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Prng prng(seed);
    std::vector<Event> events = RandomEvents(prng, 1 + prng.Below(9));
    const Head base{{events[0].parent.global, events[0].client_only() ? events[0].parent.client : 7,
                     static_cast<uint32_t>(prng.Next())},
                    prng.Next()};
    const auto run = DecodeRun(EncodeRun({base}, events));
    ASSERT_TRUE(run.ok()) << run.error().message;
    EXPECT_EQ(run->base, base);
    EXPECT_EQ(run->events, events);
  }
}

TEST(EventRunTest, MayBeEmpty) {
  const Head base{{5, 1, 2}, 0x0102030405060708};
  const Bytes bytes = EncodeRun({base}, {});
  EXPECT_EQ(bytes, (Bytes{5, 1, 2, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 0, 0, 0}));
  const auto run = DecodeRun(bytes);
  ASSERT_TRUE(run.ok()) << run.error().message;
  EXPECT_EQ(run->base, base);
  EXPECT_TRUE(run->events.empty());
}

TEST(EventRunTest, EventsThatDoNotContinueTheirHeadAreRefused) {
  Prng prng(5);
  const std::vector<Event> events = RandomEvents(prng, 3);
  ByteWriter writer;
  writer.Raw(EncodeCursor({{{2'000, 0, 0}, 1}}));
  writer.Raw(EncodeEvents(events));
  const auto run = DecodeRun(writer.view());
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code, ErrorCode::kMalformedBytes);
  EXPECT_NE(run.error().message.find("do not continue e2000"), std::string::npos);
  EXPECT_DEATH(EncodeRun({{{2'000, 0, 0}, 1}}, events), "check failed");
}

TEST(EventRunTest, DamageIsRefused) {
  Prng prng(6);
  std::vector<Event> events = RandomEvents(prng, 4);
  const Bytes bytes = EncodeRun({BaseOf(events, 9)}, events);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_FALSE(DecodeRun(cut).ok()) << size;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes flipped = bytes;
      flipped[i] = static_cast<uint8_t>(value);
      const auto run = DecodeRun(flipped);
      EXPECT_TRUE(!run.ok() || Continues(run->base.seq, run->events));
    }
  }
}

// ---- What is sent: heads, pushes, news, histories, pages ----------------------------------------

// Every message is damaged in the same ways. No part of it may be missing, nothing may follow it,
// and what a changed byte leaves readable must encode to something that decodes to the same.
template <typename Message>
void ExpectDamageIsRefused(const Bytes& bytes, Result<Message> (*decode)(BytesView),
                           Bytes (*encode)(const Message&)) {
  const auto sane = decode(bytes);
  ASSERT_TRUE(sane.ok()) << sane.error().message;
  EXPECT_EQ(encode(*sane), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly this size, so that a read past the end is seen by the sanitizer.
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const auto decoded = decode(cut);
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::kMalformedBytes) << size;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(decode(longer).error().code, ErrorCode::kMalformedBytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes flipped = bytes;
      flipped[i] = static_cast<uint8_t>(value);
      const auto decoded = decode(flipped);
      if (!decoded.ok()) {
        EXPECT_TRUE(decoded.error().code == ErrorCode::kMalformedBytes ||
                    decoded.error().code == ErrorCode::kProtocolMismatch ||
                    decoded.error().code == ErrorCode::kLimitExceeded)
            << decoded.error().message;
        EXPECT_FALSE(decoded.error().message.empty());
        continue;
      }
      const auto again = decode(encode(*decoded));
      ASSERT_TRUE(again.ok()) << "byte " << i << " = " << value << ": " << again.error().message;
      EXPECT_EQ(encode(*again), encode(*decoded)) << "byte " << i << " = " << value;
    }
  }
}

template <typename Message>
void ExpectAnotherVersionIsAMismatch(Bytes bytes, Result<Message> (*decode)(BytesView),
                                     const std::string& what) {
  bytes[0] = 2;
  const auto decoded = decode(bytes);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kProtocolMismatch);
  EXPECT_EQ(decoded.error().message, what + " has version 2, this build reads 1");
}

// Counts, lengths and indexes that no message can have.
constexpr uint64_t kHuge[] = {uint64_t{1} << 20, uint64_t{1} << 32, uint64_t{1} << 40,
                              kSeqNumGlobalMax + 1, UINT64_MAX};

// e8, and then e9, e9.1, e10 of one origin.
EventRun SmallRun() {
  EventRun run{.base = {{8, 2, 1}, 0x1122334455667788}, .events = {}, .epoch = 300};
  SeqNum head = run.base.seq;
  for (const bool client_only : {false, true, false}) {
    const SeqNumPair next = NextSeqNum(head, client_only);
    run.events.push_back({.seq = next.seq,
                          .parent = next.parent,
                          .name = "n",
                          .args_json = R"({"a":"é"})",
                          .client_id = "c",
                          .session_id = "s",
                          .schema_hash = 3});
    head = next.seq;
  }
  return run;
}

Bytes EncodeRunOf(const EventRun& run) { return EncodeRun({run.base, run.epoch}, run.events); }

TEST(CursorCodecTest, ComesBackAndDamageIsRefused) {
  const Cursor cursor{{{300, 1, 2}, 0xfedcba9876543210}, 301};
  const Bytes bytes = EncodeCursor(cursor);
  EXPECT_EQ(bytes, (Bytes{0xac, 2, 1, 2, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0xad, 2}));
  ASSERT_TRUE(DecodeCursor(bytes).ok());
  EXPECT_EQ(*DecodeCursor(bytes), cursor);
  ExpectDamageIsRefused(bytes, &DecodeCursor, &EncodeCursor);
  ByteWriter beyond;
  for (const uint64_t part : {kSeqNumGlobalMax + 1, uint64_t{0}, uint64_t{0}}) beyond.Varint(part);
  beyond.U64(0);
  ExpectMalformed(DecodeCursor(beyond.view()), "out of range");
}

Result<Push> DecodePushOnly(BytesView bytes) { return DecodePush(bytes); }
Bytes EncodePushOf(const Push& push) {
  return EncodePush(push.instance, push.counters, {push.run.base, push.run.epoch}, push.run.events);
}

TEST(PushCodecTest, ComesBackWithTheBytesOfItsRun) {
  const EventRun run = SmallRun();
  for (const std::vector<uint64_t>& counters :
       {std::vector<uint64_t>{1, 2, 3}, {7, 300, 301}, {1, kCounterMax - 1, kCounterMax}}) {
    const Bytes bytes = EncodePush("tab-é", counters, {run.base, run.epoch}, run.events);
    BytesView run_bytes;
    const auto push = DecodePush(bytes, &run_bytes);
    ASSERT_TRUE(push.ok()) << push.error().message;
    EXPECT_EQ(push->instance, "tab-é");
    EXPECT_EQ(push->counters, counters);
    EXPECT_EQ(push->run.base, run.base);
    EXPECT_EQ(push->run.epoch, run.epoch);
    EXPECT_EQ(push->run.events, run.events);
    EXPECT_EQ(Bytes(run_bytes.begin(), run_bytes.end()), EncodeRunOf(run));
  }
}

TEST(PushCodecTest, BytesFollowTheGrammar) {
  EventRun run = SmallRun();
  run.events.resize(2);
  const uint64_t counters[] = {300, 305};
  Bytes expected = {1, 1, 'i', 2, 0xac, 2, 5};
  const Bytes run_bytes = EncodeRunOf(run);
  expected.insert(expected.end(), run_bytes.begin(), run_bytes.end());
  EXPECT_EQ(EncodePush("i", counters, {run.base, run.epoch}, run.events), expected);
}

TEST(PushCodecTest, DamageIsRefused) {
  const EventRun run = SmallRun();
  const uint64_t counters[] = {1, 2, 200};
  const Bytes bytes = EncodePush("tab", counters, {run.base, run.epoch}, run.events);
  ExpectDamageIsRefused(bytes, &DecodePushOnly, &EncodePushOf);
  ExpectAnotherVersionIsAMismatch(bytes, &DecodePushOnly, "push");
}

Result<Push> DecodePushOf(std::string_view instance, uint64_t count,
                          const std::vector<uint64_t>& steps, const EventRun& run) {
  ByteWriter writer;
  writer.U8(1);
  writer.Text(instance);
  writer.Varint(count);
  for (const uint64_t step : steps) writer.Varint(step);
  writer.Raw(EncodeRunOf(run));
  return DecodePush(writer.view());
}

TEST(PushCodecTest, CountersMustAscendAndBeOnePerEvent) {
  const EventRun run = SmallRun();
  ASSERT_TRUE(DecodePushOf("i", 3, {1, 1, 1}, run).ok());
  ASSERT_TRUE(DecodePushOf("i", 3, {1, 1, kCounterMax - 2}, run).ok());
  ExpectMalformed(DecodePushOf("i", 3, {0, 1, 1}, run), "counter 0");
  ExpectMalformed(DecodePushOf("i", 3, {1, 0, 1}, run), "counter 1");
  ExpectMalformed(DecodePushOf("i", 3, {kCounterMax + 1, 1, 1}, run), "counter 0");
  ExpectMalformed(DecodePushOf("i", 3, {1, 1, kCounterMax - 1}, run), "counter 2");
  ExpectMalformed(DecodePushOf("i", 3, {1, UINT64_MAX, 1}, run), "counter 1");
  ExpectMalformed(DecodePushOf("i", 2, {1, 1}, run), "2 counters for 3 events");
  ExpectMalformed(DecodePushOf("i", 0, {}, run), "0 counters for 3 events");
  ExpectMalformed(DecodePushOf("i", 0, {}, {.base = run.base, .events = {}}), "for 0 events");
  for (const uint64_t huge : kHuge) {
    ExpectMalformed(DecodePushOf("i", huge, {1, 1, 1}, run), "exceeds the bytes");
  }
}

TEST(PushCodecTest, TheInstanceIsANonEmptyText) {
  using namespace std::string_literals;
  const EventRun run = SmallRun();
  for (const std::string& bad : {""s, "a\0b"s, "\xff"s}) {
    ExpectMalformed(DecodePushOf(bad, 3, {1, 1, 1}, run), "instance");
  }
  ASSERT_TRUE(DecodePushOf(std::string(limits::kNameBytesMax, 'i'), 3, {1, 1, 1}, run).ok());
  const auto decoded = DecodePushOf(std::string(limits::kNameBytesMax + 1, 'i'), 3, {1, 1, 1}, run);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kLimitExceeded);
}

TEST(PushCodecDeathTest, WhatCannotBePushedIsABug) {
  const EventRun run = SmallRun();
  const auto encode = [&run](std::string_view instance, const std::vector<uint64_t>& counters) {
    (void)EncodePush(instance, counters, {run.base, run.epoch}, run.events);
  };
  EXPECT_DEATH(encode("", {1, 2, 3}), "check failed");
  EXPECT_DEATH(encode("i", {1, 2}), "check failed");
  EXPECT_DEATH(encode("i", {0, 1, 2}), "check failed");
  EXPECT_DEATH(encode("i", {1, 3, 3}), "check failed");
  EXPECT_DEATH(encode("i", {1, 2, kCounterMax + 1}), "check failed");
  EXPECT_DEATH((void)EncodePush("i", {}, {run.base}, {}), "check failed");
}

News SmallNews() {
  return {.synced = true,
          .settled = {300, 1, 2},
          .rebased = 2,
          .skipped = {0, 2},
          .refused = {{0, {ErrorCode::kBackendRefused, "no"}}, {3, {ErrorCode::kConstraint, ""}}},
          .run = SmallRun()};
}

void ExpectSame(const News& a, const News& b) {
  EXPECT_EQ(a.synced, b.synced);
  EXPECT_EQ(a.settled, b.settled);
  EXPECT_EQ(a.rebased, b.rebased);
  EXPECT_EQ(a.skipped, b.skipped);
  ASSERT_EQ(a.refused.size(), b.refused.size());
  for (size_t i = 0; i < a.refused.size(); ++i) {
    EXPECT_EQ(a.refused[i].index, b.refused[i].index) << i;
    EXPECT_EQ(a.refused[i].error, b.refused[i].error) << i;
  }
  EXPECT_EQ(a.run.base, b.run.base);
  EXPECT_EQ(a.run.events, b.run.events);
}

TEST(NewsCodecTest, ComesBackAsItWent) {
  for (const News& news :
       {SmallNews(), News{}, News{.settled = {9, 0, 0}, .run = SmallRun()},
        News{.synced = true, .refused = {{0, {ErrorCode::kBackendRefused, "no"}}}, .run = {}}}) {
    const auto decoded = DecodeNews(EncodeNews(news));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    ExpectSame(*decoded, news);
  }
}

TEST(NewsCodecTest, BytesFollowTheGrammar) {
  const News news = SmallNews();
  Bytes expected = {1, 1, 0xac, 2, 1, 2,   2,               // synced, e300.1r2 settled, rebased
                    2, 0, 2,                                // skipped
                    2, 0, 0x90, 3, 2, 'n', 'o', 3, 10, 0};  // refused, with numbers of codes
  const Bytes run = EncodeRunOf(news.run);
  expected.insert(expected.end(), run.begin(), run.end());
  EXPECT_EQ(EncodeNews(news), expected);
}

TEST(NewsCodecTest, ARunThatIsEncodedAlreadyIsTakenAsItIs) {
  const News news = SmallNews();
  News header = news;
  header.run = {};
  EXPECT_EQ(EncodeNewsAround(header, EncodeRunOf(news.run)), EncodeNews(news));
}

TEST(NewsCodecTest, DamageIsRefused) {
  const Bytes bytes = EncodeNews(SmallNews());
  ExpectDamageIsRefused(bytes, &DecodeNews, &EncodeNews);
  ExpectAnotherVersionIsAMismatch(bytes, &DecodeNews, "news");
}

// News with the parts that a test wants wrong.
struct RawNews {
  unsigned flags = 0;
  uint64_t global = 1, client = 0, generation = 0;
  uint64_t rebased = 0;
  std::vector<uint64_t> skipped{};
  std::optional<uint64_t> skipped_count{};
  std::vector<uint64_t> refused{};
  std::optional<uint64_t> refused_count{};
  uint64_t code = 400;
  std::string reason = "no";
};

Result<News> Decode(const RawNews& news) {
  ByteWriter writer;
  writer.U8(1);
  writer.U8(static_cast<uint8_t>(news.flags));
  for (const uint64_t part : {news.global, news.client, news.generation, news.rebased}) {
    writer.Varint(part);
  }
  writer.Varint(news.skipped_count.value_or(news.skipped.size()));
  for (const uint64_t index : news.skipped) writer.Varint(index);
  writer.Varint(news.refused_count.value_or(news.refused.size()));
  for (const uint64_t index : news.refused) {
    writer.Varint(index);
    writer.Varint(news.code);
    writer.Text(news.reason);
  }
  writer.Raw(EncodeRunOf(SmallRun()));
  return DecodeNews(writer.view());
}

TEST(NewsCodecTest, IndexesAndCountsOutOfRangeAreRefused) {
  ASSERT_TRUE(Decode(RawNews{}).ok());
  ASSERT_TRUE(Decode(RawNews{.rebased = 3, .skipped = {0, 1, 2}, .refused = {0, 4}}).ok());
  ExpectMalformed(Decode(RawNews{.rebased = 4}), "rebased");
  ExpectMalformed(Decode(RawNews{.skipped = {3}}), "than there are");
  ExpectMalformed(Decode(RawNews{.skipped = {1, 1}}), "skipped events do not ascend");
  ExpectMalformed(Decode(RawNews{.skipped = {1, 0}}), "skipped events do not ascend");
  // One event was refused and two were rebased: there were no more than three.
  ASSERT_TRUE(Decode(RawNews{.rebased = 2, .refused = {2}}).ok());
  ExpectMalformed(Decode(RawNews{.rebased = 2, .refused = {3}}), "refused events do not ascend");
  ExpectMalformed(Decode(RawNews{.rebased = 2, .refused = {1, 1}}), "refused events do not ascend");
  ExpectMalformed(Decode(RawNews{.rebased = 2, .refused = {1, 0}}), "refused events do not ascend");
  for (const uint64_t huge : kHuge) {
    ExpectMalformed(Decode(RawNews{.rebased = huge}), "rebased");
    ExpectMalformed(Decode(RawNews{.skipped_count = huge}), "skipped");
    ExpectMalformed(Decode(RawNews{.skipped = {huge}}), "skipped");
    ExpectMalformed(Decode(RawNews{.refused_count = huge}), "refused");
    ExpectMalformed(Decode(RawNews{.refused = {huge}}), "refused");
  }
}

TEST(NewsCodecTest, UnknownFlagsAndNumbersOutOfRangeAreRefused) {
  ASSERT_TRUE(Decode(RawNews{.flags = 1}).ok());
  ExpectMalformed(Decode(RawNews{.flags = 2}), "unknown flags");
  ExpectMalformed(Decode(RawNews{.flags = 0x81}), "unknown flags");
  ExpectMalformed(Decode(RawNews{.global = kSeqNumGlobalMax + 1}), "settled");
  ExpectMalformed(Decode(RawNews{.client = uint64_t{1} << 32}), "settled");
  ExpectMalformed(Decode(RawNews{.generation = uint64_t{1} << 32}), "settled");
}

TEST(NewsCodecTest, AnUnknownCodeIsThatTheBackendRefused) {
  for (const uint64_t code :
       {uint64_t{0}, uint64_t{99'999}, (uint64_t{1} << 32) + 10, UINT64_MAX}) {
    const auto decoded = Decode(RawNews{.refused = {0}, .code = code});
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->refused[0].error, (Error{ErrorCode::kBackendRefused, "no"})) << code;
  }
  const auto decoded = Decode(RawNews{.refused = {0}, .code = 12});
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->refused[0].error.code, ErrorCode::kLimitExceeded);
}

TEST(NewsCodecTest, AReasonThatIsNoTextIsRefusedAndNeverWritten) {
  using namespace std::string_literals;
  for (const std::string& bad : {"\xff"s, "a\0"s, "\xe2\x82"s}) {
    ExpectMalformed(Decode(RawNews{.refused = {0}, .reason = bad}), "reason");
  }
  // It may come from anywhere: a bad one does not make the news unreadable.
  News news = SmallNews();
  news.refused[0].error.message = "caf\xc3\xa9 \xff\0\xe2\x82 x"s;
  const auto decoded = DecodeNews(EncodeNews(news));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->refused[0].error.message, "café ???? x");
}

TEST(NewsCodecDeathTest, NewsThatContradictThemselvesAreABug) {
  const auto encode = [](auto change) {
    News news = SmallNews();
    change(news);
    (void)EncodeNews(news);
  };
  EXPECT_DEATH(encode([](News& news) { news.rebased = 4; }), "check failed");
  EXPECT_DEATH(encode([](News& news) { news.skipped = {3}; }), "check failed");
  EXPECT_DEATH(encode([](News& news) { news.skipped = {1, 1}; }), "check failed");
  EXPECT_DEATH(encode([](News& news) { news.refused[1].index = 0; }), "check failed");
  EXPECT_DEATH(encode([](News& news) { news.refused[1].index = 4; }), "check failed");
}

TEST(HistoryCodecTest, ComesBackAndDamageIsRefused) {
  for (const uint64_t accepted : {uint64_t{0}, uint64_t{300}, kCounterMax}) {
    const History history{.accepted = accepted, .news = SmallNews()};
    const auto decoded = DecodeHistory(EncodeHistory(history));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->accepted, accepted);
    ExpectSame(decoded->news, history.news);
  }
  const Bytes bytes = EncodeHistory({.accepted = 300, .news = SmallNews()});
  ExpectDamageIsRefused(bytes, &DecodeHistory, &EncodeHistory);
  ExpectAnotherVersionIsAMismatch(bytes, &DecodeHistory, "history");
  ByteWriter beyond;
  beyond.U8(1);
  beyond.Varint(kCounterMax + 1);
  beyond.Raw(EncodeNews(SmallNews()));
  ExpectMalformed(DecodeHistory(beyond.view()), "accepted");
}

PulledPage SmallPage() {
  PulledPage page{.backend_id = "backend-é", .events = {}, .metadata = {"", R"({"t":1})", "null"}};
  SeqNum head{300, 0, 0};
  for (int i = 0; i < 3; ++i) {
    const SeqNumPair next = NextSeqNum(head, false);
    page.events.push_back({.seq = next.seq,
                           .parent = next.parent,
                           .name = "n",
                           .args_json = "{}",
                           .client_id = "c",
                           .session_id = "s",
                           .schema_hash = kUnknownSchemaHash});
    head = next.seq;
  }
  return page;
}

TEST(PageCodecTest, ComesBackAsItWent) {
  for (const PulledPage& page : {SmallPage(), PulledPage{}}) {
    const auto decoded = DecodePage(EncodePage(page));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->backend_id, page.backend_id);
    EXPECT_EQ(decoded->events, page.events);
    EXPECT_EQ(decoded->metadata, page.metadata);
  }
  EXPECT_EQ(EncodePage({}), (Bytes{1, 0, 4, 1, 0, 0, 0}));
}

TEST(PageCodecTest, DamageIsRefused) {
  const Bytes bytes = EncodePage(SmallPage());
  ExpectDamageIsRefused(bytes, &DecodePage, &EncodePage);
  ExpectAnotherVersionIsAMismatch(bytes, &DecodePage, "pulled page");
}

TEST(PageCodecTest, OnlySyncedEventsInARowAreAPage) {
  PulledPage page = SmallPage();
  page.events[2].seq.global = 309;
  page.events[2].parent.global = 308;
  ExpectMalformed(DecodePage(EncodePage(page)), "do not continue");
  page = SmallPage();
  std::swap(page.events[0], page.events[1]);
  ExpectMalformed(DecodePage(EncodePage(page)), "do not continue");
  page = SmallPage();
  const SeqNumPair next = NextSeqNum(page.events[1].seq, true);
  page.events[2].seq = next.seq;
  page.events[2].parent = next.parent;
  ExpectMalformed(DecodePage(EncodePage(page)), "client-only");
  page = SmallPage();
  page.events = {SmallRun().events[1]};
  page.metadata = {""};
  ExpectMalformed(DecodePage(EncodePage(page)), "client-only");
}

TEST(PageCodecTest, TextsAreCheckedAndOnePerEvent) {
  using namespace std::string_literals;
  PulledPage page = SmallPage();
  page.metadata[1] = "\xff";
  ExpectMalformed(DecodePage(EncodePage(page)), "metadata of e302");
  page = SmallPage();
  page.backend_id = "a\0b"s;
  ExpectMalformed(DecodePage(EncodePage(page)), "backend's id");
  page.backend_id = std::string(limits::kNameBytesMax + 1, 'b');
  ExpectMalformed(DecodePage(EncodePage(page)), "backend's id");
  page = SmallPage();
  page.metadata.pop_back();
  EXPECT_DEATH((void)EncodePage(page), "check failed");
  Bytes bytes = EncodePage(SmallPage());
  bytes.push_back(0);
  ExpectMalformed(DecodePage(bytes), "bytes follow");
}

TEST(PageCodecTest, ACountBeyondTheLimitDecodesNothing) {
  for (const uint64_t count : {uint64_t{limits::kPageEventsMax} + 1, UINT64_MAX}) {
    ByteWriter batch;
    batch.U8(1);
    batch.Varint(count);
    ByteWriter page;
    page.U8(1);
    page.Text("");
    page.Block(batch.view());
    const auto decoded = DecodePage(page.view());
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code, ErrorCode::kLimitExceeded);
    EXPECT_NE(decoded.error().message.find("kPageEventsMax"), std::string::npos);
  }
  ByteWriter cut;
  cut.U8(1);
  cut.Text("");
  cut.Varint(UINT64_MAX);
  ExpectMalformed(DecodePage(cut.view()), "cut off");
}

TEST(MessageCodecTest, RandomBytesNeverCrash) {
  Prng prng(7);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes(prng.Below(48));
    // Small values reach deeper: they pass for counts and lengths.
    for (uint8_t& byte : bytes) {
      byte = static_cast<uint8_t>(prng.Below(4) == 0 ? prng.Next() : prng.Below(3));
    }
    if (!bytes.empty()) bytes[0] = kEventBatchVersion;
    const auto push = DecodePush(bytes);
    EXPECT_TRUE(!push.ok() || push->counters.size() == push->run.events.size());
    const auto news = DecodeNews(bytes);
    EXPECT_TRUE(!news.ok() || news->rebased <= news->run.events.size());
    const auto history = DecodeHistory(bytes);
    EXPECT_TRUE(!history.ok() || history->accepted <= kCounterMax);
    const auto page = DecodePage(bytes);
    EXPECT_TRUE(!page.ok() || page->metadata.size() == page->events.size());
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

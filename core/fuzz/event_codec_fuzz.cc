// Can bytes from another tab, or from a sync backend, break the event codec? What it accepts must
// encode to bytes that decode to the same again: nothing is accepted that the engine could not pass
// on.

#include <vector>

#include "core/base/check.h"
#include "core/event/event_codec.h"
#include "core/fuzz/corpus.h"
#include "core/fuzz/patch.h"

namespace livestore {
namespace {

EventRun ValidRun() {
  EventRun run{.base = {{.global = 41, .client = 0, .generation = 2}, 0x0123456789abcdef},
               .events = {}};
  SeqNum head = run.base.seq;
  for (const bool client_only : {false, true, true, false}) {
    const SeqNumPair next = NextSeqNum(head, client_only);
    run.events.push_back({.seq = next.seq,
                          .parent = next.parent,
                          .name = client_only ? "uiSet" : "todoCreated",
                          .args_json = R"({"id":"a","text":"é😀"})",
                          .client_id = "client",
                          .session_id = "session",
                          .schema_hash = -7});
    head = next.seq;
  }
  return run;
}

Push ValidPush() {
  return {.instance = "instance", .counters = {1, 2, 300, 301}, .run = ValidRun()};
}

News ValidNews() {
  return {.synced = true,
          .settled = {40, 0, 0},
          .rebased = 2,
          .skipped = {0, 2},
          .refused = {{1, {ErrorCode::kBackendRefused, "no"}}, {3, {ErrorCode::kSql, ""}}},
          .run = ValidRun()};
}

PulledPage ValidPage() {
  PulledPage page{.backend_id = "backend", .events = ValidRun().events, .metadata = {"", "{}"}};
  std::erase_if(page.events, &Event::client_only);
  return page;
}

Bytes EncodeRunOf(const EventRun& run) { return EncodeRun({run.base, run.epoch}, run.events); }
Result<Push> DecodePushOf(BytesView bytes) { return DecodePush(bytes); }
Bytes EncodePushOf(const Push& push) {
  return EncodePush(push.instance, push.counters, {push.run.base, push.run.epoch}, push.run.events);
}

// Compared as bytes; that an encoder leaves nothing out is for the tests beside it.
template <typename Message>
void Check(BytesView bytes, Result<Message> (*decode)(BytesView), Bytes (*encode)(const Message&)) {
  const auto message = decode(bytes);
  if (!message.ok()) return;
  const Bytes encoded = encode(*message);
  const auto again = decode(encoded);
  LS_CHECK(again.ok() && encode(*again) == encoded);
}

// The same for bytes as they are, or for edits of valid ones.
template <typename Message>
void Check(bool patch, BytesView bytes, const Message& valid, Result<Message> (*decode)(BytesView),
           Bytes (*encode)(const Message&)) {
  if (patch) {
    Check(Patched(encode(valid), bytes), decode, encode);
  } else {
    Check(bytes, decode, encode);
  }
}

void CheckEvents(BytesView bytes) {
  const auto events = DecodeEvents(bytes);
  if (!events.ok()) return;
  const auto again = DecodeEvents(EncodeEvents(*events));
  LS_CHECK(again.ok() && *again == *events);
}

Corpus MakeCorpus() {
  const History history{.accepted = 300, .news = ValidNews()};
  const Bytes push = EncodePushOf(ValidPush());
  ByteWriter commit;  // JavaScript writes what an app commits; core only reads it.
  for (const uint32_t word : {1u, 0u, 1u, 5u, 10u, 0u}) commit.U32(word);
  commit.I64(-7);
  commit.Raw(AsBytes(R"(uiSet{"id":"a"})"));
  commit.Align(8);
  return {{"run", Chosen(0, EncodeRunOf(ValidRun()))},
          {"push", Chosen(2, push)},
          {"push_half", Chosen(2, BytesView(push).first(push.size() / 2))},
          {"push_edited", Chosen(3, Bytes{9, 0, 1, 30, 0, 255})},
          {"news", Chosen(4, EncodeNews(ValidNews()))},
          {"history", Chosen(6, EncodeHistory(history))},
          {"page", Chosen(8, EncodePage(ValidPage()))},
          {"page_edited", Chosen(9, Bytes{1, 0, 0, 20, 0, 128})},
          {"cursor", Chosen(10, EncodeCursor({ValidRun().base, 300}))},
          {"events", Chosen(12, EncodeEvents(ValidRun().events))},
          {"new_events", Chosen(14, commit.view())}};
}

}  // namespace
}  // namespace livestore

// The first byte says what the rest is; its lowest bit, whether that is edits of a valid one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace livestore;
  if (size == 0) return 0;
  const BytesView rest(data + 1, size - 1);
  const bool patch = data[0] % 2 == 1;
  switch (data[0] / 2 % 8) {
    case 0:
      Check(patch, rest, ValidRun(), &DecodeRun, &EncodeRunOf);
      break;
    case 1:
      Check(patch, rest, ValidPush(), &DecodePushOf, &EncodePushOf);
      break;
    case 2:
      Check(patch, rest, ValidNews(), &DecodeNews, &EncodeNews);
      break;
    case 3:
      Check(patch, rest, History{.accepted = 300, .news = ValidNews()}, &DecodeHistory,
            &EncodeHistory);
      break;
    case 4:
      Check(patch, rest, ValidPage(), &DecodePage, &EncodePage);
      break;
    case 5:
      Check(patch, rest, Cursor{ValidRun().base, 300}, &DecodeCursor, &EncodeCursor);
      break;
    case 6:
      CheckEvents(rest);
      break;
    default:
      static_cast<void>(DecodeNewEvents(rest));
  }
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return livestore::OfferCorpus(*argc, *argv, &livestore::MakeCorpus);
}

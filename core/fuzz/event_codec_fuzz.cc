// Can bytes from another tab, or from a sync backend, break the event codec? What it accepts must
// encode to bytes that decode to the same again: nothing is accepted that the engine could not pass
// on.

#include <vector>

#include "core/base/check.h"
#include "core/event/event_codec.h"
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

Bytes EncodeRunOf(const EventRun& run) { return EncodeRun(run.base, run.events); }
Result<Push> DecodePushOf(BytesView bytes) { return DecodePush(bytes); }
Bytes EncodePushOf(const Push& push) {
  return EncodePush(push.instance, push.counters, push.run.base, push.run.events);
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
      Check(patch, rest, ValidRun().base, &DecodeHead, &EncodeHead);
      break;
    case 6:
      CheckEvents(rest);
      break;
    default:
      static_cast<void>(DecodeNewEvents(rest));
  }
  return 0;
}

// Can bytes from another tab break the event codec? What it accepts must encode to bytes that
// decode to the same events again: nothing is accepted that the engine could not pass on.

#include "core/base/check.h"
#include "core/event/event_codec.h"
#include "core/fuzz/patch.h"

namespace livestore {
namespace {

Bytes ValidRun() {
  const SeqNum base{.global = 41, .client = 0, .generation = 2};
  std::vector<Event> events;
  SeqNum head = base;
  for (const bool client_only : {false, true, true, false}) {
    const SeqNumPair next = NextSeqNum(head, client_only);
    events.push_back({.seq = next.seq,
                      .parent = next.parent,
                      .name = client_only ? "uiSet" : "todoCreated",
                      .args_json = R"({"id":"a","text":"é😀"})",
                      .client_id = "client",
                      .session_id = "session",
                      .schema_hash = -7});
    head = next.seq;
  }
  return EncodeRun(base, events);
}

void CheckRun(BytesView bytes) {
  const auto run = DecodeRun(bytes);
  if (!run.ok()) return;
  const auto again = DecodeRun(EncodeRun(run->base, run->events));
  LS_CHECK(again.ok() && again->base == run->base && again->events == run->events);
}

void CheckEvents(BytesView bytes) {
  const auto events = DecodeEvents(bytes);
  if (!events.ok()) return;
  const auto again = DecodeEvents(EncodeEvents(*events));
  LS_CHECK(again.ok() && *again == *events);
}

}  // namespace
}  // namespace livestore

// The first byte chooses what the rest is: a run, a batch, new events, or edits of a valid run.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace livestore;
  if (size == 0) return 0;
  const BytesView rest(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      CheckRun(rest);
      break;
    case 1:
      CheckEvents(rest);
      break;
    case 2:
      static_cast<void>(DecodeNewEvents(rest));
      break;
    default:
      CheckRun(Patched(ValidRun(), rest));
  }
  return 0;
}

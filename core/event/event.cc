#include "core/event/event.h"

#include "core/base/json.h"

namespace livestore {
namespace {

// Text that is not JSON, or nests too deeply to be compared by recursion, equals only the same
// text.
bool SameJson(const std::string& a, const std::string& b) {
  if (a == b) return true;
  Json a_json;
  Json b_json;
  return ParseJson(a, a_json) == JsonOutcome::kParsed &&
         ParseJson(b, b_json) == JsonOutcome::kParsed && a_json == b_json;
}

}  // namespace

bool SameEvent(const Event& a, const Event& b) {
  return SamePosition(a.seq, b.seq) && a.name == b.name && a.client_id == b.client_id &&
         a.session_id == b.session_id && SameJson(a.args_json, b.args_json);
}

bool Continues(const SeqNum& head, std::span<const Event> events) {
  SeqNum previous = head;
  for (const Event& event : events) {
    if (!ContinuesHead(previous, event.seq)) return false;
    previous = event.seq;
  }
  return true;
}

void Renumber(std::span<Event> events, const SeqNum& base, uint32_t generation) {
  SeqNum head = base;
  for (Event& event : events) {
    SeqNumPair next = NextSeqNum(head, event.client_only());
    next.seq.generation = generation;
    event.seq = next.seq;
    event.parent = next.parent;
    head = next.seq;
  }
}

}  // namespace livestore

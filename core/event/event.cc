#include "core/event/event.h"

#include "core/base/fnv1a.h"
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

uint64_t EventHash(const Event& event) {
  if (event.seq.global == 0 && event.seq.client == 0) return 0;
  Fnv1a hash;
  hash.Number(event.seq.global);
  hash.Number(event.seq.client);
  hash.Part(event.name);
  hash.Part(event.args_json);
  hash.Part(event.client_id);
  hash.Part(event.session_id);
  return hash.hash();
}

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

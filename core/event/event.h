// Event: the immutable record of a domain fact, as the engine carries it. Arguments stay encoded
// JSON text: core never interprets them, it only compares and stores them.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/event/seq_num.h"

namespace livestore {

// Stored as schema_hash for an event whose definition is not known here.
inline constexpr int64_t kUnknownSchemaHash = -1;

// Which event of which session object it is, as the eventlog that accepted it remembers: not part
// of the event, and never encoded. The counter is 0 for events from elsewhere.
struct EventOrigin {
  int64_t session = 0;  // The eventlog's number for the session object.
  uint64_t counter = 0;

  bool operator==(const EventOrigin&) const = default;
};

struct Event {
  SeqNum seq;
  SeqNum parent;
  std::string name;
  std::string args_json;  // UTF-8 JSON of the encoded arguments; "{}" for none.
  std::string client_id;
  std::string session_id;
  int64_t schema_hash = kUnknownSchemaHash;
  EventOrigin origin{};

  // A client-only event never leaves its client; it stands between two synced ones.
  [[nodiscard]] bool client_only() const { return seq.client != 0; }

  bool operator==(const Event&) const = default;
};

// Identity of an event: position, name, arguments, client and session (FNV-1a). e0 is 0.
uint64_t EventHash(const Event& event);

// The end of a log, or of a part of it: a number, and the identity of the event that stands there.
// Equal heads of one client's log mean equal logs up to them. Positions alone do not, since after a
// rebase another event may stand at the same one; nor does the event, which may come back to its
// position after another one was put before it and a third taken out. But every rebase gives what
// it moves a generation it never had. All that is of one sync backend: see Cursor.
struct Head {
  SeqNum seq;
  uint64_t hash = 0;  // EventHash; 0 at e0.

  bool operator==(const Head&) const = default;
};

// What a session knows of its leader's log, and goes on from.
struct Cursor {
  Head head;
  // Counts how often the end of the log was taken back. In one epoch the log only grows; heads
  // alone do not tell, since a log may come back to one, or grow to one again from another backend.
  uint64_t epoch = 0;

  bool operator==(const Cursor&) const = default;
};

inline Head HeadOf(const Event& event) { return {event.seq, EventHash(event)}; }

// What an app commits, before it has a place.
struct NewEvent {
  std::string name;
  std::string args_json;
  bool client_only = false;
  int64_t schema_hash = kUnknownSchemaHash;
};

// True if both are the same fact at the same position: position, name, client, session, and
// arguments equal as JSON values (key order does not count). Generation and parent are ignored.
// Arguments nested deeper than limits::kJsonDepthMax are compared byte for byte.
bool SameEvent(const Event& a, const Event& b);

// True if the first event continues `head` and each one the event before it, by position.
bool Continues(const SeqNum& head, std::span<const Event> events);

// Gives `events` new numbers and parents, in order, continuing `base`, all with `generation`. A
// client-only event stays one: e3.1 rebased onto e4 becomes e4.1.
void Renumber(std::span<Event> events, const SeqNum& base, uint32_t generation);

}  // namespace livestore

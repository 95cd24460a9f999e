// Event batches as bytes: what a tab and its leader send each other.
//
//     run     := cursor batch                          a head, and what continues it
//     cursor  := global:varint client:varint generation:varint hash:u64 epoch:varint
//     batch   := version:u8(=1) count:varint names:table origins:table event*count
//     table   := texts:varint text*texts            each distinct entry once, in order of first use
//     text    := length:varint utf8                 no NUL
//     event   := global:varint client:varint generation:varint
//                parent_global:varint parent_client:varint parent_generation:varint
//                name:varint                        index into names
//                origin:varint                      counts pairs: texts 2*origin (client id) and
//                                                   2*origin+1 (session id) of origins
//                schema_hash:i64 args:text
//
//     push    := version:u8(=1) instance:text counters:varint first:varint step:varint* run
//                                                   as many counters as events: the first, then
//                                                   steps from 1
//     news    := version:u8(=1) flags:u8(bit 0: synced) settled_global:varint
//                settled_client:varint settled_generation:varint rebased:varint
//                skipped:varint index:varint*
//                refused:varint (index:varint code:varint reason:text)* run
//                                                   code: a number of core/base/error_codes.def
//     history := version:u8(=1) accepted:varint
//                refused:varint (counter:varint code:varint reason:text)*
//                counters:varint counter:varint* news
//
// A run says what it continues, because positions alone do not: after e1 a synced event is e2, and
// after the client-only e1.1 it is e2 just the same. Who missed e1.1 would not notice. And after a
// rebase another event may stand at a position: so the head has the identity of its event. And a
// log may come back to a head: so a run says in which epoch of the log it was made.
//
// Version history: 1, the first.
//
// Decoding trusts nothing: counts are checked against the bytes left before anything is reserved,
// indexes against their tables, sizes against core/base/limits.h, text for UTF-8, and each parent
// for being where the parent of its event must be. Trailing bytes are an error. The events of a run
// continue its head and one another; that the head is the receiver's is for the receiver to check.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/event/event.h"

namespace livestore {

inline constexpr uint8_t kEventBatchVersion = 1;

Bytes EncodeEvents(std::span<const Event> events);

// Fails with kMalformedBytes, or kProtocolMismatch for another version.
Result<std::vector<Event>> DecodeEvents(BytesView bytes);

// Events in a row, and the head they continue. May be empty: nothing came after that head.
struct EventRun {
  Head base;
  std::vector<Event> events;
  uint64_t epoch = 0;  // Of the leader's log: see Cursor.
};

// REQUIRES: `events` continue `base`.
Bytes EncodeRun(const Cursor& base, std::span<const Event> events);

// Fails with kMalformedBytes, also for events that do not continue the base, or kProtocolMismatch.
Result<EventRun> DecodeRun(BytesView bytes);

// Fails with kMalformedBytes.
Bytes EncodeCursor(const Cursor& cursor);
Result<Cursor> DecodeCursor(BytesView bytes);

// 2^53 - 1: JavaScript sees the counters of commits as doubles.
inline constexpr uint64_t kCounterMax = (uint64_t{1} << 53) - 1;

// What a session sends to the leader: pending events, and which of its commits they are. A session
// counts the events it commits from 1 and never gives a number twice, so that the leader can tell
// for good what it has of them, whatever became of their positions.
struct Push {
  std::string instance;            // Of one session object; never used before. Not empty.
  std::vector<uint64_t> counters;  // One per event, ascending.
  EventRun run;
};

// REQUIRES: as many counters as events, at least one, ascending from 1 or more to kCounterMax.
Bytes EncodePush(std::string_view instance, std::span<const uint64_t> counters, const Cursor& base,
                 std::span<const Event> events);
// Fails with kMalformedBytes, kProtocolMismatch, or kLimitExceeded for an instance name that is
// longer than limits::kNameBytesMax. `run_bytes`, if not null, is set to the part that is the run.
Result<Push> DecodePush(BytesView bytes, BytesView* run_bytes = nullptr);

// An event that the sync backend refused for good.
struct Refusal {
  uint32_t index = 0;  // Of those that stood after the base, oldest first.
  Error error;         // A code that this build does not know arrives as kBackendRefused.
};

// What the leader tells the sessions about its log. What they have after the base is gone, and the
// events come in its place: a rebase if there was any, else an advance.
struct News {
  bool synced = false;            // A sync backend orders this log: what is settled is synced.
  SeqNum settled;                 // Nothing up to here will ever be rolled back.
  uint32_t rebased = 0;           // The last so many events stood after the base before, in order.
  std::vector<uint32_t> skipped;  // Indexes of events without effect: their materializer failed.
  std::vector<Refusal> refused;  // Of what stood after the base; ascending. The others are rebased.
  EventRun run;
};

// REQUIRES: indexes ascending and in range: skipped ones below the count of events, refused ones
// below rebased + refused, which is how many events stood after the base.
Bytes EncodeNews(const News& news);
// The same with a run that is encoded already; news.run is not read.
Bytes EncodeNewsAround(const News& news, BytesView run);
// Fails with kMalformedBytes (also for indexes out of range or not ascending), kProtocolMismatch.
// Where `settled` lies is not checked: it may be before the base or after the run.
Result<News> DecodeNews(BytesView bytes);

// An own event that the sync backend refused.
struct RefusedCommit {
  uint64_t counter = 0;
  Error error;
};

// What the leader tells a session that joins: everything after its cursor, or after the image, and
// what became of the events that the session pushed before.
struct History {
  uint64_t accepted = 0;  // The counter of the last event the log has, or refused, of this session.
  std::vector<RefusedCommit> refused;  // As far as the log remembers; ascending.
  // One for each event after news.settled to the end of the log: its counter if it is the
  // session's, else 0. These ascend.
  std::vector<uint64_t> counters;
  News news;
};

// REQUIRES: counters <= kCounterMax and ascending, and what EncodeNews does.
Bytes EncodeHistory(const History& history);
// Fails as DecodeNews does.
Result<History> DecodeHistory(BytesView bytes);

// A page of a pull, as the sync backend gave it.
//
//     page := version:u8(=1) backend_id:text batch_bytes:varint batch metadata:text*
//                                                   one text per event of the batch
struct PulledPage {
  std::string backend_id;             // Empty if the backend has none.
  std::vector<Event> events;          // Synced ones, each continuing the one before.
  std::vector<std::string> metadata;  // JSON text each, or empty for none.
};

// REQUIRES: as many metadata as events.
Bytes EncodePage(const PulledPage& page);
// Fails with kMalformedBytes (also for client-only events and gaps), kProtocolMismatch,
// kLimitExceeded for a page of more than limits::kPageEventsMax.
Result<PulledPage> DecodePage(BytesView bytes);

// What JavaScript hands to a commit; the engine gives the numbers.
//
//     new_events := count:u32 passing:u32 new_event*count   passing: 1 if they are not persisted
//     new_event  := flags:u32 name_bytes:u32 args_bytes:u32 0:u32 schema_hash:i64 name args pad
//     flags      := bit 0: client-only; other bits must be 0
//     pad        := zero bytes to a multiple of 8
//
// Fails with kMalformedBytes, or kLimitExceeded by count, name or arguments; the message names the
// event.
Result<std::vector<NewEvent>> DecodeNewEvents(BytesView bytes, bool* passing = nullptr);

}  // namespace livestore

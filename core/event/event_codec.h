// Event batches as bytes: what a tab and its leader send each other.
//
//     run     := global:varint client:varint generation:varint batch    a head, what continues it
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
// A run says what it continues, because positions alone do not: after e1 a synced event is e2, and
// after the client-only e1.1 it is e2 just the same. Who missed e1.1 would not notice.
//
// Version history: 1, the first.
//
// Decoding trusts nothing: counts are checked against the bytes left before anything is reserved,
// indexes against their tables, sizes against core/base/limits.h, text for UTF-8, and each parent
// for being where the parent of its event must be. Trailing bytes are an error. The events of a run
// continue its head and one another; that the head is the receiver's is for the receiver to check.

#pragma once

#include <span>
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
  SeqNum base;
  std::vector<Event> events;
};

// REQUIRES: `events` continue `base`.
Bytes EncodeRun(const SeqNum& base, std::span<const Event> events);

// Fails with kMalformedBytes, also for events that do not continue the base, or kProtocolMismatch.
Result<EventRun> DecodeRun(BytesView bytes);

// What JavaScript hands to a commit; the engine gives the numbers.
//
//     new_events := count:u32 0:u32 new_event*count
//     new_event  := flags:u32 name_bytes:u32 args_bytes:u32 0:u32 schema_hash:i64 name args pad
//     flags      := bit 0: client-only; other bits must be 0
//     pad        := zero bytes to a multiple of 8
//
// Fails with kMalformedBytes, or kLimitExceeded by count, name or arguments; the message names the
// event.
Result<std::vector<NewEvent>> DecodeNewEvents(BytesView bytes);

}  // namespace livestore

// SeqNum: an event's position. `global` counts synced events in the backend's total order, `client`
// counts client-only events after one of them, `generation` tells rebased copies apart.
//
//     e2  ->  e2.1  ->  e2.2  ->  e3        text form; "r1" is appended for generation 1
//
// The parent of a synced event is the last synced one with client 0 (e3's parent is e2, not e2.2);
// the parent of a client-only event is the event just before it.
//
// Two orders, never mixed: position (global, client) decides admission and merging; full equality
// includes the generation.

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace livestore {

// 2^53 - 1: JavaScript and the backend see numbers as doubles.
inline constexpr uint64_t kSeqNumGlobalMax = (uint64_t{1} << 53) - 1;

struct SeqNum {
  uint64_t global = 0;  // At most kSeqNumGlobalMax.
  uint32_t client = 0;
  uint32_t generation = 0;

  bool operator==(const SeqNum&) const = default;
};

inline constexpr SeqNum kRootSeqNum{};

// Order by position only. Use it for admission and merging.
inline std::strong_ordering ComparePosition(const SeqNum& a, const SeqNum& b) {
  if (const auto order = a.global <=> b.global; order != 0) return order;
  return a.client <=> b.client;
}
inline bool SamePosition(const SeqNum& a, const SeqNum& b) { return ComparePosition(a, b) == 0; }

struct SeqNumPair {
  SeqNum seq;
  SeqNum parent;
};

// Returns the number that follows `head`, and its parent. The generation of `head` is kept.
SeqNumPair NextSeqNum(const SeqNum& head, bool client_only);

// True if `seq` is exactly the position after `head`: no gap, no overlap.
bool ContinuesHead(const SeqNum& head, const SeqNum& seq);

// "e3.1r2"; client and generation are left out when 0.
std::string ToString(const SeqNum& seq);

// Fails with kInvalidArgument; the message says `must start with "e"` or `invalid number format`.
Result<SeqNum> ParseSeqNum(std::string_view text);

}  // namespace livestore

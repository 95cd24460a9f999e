#include "core/event/seq_num.h"

#include <charconv>
#include <limits>

#include "core/base/check.h"

namespace livestore {
namespace {

// Takes the digits at the front of `text` off and into `value`. False without digits, or when the
// number is greater than its limit: from_chars takes neither a sign nor white space for unsigned.
template <typename T>
bool TakeNumber(std::string_view& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool TakeLetter(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

SeqNumPair NextSeqNum(const SeqNum& head, bool client_only) {
  if (client_only) {
    LS_CHECK(head.client < std::numeric_limits<uint32_t>::max());
    return {.seq = {head.global, head.client + 1, head.generation}, .parent = head};
  }
  LS_CHECK(head.global < kSeqNumGlobalMax);
  return {.seq = {head.global + 1, 0, head.generation},
          .parent = {head.global, 0, head.generation}};
}

bool ContinuesHead(const SeqNum& head, const SeqNum& seq) {
  if (seq.client != 0) return seq.global == head.global && seq.client - 1 == head.client;
  return seq.global > 0 && seq.global - 1 == head.global;
}

std::string ToString(const SeqNum& seq) {
  std::string text = "e";
  text += std::to_string(seq.global);
  if (seq.client != 0) (text += '.') += std::to_string(seq.client);
  if (seq.generation != 0) (text += 'r') += std::to_string(seq.generation);
  return text;
}

Result<SeqNum> ParseSeqNum(std::string_view text) {
  std::string_view rest = text;
  if (!TakeLetter(rest, 'e')) {
    return Error{ErrorCode::kInvalidArgument, "sequence number must start with \"e\""};
  }
  SeqNum seq;
  bool valid = TakeNumber(rest, seq.global) && seq.global <= kSeqNumGlobalMax;
  if (valid && TakeLetter(rest, '.')) valid = TakeNumber(rest, seq.client);
  if (valid && TakeLetter(rest, 'r')) valid = TakeNumber(rest, seq.generation);
  if (!valid || !rest.empty()) {
    return Error{ErrorCode::kInvalidArgument, "sequence number has an invalid number format"};
  }
  return seq;
}

}  // namespace livestore

#include "core/event/event_codec.h"

#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"

namespace livestore {
namespace {

// ---- Text ------------------------------------------------------------------------------------

bool IsContinuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

// The length of the well-formed UTF-8 sequence at the front of `bytes`, or 0: no NUL, no overlong
// form, no surrogate, nothing beyond U+10FFFF.
size_t SequenceLength(BytesView bytes) {
  const uint8_t lead = bytes[0];
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < 2) return 0;
  // Only the second byte has limits that depend on the first.
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (bytes[1] < low || bytes[1] > high) return 0;
  if (lead < 0xe0) return 2;
  if (bytes.size() < 3 || !IsContinuation(bytes[2])) return 0;
  if (lead < 0xf0) return 3;
  return bytes.size() < 4 || !IsContinuation(bytes[3]) ? 0 : 4;
}

// True for UTF-8 without NUL. SQLite would cut a text at a NUL, and JavaScript would read other
// bytes as U+FFFD: session and leader would then see different arguments.
bool IsText(std::string_view text) {
  BytesView rest = AsBytes(text);
  while (!rest.empty()) {
    // Eight bytes at once, while all are ASCII and none is 0: nearly always.
    while (rest.size() >= 8) {
      constexpr uint64_t kOnes = 0x0101010101010101;
      uint64_t word = 0;
      std::memcpy(&word, rest.data(), sizeof word);
      if (((word | (word - kOnes)) & (kOnes << 7)) != 0) break;
      rest = rest.subspan(8);
    }
    if (rest.empty()) break;
    const size_t length = SequenceLength(rest);
    if (length == 0) return false;
    rest = rest.subspan(length);
  }
  return true;
}

// ---- Encoding --------------------------------------------------------------------------------

// Numbers distinct texts, or pairs of them, in order of first use. Events of one batch mostly share
// name and origin with the one before, so that is looked at first.
class TextTable {
 public:
  uint32_t Add(std::string_view first, std::string_view second = {}) {
    if (!entries_.empty()) {
      const Entry& last = entries_[last_];
      if (last.first == first && last.second == second) return last_;
    }
    const auto [found, added] =
        numbers_.try_emplace({first, second}, static_cast<uint32_t>(entries_.size()));
    if (added) entries_.emplace_back(first, second);
    last_ = found->second;
    return last_;
  }

  using Entry = std::pair<std::string_view, std::string_view>;
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Hash {
    size_t operator()(const Entry& entry) const {
      const std::hash<std::string_view> hash;
      return hash(entry.first) * 31 + hash(entry.second);
    }
  };
  std::vector<Entry> entries_;
  std::unordered_map<Entry, uint32_t, Hash> numbers_;
  uint32_t last_ = 0;
};

void WriteSeqNum(ByteWriter& writer, const SeqNum& seq) {
  writer.Varint(seq.global);
  writer.Varint(seq.client);
  writer.Varint(seq.generation);
}

// ---- Decoding --------------------------------------------------------------------------------

// Six varints, two indexes, the hash, and the length of the arguments.
constexpr size_t kEventBytesMin = 6 + 2 + 8 + 1;

Error Malformed(const std::string& what) {
  return {ErrorCode::kMalformedBytes, "event batch: " + what};
}

Result<std::vector<std::string_view>> ReadTable(ByteReader& reader, const char* what) {
  const uint64_t count = reader.Varint();
  if (!reader.ok() || count > reader.remaining()) {  // A text is one byte at least.
    return Malformed(std::string("the count of ") + what + " exceeds the bytes that follow");
  }
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view text = reader.Text();
    if (!reader.ok() || text.size() > limits::kNameBytesMax || !IsText(text)) {
      return Malformed(std::string("entry ") + std::to_string(i) + " of " + what +
                       " is cut off, too long, or not UTF-8 without NUL");
    }
    texts.push_back(text);
  }
  return texts;
}

// False if the reader failed or a part is out of its range.
bool ReadSeqNum(ByteReader& reader, SeqNum& seq) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  const uint64_t global = reader.Varint();
  const uint64_t client = reader.Varint();
  const uint64_t generation = reader.Varint();
  seq = {global, static_cast<uint32_t>(client), static_cast<uint32_t>(generation)};
  return reader.ok() && global <= kSeqNumGlobalMax && client <= kMax && generation <= kMax;
}

// The place of a parent follows from the place of its event; only the generation is free.
bool IsParent(const SeqNum& parent, const SeqNum& seq) {
  if (seq.client != 0) return parent.global == seq.global && parent.client == seq.client - 1;
  return seq.global > 0 && parent.global == seq.global - 1 && parent.client == 0;
}

}  // namespace

Bytes EncodeEvents(std::span<const Event> events) {
  TextTable names;
  TextTable origins;
  std::vector<std::pair<uint32_t, uint32_t>> numbers;  // Of name and origin, per event.
  numbers.reserve(events.size());
  for (const Event& event : events) {
    numbers.emplace_back(names.Add(event.name), origins.Add(event.client_id, event.session_id));
  }

  ByteWriter writer;
  writer.U8(kEventBatchVersion);
  writer.Varint(events.size());
  writer.Varint(names.entries().size());
  for (const auto& [name, unused] : names.entries()) writer.Text(name);
  writer.Varint(2 * origins.entries().size());
  for (const auto& [client_id, session_id] : origins.entries()) {
    writer.Text(client_id);
    writer.Text(session_id);
  }
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    WriteSeqNum(writer, event.seq);
    WriteSeqNum(writer, event.parent);
    writer.Varint(numbers[i].first);
    writer.Varint(numbers[i].second);
    writer.I64(event.schema_hash);
    writer.Text(event.args_json);
  }
  return writer.Take();
}

Result<std::vector<Event>> DecodeEvents(BytesView bytes) {
  ByteReader reader(bytes);
  const uint8_t version = reader.U8();
  if (!reader.ok()) return Malformed("it is empty");
  if (version != kEventBatchVersion) {
    return Error{ErrorCode::kProtocolMismatch, "event batch has version " +
                                                   std::to_string(version) + ", this build reads " +
                                                   std::to_string(kEventBatchVersion)};
  }
  const uint64_t count = reader.Varint();
  if (!reader.ok() || count > reader.remaining() / kEventBytesMin) {
    return Malformed("the count of events exceeds the bytes that follow");
  }
  const std::vector<std::string_view> names = LS_TRY(ReadTable(reader, "names"));
  const std::vector<std::string_view> origins = LS_TRY(ReadTable(reader, "origins"));
  if (origins.size() % 2 != 0) return Malformed("origins are not pairs");

  std::vector<Event> events;
  events.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    const auto which = [i] { return "event " + std::to_string(i); };
    SeqNum seq;
    SeqNum parent;
    if (!ReadSeqNum(reader, seq) || !ReadSeqNum(reader, parent)) {
      return Malformed(which() + " is cut off or has a number out of range");
    }
    if (!IsParent(parent, seq)) {
      return Malformed(which() + " (" + ToString(seq) + ") cannot have the parent " +
                       ToString(parent));
    }
    const uint64_t name = reader.Varint();
    const uint64_t origin = reader.Varint();
    const int64_t schema_hash = reader.I64();
    const std::string_view args = reader.Text();
    if (!reader.ok()) return Malformed(which() + " is cut off");
    if (name >= names.size() || origin >= origins.size() / 2) {
      return Malformed(which() + " has a name or origin that is not in its table");
    }
    if (args.size() > limits::kEventArgsBytesMax || !IsText(args)) {
      return Malformed(which() + " has arguments that are too long or not UTF-8 without NUL");
    }
    const size_t client_id = 2 * static_cast<size_t>(origin);
    events.push_back({.seq = seq,
                      .parent = parent,
                      .name = std::string(names[static_cast<size_t>(name)]),
                      .args_json = std::string(args),
                      .client_id = std::string(origins[client_id]),
                      .session_id = std::string(origins[client_id + 1]),
                      .schema_hash = schema_hash});
  }
  if (!reader.AtEnd()) return Malformed("bytes follow its last event");
  return events;
}

Bytes EncodeRun(const SeqNum& base, std::span<const Event> events) {
  LS_CHECK(Continues(base, events));
  ByteWriter writer;
  WriteSeqNum(writer, base);
  writer.Raw(EncodeEvents(events));
  return writer.Take();
}

Result<EventRun> DecodeRun(BytesView bytes) {
  ByteReader reader(bytes);
  EventRun run;
  if (!ReadSeqNum(reader, run.base)) return Malformed("the head it continues is damaged");
  run.events = LS_TRY(DecodeEvents(bytes.subspan(reader.position())));
  if (!Continues(run.base, run.events)) {
    return Malformed("its events do not continue " + ToString(run.base));
  }
  return run;
}

Result<std::vector<NewEvent>> DecodeNewEvents(BytesView bytes) {
  constexpr uint32_t kClientOnly = 1;
  constexpr size_t kNewEventBytesMin = 24;
  const auto malformed = [](const std::string& what) {
    return Error{ErrorCode::kMalformedBytes, "new events: " + what};
  };

  ByteReader reader(bytes);
  const uint32_t count = reader.U32();
  const uint32_t reserved = reader.U32();
  if (!reader.ok() || reserved != 0) return malformed("the header is damaged");
  if (count > limits::kCommitEventsMax) {
    return Error{ErrorCode::kLimitExceeded, "a commit of " + std::to_string(count) +
                                                " events exceeds kCommitEventsMax (" +
                                                std::to_string(limits::kCommitEventsMax) + ")"};
  }
  if (count > reader.remaining() / kNewEventBytesMin) {
    return malformed("the count exceeds the bytes that follow");
  }
  std::vector<NewEvent> events;
  events.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto which = [i] { return "event " + std::to_string(i); };
    const uint32_t flags = reader.U32();
    const uint32_t name_bytes = reader.U32();
    const uint32_t args_bytes = reader.U32();
    const uint32_t event_reserved = reader.U32();
    const int64_t schema_hash = reader.I64();
    const std::string_view name = AsText(reader.Raw(name_bytes));
    const std::string_view args = AsText(reader.Raw(args_bytes));
    reader.Align(8);
    if (!reader.ok()) return malformed(which() + " is cut off");
    if ((flags & ~kClientOnly) != 0 || event_reserved != 0) {
      return malformed(which() + " has unknown flags");
    }
    if (name.empty() || !IsText(name)) {
      return malformed("the name of " + which() + " is empty or not UTF-8 without NUL");
    }
    if (name.size() > limits::kNameBytesMax) {
      return Error{ErrorCode::kLimitExceeded,
                   "the name of " + which() + " has " + std::to_string(name.size()) +
                       " bytes, more than kNameBytesMax (" + std::to_string(limits::kNameBytesMax) +
                       "): \"" + std::string(name.substr(0, 32)) + "...\""};
    }
    if (args.size() > limits::kEventArgsBytesMax) {
      return Error{ErrorCode::kLimitExceeded,
                   "the arguments of \"" + std::string(name) + "\" (" + which() + ") have " +
                       std::to_string(args.size()) + " bytes, more than kEventArgsBytesMax (" +
                       std::to_string(limits::kEventArgsBytesMax) + ")"};
    }
    if (!IsText(args)) {
      return malformed("the arguments of \"" + std::string(name) + "\" (" + which() +
                       ") are not UTF-8 without NUL");
    }
    events.push_back({.name = std::string(name),
                      .args_json = std::string(args),
                      .client_only = (flags & kClientOnly) != 0,
                      .schema_hash = schema_hash});
  }
  if (!reader.AtEnd()) return malformed("bytes follow the last event");
  return events;
}

}  // namespace livestore

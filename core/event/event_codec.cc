#include "core/event/event_codec.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <string_view>
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

// `text` with a question mark for each byte that IsText would refuse. For messages of errors, which
// may come from anywhere: a bad one must not make the rest unreadable.
std::string AsReadableText(std::string_view text) {
  std::string readable(text);
  for (size_t i = 0; i < readable.size();) {
    const size_t length = SequenceLength(AsBytes(readable).subspan(i));
    if (length == 0) readable[i] = '?';
    i += length == 0 ? 1 : length;
  }
  return readable;
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
  std::vector<Entry> entries_;
  std::map<Entry, uint32_t> numbers_;
  uint32_t last_ = 0;
};

constexpr uint8_t kSynced = 1;  // Flag of news.

void WriteSeqNum(ByteWriter& writer, const SeqNum& seq) {
  writer.Varint(seq.global);
  writer.Varint(seq.client);
  writer.Varint(seq.generation);
}

void WriteCursor(ByteWriter& writer, const Cursor& cursor) {
  WriteSeqNum(writer, cursor.head.seq);
  writer.U64(cursor.head.hash);
  writer.Varint(cursor.epoch);
}

// ---- Decoding --------------------------------------------------------------------------------

// Six varints, two indexes, the hash, and the length of the arguments.
constexpr size_t kEventBytesMin = 6 + 2 + 8 + 1;
// Two varints and the length of the reason.
constexpr size_t kRefusalBytesMin = 3;
constexpr uint64_t kIndexEnd = uint64_t{std::numeric_limits<uint32_t>::max()} + 1;

Error Malformed(const std::string& what, const std::string& where = "event batch") {
  return {ErrorCode::kMalformedBytes, where + ": " + what};
}

Result<void> ReadVersion(ByteReader& reader, const char* where) {
  const uint8_t version = reader.U8();
  if (!reader.ok()) return Malformed("it is empty", where);
  if (version != kEventBatchVersion) {
    return Error{ErrorCode::kProtocolMismatch, std::string(where) + " has version " +
                                                   std::to_string(version) + ", this build reads " +
                                                   std::to_string(kEventBatchVersion)};
  }
  return {};
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

bool ReadCursor(ByteReader& reader, Cursor& cursor) {
  if (!ReadSeqNum(reader, cursor.head.seq)) return false;
  cursor.head.hash = reader.U64();
  cursor.epoch = reader.Varint();
  return reader.ok();
}

// Reads a count of entries of at least `entry_bytes` each. False if they exceed the bytes left.
bool ReadCount(ByteReader& reader, size_t entry_bytes, size_t& count) {
  const uint64_t value = reader.Varint();
  if (!reader.ok() || value > reader.remaining() / entry_bytes) return false;
  count = static_cast<size_t>(value);
  return true;
}

// The next of ascending indexes below `end`; `least` is where it may begin, and is moved behind it.
bool ReadIndex(ByteReader& reader, uint64_t end, uint64_t& least, uint32_t& index) {
  const uint64_t value = reader.Varint();
  if (!reader.ok() || value < least || value >= end) return false;
  least = value + 1;
  index = static_cast<uint32_t>(value);
  return true;
}

ErrorCode KnownCode(uint64_t number) {
  const auto code = static_cast<ErrorCode>(number);
  if (number > std::numeric_limits<uint32_t>::max() || ErrorCodeName(code) == "Unknown") {
    return ErrorCode::kBackendRefused;
  }
  return code;
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
  LS_TRY(ReadVersion(reader, "event batch"));
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

// ---- Runs ------------------------------------------------------------------------------------

Bytes EncodeRun(const Cursor& base, std::span<const Event> events) {
  LS_CHECK(Continues(base.head.seq, events));
  ByteWriter writer;
  WriteCursor(writer, base);
  writer.Raw(EncodeEvents(events));
  return writer.Take();
}

Result<EventRun> DecodeRun(BytesView bytes) {
  ByteReader reader(bytes);
  Cursor base;
  if (!ReadCursor(reader, base)) return Malformed("the head it continues is damaged");
  EventRun run{.base = base.head, .events = {}, .epoch = base.epoch};
  run.events = LS_TRY(DecodeEvents(bytes.subspan(reader.position())));
  if (!Continues(run.base.seq, run.events)) {
    return Malformed("its events do not continue " + ToString(run.base.seq));
  }
  return run;
}

Bytes EncodeCursor(const Cursor& cursor) {
  ByteWriter writer;
  WriteCursor(writer, cursor);
  return writer.Take();
}

Result<Cursor> DecodeCursor(BytesView bytes) {
  ByteReader reader(bytes);
  Cursor cursor;
  if (!ReadCursor(reader, cursor) || !reader.AtEnd()) {
    return Malformed("it is cut off, too long, or has a number out of range", "cursor");
  }
  return cursor;
}

// ---- Pushes ----------------------------------------------------------------------------------

Bytes EncodePush(std::string_view instance, std::span<const uint64_t> counters, const Cursor& base,
                 std::span<const Event> events) {
  LS_CHECK(!instance.empty() && instance.size() <= limits::kNameBytesMax && IsText(instance));
  LS_CHECK(!events.empty() && counters.size() == events.size());
  ByteWriter writer;
  writer.U8(kEventBatchVersion);
  writer.Text(instance);
  writer.Varint(counters.size());
  uint64_t last = 0;
  for (const uint64_t counter : counters) {
    LS_CHECK(counter > last && counter <= kCounterMax);
    writer.Varint(counter - last);
    last = counter;
  }
  writer.Raw(EncodeRun(base, events));
  return writer.Take();
}

Result<Push> DecodePush(BytesView bytes, BytesView* run_bytes) {
  ByteReader reader(bytes);
  LS_TRY(ReadVersion(reader, "push"));
  const std::string_view instance = reader.Text();
  if (!reader.ok() || instance.empty() || !IsText(instance)) {
    return Malformed("the instance is cut off, empty, or not UTF-8 without NUL", "push");
  }
  if (instance.size() > limits::kNameBytesMax) {
    return Error{ErrorCode::kLimitExceeded, "the instance name of a push has " +
                                                std::to_string(instance.size()) +
                                                " bytes, more than kNameBytesMax (" +
                                                std::to_string(limits::kNameBytesMax) + ")"};
  }
  size_t count = 0;
  if (!ReadCount(reader, 1, count)) {
    return Malformed("the count of counters exceeds the bytes that follow", "push");
  }
  Push push{.instance = std::string(instance), .counters = {}, .run = {}};
  push.counters.reserve(count);
  uint64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t step = reader.Varint();
    if (!reader.ok() || step == 0 || step > kCounterMax - last) {
      return Malformed("counter " + std::to_string(i) + " is cut off or out of range", "push");
    }
    push.counters.push_back(last += step);
  }
  const BytesView rest = bytes.subspan(reader.position());
  push.run = LS_TRY(DecodeRun(rest));
  if (push.run.events.empty() || push.run.events.size() != count) {
    return Malformed(std::to_string(count) + " counters for " +
                         std::to_string(push.run.events.size()) + " events",
                     "push");
  }
  if (run_bytes != nullptr) *run_bytes = rest;
  return push;
}

// ---- News ------------------------------------------------------------------------------------

Bytes EncodeNews(const News& news) {
  LS_CHECK(news.rebased <= news.run.events.size());
  LS_CHECK(news.skipped.empty() || news.skipped.back() < news.run.events.size());
  return EncodeNewsAround(news, EncodeRun({news.run.base, news.run.epoch}, news.run.events));
}

Bytes EncodeNewsAround(const News& news, BytesView run) {
  ByteWriter writer;
  writer.U8(kEventBatchVersion);
  writer.U8(news.synced ? kSynced : 0);
  WriteSeqNum(writer, news.settled);
  writer.Varint(news.rebased);
  writer.Varint(news.skipped.size());
  uint64_t least = 0;
  for (const uint32_t index : news.skipped) {
    LS_CHECK(index >= least);
    least = uint64_t{index} + 1;
    writer.Varint(index);
  }
  writer.Varint(news.refused.size());
  least = 0;
  for (const Refusal& refusal : news.refused) {
    LS_CHECK(refusal.index >= least);
    least = uint64_t{refusal.index} + 1;
    writer.Varint(refusal.index);
    writer.Varint(static_cast<uint32_t>(refusal.error.code));
    writer.Text(AsReadableText(refusal.error.message));
  }
  LS_CHECK(least <= uint64_t{news.rebased} + news.refused.size());
  writer.Raw(run);
  return writer.Take();
}

Result<News> DecodeNews(BytesView bytes) {
  constexpr const char* kWhere = "news";
  ByteReader reader(bytes);
  LS_TRY(ReadVersion(reader, kWhere));
  const uint8_t flags = reader.U8();
  if (!reader.ok() || (flags & ~kSynced) != 0) return Malformed("unknown flags", kWhere);
  News news{.synced = (flags & kSynced) != 0,
            .settled = {},
            .rebased = 0,
            .skipped = {},
            .refused = {},
            .run = {}};
  if (!ReadSeqNum(reader, news.settled)) {
    return Malformed("what is settled is cut off or out of range", kWhere);
  }
  // The run, which these two are measured by, comes last. An event is larger than a byte.
  const uint64_t rebased = reader.Varint();
  size_t count = 0;
  if (rebased > reader.remaining() || !ReadCount(reader, 1, count)) {
    return Malformed("more events are rebased or skipped than bytes follow", kWhere);
  }
  news.rebased = static_cast<uint32_t>(rebased);
  news.skipped.resize(count);
  uint64_t least = 0;
  for (uint32_t& index : news.skipped) {
    if (!ReadIndex(reader, kIndexEnd, least, index)) {
      return Malformed("indexes of skipped events do not ascend", kWhere);
    }
  }
  const uint64_t skipped_end = least;
  if (!ReadCount(reader, kRefusalBytesMin, count)) {
    return Malformed("more events are refused than bytes follow", kWhere);
  }
  news.refused.resize(count);
  least = 0;
  for (Refusal& refusal : news.refused) {
    if (!ReadIndex(reader, rebased + count, least, refusal.index)) {
      return Malformed("indexes of refused events do not ascend or are out of range", kWhere);
    }
    const uint64_t code = reader.Varint();
    const std::string_view reason = reader.Text();
    if (!reader.ok() || !IsText(reason)) {
      return Malformed("the reason of a refusal is cut off or not UTF-8 without NUL", kWhere);
    }
    refusal.error = {KnownCode(code), std::string(reason)};
  }
  news.run = LS_TRY(DecodeRun(bytes.subspan(reader.position())));
  if (std::max(rebased, skipped_end) > news.run.events.size()) {
    return Malformed("more events are rebased or skipped than there are", kWhere);
  }
  return news;
}

Bytes EncodeHistory(const History& history) {
  LS_CHECK(history.accepted <= kCounterMax);
  ByteWriter writer;
  writer.U8(kEventBatchVersion);
  writer.Varint(history.accepted);
  writer.Varint(history.refused.size());
  uint64_t last = 0;
  for (const RefusedCommit& refused : history.refused) {
    LS_CHECK(refused.counter > last && refused.counter <= kCounterMax);
    last = refused.counter;
    writer.Varint(refused.counter);
    writer.Varint(static_cast<uint32_t>(refused.error.code));
    writer.Text(AsReadableText(refused.error.message));
  }
  writer.Varint(history.counters.size());
  last = 0;
  for (const uint64_t counter : history.counters) {
    LS_CHECK(counter == 0 || (counter > last && counter <= kCounterMax));
    last = std::max(last, counter);
    writer.Varint(counter);
  }
  writer.Raw(EncodeNews(history.news));
  return writer.Take();
}

Result<History> DecodeHistory(BytesView bytes) {
  ByteReader reader(bytes);
  LS_TRY(ReadVersion(reader, "history"));
  History history;
  history.accepted = reader.Varint();
  size_t count = 0;
  if (!reader.ok() || history.accepted > kCounterMax ||
      !ReadCount(reader, kRefusalBytesMin, count)) {
    return Malformed("what is accepted or refused is cut off or out of range", "history");
  }
  history.refused.resize(count);
  uint64_t last = 0;
  for (RefusedCommit& refused : history.refused) {
    refused.counter = reader.Varint();
    const uint64_t code = reader.Varint();
    const std::string_view reason = reader.Text();
    if (!reader.ok() || refused.counter <= last || refused.counter > kCounterMax ||
        !IsText(reason)) {
      return Malformed("a refused event is cut off or out of order", "history");
    }
    last = refused.counter;
    refused.error = {KnownCode(code), std::string(reason)};
  }
  if (!ReadCount(reader, 1, count)) return Malformed("counters are cut off", "history");
  history.counters.resize(count);
  last = 0;
  for (uint64_t& counter : history.counters) {
    counter = reader.Varint();
    if (!reader.ok() || counter > kCounterMax || (counter != 0 && counter <= last)) {
      return Malformed("a counter is cut off or out of order", "history");
    }
    last = std::max(last, counter);
  }
  history.news = LS_TRY(DecodeNews(bytes.subspan(reader.position())));
  return history;
}

// ---- Pages of the sync backend ---------------------------------------------------------------

Bytes EncodePage(const PulledPage& page) {
  LS_CHECK(page.metadata.size() == page.events.size());
  ByteWriter writer;
  writer.U8(kEventBatchVersion);
  writer.Text(page.backend_id);
  writer.Block(EncodeEvents(page.events));
  for (const std::string& metadata : page.metadata) writer.Text(metadata);
  return writer.Take();
}

Result<PulledPage> DecodePage(BytesView bytes) {
  constexpr const char* kWhere = "pulled page";
  ByteReader reader(bytes);
  LS_TRY(ReadVersion(reader, kWhere));
  const std::string_view backend_id = reader.Text();
  if (!reader.ok() || backend_id.size() > limits::kNameBytesMax || !IsText(backend_id)) {
    return Malformed("the backend's id is cut off, too long, or not UTF-8 without NUL", kWhere);
  }
  const BytesView batch = reader.Block();
  if (!reader.ok()) return Malformed("its events are cut off", kWhere);
  // Looked up before anything is decoded.
  ByteReader batch_reader(batch);
  LS_TRY(ReadVersion(batch_reader, "event batch"));
  if (const uint64_t count = batch_reader.Varint(); count > limits::kPageEventsMax) {
    return Error{ErrorCode::kLimitExceeded, "a page of " + std::to_string(count) +
                                                " events exceeds kPageEventsMax (" +
                                                std::to_string(limits::kPageEventsMax) + ")"};
  }
  PulledPage page{.backend_id = std::string(backend_id), .events = {}, .metadata = {}};
  page.events = LS_TRY(DecodeEvents(batch));
  if (!page.events.empty() && !Continues(page.events.front().parent, page.events)) {
    return Malformed("its events do not continue one another", kWhere);
  }
  if (std::ranges::any_of(page.events, &Event::client_only)) {
    return Malformed("it has client-only events", kWhere);
  }
  page.metadata.reserve(page.events.size());
  for (const Event& event : page.events) {
    const std::string_view metadata = reader.Text();
    if (!reader.ok() || metadata.size() > limits::kEventArgsBytesMax || !IsText(metadata)) {
      return Malformed("the metadata of " + ToString(event.seq) +
                           " are cut off, too long, or not UTF-8 without NUL",
                       kWhere);
    }
    page.metadata.emplace_back(metadata);
  }
  if (!reader.AtEnd()) return Malformed("bytes follow its last metadata", kWhere);
  return page;
}

// ---- New events ------------------------------------------------------------------------------

Result<std::vector<NewEvent>> DecodeNewEvents(BytesView bytes, bool* passing) {
  constexpr uint32_t kClientOnly = 1;
  constexpr size_t kNewEventBytesMin = 24;
  const auto malformed = [](const std::string& what) {
    return Error{ErrorCode::kMalformedBytes, "new events: " + what};
  };

  ByteReader reader(bytes);
  const uint32_t count = reader.U32();
  const uint32_t is_passing = reader.U32();
  if (!reader.ok() || is_passing > (passing == nullptr ? 0u : 1u)) {
    return malformed("the header is damaged");
  }
  if (passing != nullptr) *passing = is_passing != 0;
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

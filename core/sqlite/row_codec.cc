#include "core/sqlite/row_codec.h"

#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/sqlite/sqlite_error.h"

namespace livestore {
namespace {

enum BindTag : uint32_t { kBindNull, kBindNumber, kBindText, kBindInt64, kBindBlob };
enum CellTag : uint8_t { kCellNull, kCellNumber, kCellText, kCellInt64, kCellBlob };

// Integers up to here are exact as a double, JavaScript's only plain number.
constexpr int64_t kExactIntegerMax = int64_t{1} << 53;
// A result buffer this large is only kept while results need it.
constexpr size_t kKeptBufferBytes = 8u << 20;
constexpr uint32_t kFlagAscii = 1;
constexpr uint64_t kHighBits = 0x8080808080808080;
constexpr uint8_t kReplacement[] = {0xef, 0xbf, 0xbd};  // U+FFFD

size_t PaddedTo8(size_t size) { return (size + 7) & ~size_t{7}; }

bool IsAscii(const uint8_t* text, size_t size) {
  uint64_t seen = 0;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text + i, 8);
    seen |= word;
  }
  for (; i < size; i++) seen |= text[i];
  return (seen & kHighBits) == 0;
}

// One step of the UTF-8 decoder of the Encoding Standard.
struct Sequence {
  size_t bytes = 1;    // How many bytes it took,
  bool valid = false;  // and whether they are one character; else they become one U+FFFD.
};
Sequence NextSequence(const uint8_t* text, size_t size) {
  const uint8_t lead = text[0];
  if (lead < 0x80) return {1, true};
  size_t needed = 0;
  uint8_t lower = 0x80;
  uint8_t upper = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    needed = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    needed = 2;
    if (lead == 0xe0) lower = 0xa0;  // Else it would be shorter.
    if (lead == 0xed) upper = 0x9f;  // Surrogates.
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    needed = 3;
    if (lead == 0xf0) lower = 0x90;
    if (lead == 0xf4) upper = 0x8f;  // Beyond U+10FFFF.
  } else {
    return {1, false};
  }
  for (size_t i = 1; i <= needed; i++) {
    if (i == size || text[i] < lower || text[i] > upper) return {i, false};
    lower = 0x80;
    upper = 0xbf;
  }
  return {needed + 1, true};
}

Error Malformed(const char* what) {
  return Error{ErrorCode::kMalformedBytes, std::string("binds: ") + what};
}

bool BindsAsInteger(double value) {
  // -0 has no integer, and NaN fails the comparison.
  return std::fabs(value) <= static_cast<double>(kExactIntegerMax) && std::trunc(value) == value &&
         !(value == 0 && std::signbit(value));
}

int BindNumber(sqlite3_stmt* statement, int index, double value) {
  return BindsAsInteger(value) ? sqlite3_bind_int64(statement, index, static_cast<int64_t>(value))
                               : sqlite3_bind_double(statement, index, value);
}

}  // namespace

PackedBind BindAt(BytesView binds, uint32_t number) {
  uint32_t head[2];
  size_t position = 8;
  while (true) {
    std::memcpy(head, binds.data() + position, sizeof head);
    position += 8;
    const bool has_bytes = head[0] == kBindText || head[0] == kBindBlob;
    if (--number == 0) break;
    position += has_bytes ? PaddedTo8(head[1]) : 8;
  }
  const uint8_t* const payload = binds.data() + position;
  PackedBind bind;
  if (head[0] == kBindText) {
    bind.type = PackedBind::Type::kText;
    bind.text = {payload, head[1]};
  } else if (head[0] == kBindInt64) {
    bind.type = PackedBind::Type::kInteger;
    std::memcpy(&bind.integer, payload, sizeof bind.integer);
  } else if (head[0] == kBindNumber) {
    double value = 0;
    std::memcpy(&value, payload, sizeof value);
    if (!BindsAsInteger(value)) return bind;
    bind.type = PackedBind::Type::kInteger;
    bind.integer = static_cast<int64_t>(value);
  }
  return bind;
}

Result<void> BindPacked(sqlite3_stmt* statement, BytesView binds) {
  if (binds.size() < 8) return Malformed("shorter than their header");
  uint32_t head[2];
  std::memcpy(head, binds.data(), sizeof head);
  const uint32_t count = head[0];
  if (head[1] != 0) return Malformed("the second word must be 0");
  if (const auto wanted = static_cast<uint32_t>(sqlite3_bind_parameter_count(statement));
      count != wanted) {
    return Error{ErrorCode::kInvalidBind,
                 "the statement has " + std::to_string(wanted) + " parameters, " +
                     std::to_string(count) +
                     " values were given, in: " + ShortenSql(sqlite3_sql(statement))};
  }
  size_t position = 8;
  for (uint32_t i = 0; i < count; i++) {
    if (binds.size() - position < 8) return Malformed("cut short");
    std::memcpy(head, binds.data() + position, sizeof head);
    const uint32_t tag = head[0];
    const uint32_t length = head[1];
    const bool has_bytes = tag == kBindText || tag == kBindBlob;
    // Every bind has at least eight bytes of payload but an empty text or blob, which has none.
    const size_t padded = has_bytes ? PaddedTo8(length) : 8;
    position += 8;
    if (binds.size() - position < padded) return Malformed("cut short");
    const uint8_t* const payload = binds.data() + position;
    position += padded;

    const int index = static_cast<int>(i) + 1;
    int result = SQLITE_OK;
    switch (tag) {
      case kBindNull:
        result = sqlite3_bind_null(statement, index);
        break;
      case kBindNumber: {
        double value = 0;
        std::memcpy(&value, payload, sizeof value);
        result = BindNumber(statement, index, value);
        break;
      }
      case kBindInt64: {
        int64_t value = 0;
        std::memcpy(&value, payload, sizeof value);
        result = sqlite3_bind_int64(statement, index, value);
        break;
      }
      case kBindText:
        result = sqlite3_bind_text64(statement, index, reinterpret_cast<const char*>(payload),
                                     length, SQLITE_STATIC, SQLITE_UTF8);
        break;
      case kBindBlob:
        result = sqlite3_bind_blob64(statement, index, payload, length, SQLITE_STATIC);
        break;
      default:
        return Malformed("unknown tag");
    }
    if (result != SQLITE_OK) {
      return Error{ErrorCode::kInvalidBind, "SQLite refused value " + std::to_string(index) + ": " +
                                                sqlite3_errstr(result) +
                                                ", in: " + ShortenSql(sqlite3_sql(statement))};
    }
  }
  if (position != binds.size()) return Malformed("bytes after the last one");
  return Ok();
}

RowPacker::Buffer::~Buffer() { std::free(data_); }

void RowPacker::Buffer::Grow(size_t size) {
  capacity_ = std::max({size_ + size, capacity_ * 2, size_t{1024}});
  void* const moved = std::realloc(data_, capacity_);
  LS_CHECK(moved != nullptr);
  data_ = static_cast<uint8_t*>(moved);
}

void RowPacker::Buffer::Append(const Buffer& other) {
  if (other.size_ > 0) std::memcpy(Extend(other.size_), other.data_, other.size_);
}

void RowPacker::Buffer::Clear() {
  if (capacity_ > kKeptBufferBytes && size_ < capacity_ / 8) {
    std::free(std::exchange(data_, nullptr));
    capacity_ = 0;
  }
  size_ = 0;
}

size_t RowPacker::AppendText(const uint8_t* text, size_t size) {
  if (size == 0) return 0;
  if (IsAscii(text, size)) {
    std::memcpy(text_.Extend(size), text, size);
    return size;
  }
  text_is_ascii_ = false;
  size_t units = 0;
  size_t i = 0;
  size_t valid_from = 0;  // What is valid is copied in runs.
  const auto copy_valid = [&] {
    if (i > valid_from)
      std::memcpy(text_.Extend(i - valid_from), text + valid_from, i - valid_from);
  };
  while (i < size) {
    const Sequence sequence = NextSequence(text + i, size - i);
    if (!sequence.valid) {
      copy_valid();
      std::memcpy(text_.Extend(sizeof kReplacement), kReplacement, sizeof kReplacement);
      valid_from = i + sequence.bytes;
    }
    units += sequence.valid && sequence.bytes == 4 ? 2 : 1;
    i += sequence.bytes;
  }
  copy_valid();
  return units;
}

Result<BytesView> RowPacker::PackAll(sqlite3_stmt* statement) {
  for (Buffer* buffer : {&output_, &tags_, &text_, &blobs_}) buffer->Clear();
  text_is_ascii_ = true;
  constexpr size_t kHeaderBytes = 16;
  output_.Extend(kHeaderBytes);

  const int columns = sqlite3_column_count(statement);
  const auto column_count = static_cast<size_t>(columns);
  uint32_t rows = 0;
  for (;;) {
    const int result = sqlite3_step(statement);
    if (result == SQLITE_DONE) break;
    if (result != SQLITE_ROW) {
      return SqliteError(sqlite3_db_handle(statement), result, sqlite3_sql(statement));
    }
    rows++;
    auto* const cells = output_.Extend(column_count * sizeof(double));
    auto* const tags = tags_.Extend(column_count);
    for (int i = 0; i < columns; i++) {
      sqlite3_value* const value = sqlite3_column_value(statement, i);
      double cell = 0;
      CellTag tag = kCellNull;
      switch (sqlite3_value_type(value)) {
        case SQLITE_INTEGER: {
          const int64_t integer = sqlite3_value_int64(value);
          if (integer >= -kExactIntegerMax && integer <= kExactIntegerMax) {
            tag = kCellNumber;
            cell = static_cast<double>(integer);
          } else {
            tag = kCellInt64;
            cell = std::bit_cast<double>(integer);
          }
          break;
        }
        case SQLITE_FLOAT:
          tag = kCellNumber;
          cell = sqlite3_value_double(value);
          break;
        case SQLITE_TEXT: {
          tag = kCellText;
          const uint8_t* const text = sqlite3_value_text(value);
          const auto size = static_cast<size_t>(sqlite3_value_bytes(value));
          cell = static_cast<double>(AppendText(text, size));
          break;
        }
        case SQLITE_BLOB: {
          tag = kCellBlob;
          const void* const blob = sqlite3_value_blob(value);
          const auto size = static_cast<size_t>(sqlite3_value_bytes(value));
          if (size > 0) std::memcpy(blobs_.Extend(size), blob, size);
          cell = static_cast<double>(size);
          break;
        }
        default:
          break;
      }
      std::memcpy(cells + static_cast<size_t>(i) * sizeof cell, &cell, sizeof cell);
      tags[i] = tag;
    }
    if (output_.size() + tags_.size() + text_.size() + blobs_.size() > limits::kResultBytesMax) {
      return Error{ErrorCode::kLimitExceeded,
                   "the result of a query exceeds " + std::to_string(limits::kResultBytesMax) +
                       " bytes, in: " + ShortenSql(sqlite3_sql(statement))};
    }
  }
  const uint32_t header[] = {rows, static_cast<uint32_t>(columns),
                             static_cast<uint32_t>(text_.size()), text_is_ascii_ ? kFlagAscii : 0};
  static_assert(sizeof header == kHeaderBytes);
  std::memcpy(output_.data(), header, sizeof header);
  output_.Append(tags_);
  output_.Append(text_);
  output_.Append(blobs_);
  return BytesView(output_.data(), output_.size());
}

BindsWriter::BindsWriter() { Clear(); }

void BindsWriter::Clear() {
  writer_.Clear();
  count_ = 0;
  writer_.U32(0);
  writer_.U32(0);
}

void BindsWriter::Head(uint32_t tag, uint32_t length) {
  writer_.PatchU32(0, ++count_);
  writer_.U32(tag);
  writer_.U32(length);
}

BindsWriter& BindsWriter::Null() {
  Head(kBindNull, 0);
  writer_.U64(0);
  return *this;
}

BindsWriter& BindsWriter::Number(double value) {
  Head(kBindNumber, sizeof value);
  writer_.F64(value);
  return *this;
}

BindsWriter& BindsWriter::Int64(int64_t value) {
  Head(kBindInt64, sizeof value);
  writer_.I64(value);
  return *this;
}

BindsWriter& BindsWriter::Text(std::string_view value) {
  Head(kBindText, static_cast<uint32_t>(value.size()));
  writer_.Raw(AsBytes(value));
  writer_.Align(8);
  return *this;
}

BindsWriter& BindsWriter::Blob(BytesView value) {
  Head(kBindBlob, static_cast<uint32_t>(value.size()));
  writer_.Raw(value);
  writer_.Align(8);
  return *this;
}

}  // namespace livestore

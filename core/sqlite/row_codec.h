// How values cross between SQLite and whoever asks: packed, many per call. The same bytes go
// through the wasm boundary without being touched; js/src/wasm/codec.ts mirrors this file.
//
//     binds := count:u32 0:u32 bind*count                       8-aligned throughout
//     bind  := tag:u32 length:u32 payload                       payload padded to 8
//              0 null (8 zero bytes), 1 f64, 2 text (UTF-8), 3 i64, 4 blob
//
// An f64 that is integral and within +-2^53 (and not -0) binds as INTEGER, any other as REAL: what
// STRICT tables need, since JavaScript has one number type. NaN binds as NULL, as SQLite does.
//
//     rows  := rows:u32 columns:u32 text_bytes:u32 flags:u32    flags bit 0: the text is ASCII
//              cells:f64[rows*columns] tags:u8[rows*columns] text:u8[text_bytes] blobs:u8[]
//              row-major; a cell by its tag:
//              0 null, 1 the number, 2 length in UTF-16 units, 3 the eight bytes of an i64 beyond
//              +-2^53, 4 length of the blob in bytes
//
// An 8-byte alignment of the whole is kept by who allocates it; cells are then aligned.
//
// Texts and blobs lie end to end in cell order. One decode of the whole text and substrings by
// UTF-16 length rebuild every string: three times as fast as a decode per string. Bytes that are
// not UTF-8 become U+FFFD here, by the rules of the Encoding Standard, so lengths and decoder
// agree.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"

struct sqlite3_stmt;

namespace livestore {

// Binds all of `binds` to `statement`, which must have exactly that many parameters and be reset.
// The bytes must stay alive until the statement is reset or bound anew. Fails with kInvalidBind
// (count, or a value that SQLite cannot hold) or kMalformedBytes.
Result<void> BindPacked(sqlite3_stmt* statement, BytesView binds);

// One of `binds`, as a statement gets it.
struct PackedBind {
  enum class Type { kInteger, kText, kOther } type = Type::kOther;
  int64_t integer = 0;
  BytesView text{};
};
// The bind of this number, from 1. REQUIRES: BindPacked has taken `binds`, which have so many.
PackedBind BindAt(BytesView binds, uint32_t number);

// Collects the rows of a statement. It keeps its buffers, so that a query costs no allocation when
// one of its size came before; after a very large result they are given back.
class RowPacker {
 public:
  RowPacker() = default;
  RowPacker(const RowPacker&) = delete;
  RowPacker& operator=(const RowPacker&) = delete;

  // Steps `statement` to its end and returns the rows packed. The view is 8-aligned and dies with
  // the next call. The caller resets the statement, also after a failure. Fails with kLimitExceeded
  // (limits::kResultBytesMax) or what SqliteError makes of the step that failed.
  Result<BytesView> PackAll(sqlite3_stmt* statement);

 private:
  // Bytes that grow without being zeroed first, which a vector cannot do.
  class Buffer {
   public:
    Buffer() = default;
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    // Appends room for `size` bytes and returns its start, which the next Extend may move.
    uint8_t* Extend(size_t size) {
      if (size > capacity_ - size_) Grow(size);
      uint8_t* const room = data_ + size_;
      size_ += size;
      return room;
    }
    void Append(const Buffer& other);
    void Clear();  // Keeps the memory unless it is much more than was used.
    [[nodiscard]] uint8_t* data() const { return data_; }
    [[nodiscard]] size_t size() const { return size_; }
    void ShrinkTo(size_t size) { size_ = size; }

   private:
    void Grow(size_t size);

    uint8_t* data_ = nullptr;
    size_t size_ = 0;
    size_t capacity_ = 0;
  };

  // Appends one text and returns its length in UTF-16 units.
  size_t AppendText(const uint8_t* text, size_t size);

  Buffer output_;  // Header and cells; the rest is appended at the end.
  Buffer tags_;
  Buffer text_;
  Buffer blobs_;
  bool text_is_ascii_ = true;
};

// Writes binds, for C++ callers and tests.
// Binds are numbered from 1 in the order of the calls.
class BindsWriter {
 public:
  BindsWriter();
  BindsWriter& Null();
  BindsWriter& Number(double value);
  BindsWriter& Int64(int64_t value);
  BindsWriter& Text(std::string_view value);
  BindsWriter& Blob(BytesView value);
  [[nodiscard]] BytesView view() const { return writer_.view(); }
  void Clear();  // Keeps the capacity.

 private:
  void Head(uint32_t tag, uint32_t length);
  ByteWriter writer_;
  uint32_t count_ = 0;
};

}  // namespace livestore

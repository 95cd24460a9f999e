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
// Texts and blobs lie end to end in cell order. One decode of the whole text and substrings by
// UTF-16 length rebuild every string: three times as fast as a decode per string. Bytes that are
// not UTF-8 become U+FFFD here, by the rules of the Encoding Standard, so lengths and decoder agree.

#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/result.h"

struct sqlite3_stmt;

namespace livestore {

// Binds all of `binds` to `statement`, which must have exactly that many parameters. The bytes must
// stay alive until the statement is reset. Fails with kInvalidBind or kMalformedBytes.
Result<void> BindPacked(sqlite3_stmt* statement, BytesView binds);

// Steps `statement` to its end and returns the rows packed. The caller resets. Fails with kSql,
// kLimitExceeded (limits::kResultBytesMax).
class RowPacker {
 public:
  // The view dies with the next call.
  Result<BytesView> PackAll(sqlite3_stmt* statement);

 private:
  Bytes output_;
  Bytes tags_;
  Bytes text_;
  Bytes blobs_;
  std::vector<double> cells_;
};

// Writers of binds, for C++ callers and tests.
class BindsWriter {
 public:
  BindsWriter();
  BindsWriter& Null();
  BindsWriter& Number(double value);
  BindsWriter& Int64(int64_t value);
  BindsWriter& Text(std::string_view value);
  BindsWriter& Blob(BytesView value);
  [[nodiscard]] BytesView view() const { return writer_.view(); }
  void Clear();

 private:
  void Head(uint32_t tag, uint32_t length);
  ByteWriter writer_;
  uint32_t count_ = 0;
};

}  // namespace livestore

// RowsReader: packed rows (row_codec.h) read in C++, cell by cell in row-major order. For the few
// parts of core that read their own tables; JavaScript has its own reader.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"

namespace livestore {

struct Cell {
  enum class Type { kNull, kInteger, kReal, kText, kBlob };
  Type type = Type::kNull;
  int64_t integer = 0;    // kInteger: numbers without a fraction, whatever SQLite stored them as.
  double real = 0;        // kReal.
  std::string_view text;  // kText: UTF-8; lives as long as the packed rows.
  BytesView blob;         // kBlob.
};

class RowsReader {
 public:
  // REQUIRES: `rows` was made by RowPacker and is alive while this reads.
  explicit RowsReader(BytesView rows);

  [[nodiscard]] size_t rows() const { return rows_; }
  [[nodiscard]] size_t columns() const { return columns_; }

  // The next cell. REQUIRES: fewer than rows() * columns() calls came before.
  Cell Next();

 private:
  BytesView cells_;
  BytesView tags_;
  std::string_view text_;  // What is left of it.
  BytesView blobs_;        // What is left of them.
  size_t rows_ = 0;
  size_t columns_ = 0;
  size_t next_ = 0;
  bool text_is_ascii_ = false;
};

}  // namespace livestore

#include "core/sqlite/rows_reader.h"

#include <cmath>
#include <cstring>

#include "core/base/check.h"

namespace livestore {
namespace {

// How many bytes of `text`, which is well-formed, make `units` UTF-16 units.
size_t Utf8Bytes(std::string_view text, size_t units) {
  size_t bytes = 0;
  while (units > 0) {
    LS_CHECK(bytes < text.size());
    const auto lead = static_cast<uint8_t>(text[bytes]);
    bytes += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    units -= lead < 0xf0 ? 1 : 2;
  }
  return bytes;
}

}  // namespace

RowsReader::RowsReader(BytesView rows) {
  ByteReader reader(rows);
  rows_ = reader.U32();
  columns_ = reader.U32();
  const uint32_t text_bytes = reader.U32();
  text_is_ascii_ = (reader.U32() & 1) != 0;
  cells_ = reader.Raw(rows_ * columns_ * sizeof(double));
  tags_ = reader.Raw(rows_ * columns_);
  text_ = AsText(reader.Raw(text_bytes));
  LS_CHECK(reader.ok());
  blobs_ = reader.Raw(reader.remaining());
}

Cell RowsReader::Next() {
  LS_CHECK(next_ < tags_.size());
  const uint8_t tag = tags_[next_];
  const BytesView raw = cells_.subspan(next_ * sizeof(double), sizeof(double));
  ++next_;
  Cell cell;
  if (tag == 0) return cell;
  if (tag == 3) {
    cell.type = Cell::Type::kInteger;
    std::memcpy(&cell.integer, raw.data(), sizeof cell.integer);
    return cell;
  }
  double number = 0;
  std::memcpy(&number, raw.data(), sizeof number);
  switch (tag) {
    case 1:
      // An integer beyond 2^53 has a tag of its own, so a larger number here is a real one.
      if (std::trunc(number) == number && std::abs(number) <= 0x1p53) {
        cell.type = Cell::Type::kInteger;
        cell.integer = static_cast<int64_t>(number);
      } else {
        cell.type = Cell::Type::kReal;
        cell.real = number;
      }
      break;
    case 2: {
      cell.type = Cell::Type::kText;
      const auto units = static_cast<size_t>(number);
      const size_t bytes = text_is_ascii_ ? units : Utf8Bytes(text_, units);
      cell.text = text_.substr(0, bytes);
      text_.remove_prefix(bytes);
      break;
    }
    default: {
      LS_CHECK(tag == 4);
      cell.type = Cell::Type::kBlob;
      const auto bytes = static_cast<size_t>(number);
      cell.blob = blobs_.first(bytes);
      blobs_ = blobs_.subspan(bytes);
    }
  }
  return cell;
}

}  // namespace livestore

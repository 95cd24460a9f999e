// Packed rows as text, for tests: one line per row, cells between bars. Reads the bytes as
// js/src/wasm/codec.ts does: one text, cut by UTF-16 lengths.

#pragma once

#include <bit>
#include <cstring>
#include <string>

#include "core/base/bytes.h"

namespace livestore {

// The bytes of the first `units` UTF-16 units of `text`, which is valid UTF-8.
inline size_t BytesOfUnits(std::string_view text, size_t units) {
  size_t bytes = 0;
  while (units > 0 && bytes < text.size()) {
    const auto lead = static_cast<uint8_t>(text[bytes]);
    bytes += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    units -= lead < 0xf0 ? 1 : 2;
  }
  return bytes;
}

// null, numbers plain, texts in quotes, integers beyond 2^53 with an n, blobs in hex after x.
inline std::string RowsToText(BytesView packed) {
  ByteReader reader(packed);
  const uint32_t rows = reader.U32();
  const uint32_t columns = reader.U32();
  const uint32_t text_bytes = reader.U32();
  const uint32_t flags = reader.U32();
  const size_t count = size_t{rows} * columns;
  ByteReader cells(reader.Raw(count * 8));
  const BytesView tags = reader.Raw(count);
  std::string_view text = AsText(reader.Raw(text_bytes));
  std::string out;
  for (size_t i = 0; i < count; i++) {
    if (i > 0) out += i % columns == 0 ? "\n" : "|";
    const double cell = cells.F64();
    switch (tags[i]) {
      case 0:
        out += "null";
        break;
      case 1: {
        char number[32];
        std::snprintf(number, sizeof number, "%.17g", cell);
        out += number;
        break;
      }
      case 2: {
        const auto units = static_cast<size_t>(cell);
        const size_t bytes = (flags & 1) != 0 ? units : BytesOfUnits(text, units);
        out += "'" + std::string(text.substr(0, bytes)) + "'";
        text.remove_prefix(bytes);
        break;
      }
      case 3:
        out += std::to_string(std::bit_cast<int64_t>(cell)) + "n";
        break;
      case 4: {
        out += "x";
        for (const uint8_t byte : reader.Raw(static_cast<size_t>(cell))) {
          constexpr char kHex[] = "0123456789abcdef";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
        }
        break;
      }
      default:
        return "unknown tag " + std::to_string(tags[i]);
    }
  }
  if (!reader.ok() || !reader.AtEnd() || !text.empty()) return "malformed rows: " + out;
  return out;
}

}  // namespace livestore

#include "core/base/bytes.h"

namespace livestore {

uint64_t ByteReader::Varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = U8();
    if (!ok_) return 0;
    const uint64_t low = byte & 0x7f;
    if (shift == 63 && low > 1) break;  // Does not fit 64 bits.
    value |= low << shift;
    if ((byte & 0x80) == 0) {
      if (byte == 0 && shift > 0) break;  // Not the shortest form.
      return value;
    }
  }
  Fail();
  return 0;
}

BytesView ByteReader::Raw(size_t size) {
  if (size > remaining()) {
    Fail();
    return {};
  }
  const BytesView raw = bytes_.subspan(position_, size);
  position_ += size;
  return raw;
}

BytesView ByteReader::Block() {
  const uint64_t size = Varint();
  if (size > remaining()) Fail();  // Compared before it is narrowed: size_t has 32 bits in wasm.
  return ok_ ? Raw(static_cast<size_t>(size)) : BytesView();
}

void ByteReader::Align(size_t alignment) {
  const size_t aligned = (position_ + alignment - 1) / alignment * alignment;
  Raw(aligned - position_);
}

void ByteWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<uint8_t>(value));
}

}  // namespace livestore

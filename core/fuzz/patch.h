// Patched: valid bytes with a few of them changed, as the fuzzer chooses. Random bytes fail at the
// first length or version they meet; these get past it, to where decoders go wrong.

#pragma once

#include <algorithm>

#include "core/base/bytes.h"

namespace livestore {

// `edits` := (offset:u16 value:u8)*, offsets modulo the size; an edit of value 0 at an offset that
// holds 0 cuts the rest off instead, so that short reads are met as well.
inline Bytes Patched(Bytes valid, BytesView edits) {
  while (edits.size() >= 3 && !valid.empty()) {
    const size_t offset = (edits[0] | (static_cast<size_t>(edits[1]) << 8)) % valid.size();
    if (edits[2] == 0 && valid[offset] == 0) {
      valid.resize(offset);
    } else {
      valid[offset] = edits[2];
    }
    edits = edits.subspan(3);
  }
  return valid;
}

}  // namespace livestore

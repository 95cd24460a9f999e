// How bytes cross: copied both ways, one copy in and one copy out. C++ never hands out a view of
// its memory, because the heap can move at any allocation.

#pragma once

#include <emscripten/val.h>

#include <optional>

#include "core/base/bytes.h"

namespace livestore::wasm {

// `array` is a Uint8Array.
inline Bytes BytesFromJs(const emscripten::val& array) {
  Bytes bytes(array["length"].as<size_t>());
  emscripten::val(emscripten::typed_memory_view(bytes.size(), bytes.data()))
      .call<void>("set", array);
  return bytes;
}

// Returns a Uint8Array with a buffer of its own, which JavaScript may transfer.
inline emscripten::val BytesToJs(BytesView bytes) {
  return emscripten::val(emscripten::typed_memory_view(bytes.size(), bytes.data()))
      .call<emscripten::val>("slice");
}

inline emscripten::val BytesOrUndefined(const std::optional<Bytes>& bytes) {
  return bytes ? BytesToJs(*bytes) : emscripten::val::undefined();
}

}  // namespace livestore::wasm

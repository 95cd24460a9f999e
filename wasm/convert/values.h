// How small values of the engine look in JavaScript. wasm/types/module.d.ts mirrors these shapes.

#pragma once

#include <emscripten/val.h>

#include <optional>
#include <vector>

#include "core/api/client_session.h"
#include "wasm/convert/js_object.h"

namespace livestore::wasm {

// {global, client, generation}. Global numbers stay below 2^53, so a double holds them.
inline emscripten::val SeqNumToJs(const SeqNum& seq) {
  emscripten::val object = MakeObject();
  PutNumber(object, "global", static_cast<double>(seq.global));
  PutNumber(object, "client", seq.client);
  PutNumber(object, "generation", seq.generation);
  return object;
}

inline emscripten::val BytesOrUndefined(const std::optional<Bytes>& bytes) {
  return bytes ? BytesToJs(*bytes) : emscripten::val::undefined();
}

}  // namespace livestore::wasm

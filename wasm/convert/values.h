// How small values of the engine look in JavaScript. wasm/types/module.d.ts mirrors these shapes.

#pragma once

#include <emscripten/val.h>

#include <vector>

#include "core/api/client_session.h"

namespace livestore::wasm {

// {global, client, generation}. Global numbers stay below 2^53, so a double holds them.
inline emscripten::val SeqNumToJs(const SeqNum& seq) {
  emscripten::val object = emscripten::val::object();
  object.set("global", static_cast<double>(seq.global));
  object.set("client", seq.client);
  object.set("generation", seq.generation);
  return object;
}

// An array of live query ids.
inline emscripten::val IdsToJs(const std::vector<LiveQueryId>& ids) {
  emscripten::val array = emscripten::val::array();
  for (size_t i = 0; i < ids.size(); ++i) array.set(i, ids[i]);
  return array;
}

}  // namespace livestore::wasm

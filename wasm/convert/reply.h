// What a fallible call returns to JavaScript: {value} or {code, message}, as a plain object.
//
// C++ never throws across the boundary: a JavaScript exception would skip the destructors of the
// C++ frames it passes. The TypeScript side turns an error reply into a thrown error.

#pragma once

#include <emscripten/val.h>

#include <utility>

#include "core/base/result.h"
#include "wasm/convert/js_object.h"

namespace livestore::wasm {

inline emscripten::val ErrorReply(const Error& error) {
  emscripten::val reply = MakeObject();
  PutNumber(reply, "code", static_cast<uint32_t>(error.code));
  PutText(reply, "message", error.message);
  return reply;
}

// `to_js` takes a T.
template <typename T, typename ToJs>
emscripten::val ToReply(const Result<T>& result, ToJs to_js) {
  if (!result.ok()) return ErrorReply(result.error());
  emscripten::val reply = MakeObject();
  Put(reply, "value", to_js(*result));
  return reply;
}

inline emscripten::val ToReply(const Result<void>& result) {
  return result.ok() ? MakeObject() : ErrorReply(result.error());
}

}  // namespace livestore::wasm

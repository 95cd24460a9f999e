// What a fallible call returns to JavaScript: {value} or {code, message}, as a plain object.
//
// C++ never throws across the boundary: a JavaScript exception would skip the destructors of the
// C++ frames it passes. The TypeScript side turns an error reply into a thrown error.

#pragma once

#include <emscripten/val.h>

#include <utility>

#include "core/base/result.h"

namespace livestore::wasm {

inline emscripten::val ErrorReply(const Error& error) {
  emscripten::val reply = emscripten::val::object();
  reply.set("code", static_cast<uint32_t>(error.code));
  reply.set("message", error.message);
  return reply;
}

template <typename T, typename ToJs>
emscripten::val ToReply(Result<T> result, ToJs to_js) {
  if (!result.ok()) return ErrorReply(result.error());
  emscripten::val reply = emscripten::val::object();
  reply.set("value", to_js(std::move(*result)));
  return reply;
}

inline emscripten::val ToReply(const Result<void>& result) {
  return result.ok() ? emscripten::val::object() : ErrorReply(result.error());
}

}  // namespace livestore::wasm

// JavaScript values made from C++: plain objects, arrays and copies of bytes. The functions are not
// inline and use a few imports of js-object.js: Embind's val makes more of it, at each property
// anew, in wasm and in its own JavaScript: 4 KB gzipped.
//
// C++ never hands out a view of its memory, because the heap can move at any allocation.

#pragma once

#include <emscripten/val.h>

#include <string_view>

#include "core/base/bytes.h"

namespace livestore::wasm {

emscripten::val MakeObject();
emscripten::val MakeArray();

// Each sets the property `key` of `object`; or, if `key` is null, appends to the array `object`.
void Put(const emscripten::val& object, const char* key, const emscripten::val& value);
void PutNumber(const emscripten::val& object, const char* key, double value);
void PutFlag(const emscripten::val& object, const char* key, bool value);
void PutText(const emscripten::val& object, const char* key, std::string_view value);
void PutBytes(const emscripten::val& object, const char* key, BytesView value);

// Returns a Uint8Array with a buffer of its own, which JavaScript may transfer.
emscripten::val BytesToJs(BytesView bytes);

// `array` is a Uint8Array.
Bytes BytesFromJs(const emscripten::val& array);

}  // namespace livestore::wasm

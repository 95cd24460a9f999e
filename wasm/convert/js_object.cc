#include "wasm/convert/js_object.h"

using emscripten::EM_VAL;
using emscripten::val;

extern "C" {
EM_VAL ls_js_make(bool array);
EM_VAL ls_js_bytes(const uint8_t* bytes, size_t size);
size_t ls_js_bytes_size(EM_VAL array);
void ls_js_copy_bytes(EM_VAL array, uint8_t* out);
void ls_js_put(EM_VAL object, const char* key, EM_VAL value);
void ls_js_put_number(EM_VAL object, const char* key, double value);
void ls_js_put_flag(EM_VAL object, const char* key, bool value);
void ls_js_put_text(EM_VAL object, const char* key, const char* text, size_t size);
}

namespace livestore::wasm {

val MakeObject() { return val::take_ownership(ls_js_make(false)); }
val MakeArray() { return val::take_ownership(ls_js_make(true)); }

void Put(const val& object, const char* key, const val& value) {
  ls_js_put(object.as_handle(), key, value.as_handle());
}

void PutNumber(const val& object, const char* key, double value) {
  ls_js_put_number(object.as_handle(), key, value);
}

void PutFlag(const val& object, const char* key, bool value) {
  ls_js_put_flag(object.as_handle(), key, value);
}

void PutText(const val& object, const char* key, std::string_view value) {
  ls_js_put_text(object.as_handle(), key, value.data(), value.size());
}

void PutBytes(const val& object, const char* key, BytesView value) {
  Put(object, key, BytesToJs(value));
}

val BytesToJs(BytesView bytes) {
  return val::take_ownership(ls_js_bytes(bytes.data(), bytes.size()));
}

Bytes BytesFromJs(const val& array) {
  Bytes bytes(ls_js_bytes_size(array.as_handle()));
  ls_js_copy_bytes(array.as_handle(), bytes.data());
  return bytes;
}

}  // namespace livestore::wasm

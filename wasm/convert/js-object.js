/**
 * What wasm/convert/js_object.cc imports.
 */

addToLibrary({
  // An object's property, or an array's next element if there is no key.
  $livestorePut__deps: ['$Emval', '$UTF8ToString'],
  $livestorePut(object, key, value) {
    object = Emval.toValue(object)
    if (key) object[UTF8ToString(key)] = value
    else object.push(value)
  },

  ls_js_make__deps: ['$Emval'],
  ls_js_make: (array) => Emval.toHandle(array ? [] : {}),

  ls_js_bytes__deps: ['$Emval'],
  ls_js_bytes: (bytes, size) => Emval.toHandle(HEAPU8.slice(bytes, bytes + size)),

  ls_js_bytes_size__deps: ['$Emval'],
  ls_js_bytes_size: (array) => Emval.toValue(array).length,

  ls_js_copy_bytes__deps: ['$Emval'],
  ls_js_copy_bytes(array, out) {
    HEAPU8.set(Emval.toValue(array), out)
  },

  ls_js_put__deps: ['$livestorePut', '$Emval'],
  ls_js_put: (object, key, value) => livestorePut(object, key, Emval.toValue(value)),

  ls_js_put_number__deps: ['$livestorePut'],
  ls_js_put_number: (object, key, value) => livestorePut(object, key, value),

  ls_js_put_flag__deps: ['$livestorePut'],
  ls_js_put_flag: (object, key, value) => livestorePut(object, key, !!value),

  // UTF8ToString would end at a NUL, and a decoder that is not told so drops a leading U+FEFF.
  ls_js_put_text__deps: ['$livestorePut'],
  ls_js_put_text: (object, key, text, size) =>
    livestorePut(
      object,
      key,
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(HEAPU8.subarray(text, text + size)),
    ),
})

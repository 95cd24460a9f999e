/**
 * Parts of Embind's JavaScript, replaced by less. It is written for any C++, and comes twice, with
 * the page and with the worker: 4 KB gzipped each for what no class and no signature of ours has.
 * wasm/test/bindings.test.ts says whether what is left is enough.
 */

addToLibrary({
  // Embind registers every type that it knows, with what each needs. These we never use.
  _embind_register_std_wstring: () => {},
  _embind_register_memory_view: () => {},
  _embind_register_bigint: () => {},

  // A size_t and the bytes. TextDecoder keeps a NUL, and U+FEFF if it is told to.
  _embind_register_std_string__deps: [
    '$readLatin1String',
    '$registerType',
    '$readPointer',
    '$throwBindingError',
    '$GenericWireTypeSize',
    'malloc',
    'free',
  ],
  _embind_register_std_string(rawType, name) {
    registerType(rawType, {
      name: readLatin1String(name),
      fromWireType(value) {
        const size = HEAPU32[value >> 2]
        const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          HEAPU8.subarray(value + 4, value + 4 + size),
        )
        _free(value)
        return text
      },
      toWireType(destructors, value) {
        if (typeof value !== 'string') throwBindingError('Cannot pass non-string to std::string')
        const bytes = new TextEncoder().encode(value)
        const base = _malloc(4 + bytes.length)
        HEAPU32[base >> 2] = bytes.length
        HEAPU8.set(bytes, base + 4)
        destructors?.push(_free, base)
        return base
      },
      argPackAdvance: GenericWireTypeSize,
      readValueFromPointer: readPointer,
      destructorFunction: (pointer) => _free(pointer),
    })
  },

  // There is no inheritance, and no smart pointer crosses.
  $upcastPointer: (pointer) => pointer,
  $genericPointerToWireType: () => {
    throw new TypeError('smart pointers do not cross')
  },
  $RegisteredPointer_fromWireType__deps: ['$makeClassHandle'],
  $RegisteredPointer_fromWireType(ptr) {
    return makeClassHandle(this.registeredClass.instancePrototype, { ptrType: this, ptr })
  },

  // Whoever owns a handle deletes it: js/src/wasm does.
  $attachFinalizer: (handle) => handle,
  $init_ClassHandle__deps: ['$ClassHandle', '$releaseClassHandle', '$throwInstanceAlreadyDeleted'],
  $init_ClassHandle() {
    ClassHandle.prototype['delete'] = function () {
      if (!this.$$.ptr) throwInstanceAlreadyDeleted(this)
      releaseClassHandle(this.$$)
      this.$$.ptr = undefined
    }
  },
})

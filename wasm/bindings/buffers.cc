#include "wasm/bindings/buffers.h"

#include <emscripten/em_macros.h>

#include <cstdlib>
#include <string_view>
#include <utility>

namespace livestore::wasm {
namespace {

// Grows, never shrinks. malloc keeps it 8-aligned, as the packed formats want.
struct Buffer {
  uint8_t* data = nullptr;
  uint32_t capacity = 0;

  uint8_t* Reserve(uint32_t bytes) {
    if (bytes > capacity) {
      const uint32_t grown = bytes < 65536 ? 65536 : bytes + bytes / 2;
      std::free(data);
      data = static_cast<uint8_t*>(std::malloc(grown));
      if (data == nullptr) std::abort();  // Out of memory: as operator new does without exceptions.
      capacity = grown;
    }
    return data;
  }
};

struct Buffers {
  Buffer input;
  Buffer batch;
  BytesView output;
  Bytes owned_output;
};

Buffers& TheBuffers() {
  static Buffers buffers;
  return buffers;
}

}  // namespace

BytesView InputBytes(uint32_t size) {
  const Buffer& input = TheBuffers().input;
  return {input.data, size <= input.capacity ? size : 0};
}

BytesView BatchBytes(uint32_t size) {
  const Buffer& batch = TheBuffers().batch;
  return {batch.data, size <= batch.capacity ? size : 0};
}

void SetOutput(BytesView view) { TheBuffers().output = view; }

void SetOutput(Bytes bytes) {
  TheBuffers().owned_output = std::move(bytes);
  TheBuffers().output = TheBuffers().owned_output;
}

int SetErrorOutput(const Error& error) {
  ByteWriter writer;
  writer.U32(static_cast<uint32_t>(error.code));
  WriteText(writer, error.message);
  SetOutput(writer.Take());
  return -1;
}

void WriteText(ByteWriter& writer, std::string_view text) {
  writer.U32(static_cast<uint32_t>(text.size()));
  writer.Raw(AsBytes(text));
  writer.Align(4);
}

}  // namespace livestore::wasm

using namespace livestore::wasm;  // NOLINT: the exports below are C functions at global scope.

extern "C" {

// A pointer to at least `bytes` bytes for arguments; valid until the next ls_input.
EMSCRIPTEN_KEEPALIVE uint8_t* ls_input(uint32_t bytes) { return TheBuffers().input.Reserve(bytes); }

// The same for what a materializer writes.
EMSCRIPTEN_KEEPALIVE uint8_t* ls_batch(uint32_t bytes) { return TheBuffers().batch.Reserve(bytes); }

EMSCRIPTEN_KEEPALIVE const uint8_t* ls_output() { return TheBuffers().output.data(); }
EMSCRIPTEN_KEEPALIVE uint32_t ls_output_size() {
  return static_cast<uint32_t>(TheBuffers().output.size());
}

}  // extern "C"

#include "wasm/adapters/js_materializer.h"

#include <emscripten/em_js.h>

#include <span>
#include <string>

#include "core/event/event_codec.h"
#include "wasm/bindings/buffers.h"

namespace livestore::wasm {
namespace {

// clang-format off
// Returns the bytes written into the batch buffer, or -(bytes of an error) - 1.
EM_JS(int, ls_host_materialize,
      (int slot, int local_index, double global, uint32_t client, uint32_t generation,
       const uint8_t* event, uint32_t event_bytes), {
  const host = Module["livestoreHost"];
  return host["materialize"](slot, local_index, global, client, generation, event, event_bytes);
})
// clang-format on

Error ReadError(BytesView bytes) {
  ByteReader reader(bytes);
  const uint32_t code = reader.U32();
  const std::string_view message = AsText(reader.Raw(reader.U32()));
  if (!reader.ok()) return {ErrorCode::kInternal, "a materializer failed without saying how"};
  return {static_cast<ErrorCode>(code), std::string(message)};
}

}  // namespace

Result<BytesView> JsMaterializer::Materialize(const Event& event, int local_index) {
  // An event of the commit in progress is still at hand in JavaScript, decoded, and lacks only its
  // number; the others cross.
  Bytes encoded;
  if (local_index < 0) encoded = EncodeEvents(std::span(&event, 1));
  const int written = ls_host_materialize(slot_, local_index, static_cast<double>(event.seq.global),
                                          event.seq.client, event.seq.generation, encoded.data(),
                                          static_cast<uint32_t>(encoded.size()));
  if (written < 0) return ReadError(BatchBytes(static_cast<uint32_t>(-1 - written)));
  return BatchBytes(static_cast<uint32_t>(written));
}

}  // namespace livestore::wasm

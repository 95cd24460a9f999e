#include "wasm/vfs/host_environment.h"

#include <emscripten/em_js.h>

// clang-format off
EM_JS(double, ls_host_now_ms, (), { return Date.now(); })
EM_JS(void, ls_host_random_bytes, (uint8_t* out, uint32_t size), {
  crypto.getRandomValues(HEAPU8.subarray(out, out + size));
})
// clang-format on

namespace livestore::wasm {

VfsEnvironment HostEnvironment() {
  return {
      .now_ms = [](void*) { return static_cast<int64_t>(ls_host_now_ms()); },
      .random_bytes = [](void*, uint8_t* out,
                         size_t size) { ls_host_random_bytes(out, static_cast<uint32_t>(size)); },
      .context = nullptr};
}

}  // namespace livestore::wasm

#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace livestore::internal {

void CheckFailed(const char* expression, const char* file, int line) {
  // stderr is the only thing that works in a broken process; in wasm it is console.error.
  std::fprintf(stderr, "livestore: check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace livestore::internal

#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace livestore::internal {

void CheckFailed(const char* expression, const char* file, int line) {
  // stderr is the only thing that works in a broken process; in wasm it is console.error.
  // Put together by hand: the formatter of printf would be 6 KB of wasm for this one line.
  std::string text = std::string("livestore: check failed: ") + expression + " (" + file + ":";
  text += std::to_string(line) + ")\n";
  std::fputs(text.c_str(), stderr);
  std::abort();
}

}  // namespace livestore::internal

// LS_CHECK: an invariant of our own. Kept in release; a broken one ends the process (in wasm: the
// instance), because going on would write wrong data. The next leader then boots from storage.

#pragma once

namespace livestore::internal {
[[noreturn]] void CheckFailed(const char* expression, const char* file, int line);
}  // namespace livestore::internal

#define LS_CHECK(condition)                                                    \
  do {                                                                         \
    if (!(condition)) [[unlikely]]                                             \
      ::livestore::internal::CheckFailed(#condition, __FILE_NAME__, __LINE__); \
  } while (false)

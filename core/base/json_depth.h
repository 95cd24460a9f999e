// How deeply JSON text nests. Our JSON library parses without recursion but compares with it, so
// text from outside is measured before it is parsed; see limits::kJsonDepthMax.

#pragma once

#include <cstddef>
#include <string_view>

namespace livestore {

// The greatest number of arrays and objects open at once in `text`, brackets inside of strings left
// out. Text that is not JSON gives a number too; what matters is that valid JSON is never deeper.
size_t JsonDepth(std::string_view text);

}  // namespace livestore

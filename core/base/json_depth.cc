#include "core/base/json_depth.h"

#include <algorithm>

namespace livestore {

size_t JsonDepth(std::string_view text) {
  size_t depth = 0;
  size_t depth_max = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (c == '\\') ++i;  // What is escaped cannot end the string.
    } else if (c == '[' || c == '{') {
      depth_max = std::max(depth_max, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return depth_max;
}

}  // namespace livestore

#include "core/base/error.h"

namespace livestore {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
#define LS_ERROR(name, number, doc) \
  case ErrorCode::k##name:          \
    return #name;
#include "core/base/error_codes.def"
#undef LS_ERROR
  }
  return "Unknown";
}

}  // namespace livestore

#include "core/base/error.h"

#include <utility>

namespace livestore {

Error::Error() = default;
Error::Error(ErrorCode error_code, std::string text) : code(error_code), message(std::move(text)) {}
Error::Error(const Error& other) = default;
Error::Error(Error&& other) noexcept = default;
Error& Error::operator=(const Error& other) = default;
Error& Error::operator=(Error&& other) noexcept = default;
Error::~Error() = default;

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

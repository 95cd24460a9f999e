// Error: what went wrong, as a code for programs and a message for people.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace livestore {

enum class ErrorCode : uint32_t {
#define LS_ERROR(name, number, doc) k##name = number,
#include "core/base/error_codes.def"
#undef LS_ERROR
};

// Returns the name of `code` as JavaScript sees it ("StorageFull"), or "Unknown".
std::string_view ErrorCodeName(ErrorCode code);

// True for failures of the storage itself: full, unreadable, damaged. Not the fault of a call.
constexpr bool IsStorageError(ErrorCode code) {
  const auto number = static_cast<uint32_t>(code);
  return number >= 200 && number < 300;
}

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // One or two sentences; names what was wrong and where. No row data.

  bool operator==(const Error&) const = default;
};

}  // namespace livestore

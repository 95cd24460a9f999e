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

// A class of its own only so that its special members are not inline: errors are passed on in
// hundreds of places, and inlined they were a quarter of the engine's wasm.
struct Error {
  Error();  // An internal error without words.
  Error(ErrorCode error_code, std::string text);
  Error(const Error& other);
  Error(Error&& other) noexcept;
  Error& operator=(const Error& other);
  Error& operator=(Error&& other) noexcept;
  ~Error();

  bool operator==(const Error&) const = default;

  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // One or two sentences; names what was wrong and where. No row data.
};

}  // namespace livestore

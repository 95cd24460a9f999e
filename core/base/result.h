// Result<T>: a value or an Error. How every operating failure travels in core.
//
// Routine outcomes (a rejected push, nothing new) are part of the value type instead, and bugs are
// LS_CHECK. Nothing in core throws.
//
//     Result<int> Parse(std::string_view text) {
//       if (text.empty()) return Error{ErrorCode::kInvalidArgument, "text is empty"};
//       const Number number = LS_TRY(Scan(text));  // Passes the error on, or yields the value.
//       return number.value;
//     }

#pragma once

#include <expected>
#include <utility>

#include "core/base/error.h"

namespace livestore {

template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;

  // Implicit, so that a function can `return Error{...};`.
  Result(const Error& error) : std::expected<T, Error>(std::unexpect, error) {}
  Result(Error&& error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}

  [[nodiscard]] bool ok() const { return this->has_value(); }
};

// Success without a value reads better as a name than as `{}`.
inline Result<void> Ok() { return Result<void>(); }

namespace internal {
template <typename T>
T TakeValue(Result<T>&& result) {
  return std::move(*result);
}
inline void TakeValue(Result<void>&&) {}
}  // namespace internal

}  // namespace livestore

// Evaluates to the value of `expression`, or returns its error from the enclosing function. The
// name differs from use to use, so that one may stand inside another.
#define LS_TRY(expression) LS_TRY_NAMED(LS_TRY_JOIN(ls_try_result_, __COUNTER__), expression)
#define LS_TRY_JOIN(a, b) LS_TRY_JOIN_EXPANDED(a, b)
#define LS_TRY_JOIN_EXPANDED(a, b) a##b
#define LS_TRY_NAMED(name, expression)                 \
  ({                                                   \
    auto name = (expression);                          \
    if (!name.ok()) return std::move(name).error();    \
    ::livestore::internal::TakeValue(std::move(name)); \
  })

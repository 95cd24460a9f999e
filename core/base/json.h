// JSON values as the engine needs them: parsed, compared, looked into. Text is read by the SAX
// parser of nlohmann/json; its own value type is left out, because that is 9 KB of gzipped wasm.
//
// Knows nothing of what the text means. Text from outside is bounded: what nests deeper than
// limits::kJsonDepthMax is refused, since comparing and destroying a value recurses, and a wasm
// stack is small.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace livestore {

struct Json {
  enum class Type { kNull, kBoolean, kInteger, kUnsigned, kReal, kText, kArray, kObject };

  Type type = Type::kNull;
  bool boolean = false;
  int64_t integer = 0;         // kInteger: below zero.
  uint64_t natural = 0;        // kUnsigned: an integer from zero on.
  double real = 0;             // kReal: with fraction or exponent, or beyond 64 bits.
  std::string text;            // kText: UTF-8, may hold NUL. kReal: how the number was written.
  std::vector<Json> elements;  // kArray.
  std::map<std::string, Json, std::less<>> members;  // kObject; of a repeated key, the last one.

  // The member of this name, or nullptr; also for what is no object. Lives as long as this value.
  [[nodiscard]] const Json* Find(std::string_view key) const;
  // Any number as a double; 0 for what is none.
  [[nodiscard]] double number() const;
  [[nodiscard]] bool is_number() const;

  // Equal as values: order of keys and spelling of numbers do not count (1 equals 1.0).
  bool operator==(const Json& other) const;
};

enum class JsonOutcome { kParsed, kNotJson, kTooDeep };

// Reads `text` into `value`, which is unspecified unless the outcome is kParsed.
JsonOutcome ParseJson(std::string_view text, Json& value);

}  // namespace livestore

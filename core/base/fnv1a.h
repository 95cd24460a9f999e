// FNV-1a, 64 bits: identities of schemas and events. Not for anything an adversary may choose.

#pragma once

#include <cstdint>
#include <string_view>

namespace livestore {

class Fnv1a {
 public:
  // Ends each part with a byte that UTF-8 does not have, so that parts cannot run into each other.
  void Part(std::string_view text) {
    for (const char c : text) Byte(static_cast<uint8_t>(c));
    Byte(0xff);
  }
  void Number(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) Byte(static_cast<uint8_t>(number >> shift));
  }
  [[nodiscard]] uint64_t hash() const { return hash_; }

 private:
  void Byte(uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3; }
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace livestore

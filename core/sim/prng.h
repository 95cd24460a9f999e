// Prng: the one source of chance of a simulation. Everything that happens in it is a function of
// the seed (law 10).
//
// xoshiro256** by David Blackman and Sebastiano Vigna, seeded by Vigna's splitmix64, both dedicated
// to the public domain: https://prng.di.unimi.it. Our own, because the distributions of the
// standard library differ from one library to the next, and a seed must mean the same everywhere.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/check.h"

namespace livestore::sim {

// The state moves on and yields a well mixed number.
inline uint64_t SplitMix(uint64_t& state) {
  state += 0x9e3779b97f4a7c15u;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 31);
}

class Prng {
 public:
  explicit Prng(uint64_t seed) {
    for (uint64_t& word : words_) word = SplitMix(seed);
  }

  uint64_t Next() {
    const uint64_t result = Rotate(words_[1] * 5, 7) * 9;
    const uint64_t shifted = words_[1] << 17;
    words_[2] ^= words_[0];
    words_[3] ^= words_[1];
    words_[1] ^= words_[2];
    words_[0] ^= words_[3];
    words_[2] ^= shifted;
    words_[3] = Rotate(words_[3], 45);
    return result;
  }

  // 0 to count - 1. REQUIRES: count > 0. The bias of the remainder is of no concern here.
  size_t Below(size_t count) {
    LS_CHECK(count > 0);
    return static_cast<size_t>(Next() % count);
  }
  // From `low` to `high`, both included.
  size_t Between(size_t low, size_t high) { return low + Below(high - low + 1); }
  // True once in `times`.
  bool OneIn(size_t times) { return Below(times) == 0; }
  bool Percent(size_t percent) { return Below(100) < percent; }

 private:
  static uint64_t Rotate(uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }

  std::array<uint64_t, 4> words_;
};

}  // namespace livestore::sim

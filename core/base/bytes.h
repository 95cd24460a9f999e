// Bytes, and how they are read and written: little endian, lengths first, nothing trusted.
//
// ByteReader never reads past its end: a short read fails the whole reader, and the caller asks
// once, at the end, with ok(). ByteWriter appends to a buffer it owns.

#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace livestore {

using Bytes = std::vector<uint8_t>;
using BytesView = std::span<const uint8_t>;

static_assert(std::endian::native == std::endian::little, "stored formats are little endian");

inline BytesView AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(BytesView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
 public:
  explicit ByteReader(BytesView bytes) : bytes_(bytes) {}

  // False once any read went past the end; every value read since is zero or empty.
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool AtEnd() const { return position_ == bytes_.size(); }
  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - position_; }

  uint8_t U8() { return Fixed<uint8_t>(); }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }
  int64_t I64() { return Fixed<int64_t>(); }
  double F64() { return Fixed<double>(); }
  // Unsigned LEB128, at most ten bytes; the shortest form is required, so that equal values have
  // equal bytes.
  uint64_t Varint();
  // The next `size` bytes, as a view into the input.
  BytesView Raw(size_t size);
  // A varint length and that many bytes.
  BytesView Block();
  std::string_view Text() { return AsText(Block()); }
  // Skips to the next multiple of `alignment` from the start.
  void Align(size_t alignment);

 private:
  template <typename T>
  T Fixed() {
    T value{};
    const BytesView raw = Raw(sizeof(T));
    if (ok_) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  void Fail() {
    ok_ = false;
    position_ = bytes_.size();
  }

  BytesView bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

class ByteWriter {
 public:
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] BytesView view() const { return bytes_; }
  // Moves the buffer out; the writer is empty afterwards.
  [[nodiscard]] Bytes Take() { return std::exchange(bytes_, {}); }
  void Clear() { bytes_.clear(); }  // Keeps the capacity.
  // Takes back everything after the first `size` bytes. REQUIRES: size <= size().
  void Truncate(size_t size) { bytes_.resize(size); }

  void U8(uint8_t value) { bytes_.push_back(value); }
  void U32(uint32_t value) { Fixed(value); }
  void U64(uint64_t value) { Fixed(value); }
  void I64(int64_t value) { Fixed(value); }
  void F64(double value) { Fixed(value); }
  void Varint(uint64_t value);
  void Raw(BytesView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void Block(BytesView bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }
  void Text(std::string_view text) { Block(AsBytes(text)); }
  void Align(size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  }
  // Overwrites a U32 written before, for counts known only at the end. REQUIRES: position + 4 <=
  // size().
  void PatchU32(size_t position, uint32_t value) {
    std::memcpy(bytes_.data() + position, &value, sizeof value);
  }

 private:
  template <typename T>
  void Fixed(T value) {
    const size_t old_size = bytes_.size();
    bytes_.resize(old_size + sizeof(T));
    std::memcpy(bytes_.data() + old_size, &value, sizeof(T));
  }

  Bytes bytes_;
};

}  // namespace livestore

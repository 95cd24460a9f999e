#include "core/base/bytes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace livestore {
namespace {

Bytes VarintBytes(uint64_t value) {
  ByteWriter writer;
  writer.Varint(value);
  return writer.Take();
}

TEST(BytesTest, WhatIsWrittenIsReadBack) {
  ByteWriter writer;
  writer.U8(0xab);
  writer.U32(0xdeadbeef);
  writer.U64(0x0123456789abcdef);
  writer.I64(-2);
  writer.F64(-1.5);
  writer.Varint(300);
  writer.Text("h\xc3\xa9");
  const uint8_t raw[] = {1, 2, 3};
  writer.Block(raw);
  writer.Raw(raw);

  ByteReader reader(writer.view());
  EXPECT_EQ(reader.U8(), 0xab);
  EXPECT_EQ(reader.U32(), 0xdeadbeef);
  EXPECT_EQ(reader.U64(), 0x0123456789abcdef);
  EXPECT_EQ(reader.I64(), -2);
  EXPECT_EQ(reader.F64(), -1.5);
  EXPECT_EQ(reader.Varint(), 300);
  EXPECT_EQ(reader.Text(), "h\xc3\xa9");
  const BytesView block = reader.Block();
  EXPECT_EQ(Bytes(block.begin(), block.end()), (Bytes{1, 2, 3}));
  const BytesView rest = reader.Raw(3);
  EXPECT_EQ(Bytes(rest.begin(), rest.end()), (Bytes{1, 2, 3}));
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.AtEnd());
}

TEST(BytesTest, NumbersAreLittleEndian) {
  ByteWriter writer;
  writer.U32(0x01020304);
  EXPECT_EQ(writer.Take(), (Bytes{4, 3, 2, 1}));
  EXPECT_EQ(writer.size(), 0);
}

TEST(BytesTest, VarintsHaveTheirShortestForm) {
  EXPECT_EQ(VarintBytes(0), (Bytes{0}));
  EXPECT_EQ(VarintBytes(127), (Bytes{0x7f}));
  EXPECT_EQ(VarintBytes(128), (Bytes{0x80, 0x01}));
  EXPECT_EQ(VarintBytes(16383), (Bytes{0xff, 0x7f}));
  EXPECT_EQ(VarintBytes(16384), (Bytes{0x80, 0x80, 0x01}));
  EXPECT_EQ(VarintBytes(std::numeric_limits<uint64_t>::max()),
            (Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
}

TEST(BytesTest, VarintsRoundTripAtEveryPowerOfTwo) {
  for (unsigned bit = 0; bit < 64; bit++) {
    for (const uint64_t value : {(uint64_t{1} << bit) - 1, uint64_t{1} << bit}) {
      const Bytes bytes = VarintBytes(value);
      ByteReader reader(bytes);
      EXPECT_EQ(reader.Varint(), value);
      EXPECT_TRUE(reader.ok());
      EXPECT_TRUE(reader.AtEnd());
    }
  }
}

TEST(BytesTest, OtherFormsOfAVarintAreRefused) {
  const Bytes refused[] = {
      {0x80, 0x00},                                                        // 0 in two bytes.
      {0xff, 0x00},                                                        // 127 in two.
      {0x80, 0x80, 0x00},                                                  // 0 in three.
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},        // Beyond 64 bits.
      {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},        // 0 in ten.
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00},  // Eleven bytes.
      {0x80},                                                              // Cut short.
      {},
  };
  for (const Bytes& bytes : refused) {
    ByteReader reader(bytes);
    EXPECT_EQ(reader.Varint(), 0);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(BytesTest, AReadPastTheEndFailsTheReaderForGood) {
  const Bytes bytes = {1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.U8(), 1);
  EXPECT_EQ(reader.U32(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0);  // Although there were bytes left.
  EXPECT_TRUE(reader.Raw(1).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(BytesTest, ABlockLongerThanTheInputIsRefused) {
  ByteWriter writer;
  writer.Varint(std::numeric_limits<uint64_t>::max());
  writer.U8(7);
  ByteReader reader(writer.view());
  EXPECT_TRUE(reader.Block().empty());
  EXPECT_FALSE(reader.ok());
}

TEST(BytesTest, RawIsAViewIntoTheInput) {
  const Bytes bytes = {1, 2, 3, 4};
  ByteReader reader(bytes);
  reader.U8();
  const BytesView raw = reader.Raw(2);
  EXPECT_EQ(raw.data(), bytes.data() + 1);
  EXPECT_EQ(raw.size(), 2);
  EXPECT_EQ(reader.position(), 3);
  EXPECT_EQ(reader.remaining(), 1);
  EXPECT_FALSE(reader.AtEnd());
  reader.Raw(0);
  EXPECT_TRUE(reader.ok());
}

TEST(BytesTest, AlignSkipsToTheNextMultiple) {
  ByteWriter writer;
  writer.Align(8);
  EXPECT_EQ(writer.size(), 0);
  writer.U8(1);
  writer.Align(8);
  EXPECT_EQ(writer.size(), 8);
  writer.Align(8);
  EXPECT_EQ(writer.size(), 8);
  writer.U8(2);
  ByteReader reader(writer.view());
  reader.U8();
  reader.Align(8);
  EXPECT_EQ(reader.position(), 8);
  EXPECT_EQ(reader.U8(), 2);
  EXPECT_TRUE(reader.ok());
  reader.Align(8);  // There is no padding to skip.
  EXPECT_FALSE(reader.ok());
}

TEST(BytesTest, PatchAndTruncateChangeWhatWasWritten) {
  ByteWriter writer;
  writer.U32(0);
  writer.U8(9);
  writer.PatchU32(0, 0x11223344);
  writer.U32(5);
  writer.Truncate(5);
  EXPECT_EQ(writer.Take(), (Bytes{0x44, 0x33, 0x22, 0x11, 9}));
  writer.U8(1);
  writer.Clear();
  EXPECT_EQ(writer.size(), 0);
}

TEST(BytesTest, TextAndBytesAreTheSameBytes) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(AsText(AsBytes(text)), text);
  EXPECT_EQ(AsBytes(text).size(), 3);
}

}  // namespace
}  // namespace livestore

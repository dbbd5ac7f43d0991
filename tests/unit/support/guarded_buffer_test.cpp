#include "tests/support/guarded_buffer.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>

namespace dlc::test {
namespace {

// The bytes must be reached through memory, or the compiler drops the access.
std::byte read(const std::byte* place) { return *static_cast<const volatile std::byte*>(place); }
void write(std::byte* place) { *static_cast<volatile std::byte*>(place) = std::byte{1}; }

class GuardedBufferSizes : public testing::TestWithParam<std::size_t> {};

TEST_P(GuardedBufferSizes, AllBytesAreUsable) {
  for (Guard guard : {Guard::kEnd, Guard::kBegin}) {
    GuardedBuffer buffer(GetParam(), guard);
    ASSERT_EQ(buffer.size(), GetParam());
    for (std::byte& byte : buffer.bytes()) byte = std::byte{7};
    for (std::byte byte : buffer.bytes()) ASSERT_EQ(byte, std::byte{7});
  }
}

TEST_P(GuardedBufferSizes, OneByteBehindTheEndFaults) {
  GuardedBuffer buffer(GetParam(), Guard::kEnd);
  EXPECT_DEATH(read(buffer.data() + buffer.size()), "");
}

TEST_P(GuardedBufferSizes, OneByteBeforeTheBeginFaults) {
  GuardedBuffer buffer(GetParam(), Guard::kBegin);
  EXPECT_DEATH(read(buffer.data() - 1), "");
}

INSTANTIATE_TEST_SUITE_P(Bytes, GuardedBufferSizes, testing::Values(0, 1, 60, 4095, 4096, 4097, 20000));

TEST(GuardedBuffer, ReadOnlyMemoryCanBeReadButNotWritten) {
  GuardedBuffer buffer(100);
  buffer.bytes()[99] = std::byte{3};
  buffer.make_read_only();
  EXPECT_EQ(read(buffer.data() + 99), std::byte{3});
  EXPECT_DEATH(write(buffer.data()), "");
}

TEST(GuardedBuffer, MovingHandsTheMemoryOver) {
  GuardedBuffer first(8);
  std::byte* data = first.data();
  GuardedBuffer second(16);
  second = std::move(first);
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second.size(), 8u);
  EXPECT_EQ(second.span_of<float>().size(), 2u);
}

}  // namespace
}  // namespace dlc::test

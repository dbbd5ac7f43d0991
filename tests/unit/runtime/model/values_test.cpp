#include "runtime/model/values.h"

#include <gtest/gtest.h>

#include "runtime/model/context.h"
#include "runtime/model/value_border.h"
#include "tests/unit/runtime/model/test_model.h"

namespace dlc::test {
namespace {

using namespace dlc::model;

class Values : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(dlc_context_create(&sum_model(), nullptr, &context_), DLC_OK); }
  void TearDown() override { dlc_context_release(context_); }

  static std::vector<Handle> elements(Handle sequence) {
    std::vector<Handle> result;
    for (int64_t i = 0; i < sequence_count(sequence); ++i) result.push_back(sequence_element(sequence, i));
    return result;
  }
  Handle sequence(const std::vector<Handle>& elements) {
    SequenceObject* result = make_sequence(context_, static_cast<int64_t>(elements.size()));
    std::copy(elements.begin(), elements.end(), result->first);
    return handle_of(result);
  }

  dlc_context* context_ = nullptr;
};

using List = std::vector<Handle>;

TEST_F(Values, SequencesNeverChange) {
  const Handle one = insert_element(context_, 0, 0, 10);
  const Handle two = insert_element(context_, one, 1, 20);
  const Handle other = insert_element(context_, one, 1, 30);
  const Handle three = insert_element(context_, two, 2, 40);
  const Handle front = insert_element(context_, two, 0, 50);
  const Handle middle = insert_element(context_, three, 1, 60);
  EXPECT_EQ(elements(0), List());
  EXPECT_EQ(elements(one), List({10}));
  EXPECT_EQ(elements(two), List({10, 20}));
  EXPECT_EQ(elements(other), List({10, 30}));
  EXPECT_EQ(elements(three), List({10, 20, 40}));
  EXPECT_EQ(elements(front), List({50, 10, 20}));
  EXPECT_EQ(elements(middle), List({10, 60, 20, 40}));
}

TEST_F(Values, ErasedElementsStayInOtherSequences) {
  const Handle all = sequence({1, 2, 3, 4});
  const Handle first = erase_element(context_, all, 0);
  const Handle last = erase_element(context_, all, 3);
  const Handle inner = erase_element(context_, all, 2);
  // Behind a sequence that has lost its last element lies an element of another.
  const Handle grown = insert_element(context_, last, 3, 9);
  EXPECT_EQ(elements(first), List({2, 3, 4}));
  EXPECT_EQ(elements(last), List({1, 2, 3}));
  EXPECT_EQ(elements(inner), List({1, 2, 4}));
  EXPECT_EQ(elements(grown), List({1, 2, 3, 9}));
  EXPECT_EQ(elements(all), List({1, 2, 3, 4}));
}

TEST_F(Values, CollectingTakesLinearMemory) {
  constexpr int64_t kCount = 20000;
  Handle sequence = 0;
  for (int64_t i = 0; i < kCount; ++i) sequence = insert_element(context_, sequence, i, i);
  EXPECT_EQ(sequence_count(sequence), kCount);
  EXPECT_EQ(sequence_element(sequence, kCount - 1), kCount - 1);
  EXPECT_LT(dlc_context_memory_bytes(context_), kCount * 200);
}

TEST_F(Values, MemoryIsUsedAgain) {
  const auto fill = [this] {
    for (int i = 0; i < 1000; ++i) ASSERT_NE(value_memory(context_, 1000), nullptr);
  };
  fill();
  reset_values(context_);  // makes one chunk of several
  fill();
  const int64_t bytes = dlc_context_memory_bytes(context_);
  for (int run = 0; run < 5; ++run) {
    reset_values(context_);
    fill();
  }
  EXPECT_EQ(dlc_context_memory_bytes(context_), bytes);
}

TEST_F(Values, TensorsAreAligned) {
  for (int64_t extent : {0, 1, 3, 1000}) {
    const TensorObject* tensor = make_tensor(context_, 1, 1, &extent);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->data) % 64, 0u);
    EXPECT_EQ(tensor->extents[0], extent);
  }
}

TEST_F(Values, SizesThatOverflowAreFaults) {
  const int64_t extents[] = {INT64_MAX / 4, 2};
  EXPECT_EQ(make_tensor(context_, 1, 2, extents), nullptr);
  EXPECT_STREQ(dlc_context_error(context_), "the size of a value overflows");
  EXPECT_EQ(make_sequence(context_, INT64_MAX / 4), nullptr);
  EXPECT_EQ(make_string(context_, INT64_MAX - 1), nullptr);
}

TEST_F(Values, StringsCompareByBytes) {
  const auto text = [this](const char* bytes, int64_t size) { return make_string(context_, bytes, size); };
  EXPECT_EQ(text("", 0), 0);
  EXPECT_TRUE(same_text(text("ab", 2), text("ab", 2)));
  EXPECT_FALSE(same_text(text("a\0b", 3), text("a\0c", 3)));
  EXPECT_FALSE(same_text(0, text("a", 1)));
  EXPECT_LT(compare_text(text("a", 1), text("ab", 2)), 0);
  EXPECT_GT(compare_text(text("\xc3\xa9", 2), text("z", 1)), 0);
  EXPECT_EQ(compare_text(0, 0), 0);
}

TEST_F(Values, InputStringsAreUtf8) {
  const struct {
    const char* bytes;
    bool is_valid;
  } rows[] = {{"", true},
              {"\xc3\xa9", true},
              {"\xf0\x9f\x98\x80", true},
              {"\xc3", false},              // cut off
              {"\xc0\x80", false},          // longer than needed
              {"\xe0\x80\xaf", false},      // longer than needed
              {"\xed\xa0\x80", false},      // a surrogate
              {"\xf4\x90\x80\x80", false},  // beyond U+10FFFF
              {"\x80", false},
              {"\xff", false}};
  for (const auto& row : rows) {
    const dlc_string strings[] = {{"x", 1}, {row.bytes, -1}};
    Handle handles[2] = {};
    const int32_t status = take_strings(context_, "words", strings, 2, handles);
    EXPECT_EQ(status, row.is_valid ? DLC_OK : DLC_INVALID_INPUT) << row.bytes;
    if (row.is_valid) continue;
    EXPECT_STREQ(dlc_context_error(context_), "input 'words': string 1 is not UTF-8");
  }
}

TEST_F(Values, InputsAreCheckedInDepth) {
  const int64_t dims[] = {-1, 2};
  const dlc_value_info tensor = {"", 1, 2, dims, nullptr, DLC_TENSOR, nullptr};
  const dlc_value_info sequence = {"", 0, 0, nullptr, nullptr, DLC_SEQUENCE, &tensor};
  const dlc_value_info optional = {"x", 0, 0, nullptr, nullptr, DLC_OPTIONAL, &sequence};
  float numbers[6] = {};
  int64_t good[] = {3, 2}, bad[] = {2, 3};
  dlc_value elements[2] = {};
  elements[0].tensor = float_tensor(numbers, good, 2);
  elements[1].tensor = float_tensor(numbers, bad, 2);
  dlc_value inner = {};
  inner.kind = DLC_SEQUENCE;
  inner.count = 2;
  inner.elements = elements;
  dlc_value outer = {};
  outer.kind = DLC_OPTIONAL;
  outer.count = 1;
  outer.elements = &inner;
  Handle handle = 0;
  const auto take = [&] { return take_value(context_, optional, &outer, &handle); };
  EXPECT_EQ(take(), DLC_INVALID_INPUT);
  EXPECT_STREQ(dlc_context_error(context_), "input 'x', element 0, element 1: axis 1: expected 2, found 3");
  inner.count = 1;
  EXPECT_EQ(take(), DLC_OK);
  inner.elements = nullptr;
  EXPECT_EQ(take(), DLC_INVALID_INPUT);
  inner.count = -1;
  EXPECT_EQ(take(), DLC_INVALID_INPUT);
  inner.kind = DLC_MAP;
  EXPECT_EQ(take(), DLC_INVALID_INPUT);
  EXPECT_STREQ(dlc_context_error(context_), "input 'x', element 0: expected a sequence, found a map");
  outer.count = 2;
  EXPECT_EQ(take(), DLC_INVALID_INPUT);
  EXPECT_EQ(take_value(context_, optional, nullptr, &handle), DLC_INVALID_INPUT);
}

}  // namespace
}  // namespace dlc::test

// Runtime kernels on handles, against what the standard library does.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>

#include "runtime/kernels/kernels.h"
#include "runtime/model/context.h"
#include "runtime/model/values.h"
#include "tests/unit/runtime/model/test_model.h"

namespace dlc::test {
namespace {

using namespace dlc::model;

constexpr uint8_t kInt64 = 7, kBool = 9;

uint64_t seed_of_run() {
  const char* given = std::getenv("DLC_TEST_SEED");
  return given != nullptr ? std::stoull(given) : std::random_device()();
}

class ValueKernels : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(dlc_context_create(&sum_model(), nullptr, &context_), DLC_OK); }
  void TearDown() override { dlc_context_release(context_); }

  static dlc_call_tensor number(int64_t* value) { return {value, nullptr, 0, kInt64, 0}; }
  static dlc_call_tensor numbers(std::vector<int64_t>& values, int64_t* count) {
    return {values.data(), count, 1, kInt64, 0};
  }
  int32_t call(dlc_call_fn function, std::vector<dlc_call_tensor> inputs,
               std::vector<dlc_call_tensor> outputs, std::vector<int64_t> params = {}) {
    return function(&context_->frame, inputs.data(), outputs.data(), params.data());
  }
  // Of a kernel that gives one handle.
  std::optional<Handle> handle(dlc_call_fn function, std::vector<Handle> handles,
                               std::optional<int64_t> position = std::nullopt) {
    std::vector<dlc_call_tensor> inputs;
    for (Handle& value : handles) inputs.push_back(number(&value));
    inputs.push_back(position ? number(&*position) : dlc_call_tensor{});
    Handle result = 0;
    return call(function, inputs, {number(&result)}) == DLC_OK ? std::optional(result) : std::nullopt;
  }
  Handle text(const std::string& bytes) {
    return make_string(context_, bytes.data(), static_cast<int64_t>(bytes.size()));
  }
  static std::string text_in(Handle handle) {
    const Text text = text_of(handle);
    return {text.data, static_cast<size_t>(text.size)};
  }

  dlc_context* context_ = nullptr;
};

// Old sequences keep what they had, whatever is made of them.
TEST_F(ValueKernels, SequencesBehaveLikeVectors) {
  const uint64_t seed = seed_of_run();
  SCOPED_TRACE(testing::Message() << "DLC_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  const auto below = [&](size_t limit) { return static_cast<int64_t>(random() % limit); };
  struct Known {
    Handle handle;
    std::vector<Handle> elements;
  };
  std::vector<Known> known = {{0, {}}};
  for (int step = 0; step < 3000; ++step) {
    Known next = known[static_cast<size_t>(below(known.size()))];
    const auto count = static_cast<int64_t>(next.elements.size());
    std::optional<int64_t> position;
    if (below(3) != 0) position = below(static_cast<size_t>(2 * count + 5)) - count - 2;
    const int64_t at = !position ? count : *position < 0 ? *position + count : *position;
    const bool inserts = below(3) != 0 || count > 40;
    std::optional<Handle> result;
    if (inserts && count <= 40) {
      result = handle(dlc_sequence_insert, {next.handle, step}, position);
      const bool fits = at >= 0 && at <= count;
      ASSERT_EQ(result.has_value(), fits) << count << " " << at;
      if (fits) next.elements.insert(next.elements.begin() + at, step);
    } else {
      const int64_t erased = position ? at : count - 1;
      result = handle(dlc_sequence_erase, {next.handle}, position);
      const bool fits = erased >= 0 && erased < count;
      ASSERT_EQ(result.has_value(), fits) << count << " " << erased;
      if (fits) next.elements.erase(next.elements.begin() + erased);
    }
    if (!result) continue;
    next.handle = *result;
    known.push_back(next);
  }
  for (const Known& item : known) {
    ASSERT_EQ(sequence_count(item.handle), static_cast<int64_t>(item.elements.size()));
    for (size_t i = 0; i < item.elements.size(); ++i)
      ASSERT_EQ(sequence_element(item.handle, static_cast<int64_t>(i)), item.elements[i]);
  }
}

TEST_F(ValueKernels, RanksAndSearchesAgreeWithOrderedSets) {
  const uint64_t seed = seed_of_run();
  SCOPED_TRACE(testing::Message() << "DLC_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int64_t count : {0, 1, 2, 3, 100, 1000}) {
    std::vector<std::string> texts;
    std::vector<int64_t> handles;
    std::set<std::string> distinct;
    for (int64_t i = 0; i < count; ++i) {
      std::string bytes;
      for (uint64_t k = random() % 4; k > 0; --k) bytes += "ab\xc3\xa9"[random() % 2];
      texts.push_back(bytes);
      handles.push_back(text(bytes));
      distinct.insert(bytes);
    }
    std::vector<int64_t> ranks(texts.size()), scratch(7 * texts.size() + 2);
    int64_t size = count, scratch_size = 7 * count + 2;
    ASSERT_EQ(call(dlc_string_rank, {numbers(handles, &size)},
                   {numbers(ranks, &size), numbers(scratch, &scratch_size)}),
              DLC_OK);
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(ranks[i], std::distance(distinct.begin(), distinct.find(texts[i]))) << texts[i];
    }
  }
}

TEST_F(ValueKernels, NumbersComeBackFromTheirText) {
  const uint64_t seed = seed_of_run();
  SCOPED_TRACE(testing::Message() << "DLC_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::vector<double> values = {0.1, 1e16, 9.999999e15, 1e-4, 9.99e-5, 5e-324, 1.7976931348623157e308};
  for (int i = 0; i < 200; ++i) {
    const uint64_t bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) values.push_back(value);
  }
  int64_t count = static_cast<int64_t>(values.size());
  std::vector<double> again(values.size());
  std::vector<int64_t> texts(values.size());
  constexpr uint8_t kDouble = 11;
  ASSERT_EQ(call(dlc_number_to_string, {{values.data(), &count, 1, kDouble, 0}}, {numbers(texts, &count)}),
            DLC_OK);
  ASSERT_EQ(call(dlc_string_to_number, {numbers(texts, &count)}, {{again.data(), &count, 1, kDouble, 0}}),
            DLC_OK);
  EXPECT_EQ(again, values);
  EXPECT_EQ(text_in(texts[0]), "0.1");
  EXPECT_EQ(text_in(texts[1]), "1e+16");
  EXPECT_EQ(text_in(texts[2]), "9999999000000000.0");
  EXPECT_EQ(text_in(texts[3]), "0.0001");
  EXPECT_EQ(text_in(texts[4]), "9.99e-05");
  EXPECT_EQ(text_in(texts[5]), "5e-324");
}

TEST_F(ValueKernels, WhatIsNoNumberIsAFault) {
  for (const char* bytes : {"", " ", "1 2", "0x10", "--1", "1e", "abc", "nanx", "1,5"}) {
    std::vector<int64_t> texts = {text("1"), text(bytes)};
    std::vector<float> values(2);
    int64_t count = 2;
    EXPECT_EQ(call(dlc_string_to_number, {numbers(texts, &count)}, {{values.data(), &count, 1, 1, 0}}),
              DLC_INVALID_INPUT)
        << bytes;
    EXPECT_STREQ(dlc_context_error(context_), "string 1 is no number of the target type");
  }
  for (const char* bytes : {"9223372036854775808", "1e30", "nan", "1.5e"}) {
    std::vector<int64_t> texts = {text(bytes)}, values(1);
    int64_t count = 1;
    EXPECT_EQ(call(dlc_string_to_number, {numbers(texts, &count)}, {numbers(values, &count)}),
              DLC_INVALID_INPUT)
        << bytes;
  }
}

}  // namespace
}  // namespace dlc::test

#include "runtime/model/api.h"

#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/runtime/model/test_model.h"

namespace dlc::test {
namespace {

class ContextTest : public testing::Test {
 protected:
  void SetUp() override {
    dlc_context_options options = {};
    options.struct_size = sizeof options;
    options.threads = 2;
    ASSERT_EQ(dlc_context_create(&sum_model(), &options, &context_), DLC_OK);
  }
  void TearDown() override { dlc_context_release(context_); }

  // Runs on batch x 3 numbers; outputs in memory of the context.
  int32_t run(int64_t batch) {
    a_.resize(static_cast<size_t>(batch) * 3);
    b_.assign(a_.size(), 0.5f);
    std::iota(a_.begin(), a_.end(), -3.0f);
    shape_[0] = batch;
    inputs_[0] = float_tensor(a_.data(), shape_, 2);
    inputs_[1] = float_tensor(b_.data(), shape_, 2);
    outputs_[0] = outputs_[1] = no_memory();
    return dlc_context_run(context_, inputs_, outputs_);
  }
  std::string error() const { return dlc_context_error(context_); }

  dlc_context* context_ = nullptr;
  std::vector<float> a_, b_;
  int64_t shape_[2] = {0, 3};
  dlc_tensor inputs_[2], outputs_[2];
};

TEST_F(ContextTest, ComputesIntoItsOwnMemory) {
  for (int64_t batch : {1, 4, 1000, 3, 0}) {
    ASSERT_EQ(run(batch), DLC_OK) << error();
    ASSERT_EQ(outputs_[0].ndim, 2);
    EXPECT_EQ(outputs_[0].shape[0], batch);
    EXPECT_EQ(outputs_[0].shape[1], 3);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(outputs_[0].data) % 64, 0u);
    const float* sum = static_cast<const float*>(outputs_[0].data);
    for (int64_t i = 0; i < batch * 3; ++i) ASSERT_EQ(sum[i], static_cast<float>(i) - 2.5f);
    EXPECT_EQ(outputs_[1].shape[0], std::max<int64_t>(0, batch - 2));
    if (batch > 2) {
      EXPECT_EQ(static_cast<const float*>(outputs_[1].data)[0], 6.0f);
    }
    EXPECT_EQ(error(), "");
  }
}

TEST_F(ContextTest, WritesIntoTheCallersMemory) {
  ASSERT_EQ(run(4), DLC_OK);
  std::vector<float> sum(12, NAN), twice(4, NAN);
  int64_t twice_shape[] = {4};
  outputs_[0] = float_tensor(sum.data(), shape_, 2);
  outputs_[1] = float_tensor(twice.data(), twice_shape, 1);
  ASSERT_EQ(dlc_context_run(context_, inputs_, outputs_), DLC_OK) << error();
  EXPECT_EQ(outputs_[0].data, sum.data());
  for (int i = 0; i < 12; ++i) EXPECT_EQ(sum[static_cast<size_t>(i)], static_cast<float>(i) - 2.5f);
  EXPECT_EQ(twice_shape[0], 2);
  EXPECT_EQ(twice[0], 6.0f);
  EXPECT_EQ(twice[1], 12.0f);
  EXPECT_TRUE(std::isnan(twice[2]));
}

TEST_F(ContextTest, CopiesStridedAndMisalignedInputsAndOutputs) {
  ASSERT_EQ(run(4), DLC_OK);
  // a transposed and backwards, b repeated by a stride of 0 at an odd address, sum into every second column.
  std::vector<float> columns(12);
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 3; ++j) columns[(2 - j) * 4 + i] = a_[i * 3 + j];
  }
  int64_t a_strides[] = {1, -4}, b_strides[] = {0, 1}, out_strides[] = {6, 2};
  inputs_[0].data = columns.data() + 8;
  inputs_[0].strides = a_strides;
  char row[13] = {};
  std::memcpy(row + 1, b_.data(), 12);
  inputs_[1].data = row;
  inputs_[1].byte_offset = 1;
  inputs_[1].strides = b_strides;
  std::vector<float> sum(24, -7.0f);
  outputs_[0] = float_tensor(sum.data(), shape_, 2);
  outputs_[0].strides = out_strides;
  outputs_[1] = no_memory();
  ASSERT_EQ(dlc_context_run(context_, inputs_, outputs_), DLC_OK) << error();
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(sum[2 * i], static_cast<float>(i) - 2.5f);
    EXPECT_EQ(sum[2 * i + 1], -7.0f);
  }
}

TEST_F(ContextTest, RunsFromPlainPointers) {
  ASSERT_EQ(run(5), DLC_OK);
  int64_t batch = 5;
  const void* inputs[] = {a_.data(), b_.data()};
  std::vector<float> sum(15);
  void* outputs[] = {sum.data(), nullptr};
  ASSERT_EQ(dlc_context_run_flat(context_, &batch, inputs, outputs), DLC_OK) << error();
  EXPECT_EQ(sum[14], 11.5f);
  EXPECT_EQ(dlc_context_output_shape(context_, 0)[0], 5);
  EXPECT_EQ(dlc_context_output_shape(context_, 1)[0], 3);
  EXPECT_EQ(static_cast<float*>(outputs[1])[2], 18.0f);
  outputs[1] = sum.data();
  EXPECT_EQ(dlc_context_run_flat(context_, &batch, inputs, outputs), DLC_INVALID_INPUT);
  EXPECT_EQ(error(), "output 'twice': its extents depend on data, so its memory must come with a shape");
}

TEST_F(ContextTest, NamesWhatIsWrongWithAnInput) {
  ASSERT_EQ(run(4), DLC_OK);
  dlc_tensor good = inputs_[1];
  auto expect_error = [&](const char* text) {
    EXPECT_EQ(dlc_context_run(context_, inputs_, outputs_), DLC_INVALID_INPUT);
    EXPECT_EQ(error(), text);
    inputs_[1] = good;
    outputs_[0] = outputs_[1] = no_memory();
  };
  int64_t other_batch[] = {5, 3}, other_width[] = {4, 2}, negative[] = {-2, 3};
  inputs_[1].type_bits = 64;
  expect_error("input 'b': expected elements of type float, found double");
  inputs_[1].type_code = 1;
  inputs_[1].type_bits = 9;
  expect_error("input 'b': expected elements of type float, found type code 1 of 9 bits in 1 lanes");
  inputs_[1].ndim = 1;
  expect_error("input 'b': expected 2 axes, found 1");
  inputs_[1].shape = other_batch;
  expect_error("input 'b' axis 0 ('batch'): expected 4 as in input 'a' axis 0, found 5");
  inputs_[1].shape = other_width;
  expect_error("input 'b' axis 1: expected 3, found 2");
  inputs_[1].shape = negative;
  expect_error("input 'b' axis 0: -2 is no extent");
  inputs_[1].data = nullptr;
  expect_error("input 'b': its data is null");
  inputs_[1].device_type = 2;
  expect_error("input 'b': expected memory of the CPU, found device type 2");
  std::vector<float> memory(12);
  outputs_[0] = float_tensor(memory.data(), other_batch, 2);
  expect_error("output 'sum' axis 0: expected 4, found 5");
  int64_t one[] = {1};
  outputs_[1] = float_tensor(memory.data(), one, 1);
  expect_error("output 'twice': expected memory for 2 elements, found memory for 1");
  a_[0] = -1000.0f;
  expect_error("expected 7, found -1000");
  EXPECT_EQ(run(4), DLC_OK) << "a fault leaves the context usable";
}

TEST_F(ContextTest, RefusesSizesThatOverflow) {
  ASSERT_EQ(run(4), DLC_OK);
  int64_t huge[] = {INT64_MAX / 2, 3};
  inputs_[0].shape = inputs_[1].shape = huge;
  EXPECT_EQ(dlc_context_run(context_, inputs_, outputs_), DLC_INVALID_INPUT);
  EXPECT_EQ(error(), "input 'a': its size overflows");
  EXPECT_EQ(dlc_model_arena_bytes(&sum_model(), huge), -1);
  int64_t small = 10;
  EXPECT_EQ(dlc_model_arena_bytes(&sum_model(), &small), 120);
}

TEST_F(ContextTest, TimesKernels) {
  ASSERT_EQ(run(7), DLC_OK);
  dlc_kernel_time time = dlc_context_kernel_time(context_, 0);
  EXPECT_EQ(time.calls, 1);
  EXPECT_EQ(time.flops, 21);
  EXPECT_EQ(time.bytes, -1);
  EXPECT_GE(time.start_ns, 0);
  EXPECT_GT(time.duration_ns, 0);
}

struct Counts {
  int allocated = 0;
  int released = 0;
  size_t fail_from = SIZE_MAX;
};

void* counting_allocate(void* user, size_t bytes, size_t alignment) {
  Counts& counts = *static_cast<Counts*>(user);
  void* memory = nullptr;
  if (bytes >= counts.fail_from || posix_memalign(&memory, alignment, bytes) != 0) return nullptr;
  ++counts.allocated;
  return memory;
}

void counting_release(void* user, void* memory, size_t) {
  ++static_cast<Counts*>(user)->released;
  free(memory);
}

TEST_F(ContextTest, AllocatesOnlyForLargerShapes) {
  dlc_context_release(context_);
  Counts counts;
  dlc_allocator allocator = {&counts, counting_allocate, counting_release};
  dlc_context_options options = {};
  options.struct_size = sizeof options;
  options.allocator = &allocator;
  ASSERT_EQ(dlc_context_create(&sum_model(), &options, &context_), DLC_OK);
  ASSERT_EQ(run(100), DLC_OK);
  int after_first = counts.allocated;
  int64_t bytes = dlc_context_memory_bytes(context_);
  for (int64_t batch : {100, 3, 99, 0, 100}) ASSERT_EQ(run(batch), DLC_OK);
  EXPECT_EQ(counts.allocated, after_first);
  EXPECT_EQ(dlc_context_memory_bytes(context_), bytes);
  counts.fail_from = 10000;
  EXPECT_EQ(run(1000), DLC_OUT_OF_MEMORY);
  EXPECT_EQ(error(), "no memory for intermediate values: 12000 bytes");
  EXPECT_EQ(run(100), DLC_OK) << "after a failed allocation smaller shapes run";
  dlc_context_release(context_);
  context_ = nullptr;
  EXPECT_EQ(counts.allocated, counts.released);
}

TEST(Context, RefusesForeignModels) {
  dlc_context* context = nullptr;
  dlc_model model = sum_model();
  model.magic = 1;
  EXPECT_EQ(dlc_context_create(&model, nullptr, &context), DLC_INVALID_INPUT);
  model = sum_model();
  model.abi_version = DLC_ABI_VERSION + 1;
  EXPECT_EQ(dlc_context_create(&model, nullptr, &context), DLC_UNSUPPORTED);
  model = sum_model();
  model.cpu_features = uint64_t{1} << 60;
  EXPECT_EQ(dlc_context_create(&model, nullptr, &context), DLC_UNSUPPORTED);
  model = sum_model();
  model.constants_size = 8;
  EXPECT_EQ(dlc_context_create(&model, nullptr, &context), DLC_INVALID_WEIGHTS);
  dlc_context_options no_size = {};
  EXPECT_EQ(dlc_context_create(&sum_model(), &no_size, &context), DLC_INVALID_ARGUMENT);
  EXPECT_EQ(context, nullptr);
  EXPECT_STREQ(dlc_status_text(DLC_UNSUPPORTED), "not supported by this machine or library");
}

TEST(Context, RunsOneModelFromManyThreads) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([t, &wrong] {
      dlc_context* context = nullptr;
      ASSERT_EQ(dlc_context_create(&sum_model(), nullptr, &context), DLC_OK);
      for (int64_t batch = 1; batch < 60; ++batch) {
        std::vector<float> a(static_cast<size_t>(batch) * 3, static_cast<float>(t)), sum(a.size());
        const void* inputs[] = {a.data(), a.data()};
        void* outputs[] = {sum.data(), nullptr};
        ASSERT_EQ(dlc_context_run_flat(context, &batch, inputs, outputs), DLC_OK);
        for (float value : sum) wrong[t] += value != static_cast<float>(2 * t) ? 1 : 0;
      }
      dlc_context_release(context);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace dlc::test

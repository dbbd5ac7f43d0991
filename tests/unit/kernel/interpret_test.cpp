#include "ir/kernel/interpret.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>

#include "ir/kernel/text.h"
#include "runtime/error.h"
#include "runtime/small_floats.h"

namespace dlc::ir {
namespace {

Tensor floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::kFloat, std::move(shape), values);
}

Tensor random_floats(std::vector<int64_t> shape, uint32_t seed) {
  Tensor result(DType::kFloat, std::move(shape));
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < result.size(); ++i) result.mutable_as<float>()[i] = uniform(random);
  return result;
}

std::vector<double> values(const Tensor& tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i) result.push_back(tensor.get_double(i));
  return result;
}

std::string fault(std::string_view text, const std::vector<Tensor>& inputs) {
  try {
    interpret(parse_program(text), inputs);
  } catch (const Error& error) {
    return error.what();
  }
  return "no fault";
}

TEST(Interpret, ReducesRows) {
  const Program program = parse_program(R"(program "softmax max"
    symbol n input
    %0 = input f32[n, 3] at 0 "x"
    %1 = output f32[n] at 0 "y"
    kernel "max" "" {
      parallel v0 in 0..{n} {
        let v1 = -inf
        for v2 in 0..3 { reduce v1 max %0[v0, v2] }
        %1[v0] = v1 * 2.0
      }
    })");
  const auto outputs = interpret(program, {floats({2, 3}, {1, 5, 2, -3, -1, -2})});
  EXPECT_EQ(outputs[0].shape(), std::vector<int64_t>{2});
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{10, -2}));
}

TEST(Interpret, ReadsAndWritesThroughStackedViews) {
  // y[j][i] = x[i][2j], through a slice of a permutation, and the store through a reshape of a slice.
  const Program program = parse_program(R"(program "views"
    %0 = input f32[2, 6] at 0 "x"
    %1 = output f32[2, 3, 2] at 0 "y"
    %2 = permute(1, 0) %0 f32[6, 2] "t"
    %3 = slice(0:2, 0:1) %2 f32[3, 2] "s"
    %4 = slice(1:1, 0:1, 0:1) %1 f32[1, 3, 2] "second"
    %5 = reshape %4 f32[6] "flat"
    %6 = expand %0 f32[3, 2, 6] "e"
    kernel "copy" "" {
      for v0 in 0..3 {
        for v1 in 0..2 {
          %5[v0 * 2 + v1] = %3[v0, v1]
          %1[0, v0, v1] = %6[v0, v1, v0]
        }
      }
    })");
  std::vector<float> x(12);
  for (size_t i = 0; i < 12; ++i) x[i] = static_cast<float>(i);
  const auto outputs = interpret(program, {floats({2, 6}, x)});
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{0, 6, 1, 7, 2, 8, 0, 6, 2, 8, 4, 10}));
}

TEST(Interpret, ReshapesWhatHasNoStrides) {
  // A reshape of a permutation is no view of memory, yet its meaning is clear.
  const Program program = parse_program(R"(program "p"
    %0 = input f32[2, 3] at 0 "x"
    %1 = output f32[6] at 0 "y"
    %2 = permute(1, 0) %0 f32[3, 2] "t"
    %3 = reshape %2 f32[6] "r"
    kernel "copy" "" { for v0 in 0..6 { %1[v0] = %3[v0] } })");
  const auto outputs = interpret(program, {floats({2, 3}, {0, 1, 2, 3, 4, 5})});
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{0, 3, 1, 4, 2, 5}));
}

// A convolution against plain loops written here.
TEST(Interpret, ContractsWithPaddingAndEpilogue) {
  const Program program = parse_program(R"(program "conv"
    %0 = input f32[1, 2, 5, 5] at 0 "x"
    %1 = input f32[3, 2, 3, 3] at 1 "w"
    %2 = input f32[3] at 2 "b"
    %3 = output f32[1, 3, 3, 3] at 0 "y"
    contraction "conv" "" {
      m v0 in 3
      m v1 in 3
      n v2 in 3
      k v3 in 2
      window v4 in 3
      window v5 in 3
      a = %0[0, v3, v0 * 2 + v4 - 1, v1 * 2 + v5 - 1] padded
      b = %1[v2, v3, v4, v5]
      sum f32 v6
      %3[0, v2, v0, v1] = max(v6 + %2[v2], 0.0)
    })");
  const Tensor x = random_floats({1, 2, 5, 5}, 1), w = random_floats({3, 2, 3, 3}, 2),
               b = random_floats({3}, 3);
  const auto outputs = interpret(program, {x, w, b});
  for (int n = 0; n < 3; ++n) {
    for (int i = 0; i < 9; ++i) {
      double sum = b.get_double(n);
      for (int k = 0; k < 18; ++k) {
        const int c = k / 9, row = i / 3 * 2 + k / 3 % 3 - 1, column = i % 3 * 2 + k % 3 - 1;
        if (row < 0 || row > 4 || column < 0 || column > 4) continue;
        sum += x.get_double(c * 25 + row * 5 + column) * w.get_double(n * 18 + k);
      }
      EXPECT_NEAR(outputs[0].get_double(n * 9 + i), std::max(sum, 0.0), 1e-6);
    }
  }
}

TEST(Interpret, SubtractsZeroPointsAfterWidening) {
  const Program program = parse_program(R"(program "q"
    %0 = input u8[2, 2] at 0 "a"
    %1 = input i8[2, 2] at 1 "b"
    %2 = input i8[2] at 2 "zero points of b"
    %3 = output i32[2, 2] at 0 "y"
    contraction "matmul" "" {
      m v0 in 2
      n v1 in 2
      k v2 in 2
      a = %0[v0, v2] zero_point 200:u8
      b = %1[v2, v1] zero_point %2[v1]
      sum i32 v3
      %3[v0, v1] = v3
    })");
  const std::vector<uint8_t> a = {255, 0, 200, 100};
  const std::vector<int8_t> b = {127, -128, 1, 2}, z = {-128, 127};
  const auto outputs = interpret(
      program, {Tensor::of<uint8_t>(DType::kUint8, {2, 2}, a), Tensor::of<int8_t>(DType::kInt8, {2, 2}, b),
                Tensor::of<int8_t>(DType::kInt8, {2}, z)});
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{55.0 * 255 - 200.0 * 129, 55.0 * -255 - 200.0 * -125,
                                                     -100.0 * 129, -100.0 * -125}));
}

TEST(Interpret, AddsUpTheTermsOfParts) {
  const Program program = parse_program(R"(program "blocks"
    %0 = input i8[1, 2, 2] at 0 "a"
    %1 = input u8[2, 2, 2] at 1 "b"
    %2 = input f32[2, 2] at 2 "scale of a block and a column"
    %3 = output f32[1, 2] at 0 "y"
    contraction "block_product" "" {
      m v0 in 1
      n v1 in 2
      k v2 in 2
      k v3 in 2
      a = %0[v0, v2, v3]
      b = %1[v1, v2, v3]
      sum f32 v4
      parts v2 i32 v5 = f32(v5 - 1:i32) * %2[v2, v1]
      %3[v0, v1] = v4 + 100.0
      schedule naive panel 16
    })");
  const std::vector<int8_t> a = {1, -2, 3, -128};
  const std::vector<uint8_t> b = {1, 2, 3, 4, 255, 0, 0, 1};
  const auto outputs = interpret(
      program, {Tensor::of<int8_t>(DType::kInt8, {1, 2, 2}, a),
                Tensor::of<uint8_t>(DType::kUint8, {2, 2, 2}, b), floats({2, 2}, {0.5, 0.25, 2, 1})});
  const double first = (1 - 4 - 1) * 0.5 + (9 - 512 - 1) * 2.0, second = (255 - 1) * 0.25 + (-128 - 1) * 1.0;
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{100 + first, 100 + second}));
}

TEST(Interpret, AccumulatesInDoubleWhenAsked) {
  const Program program = parse_program(R"(program "sum"
    %0 = input f32[3] at 0 "x"
    %1 = output f32[] at 0 "y"
    kernel "sum" "" {
      let v0 = 0.0
      for v1 in 0..3 { reduce v0 sum %0[v1] * 3.0 }
      %1[] = v0
    })");
  const Tensor x = floats({3}, {1e8f, 1.0f / 3, -1e8f});
  EXPECT_EQ(interpret(program, {x})[0].get_double(0), 0.0);
  EXPECT_NEAR(interpret(program, {x}, {.double_accumulation = true})[0].get_double(0), 1.0, 1e-6);
}

TEST(Interpret, DoesNotLoadTheUnchosenSide) {
  const Program program = parse_program(R"(program "pad"
    %0 = input f32[2] at 0 "x"
    %1 = output f32[4] at 0 "y"
    kernel "pad" "" {
      for v0 in 0..4 {
        %1[v0] = select(and(v0 >= 1, v0 < 3), %0[v0 - 1] + %0[v0 - 1], -1.0)
      }
    })");
  EXPECT_EQ(values(interpret(program, {floats({2}, {5, 6})})[0]), (std::vector<double>{-1, 10, 12, -1}));
}

TEST(Interpret, RunsControlFlowAndBindsSymbols) {
  const Program program = parse_program(R"(program "flow"
    symbol n
    symbol total
    %0 = input i64[2] at 0 "shape"
    %1 = output f32[n] at 0 "y"
    %2 = temp bool[] "go on"
    %3 = temp i64[] "state"
    %4 = output i64[] at 1 "steps"
    bind n = %0[1] in 0..100 "element 1 of the shape"
    kernel "fill" "" { for v0 in 0..{n} { %1[v0] = 0.0 } }
    repeat i in {n} {
      kernel "count" "" { %1[{i}] = f32({i * i + n}) }
    }
    kernel "start" "" {
      %3[] = 1
      %2[] = true
    }
    while %2 counter c trip 50 {
      kernel "double" "" {
        %3[] = %3[] * 2
        %2[] = %3[] < 100
      }
    }
    if %2 {
      kernel "a" "" { %4[] = -1 }
    } else {
      kernel "b" "" { %4[] = %3[] }
    }
    check {n} == 3 "n must be three"
  )");
  const auto outputs = interpret(program, {Tensor::from_ints(std::vector<int64_t>{7, 3})});
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{3, 4, 7}));
  EXPECT_EQ(values(outputs[1]), (std::vector<double>{128}));
  const auto run = [&](int64_t n) { interpret(program, {Tensor::from_ints(std::vector<int64_t>{7, n})}); };
  EXPECT_THROW(run(101), Error);
  EXPECT_THROW(run(4), Error);
}

TEST(Interpret, ScattersInOrder) {
  const Program program = parse_program(R"(program "scatter"
    %0 = input i64[4] at 0 "i"
    %1 = output f32[3] at 0 "y"
    kernel "scatter" "" {
      for v0 in 0..3 { %1[v0] = 10.0 }
      for v1 in 0..4 { scatter %1[%0[v1]] sum f32(v1) }
    })");
  const auto outputs = interpret(program, {Tensor::from_ints(std::vector<int64_t>{2, 0, 2, 2})});
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{11, 10, 15}));
}

TEST(Interpret, ComputesInEveryType) {
  const Program program = parse_program(R"(program "types"
    %0 = input u8[1] at 0 "x"
    %1 = output i8[1] at 0 "wrapped"
    %2 = output i8[1] at 1 "saturated"
    %3 = output f16[1] at 2 "half"
    %4 = output bf16[1] at 3 "brain"
    %5 = output u4[3] at 4 "nibbles"
    %6 = output u64[1] at 5 "large"
    %7 = output f8e4m3fn[1] at 6 "eight"
    %8 = output f64[1] at 7 "double"
    kernel "k" "" {
      %1[0] = i8(%0[0])
      %2[0] = i8(f32(%0[0]))
      %3[0] = f16(0.1) + f16(2048.0)
      %4[0] = bf16(f32(%0[0]) * 1.01)
      for v0 in 0..3 { %5[v0] = u4(v0 + 14) }
      %6[0] = u64(-1) / 2:u64
      %7[0] = f8e4m3fn(0.3)
      %8[0] = exp(f64(%0[0]) / 255.0:f64)
    })");
  const std::vector<uint8_t> x = {255};
  const auto outputs = interpret(program, {Tensor::of<uint8_t>(DType::kUint8, {1}, x)});
  EXPECT_EQ(outputs[0].get_int(0), -1);
  EXPECT_EQ(outputs[1].get_int(0), 127);
  EXPECT_EQ(outputs[2].get_double(0), 2048.0);
  EXPECT_EQ(outputs[3].get_double(0), 258.0);  // 257.55 in steps of 2
  EXPECT_EQ(values(outputs[4]), (std::vector<double>{14, 15, 0}));
  EXPECT_EQ(outputs[5].as<uint64_t>()[0], UINT64_MAX / 2);
  EXPECT_EQ(decode_small_float(kFloat8E4M3FNFormat, outputs[6].as<uint8_t>()[0]), 0.3125);
  EXPECT_EQ(outputs[7].get_double(0), std::exp(1.0));
}

TEST(Interpret, CallsRuntimeKernels) {
  const Program program = parse_program(R"(program "call"
    symbol m
    %0 = input f32[4] at 0 "x"
    %1 = output f32[m] at 0 "y"
    call "positive" "" dlc_positive(%0, none) -> (%1) params(7) binds(0.0 m)
  )");
  InterpretOptions options;
  options.call = [](const CallRequest& request) -> std::vector<Tensor> {
    EXPECT_EQ(request.call.symbol, "dlc_positive");
    EXPECT_EQ(request.params, std::vector<int64_t>{7});
    EXPECT_FALSE(request.inputs[1].defined());
    EXPECT_EQ(request.output_shapes[0], std::vector<int64_t>{-1});
    std::vector<float> found;
    for (int i = 0; i < 4; ++i) {
      if (request.inputs[0].as<float>()[i] > 0) found.push_back(request.inputs[0].as<float>()[i]);
    }
    return {floats({static_cast<int64_t>(found.size())}, found)};
  };
  const auto outputs = interpret(program, {floats({4}, {1, -1, 2, -2})}, options);
  EXPECT_EQ(values(outputs[0]), (std::vector<double>{1, 2}));
  EXPECT_THROW(interpret(program, {floats({4}, {1, -1, 2, -2})}), Error);
}

TEST(Interpret, NamesFaults) {
  EXPECT_NE(fault(R"(program "p"
    %0 = input f32[2] at 0 "x"
    %1 = output f32[3] at 0 "y"
    kernel "copy" "Identity 'i'" { for v0 in 0..3 { %1[v0] = %0[v0] } })",
                  {floats({2}, {1, 2})})
                .find("kernel 'copy' of Identity 'i': index (2) is outside of buffer %0 of shape [2]"),
            std::string::npos);
  const std::string_view two = R"(program "p"
    symbol n input
    %0 = input f32[n] at 0 "x"
    %1 = input f32[n] at 1 "z")";
  EXPECT_NE(
      fault(two, {floats({2}, {1, 2}), floats({1}, {1})}).find("input 'z': expected shape [2], found [1]"),
      std::string::npos);
  EXPECT_NE(fault(two, {floats({2}, {1, 2})}).find("input 'z' is missing"), std::string::npos);
  EXPECT_NE(fault(R"(program "p"
    %0 = temp f32[1] "t"
    %1 = output f32[1] at 0 "y"
    kernel "copy" "" { %1[0] = %0[0] })",
                  {})
                .find("buffer 't' is read before it is written"),
            std::string::npos);
  EXPECT_NE(fault(R"(program "p"
    %0 = input f32[1] at 0 "x"
    kernel "copy" "" { %0[0] = 1.0 })",
                  {floats({1}, {1})})
                .find("buffer 'x' is read-only"),
            std::string::npos);
}

TEST(Interpret, RunsAMillionOperationsWithinASecond) {
  const Program program = parse_program(R"(program "speed"
    %0 = input f32[250000] at 0 "x"
    %1 = output f32[250000] at 0 "y"
    kernel "k" "" { for v0 in 0..250000 { %1[v0] = max(%0[v0] * 2.0 + 1.0, 0.0) } })");
  const Tensor x = random_floats({250000}, 1);
  const auto begin = std::chrono::steady_clock::now();
  const auto outputs = interpret(program, {x});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took.count(), 1.0);
  RecordProperty("seconds", std::to_string(took.count()));
  EXPECT_EQ(outputs[0].as<float>()[7], std::max(x.as<float>()[7] * 2 + 1, 0.0f));
}

}  // namespace
}  // namespace dlc::ir

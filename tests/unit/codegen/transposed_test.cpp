// Loop nests that read along one axis and write along another, at sizes around those of a tile, against a
// loop written by hand. Buffers end at unreadable pages.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ir/kernel/text.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

constexpr int64_t kSizes[] = {1, 2, 3, 4, 7, 8, 16, 17, 33, 100};

std::vector<Tensor> run(const std::string& text, const std::vector<Tensor>& inputs,
                        const codegen::Target& target, const std::map<std::string, int64_t>& symbols = {}) {
  ir::Program program = ir::parse_program(text);
  passes::choose_schedules(program, {});
  return test::run_kernels(program, target, inputs, symbols);
}

TEST(Transposed, MovesEveryElementAtAllSizes) {
  for (const int64_t rows : kSizes) {
    for (const int64_t columns : kSizes) {
      const std::string text = fmt::format(R"(program "transpose"
%0 = input f32[{0}, {1}] at 0 "x"
%1 = output f32[{1}, {0}] at 0 "y"
kernel "copy" "Transpose" {{
  parallel v0 in 0..{1} {{
    parallel v1 in 0..{0} {{
      %1[v0, v1] = %0[v1, v0]
    }}
  }}
}}
)",
                                           rows, columns);
      const Tensor x = test::random_floats({rows, columns}, 1);
      for (const codegen::Target& target : test::executable_targets()) {
        const Tensor y = run(text, {x}, target).at(0);
        for (int64_t i = 0; i < rows * columns; ++i) {
          ASSERT_EQ(y.as<float>()[i % columns * rows + i / columns], x.as<float>()[i])
              << rows << " x " << columns << " on " << target.cpu;
        }
      }
    }
  }
}

// Two operands are turned, a third is not, and one more is a scalar of the row.
TEST(Transposed, ComputesWithOperandsOfBothOrders) {
  const std::string text = R"(program "mixed"
symbol rows input
symbol columns input
%0 = input f32[rows, columns] at 0 "a"
%1 = input f32[rows, columns] at 1 "b"
%2 = input f32[columns, rows] at 2 "c"
%3 = input f32[columns] at 3 "d"
%4 = output f32[columns, rows] at 0 "y"
kernel "mixed" "Mixed" {
  parallel v0 in 0..{columns} {
    parallel v1 in 0..{rows} {
      let v2 = %0[v1, v0] * %1[v1, v0]
      %4[v0, v1] = v2 + %2[v0, v1] * %3[v0]
    }
  }
}
)";
  for (const auto& [rows, columns] :
       {std::pair<int64_t, int64_t>{0, 5}, {1, 1}, {20, 37}, {37, 20}, {50, 64}}) {
    const std::vector<Tensor> inputs = {
        test::random_floats({rows, columns}, 1), test::random_floats({rows, columns}, 2),
        test::random_floats({columns, rows}, 3), test::random_floats({columns}, 4)};
    Tensor expected(DType::kFloat, {columns, rows});
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t turned = r * columns + c, straight = c * rows + r;
        expected.mutable_as<float>()[straight] =
            inputs[0].as<float>()[turned] * inputs[1].as<float>()[turned] +
            inputs[2].as<float>()[straight] * inputs[3].as<float>()[c];
      }
    }
    for (const codegen::Target& target : test::executable_targets()) {
      const Tensor y = run(text, inputs, target, {{"rows", rows}, {"columns", columns}}).at(0);
      if (rows > 0) EXPECT_LE(test::relative_difference(y, expected), 1e-6) << rows << " on " << target.cpu;
    }
  }
}

template <class T>
void expect_moved(DType type, const char* name) {
  const std::string text = fmt::format(R"(program "transpose"
%0 = input {0}[45, 70] at 0 "x"
%1 = output {0}[70, 45] at 0 "y"
kernel "copy" "Transpose" {{
  parallel v0 in 0..70 {{
    parallel v1 in 0..45 {{
      %1[v0, v1] = %0[v1, v0]
    }}
  }}
}}
)",
                                       name);
  Tensor x(type, {45, 70});
  for (int64_t i = 0; i < x.size(); ++i) x.mutable_as<T>()[i] = static_cast<T>(i * 7919);
  for (const codegen::Target& target : test::executable_targets()) {
    const Tensor y = run(text, {x}, target).at(0);
    for (int64_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y.as<T>()[i % 70 * 45 + i / 70], x.as<T>()[i]) << name << " on " << target.cpu;
  }
}

// One column is left of the last tile, whose elements are narrower than what is computed.
TEST(Transposed, StoresNothingBesideALastNarrowColumn) {
  const std::string text = R"(program "round"
%0 = input f32[17, 72] at 0 "x"
%1 = output u8[72, 17] at 0 "y"
kernel "round" "Round" {
  parallel v0 in 0..72 {
    parallel v1 in 0..17 {
      %1[v0, v1] = u8(i32(%0[v1, v0] * 100.0))
    }
  }
}
)";
  Tensor x(DType::kFloat, {17, 72});
  for (int64_t i = 0; i < x.size(); ++i)
    x.mutable_as<float>()[i] = 0.01F * static_cast<float>(i % 251) + 0.005F;
  for (const codegen::Target& target : test::executable_targets()) {
    const Tensor y = run(text, {x}, target).at(0);
    for (int64_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y.as<uint8_t>()[i % 72 * 17 + i / 72], i % 251) << "element " << i << " on " << target.cpu;
  }
}

TEST(Transposed, MovesElementsOfAllWidths) {
  expect_moved<uint8_t>(DType::kUint8, "u8");
  expect_moved<int16_t>(DType::kInt16, "i16");
  expect_moved<int32_t>(DType::kInt32, "i32");
  expect_moved<double>(DType::kDouble, "f64");
}

}  // namespace
}  // namespace dlc

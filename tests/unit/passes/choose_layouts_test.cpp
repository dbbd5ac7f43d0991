#include "passes/choose_layouts.h"

#include <gtest/gtest.h>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "ir/text.h"

namespace dlc::passes {
namespace {

// The phases of a transposed convolution write parts of one buffer.
TEST(ChooseLayouts, ReordersOnlyWhatAContractionWrites) {
  auto graph = ir::parse_graph(R"(graph g(%x: f64[1, 4, 5], %w: f64[4, 3, 3]) {
  %y = ConvTranspose(%x, %w) {strides = [2], pads = [1, 1]}
  return %y
}
)");
  ir::Program program = ir::lower_to_kernels(*graph);
  Tensor x(DType::kDouble, {1, 4, 5});
  Tensor w(DType::kDouble, {4, 3, 3});
  for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, static_cast<double>(i + 1));
  for (int64_t i = 0; i < w.size(); ++i) w.set_double(i, static_cast<double>(i % 7));
  Tensor before = ir::interpret(program, {x, w})[0];
  choose_layouts(program, {});
  Tensor after = ir::interpret(program, {x, w})[0];
  EXPECT_TRUE(identical(before, after));
}

// Outputs keep their order: each is written back from a copy of its own.
TEST(ChooseLayouts, CopiesEveryOutputFromItsConvolution) {
  auto graph = ir::parse_graph(R"(graph g(%x: f64[1, 2, 5, 5], %w: f64[3, 2, 3, 3]) {
  %y = Conv(%x, %w)
  %z = Conv(%x, %w) {pads = [1, 1, 1, 1]}
  return %y, %z
}
)");
  ir::Program program = ir::lower_to_kernels(*graph);
  Tensor x(DType::kDouble, {1, 2, 5, 5});
  Tensor w(DType::kDouble, {3, 2, 3, 3});
  for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, static_cast<double>(i + 1));
  for (int64_t i = 0; i < w.size(); ++i) w.set_double(i, static_cast<double>(i % 7));
  std::vector<Tensor> before = ir::interpret(program, {x, w});
  choose_layouts(program, {});
  std::vector<Tensor> after = ir::interpret(program, {x, w});
  EXPECT_TRUE(identical(before[0], after[0]));
  EXPECT_TRUE(identical(before[1], after[1]));
}

// The images of a convolution of one channel are no channels, be their number known or not.
TEST(ChooseLayouts, LeavesImagesOutermost) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[n, 1, 40], %w: f32[1, 1, 8]) {
  %y = Conv(%x, %w) {strides = [2]}
  %z = Conv(%y, %w)
  return %z
}
)");
  ir::Program program = ir::lower_to_kernels(*graph);
  choose_layouts(program, {});
  for (const ir::Buffer& buffer : program.buffers) {
    if (!buffer.order.empty()) EXPECT_EQ(buffer.order.front(), 0) << buffer.name;
  }
}

}  // namespace
}  // namespace dlc::passes

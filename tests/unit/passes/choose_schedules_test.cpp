#include "passes/choose_schedules.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ir/kernel/lower.h"
#include "ir/text.h"
#include "passes/choose_layouts.h"

namespace dlc::passes {
namespace {

// Extents of the vector loops of every kernel whose name begins so.
std::vector<int64_t> vector_extents(const std::string& graph_text, std::string_view kernel_name) {
  auto graph = ir::parse_graph(graph_text);
  ir::Program program = ir::lower_to_kernels(*graph);
  choose_layouts(program, {});
  choose_schedules(program, {});
  std::vector<int64_t> extents;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    const ir::Kernel& kernel = std::get<ir::KernelStep>(step.node).kernel;
    const auto* nest = std::get_if<ir::LoopNest>(&kernel.body);
    if (nest == nullptr || !kernel.name.starts_with(kernel_name)) return;
    ir::for_each_stmt(nest->body, [&](const ir::Stmt& stmt) {
      const auto* loop = std::get_if<ir::For>(&stmt.node);
      if (loop == nullptr || loop->kind != ir::LoopKind::kVector) return;
      extents.push_back(loop->end->op == ir::ExprOp::kDim ? loop->end->dim.value() : loop->end->integer);
    });
  });
  return extents;
}

// Between convolutions images are stored channels last: channels are the lanes of the windows' loops, for one
// image and for several.
TEST(ChooseSchedules, PoolsTakeChannelsAsLanes) {
  struct Pool {
    const char* op;
    const char* kernel;
  };
  for (const Pool& pool :
       {Pool{"MaxPool", "maxpool"}, {"AveragePool", "averagepool"}, {"LpPool", "lppool"}}) {
    for (int batch : {1, 4}) {
      const std::string text = fmt::format(R"(graph g(%x: f32[{0}, 8, 20, 20], %w: f32[24, 8, 1, 1]) {{
  %y = Conv(%x, %w)
  %z = {1}(%y) {{kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]}}
  return %z
}}
)",
                                           batch, pool.op);
      EXPECT_EQ(vector_extents(text, pool.kernel), std::vector<int64_t>{24}) << text;
    }
  }
}

}  // namespace
}  // namespace dlc::passes

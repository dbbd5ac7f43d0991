// Loops whose iterations read what earlier ones have combined.
#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "ir/text.h"
#include "runtime/program.h"

namespace dlc {
namespace {

TEST(RunningSum, OfMoreElementsThanAVectorHasLanes) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[100]) {
  %axis = const i64[] {0}
  %y = CumSum(%x, %axis)
  return %y
}
)");
  runtime::Program program = codegen::compile(*graph, {});
  Tensor x(DType::kFloat, {100});
  for (int64_t i = 0; i < 100; ++i) x.set_double(i, static_cast<double>(i + 1));
  Tensor y = runtime::Context(program).run({x})[0];
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(y.get_double(i), static_cast<double>((i + 1) * (i + 2) / 2)) << "element " << i;
  }
}

}  // namespace
}  // namespace dlc

// Convolutions of small groups of channels, and depthwise ones with several filters a channel, against plain
// loops.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "codegen/compile.h"
#include "ir/builder.h"
#include "ir/op.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

struct GroupsCase {
  int64_t groups, inputs, outputs;
  int64_t height, width;
  int64_t taps, stride, dilation, pad;
};

std::string describe(const GroupsCase& c) {
  return fmt::format("{} groups of {} to {}, {} x {}, {} taps, stride {}, dilation {}, pad {}", c.groups,
                     c.inputs, c.outputs, c.height, c.width, c.taps, c.stride, c.dilation, c.pad);
}

Tensor plain_convolution(const GroupsCase& c, const Tensor& x, const Tensor& w, const Tensor& b) {
  auto extent = [&](int64_t in) { return (in + 2 * c.pad - (c.taps - 1) * c.dilation - 1) / c.stride + 1; };
  const int64_t height = extent(c.height), width = extent(c.width), channels = c.groups * c.outputs;
  Tensor y(DType::kFloat, {1, channels, height, width});
  for (int64_t o = 0; o < channels; ++o) {
    for (int64_t place = 0; place < height * width; ++place) {
      double sum = b.get_double(o);
      for (int64_t i = 0; i < c.inputs * c.taps * c.taps; ++i) {
        const int64_t channel = o / c.outputs * c.inputs + i / (c.taps * c.taps);
        const int64_t row = place / width * c.stride + i / c.taps % c.taps * c.dilation - c.pad;
        const int64_t column = place % width * c.stride + i % c.taps * c.dilation - c.pad;
        if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
        sum += x.get_double((channel * c.height + row) * c.width + column) *
               w.get_double(o * c.inputs * c.taps * c.taps + i);
      }
      y.set_double(o * height * width + place, sum);
    }
  }
  return y;
}

// `symbolic`: the height and width are known at run time only.
std::unique_ptr<ir::Graph> graph_of(const GroupsCase& c, bool symbolic, const Tensor& w, const Tensor& b) {
  auto graph = std::make_unique<ir::Graph>("groups");
  ir::Builder builder(*graph);
  ir::Shape shape = {1, c.groups * c.inputs, c.height, c.width};
  if (symbolic) {
    shape[2] = ir::Dim::symbol("height");
    shape[3] = ir::Dim::symbol("width");
    for (const char* name : {"height", "width"}) graph->symbols()[name].from_input = true;
  }
  ir::Value* x = graph->add_input("x", ir::Type(DType::kFloat, shape));
  ir::Value* y = builder.op("Conv", {x, builder.constant(w), builder.constant(b)},
                            {{"group", c.groups},
                             {"pads", std::vector<int64_t>(4, c.pad)},
                             {"strides", std::vector<int64_t>(2, c.stride)},
                             {"dilations", std::vector<int64_t>(2, c.dilation)}});
  graph->set_outputs({builder.op("Relu", {y})}, {"y"});
  return graph;
}

void check(const GroupsCase& c, bool symbolic) {
  SCOPED_TRACE(describe(c));
  const Tensor x = test::random_floats({1, c.groups * c.inputs, c.height, c.width}, 1);
  const Tensor w = test::random_floats({c.groups * c.outputs, c.inputs, c.taps, c.taps}, 2);
  const Tensor b = test::random_floats({c.groups * c.outputs}, 3);
  Tensor expected = plain_convolution(c, x, w, b);
  for (int64_t i = 0; i < expected.size(); ++i) expected.set_double(i, std::max(0.0, expected.get_double(i)));
  for (const codegen::Target& target : test::executable_targets()) {
    std::unique_ptr<ir::Graph> graph = graph_of(c, symbolic, w, b);
    codegen::CompileOptions options{.cpu = target.cpu};
    codegen::CompiledModel model = codegen::compile_to_object(*graph, options);
    EXPECT_TRUE(std::any_of(model.report.choices.begin(), model.report.choices.end(),
                            [](const codegen::KernelChoice& choice) {
                              return choice.how.find("grouped convolution") != std::string::npos;
                            }));
    runtime::Program program = codegen::load(std::move(model));
    const Tensor found = runtime::Context(program).run({x})[0];
    EXPECT_LE(test::relative_difference(found, expected), 2e-6) << "on " << target.cpu;
  }
}

TEST(ChannelGroups, FillVectors) {
  check({8, 4, 4, 9, 31, 3, 1, 1, 1}, false);
  check({16, 2, 2, 6, 40, 3, 2, 1, 1}, false);
  check({4, 8, 8, 12, 12, 3, 1, 1, 1}, false);
  check({8, 1, 4, 7, 19, 5, 1, 1, 2}, false);
  check({6, 2, 8, 8, 9, 3, 1, 2, 2}, false);
}

TEST(ChannelGroups, NeedNotFillTheLastVector) {
  check({5, 4, 4, 8, 17, 3, 1, 1, 1}, false);
  check({3, 1, 2, 5, 5, 3, 1, 1, 0}, false);
  check({7, 1, 8, 3, 33, 1, 1, 1, 0}, false);
  check({9, 2, 4, 5, 14, 3, 2, 1, 1}, false);
}

// Of a power of two of lanes, some stay free.
TEST(ChannelGroups, NeedNotBeAPowerOfTwo) {
  check({10, 3, 3, 6, 18, 3, 1, 1, 1}, false);
  check({5, 1, 3, 7, 9, 3, 2, 1, 1}, false);
  check({7, 6, 6, 5, 12, 3, 1, 1, 1}, false);
  check({4, 2, 5, 4, 20, 3, 1, 2, 2}, false);
  check({3, 4, 7, 5, 5, 1, 1, 1, 0}, false);
}

TEST(ChannelGroups, TakeSymbolicExtents) {
  check({4, 4, 4, 5, 29, 3, 1, 1, 1}, true);
  check({5, 1, 2, 3, 3, 3, 2, 1, 1}, true);
}

}  // namespace
}  // namespace dlc

// Images resized, sampled and cut into regions, and windows laid over them. Positions of regions and scales
// count as constants.
#include <numeric>

#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

// The same attributes and further inputs, for the cotangent in the place of the data.
void resize_gradient(GradientContext& context) {
  const auto inputs = context.node().inputs();
  std::vector<Value*> all(inputs.begin(), inputs.end());
  all[0] = context.grad();
  context.set(0, adjoint(context, "ResizeGradient", std::move(all)));
}

void grid_sample_gradient(GradientContext& context) {
  Value* dy = context.grad();
  if (context.wants(0)) context.set(0, adjoint(context, "GridSampleImageGradient", {dy, context.input(1)}));
  if (!context.wants(1) || context.node().attribute<std::string>("mode", "linear") == "nearest") return;
  context.set(
      1, context.builder().op_in("dlc", "GridSampleGridGradient", {dy, context.input(1), context.input(0)},
                                 context.node().attributes()));
}

void roi_align_gradient(GradientContext& context) {
  if (!context.wants(0)) return;
  std::vector<Value*> inputs = {context.grad(), context.input(1), context.input(2)};
  if (context.node().attribute<std::string>("mode", "avg") == "max") {
    inputs.push_back(context.output());
    inputs.push_back(context.input(0));
  }
  context.set(0, adjoint(context, "RoiAlignGradient", std::move(inputs)));
}

void max_roi_pool_gradient(GradientContext& context) {
  if (!context.wants(0)) return;
  context.set(0, adjoint(context, "MaxRoiPoolGradient",
                         {context.grad(), context.input(1), context.output(), context.input(0)}));
}

// A grid is a product of theta with the positions of its places, which the unit matrix in theta's place
// gives.
void affine_grid_gradient(GradientContext& context) {
  Builder& builder = context.builder();
  Term dy = grad(context);
  const int64_t axes = dy.shape().back().value();
  Tensor unit(dy.dtype(), {1, axes, axes + 1});
  for (int64_t i = 0; i < axes; ++i) unit.set_double(i * (axes + 2), 1);
  Term positions(builder, builder.op("AffineGrid", {builder.constant(std::move(unit)), context.input(1)},
                                     context.node().attributes()));
  const Dim places = product(Shape(dy.shape().begin() + 1, dy.shape().end() - 1));
  positions = reshape(positions, {places, Dim(axes)});
  Value* ones = expand(dy.number(1), {places, Dim(1)});
  Value* columns = builder.op("Concat", {positions, ones}, {{"axis", int64_t{1}}});
  Term by_coordinate = transpose(reshape(dy, {dy.shape()[0], places, Dim(axes)}), {0, 2, 1});
  context.set(0, by_coordinate.apply("MatMul", {columns}));
}

// ---- Col2Im -----------------------------------------------------------------------------------------------

std::vector<int64_t> require_known(GradientContext& context, size_t input, const char* what) {
  auto known = known_ints(context.input(input));
  if (!known) context.fail("its {} is known only during the run", what);
  return *known;
}

// Takes the blocks out of the padded cotangent, axis by axis.
void col2im_gradient(GradientContext& context) {
  Builder& builder = context.builder();
  const std::vector<int64_t> image = require_known(context, 1, "image_shape");
  const std::vector<int64_t> block = require_known(context, 2, "block_shape");
  const std::vector<WindowAxis> windows =
      windows_of(context.node(), Shape(image.begin(), image.end()), Shape(block.begin(), block.end()));
  const size_t axes = windows.size();
  Term dy = grad(context);
  std::vector<Dim> pads(2 * (axes + 2));
  for (size_t i = 0; i < axes; ++i) {
    pads[i + 2] = windows[i].pad_begin;
    pads[axes + i + 4] = windows[i].pad_end;
  }
  Term x = dy.apply("Pad", {builder.dims(pads)});
  std::vector<int64_t> taps, places;  // axes of the result
  for (size_t i = 0; i < axes; ++i) {
    const int64_t count = windows[i].output.value();
    Tensor positions(DType::kInt64, {block[i], count});
    for (int64_t k = 0; k < positions.size(); ++k) {
      positions.set_int(k, k / count * windows[i].dilation + k % count * windows[i].stride);
    }
    const auto axis = static_cast<int64_t>(2 + 2 * i);
    x = x.apply("Gather", {builder.constant(std::move(positions))}, {{"axis", axis}});
    taps.push_back(axis);
    places.push_back(axis + 1);
  }
  std::vector<int64_t> order = {0, 1};
  order.insert(order.end(), taps.begin(), taps.end());
  order.insert(order.end(), places.begin(), places.end());
  context.set(0, reshape(transpose(x, order), context.input(0)->shape()));
}

constexpr GradientRule kRules[] = {
    {"Resize", resize_gradient},          {"Upsample", resize_gradient},
    {"GridSample", grid_sample_gradient}, {"GridSample", grid_sample_gradient, "com.microsoft"},
    {"RoiAlign", roi_align_gradient},     {"MaxRoiPool", max_roi_pool_gradient},
    {"AffineGrid", affine_grid_gradient}, {"Col2Im", col2im_gradient},
};

}  // namespace

std::span<const GradientRule> image_gradients() { return kRules; }

}  // namespace dlc::ir

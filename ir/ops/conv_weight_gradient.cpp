// dlc.ConvWeightGradient: the cotangent of a convolution's weights, from its input and the cotangent of its
// result: the sum over images and places of x[n, c, place * stride + tap * dilation - pad] * dy[n, m, place].
#include "ir/ops/conv_weight_gradient.h"

#include "ir/ops/contract.h"
#include "ir/ops/convolution.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

constexpr int64_t kMaxTaps = 64;    // whose sums are held at the same time
constexpr int64_t kPlaces = 1024;   // in one sum of a tap, or a few more
constexpr int64_t kLongSum = 1024;  // places of an image from which on each image has a sum of its own

std::vector<WindowAxis> gradient_windows(const Node& node) {
  return windows_of(node, spatial_axes(node.input(0)->shape()), kernel_attribute(node));
}

void infer_conv_weight_gradient(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 3);
  require_rank(context, 1, context.rank(0));
  check_window_attributes(context, context.shape(0).size() - 2);
  Shape shape = {context.shape(1)[1], floor_div(context.shape(0)[1], groups_of(context.node()))};
  for (const Dim& extent : kernel_attribute(context.node())) shape.push_back(extent);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// ---- Dense and grouped ------------------------------------------------------------------------------------

// With places as the taps of a window it is itself a convolution.
void lower_windows(LowerContext& context, const std::vector<WindowAxis>& windows) {
  const Shape& weight = context.output_shape();
  int64_t groups = groups_of(context.node());
  ContractionBuilder builder(context, context.input_type(0).dtype);
  Dim channels = floor_div(weight[0], groups);  // output channels of a group
  Expr group = groups == 1 ? integer(0) : builder.axis(groups, AxisRole::kBatch);
  Expr in_channel = builder.axis(weight[1], AxisRole::kM);
  Index taps;
  for (const WindowAxis& window : windows) taps.push_back(builder.axis(window.kernel, AxisRole::kM));
  Expr out_channel = group * dim(channels) + builder.axis(channels, AxisRole::kN);
  Expr n = builder.axis(context.input_shape(0)[0], AxisRole::kK);
  Index a_index = {n, group * dim(weight[1]) + in_channel};
  Index b_index = {n, out_channel};
  bool padded = false;
  for (size_t i = 0; i < windows.size(); ++i) {
    Expr place = builder.axis(context.input_shape(1)[2 + i], AxisRole::kWindow);
    a_index.push_back(tap_coordinate(windows[i], place, taps[i]));
    b_index.push_back(place);
    padded = padded || windows[i].padded();
  }
  builder.a(context.input(0), a_index, padded);
  builder.b(context.input(1), b_index);
  Index out = {out_channel, in_channel};
  out.insert(out.end(), taps.begin(), taps.end());
  builder.finish(context.output(), out, builder.sum());
}

// ---- One tap ----------------------------------------------------------------------------------------------

bool is_pointwise(const Node& node, const std::vector<WindowAxis>& windows) {
  return groups_of(node) == 1 && std::all_of(windows.begin(), windows.end(), [](const WindowAxis& window) {
           return window.kernel == Dim(1) && !window.padded();
         });
}

// A matrix product: dy, transposed, times x, over all images and places. Both are read along channels, as
// they are stored between convolutions. Images with many places are summed each by itself first, so that no
// sum is too long and there are tasks for several threads.
void lower_pointwise(LowerContext& context, const std::vector<WindowAxis>& windows) {
  const Shape& weight = context.output_shape();
  const Dim& images = context.input_shape(0)[0];
  const Dim places = product(outputs_of(windows));
  const bool split = images != Dim(1) && (!places.is_constant() || places.value() >= kLongSum);
  ContractionBuilder builder(context, context.input_type(0).dtype);
  Expr n = builder.axis(images, split ? AxisRole::kBatch : AxisRole::kK);
  Expr out_channel = builder.axis(weight[0], AxisRole::kM);
  Expr in_channel = builder.axis(weight[1], AxisRole::kN);
  Index x_index = {n, in_channel}, dy_index = {n, out_channel}, out = {out_channel, in_channel};
  for (const WindowAxis& window : windows) {
    Expr place = builder.axis(window.output, AxisRole::kK);
    x_index.push_back(place * integer(window.stride));
    dy_index.push_back(place);
    out.push_back(integer(0));
  }
  builder.a(context.input(1), dy_index);
  builder.b(context.input(0), x_index);
  if (!split) return builder.finish(context.output(), out, builder.sum());
  const DType type = accumulator_type(context.input_type(0).dtype);
  BufferId parts = context.temp(type, {images, weight[0], weight[1]}, "parts");
  builder.finish(parts, {n, out_channel, in_channel}, builder.sum());
  context.reduce(
      context.output(), {images}, Combiner::kSum, constant(type, 0),
      [&](const Index& at, const Index& image) {
        return context.at(parts, {image[0], at[0], at[1]});
      },
      [&](Expr sum) { return cast(std::move(sum), context.output_type().dtype); });
}

// ---- Depthwise --------------------------------------------------------------------------------------------

bool is_depthwise(const Node& node, const Shape& weight, const std::vector<WindowAxis>& windows) {
  int64_t taps = 1;
  for (const WindowAxis& window : windows) {
    if (!window.kernel.is_constant() || window.kernel.value() > kMaxTaps) return false;
    taps *= window.kernel.value();
  }
  return weight[1] == Dim(1) && weight[0] == Dim(groups_of(node)) && taps <= kMaxTaps;
}

// Channels are independent, and are the vector lanes. A task walks over some rows of places of one image with
// the sums of all taps in registers, so that x and dy are read once; then the tasks' sums are added.
class DepthwiseKernel {
 public:
  DepthwiseKernel(LowerContext& context, const std::vector<WindowAxis>& windows)
      : context_(context), windows_(windows), type_(accumulator_type(context.input_type(0).dtype)) {
    taps_.emplace_back();
    for (const WindowAxis& window : windows) {
      std::vector<std::vector<int64_t>> longer;
      for (const std::vector<int64_t>& tap : taps_) {
        for (int64_t i = 0; i < window.kernel.value(); ++i) {
          longer.push_back(tap);
          longer.back().push_back(i);
        }
      }
      taps_ = std::move(longer);
    }
    Dim row = 1;  // places
    for (size_t i = 1; i < windows.size(); ++i) row *= windows[i].output;
    if (row.is_constant()) rows_ = std::max<int64_t>(1, kPlaces / std::max<int64_t>(1, row.value()));
  }

  void lower() {
    const Shape& x = context_.input_shape(0);
    const Dim blocks = ceil_div(windows_[0].output, rows_);
    const Dim taps = static_cast<int64_t>(taps_.size());
    BufferId parts = context_.temp(type_, {x[0], blocks, taps, x[1]}, "parts");
    sum_blocks(parts, {x[0], blocks, x[1]});
    context_.reduce(
        context_.output(), {x[0], blocks}, Combiner::kSum, constant(type_, 0),
        [&](const Index& at, const Index& block) {
          return context_.at(
              parts, {block[0], block[1], tap_number(windows_, Index(at.begin() + 2, at.end())), at[0]});
        },
        [&](Expr sum) { return cast(std::move(sum), context_.output_type().dtype); });
  }

 private:
  // Of every image and block of rows, for every channel.
  void sum_blocks(BufferId parts, const Shape& shape) {
    std::vector<VarId> vars = loop_vars(context_, shape);
    const Index at = index_of(vars);
    Block body;
    for (size_t i = 0; i < taps_.size(); ++i) {
      sums_.push_back(context_.fresh_var());
      body.push_back(let(sums_.back(), constant(type_, 0)));
    }
    std::vector<VarId> place_vars;
    Index place;
    for (size_t i = 0; i < windows_.size(); ++i) {
      place_vars.push_back(context_.fresh_var());
      place.push_back(var(place_vars.back()));
    }
    Block loops = add_place(at[0], at[2], place);
    for (size_t i = windows_.size(); i-- > 1;) {
      loops = {for_range(place_vars[i], integer(0), dim(windows_[i].output), std::move(loops))};
    }
    const Expr first = at[1] * integer(rows_);
    const Expr end = min(first + integer(rows_), dim(windows_[0].output));
    body.push_back(for_range(place_vars[0], first, end, std::move(loops)));
    for (size_t i = 0; i < taps_.size(); ++i) {
      body.push_back(
          store(parts, {at[0], at[1], integer(static_cast<int64_t>(i)), at[2]}, var(sums_[i], type_)));
    }
    context_.loop_nest(nest(vars, shape, vars.size(), std::move(body)));
  }

  // What one place adds to the sums. Inside of the image, where most places are, nothing is tested.
  Block add_place(const Expr& image, const Expr& channel, const Index& place) {
    Index dy_index = {image, channel};
    dy_index.insert(dy_index.end(), place.begin(), place.end());
    const VarId dy = context_.fresh_var();
    Block block = {let(dy, cast(context_.at_input(1, dy_index), type_))};
    Block whole, part;
    bool padded = false;
    Expr inside = boolean(true);
    for (size_t i = 0; i < windows_.size(); ++i) {
      const WindowAxis& window = windows_[i];
      if (!window.padded()) continue;
      padded = true;
      inside = inside && is_tap_inside(window, place[i], integer(0)) &&
               is_tap_inside(window, place[i], dim(window.kernel - Dim(1)));
    }
    for (size_t t = 0; t < taps_.size(); ++t) {
      Index x_index = {image, channel};
      Expr tap_inside = boolean(true);
      for (size_t i = 0; i < windows_.size(); ++i) {
        const Expr tap = integer(taps_[t][i]);
        x_index.push_back(tap_coordinate(windows_[i], place[i], tap));
        if (windows_[i].padded()) tap_inside = tap_inside && is_tap_inside(windows_[i], place[i], tap);
      }
      Stmt add =
          reduce_into(sums_[t], Combiner::kSum, cast(context_.at_input(0, x_index), type_) * var(dy, type_));
      whole.push_back(add);
      part.push_back({If{tap_inside, {add}}});
    }
    if (!padded) {
      append(block, std::move(whole));
      return block;
    }
    block.push_back({If{inside, std::move(whole)}});
    block.push_back({If{unary(ExprOp::kNot, inside), std::move(part)}});
    return block;
  }

  static Expr is_tap_inside(const WindowAxis& window, const Expr& place, const Expr& tap) {
    const Expr coordinate = tap_coordinate(window, place, tap);
    return coordinate >= integer(0) && coordinate < dim(window.input);
  }

  LowerContext& context_;
  const std::vector<WindowAxis>& windows_;
  const DType type_;
  std::vector<std::vector<int64_t>> taps_;  // in row-major order
  std::vector<VarId> sums_;                 // of each tap
  int64_t rows_ = 1;                        // of one task
};

void lower_conv_weight_gradient(LowerContext& context) {
  std::vector<WindowAxis> windows = gradient_windows(context.node());
  check_equal(context, context.input_shape(0)[0], context.input_shape(1)[0], "batch");
  for (size_t i = 0; i < windows.size(); ++i) {
    check_equal(context, windows[i].output, context.input_shape(1)[2 + i], "places");
  }
  if (is_depthwise(context.node(), context.output_shape(), windows)) {
    DepthwiseKernel(context, windows).lower();
  } else if (is_pointwise(context.node(), windows)) {
    lower_pointwise(context, windows);
  } else {
    lower_windows(context, windows);
  }
}

}  // namespace

void register_conv_weight_gradient(OpRegistry& registry) {
  registry.add({.domain = "dlc",
                .name = "ConvWeightGradient",
                .infer = infer_conv_weight_gradient,
                .lower = lower_conv_weight_gradient});
}

}  // namespace dlc::ir

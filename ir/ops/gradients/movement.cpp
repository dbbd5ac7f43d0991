// Operators that put elements elsewhere: their transposes.
#include <algorithm>
#include <numeric>

#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/movement.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/slice.h"

namespace dlc::ir {
namespace {

// ---- Transpose, Concat, Split, Tile -----------------------------------------------------------------------

void transpose_gradient(GradientContext& context) {
  size_t rank = context.input(0)->shape().size();
  std::vector<int64_t> perm(rank);
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = context.node().attribute<std::vector<int64_t>>("perm", perm);
  std::vector<int64_t> inverse(rank);
  for (size_t i = 0; i < rank; ++i) inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  context.set(0, transpose(grad(context), inverse));
}

// Elements [start, start + length) of one axis.
Term part(const Term& x, size_t axis, const Dim& start, const Dim& length) {
  Builder& builder = x.builder();
  return x.apply("Slice", {builder.dims({start}), builder.dims({start + length}),
                           builder.ints({static_cast<int64_t>(axis)})});
}

void concat_gradient(GradientContext& context) {
  size_t axis = axis_attribute(context.node(), "axis", 0, context.output()->shape().size());
  Dim start = 0;
  for (size_t i = 0; i < context.node().inputs().size(); ++i) {
    Dim length = context.input(i)->shape()[axis];
    if (context.wants(i)) context.set(i, part(grad(context), axis, start, length));
    start += length;
  }
}

void split_gradient(GradientContext& context) {
  size_t axis = axis_attribute(context.node(), "axis", 0, context.input(0)->shape().size());
  std::vector<Value*> parts;
  for (size_t i = 0; i < context.node().outputs().size(); ++i) {
    const Value* output = context.ensure_output(i);
    Value* grad = context.grad(i);
    if (grad == nullptr) grad = zeros(context.builder(), output->dtype(), output->shape());
    parts.push_back(grad);
  }
  context.set(0, context.builder().op("Concat", parts, {{"axis", static_cast<int64_t>(axis)}}));
}

// The repetitions become axes of their own, which are summed.
void tile_gradient(GradientContext& context) {
  const Shape& from = context.input(0)->shape();
  const Shape& to = context.output()->shape();
  auto repeats = known_values(context.input(1));
  Shape split;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < from.size(); ++i) {
    axes.push_back(static_cast<int64_t>(split.size()));
    split.push_back(repeats ? (*repeats)[i] : floor_div(to[i], max(from[i], Dim(1))));
    split.push_back(from[i]);
  }
  Value* repetitions = reshape(grad(context), split);
  context.set(0, context.builder().reduce("ReduceSum", repetitions, axes, false));
}

// ---- Slice ------------------------------------------------------------------------------------------------

// x becomes elements `positions` of an axis of `extent` elements; where positions repeat they are summed.
Term placed(const Term& x, const Term& positions, size_t axis, const Dim& extent) {
  Shape line(x.shape().size(), 1);
  line[axis] = x.shape()[axis];
  Shape whole = x.shape();
  whole[axis] = extent;
  Term indices = expand(reshape(positions, line), x.shape());
  return zeros(x.builder(), x.dtype(), whole)
      .apply("ScatterElements", {indices, x},
             {{"axis", static_cast<int64_t>(axis)}, {"reduction", std::string("add")}});
}

Term padded(const Term& x, size_t axis, const Dim& before, const Dim& after) {
  Builder& builder = x.builder();
  return x.apply("Pad", {builder.dims({before, after}), nullptr, builder.ints({static_cast<int64_t>(axis)})});
}

// The positions that a slice takes, by the slice of 0, 1, 2, ...
Term sliced_positions(GradientContext& context, const AxisSlice& slice, const Dim& extent) {
  Builder& builder = context.builder();
  std::vector<Value*> bounds;
  for (size_t i : {1, 2, 4}) {
    Value* all = context.input(i);
    if (all == nullptr) continue;
    bounds.push_back(builder.op("Gather", {all, builder.ints({static_cast<int64_t>(slice.position)})}));
  }
  bounds.insert(bounds.begin() + 2, builder.ints({0}));
  return range(builder, extent).apply("Slice", bounds);
}

void slice_gradient(GradientContext& context) {
  const Shape& shape = context.input(0)->shape();
  Term d = grad(context);
  std::vector<AxisSlice> slices = slices_of(context.node());
  for (size_t i = slices.size(); i-- > 0;) {
    const AxisSlice& slice = slices[i];
    const Dim& extent = shape[slice.axis];
    if (slice.window && slice.window->start == Dim(0) && slice.window->length == extent) continue;
    if (slice.window && slice.step == 1) {
      d = padded(d, slice.axis, slice.window->start, extent - slice.window->start - slice.window->length);
    } else {
      d = placed(d, sliced_positions(context, slice, extent), slice.axis, extent);
    }
  }
  context.set(0, d);
}

// ---- Pad, CenterCropPad -----------------------------------------------------------------------------------

// What was added is cropped and what was cropped is zero: padding by the negative of the pads.
void constant_pad_gradient(GradientContext& context) {
  Term dy = grad(context);
  auto pads = known_values(context.input(1));
  Value* negative = nullptr;
  if (pads) {
    for (Dim& pad : *pads) pad = -pad;
    negative = context.builder().dims(*pads);
  } else {
    negative = -input(context, 1);
  }
  std::vector<Value*> more = {negative, nullptr, context.input(3)};
  if (context.input(3) == nullptr) more.resize(1);
  Term dx = dy.apply("Pad", more);
  context.set(0, dx);
  if (!context.wants(2)) return;
  auto total = [](const Term& x) { return sum(x, all_axes(static_cast<int64_t>(x.shape().size()))); };
  context.set(2, reshape(total(dy) - total(dx), context.input(2)->shape()));
}

// Padded elements are copies: the same padding of the positions says of which.
void copying_pad_gradient(GradientContext& context) {
  Builder& builder = context.builder();
  std::vector<size_t> axes = padded_axes(context.node());
  Term d = grad(context);
  for (size_t i = 0; i < axes.size(); ++i) {
    const Dim& extent = context.input(0)->shape()[axes[i]];
    auto bound = [&](size_t which) {
      return builder.op("Gather", {context.input(1), builder.ints({static_cast<int64_t>(which)})});
    };
    Value* pads = builder.op("Concat", {bound(i), bound(i + axes.size())}, {{"axis", int64_t{0}}});
    Attributes attributes = {{"mode", context.node().attribute<std::string>("mode")}};
    Term positions = range(builder, extent).apply("Pad", {pads}, attributes);
    if (d.shape()[axes[i]] == extent && positions.shape()[0] == extent) continue;
    d = placed(d, positions, axes[i], extent);
  }
  context.set(0, d);
}

void pad_gradient(GradientContext& context) {
  if (context.node().attribute<std::string>("mode", "constant") == "constant") {
    constant_pad_gradient(context);
  } else {
    copying_pad_gradient(context);
  }
}

// Padding and cropping are centred alike.
void center_crop_pad_gradient(GradientContext& context) {
  const Shape& shape = context.input(0)->shape();
  Attributes attributes;
  std::vector<Dim> extents;
  if (context.node().has("axes")) {
    const auto& axes = context.node().attribute<std::vector<int64_t>>("axes");
    attributes["axes"] = axes;
    auto rank = static_cast<int64_t>(shape.size());
    for (int64_t axis : axes) extents.push_back(shape[static_cast<size_t>(axis < 0 ? axis + rank : axis)]);
  } else {
    extents = shape;
  }
  context.set(0, grad(context).apply("CenterCropPad", {context.builder().dims(extents)}, attributes));
}

// ---- Blocks, triangles, reversal --------------------------------------------------------------------------

template <const char* kInverse>
void blocks_gradient(GradientContext& context) {
  Attributes attributes = {{"blocksize", context.node().attribute<int64_t>("blocksize")},
                           {"mode", context.node().attribute<std::string>("mode", "DCR")}};
  context.set(0, grad(context).apply(kInverse, {}, attributes));
}

constexpr char kDepthToSpace[] = "DepthToSpace";
constexpr char kSpaceToDepth[] = "SpaceToDepth";

// Linear functions that are their own transposes: the same node of the cotangent.
void own_transpose(GradientContext& context) {
  std::vector<Value*> more(context.node().inputs().begin() + 1, context.node().inputs().end());
  context.set(0, grad(context).apply(context.node().op().name, more, context.node().attributes()));
}

constexpr GradientRule kRules[] = {
    {"Transpose", transpose_gradient},
    {"Concat", concat_gradient},
    {"Split", split_gradient},
    {"Tile", tile_gradient},
    {"Slice", slice_gradient},
    {"Pad", pad_gradient},
    {"CenterCropPad", center_crop_pad_gradient},
    {"DepthToSpace", blocks_gradient<kSpaceToDepth>},
    {"SpaceToDepth", blocks_gradient<kDepthToSpace>},
    {"Trilu", own_transpose},
    {"ReverseSequence", own_transpose},
};

}  // namespace

std::span<const GradientRule> movement_gradients() { return kRules; }

}  // namespace dlc::ir

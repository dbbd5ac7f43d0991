// Pad and CenterCropPad.
#include <algorithm>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/movement.h"
#include "ir/ops/runtime_axes.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

enum class PadMode : uint8_t { kConstant, kReflect, kEdge, kWrap };

std::optional<PadMode> mode_of(const Node& node) {
  std::string mode = node.attribute<std::string>("mode", "constant");
  if (mode == "constant") return PadMode::kConstant;
  if (mode == "reflect") return PadMode::kReflect;
  if (mode == "edge") return PadMode::kEdge;
  if (mode == "wrap") return PadMode::kWrap;
  return std::nullopt;
}

void infer_pad(InferContext& context) {
  if (!mode_of(context.node())) {
    context.fail("mode: expected constant, reflect, edge or wrap, found '{}'",
                 context.node().attribute<std::string>("mode", ""));
  }
  require_rank(context, 1, 1);
  require_single(context, 2);
  auto given = known_axes(context.node(), 3);
  if (!given) {
    require_equal_extents(context, context.shape(1)[0], Dim(2 * count_axes(context, 3)), "length of pads");
    Shape shape = context.shape(0);
    for (Dim& extent : shape) extent = context.fresh_symbol("pad");
    return context.set_output(0, Type(context.dtype(0), std::move(shape)));
  }
  if (context.has_input(3)) normalize_axes(context, *given, context.rank(0));
  std::vector<size_t> axes = padded_axes(context.node());
  Dim expected = static_cast<int64_t>(2 * axes.size());
  require_equal_extents(context, context.shape(1)[0], expected, "length of pads");
  Shape shape = context.shape(0);
  auto pads = context.shape_value(1);
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& extent = shape[axes[i]];
    extent = pads ? extent + (*pads)[i] + (*pads)[i + axes.size()] : context.fresh_symbol("pad");
    if (extent.is_constant() && extent.value() < 0)
      context.fail("axis {}: padded to extent {}", axes[i], extent.value());
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// Axes that only the run knows: the other axes get no padding.
bool expand_pad(Builder& builder, Node& node) {
  if (known_axes(node, 3)) return false;
  auto rank = static_cast<int64_t>(node.input(0)->shape().size());
  int64_t count = node.input(3)->shape()[0].value();
  auto sides =
      builder.op_n("Split", 2, {node.input(1), builder.ints({count, count})}, {{"axis", int64_t{0}}});
  for (Value*& side : sides) side = scatter_to_axes(builder, side, node.input(3), rank, 0);
  Value* pads = builder.op("Concat", std::move(sides), {{"axis", int64_t{0}}});
  builder.replace(node, 0, builder.op("Pad", {node.input(0), pads, node.input(2)}, node.attributes()));
  return true;
}

// Of one padded axis.
struct AxisPad {
  size_t axis;
  Dim begin;
  Dim extent;  // of the input
  Dim total;   // of the output
};

// The index of the input that output index `i` copies, for the modes that fill from the input.
Expr source_index(const Expr& i, const AxisPad& pad, PadMode mode) {
  Expr extent = dim(pad.extent);
  Expr last = dim(pad.extent - Dim(1));
  Expr position = i - dim(pad.begin);
  if (mode == PadMode::kEdge) return max(integer(0), min(position, last));
  if (mode == PadMode::kWrap) return binary(ExprOp::kMod, position, extent);
  Dim end = pad.total - pad.extent - pad.begin;
  bool once = pad.begin.is_constant() && end.is_constant() && pad.extent.is_constant() &&
              std::max(pad.begin.value(), end.value()) < pad.extent.value();
  if (once) return last - unary(ExprOp::kAbs, last - unary(ExprOp::kAbs, position));
  Expr period = dim(max(Dim(1), pad.extent * Dim(2) - Dim(2)));
  Expr phase = binary(ExprOp::kMod, position, period);
  return min(phase, max(integer(0), period - phase));
}

bool may_be_positive(const Dim& value) {
  auto high = upper_bound(value);
  return !high || *high > 0;
}

Expr all_of(const std::vector<Expr>& conditions) {
  Expr result = conditions.front();
  for (size_t i = 1; i < conditions.size(); ++i) result = result && conditions[i];
  return result;
}

void lower_padded(LowerContext& context, const std::vector<AxisPad>& pads, PadMode mode, const Expr& fill) {
  context.map_output([&](const Index& index) {
    Index from = index;
    std::vector<Expr> inside;
    for (const AxisPad& pad : pads) {
      const Expr& i = index[pad.axis];
      if (mode != PadMode::kConstant) {
        from[pad.axis] = source_index(i, pad, mode);
        continue;
      }
      from[pad.axis] = i - dim(pad.begin);
      if (may_be_positive(pad.begin)) inside.push_back(i >= dim(pad.begin));
      if (may_be_positive(pad.total - pad.extent - pad.begin))
        inside.push_back(i < dim(pad.begin + pad.extent));
    }
    Expr value = context.at_input(0, std::move(from));
    return inside.empty() ? value : select(all_of(inside), value, fill);
  });
}

// Without an axis that really is padded or cropped the output is the input.
bool changes(const AxisPad& pad) { return !(pad.begin == Dim(0) && pad.total == pad.extent); }

std::vector<AxisPad> pads_of(LowerContext& context) {
  auto known = known_values(context.node().input(1));
  std::vector<size_t> axes = padded_axes(context.node());
  check_equal(context, context.input_shape(1)[0], Dim(static_cast<int64_t>(2 * axes.size())),
              "length of pads");
  std::vector<AxisPad> pads;
  std::vector<RuntimeExtent> extents;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Dim& extent = context.input_shape(0)[axes[i]];
    AxisPad pad{axes[i], 0, extent, context.output_shape()[axes[i]]};
    if (known) {
      pad.begin = (*known)[i];
    } else {
      Expr begin = context.at_input(1, {integer(static_cast<int64_t>(i))});
      Expr end = context.at_input(1, {integer(static_cast<int64_t>(i + axes.size()))});
      pad.begin = bind_number(context, begin, INT64_MIN, INT64_MAX, "pads");
      extents.push_back({axes[i], dim(extent) + begin + end});
    }
    if (changes(pad)) pads.push_back(std::move(pad));
  }
  bind_extents(context, 0, extents, "padded extent");
  return pads;
}

Expr fill_value(LowerContext& context) {
  DType type = context.input_type(0).dtype;
  if (!context.has_input(2)) return constant(type, 0);
  return single_element(context, 2);
}

void lower_pad(LowerContext& context) {
  std::vector<AxisPad> pads = pads_of(context);
  if (pads.empty()) return context.alias_output(0, context.input(0));
  PadMode mode = *mode_of(context.node());
  Expr fill = mode == PadMode::kConstant ? fill_value(context) : Expr();
  lower_padded(context, pads, mode, fill);
}

// Attributes become inputs.
void upgrade_pad(Graph& graph, Node& node, int) {
  ints_attribute_to_input(graph, node, "pads", 1);
  if (!node.has("value")) return;
  double value = node.attribute<double>("value");
  node.erase_attribute("value");
  if (value == 0) return;
  Value* fill = graph.add_constant("", Tensor::scalar(DType::kFloat, value));
  node.set_input(2, insert_op(graph, node, "CastLike", {fill, node.input(0)}));
}

// ---- CenterCropPad

std::vector<size_t> target_axes(const Node& node) {
  size_t rank = node.input(0)->shape().size();
  std::vector<size_t> result;
  if (node.has("axes")) {
    for (int64_t axis : node.attribute<std::vector<int64_t>>("axes")) {
      result.push_back(static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis));
    }
  } else {
    for (size_t i = 0; i < rank; ++i) result.push_back(i);
  }
  return result;
}

void infer_center_crop_pad(InferContext& context) {
  require_rank(context, 1, 1);
  if (context.node().has("axes")) {
    normalize_axes(context, context.node().attribute<std::vector<int64_t>>("axes"), context.rank(0));
  }
  std::vector<size_t> axes = target_axes(context.node());
  require_equal_extents(context, context.shape(1)[0], Dim(static_cast<int64_t>(axes.size())),
                        "length of shape");
  auto target = context.shape_value(1);
  Shape shape = context.shape(0);
  for (size_t i = 0; i < axes.size(); ++i)
    shape[axes[i]] = target ? (*target)[i] : context.fresh_symbol("crop");
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// What is added in front of an axis, negative where the axis is cropped: half of the difference, towards
// zero.
Dim centered_begin(const Dim& extent, const Dim& total) {
  return max(Dim(0), floor_div(total - extent, 2)) - max(Dim(0), floor_div(extent - total, 2));
}

void lower_center_crop_pad(LowerContext& context) {
  std::vector<size_t> axes = target_axes(context.node());
  if (!known_values(context.node().input(1))) {
    check_equal(context, context.input_shape(1)[0], Dim(static_cast<int64_t>(axes.size())),
                "length of shape");
    std::vector<RuntimeExtent> extents;
    for (size_t i = 0; i < axes.size(); ++i) {
      extents.push_back(
          {axes[i], cast(context.at_input(1, {integer(static_cast<int64_t>(i))}), DType::kInt64)});
    }
    bind_extents(context, 0, extents, "shape");
  }
  std::vector<AxisPad> pads;
  for (size_t axis : axes) {
    const Dim& extent = context.input_shape(0)[axis];
    const Dim& total = context.output_shape()[axis];
    AxisPad pad{axis, centered_begin(extent, total), extent, total};
    if (changes(pad)) pads.push_back(std::move(pad));
  }
  if (pads.empty()) return context.alias_output(0, context.input(0));
  lower_padded(context, pads, PadMode::kConstant, constant(context.input_type(0).dtype, 0));
}

}  // namespace

std::vector<size_t> padded_axes(const Node& node) {
  size_t rank = node.input(0)->shape().size();
  std::vector<size_t> result;
  if (auto given = known_ints(node.input(3))) {
    for (int64_t axis : *given)
      result.push_back(static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis));
  } else {
    for (size_t i = 0; i < rank; ++i) result.push_back(i);
  }
  return result;
}

OpDef pad_record() {
  return {.name = "Pad",
          .infer = infer_pad,
          .expand = expand_pad,
          .lower = lower_pad,
          .upgrades = {{11, upgrade_pad}},
          .traits = Trait::kMovement};
}

OpDef center_crop_pad_record() {
  return {.name = "CenterCropPad",
          .infer = infer_center_crop_pad,
          .lower = lower_center_crop_pad,
          .traits = Trait::kMovement};
}

}  // namespace dlc::ir

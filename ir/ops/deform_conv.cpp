// DeformConv: a matrix product of the weights with columns of samples. The columns are an operator of their
// own, dlc.DeformColumns, so that the product is one like any other.
#include "ir/builder.h"
#include "ir/ops/image.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/sampling.h"
#include "ir/ops/window.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

// Inputs of DeformConv.
constexpr size_t kData = 0, kWeight = 1, kOffset = 2, kBias = 3, kMask = 4;

int64_t groups_of(const Node& node) { return node.attribute<int64_t>("group", 1); }
int64_t offset_groups_of(const Node& node) { return node.attribute<int64_t>("offset_group", 1); }

Shape kernel_of(const Node& node) {
  return node.has("kernel_shape") ? kernel_attribute(node) : spatial_axes(node.input(kWeight)->shape());
}

// Checks that offsets, and masks where there are some, fit a window over the data; returns the output's
// spatial extents.
Shape check_offsets(InferContext& context, const Shape& kernel, size_t offset, size_t mask) {
  size_t axes = kernel.size();
  check_window_attributes(context, axes);
  std::vector<WindowAxis> windows = windows_of(context.node(), spatial_axes(context.shape(kData)), kernel);
  check_window_extents(context, windows);
  Dim sampled = product(kernel) * Dim(offset_groups_of(context.node()));
  auto check_input = [&](size_t input, const Dim& channels, const char* name) {
    require_rank(context, input, static_cast<int64_t>(axes + 2));
    const Shape& shape = context.shape(input);
    require_equal_extents(context, shape[0], context.shape(kData)[0], fmt::format("batch of {}", name));
    require_equal_extents(context, shape[1], channels, fmt::format("channels of {}", name));
    for (size_t i = 0; i < axes; ++i)
      require_equal_extents(context, shape[i + 2], windows[i].output,
                            fmt::format("axis {} of {}", i + 2, name));
  };
  check_input(offset, sampled * Dim(static_cast<int64_t>(axes)), "the offsets");
  if (context.has_input(mask)) check_input(mask, sampled, "the mask");
  return outputs_of(windows);
}

void require_divides(const InferContext& context, int64_t count, const Dim& extent, const char* what) {
  if (count < 1) context.fail("attribute '{}': expected a positive number, found {}", what, count);
  if (extent.is_constant() && extent.value() % count != 0)
    context.fail("attribute '{}': {} does not divide the {} channels", what, count, extent.value());
}

// ---- DeformConv -------------------------------------------------------------------------------------------

void infer_deform_conv(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, kData, 3);
  require_rank(context, kWeight, context.rank(kData));
  const Shape& weight = context.shape(kWeight);
  const Dim& channels = context.shape(kData)[1];
  require_divides(context, groups_of(context.node()), channels, "group");
  require_divides(context, groups_of(context.node()), weight[0], "group");
  require_divides(context, offset_groups_of(context.node()), channels, "offset_group");
  require_equal_extents(context, channels, weight[1] * Dim(groups_of(context.node())), "channels");
  Shape kernel = kernel_of(context.node());
  for (const Dim& extent : kernel) context.known(extent, "an extent of the kernel");
  if (kernel.size() != weight.size() - 2)
    context.fail("attribute 'kernel_shape': expected {} numbers, found {}", weight.size() - 2, kernel.size());
  for (size_t i = 0; i < kernel.size(); ++i)
    require_equal_extents(context, kernel[i], weight[i + 2], "kernel_shape");
  if (context.has_input(kBias)) {
    require_rank(context, kBias, 1);
    require_equal_extents(context, context.shape(kBias)[0], weight[0], "length of the bias");
  }
  Shape shape = {context.shape(kData)[0], weight[0]};
  for (const Dim& extent : check_offsets(context, kernel, kOffset, kMask)) shape.push_back(extent);
  context.set_output(0, Type(context.dtype(kData), std::move(shape)));
}

// Columns [batch, group, place, tap and channel] times weights [group, tap and channel, output channel].
bool expand_deform_conv(Builder& builder, Node& node) {
  const Shape& weight = node.input(kWeight)->shape();
  const Shape& shape = node.output(0)->shape();
  Dim groups = groups_of(node);
  Dim taps = product(kernel_of(node));
  Dim outputs = floor_div(weight[0], groups);
  Attributes attributes = node.attributes();
  attributes["kernel_shape"] = static_shape(kernel_of(node));
  Value* columns = builder.op_in("dlc", "DeformColumns",
                                 {node.input(kData), node.input(kOffset), node.input(kMask)}, attributes);
  Value* factor = builder.reshape(node.input(kWeight), {groups, outputs, weight[1], taps});
  factor = builder.transpose(factor, {0, 3, 2, 1});
  factor = builder.reshape(factor, {groups, taps * weight[1], outputs});
  Value* result = builder.op("MatMul", {columns, factor});
  result = builder.transpose(result, {0, 1, 3, 2});
  result = builder.reshape(result, shape);
  if (Value* bias = node.input(kBias)) {
    Shape per_channel(shape.size(), 1);
    per_channel[1] = weight[0];
    result = builder.add(result, builder.reshape(bias, per_channel));
  }
  builder.replace(node, 0, result);
  return true;
}

// ---- dlc.DeformColumns ------------------------------------------------------------------------------------

// Inputs: data, offsets, masks or none. Attributes as of DeformConv, kernel_shape given.
void infer_columns(InferContext& context) {
  Shape kernel = kernel_attribute(context.node());
  Shape places = check_offsets(context, kernel, 1, 2);
  Dim groups = groups_of(context.node());
  const Shape& data = context.shape(kData);
  Dim per_group = floor_div(data[1], groups);
  context.set_output(
      0, Type(context.dtype(kData), {data[0], groups, product(places), product(kernel) * per_group}));
}

class ColumnsKernel {
 public:
  explicit ColumnsKernel(LowerContext& context)
      : context_(context),
        type_(compute_type(context.input_type(0).dtype)),
        kernel_(kernel_attribute(context.node())),
        windows_(windows_of(context.node(), spatial_axes(context.input_shape(0)), kernel_)),
        body_(context) {}

  void run() {
    const Shape& data = context_.input_shape(0);
    Dim offset_groups = offset_groups_of(context_.node());
    Dim per_offset_group = floor_div(data[1], offset_groups);
    check_shapes();
    check_image(context_, spatial_axes(data), outputs_of(windows_));
    Shape shape = {data[0]};
    for (const WindowAxis& window : windows_) shape.push_back(window.output);
    shape.insert(shape.end(), kernel_.begin(), kernel_.end());
    shape.push_back(offset_groups);
    std::vector<VarId> vars = loop_vars(context_, shape);
    split(index_of(vars));
    std::vector<std::vector<AxisTap>> axes;
    for (size_t i = 0; i < windows_.size(); ++i) axes.push_back(taps(i));
    std::vector<VarId> inner = loop_vars(context_, {per_offset_group});
    Expr channel = offset_group_ * dim(per_offset_group) + index_of(inner)[0];
    Block channels = serial_nest(inner, {per_offset_group}, {column(channel, axes)});
    Block body = body_.take();
    append(body, std::move(channels));
    context_.loop_nest(nest(vars, shape, shape.size(), std::move(body)));
  }

 private:
  void check_shapes() {
    check_outputs(context_, windows_);
    for (size_t input : {size_t{1}, size_t{2}}) {
      if (!context_.has_input(input)) continue;
      const Shape& shape = context_.input_shape(input);
      Dim taps = product(kernel_) * Dim(offset_groups_of(context_.node()));
      if (input == 1) taps *= Dim(static_cast<int64_t>(windows_.size()));
      check_equal(context_, shape[0], context_.input_shape(0)[0], "batch");
      check_equal(context_, shape[1], taps, "channels of offsets and masks");
      for (size_t i = 0; i < windows_.size(); ++i)
        check_equal(context_, shape[i + 2], windows_[i].output, "places of offsets and masks");
    }
  }

  void split(const Index& index) {
    size_t axes = windows_.size();
    auto begin = index.begin() + 1;
    batch_ = index[0];
    place_.assign(begin, begin + static_cast<ptrdiff_t>(axes));
    tap_.assign(begin + static_cast<ptrdiff_t>(axes), begin + static_cast<ptrdiff_t>(2 * axes));
    offset_group_ = index.back();
    flat_place_ = integer(0);
    flat_tap_ = integer(0);
    for (size_t i = 0; i < axes; ++i) {
      flat_place_ = flat_place_ * dim(windows_[i].output) + place_[i];
      flat_tap_ = flat_tap_ * dim(kernel_[i]) + tap_[i];
    }
  }
  // An element of the offsets or masks at this place.
  Expr at_place(size_t input, const Expr& channel) const {
    Index index = {batch_, channel};
    index.insert(index.end(), place_.begin(), place_.end());
    return widen(context_.at_input(input, std::move(index)));
  }
  Expr flat_sample() const { return offset_group_ * dim(product(kernel_)) + flat_tap_; }

  std::vector<AxisTap> taps(size_t axis) {
    auto axes = static_cast<int64_t>(windows_.size());
    Expr offset = at_place(1, flat_sample() * integer(axes) + integer(static_cast<int64_t>(axis)));
    Expr regular = tap_coordinate(windows_[axis], place_[axis], tap_[axis]);
    Expr coordinate = body_.define(cast(regular, type_) + offset);
    std::vector<AxisTap> result = linear_taps(coordinate, windows_[axis].input);
    body_.define_all(result);
    return result;
  }

  Stmt column(const Expr& channel, const std::vector<std::vector<AxisTap>>& axes) {
    Expr value = blend(axes, [&](const Index& at) {
      Index from = {batch_, channel};
      from.insert(from.end(), at.begin(), at.end());
      return widen(context_.at_input(0, std::move(from)));
    });
    if (context_.has_input(2)) value = value * body_.define(at_place(2, flat_sample()));
    Dim per_group = floor_div(context_.input_shape(0)[1], Dim(groups_of(context_.node())));
    bool one_group = groups_of(context_.node()) == 1;
    Expr group = one_group ? integer(0) : binary(ExprOp::kFloorDiv, channel, dim(per_group));
    Expr rest = one_group ? channel : channel - group * dim(per_group);
    Index to = {batch_, group, flat_place_, flat_tap_ * dim(per_group) + rest};
    return store(context_.output(), std::move(to), cast(value, context_.output_type().dtype));
  }

  LowerContext& context_;
  DType type_;
  Shape kernel_;
  std::vector<WindowAxis> windows_;
  PlaceBody body_;
  Expr batch_, offset_group_, flat_place_, flat_tap_;
  Index place_, tap_;
};

void lower_columns(LowerContext& context) { ColumnsKernel(context).run(); }

// ---- In simpler operators ---------------------------------------------------------------------------------

// The regular positions [1, 1, taps, places, axes] of samples; the offsets are added to them.
Tensor regular_positions(const std::vector<WindowAxis>& windows, DType type) {
  int64_t taps = 1, places = 1;
  for (const WindowAxis& window : windows) {
    taps *= window.kernel.value();
    places *= window.output.value();
  }
  const auto axes = static_cast<int64_t>(windows.size());
  Tensor result(type, {1, 1, taps, places, axes});
  for (int64_t i = 0; i < taps * places; ++i) {
    int64_t tap = i / places, place = i % places;
    for (int64_t axis = axes; axis-- > 0;) {
      const WindowAxis& window = windows[static_cast<size_t>(axis)];
      const int64_t at = place % window.output.value() * window.stride - window.pad_begin.value() +
                         tap % window.kernel.value() * window.dilation;
      result.set_double(i * axes + axis, static_cast<double>(at));
      tap /= window.kernel.value();
      place /= window.output.value();
    }
  }
  return result;
}

// Positions in elements [..., axes] as a grid: from -1 to 1, the last axis first.
Term as_grid(const Term& positions, const Shape& spatial) {
  Builder& builder = positions.builder();
  const auto axes = static_cast<int64_t>(spatial.size());
  Tensor length(positions.dtype(), {axes}), order(DType::kInt64, {axes});
  for (int64_t i = 0; i < axes; ++i) {
    length.set_double(i, static_cast<double>(spatial[static_cast<size_t>(i)].value()));
    order.set_int(i, axes - 1 - i);
  }
  const Term scaled = (2 * positions + 1) / Term(builder, builder.constant(std::move(length))) - 1;
  return scaled.apply("Gather", {builder.constant(std::move(order))}, {{"axis", int64_t{-1}}});
}

// Samples of a grid, for extents that are known.
bool unfold_columns(Builder& builder, Node& node) {
  Term data(builder, node.input(0)), offsets(builder, node.input(1));
  const Shape spatial = spatial_axes(data.shape());
  const Shape kernel = kernel_attribute(node);
  const std::vector<WindowAxis> windows = windows_of(node, spatial, kernel);
  if (!is_static(spatial) || !is_static(outputs_of(windows))) return false;
  const Dim batch = data.shape()[0], channels = data.shape()[1], count = offset_groups_of(node);
  const Dim taps = product(kernel), places = product(outputs_of(windows)), groups = groups_of(node);
  const auto axes = static_cast<int64_t>(spatial.size());
  const Dim images = batch * count, each = floor_div(channels, count);
  Term positions = transpose(reshape(offsets, {batch, count, taps, Dim(axes), places}), {0, 1, 2, 4, 3});
  positions = positions + Term(builder, builder.constant(regular_positions(windows, data.dtype())));
  Shape grid = {images, taps * places};
  if (axes > 1) grid = {images, taps, places};
  while (static_cast<int64_t>(grid.size()) < axes + 1) grid.emplace_back(1);
  grid.emplace_back(axes);
  Shape image = {images, each};
  image.insert(image.end(), spatial.begin(), spatial.end());
  Term samples = reshape(data, image).apply("GridSample", {reshape(as_grid(positions, spatial), grid)});
  samples = reshape(samples, {batch, count, each, taps, places});
  if (node.input(2) != nullptr) {
    samples = samples * reshape(Term(builder, node.input(2)), {batch, count, Dim(1), taps, places});
  }
  const Dim per_group = floor_div(channels, groups);
  samples = transpose(reshape(samples, {batch, groups, per_group, taps, places}), {0, 1, 4, 3, 2});
  builder.replace(node, 0, reshape(samples, {batch, groups, places, taps * per_group}));
  return true;
}

}  // namespace

std::vector<OpDef> deform_conv_records() {
  return {
      {.name = "DeformConv", .infer = infer_deform_conv, .expand = expand_deform_conv},
      {.domain = "dlc",
       .name = "DeformColumns",
       .infer = infer_columns,
       .lower = lower_columns,
       .unfold = unfold_columns},
  };
}

}  // namespace dlc::ir

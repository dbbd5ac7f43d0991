// AffineGrid and GridSample: where to look in an image, and what is there.
#include "ir/ops/image.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/sampling.h"

namespace dlc::ir {
namespace {

bool aligns_corners(const Node& node) { return node.attribute<int64_t>("align_corners", 0) != 0; }

// ---- AffineGrid -------------------------------------------------------------------------------------------

void infer_affine_grid(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  require_rank(context, 0, 3);
  require_rank(context, 1, 1);
  const Dim& rank = context.shape(1)[0];
  if (rank != Dim(4) && rank != Dim(5))
    context.fail("size: expected 4 or 5 numbers, found {}", rank.to_string());
  int64_t axes = rank.value() - 2;
  require_equal_extents(context, context.shape(0)[1], Dim(axes), "rows of theta");
  require_equal_extents(context, context.shape(0)[2], Dim(axes + 1), "columns of theta");
  auto size = context.shape_value(1);
  Shape shape = {context.shape(0)[0]};
  for (int64_t i = 0; i < axes; ++i)
    shape.push_back(size ? (*size)[static_cast<size_t>(i + 2)] : context.fresh_symbol("grid"));
  shape.emplace_back(axes);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// Position i of an axis, from -1 to 1.
Expr grid_coordinate(const Expr& i, const Dim& extent, bool align_corners, DType type) {
  Expr one = constant(type, 1);
  Expr twice = cast(i, type) * constant(type, 2);
  if (align_corners) return twice / extent_as(max(Dim(1), extent - Dim(1)), type) - one;
  return (twice + one) / extent_as(extent, type) - one;
}

void lower_affine_grid(LowerContext& context) {
  size_t axes = context.output_shape().size() - 2;
  if (!known_values(context.node().input(1))) {
    std::vector<RuntimeExtent> extents;
    for (size_t i = 0; i < axes; ++i)
      extents.push_back({i + 1, context.at_input(1, {integer(static_cast<int64_t>(i + 2))})});
    bind_extents(context, 0, extents, "size");
  }
  const Shape& shape = context.output_shape();
  const Shape& theta = context.input_shape(0);
  check_equal(context, theta[1], Dim(static_cast<int64_t>(axes)), "rows of theta");
  check_equal(context, theta[2], Dim(static_cast<int64_t>(axes + 1)), "columns of theta");
  DType type = compute_type(context.output_type().dtype);
  bool align = aligns_corners(context.node());
  context.map_output([&](const Index& index) {
    auto factor = [&](size_t column) {
      return widen(context.at_input(0, {index.front(), index.back(), integer(static_cast<int64_t>(column))}));
    };
    Expr sum = factor(axes);
    // x, the first column, belongs to the last spatial axis.
    for (size_t column = 0; column < axes; ++column) {
      size_t axis = axes - column;
      sum = sum + factor(column) * grid_coordinate(index[axis], shape[axis], align, type);
    }
    return cast(sum, context.output_type().dtype);
  });
}

// ---- GridSample -------------------------------------------------------------------------------------------

enum class SampleMode : uint8_t { kNearest, kLinear, kCubic };
enum class PaddingMode : uint8_t { kZeros, kBorder, kReflection };

std::optional<SampleMode> mode_of(const Node& node) {
  std::string mode = node.attribute<std::string>("mode", "linear");
  if (mode == "nearest") return SampleMode::kNearest;
  if (mode == "linear" || mode == "bilinear") return SampleMode::kLinear;
  if (mode == "cubic" || mode == "bicubic") return SampleMode::kCubic;
  return std::nullopt;
}

std::optional<PaddingMode> padding_of(const Node& node) {
  std::string mode = node.attribute<std::string>("padding_mode", "zeros");
  if (mode == "zeros") return PaddingMode::kZeros;
  if (mode == "border") return PaddingMode::kBorder;
  if (mode == "reflection") return PaddingMode::kReflection;
  return std::nullopt;
}

void infer_grid_sample(InferContext& context) {
  const Node& node = context.node();
  if (!mode_of(node)) {
    context.fail("attribute 'mode': expected linear, nearest or cubic, found '{}'",
                 node.attribute<std::string>("mode", ""));
  }
  if (!padding_of(node)) {
    context.fail("attribute 'padding_mode': expected zeros, border or reflection, found '{}'",
                 node.attribute<std::string>("padding_mode", ""));
  }
  require_rank_at_least(context, 0, 3);
  require_rank(context, 1, context.rank(0));
  require_type(context, 1, TypeClass::kFloat);
  if (*mode_of(node) != SampleMode::kNearest) require_type(context, 0, TypeClass::kNumeric);
  const Shape& grid = context.shape(1);
  require_equal_extents(context, context.shape(0)[0], grid[0], "batch");
  require_equal_extents(context, grid.back(), Dim(context.rank(0) - 2), "last axis of the grid");
  Shape shape = {context.shape(0)[0], context.shape(0)[1]};
  shape.insert(shape.end(), grid.begin() + 1, grid.end() - 1);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// The kernel of a GridSample node, in the making.
class GridSampling {
 public:
  explicit GridSampling(LowerContext& context)
      : context_(context),
        mode_(*mode_of(context.node())),
        padding_(*padding_of(context.node())),
        align_(aligns_corners(context.node())),
        type_(compute_type(context.input_type(1).dtype)),
        body_(context) {}

  void run() {
    const Shape& image = context_.input_shape(0);
    const Shape& shape = context_.output_shape();
    check_equal(context_, image[0], context_.input_shape(1)[0], "batch");
    check_equal(context_, context_.input_shape(1).back(), Dim(static_cast<int64_t>(image.size() - 2)),
                "last axis of the grid");
    check_image(context_, image, shape);
    Shape places = {shape[0]};
    places.insert(places.end(), shape.begin() + 2, shape.end());
    std::vector<VarId> vars = loop_vars(context_, places);
    Index place = index_of(vars);
    std::vector<std::vector<AxisTap>> axes;
    for (size_t axis = 0; axis + 2 < image.size(); ++axis) axes.push_back(taps(place, axis));
    Block body = body_.take();
    append(body, channels(place, axes));
    context_.loop_nest(nest(vars, places, places.size(), std::move(body)));
  }

 private:
  const Dim& extent(size_t axis) const { return context_.input_shape(0)[axis + 2]; }
  Expr number(double value) const { return constant(type_, value); }

  // ---- One axis

  std::vector<AxisTap> taps(const Index& place, size_t axis) {
    Index at = place;
    // The grid has x, the last axis, first.
    at.push_back(integer(static_cast<int64_t>(context_.input_shape(0).size() - 3 - axis)));
    Expr x = body_.define(denormalized(widen(context_.at_input(1, std::move(at))), extent(axis)));
    if (mode_ == SampleMode::kNearest) x = body_.define(unary(ExprOp::kRoundEven, x));
    x = body_.define(padded(x, extent(axis)));
    std::vector<AxisTap> result = taps_around(x, axis);
    body_.define_all(result);
    return result;
  }

  Expr denormalized(const Expr& x, const Dim& extent) const {
    Expr length = extent_as(extent, type_);
    if (align_) return (x + number(1)) * number(0.5) * (length - number(1));
    return ((x + number(1)) * length - number(1)) * number(0.5);
  }

  // The coordinate, brought into the image where it leaves its border.
  Expr padded(const Expr& x, const Dim& extent) {
    if (padding_ == PaddingMode::kZeros) return x;
    Expr last = extent_as(extent, type_) - number(1);
    Expr low = number(align_ ? 0 : -0.5);
    Expr high = align_ ? last : last + number(0.5);
    Expr is_outside = x < low || x > high;
    if (padding_ == PaddingMode::kBorder) return select(is_outside, max(number(0), min(x, last)), x);
    Expr range = high - low;
    Expr distance = unary(ExprOp::kAbs, x - low);
    Expr turns = unary(ExprOp::kFloor, distance / select(equal(range, number(0)), number(1), range));
    Expr rest = distance - turns * range;
    Expr is_odd = not_equal(turns, number(2) * unary(ExprOp::kFloor, turns * number(0.5)));
    return select(is_outside, select(is_odd, high - rest, low + rest), x);
  }

  // An element's index under the padding mode.
  AxisTap tap(const Expr& index, const Expr& weight, const Dim& extent) {
    if (padding_ == PaddingMode::kZeros) return {index, weight, is_inside(index, extent)};
    Expr last = dim(extent - Dim(1));
    if (padding_ == PaddingMode::kBorder) return {max(integer(0), min(index, last)), weight};
    Dim period = align_ ? max(Dim(1), extent * Dim(2) - Dim(2)) : extent * Dim(2);
    Expr phase = binary(ExprOp::kMod, index, dim(max(Dim(1), period)));
    Expr mirrored = align_ ? dim(period) - phase : dim(period) - integer(1) - phase;
    return {max(integer(0), min(phase, mirrored)), weight};
  }

  std::vector<AxisTap> taps_around(const Expr& x, size_t axis) {
    Expr below = body_.define(unary(ExprOp::kFloor, x));
    Expr first = body_.define(cast(below, DType::kInt64));
    if (mode_ == SampleMode::kNearest) return {tap(first, {}, extent(axis))};
    Expr fraction = body_.define(x - below);
    bool linear = mode_ == SampleMode::kLinear;
    std::vector<Expr> weights =
        linear ? std::vector<Expr>{number(1) - fraction, fraction} : cubic_weights(fraction, -0.75);
    if (!linear) first = body_.define(first - integer(1));
    std::vector<AxisTap> result;
    for (size_t i = 0; i < weights.size(); ++i) {
      Expr weight = cast(weights[i], value_type());
      result.push_back(tap(first + integer(static_cast<int64_t>(i)), weight, extent(axis)));
    }
    return result;
  }

  // ---- All channels of a place

  // In which elements are blended.
  DType value_type() const {
    DType type = context_.input_type(0).dtype;
    if (mode_ == SampleMode::kNearest) return type;
    return is_float(type) ? compute_type(type) : DType::kDouble;
  }

  Block channels(const Index& place, const std::vector<std::vector<AxisTap>>& axes) {
    const Dim& count = context_.output_shape()[1];
    std::vector<VarId> vars = loop_vars(context_, {count});
    Expr channel = index_of(vars)[0];
    Expr value = blend(axes, [&](const Index& at) {
      Index from = {place[0], channel};
      from.insert(from.end(), at.begin(), at.end());
      return cast(context_.at_input(0, std::move(from)), value_type());
    });
    Index to = {place[0], channel};
    to.insert(to.end(), place.begin() + 1, place.end());
    DType type = context_.output_type().dtype;
    if (is_integer(type) && is_float(value.type())) value = unary(ExprOp::kRoundEven, value);
    return serial_nest(vars, {count}, {store(context_.output(), std::move(to), cast(value, type))});
  }

  LowerContext& context_;
  SampleMode mode_;
  PaddingMode padding_;
  bool align_;
  DType type_;  // of coordinates
  PlaceBody body_;
};

void lower_grid_sample(LowerContext& context) { GridSampling(context).run(); }

}  // namespace

std::vector<OpDef> grid_sample_records() {
  return {
      {.name = "AffineGrid", .infer = infer_affine_grid, .lower = lower_affine_grid},
      {.name = "GridSample", .infer = infer_grid_sample, .lower = lower_grid_sample},
      {.domain = "com.microsoft",
       .name = "GridSample",
       .infer = infer_grid_sample,
       .lower = lower_grid_sample},
  };
}

}  // namespace dlc::ir

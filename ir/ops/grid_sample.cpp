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

// What a kernel of a GridSample node, or of one of its adjoints, works on.
struct Sampling {
  Shape image;  // the shape of what is sampled
  Shape shape;  // of the samples
  size_t image_input = 0;
  size_t grid_input = 1;
};

// Such a kernel, in the making.
class GridSampling {
 public:
  GridSampling(LowerContext& context, Sampling what)
      : context_(context),
        what_(std::move(what)),
        mode_(*mode_of(context.node())),
        padding_(*padding_of(context.node())),
        align_(aligns_corners(context.node())),
        type_(compute_type(context.input_type(what_.grid_input).dtype)),
        body_(context) {}

  void run() {
    const Shape& grid = context_.input_shape(what_.grid_input);
    check_equal(context_, what_.image[0], grid[0], "batch");
    check_equal(context_, grid.back(), Dim(static_cast<int64_t>(axes())), "last axis of the grid");
    check_image(context_, what_.image, what_.shape);
    over_places(what_.shape.size() - 1,
                [&](const Index& place, const Samples& samples) { return channels(place, samples.taps); });
  }

  // Input 0 is the cotangent of the samples; elements get it with the weights that they were blended with.
  void run_image_adjoint() {
    const DType type = value_type();
    const BufferId to = type == context_.output_type().dtype ? context_.output()
                                                             : context_.temp(type, what_.image, "adjoint");
    context_.map(to, [&](const Index&) { return constant(type, 0); });
    over_places(1, [&](const Index& place, const Samples& samples) {
      return over_channels(place, [&](const Index& at) {
        Block block;
        give(to, samples.taps, {at[0], at[1]}, cast(context_.at_input(0, at), type), block);
        return block;
      });
    });
    if (to == context_.output()) return;
    context_.map_output(
        [&](const Index& index) { return cast(context_.at(to, index), context_.output_type().dtype); });
  }

  // The same; a grid's coordinate gets what the slopes of the weights along its axis make of it.
  void run_grid_adjoint() {
    over_places(what_.shape.size() - 1, [&](const Index& place, const Samples& samples) {
      Block block;
      std::vector<VarId> sums;
      for (size_t axis = 0; axis < axes(); ++axis) {
        sums.push_back(context_.fresh_var());
        block.push_back(let(sums.back(), constant(value_type(), 0)));
      }
      append(block, over_channels(place, [&](const Index& at) {
               Block parts;
               const Expr dy = cast(context_.at_input(0, at), value_type());
               for (size_t axis = 0; axis < axes(); ++axis) {
                 std::vector<std::vector<AxisTap>> taps = samples.taps;
                 taps[axis] = samples.slopes[axis];
                 parts.push_back(reduce_into(sums[axis], Combiner::kSum, dy * sample(at, taps)));
               }
               return parts;
             }));
      for (size_t axis = 0; axis < axes(); ++axis) {
        Index to = place;
        to.push_back(integer(static_cast<int64_t>(axes() - 1 - axis)));
        block.push_back(store(context_.output(), std::move(to),
                              cast(var(sums[axis], value_type()), context_.output_type().dtype)));
      }
      return block;
    });
  }

 private:
  struct Samples {
    std::vector<std::vector<AxisTap>> taps;    // of every axis
    std::vector<std::vector<AxisTap>> slopes;  // with the derivatives of the weights by the grid's coordinate
  };

  size_t axes() const { return what_.image.size() - 2; }
  const Dim& extent(size_t axis) const { return what_.image[axis + 2]; }
  Expr number(double value) const { return constant(type_, value); }

  // Emits the loops over the places of samples, the outer ones in parallel.
  void over_places(size_t parallel,
                   const std::function<Block(const Index& place, const Samples&)>& at_place) {
    Shape places = {what_.shape[0]};
    places.insert(places.end(), what_.shape.begin() + 2, what_.shape.end());
    std::vector<VarId> vars = loop_vars(context_, places);
    const Index place = index_of(vars);
    Samples samples;
    for (size_t axis = 0; axis < axes(); ++axis) add_taps(place, axis, samples);
    Block body = body_.take();
    append(body, at_place(place, samples));
    context_.loop_nest(nest(vars, places, parallel, std::move(body)));
  }

  // `body` is told the index of a sample.
  Block over_channels(const Index& place, const std::function<Block(const Index& at)>& body) {
    const Dim& count = what_.shape[1];
    std::vector<VarId> vars = loop_vars(context_, {count});
    Index at = {place[0], index_of(vars)[0]};
    at.insert(at.end(), place.begin() + 1, place.end());
    return serial_nest(vars, {count}, body(at));
  }

  // The sample at an index, blended from the image.
  Expr sample(const Index& at, const std::vector<std::vector<AxisTap>>& taps) const {
    return blend(taps, [&](const Index& element) {
      Index from = {at[0], at[1]};
      from.insert(from.end(), element.begin(), element.end());
      return cast(context_.at_input(what_.image_input, std::move(from)), value_type());
    });
  }

  // Adds `value`, times the weights of the taps, to the elements of `to` behind an index.
  void give(BufferId to, const std::vector<std::vector<AxisTap>>& taps, const Index& index, const Expr& value,
            Block& block) const {
    if (index.size() == taps.size() + 2) {
      block.push_back(Stmt{Scatter{to, index, Combiner::kSum, value}});
      return;
    }
    const size_t axis = index.size() - 2;
    for (const AxisTap& tap : taps[axis]) {
      Index element = index;
      Expr share = tap.weight ? tap.weight * value : value;
      if (tap.inside) share = select(tap.inside, share, constant(share.type(), 0));
      element.push_back(tap.inside ? max(integer(0), min(tap.index, dim(extent(axis) - Dim(1)))) : tap.index);
      give(to, taps, element, share, block);
    }
  }

  // ---- One axis

  void add_taps(const Index& place, size_t axis, Samples& samples) {
    Index at = place;
    // The grid has x, the last axis, first.
    at.push_back(integer(static_cast<int64_t>(axes() - 1 - axis)));
    const Expr given =
        body_.define(denormalized(widen(context_.at_input(what_.grid_input, std::move(at))), extent(axis)));
    Expr x = mode_ == SampleMode::kNearest ? body_.define(unary(ExprOp::kRoundEven, given)) : given;
    x = body_.define(padded(x, extent(axis)));
    Weights weights = weights_around(x, given, axis);
    samples.taps.push_back(weighted_taps(x, weights.values, axis));
    samples.slopes.push_back(samples.taps.back());
    for (size_t i = 0; i < weights.slopes.size(); ++i) samples.slopes.back()[i].weight = weights.slopes[i];
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
    Expr rest = unary(ExprOp::kAbs, x - low) - turns(x, low, high) * (high - low);
    return select(is_outside, select(is_odd_turn(x, low, high), high - rest, low + rest), x);
  }

  // How often a coordinate outside of the border is reflected, after the first time.
  Expr turns(const Expr& x, const Expr& low, const Expr& high) const {
    Expr range = high - low;
    Expr distance = unary(ExprOp::kAbs, x - low);
    return unary(ExprOp::kFloor, distance / select(equal(range, number(0)), number(1), range));
  }
  Expr is_odd_turn(const Expr& x, const Expr& low, const Expr& high) const {
    Expr count = turns(x, low, high);
    return not_equal(count, number(2) * unary(ExprOp::kFloor, count * number(0.5)));
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

  // Of the elements around a coordinate, and their derivatives by the grid's coordinate. Empty for the
  // nearest one.
  struct Weights {
    std::vector<Expr> values, slopes;
  };

  Weights weights_around(const Expr& x, const Expr& given, size_t axis) {
    if (mode_ == SampleMode::kNearest) return {};
    const Expr fraction = body_.define(x - unary(ExprOp::kFloor, x));
    const bool linear = mode_ == SampleMode::kLinear;
    Weights weights;
    weights.values =
        linear ? std::vector<Expr>{number(1) - fraction, fraction} : cubic_weights(fraction, kCubic);
    std::vector<Expr> slopes =
        linear ? std::vector<Expr>{number(-1), number(1)} : cubic_slopes(fraction, kCubic);
    const Expr factor = slope(given, extent(axis));
    for (const Expr& of_weight : slopes) weights.slopes.push_back(cast(of_weight * factor, value_type()));
    return weights;
  }

  std::vector<AxisTap> weighted_taps(const Expr& x, const std::vector<Expr>& weights, size_t axis) {
    Expr first = body_.define(cast(unary(ExprOp::kFloor, x), DType::kInt64));
    std::vector<AxisTap> result;
    if (mode_ == SampleMode::kNearest) result = {tap(first, {}, extent(axis))};
    if (mode_ == SampleMode::kCubic) first = body_.define(first - integer(1));
    for (size_t i = 0; i < weights.size(); ++i) {
      const Expr weight = cast(weights[i], value_type());
      result.push_back(tap(first + integer(static_cast<int64_t>(i)), weight, extent(axis)));
    }
    body_.define_all(result);
    return result;
  }

  // The derivative of the padded coordinate by that of the grid.
  Expr slope(const Expr& given, const Dim& extent) {
    Expr length = extent_as(extent, type_);
    Expr scale = (align_ ? length - number(1) : length) * number(0.5);
    if (padding_ == PaddingMode::kZeros) return scale;
    const Expr last = length - number(1);
    const Expr low = number(align_ ? 0 : -0.5);
    const Expr high = align_ ? last : last + number(0.5);
    const Expr is_outside = given < low || given > high;
    if (padding_ == PaddingMode::kBorder) return select(is_outside, number(0), scale);
    const Expr once = select(given < low, -scale, scale);
    return select(is_outside, select(is_odd_turn(given, low, high), -once, once), scale);
  }

  // ---- All channels of a place

  // In which elements are blended.
  DType value_type() const {
    DType type = context_.input_type(0).dtype;
    if (mode_ == SampleMode::kNearest) return type;
    return is_float(type) ? compute_type(type) : DType::kDouble;
  }

  Block channels(const Index& place, const std::vector<std::vector<AxisTap>>& taps) {
    return over_channels(place, [&](const Index& at) {
      Expr value = sample(at, taps);
      DType type = context_.output_type().dtype;
      if (is_integer(type) && is_float(value.type())) value = unary(ExprOp::kRoundEven, value);
      return Block{store(context_.output(), at, cast(value, type))};
    });
  }

  static constexpr double kCubic = -0.75;

  LowerContext& context_;
  Sampling what_;
  SampleMode mode_;
  PaddingMode padding_;
  bool align_;
  DType type_;  // of coordinates
  PlaceBody body_;
};

void lower_grid_sample(LowerContext& context) {
  GridSampling(context, {.image = context.input_shape(0), .shape = context.output_shape()}).run();
}

// ---- Adjoints of GridSample -------------------------------------------------------------------------------

// Inputs: the samples' cotangent, the grid; `dims` has the extents of the image.
void infer_image_adjoint(InferContext& context) {
  Shape shape = dims_attribute(context.node());
  require_rank(context, 0, static_cast<int64_t>(shape.size()));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_image_adjoint(LowerContext& context) {
  GridSampling(context, {.image = context.output_shape(), .shape = context.input_shape(0)})
      .run_image_adjoint();
}

// Inputs: the samples' cotangent, the grid, the image.
void infer_grid_adjoint(InferContext& context) { context.set_output(0, context.input(1)); }

void lower_grid_adjoint(LowerContext& context) {
  GridSampling(context, {.image = context.input_shape(2), .shape = context.input_shape(0), .image_input = 2})
      .run_grid_adjoint();
}

}  // namespace

std::vector<OpDef> grid_sample_records() {
  return {
      {.name = "AffineGrid", .infer = infer_affine_grid, .lower = lower_affine_grid},
      {.name = "GridSample", .infer = infer_grid_sample, .lower = lower_grid_sample},
      {.domain = "com.microsoft",
       .name = "GridSample",
       .infer = infer_grid_sample,
       .lower = lower_grid_sample},
      {.domain = "dlc",
       .name = "GridSampleImageGradient",
       .infer = infer_image_adjoint,
       .lower = lower_image_adjoint},
      {.domain = "dlc",
       .name = "GridSampleGridGradient",
       .infer = infer_grid_adjoint,
       .lower = lower_grid_adjoint},
  };
}

}  // namespace dlc::ir

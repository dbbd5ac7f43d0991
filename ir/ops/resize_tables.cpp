#include "ir/ops/resize_tables.h"

#include <utility>

namespace dlc::ir {
namespace {

template <class T, size_t N>
std::optional<T> find_name(const std::pair<std::string_view, T> (&rows)[N], std::string_view name) {
  for (const auto& [text, value] : rows) {
    if (text == name) return value;
  }
  return std::nullopt;
}

Expr floor_of(const Expr& x) { return unary(ExprOp::kFloor, x); }

// The coordinate in the input of output element `o`.
Expr original_coordinate(const ResizeAxis& axis, ResizeCoordinates mode, const Expr& o) {
  DType type = axis.scale.type();
  auto number = [&](double value) { return constant(type, value); };
  Expr x = cast(o, type);
  Expr half_pixel = (x + number(0.5)) / axis.scale - number(0.5);
  Expr last = extent_as(axis.input, type) - number(1);
  Expr steps = axis.width - number(1);
  switch (mode) {
    case ResizeCoordinates::kHalfPixel:
      return half_pixel;
    case ResizeCoordinates::kHalfPixelSymmetric: {
      Expr adjustment = extent_as(axis.output, type) / axis.width;
      return extent_as(axis.input, type) * number(0.5) * (number(1) - adjustment) + half_pixel;
    }
    case ResizeCoordinates::kPytorchHalfPixel:
      return select(dim(axis.output) > integer(1), half_pixel, number(0));
    case ResizeCoordinates::kTfHalfPixelForNearest:
      return (x + number(0.5)) / axis.scale;
    case ResizeCoordinates::kAlignCorners:
      return select(equal(steps, number(0)), number(0), x * last / steps);
    case ResizeCoordinates::kAsymmetric:
      return x / axis.scale;
    case ResizeCoordinates::kTfCropAndResize: {
      Expr inner = axis.roi_start * last + x * (axis.roi_end - axis.roi_start) * last / steps;
      Expr middle = number(0.5) * (axis.roi_start + axis.roi_end) * last;
      return select(equal(steps, number(0)), middle, inner);
    }
  }
  return {};
}

Expr nearest(const Expr& x, ResizeRounding rounding, const Expr& scale) {
  Expr below = floor_of(x);
  Expr above = unary(ExprOp::kCeil, x);
  Expr half = constant(x.type(), 0.5);
  switch (rounding) {
    case ResizeRounding::kPreferFloor:
      return select(x - below <= half, below, above);
    case ResizeRounding::kPreferCeil:
      return select(x - below < half, below, above);
    case ResizeRounding::kFloor:
      return below;
    case ResizeRounding::kCeil:
      return above;
    case ResizeRounding::kDownsampleCeil:
      return select(scale < constant(scale.type(), 1), above, below);
  }
  return {};
}

// The filter's value at a distance of `x` elements.
Expr filter_value(const ResizeFilter& filter, const Expr& x) {
  auto number = [&](double value) { return constant(x.type(), value); };
  Expr distance = unary(ExprOp::kAbs, x);
  if (filter.mode == ResizeMode::kLinear) return max(number(0), number(1) - distance);
  double a = filter.cubic_a;
  Expr inner = ((number(a + 2) * distance - number(a + 3)) * distance) * distance + number(1);
  Expr outer = ((number(a) * distance - number(5 * a)) * distance + number(8 * a)) * distance - number(4 * a);
  return select(distance <= number(1), inner, select(distance < number(2), outer, number(0)));
}

// The kernel that fills one table, in the making.
class TableKernel {
 public:
  TableKernel(LowerContext& context, const ResizeAxis& axis, const ResizeFilter& filter, DType weight_type)
      : context_(context), axis_(axis), filter_(filter), o_(context.fresh_var()) {
    table_.axis = axis.axis;
    table_.taps = axis.taps;
    table_.index = context.temp(DType::kInt64, {axis.taps, axis.output}, "resize.index");
    if (filter.mode != ResizeMode::kNearest)
      table_.weight = context.temp(weight_type, {axis.taps, axis.output}, "resize.weight");
  }

  ResizeTable make() {
    Expr x = define(original_coordinate(axis_, filter_.coordinates, var(o_)));
    if (filter_.coordinates == ResizeCoordinates::kTfCropAndResize) fill_inside(x);
    if (filter_.mode == ResizeMode::kNearest) {
      Expr position = cast(nearest(x, filter_.rounding, axis_.scale), DType::kInt64);
      body_.push_back(store(table_.index, {integer(0), var(o_)}, clamped(position)));
    } else {
      fill_weights(x);
    }
    context_.loop_nest({for_loop(o_, dim(axis_.output), LoopKind::kParallel, std::move(body_))},
                       "resize_table");
    return table_;
  }

 private:
  Expr define(const Expr& value) {
    VarId id = context_.fresh_var();
    body_.push_back(let(id, value));
    return var(id, value.type());
  }
  Expr clamped(const Expr& position) const {
    return max(integer(0), min(position, dim(axis_.input - Dim(1))));
  }

  void fill_inside(const Expr& x) {
    Expr last = extent_as(axis_.input, x.type()) - constant(x.type(), 1);
    table_.inside = context_.temp(DType::kBool, {axis_.output}, "resize.inside");
    body_.push_back(store(table_.inside, {var(o_)}, x >= constant(x.type(), 0) && x <= last));
  }

  void fill_weights(const Expr& x) {
    DType type = x.type();
    Expr one = constant(type, 1);
    Expr below = define(floor_of(x));
    Expr first = define(cast(below, DType::kInt64) + integer(1) - dim(floor_div(axis_.taps, 2)));
    Expr squeeze = filter_.antialias ? define(min(one, axis_.scale)) : one;
    auto weight = [&](const Expr& tap) {
      Expr position = first + tap;
      Expr value = filter_value(filter_, (cast(position, type) - x) * squeeze);
      if (!filter_.exclude_outside) return value;
      return select(position >= integer(0) && position < dim(axis_.input), value, constant(type, 0));
    };
    Expr factor = one;
    if (filter_.antialias || filter_.exclude_outside) {
      Expr sum = define(constant(type, 0));
      over_taps([&](const Expr& tap) { return Block{reduce_into(sum->var, Combiner::kSum, weight(tap))}; });
      factor = define(one / select(equal(sum, constant(type, 0)), one, sum));
    }
    over_taps([&](const Expr& tap) {
      Expr value = cast(weight(tap) * factor, context_.program().buffer(table_.weight).dtype);
      return Block{store(table_.index, {tap, var(o_)}, clamped(first + tap)),
                   store(table_.weight, {tap, var(o_)}, value)};
    });
  }
  template <class Visit>
  void over_taps(Visit visit) {
    VarId tap = context_.fresh_var();
    body_.push_back(for_range(tap, integer(0), dim(axis_.taps), visit(var(tap))));
  }

  LowerContext& context_;
  const ResizeAxis& axis_;
  const ResizeFilter& filter_;
  VarId o_;
  ResizeTable table_{};
  Block body_;
};

}  // namespace

std::optional<ResizeMode> resize_mode(std::string_view name) {
  constexpr std::pair<std::string_view, ResizeMode> kNames[] = {
      {"nearest", ResizeMode::kNearest}, {"linear", ResizeMode::kLinear}, {"cubic", ResizeMode::kCubic}};
  return find_name(kNames, name);
}

std::optional<ResizeCoordinates> resize_coordinates(std::string_view name) {
  constexpr std::pair<std::string_view, ResizeCoordinates> kNames[] = {
      {"half_pixel", ResizeCoordinates::kHalfPixel},
      {"half_pixel_symmetric", ResizeCoordinates::kHalfPixelSymmetric},
      {"pytorch_half_pixel", ResizeCoordinates::kPytorchHalfPixel},
      {"tf_half_pixel_for_nn", ResizeCoordinates::kTfHalfPixelForNearest},
      {"align_corners", ResizeCoordinates::kAlignCorners},
      {"asymmetric", ResizeCoordinates::kAsymmetric},
      {"tf_crop_and_resize", ResizeCoordinates::kTfCropAndResize}};
  return find_name(kNames, name);
}

std::optional<ResizeRounding> resize_rounding(std::string_view name) {
  constexpr std::pair<std::string_view, ResizeRounding> kNames[] = {
      {"round_prefer_floor", ResizeRounding::kPreferFloor},
      {"round_prefer_ceil", ResizeRounding::kPreferCeil},
      {"floor", ResizeRounding::kFloor},
      {"ceil", ResizeRounding::kCeil},
      {"downsample_ceil", ResizeRounding::kDownsampleCeil}};
  return find_name(kNames, name);
}

std::optional<ResizePolicy> resize_policy(std::string_view name) {
  constexpr std::pair<std::string_view, ResizePolicy> kNames[] = {{"stretch", ResizePolicy::kStretch},
                                                                  {"not_larger", ResizePolicy::kNotLarger},
                                                                  {"not_smaller", ResizePolicy::kNotSmaller}};
  return find_name(kNames, name);
}

DType coordinate_type(const ResizeFilter& filter) {
  return filter.mode == ResizeMode::kNearest ? DType::kFloat : DType::kDouble;
}

int64_t filter_radius(const ResizeFilter& filter) {
  switch (filter.mode) {
    case ResizeMode::kNearest:
      return 0;
    case ResizeMode::kLinear:
      return 1;
    case ResizeMode::kCubic:
      return 2;
  }
  return 0;
}

ResizeTable make_resize_table(LowerContext& context, const ResizeAxis& axis, const ResizeFilter& filter,
                              DType weight_type) {
  return TableKernel(context, axis, filter, weight_type).make();
}

}  // namespace dlc::ir

#include "ir/ops/sampling.h"

namespace dlc::ir {
namespace {

Expr blend_from(const std::vector<std::vector<AxisTap>>& axes,
                const std::function<Expr(const Index&)>& element, Index& index) {
  if (index.size() == axes.size()) return element(index);
  Expr sum;
  const std::vector<AxisTap>& taps = axes[index.size()];
  for (const AxisTap& tap : taps) {
    index.push_back(tap.index);
    Expr value = blend_from(axes, element, index);
    index.pop_back();
    if (tap.weight) value = tap.weight * value;
    if (tap.inside) value = select(tap.inside, value, constant(value.type(), 0));
    sum = sum ? sum + value : value;
  }
  return sum;
}

}  // namespace

Expr blend(const std::vector<std::vector<AxisTap>>& axes, const std::function<Expr(const Index&)>& element) {
  Index index;
  return blend_from(axes, element, index);
}

Expr is_inside(const Expr& coordinate, const Dim& extent) {
  return coordinate >= integer(0) && coordinate < dim(extent);
}

std::vector<AxisTap> linear_taps(const Expr& coordinate, const Dim& extent) {
  Expr below = unary(ExprOp::kFloor, coordinate);
  Expr left = cast(below, DType::kInt64);
  Expr right = left + integer(1);
  Expr fraction = coordinate - below;
  return {{left, constant(coordinate.type(), 1) - fraction, is_inside(left, extent)},
          {right, fraction, is_inside(right, extent)}};
}

std::vector<Expr> cubic_weights(const Expr& fraction, double a) {
  auto number = [&](double value) { return constant(fraction.type(), value); };
  Expr one = number(1);
  auto inner = [&](const Expr& x) { return ((number(a + 2) * x - number(a + 3)) * x) * x + one; };
  auto outer = [&](const Expr& x) {
    return ((number(a) * x - number(5 * a)) * x + number(8 * a)) * x - number(4 * a);
  };
  return {outer(fraction + one), inner(fraction), inner(one - fraction), outer(number(2) - fraction)};
}

std::vector<Expr> cubic_slopes(const Expr& fraction, double a) {
  auto number = [&](double value) { return constant(fraction.type(), value); };
  Expr one = number(1);
  auto inner = [&](const Expr& x) { return (number(3 * (a + 2)) * x - number(2 * (a + 3))) * x; };
  auto outer = [&](const Expr& x) { return (number(3 * a) * x - number(10 * a)) * x + number(8 * a); };
  return {outer(fraction + one), inner(fraction), -inner(one - fraction), -outer(number(2) - fraction)};
}

Expr PlaceBody::define(const Expr& value) {
  if (value->op == ExprOp::kInt || value->op == ExprOp::kFloat || value->op == ExprOp::kVar) return value;
  VarId id = context_.fresh_var();
  body_.push_back(let(id, value));
  return var(id, value.type());
}

void PlaceBody::define_all(std::vector<AxisTap>& taps) {
  for (AxisTap& tap : taps) {
    tap.index = define(tap.index);
    if (tap.weight) tap.weight = define(tap.weight);
    if (tap.inside) tap.inside = define(tap.inside);
  }
}

void check_image(LowerContext& context, const Shape& image, const Shape& target) {
  Dim wanted = min(product(target), Dim(1));
  for (const Dim& extent : image) {
    auto low = lower_bound(extent);
    if (low && *low > 0) continue;
    check_equal(context, wanted * (Dim(1) - min(extent, Dim(1))), 0, "an image without elements");
  }
}

}  // namespace dlc::ir

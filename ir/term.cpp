#include "ir/term.h"

namespace dlc::ir {
namespace {

Term binary(std::string_view op, const Term& a, const Term& b) { return a.apply(op, {b}); }

}  // namespace

Term Term::apply(std::string_view op, std::vector<Value*> more, Builder::Attributes attributes) const {
  more.insert(more.begin(), value_);
  return {*builder_, builder_->op(op, std::move(more), std::move(attributes))};
}

Term operator+(const Term& a, const Term& b) { return binary("Add", a, b); }
Term operator-(const Term& a, const Term& b) { return binary("Sub", a, b); }
Term operator*(const Term& a, const Term& b) { return binary("Mul", a, b); }
Term operator/(const Term& a, const Term& b) { return binary("Div", a, b); }
Term operator-(const Term& a) { return a.apply("Neg"); }

Term operator<(const Term& a, const Term& b) { return binary("Less", a, b); }
Term operator<=(const Term& a, const Term& b) { return binary("LessOrEqual", a, b); }
Term operator>(const Term& a, const Term& b) { return binary("Greater", a, b); }
Term operator>=(const Term& a, const Term& b) { return binary("GreaterOrEqual", a, b); }
Term equal(const Term& a, const Term& b) { return binary("Equal", a, b); }
Term operator&&(const Term& a, const Term& b) { return binary("And", a, b); }
Term operator!(const Term& a) { return a.apply("Not"); }
Term where(const Term& condition, const Term& a, const Term& b) { return condition.apply("Where", {a, b}); }

Term reshape(const Term& x, const Shape& shape) { return {x.builder(), x.builder().reshape(x, shape)}; }

Term transpose(const Term& x, std::vector<int64_t> perm) {
  return {x.builder(), x.builder().transpose(x, std::move(perm))};
}

Term transpose_matrices(const Term& x) { return transpose(x, swap_last_axes(x.shape().size())); }

Term expand(const Term& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return x.apply("Expand", {x.builder().dims(shape)});
}

Term sum(const Term& x, std::vector<int64_t> axes) {
  return {x.builder(), x.builder().reduce("ReduceSum", x, std::move(axes), true)};
}

Term mean(const Term& x, std::vector<int64_t> axes) {
  return {x.builder(), x.builder().reduce("ReduceMean", x, std::move(axes), true)};
}

Term zeros(Builder& builder, DType type, const Shape& shape) {
  return expand({builder, builder.scalar(type, 0)}, shape);
}

Term extent(Builder& builder, const Dim& extent, DType type) {
  if (extent.is_constant()) return {builder, builder.scalar(type, static_cast<double>(extent.value()))};
  return reshape(Term(builder, builder.dims({extent})).cast(type), {});
}

Term range(Builder& builder, const Dim& extent) {
  auto number = [&](const Dim& value) { return reshape({builder, builder.dims({value})}, {}); };
  return number(0).apply("Range", {number(extent), number(1)});
}

}  // namespace dlc::ir

#include "ir/ops/row_statistics.h"

namespace dlc::ir {

RowStatistics::RowStatistics(LowerContext& context, RowDomain rows)
    : context_(context),
      rows_(std::move(rows)),
      outer_(loop_vars(context, rows_.outer)),
      type_(compute_type(context.input_type(0).dtype)) {}

Expr RowStatistics::define(const Expr& value) {
  VarId id = context_.fresh_var();
  body_.push_back(let(id, value));
  return var(id, value.type());
}

void RowStatistics::pass(const std::function<Stmt(const Index& index)>& visit) {
  std::vector<VarId> inner = loop_vars(context_, rows_.inner);
  Index index = rows_.index(index_of(outer_), index_of(inner));
  append(body_, serial_nest(inner, rows_.inner, {visit(index)}));
}

Expr RowStatistics::sum(const std::function<Expr(const Expr& x)>& term) {
  Expr total = define(constant(type_, 0));
  pass([&](const Index& index) { return reduce_into(total->var, Combiner::kSum, term(element(index))); });
  return total;
}

Expr RowStatistics::mean() {
  Expr total = sum([](const Expr& x) { return x; });
  return define(total / extent_as(product(rows_.inner), type_));
}

Expr RowStatistics::mean_square() {
  Expr total = sum([](const Expr& x) { return x * x; });
  return define(total / extent_as(product(rows_.inner), type_));
}

Expr RowStatistics::variance(const Expr& mean) {
  Expr total = sum([&](const Expr& x) { return (x - mean) * (x - mean); });
  return define(total / extent_as(product(rows_.inner), type_));
}

Expr RowStatistics::inverse_root(const Expr& value, double epsilon) {
  Expr one = constant(type_, 1);
  return define(one / unary(ExprOp::kSqrt, value + constant(type_, epsilon)));
}

void RowStatistics::write(const std::function<Expr(const Expr& x, const Index& index)>& value) {
  DType out_type = context_.output_type().dtype;
  pass([&](const Index& index) {
    return store(context_.output(), index, cast(value(element(index), index), out_type));
  });
}

void RowStatistics::finish() {
  context_.loop_nest(nest(outer_, rows_.outer, rows_.outer.size(), std::move(body_)));
}

}  // namespace dlc::ir

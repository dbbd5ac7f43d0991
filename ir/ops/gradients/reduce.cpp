// Reductions over axes and along an axis.
#include <algorithm>

#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

// Of a valid node, in increasing order.
std::vector<int64_t> axes_of(const GradientContext& context) {
  InferContext facts(context.node());
  std::vector<int64_t> axes;
  if (facts.has_input(1)) axes = normalize_axes(facts, facts.ints(1, "axes"), facts.rank(0));
  if (axes.empty() && context.node().attribute<int64_t>("noop_with_empty_axes", 0) == 0) {
    axes = all_axes(facts.rank(0));
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

// What a rule of a reduction needs, with the reduced axes of extent 1.
struct Reduction {
  std::vector<int64_t> axes;
  Term x;
  Term y;
  Term dy;
};

Reduction reduction(GradientContext& context) {
  std::vector<int64_t> axes = axes_of(context);
  Term x = input(context, 0);
  Shape kept = reduced_shape(x.shape(), axes, true);
  return {axes, x, reshape(output(context), kept), reshape(grad(context), kept)};
}

using Rule = Term (*)(const Reduction& r);

template <Rule kRule>
void reduced(GradientContext& context) {
  Reduction r = reduction(context);
  context.set(0, expand(kRule(r), r.x.shape()));
}

Term count(const Reduction& r) {
  Dim elements = 1;
  for (int64_t axis : r.axes) elements *= r.x.shape()[static_cast<size_t>(axis)];
  return extent(r.x.builder(), elements, r.x.dtype());
}

Term of_sum(const Reduction& r) { return r.dy; }
Term of_mean(const Reduction& r) { return r.dy / count(r); }
Term of_l1(const Reduction& r) { return r.dy * sign(r.x); }
Term of_l2(const Reduction& r) { return where(equal(r.y, 0), 0, r.dy * r.x / r.y); }
Term of_sum_square(const Reduction& r) { return 2 * r.dy * r.x; }
Term of_log_sum(const Reduction& r) { return r.dy / exp(r.y); }
Term of_log_sum_exp(const Reduction& r) { return r.dy * exp(r.x - r.y); }

// Elements that tie share the cotangent.
Term of_extremum(const Reduction& r) {
  Term hits = equal(r.x, r.y).cast(r.x.dtype());
  return hits * (r.dy / sum(hits, r.axes));
}

// ---- ReduceProd: the product of the others, without a division
// ---------------------------------------------

Term cumulative(const Term& x, std::string_view op, int64_t axis, bool exclusive, bool reverse) {
  Builder& builder = x.builder();
  Value* position = builder.constant(Tensor::scalar(DType::kInt64, static_cast<double>(axis)));
  return x.apply(op, {position}, {{"exclusive", int64_t{exclusive}}, {"reverse", int64_t{reverse}}});
}

// The reduced axes last and joined: [other axes..., elements].
Term rows(const Reduction& r) {
  std::vector<int64_t> perm;
  Shape shape;
  Dim elements = 1;
  for (size_t i = 0; i < r.x.shape().size(); ++i) {
    if (contains(r.axes, static_cast<int64_t>(i))) continue;
    perm.push_back(static_cast<int64_t>(i));
    shape.push_back(r.x.shape()[i]);
  }
  for (int64_t axis : r.axes) {
    perm.push_back(axis);
    elements *= r.x.shape()[static_cast<size_t>(axis)];
  }
  shape.push_back(elements);
  return reshape(transpose(r.x, perm), shape);
}

Term from_rows(const Reduction& r, const Term& rows) {
  std::vector<int64_t> perm;  // from axes of x to those of the transposed x
  Shape shape;
  for (size_t i = 0; i < r.x.shape().size(); ++i) {
    if (!contains(r.axes, static_cast<int64_t>(i))) shape.push_back(r.x.shape()[i]);
  }
  auto outer = static_cast<int64_t>(shape.size());
  int64_t next_outer = 0;
  int64_t next_inner = 0;
  for (size_t i = 0; i < r.x.shape().size(); ++i) {
    bool in_row = contains(r.axes, static_cast<int64_t>(i));
    perm.push_back(in_row ? outer + next_inner++ : next_outer++);
  }
  for (int64_t axis : r.axes) shape.push_back(r.x.shape()[static_cast<size_t>(axis)]);
  return transpose(reshape(rows, shape), perm);
}

Term of_product(const Reduction& r) {
  if (r.axes.empty()) return r.dy;
  Term x = rows(r);
  auto axis = static_cast<int64_t>(x.shape().size()) - 1;
  Term before = cumulative(x, "CumProd", axis, true, false);
  Term after = cumulative(x, "CumProd", axis, true, true);
  return r.dy * from_rows(r, before * after);
}

// ---- CumSum, CumProd --------------------------------------------------------------------------------------

bool flag(const Node& node, std::string_view name) { return node.attribute<int64_t>(name, 0) != 0; }

void cumsum_gradient(GradientContext& context) {
  const Node& node = context.node();
  Builder::Attributes attributes = {{"exclusive", int64_t{flag(node, "exclusive")}},
                                    {"reverse", int64_t{!flag(node, "reverse")}}};
  context.set(0, grad(context).apply("CumSum", {context.input(1)}, attributes));
}

// dx[i] = sum over j from i on of dy[j] * y[j] / x[i]. All products from the first zero on contain it: its
// own derivative takes the products without it, and later elements have none.
void cumprod_gradient(GradientContext& context) {
  const Node& node = context.node();
  Term x = input(context, 0);
  Term dy = grad(context);
  Value* axis = context.input(1);
  Builder::Attributes own = {{"exclusive", int64_t{flag(node, "exclusive")}},
                             {"reverse", int64_t{flag(node, "reverse")}}};
  Builder::Attributes back = own;
  back["reverse"] = int64_t{!flag(node, "reverse")};
  Term is_zero = equal(x, 0);
  Builder::Attributes before = own;
  before["exclusive"] = int64_t{1};
  Term zeros_before = is_zero.cast(x.dtype()).apply("CumSum", {axis}, before);
  Term is_first = is_zero && equal(zeros_before, 0);
  Term without = where(is_first, 1, x).apply("CumProd", {axis}, own);
  Term of_first = (dy * without).apply("CumSum", {axis}, back);
  Term of_others = (dy * output(context)).apply("CumSum", {axis}, back) / where(is_zero, 1, x);
  context.set(0, where(is_first, of_first, where(is_zero, 0, of_others)));
}

constexpr GradientRule kRules[] = {
    {"ReduceSum", reduced<of_sum>},        {"ReduceMean", reduced<of_mean>},
    {"ReduceProd", reduced<of_product>},   {"ReduceMax", reduced<of_extremum>},
    {"ReduceMin", reduced<of_extremum>},   {"ReduceL1", reduced<of_l1>},
    {"ReduceL2", reduced<of_l2>},          {"ReduceSumSquare", reduced<of_sum_square>},
    {"ReduceLogSum", reduced<of_log_sum>}, {"ReduceLogSumExp", reduced<of_log_sum_exp>},
    {"CumSum", cumsum_gradient},           {"CumProd", cumprod_gradient},
};

}  // namespace

std::span<const GradientRule> reduce_gradients() { return kRules; }

}  // namespace dlc::ir

#include "ir/kernel/verify_attention.h"

#include <algorithm>

#include "ir/kernel/print.h"
#include "runtime/error.h"

namespace dlc::ir {

namespace {

template <class... Args>
[[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::kInternal, format, std::forward<Args>(args)...);
}

// The element's index is affine in all axes and free of those that are `absent` from it.
void verify_element(const Element& element, const Attention& attention, const std::vector<LoopAxis>& absent,
                    std::string_view place, ExprVerifier& exprs) {
  exprs.index(element.buffer, element.index, false);
  for (const Expr& i : element.index) {
    for (const LoopAxis& axis : absent) {
      if (uses_var(i, axis.var)) wrong("axis {} appears in {}", var_text(axis.var), place);
    }
    for (const LoopAxis& axis : axes_of(attention)) {
      if (!affine_in(i, axis.var)) wrong("{} is not affine in {}", to_string(i), var_text(axis.var));
    }
  }
}

void expect_type(std::string_view what, DType expected, const Expr& e) {
  if (e.type() != expected)
    wrong("{}: expected {}, found {}", what, dlc::name(expected), dlc::name(e.type()));
}

bool in_output(const Attention& attention, const LoopAxis& axis) {
  return axis.extent == Dim(1) || std::any_of(attention.out.index.begin(), attention.out.index.end(),
                                              [&](const Expr& i) { return uses_var(i, axis.var); });
}

}  // namespace

void verify_attention(const Attention& attention, const Program& program, ExprVerifier& exprs) {
  for (const LoopAxis& axis : axes_of(attention)) {
    exprs.declare(axis.var, DType::kInt64);
    exprs.dim(axis.extent);
    exprs.ranges()[axis.var] = {Dim(0), axis.extent - 1};
  }
  const LoopAxis &key = attention.key, &depth = attention.depth, &column = attention.column;
  std::vector<LoopAxis> rows_and_column = attention.rows, rows_and_depth = attention.rows;
  rows_and_column.push_back(column);
  rows_and_depth.push_back(depth);
  verify_element(attention.q, attention, {key, column}, "q", exprs);
  verify_element(attention.k, attention, rows_and_column, "k", exprs);
  verify_element(attention.v, attention, rows_and_depth, "v", exprs);
  verify_element(attention.out, attention, {key, depth}, "the output", exprs);
  std::vector<LoopAxis> kept = attention.batch;
  kept.insert(kept.end(), attention.rows.begin(), attention.rows.end());
  kept.push_back(column);
  for (const LoopAxis& axis : kept) {
    if (!in_output(attention, axis)) wrong("axis {} is not in the output", var_text(axis.var));
  }

  exprs.forget(depth.var);
  exprs.forget(column.var);
  if (!is_float(attention.accumulator_type))
    wrong("scores of type {}", dlc::name(attention.accumulator_type));
  exprs.declare(attention.product, attention.accumulator_type);
  exprs.expression(attention.score, false);
  expect_type("the score", attention.accumulator_type, attention.score);
  exprs.forget(attention.product);
  exprs.forget(key.var);
  for (const Expr& bound : {attention.first_key, attention.last_key}) {
    if (!bound) continue;
    exprs.expression(bound, false);
    expect_type("a bound of the keys", DType::kInt64, bound);
  }
  exprs.restore(column.var);
  exprs.declare(attention.result, attention.accumulator_type);
  exprs.expression(attention.epilogue, false);
  expect_type("the epilogue", program.buffer(attention.out.buffer).dtype, attention.epilogue);
}

}  // namespace dlc::ir

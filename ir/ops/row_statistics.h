// RowStatistics: one kernel that computes sums over rows of input 0 and then writes output 0 row by row.
#pragma once

#include <functional>

#include "ir/ops/lower_util.h"

namespace dlc::ir {

// How a tensor falls into rows: the extents that count rows, those within a row, and the index of an element.
struct RowDomain {
  Shape outer;
  Shape inner;
  std::function<Index(const Index& outer, const Index& inner)> index;
};

class RowStatistics {
 public:
  RowStatistics(LowerContext& context, RowDomain rows);

  DType type() const { return type_; }  // of the computation
  Index outer_index() const { return index_of(outer_); }

  // A new scalar of the row.
  Expr define(const Expr& value);
  void add(Stmt statement) { body_.push_back(std::move(statement)); }

  // Each is a pass over the row.
  Expr sum(const std::function<Expr(const Expr& x)>& term);
  Expr mean();
  Expr mean_square();
  Expr variance(const Expr& mean);  // of the population, from the differences to the mean

  Expr inverse_root(const Expr& value, double epsilon);  // 1 / sqrt(value + epsilon)
  Expr inverse_deviation(const Expr& mean, double epsilon) { return inverse_root(variance(mean), epsilon); }

  // output[index] = value(x, index) for the row, cast to the output's type.
  void write(const std::function<Expr(const Expr& x, const Index& index)>& value);
  // Adds the kernel to the program.
  void finish();

 private:
  Expr element(const Index& index) const { return widen(context_.at_input(0, index)); }
  // Adds a loop nest over the row.
  void pass(const std::function<Stmt(const Index& index)>& visit);

  LowerContext& context_;
  RowDomain rows_;
  std::vector<VarId> outer_;
  DType type_;
  Block body_;
};

}  // namespace dlc::ir

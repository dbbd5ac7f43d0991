// Types, variables and bounds within one kernel.
#pragma once

#include <map>
#include <set>
#include <string>

#include "ir/kernel/linear.h"

namespace dlc::ir {

// Checks the expressions and statements of one kernel; symbols that it may use are given.
class ExprVerifier {
 public:
  ExprVerifier(const Program& program, const std::set<std::string>& symbols)
      : program_(program), symbols_(symbols) {}

  void declare(VarId var, DType type);
  void forget(VarId var) { scope_.erase(var); }
  void restore(VarId axis) { scope_[axis] = DType::kInt64; }  // an axis that was forgotten
  DType type_of(VarId var) const;                             // Error if it is not in scope
  VarRanges& ranges() { return ranges_; }

  // `guarded`: under a condition, where an index out of bounds may never be evaluated.
  void expression(const Expr& e, bool guarded);
  void index(BufferId buffer, const std::vector<Expr>& index, bool guarded);
  void dim(const Dim& dim) const;
  // The buffer exists and its extents are known.
  void buffer(BufferId id) const;
  void block(const Block& block, LoopKind around, bool guarded);

 private:
  void statement(const Stmt& stmt, LoopKind around, bool guarded);
  void loop(const For& loop, LoopKind around, bool guarded);
  void arguments(const ExprNode& node);

  const Program& program_;
  const std::set<std::string>& symbols_;
  std::map<VarId, DType> scope_;
  std::map<VarId, int> depth_;  // of parallel loops around the definition
  std::set<VarId> declared_;    // anywhere in the kernel
  VarRanges ranges_;
  int parallel_depth_ = 0;
};

}  // namespace dlc::ir

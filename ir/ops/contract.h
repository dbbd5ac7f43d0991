// Helpers of the operators that lower to contractions.
#pragma once

#include <string_view>

#include "ir/ops/lower_util.h"

namespace dlc::ir {

// A contraction in the making: axes are added in order, then the operands, then the result.
class ContractionBuilder {
 public:
  // Products of elements of the type are summed in its accumulator_type.
  ContractionBuilder(LowerContext& context, DType element);

  // A new axis; gives its variable.
  Expr axis(const Dim& extent, AxisRole role);
  void a(BufferId buffer, Index index, bool padded = false);
  void b(BufferId buffer, Index index);
  // Subtracted from the elements of an operand; an empty one and the number 0 change nothing.
  void a_zero_point(const Expr& value);
  void b_zero_point(const Expr& value);
  // The sum, for the epilogue.
  Expr sum() const { return var(contraction_.accumulator, contraction_.accumulator_type); }
  // Adds the kernel: out[index] = epilogue, cast to the buffer's type.
  void finish(BufferId out, Index index, const Expr& epilogue, std::string_view name = "");

 private:
  LowerContext& context_;
  Contraction contraction_;
};

}  // namespace dlc::ir

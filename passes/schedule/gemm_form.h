// A contraction seen as a matrix product with row pointers: the form that register tiles run.
#pragma once

#include <optional>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// out[batch, m, n] = epilogue(sum over windows and k of A[batch, m, windows, k] * B[batch, n, windows, k]).
// A row of the product is one setting of (batch, m, windows): a run of elements of A along k.
struct GemmForm {
  std::vector<ir::ContractionAxis> batch;  // also N axes beyond the first
  std::vector<ir::ContractionAxis> m;      // outermost first; the row number is row-major over them
  ir::ContractionAxis n;
  std::vector<ir::ContractionAxis> windows;  // all summed axes but k, outermost first
  ir::ContractionAxis k;
};

// Nothing if there is no N or no K axis. k is the summed axis along which A is contiguous, if there is one (a
// tap of a window only where there is one channel and no padding); n the N axis along which the output is.
std::optional<GemmForm> gemm_form(const ir::Program& program, const ir::Contraction& contraction);

// Merges neighbouring M axes (and batch axes) that A, the output and the epilogue walk as one.
void collapse_axes(const ir::Program& program, ir::Contraction& contraction);

// Every access of a contraction: A, B, output, loads of the epilogue and of terms.
struct ContractionAccess {
  ir::BufferId buffer;
  const std::vector<ir::Expr>* index;
};
std::vector<ContractionAccess> accesses(const ir::Contraction& contraction);

// Whether the epilogue uses the variable only inside of the indices of loads.
bool epilogue_only_addresses(const ir::Expr& epilogue, ir::VarId v);

}  // namespace dlc::passes

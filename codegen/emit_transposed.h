// A loop around a vector loop, where loads are contiguous along the outer loop and stores along the inner
// one.
#pragma once

#include "codegen/emit.h"

namespace dlc::codegen {

struct KernelEmitter::TransposedNest {
  const ir::For* rows;          // the loop around: loads are contiguous along it
  const ir::For* columns;       // the vector loop: stores are contiguous along it
  std::vector<ir::Expr> loads;  // that stride along the columns
  int width;                    // of a tile, both ways
};

}  // namespace dlc::codegen

// The register tile of a matrix product: rows x panels accumulators held in registers over the whole
// summation, then the epilogue and the store.
#pragma once

#include "codegen/emit.h"
#include "codegen/gemm_plan.h"

namespace dlc::codegen {

// What the tile functions of one contraction share.
struct TileProblem {
  llvm::Module& module;
  const ir::Program& program;
  const Target& target;
  KernelSignature& signature;
  const ir::Contraction& contraction;
  const passes::GemmForm& form;
  const GemmPlan& plan;
  std::string name;
  // Variables that the caller gives a value, and buffers in the worker's scratch memory (byte offsets).
  std::vector<ir::VarId> arguments = {};
  std::map<ir::BufferId, int64_t> scratch = {};
  // Panels of B that a tile fetches for later tiles, while it runs: the first one begins a number of bytes
  // after the tile's own first panel, which is the last argument of the tile's function. 0: no such argument.
  int ahead = 0;
};

// Whether what is padded of A reads a run along K that the caller has put at the beginning of the scratch
// memory: zero points that only the run knows.
bool has_padding_in_scratch(const ir::Operand& a);

// A function (buffers, dims, scratch, batch, first row, first panel, arguments...) that computes `rows` x
// `panels * kPanel` elements of the output. All rows exist; of the last panel's columns those beyond N are
// not stored. `last_columns` below kPanel: N is known to end after as many columns of the last panel, and
// fewer or narrower vectors are computed of it.
llvm::Function* emit_tile(const TileProblem& problem, int rows, int panels, int last_columns = kPanel);

}  // namespace dlc::codegen

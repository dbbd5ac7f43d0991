// One kernel -> one LLVM function `void k(ptr buffers, ptr dims, i64 begin, i64 end, ptr scratch)`.
#pragma once

#include <llvm/IR/Module.h>

#include "codegen/emit.h"

namespace dlc::codegen {

struct EmittedKernel {
  llvm::Function* function = nullptr;
  KernelSignature signature;
};

// Requires a scheduled kernel (LoopNest or Contraction; calls have no function of their own).
EmittedKernel emit_kernel(llvm::Module& module, const ir::Program& program, const Target& target,
                          const ir::Kernel& kernel, const std::string& name);

// The type of kernel functions, and one with further pointers, then i64 arguments, in place of (begin, end,
// scratch).
llvm::Function* make_kernel_function(llvm::Module& module, const Target& target, const std::string& name);
llvm::Function* make_tile_function(llvm::Module& module, const Target& target, const std::string& name,
                                   int numbers, int pointers = 0);

// Row-major coordinates of `flat` in a box of the given extents.
std::vector<llvm::Value*> unflatten(KernelEmitter& emitter, llvm::Value* flat,
                                    const std::vector<ir::Dim>& extents);

// The body of a contraction's kernel function; sets task_count and work. In files of their own names.
void emit_gemm(KernelEmitter& emitter, const ir::Contraction& contraction, const std::string& name);
void emit_depthwise(KernelEmitter& emitter, const ir::Contraction& contraction);
void emit_attention(KernelEmitter& emitter, const ir::Attention& attention, const std::string& name);
void emit_winograd(KernelEmitter& emitter, const ir::Contraction& contraction, const std::string& name);

}  // namespace dlc::codegen

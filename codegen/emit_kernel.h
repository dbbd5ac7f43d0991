// One kernel -> one LLVM function `void k(ptr buffers, ptr dims, i64 begin, i64 end, ptr scratch)`.
#pragma once

#include <llvm/IR/Module.h>

#include "codegen/emit.h"

namespace dlc::codegen {

// Adds the function to the module, for the program's other modules to call. Requires a scheduled kernel
// (LoopNest or Contraction; calls have no function of their own).
KernelSignature emit_kernel(llvm::Module& module, const ir::Program& program, const Target& target,
                            const ir::Kernel& kernel, const std::string& name);
// The function of emit_kernel() in a module that calls it.
llvm::Function* declare_kernel(llvm::Module& module, const std::string& name);

// A function of the module's own with (buffers, dims), further pointers, then i64 arguments.
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

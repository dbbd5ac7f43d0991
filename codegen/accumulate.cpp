#include "codegen/accumulate.h"

#include <llvm/IR/Intrinsics.h>

namespace dlc::codegen {

llvm::Value* multiply_add(KernelEmitter& emitter, llvm::Value* a, llvm::Value* b, llvm::Value* sum) {
  llvm::IRBuilder<>& builder = emitter.builder;
  if (!sum->getType()->isFPOrFPVectorTy()) return builder.CreateAdd(builder.CreateMul(a, b), sum);
  if (emitter.target.has_fma) {
    return builder.CreateIntrinsic(llvm::Intrinsic::fma, {sum->getType()}, {a, b, sum});
  }
  return builder.CreateFAdd(builder.CreateFMul(a, b), sum);
}

llvm::Value* lanes_below(KernelEmitter& emitter, llvm::Value* count, int width) {
  llvm::IRBuilder<>& builder = emitter.builder;
  const auto lanes = static_cast<unsigned>(width);
  llvm::Type* i32 = builder.getInt32Ty();
  llvm::Value* step = builder.CreateStepVector(llvm::FixedVectorType::get(i32, lanes));
  return builder.CreateICmpSLT(step, builder.CreateVectorSplat(lanes, builder.CreateTrunc(count, i32)));
}

}  // namespace dlc::codegen

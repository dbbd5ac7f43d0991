#include "codegen/emit_nibbles.h"

#include <llvm/IR/IntrinsicsX86.h>

namespace dlc::codegen {

namespace {

constexpr unsigned kTableLanes = 16;  // of a register that holds a float for every number of 4 bits

// A look-up takes the lowest 4 bits of each lane, so that the halves of bytes need not be cut out.
std::vector<llvm::Value*> look_up(llvm::IRBuilder<>& builder, llvm::Value* bytes, int64_t zero) {
  std::vector<float> numbers;
  for (unsigned i = 0; i < kTableLanes; ++i) numbers.push_back(static_cast<float>(int64_t{i} - zero));
  llvm::Value* table = llvm::ConstantDataVector::get(builder.getContext(), numbers);
  auto* wide = llvm::FixedVectorType::get(builder.getInt32Ty(), kTableLanes);
  llvm::Value* lower = builder.CreateZExt(bytes, wide);
  std::vector<llvm::Value*> halves;
  for (llvm::Value* index : {lower, builder.CreateLShr(lower, 4)}) {
    halves.push_back(builder.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_sf_512, {}, {table, index}));
  }
  return halves;
}

}  // namespace

std::vector<llvm::Value*> halves_of(llvm::IRBuilder<>& builder, llvm::Value* bytes, DType type) {
  if (type != DType::kUint4) return {bytes};
  return {builder.CreateAnd(bytes, llvm::ConstantInt::get(bytes->getType(), 15)),
          builder.CreateLShr(bytes, 4)};
}

std::vector<llvm::Value*> float_halves_of(KernelEmitter& emitter, llvm::Value* bytes, DType type,
                                          int64_t zero) {
  llvm::IRBuilder<>& builder = emitter.builder;
  const unsigned lanes = llvm::cast<llvm::FixedVectorType>(bytes->getType())->getNumElements();
  if (type == DType::kUint4 && lanes == kTableLanes && emitter.target.vector_bits == 512)
    return look_up(builder, bytes, zero);
  auto* wide = llvm::FixedVectorType::get(builder.getInt32Ty(), lanes);
  std::vector<llvm::Value*> numbers;
  for (llvm::Value* half : halves_of(builder, builder.CreateZExt(bytes, wide), type)) {
    if (zero != 0)
      half = builder.CreateSub(half, llvm::ConstantInt::get(wide, static_cast<uint64_t>(zero), true));
    numbers.push_back(builder.CreateSIToFP(half, llvm::FixedVectorType::get(builder.getFloatTy(), lanes)));
  }
  return numbers;
}

}  // namespace dlc::codegen

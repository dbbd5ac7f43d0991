// Sums of products of narrow elements, several along K in one step: four bytes, where one factor is unsigned
// and the other one signed, or two of bfloat16.
#pragma once

#include "codegen/emit.h"

namespace dlc::codegen {

// How a target multiplies. None of them saturates.
enum class DotKind : uint8_t {
  kVnni,      // vpdpbusd
  kPairs,     // pmaddwd of bytes that are widened to 16 bits
  kWidened,   // products of 32 bits
  kBfloat16,  // vdpbf16ps
};
// For sums of an accumulator's type: int32 of bytes, float of bfloat16.
DotKind dot_kind(const Target& target, DType sum);
// Vectors that prepare_a() and prepare_b() make of one.
int dot_parts(DotKind kind, DType sum);

enum class DotElements : uint8_t {
  kUnsignedBySigned,
  kFlippedBySigned,   // the bytes of A are signed and become unsigned by their highest bit
  kSignedByUnsigned,  // those of B are unsigned
  kBfloat16,
};

class DotEmitter {
 public:
  DotEmitter(KernelEmitter& emitter, DotElements elements);

  // What the steps of all rows share of one vector of B, <4 * lanes x i8> or <2 * lanes x i16>: 32 bits a
  // column.
  std::vector<llvm::Value*> prepare_b(llvm::Value* group);
  // What the steps of all columns share of 32 bits of A.
  std::vector<llvm::Value*> prepare_a(llvm::Value* element, int lanes);
  // sum + a * b, <lanes x i32> or <lanes x float>
  llvm::Value* add(const std::vector<llvm::Value*>& a, const std::vector<llvm::Value*>& b, llvm::Value* sum);
  // B of columns that begin with `count` ones: what is added is the sum of as many bytes of A.
  std::vector<llvm::Value*> ones(int lanes, int count);

 private:
  std::vector<llvm::Value*> widened(llvm::Value* bytes, int lanes, bool is_signed);
  std::vector<llvm::Value*> widened_floats(llvm::Value* pairs);
  llvm::Value* multiply_pairs(llvm::Value* a, llvm::Value* b);

  KernelEmitter& emitter_;
  llvm::IRBuilder<>& builder_;
  DotKind kind_;
  DotElements elements_;
};

}  // namespace dlc::codegen

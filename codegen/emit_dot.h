// Sums of products of bytes, four along K in one step, where one factor is unsigned and the other one signed.
#pragma once

#include "codegen/emit.h"

namespace dlc::codegen {

// How a target multiplies bytes. None of them saturates.
enum class DotKind : uint8_t {
  kVnni,     // vpdpbusd
  kPairs,    // pmaddwd of bytes that are widened to 16 bits
  kWidened,  // products of 32 bits
};
DotKind dot_kind(const Target& target);

enum class DotSigns : uint8_t {
  kUnsignedBySigned,
  kFlippedBySigned,   // the bytes of A are signed and become unsigned by their highest bit
  kSignedByUnsigned,  // those of B are unsigned
};

class DotEmitter {
 public:
  DotEmitter(KernelEmitter& emitter, DotSigns signs);

  // What the steps of all rows share of one vector of B, <4 * lanes x i8>: four bytes a column.
  std::vector<llvm::Value*> prepare_b(llvm::Value* bytes);
  // What the steps of all columns share of four bytes of A, an i32.
  std::vector<llvm::Value*> prepare_a(llvm::Value* bytes, int lanes);
  // sum + a * b, <lanes x i32>
  llvm::Value* add(const std::vector<llvm::Value*>& a, const std::vector<llvm::Value*>& b, llvm::Value* sum);
  // B of columns that begin with `count` ones: what is added is the sum of as many bytes of A.
  std::vector<llvm::Value*> ones(int lanes, int count);

 private:
  std::vector<llvm::Value*> widened(llvm::Value* bytes, int lanes, bool is_signed);
  llvm::Value* multiply_pairs(llvm::Value* a, llvm::Value* b);

  llvm::IRBuilder<>& builder_;
  DotKind kind_;
  DotSigns signs_;
};

}  // namespace dlc::codegen

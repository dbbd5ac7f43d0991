#include "codegen/emit_dot.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "runtime/error.h"

namespace dlc::codegen {

using llvm::Intrinsic::ID;

namespace {

constexpr uint32_t kSignBits = 0x80808080;

unsigned lanes_of(llvm::Value* value) {
  return llvm::cast<llvm::FixedVectorType>(value->getType())->getNumElements();
}

// The instruction for vectors of 128, 256 or 512 bits.
ID of_width(unsigned lanes, ID narrow, ID middle, ID wide) {
  check(lanes == 4 || lanes == 8 || lanes == 16, "a vector register of sums");
  return lanes == 4 ? narrow : lanes == 8 ? middle : wide;
}

}  // namespace

DotKind dot_kind(const Target& target) {
  if (target.isa == Isa::kNeon) return DotKind::kWidened;
  return target.has_vnni ? DotKind::kVnni : DotKind::kPairs;
}

DotEmitter::DotEmitter(KernelEmitter& emitter, bool flips)
    : builder_(emitter.builder), kind_(dot_kind(emitter.target)), flips_(flips) {}

// With 16 or 32 bits a lane, a byte of a column is brought to the lower end of its lane and the ones above it
// are cut off by shifts. For pairs these are the bytes of even and of odd positions: the products of both add
// up in the same lanes.
std::vector<llvm::Value*> DotEmitter::prepare_b(llvm::Value* bytes) {
  const unsigned lanes = lanes_of(bytes) / 4;
  if (kind_ == DotKind::kVnni) return {bytes};
  std::vector<llvm::Value*> parts;
  if (kind_ == DotKind::kPairs) {
    auto* type = llvm::FixedVectorType::get(builder_.getInt16Ty(), lanes * 2);
    llvm::Value* pairs = builder_.CreateBitCast(bytes, type);
    return {builder_.CreateAShr(builder_.CreateShl(pairs, 8), 8), builder_.CreateAShr(pairs, 8)};
  }
  llvm::Value* group =
      builder_.CreateBitCast(bytes, llvm::FixedVectorType::get(builder_.getInt32Ty(), lanes));
  for (uint64_t i = 0; i < 4; ++i) {
    parts.push_back(builder_.CreateAShr(builder_.CreateShl(group, 24 - 8 * i), 24));
  }
  return parts;
}

std::vector<llvm::Value*> DotEmitter::prepare_a(llvm::Value* bytes, int lanes) {
  const auto count = static_cast<unsigned>(lanes);
  llvm::Value* group = builder_.CreateVectorSplat(count, bytes);
  if (flips_) group = builder_.CreateXor(group, llvm::ConstantInt::get(group->getType(), kSignBits));
  if (kind_ == DotKind::kVnni) {
    return {builder_.CreateBitCast(group, llvm::FixedVectorType::get(builder_.getInt8Ty(), count * 4))};
  }
  if (kind_ == DotKind::kPairs) {
    auto* type = llvm::FixedVectorType::get(builder_.getInt16Ty(), count * 2);
    llvm::Value* pairs = builder_.CreateBitCast(group, type);
    return {builder_.CreateAnd(pairs, llvm::ConstantInt::get(type, 0xff)), builder_.CreateLShr(pairs, 8)};
  }
  std::vector<llvm::Value*> parts;
  for (uint64_t i = 0; i < 4; ++i) {
    parts.push_back(builder_.CreateLShr(builder_.CreateShl(group, 24 - 8 * i), 24));
  }
  return parts;
}

std::vector<llvm::Value*> DotEmitter::ones(int lanes, int count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(lanes) * 4);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<int>(i % 4) < count ? 1 : 0;
  return prepare_b(llvm::ConstantDataVector::get(builder_.getContext(), bytes));
}

llvm::Value* DotEmitter::multiply_pairs(llvm::Value* a, llvm::Value* b) {
  const ID id = of_width(lanes_of(a) / 2, llvm::Intrinsic::x86_sse2_pmadd_wd,
                         llvm::Intrinsic::x86_avx2_pmadd_wd, llvm::Intrinsic::x86_avx512_pmaddw_d_512);
  return builder_.CreateIntrinsic(id, {}, {a, b});
}

llvm::Value* DotEmitter::add(const std::vector<llvm::Value*>& a, const std::vector<llvm::Value*>& b,
                             llvm::Value* sum) {
  if (kind_ == DotKind::kVnni) {
    const ID id =
        of_width(lanes_of(sum), llvm::Intrinsic::x86_avx512_vpdpbusd_128,
                 llvm::Intrinsic::x86_avx512_vpdpbusd_256, llvm::Intrinsic::x86_avx512_vpdpbusd_512);
    return builder_.CreateIntrinsic(id, {}, {sum, a[0], b[0]});
  }
  for (size_t i = 0; i < a.size(); ++i) {
    llvm::Value* product =
        kind_ == DotKind::kPairs ? multiply_pairs(a[i], b[i]) : builder_.CreateMul(a[i], b[i]);
    sum = builder_.CreateAdd(sum, product);
  }
  return sum;
}

}  // namespace dlc::codegen

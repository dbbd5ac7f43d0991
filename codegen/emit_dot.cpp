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

DotEmitter::DotEmitter(KernelEmitter& emitter, DotSigns signs)
    : builder_(emitter.builder), kind_(dot_kind(emitter.target)), signs_(signs) {}

// With 16 or 32 bits a lane, a byte of a column is brought to the lower end of its lane and the ones above it
// are cut off by shifts. For pairs these are the bytes of even and of odd positions: the products of both add
// up in the same lanes.
std::vector<llvm::Value*> DotEmitter::widened(llvm::Value* bytes, int lanes, bool is_signed) {
  const bool pairs = kind_ == DotKind::kPairs;
  const uint64_t bits = pairs ? 16 : 32;
  auto* type = llvm::FixedVectorType::get(builder_.getIntNTy(static_cast<unsigned>(bits)),
                                          static_cast<unsigned>(lanes * (pairs ? 2 : 1)));
  llvm::Value* group = builder_.CreateBitCast(bytes, type);
  std::vector<llvm::Value*> parts;
  for (uint64_t i = 0; i < bits / 8; ++i) {
    llvm::Value* top = builder_.CreateShl(group, bits - 8 - 8 * i);
    parts.push_back(is_signed ? builder_.CreateAShr(top, bits - 8) : builder_.CreateLShr(top, bits - 8));
  }
  return parts;
}

std::vector<llvm::Value*> DotEmitter::prepare_b(llvm::Value* bytes) {
  if (kind_ == DotKind::kVnni) return {bytes};
  return widened(bytes, static_cast<int>(lanes_of(bytes) / 4), signs_ != DotSigns::kSignedByUnsigned);
}

std::vector<llvm::Value*> DotEmitter::prepare_a(llvm::Value* bytes, int lanes) {
  const auto count = static_cast<unsigned>(lanes);
  llvm::Value* group = builder_.CreateVectorSplat(count, bytes);
  if (signs_ == DotSigns::kFlippedBySigned)
    group = builder_.CreateXor(group, llvm::ConstantInt::get(group->getType(), kSignBits));
  if (kind_ == DotKind::kVnni) {
    return {builder_.CreateBitCast(group, llvm::FixedVectorType::get(builder_.getInt8Ty(), count * 4))};
  }
  return widened(group, lanes, signs_ == DotSigns::kSignedByUnsigned);
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
    const bool swapped = signs_ == DotSigns::kSignedByUnsigned;
    return builder_.CreateIntrinsic(id, {}, {sum, swapped ? b[0] : a[0], swapped ? a[0] : b[0]});
  }
  for (size_t i = 0; i < a.size(); ++i) {
    llvm::Value* product =
        kind_ == DotKind::kPairs ? multiply_pairs(a[i], b[i]) : builder_.CreateMul(a[i], b[i]);
    sum = builder_.CreateAdd(sum, product);
  }
  return sum;
}

}  // namespace dlc::codegen

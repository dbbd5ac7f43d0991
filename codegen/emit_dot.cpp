#include "codegen/emit_dot.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/accumulate.h"
#include "runtime/error.h"

namespace dlc::codegen {

using llvm::Intrinsic::ID;

namespace {

constexpr uint32_t kSignBits = 0x80808080;
constexpr uint64_t kUpperHalf = 0xffff0000;

unsigned lanes_of(llvm::Value* value) {
  return llvm::cast<llvm::FixedVectorType>(value->getType())->getNumElements();
}

// The instruction for vectors of 128, 256 or 512 bits.
ID of_width(unsigned lanes, ID narrow, ID middle, ID wide) {
  check(lanes == 4 || lanes == 8 || lanes == 16, "a vector register of sums");
  return lanes == 4 ? narrow : lanes == 8 ? middle : wide;
}

}  // namespace

DotKind dot_kind(const Target& target, DType sum) {
  if (is_float(sum)) return target.has_bf16 ? DotKind::kBfloat16 : DotKind::kWidened;
  if (target.isa == Isa::kNeon) return DotKind::kWidened;
  return target.has_vnni ? DotKind::kVnni : DotKind::kPairs;
}

int dot_parts(DotKind kind, DType sum) {
  switch (kind) {
    case DotKind::kVnni:
    case DotKind::kBfloat16:
      return 1;
    case DotKind::kPairs:
      return 2;
    case DotKind::kWidened:
      return is_float(sum) ? 2 : 4;
  }
  return 1;
}

DotEmitter::DotEmitter(KernelEmitter& emitter, DotElements elements)
    : emitter_(emitter),
      builder_(emitter.builder),
      kind_(dot_kind(emitter.target, elements == DotElements::kBfloat16 ? DType::kFloat : DType::kInt32)),
      elements_(elements) {}

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

// The lower and the upper elements of pairs (i32), as floats: the upper half of a float is a bfloat16.
std::vector<llvm::Value*> DotEmitter::widened_floats(llvm::Value* pairs) {
  llvm::Type* type = builder_.getFloatTy();
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(pairs->getType()))
    type = llvm::FixedVectorType::get(type, vector->getNumElements());
  return {builder_.CreateBitCast(builder_.CreateShl(pairs, 16), type),
          builder_.CreateBitCast(builder_.CreateAnd(pairs, kUpperHalf), type)};
}

std::vector<llvm::Value*> DotEmitter::prepare_b(llvm::Value* group) {
  if (kind_ == DotKind::kVnni) return {group};
  const unsigned lanes = lanes_of(group) / (elements_ == DotElements::kBfloat16 ? 2 : 4);
  if (kind_ == DotKind::kBfloat16) {
    return {builder_.CreateBitCast(group, llvm::FixedVectorType::get(builder_.getBFloatTy(), 2 * lanes))};
  }
  if (elements_ == DotElements::kBfloat16) {
    auto* pairs = llvm::FixedVectorType::get(builder_.getInt32Ty(), lanes);
    return widened_floats(builder_.CreateBitCast(group, pairs));
  }
  return widened(group, static_cast<int>(lanes), elements_ != DotElements::kSignedByUnsigned);
}

std::vector<llvm::Value*> DotEmitter::prepare_a(llvm::Value* element, int lanes) {
  const auto count = static_cast<unsigned>(lanes);
  if (elements_ == DotElements::kBfloat16 && kind_ == DotKind::kWidened) {
    std::vector<llvm::Value*> parts = widened_floats(element);
    for (llvm::Value*& part : parts) part = builder_.CreateVectorSplat(count, part);
    return parts;
  }
  llvm::Value* group = builder_.CreateVectorSplat(count, element);
  if (kind_ == DotKind::kBfloat16) {
    return {builder_.CreateBitCast(group, llvm::FixedVectorType::get(builder_.getBFloatTy(), count * 2))};
  }
  if (elements_ == DotElements::kFlippedBySigned)
    group = builder_.CreateXor(group, llvm::ConstantInt::get(group->getType(), kSignBits));
  if (kind_ == DotKind::kVnni) {
    return {builder_.CreateBitCast(group, llvm::FixedVectorType::get(builder_.getInt8Ty(), count * 4))};
  }
  return widened(group, lanes, elements_ == DotElements::kSignedByUnsigned);
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
    const bool swapped = elements_ == DotElements::kSignedByUnsigned;
    return builder_.CreateIntrinsic(id, {}, {sum, swapped ? b[0] : a[0], swapped ? a[0] : b[0]});
  }
  if (kind_ == DotKind::kBfloat16) {
    const ID id =
        of_width(lanes_of(sum), llvm::Intrinsic::x86_avx512bf16_dpbf16ps_128,
                 llvm::Intrinsic::x86_avx512bf16_dpbf16ps_256, llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512);
    return builder_.CreateIntrinsic(id, {}, {sum, a[0], b[0]});
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (elements_ == DotElements::kBfloat16) {
      sum = multiply_add(emitter_, a[i], b[i], sum);
      continue;
    }
    llvm::Value* product =
        kind_ == DotKind::kPairs ? multiply_pairs(a[i], b[i]) : builder_.CreateMul(a[i], b[i]);
    sum = builder_.CreateAdd(sum, product);
  }
  return sum;
}

}  // namespace dlc::codegen

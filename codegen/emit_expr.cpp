// Scalar expressions -> LLVM values, in one lane or in SIMD lanes.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <cmath>

#include "codegen/emit.h"
#include "passes/expand_small_floats.h"
#include "runtime/error.h"
#include "runtime/small_floats.h"

namespace dlc::codegen {

using ir::Expr;
using ir::ExprNode;
using ir::ExprOp;
namespace Intrinsic = llvm::Intrinsic;

namespace {

// Whether two constants keep a float within an integer type, unless it is NaN.
bool is_clamped_to(const Expr& e, DType type) {
  if (!is_float(e.type()) || bit_width(e.type()) < 32 || !is_integer(type)) return false;
  const double limit = std::ldexp(1.0, std::min(bit_width(type), 32) - 2);
  const double low = is_signed(type) ? -2 * limit : 0;
  const double high = is_signed(type) ? 2 * limit - 1 : 4 * limit - 1;
  // The largest integers of 32 bits are no floats.
  const double exact_high = std::min(high, std::ldexp(1.0, 30));
  bool has_low = false, has_high = false;
  for (const Expr* at = &e; (*at)->op == ExprOp::kMin || (*at)->op == ExprOp::kMax;) {
    const ExprNode& node = **at;
    if (node.args[1]->op != ExprOp::kFloat) break;
    const double bound = node.args[1]->real;
    // What is outside of this one decides which of two bounds that cross holds: both are within.
    if (!(bound >= low && bound <= exact_high)) break;
    (node.op == ExprOp::kMin ? has_high : has_low) = true;
    at = &node.args[0];
  }
  return has_low && has_high;
}

}  // namespace

llvm::Value* KernelEmitter::emit(const Expr& e) {
  Memo memo;
  return emit_node(e, lanes.mask, memo);
}

llvm::Value* KernelEmitter::emit_vector(const Expr& e) { return broadcast(emit(e)); }

llvm::Value* KernelEmitter::emit_scalar(const Expr& e) {
  llvm::Value* value = emit(e);
  check(!value->getType()->isVectorTy(), "a uniform expression");
  return value;
}

llvm::Value* KernelEmitter::emit_node(const Expr& e, llvm::Value* guard, Memo& memo) {
  auto it = memo.values.find(e.get());
  if (it != memo.values.end()) return it->second;
  llvm::Value* value = emit_uncached(e, guard, memo);
  memo.values.emplace(e.get(), value);
  return value;
}

llvm::Value* KernelEmitter::emit_uncached(const Expr& e, llvm::Value* guard, Memo& memo) {
  switch (e->op) {
    case ExprOp::kInt:
      if (is_float(e->type)) return llvm::ConstantFP::get(scalar_type(e->type), double(e->integer));
      return llvm::ConstantInt::get(scalar_type(e->type), static_cast<uint64_t>(e->integer), true);
    case ExprOp::kFloat:
      if (bit_width(e->type) < 32)
        return llvm::ConstantInt::get(scalar_type(e->type), encode_small_float(e->type, e->real));
      return llvm::ConstantFP::get(scalar_type(e->type), e->real);
    case ExprOp::kDim:
      return dim(e->dim);
    case ExprOp::kVar:
      return emit_var(*e);
    case ExprOp::kLoad:
      if (auto known = loaded_.find(e.get()); known != loaded_.end()) return known->second;
      return emit_load(*e, guard, memo);
    case ExprOp::kSelect:
      return emit_select(e, guard, memo);
    default:
      break;
  }
  std::vector<llvm::Value*> args;
  bool vector = false;
  for (const Expr& arg : e->args) {
    args.push_back(emit_node(arg, guard, memo));
    vector |= args.back()->getType()->isVectorTy();
  }
  if (vector) {
    for (llvm::Value*& arg : args) arg = broadcast(arg);
  }
  return emit_operation(*e, args);
}

llvm::Value* KernelEmitter::emit_var(const ExprNode& e) {
  if (e.var == lanes.var) {
    if (lanes.width == 1) return lanes.base;
    auto lanes_type = llvm::FixedVectorType::get(builder.getInt64Ty(), static_cast<unsigned>(lanes.width));
    return builder.CreateAdd(broadcast(lanes.base), builder.CreateStepVector(lanes_type));
  }
  if (auto known = vars.find(e.var); known != vars.end()) return known->second;
  auto mutable_let = slots.find(e.var);
  check(mutable_let != slots.end(), "a variable is defined before its use");
  auto* memory = llvm::cast<llvm::AllocaInst>(mutable_let->second);
  return builder.CreateLoad(memory->getAllocatedType(), memory);
}

llvm::Value* KernelEmitter::emit_operation(const ExprNode& e, const std::vector<llvm::Value*>& args) {
  switch (e.op) {
    case ExprOp::kEq:
    case ExprOp::kNe:
    case ExprOp::kLt:
    case ExprOp::kLe:
    case ExprOp::kGt:
    case ExprOp::kGe:
      return emit_compare(e, args[0], args[1]);
    case ExprOp::kCast:
      if (is_clamped_to(e.args[0], e.type)) return emit_clamped_cast(args[0], e.type);
      return emit_cast(args[0], e.args[0].type(), e.type);
    case ExprOp::kBitcast: {
      llvm::Type* type = scalar_type(e.type);
      if (args[0]->getType()->isVectorTy()) {
        type = llvm::FixedVectorType::get(type, static_cast<unsigned>(lanes.width));
      }
      return builder.CreateBitCast(args[0], type);
    }
    case ExprOp::kMin:
    case ExprOp::kMax:
      return emit_min_max(e, args[0], args[1]);
    case ExprOp::kAdd:
    case ExprOp::kSub:
    case ExprOp::kMul:
    case ExprOp::kDiv:
    case ExprOp::kFloorDiv:
    case ExprOp::kMod:
    case ExprOp::kTruncMod:
    case ExprOp::kAnd:
    case ExprOp::kOr:
    case ExprOp::kXor:
    case ExprOp::kShl:
    case ExprOp::kShr:
      return emit_arithmetic(e, args[0], args[1]);
    default:
      return emit_math(e, args);
  }
}

// Loads on the side that is not chosen must not happen: each side is emitted under the condition as its
// guard.
llvm::Value* KernelEmitter::emit_select(const Expr& e, llvm::Value* guard, Memo& memo) {
  llvm::Value* condition = emit_node(e->args[0], guard, memo);
  auto has_load = [](const Expr& side) {
    bool found = false;
    ir::visit(side, [&](const ExprNode& node) { found |= node.op == ExprOp::kLoad; });
    return found;
  };
  auto conjunction = [&](llvm::Value* a, llvm::Value* b) -> llvm::Value* {
    if (!a) return b;
    if (a->getType()->isVectorTy()) b = broadcast(b);
    if (b->getType()->isVectorTy()) a = broadcast(a);
    return builder.CreateAnd(a, b);
  };
  llvm::Value* sides[2];
  for (int i = 0; i < 2; ++i) {
    const Expr& side = e->args[1 + static_cast<size_t>(i)];
    if (!has_load(side)) {
      sides[i] = emit_node(side, guard, memo);
      continue;
    }
    // What is computed under a narrower guard must not be found by code outside of it.
    Memo inner = memo;
    llvm::Value* chosen = i == 0 ? condition : builder.CreateNot(condition);
    sides[i] = emit_node(side, conjunction(guard, chosen), inner);
  }
  bool vector = condition->getType()->isVectorTy() || sides[0]->getType()->isVectorTy() ||
                sides[1]->getType()->isVectorTy();
  if (vector) {
    sides[0] = broadcast(sides[0]);
    sides[1] = broadcast(sides[1]);
  }
  return builder.CreateSelect(condition, sides[0], sides[1]);
}

llvm::Value* KernelEmitter::emit_arithmetic(const ExprNode& e, llvm::Value* a, llvm::Value* b) {
  const bool floating = is_float(e.type);
  const bool with_sign = is_signed(e.type);
  switch (e.op) {
    case ExprOp::kAdd:
      return floating ? builder.CreateFAdd(a, b) : builder.CreateAdd(a, b);
    case ExprOp::kSub:
      return floating ? builder.CreateFSub(a, b) : builder.CreateSub(a, b);
    case ExprOp::kMul:
      return floating ? builder.CreateFMul(a, b) : builder.CreateMul(a, b);
    case ExprOp::kDiv:
      if (floating) return builder.CreateFDiv(a, b);
      return with_sign ? builder.CreateSDiv(a, b) : builder.CreateUDiv(a, b);
    case ExprOp::kTruncMod:
      if (floating) return builder.CreateFRem(a, b);
      return with_sign ? builder.CreateSRem(a, b) : builder.CreateURem(a, b);
    case ExprOp::kFloorDiv:
      if (floating) return builder.CreateUnaryIntrinsic(Intrinsic::floor, builder.CreateFDiv(a, b));
      return with_sign ? emit_floored_quotient(a, b) : builder.CreateUDiv(a, b);
    case ExprOp::kMod:
      if (floating) return emit_floored_remainder_float(a, b);
      return with_sign ? emit_floored_remainder(a, b) : builder.CreateURem(a, b);
    case ExprOp::kAnd:
      return builder.CreateAnd(a, b);
    case ExprOp::kOr:
      return builder.CreateOr(a, b);
    case ExprOp::kXor:
      return builder.CreateXor(a, b);
    case ExprOp::kShl:
    case ExprOp::kShr:
      return emit_shift(e, a, b);
    default:
      break;
  }
  fail(ErrorKind::kInternal, "not an arithmetic operation");
}

llvm::Value* KernelEmitter::emit_floored_quotient(llvm::Value* a, llvm::Value* b) {
  llvm::Value* quotient = builder.CreateSDiv(a, b);
  llvm::Value* remainder = builder.CreateSub(a, builder.CreateMul(quotient, b));
  llvm::Value* zero = llvm::Constant::getNullValue(a->getType());
  llvm::Value* inexact = builder.CreateICmpNE(remainder, zero);
  llvm::Value* opposite = builder.CreateICmpSLT(builder.CreateXor(remainder, b), zero);
  llvm::Value* correction = builder.CreateZExt(builder.CreateAnd(inexact, opposite), a->getType());
  return builder.CreateSub(quotient, correction);
}

llvm::Value* KernelEmitter::emit_floored_remainder(llvm::Value* a, llvm::Value* b) {
  llvm::Value* zero = llvm::Constant::getNullValue(a->getType());
  llvm::Value* remainder = builder.CreateSRem(a, b);
  llvm::Value* nonzero = builder.CreateICmpNE(remainder, zero);
  llvm::Value* opposite = builder.CreateICmpSLT(builder.CreateXor(remainder, b), zero);
  llvm::Value* shifted = builder.CreateAdd(remainder, b);
  return builder.CreateSelect(builder.CreateAnd(nonzero, opposite), shifted, remainder);
}

llvm::Value* KernelEmitter::emit_floored_remainder_float(llvm::Value* a, llvm::Value* b) {
  llvm::Value* zero = llvm::Constant::getNullValue(a->getType());
  llvm::Value* remainder = builder.CreateFRem(a, b);
  llvm::Value* nonzero = builder.CreateFCmpUNE(remainder, zero);
  llvm::Value* opposite =
      builder.CreateXor(builder.CreateFCmpOLT(remainder, zero), builder.CreateFCmpOLT(b, zero));
  llvm::Value* shifted = builder.CreateFAdd(remainder, b);
  return builder.CreateSelect(builder.CreateAnd(nonzero, opposite), shifted, remainder);
}

// A shift by the width or more gives 0 (ONNX BitShift), where LLVM gives poison.
llvm::Value* KernelEmitter::emit_shift(const ExprNode& e, llvm::Value* a, llvm::Value* b) {
  llvm::Value* width = llvm::ConstantInt::get(b->getType(), static_cast<uint64_t>(bit_width(e.type)));
  llvm::Value* safe = builder.CreateICmpULT(b, width);
  llvm::Value* amount = builder.CreateSelect(safe, b, llvm::Constant::getNullValue(b->getType()));
  llvm::Value* shifted = e.op == ExprOp::kShl ? builder.CreateShl(a, amount)
                         : is_signed(e.type)  ? builder.CreateAShr(a, amount)
                                              : builder.CreateLShr(a, amount);
  return builder.CreateSelect(safe, shifted, llvm::Constant::getNullValue(a->getType()));
}

llvm::Value* KernelEmitter::emit_compare(const ExprNode& e, llvm::Value* a, llvm::Value* b) {
  const DType type = e.args[0].type();
  using P = llvm::CmpInst::Predicate;
  auto pick = [&](P floating, P with_sign, P without_sign) {
    if (is_float(type)) return builder.CreateFCmp(floating, a, b);
    return builder.CreateICmp(is_signed(type) ? with_sign : without_sign, a, b);
  };
  switch (e.op) {
    case ExprOp::kEq:
      return pick(P::FCMP_OEQ, P::ICMP_EQ, P::ICMP_EQ);
    case ExprOp::kNe:
      return pick(P::FCMP_UNE, P::ICMP_NE, P::ICMP_NE);
    case ExprOp::kLt:
      return pick(P::FCMP_OLT, P::ICMP_SLT, P::ICMP_ULT);
    case ExprOp::kLe:
      return pick(P::FCMP_OLE, P::ICMP_SLE, P::ICMP_ULE);
    case ExprOp::kGt:
      return pick(P::FCMP_OGT, P::ICMP_SGT, P::ICMP_UGT);
    default:
      return pick(P::FCMP_OGE, P::ICMP_SGE, P::ICMP_UGE);
  }
}

// min and max with one finite constant need no special treatment of NaN: the comparison with NaN is false and
// the variable is kept, which is one instruction on x86.
llvm::Value* KernelEmitter::emit_min_max(const ExprNode& e, llvm::Value* a, llvm::Value* b) {
  const bool is_max = e.op == ExprOp::kMax;
  if (!is_float(e.type)) {
    const bool with_sign = is_signed(e.type);
    auto id = is_max ? (with_sign ? Intrinsic::smax : Intrinsic::umax)
                     : (with_sign ? Intrinsic::smin : Intrinsic::umin);
    return builder.CreateBinaryIntrinsic(id, a, b);
  }
  if (e.args[0]->op == ExprOp::kFloat) std::swap(a, b);
  if (e.args[0]->op == ExprOp::kFloat || e.args[1]->op == ExprOp::kFloat) {
    llvm::Value* replace = is_max ? builder.CreateFCmpOLT(a, b) : builder.CreateFCmpOGT(a, b);
    return builder.CreateSelect(replace, b, a);
  }
  return builder.CreateBinaryIntrinsic(is_max ? Intrinsic::maximum : Intrinsic::minimum, a, b);
}

// Between float32 and the code of a float16, by the target's own instructions.
llvm::Value* KernelEmitter::convert_float16(llvm::Value* value, DType from, DType to) {
  auto like = [&](llvm::Type* type) -> llvm::Type* {
    auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
    return vector ? llvm::FixedVectorType::get(type, vector->getNumElements()) : type;
  };
  llvm::Type* half = like(builder.getHalfTy());
  if (from == DType::kFloat16)
    return builder.CreateFPExt(builder.CreateBitCast(value, half), like(builder.getFloatTy()));
  check(to == DType::kFloat16, "a conversion to float16");
  return builder.CreateBitCast(builder.CreateFPTrunc(value, half), like(builder.getInt16Ty()));
}

llvm::Value* KernelEmitter::convert(llvm::Value* value, DType from, DType to) {
  const bool small = (is_float(from) && bit_width(from) < 32) || (is_float(to) && bit_width(to) < 32);
  if (!small || from == to) return emit_cast(value, from, to);
  constexpr auto kValue = static_cast<ir::VarId>(-2);
  vars[kValue] = value;
  // The constants of the conversion get as many lanes as the value has.
  const Lanes saved = lanes;
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  lanes = {.width = vector == nullptr ? 1 : static_cast<int>(vector->getNumElements())};
  Memo memo;
  const Expr e = ir::cast(ir::var(kValue, from), to);
  llvm::Value* result = emit_node(passes::expand_small_floats(e, {.float16 = target.has_f16}), nullptr, memo);
  lanes = saved;
  vars.erase(kValue);
  return result;
}

// Of a float that is within the integer type or NaN, which becomes 0.
llvm::Value* KernelEmitter::emit_clamped_cast(llvm::Value* value, DType to) {
  llvm::Type* type = scalar_type(to);
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType()))
    type = llvm::FixedVectorType::get(type, vector->getNumElements());
  llvm::Value* is_number = builder.CreateFCmpORD(value, value);
  value = builder.CreateSelect(is_number, value, llvm::Constant::getNullValue(value->getType()));
  return is_signed(to) ? builder.CreateFPToSI(value, type) : builder.CreateFPToUI(value, type);
}

llvm::Value* KernelEmitter::emit_cast(llvm::Value* value, DType from, DType to) {
  if (from == to) return value;
  llvm::Type* type = scalar_type(to);
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType())) {
    type = llvm::FixedVectorType::get(type, vector->getNumElements());
  }
  llvm::Constant* zero = llvm::Constant::getNullValue(value->getType());
  if (to == DType::kBool) {
    return is_float(from) ? builder.CreateFCmpUNE(value, zero) : builder.CreateICmpNE(value, zero);
  }
  if (from == DType::kFloat16 || to == DType::kFloat16) return convert_float16(value, from, to);
  if (is_float(from) && is_float(to)) return builder.CreateFPCast(value, type);
  if (is_float(from)) {
    auto id = is_signed(to) ? Intrinsic::fptosi_sat : Intrinsic::fptoui_sat;
    return builder.CreateIntrinsic(id, {type, value->getType()}, {value});
  }
  const bool source_signed = from != DType::kBool && is_signed(from);
  if (is_float(to))
    return source_signed ? builder.CreateSIToFP(value, type) : builder.CreateUIToFP(value, type);
  return builder.CreateIntCast(value, type, source_signed);
}

}  // namespace dlc::codegen

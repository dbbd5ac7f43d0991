#include "codegen/emit_dim.h"

#include <llvm/IR/Intrinsics.h>

#include "runtime/error.h"

namespace dlc::codegen {

llvm::Value* DimEmitter::checked(llvm::Intrinsic::ID operation, llvm::Value* a, llvm::Value* b) {
  llvm::Value* pair = builder_.CreateBinaryIntrinsic(operation, a, b);
  llvm::Value* overflow = builder_.CreateExtractValue(pair, 1);
  overflow_ = overflow_ == nullptr ? overflow : builder_.CreateOr(overflow_, overflow);
  return builder_.CreateExtractValue(pair, 0);
}

llvm::Value* DimEmitter::add(llvm::Value* a, llvm::Value* b) {
  return checked(llvm::Intrinsic::sadd_with_overflow, a, b);
}

llvm::Value* DimEmitter::multiply(llvm::Value* a, llvm::Value* b) {
  return checked(llvm::Intrinsic::smul_with_overflow, a, b);
}

llvm::Value* DimEmitter::emit(const ir::Dim& value) {
  if (value.is_constant()) return constant(value.value());
  if (auto known = values_.find(value); known != values_.end()) return known->second;
  llvm::Value* sum = nullptr;
  for (const ir::Dim::Term& term : value.terms()) {
    llvm::Value* product = emit_term(term);
    sum = sum == nullptr ? product : add(sum, product);
  }
  if (value.constant_term() != 0) sum = add(sum, constant(value.constant_term()));
  return values_[value] = sum;
}

llvm::Value* DimEmitter::emit_saturating(const ir::Dim& value) {
  llvm::Value* outer = overflow_;
  std::map<ir::Dim, llvm::Value*> outer_values = values_;
  overflow_ = nullptr;
  llvm::Value* result = emit(value);
  if (overflow_ != nullptr) result = builder_.CreateSelect(overflow_, constant(INT64_MAX), result);
  overflow_ = outer;
  values_ = std::move(outer_values);  // what was computed here may have overflowed unnoticed
  return result;
}

void DimEmitter::finish() {
  if (overflow_ == nullptr) return;
  fail_if_(overflow_, "the sizes that follow from these shapes overflow", constant(0), constant(0));
  overflow_ = nullptr;
}

llvm::Value* DimEmitter::emit_term(const ir::Dim::Term& term) {
  llvm::Value* product = nullptr;
  for (const ir::Dim::AtomRef& atom : term.atoms) {
    llvm::Value* factor = emit_atom(*atom);
    product = product == nullptr ? factor : multiply(product, factor);
  }
  return term.coefficient == 1 ? product : multiply(product, constant(term.coefficient));
}

llvm::Value* DimEmitter::emit_atom(const ir::Dim::Atom& atom) {
  if (atom.function == ir::DimFunction::kSymbol) return symbol_value_(atom.symbol);
  llvm::Value* a = emit(atom.args[0]);
  llvm::Value* b = emit(atom.args[1]);
  switch (atom.function) {
    case ir::DimFunction::kSymbol:
      break;
    case ir::DimFunction::kFloorDiv:
      return emit_floor_div(a, b);
    case ir::DimFunction::kMin:
      return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
    case ir::DimFunction::kMax:
      return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b);
    case ir::DimFunction::kBroadcast:
      return emit_broadcast(a, b);
  }
  fail(ErrorKind::kInternal, "a function of extents that is none");
}

llvm::Value* DimEmitter::emit_floor_div(llvm::Value* a, llvm::Value* b) {
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(b);
  bool is_safe = known != nullptr && known->getSExtValue() > 0;
  if (!is_safe) {
    // INT64_MIN / -1 has no result either.
    llvm::Value* is_minus_one = builder_.CreateICmpEQ(b, constant(-1));
    llvm::Value* is_smallest = builder_.CreateICmpEQ(a, constant(INT64_MIN));
    llvm::Value* is_bad = builder_.CreateOr(builder_.CreateICmpEQ(b, constant(0)),
                                            builder_.CreateAnd(is_minus_one, is_smallest));
    fail_if_(is_bad, "an extent of %lld is divided by %lld", a, b);
  }
  llvm::Value* quotient = builder_.CreateSDiv(a, b);
  llvm::Value* rest = builder_.CreateSub(a, builder_.CreateMul(quotient, b));
  llvm::Value* signs_differ = builder_.CreateICmpSLT(builder_.CreateXor(rest, b), constant(0));
  llvm::Value* is_inexact = builder_.CreateICmpNE(rest, constant(0));
  llvm::Value* adjust = builder_.CreateAnd(is_inexact, signs_differ);
  return builder_.CreateSub(quotient, builder_.CreateZExt(adjust, builder_.getInt64Ty()));
}

llvm::Value* DimEmitter::emit_broadcast(llvm::Value* a, llvm::Value* b) {
  llvm::Value* a_is_one = builder_.CreateICmpEQ(a, constant(1));
  llvm::Value* differ = builder_.CreateICmpNE(a, b);
  llvm::Value* neither_is_one =
      builder_.CreateNot(builder_.CreateOr(a_is_one, builder_.CreateICmpEQ(b, constant(1))));
  fail_if_(builder_.CreateAnd(differ, neither_is_one), "axes of %lld and %lld elements do not broadcast", a,
           b);
  return builder_.CreateSelect(a_is_one, b, a);
}

}  // namespace dlc::codegen

// LLVM IR that computes Dims from run-time values of their symbols, with every way to go wrong checked.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <llvm/IR/IRBuilder.h>

#include "ir/dim.h"

namespace dlc::codegen {

class DimEmitter {
 public:
  // i64 of a symbol.
  using SymbolValue = std::function<llvm::Value*(const std::string& symbol)>;
  // Emits code that fails the run with `format` (up to two %lld, for `a` and `b`) where `condition` is true;
  // leaves the builder where the run goes on.
  using FailIf =
      std::function<void(llvm::Value* condition, const std::string& format, llvm::Value* a, llvm::Value* b)>;

  DimEmitter(llvm::IRBuilder<>& builder, SymbolValue symbol_value, FailIf fail_if)
      : builder_(builder), symbol_value_(std::move(symbol_value)), fail_if_(std::move(fail_if)) {}

  // i64; the run fails where extents do not broadcast or a divisor is zero. An overflow is kept for finish().
  llvm::Value* emit(const ir::Dim& value);
  // The same for an estimate: INT64_MAX where it overflows.
  llvm::Value* emit_saturating(const ir::Dim& value);
  // Sums and products that count for finish().
  llvm::Value* add(llvm::Value* a, llvm::Value* b);
  llvm::Value* multiply(llvm::Value* a, llvm::Value* b);
  // Fails the run if any arithmetic so far has overflowed.
  void finish();

 private:
  llvm::Value* checked(llvm::Intrinsic::ID operation, llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_term(const ir::Dim::Term& term);
  llvm::Value* emit_atom(const ir::Dim::Atom& atom);
  llvm::Value* emit_floor_div(llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_broadcast(llvm::Value* a, llvm::Value* b);
  llvm::Value* constant(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }

  llvm::IRBuilder<>& builder_;
  SymbolValue symbol_value_;
  FailIf fail_if_;
  std::map<ir::Dim, llvm::Value*> values_;
  llvm::Value* overflow_ = nullptr;  // i1; null: nothing could overflow so far
};

}  // namespace dlc::codegen

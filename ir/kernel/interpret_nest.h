// Runs one loop nest of the interpreter.
#pragma once

#include "ir/kernel/scalar_code.h"

namespace dlc::ir {

// A statement whose expressions are code. Registers stand for variables.
struct CompiledStmt {
  enum class Kind : uint8_t { kFor, kStore, kLet, kReduce, kAssign, kIf, kScatter };
  Kind kind;
  CodeRange index = {};      // kStore, kScatter
  CodeRange value = {};      // the condition of kIf, the begin of kFor
  CodeRange end = {};        // kFor
  int32_t target = 0;        // register; kStore, kScatter: access
  ExprOp op = ExprOp::kInt;  // kReduce, kScatter: what combines
  DType type = DType::kUndefined;
  std::vector<CompiledStmt> body = {};
};

class CompiledNest {
 public:
  CompiledNest(const LoopNest& nest, bool double_accumulation);

  const ScalarCode& code() const { return code_; }
  // `accesses` by access number, `dims` in the order of code().dims(). Error(kInternal).
  void run(const std::vector<Access>& accesses, const std::vector<int64_t>& dims) const;

 private:
  std::vector<CompiledStmt> compile(const Block& block);
  CompiledStmt compile(const Stmt& stmt);

  ScalarCode code_;
  std::vector<CompiledStmt> body_;
};

}  // namespace dlc::ir

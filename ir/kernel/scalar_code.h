// Expressions as straight code over a file of registers, for the interpreter.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "ir/kernel/kernel.h"
#include "ir/kernel/scalar.h"

namespace dlc::ir {

// Where the elements of one buffer are while a kernel runs.
struct Access {
  BufferId buffer = BufferId::kNone;
  DType type = DType::kUndefined;
  std::vector<int64_t> shape = {};
  int64_t offset = 0;
  std::vector<int64_t> strides =
      {};  // empty for a view that has none: then `levels` map the index to the root
  void* data = nullptr;
  int64_t size = 0;  // elements of the root

  // One view of a stack, outermost first, in numbers.
  struct Level {
    ViewKind kind;
    std::vector<int> perm;
    std::vector<int64_t> start, step, shape, base_shape;
  };
  std::vector<Level> levels = {};
};

// The element of the root that an index means. Error(kInternal) if the index leaves the shape.
int64_t element_of(const Access& access, const Scalar* index);

enum class InstructionKind : uint8_t { kApply, kLoad, kMove, kJump, kJumpIfFalse };
struct Instruction {
  InstructionKind kind;
  ExprOp op = ExprOp::kInt;
  DType argument = DType::kUndefined;
  DType type = DType::kUndefined;
  int32_t target = 0;  // register; of jumps: instruction
  int32_t args[3] =
      {};  // registers; of a load: args[0] is the access, args[1] the first of its index registers
};

// A piece of code that leaves its value in a register.
struct CodeRange {
  int32_t begin = 0;
  int32_t end = 0;
  int32_t result = 0;
};

class ScalarCode {
 public:
  // Float32 variables that hold a double (sums under double_accumulation).
  std::set<VarId> wide_vars = {};

  // Compiles an expression; `wide` computes float32 operations in double.
  CodeRange compile(const Expr& e, bool wide = false);
  // The index registers of a store, consecutive; code in the range.
  CodeRange compile_index(const std::vector<Expr>& index);
  int32_t register_of(VarId v);
  int32_t access_of(BufferId buffer);

  const std::vector<BufferId>& buffers() const { return buffers_; }  // by access number
  const std::vector<std::pair<Dim, int32_t>>& dims() const { return dims_; }

  // Registers with constants set; dims are the caller's to set.
  std::vector<Scalar> initial_registers() const { return initial_; }
  // Error(kInternal) on an access outside of its buffer.
  void run(const CodeRange& range, std::vector<Scalar>& registers, const std::vector<Access>& accesses) const;

 private:
  int32_t emit(const Expr& e, bool wide);
  int32_t emit_uncached(const Expr& e, bool wide);
  int32_t emit_select(const Expr& e, bool wide);
  int32_t emit_load(const Expr& e);
  int32_t emit_var(const Expr& e, bool wide);
  int32_t emit_apply(ExprOp op, DType argument, DType type, const std::vector<int32_t>& args);
  int32_t fresh() { return fresh(Scalar{}); }
  int32_t fresh(Scalar value);
  int32_t move_consecutive(const std::vector<Expr>& index);

  std::vector<Instruction> code_;
  std::vector<Scalar> initial_;
  std::vector<BufferId> buffers_;
  std::vector<std::pair<Dim, int32_t>> dims_;
  std::map<VarId, int32_t> vars_;
  std::unordered_map<const ExprNode*, int32_t> done_;  // within one compile()
};

}  // namespace dlc::ir

// Emission of LLVM IR for the inside of one kernel function: expressions in SIMD lanes, statements, loops.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include <llvm/IR/IRBuilder.h>

#include "codegen/target.h"
#include "ir/kernel/kernel.h"

namespace dlc::codegen {

// The variable whose consecutive values fill the SIMD lanes: lane i holds base + i. width 1: scalar code.
struct Lanes {
  ir::VarId var = ir::VarId::kNone;
  int width = 1;
  llvm::Value* base = nullptr;  // i64
  // <width x i1>, or null: all lanes are active. Inactive lanes neither load nor store.
  llvm::Value* mask = nullptr;
};

// What the caller of a kernel function has to provide, in the order of the function's arrays.
struct KernelSignature {
  std::vector<ir::BufferId> buffers;  // root buffers: elements of the `buffers` argument
  std::vector<ir::Dim> dims;          // non-constant Dims: elements of the `dims` argument
  ir::Dim task_count = 1;             // the range of [begin, end)
  ir::Dim work = 0;                   // estimate of one whole call in nanoseconds, saturating
  int64_t scratch_bytes = 0;
};

// The state of emission inside one LLVM function with the arguments (ptr buffers, ptr dims, ...). Pointers of
// root buffers and values of Dims are loaded in the function's entry block on first use.
class KernelEmitter {
 public:
  KernelEmitter(llvm::Function* function, const ir::Program& program, const Target& target,
                KernelSignature& signature);
  KernelEmitter(const KernelEmitter&) = delete;

  llvm::IRBuilder<> builder;
  const ir::Program& program;
  const Target& target;
  KernelSignature& signature;
  std::map<ir::VarId, llvm::Value*>
      vars;  // loop variables (i64), immutable lets: scalar or <lanes.width x T>
  std::map<ir::VarId, llvm::Value*> slots;  // memory of mutable lets (promoted to registers by LLVM)
  Lanes lanes;

  llvm::Type* scalar_type(DType type) const;  // in registers; bool is i1, a float below 32 bits its code
  llvm::Type* memory_type(DType type) const;  // bool is i8
  llvm::Value* root_pointer(ir::BufferId root);
  // These root buffers lie in the worker's scratch memory, at byte offsets from `base`.
  void use_scratch(llvm::Value* base, const std::map<ir::BufferId, int64_t>& offsets);
  llvm::Value* dim(const ir::Dim& value);                // i64
  llvm::Value* smaller(llvm::Value* a, llvm::Value* b);  // signed integers
  llvm::Value* index(int64_t value) { return builder.getInt64(static_cast<uint64_t>(value)); }

  // Scalar where the value does not depend on the lanes, else <lanes.width x T>.
  llvm::Value* emit(const ir::Expr& e);
  llvm::Value* emit_vector(const ir::Expr& e);  // a scalar result is broadcast when lanes.width > 1
  llvm::Value* emit_scalar(const ir::Expr& e);  // CHECK: does not depend on the lanes
  // Address of buffer[index...], with the lane variable at its base.
  llvm::Value* address(ir::BufferId buffer, const std::vector<ir::Expr>& index);
  llvm::Value* load(ir::BufferId buffer, const std::vector<ir::Expr>& index, llvm::Value* guard);
  void store(ir::BufferId buffer, const std::vector<ir::Expr>& index, llvm::Value* value);
  void emit(const ir::Block& block);

  // Memory in the function's entry block.
  llvm::AllocaInst* slot(llvm::Type* type, const char* name);
  // 64 readable bytes of zero, for addresses whose element must not be read.
  llvm::Value* zeros();
  llvm::Value* broadcast(llvm::Value* value);
  // Of a value or a vector, between any two types.
  llvm::Value* convert(llvm::Value* value, DType from, DType to);
  // The loads and stores of different root buffers do not alias.
  void tag_access(llvm::Instruction* access, ir::BufferId root);
  // The distance in elements between neighbouring lanes, if it is the same for all of them.
  std::optional<ir::Dim> lane_stride(ir::BufferId buffer, const std::vector<ir::Expr>& index);

 private:
  struct Memo {
    std::unordered_map<const ir::ExprNode*, llvm::Value*> values;
  };
  llvm::Value* emit_node(const ir::Expr& e, llvm::Value* guard, Memo& memo);
  llvm::Value* emit_uncached(const ir::Expr& e, llvm::Value* guard, Memo& memo);
  llvm::Value* emit_var(const ir::ExprNode& e);
  llvm::Value* emit_operation(const ir::ExprNode& e, const std::vector<llvm::Value*>& args);
  llvm::Value* emit_select(const ir::Expr& e, llvm::Value* guard, Memo& memo);
  llvm::Value* emit_arithmetic(const ir::ExprNode& e, llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_floored_quotient(llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_floored_remainder(llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_floored_remainder_float(llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_shift(const ir::ExprNode& e, llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_math(const ir::ExprNode& e, const std::vector<llvm::Value*>& args);
  llvm::Value* emit_compare(const ir::ExprNode& e, llvm::Value* a, llvm::Value* b);
  llvm::Value* convert_float16(llvm::Value* value, DType from, DType to);
  llvm::Value* emit_clamped_cast(llvm::Value* value, DType to);
  llvm::Value* emit_cast(llvm::Value* value, DType from, DType to);
  llvm::Value* emit_min_max(const ir::ExprNode& e, llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_load(const ir::ExprNode& e, llvm::Value* guard, Memo& memo);
  llvm::Value* emit_packed_load(const ir::ExprNode& e, llvm::Value* guard, Memo& memo);
  llvm::Value* load_packed_run(const ir::ExprNode& e, llvm::Value* guard);
  llvm::Value* load_contiguous(llvm::Value* pointer, DType type, llvm::Value* guard, ir::BufferId root);
  llvm::Value* load_strided(llvm::Value* pointer, DType type, int64_t stride, ir::BufferId root);
  llvm::Value* load_lanes(llvm::Value* pointers, DType type, llvm::Value* guard, ir::BufferId root);
  llvm::Value* element_offset(ir::BufferId buffer, const std::vector<ir::Expr>& index, llvm::Value* guard,
                              Memo& memo);
  llvm::Value* from_memory(llvm::Value* value, DType type);
  llvm::Value* to_memory(llvm::Value* value, DType type);
  void emit_stmt(const ir::For& loop);
  void emit_stmt(const ir::Store& store);
  void emit_stmt(const ir::Let& let);
  void emit_stmt(const ir::Reduce& reduce);
  void emit_stmt(const ir::Assign& assign);
  void emit_stmt(const ir::If& conditional);
  void emit_stmt(const ir::Scatter& scatter);
  struct VectorReduction;
  void emit_vector_loop(const ir::For& loop);
  void emit_vectors(const ir::For& loop, const std::vector<VectorReduction>& reductions);
  std::vector<VectorReduction> start_reductions(const ir::For& loop);
  void emit_serial_loop(const ir::For& loop);
  void emit_in_lanes(const ir::For& loop, llvm::Value* base, int width, llvm::Value* mask);
  bool emit_interleaved(const ir::For& loop, llvm::Value* base, int width);  // emit_interleaved.cpp
  // emit_transposed.cpp: a loop around a vector loop whose loads are contiguous along the outer one.
  struct TransposedNest;
  std::optional<TransposedNest> transposed_nest(const ir::For& loop) const;
  void emit_transposed(const TransposedNest& nest);
  void emit_remaining_columns(const TransposedNest& nest, llvm::Value* row, llvm::Value* begin,
                              llvm::Value* end);
  void emit_remaining_rows(const TransposedNest& nest, llvm::Value* begin, llvm::Value* end);
  struct Tile;
  void emit_tile(const TransposedNest& nest, const Tile& tile);
  std::vector<llvm::Value*> load_rows(const TransposedNest& nest, const ir::Expr& load, const Tile& tile);
  void emit_vector_tail(const ir::For& loop, llvm::Value* begin, llvm::Value* end, int width);
  void finish_reduction(const VectorReduction& reduction);
  llvm::Value* combine(ir::Combiner combiner, llvm::Value* a, llvm::Value* b, DType type);
  llvm::Value* reduce_lanes(ir::Combiner combiner, llvm::Value* vector, DType type);
  void find_mutable(const ir::Block& block);
  bool has_vector_let(const ir::Expr& e) const;

  llvm::Function* function_;
  std::map<ir::BufferId, llvm::Value*> roots_;
  std::map<ir::Dim, llvm::Value*> dims_;
  std::map<ir::BufferId, ir::Strides> strides_;
  std::map<ir::BufferId, llvm::MDNode*> scopes_;
  llvm::MDNode* scope_domain_ = nullptr;
  std::set<ir::VarId> mutable_;  // lets that a Reduce or Assign names
  std::map<ir::VarId, llvm::Value*>
      partials_;  // of the current vector loop: accumulators with one value per lane
  const std::vector<VectorReduction>* shared_reductions_ = nullptr;  // of the serial loops around it
  std::map<const ir::ExprNode*, llvm::Value*> loaded_;               // by the tile at hand
};

// Whether LLVM may repeat the body of a loop whose count only the run knows. Bodies that are wide enough gain
// nothing and are many.
enum class Unroll : uint8_t { kAsItPays, kNotAtRunTime };
// Builds `for (i = begin; i < end; i += step)`; `body` gets i and may branch. Leaves the builder after the
// loop.
void emit_for(llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, llvm::Value* step,
              const char* name, const std::function<void(llvm::Value* i)>& body,
              Unroll unroll = Unroll::kAsItPays);
// Builds `if (condition) body`.
void emit_if(llvm::IRBuilder<>& builder, llvm::Value* condition, const char* name,
             const std::function<void()>& body);

}  // namespace dlc::codegen

// run() of a model: its steps as native control flow around calls of kernels.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "codegen/emit_program.h"
#include "codegen/frame_emitter.h"

namespace dlc::codegen {

// What bind() and the descriptor need to know of run().
struct RunLayout {
  struct Output {
    ir::BufferId buffer;
    DimsTable::List extents;
    bool late = false;  // some extent depends on data
  };
  struct KernelRow {
    std::string name;
    std::string origin;
    int32_t flops_slot = -1;
    int32_t bytes_slot = -1;
  };
  std::vector<Output> outputs;        // by border index
  std::vector<int32_t> slot_offsets;  // of the memory plan's slots: where bind() puts their offsets
  std::vector<KernelRow> kernels;     // only with profiling
  int64_t scratch_bytes = 0;
};

class RunEmitter : FrameEmitter {
 public:
  RunEmitter(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info, DimsTable& table);
  // Emits all steps. Called once.
  RunLayout emit();
  using FrameEmitter::function;

 private:
  void emit(const ir::Region& region);
  void emit(const ir::KernelStep& step);
  void emit(const ir::BindStep& step);
  void emit(const ir::SetStep& step);
  void emit(const ir::IfStep& step);
  void emit(const ir::RepeatStep& step);
  void emit(const ir::WhileStep& step);
  void emit(const ir::CheckStep& step);
  // A loop over a counter in a symbol's slot, from 0 while `condition` (emitted at its head) is true.
  void emit_loop(const std::string& symbol,
                 const std::function<llvm::Value*(llvm::Value* counter)>& condition, const ir::Region& body);

  void call_kernel(const ir::Kernel& kernel);
  void call_runtime_kernel(const ir::Call& call, const std::string& origin);
  void return_fault(llvm::Value* status, const std::string& origin);
  void fill_call_tensor(int64_t index, ir::BufferId id, llvm::Value* data, int32_t slot,
                        const DimsTable::List& dims);
  void emit_call_output(const ir::Call& call, size_t index);
  void finish_call_output(const ir::Call& call, size_t index);
  bool is_made_by(const ir::Call& call, size_t output) const;
  void count_kernel(const ir::Kernel& kernel);
  void profile_call(const char* function);

  // Gives memory to what `kernel` writes and whose size depends on data.
  void allocate_written(const ir::Kernel& kernel);
  void allocate_dynamic(ir::BufferId root);
  void allocate_output(size_t index);
  void check_extents(const ir::Buffer& buffer, DimEmitter& emitter);
  void store_late(const DimsTable::List& list);

  llvm::Value* evaluate(const ir::Dim& value);  // of a single Dim, overflow checked
  llvm::Value* root_pointer(ir::BufferId root);
  llvm::Value* element_pointer(ir::BufferId id, const std::vector<ir::Expr>& index);
  llvm::Value* load_integer(ir::BufferId id, const std::vector<ir::Expr>& index);
  llvm::Value* call_tensor_field(int64_t index, size_t field);

  const ProgramParts& parts_;
  const ir::Program& program_;
  const ModelInfo& info_;
  DimsTable& dims_table_;
  RunLayout layout_;
  llvm::Value* inputs_;
  llvm::Value* outputs_;
  llvm::Value* arena_;
  llvm::Value* state_;
  llvm::Value* constants_;
  llvm::AllocaInst* arguments_;     // of kernels
  llvm::AllocaInst* call_tensors_;  // of runtime kernels
  llvm::AllocaInst* call_params_;
  llvm::AllocaInst* dynamic_;  // pointers of dynamic buffers
};

// Index arithmetic of a single value (constants and Dims) as a Dim.
ir::Dim dim_of(const ir::Expr& e);

}  // namespace dlc::codegen

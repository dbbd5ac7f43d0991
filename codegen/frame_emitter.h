// FrameEmitter: what bind() and run() of a model have in common, functions `i32 f(dlc_frame*)`.
#pragma once

#include <string>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include "codegen/dims_table.h"
#include "codegen/emit_dim.h"
#include "runtime/model/abi.h"

namespace dlc::codegen {

class FrameEmitter {
 public:
  FrameEmitter(llvm::Module& module, const DimsTable& table, const std::string& name);
  FrameEmitter(const FrameEmitter&) = delete;

  llvm::Function* function() const { return function_; }
  // Ends the function with DLC_OK.
  void finish() { builder_.CreateRet(builder_.getInt32(DLC_OK)); }

 protected:
  llvm::Value* constant(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }
  llvm::Value* load_field(size_t offset);  // a pointer of the frame
  llvm::Value* byte_offset(llvm::Value* pointer, llvm::Value* bytes) {
    return builder_.CreateGEP(builder_.getInt8Ty(), pointer, bytes);
  }
  llvm::Value* slot_address(int32_t slot);
  llvm::Value* load_slot(int32_t slot);
  void store_slot(int32_t slot, llvm::Value* value);
  // Dims by the symbols' present values in the table.
  DimEmitter dim_emitter();

  // Text that lives as long as the model.
  llvm::Constant* text(const std::string& value) { return builder_.CreateGlobalString(value, "text"); }
  // Returns `status` where the condition is true.
  void return_if(llvm::Value* condition, llvm::Value* status);
  // Fails the run as DLC_INVALID_INPUT where the condition is true. `format` may hold %lld for a and b.
  void fail_if(llvm::Value* condition, const std::string& format, llvm::Value* a, llvm::Value* b);
  // A function of the model runtime.
  llvm::FunctionCallee runtime(const char* name, llvm::Type* result, std::vector<llvm::Type*> arguments);
  llvm::AllocaInst* entry_alloca(llvm::Type* type, int64_t count, const char* name);

  llvm::Module& module_;
  const DimsTable& table_;
  llvm::Function* function_;
  llvm::IRBuilder<> builder_;
  llvm::Value* frame_;
  llvm::Value* dims_;
};

// Makes text safe inside a printf format.
std::string escape_format(std::string_view text);

}  // namespace dlc::codegen

// Calls of runtime kernels: their tensors, and what they report of their outputs.

#include <cstddef>

#include <llvm/IR/MDBuilder.h>

#include "codegen/emit_run.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::BufferId;
using ir::Dim;

// True if the callee decides an extent of this output, and so provides its memory.
bool RunEmitter::is_made_by(const ir::Call& call, size_t output) const {
  for (const ir::Call::Binding& binding : call.bindings) {
    if (binding.output == output) return true;
  }
  return false;
}

llvm::Value* RunEmitter::call_tensor_field(int64_t index, size_t field) {
  return byte_offset(call_tensors_, constant(index * static_cast<int64_t>(sizeof(dlc_call_tensor)) +
                                             static_cast<int64_t>(field)));
}

void RunEmitter::fill_call_tensor(int64_t index, BufferId id, llvm::Value* data, int32_t slot,
                                  const DimsTable::List& dims) {
  const ir::Buffer& buffer = program_.buffer(id);
  builder_.CreateStore(data, call_tensor_field(index, offsetof(dlc_call_tensor, data)));
  builder_.CreateStore(slot_address(dims.base), call_tensor_field(index, offsetof(dlc_call_tensor, dims)));
  builder_.CreateStore(builder_.getInt32(static_cast<uint32_t>(buffer.shape.size())),
                       call_tensor_field(index, offsetof(dlc_call_tensor, rank)));
  builder_.CreateStore(builder_.getInt8(static_cast<uint8_t>(buffer.dtype)),
                       call_tensor_field(index, offsetof(dlc_call_tensor, dtype)));
  builder_.CreateStore(builder_.getInt32(static_cast<uint32_t>(slot)),
                       call_tensor_field(index, offsetof(dlc_call_tensor, slot)));
}

void RunEmitter::emit_call_output(const ir::Call& call, size_t index) {
  BufferId id = call.outputs[index];
  auto position = static_cast<int64_t>(call.inputs.size() + index);
  if (id == BufferId::kNone) {
    builder_.CreateMemSet(call_tensor_field(position, 0), builder_.getInt8(0), sizeof(dlc_call_tensor),
                          llvm::MaybeAlign(8));
    return;
  }
  const ir::Buffer& buffer = program_.buffer(id);
  // The callee writes extents, or at least may.
  DimsTable::List dims = dims_table_.list(buffer.shape, true);
  llvm::Value* data = nullptr;
  int32_t slot = 0;
  if (is_made_by(call, index)) {
    check(!buffer.view, "a runtime kernel makes whole buffers");
    const passes::Placement& placement = parts_.plan.of[static_cast<size_t>(id)];
    check(buffer.kind == ir::BufferKind::kOutput || placement.place == passes::Place::kDynamic,
          "what a runtime kernel makes has no memory before");
    slot = buffer.kind == ir::BufferKind::kOutput ? -1 - buffer.border_index : placement.index;
    data = llvm::ConstantPointerNull::get(builder_.getPtrTy());
    std::set<std::string> own;
    for (const ir::Call::Binding& binding : call.bindings) own.insert(binding.symbol);
    std::erase_if(dims.late, [&](const auto& late) { return passes::uses_any(late.second, own); });
  } else {
    data = element_pointer(id, std::vector<ir::Expr>(buffer.shape.size(), ir::integer(0)));
  }
  store_late(dims);
  fill_call_tensor(position, id, data, slot, dims);
}

// Takes over the extents and the memory that the callee has decided on.
void RunEmitter::finish_call_output(const ir::Call& call, size_t index) {
  BufferId id = call.outputs[index];
  if (id == BufferId::kNone || !is_made_by(call, index)) return;
  auto position = static_cast<int64_t>(call.inputs.size() + index);
  llvm::Type *pointer = builder_.getPtrTy(), *i64 = builder_.getInt64Ty();
  llvm::Value* extents =
      builder_.CreateLoad(pointer, call_tensor_field(position, offsetof(dlc_call_tensor, dims)));
  for (const ir::Call::Binding& binding : call.bindings) {
    if (binding.output != index) continue;
    llvm::Value* extent =
        builder_.CreateLoad(i64, builder_.CreateConstInBoundsGEP1_64(i64, extents, binding.axis));
    store_slot(table_.symbol_slot(binding.symbol), extent);
  }
  const passes::Placement& placement = parts_.plan.of[static_cast<size_t>(id)];
  if (placement.place != passes::Place::kDynamic) return;
  llvm::Value* data =
      builder_.CreateLoad(pointer, call_tensor_field(position, offsetof(dlc_call_tensor, data)));
  builder_.CreateStore(
      data, builder_.CreateConstInBoundsGEP1_32(pointer, dynamic_, static_cast<unsigned>(placement.index)));
}

// Ends the run with `status` unless it is DLC_OK; the fault's text then names the node.
void RunEmitter::return_fault(llvm::Value* status, const std::string& origin) {
  llvm::LLVMContext& context = module_.getContext();
  auto* failed = llvm::BasicBlock::Create(context, "failed", function_);
  auto* done = llvm::BasicBlock::Create(context, "done", function_);
  builder_.CreateCondBr(builder_.CreateICmpNE(status, builder_.getInt32(DLC_OK)), failed, done,
                        llvm::MDBuilder(context).createUnlikelyBranchWeights());
  builder_.SetInsertPoint(failed);
  llvm::Type *pointer = builder_.getPtrTy(), *i32 = builder_.getInt32Ty();
  llvm::FunctionCallee name_fault = runtime("dlc_fail_in", i32, {pointer, i32, pointer});
  builder_.CreateRet(builder_.CreateCall(name_fault, {frame_, status, text(origin)}));
  builder_.SetInsertPoint(done);
}

void RunEmitter::call_runtime_kernel(const ir::Call& call, const std::string& origin) {
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    auto position = static_cast<int64_t>(i);
    if (call.inputs[i] == BufferId::kNone) {
      builder_.CreateMemSet(call_tensor_field(position, 0), builder_.getInt8(0), sizeof(dlc_call_tensor),
                            llvm::MaybeAlign(8));
      continue;
    }
    const ir::Buffer& buffer = program_.buffer(call.inputs[i]);
    check(ir::is_dense(program_, call.inputs[i]), "inputs of runtime kernels are dense");
    DimsTable::List dims = dims_table_.list(buffer.shape);
    store_late(dims);
    std::vector<ir::Expr> first(buffer.shape.size(), ir::integer(0));
    fill_call_tensor(position, call.inputs[i], element_pointer(call.inputs[i], first), 0, dims);
  }
  for (size_t i = 0; i < call.outputs.size(); ++i) emit_call_output(call, i);
  for (size_t i = 0; i < call.params.size(); ++i) {
    builder_.CreateStore(evaluate(dim_of(call.params[i])),
                         builder_.CreateConstInBoundsGEP1_64(builder_.getInt64Ty(), call_params_, i));
  }
  llvm::Type* pointer = builder_.getPtrTy();
  llvm::FunctionCallee callee =
      runtime(call.symbol.c_str(), builder_.getInt32Ty(), {pointer, pointer, pointer, pointer});
  llvm::Value* outputs = call_tensor_field(static_cast<int64_t>(call.inputs.size()), 0);
  llvm::Value* status = builder_.CreateCall(callee, {frame_, call_tensors_, outputs, call_params_});
  return_fault(status, origin);
  for (size_t i = 0; i < call.outputs.size(); ++i) finish_call_output(call, i);
}

}  // namespace dlc::codegen

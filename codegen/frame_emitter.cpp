#include "codegen/frame_emitter.h"

#include <cstddef>

#include <llvm/IR/MDBuilder.h>

namespace dlc::codegen {

FrameEmitter::FrameEmitter(llvm::Module& module, const DimsTable& table, const std::string& name)
    : module_(module), table_(table), builder_(module.getContext()) {
  auto* type = llvm::FunctionType::get(builder_.getInt32Ty(), {builder_.getPtrTy()}, false);
  function_ = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  auto* entry = llvm::BasicBlock::Create(module.getContext(), "entry", function_);
  auto* body = llvm::BasicBlock::Create(module.getContext(), "body", function_);
  llvm::IRBuilder<>(entry).CreateBr(body);
  builder_.SetInsertPoint(body);
  frame_ = function_->getArg(0);
  dims_ = load_field(offsetof(dlc_frame, dims));
}

llvm::Value* FrameEmitter::load_field(size_t offset) {
  return builder_.CreateLoad(builder_.getPtrTy(),
                             byte_offset(frame_, constant(static_cast<int64_t>(offset))));
}

llvm::Value* FrameEmitter::slot_address(int32_t slot) {
  return builder_.CreateConstInBoundsGEP1_64(builder_.getInt64Ty(), dims_, static_cast<uint64_t>(slot));
}

llvm::Value* FrameEmitter::load_slot(int32_t slot) {
  return builder_.CreateLoad(builder_.getInt64Ty(), slot_address(slot));
}

void FrameEmitter::store_slot(int32_t slot, llvm::Value* value) {
  builder_.CreateStore(value, slot_address(slot));
}

DimEmitter FrameEmitter::dim_emitter() {
  return DimEmitter(
      builder_, [this](const std::string& symbol) { return load_slot(table_.symbol_slot(symbol)); },
      [this](llvm::Value* condition, const std::string& format, llvm::Value* a, llvm::Value* b) {
        fail_if(condition, format, a, b);
      });
}

void FrameEmitter::return_if(llvm::Value* condition, llvm::Value* status) {
  auto* stop = llvm::BasicBlock::Create(module_.getContext(), "stop", function_);
  auto* go_on = llvm::BasicBlock::Create(module_.getContext(), "go_on", function_);
  builder_.CreateCondBr(condition, stop, go_on,
                        llvm::MDBuilder(module_.getContext()).createUnlikelyBranchWeights());
  builder_.SetInsertPoint(stop);
  builder_.CreateRet(status);
  builder_.SetInsertPoint(go_on);
}

void FrameEmitter::fail_if(llvm::Value* condition, const std::string& format, llvm::Value* a,
                           llvm::Value* b) {
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition); known != nullptr && known->isZero()) return;
  auto* stop = llvm::BasicBlock::Create(module_.getContext(), "fail", function_);
  auto* go_on = llvm::BasicBlock::Create(module_.getContext(), "go_on", function_);
  builder_.CreateCondBr(condition, stop, go_on,
                        llvm::MDBuilder(module_.getContext()).createUnlikelyBranchWeights());
  builder_.SetInsertPoint(stop);
  llvm::Type* i64 = builder_.getInt64Ty();
  llvm::FunctionCallee fail =
      runtime("dlc_fail", builder_.getInt32Ty(),
              {builder_.getPtrTy(), builder_.getInt32Ty(), builder_.getPtrTy(), i64, i64});
  builder_.CreateRet(
      builder_.CreateCall(fail, {frame_, builder_.getInt32(DLC_INVALID_INPUT), text(format), a, b}));
  builder_.SetInsertPoint(go_on);
}

llvm::FunctionCallee FrameEmitter::runtime(const char* name, llvm::Type* result,
                                           std::vector<llvm::Type*> arguments) {
  return module_.getOrInsertFunction(name, llvm::FunctionType::get(result, arguments, false));
}

llvm::AllocaInst* FrameEmitter::entry_alloca(llvm::Type* type, int64_t count, const char* name) {
  llvm::IRBuilder<> entry(function_->getEntryBlock().getTerminator());
  return entry.CreateAlloca(type, entry.getInt64(static_cast<uint64_t>(count)), name);
}

std::string escape_format(std::string_view text) {
  std::string result;
  for (char c : text) result += c == '%' ? std::string("%%") : std::string(1, c);
  return result;
}

}  // namespace dlc::codegen

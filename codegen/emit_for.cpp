#include "codegen/emit.h"

namespace dlc::codegen {

namespace {

void forbid_unrolling(llvm::BranchInst* latch) {
  llvm::LLVMContext& context = latch->getContext();
  auto* wish = llvm::MDNode::get(context, llvm::MDString::get(context, "llvm.loop.unroll.runtime.disable"));
  llvm::MDNode* loop = llvm::MDNode::getDistinct(context, {nullptr, wish});
  loop->replaceOperandWith(0, loop);
  latch->setMetadata(llvm::LLVMContext::MD_loop, loop);
}

}  // namespace

void emit_for(llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, llvm::Value* step,
              const char* name, const std::function<void(llvm::Value* i)>& body, Unroll unroll) {
  llvm::LLVMContext& context = builder.getContext();
  llvm::Function* function = builder.GetInsertBlock()->getParent();
  llvm::BasicBlock* entry = builder.GetInsertBlock();
  auto* loop = llvm::BasicBlock::Create(context, name, function);
  auto* exit = llvm::BasicBlock::Create(context, llvm::Twine(name) + ".end", function);
  builder.CreateCondBr(builder.CreateICmpSLT(begin, end), loop, exit);

  builder.SetInsertPoint(loop);
  llvm::PHINode* i = builder.CreatePHI(begin->getType(), 2, name);
  i->addIncoming(begin, entry);
  body(i);
  llvm::Value* next = builder.CreateNSWAdd(i, step);
  i->addIncoming(next, builder.GetInsertBlock());
  llvm::BranchInst* latch = builder.CreateCondBr(builder.CreateICmpSLT(next, end), loop, exit);
  if (unroll == Unroll::kNotAtRunTime) forbid_unrolling(latch);
  builder.SetInsertPoint(exit);
}

void emit_if(llvm::IRBuilder<>& builder, llvm::Value* condition, const char* name,
             const std::function<void()>& body) {
  llvm::LLVMContext& context = builder.getContext();
  llvm::Function* function = builder.GetInsertBlock()->getParent();
  auto* then = llvm::BasicBlock::Create(context, name, function);
  auto* exit = llvm::BasicBlock::Create(context, llvm::Twine(name) + ".end", function);
  builder.CreateCondBr(condition, then, exit);
  builder.SetInsertPoint(then);
  body();
  builder.CreateBr(exit);
  builder.SetInsertPoint(exit);
}

}  // namespace dlc::codegen

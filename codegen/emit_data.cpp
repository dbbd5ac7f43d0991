#include "codegen/emit_data.h"

#include <llvm/IR/IRBuilder.h>

namespace dlc::codegen {
namespace {

llvm::Type* type_of(llvm::LLVMContext& context, char letter) {
  switch (letter) {
    case 'i':
      return llvm::Type::getInt32Ty(context);
    case 'l':
      return llvm::Type::getInt64Ty(context);
    case 'f':
      return llvm::Type::getFloatTy(context);
    case 'p':
      return llvm::PointerType::getUnqual(context);
    default:
      return llvm::Type::getVoidTy(context);
  }
}

}  // namespace

DataEmitter::DataEmitter(llvm::Module& module) : module_(module) {}

llvm::Constant* DataEmitter::i64(int64_t value) const {
  return llvm::ConstantInt::getSigned(llvm::Type::getInt64Ty(module_.getContext()), value);
}

llvm::Constant* DataEmitter::i32(size_t value) const {
  return llvm::ConstantInt::get(llvm::Type::getInt32Ty(module_.getContext()), static_cast<uint32_t>(value));
}

llvm::Constant* DataEmitter::i32_or_none(int32_t value) const {
  return llvm::ConstantInt::getSigned(llvm::Type::getInt32Ty(module_.getContext()), value);
}

llvm::Constant* DataEmitter::i8(uint8_t value) const {
  return llvm::ConstantInt::get(llvm::Type::getInt8Ty(module_.getContext()), value);
}

llvm::Constant* DataEmitter::null() const {
  return llvm::ConstantPointerNull::get(llvm::PointerType::getUnqual(module_.getContext()));
}

llvm::Constant* DataEmitter::text(const std::string& value) const {
  return define(llvm::ConstantDataArray::getString(module_.getContext(), value), "text");
}

llvm::Constant* DataEmitter::array(const std::vector<llvm::Constant*>& elements, const char* name) const {
  if (elements.empty()) return null();
  auto* type = llvm::ArrayType::get(elements.front()->getType(), elements.size());
  return define(llvm::ConstantArray::get(type, elements), name);
}

llvm::GlobalVariable* DataEmitter::define(llvm::Constant* data, const std::string& name,
                                          llvm::GlobalValue::LinkageTypes linkage) const {
  return new llvm::GlobalVariable(module_, data->getType(), true, linkage, data, name);
}

llvm::Constant* DataEmitter::external(const std::string& name) const {
  return module_.getOrInsertGlobal(name, llvm::Type::getInt8Ty(module_.getContext()));
}

uint64_t DataEmitter::size_of(const llvm::Constant* data) const {
  return module_.getDataLayout().getTypeAllocSize(data->getType());
}

void emit_forward(llvm::Module& module, const std::string& name, const Forward& forward,
                  llvm::GlobalVariable* descriptor) {
  llvm::LLVMContext& context = module.getContext();
  std::vector<llvm::Type*> own, passed;
  if (forward.with_model) passed.push_back(llvm::PointerType::getUnqual(context));
  for (const char* letter = forward.arguments; *letter != '\0'; ++letter)
    own.push_back(type_of(context, *letter));
  passed.insert(passed.end(), own.begin(), own.end());
  llvm::Type* result = type_of(context, forward.result);
  auto* function = llvm::Function::Create(llvm::FunctionType::get(result, own, false),
                                          llvm::GlobalValue::ExternalLinkage, name, module);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "entry", function));
  std::vector<llvm::Value*> arguments;
  if (forward.with_model) arguments.push_back(descriptor);
  for (llvm::Argument& argument : function->args()) arguments.push_back(&argument);
  llvm::FunctionCallee target =
      module.getOrInsertFunction(forward.target, llvm::FunctionType::get(result, passed, false));
  llvm::Value* value = builder.CreateCall(target, arguments);
  if (result->isVoidTy()) {
    builder.CreateRetVoid();
  } else {
    builder.CreateRet(value);
  }
}

}  // namespace dlc::codegen

// Constant data and small functions in LLVM IR, as descriptors are made of.
#pragma once

#include <string>
#include <vector>

#include <llvm/IR/Module.h>

namespace dlc::codegen {

class DataEmitter {
 public:
  explicit DataEmitter(llvm::Module& module);

  llvm::Constant* i64(int64_t value) const;
  llvm::Constant* i32(size_t value) const;
  llvm::Constant* i32_or_none(int32_t value) const;
  llvm::Constant* i8(uint8_t value) const;
  llvm::Constant* null() const;
  llvm::Constant* text(const std::string& value) const;
  // Null where there are no elements.
  llvm::Constant* array(const std::vector<llvm::Constant*>& elements, const char* name) const;
  llvm::GlobalVariable* define(
      llvm::Constant* data, const std::string& name,
      llvm::GlobalValue::LinkageTypes linkage = llvm::GlobalValue::PrivateLinkage) const;
  llvm::Constant* external(const std::string& name) const;  // defined elsewhere
  uint64_t size_of(const llvm::Constant* data) const;

 private:
  llvm::Module& module_;
};

// One function of a C header: NAME_<suffix>(arguments...) calls `target` with a descriptor in front if
// `with_model`.
struct Forward {
  const char* suffix;
  const char* target;
  char result;            // 'i' int32, 'l' int64, 'f' float, 'p' pointer, 'v' void
  const char* arguments;  // of the header's function, in the same letters
  bool with_model;
};

void emit_forward(llvm::Module& module, const std::string& name, const Forward& forward,
                  llvm::GlobalVariable* descriptor);

}  // namespace dlc::codegen

// The code of one program as independent LLVM modules, so that threads compile them side by side.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <llvm/IR/Module.h>

#include "codegen/target.h"

namespace dlc::codegen {

class CodeUnits {
 public:
  // One module, the main one. `threads` work in for_each(); 0: as many as the process may use.
  CodeUnits(const Target& target, std::string name, int threads);

  // At least `count` modules; new ones are empty.
  void grow(int count);
  int size() const { return static_cast<int>(units_.size()); }
  llvm::Module& module(int index) { return *units_[static_cast<size_t>(index)].module; }
  llvm::Module& main() { return module(0); }

  // Calls body(index) for every unit, several at once. Of its faults that of the lowest index is thrown, when
  // all calls have ended.
  void for_each(const std::function<void(int)>& body) const;

 private:
  struct Unit {
    std::unique_ptr<llvm::LLVMContext> context;
    std::unique_ptr<llvm::Module> module;
  };

  const Target& target_;
  std::string name_;
  int threads_;
  std::vector<Unit> units_;
};

}  // namespace dlc::codegen

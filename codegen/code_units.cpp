#include "codegen/code_units.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include <llvm/IR/LLVMContext.h>

#include "codegen/optimize.h"
#include "runtime/cpu.h"

namespace dlc::codegen {

CodeUnits::CodeUnits(const Target& target, std::string name, int threads)
    : target_(target),
      name_(std::move(name)),
      threads_(threads > 0 ? threads : std::max(1, runtime::usable_threads())) {
  grow(1);
}

void CodeUnits::grow(int count) {
  while (size() < count) {
    auto context = std::make_unique<llvm::LLVMContext>();
    auto module = make_module(*context, target_, name_);
    units_.push_back({std::move(context), std::move(module)});
  }
}

void CodeUnits::for_each(const std::function<void(int)>& body) const {
  std::vector<std::exception_ptr> faults(units_.size());
  std::atomic<int> next = 0;
  auto work = [&] {
    for (int i = next++; i < size(); i = next++) {
      try {
        body(i);
      } catch (...) {
        faults[static_cast<size_t>(i)] = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < std::min(threads_, size()); ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  for (const std::exception_ptr& fault : faults) {
    if (fault) std::rethrow_exception(fault);
  }
}

}  // namespace dlc::codegen

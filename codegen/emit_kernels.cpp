#include "codegen/emit_kernels.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/emit_kernel.h"
#include "codegen/kernel_key.h"
#include "runtime/error.h"

namespace dlc::codegen {

namespace {

struct Known {
  EmittedKernel emitted;
  std::vector<ir::BufferId> buffers;
};

// The signature of an emitted kernel with the buffers of another one in the places of its own.
KernelSignature rebind(const ir::Program& program, const Known& known,
                       const std::vector<ir::BufferId>& buffers) {
  KernelSignature signature = known.emitted.signature;
  for (ir::BufferId& root : signature.buffers) {
    const auto at = std::find_if(known.buffers.begin(), known.buffers.end(),
                                 [&](ir::BufferId id) { return ir::root_of(program, id) == root; });
    check(at != known.buffers.end(), "a buffer of the kernel");
    root = ir::root_of(program, buffers[static_cast<size_t>(at - known.buffers.begin())]);
  }
  return signature;
}

}  // namespace

KernelSet emit_kernels(llvm::Module& module, const ir::Program& program, const Target& target,
                       const std::string& prefix) {
  KernelSet set;
  std::map<std::string, Known> known;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    auto* kernel_step = std::get_if<ir::KernelStep>(&step.node);
    if (!kernel_step || std::holds_alternative<ir::Call>(kernel_step->kernel.body)) return;
    const ir::Kernel& kernel = kernel_step->kernel;
    KernelKey key = kernel_key(program, kernel);
    auto [it, inserted] = known.try_emplace(std::move(key.text));
    if (inserted) {
      const std::string name = fmt::format("{}_kernel{}", prefix, set.distinct++);
      it->second = {emit_kernel(module, program, target, kernel, name), key.buffers};
      it->second.emitted.function->setLinkage(llvm::GlobalValue::InternalLinkage);
    }
    set.code[&kernel] = {it->second.emitted.function, rebind(program, it->second, key.buffers)};
  });
  return set;
}

}  // namespace dlc::codegen

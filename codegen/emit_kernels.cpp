#include "codegen/emit_kernels.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/emit_kernel.h"
#include "codegen/kernel_key.h"
#include "runtime/error.h"

namespace dlc::codegen {

namespace {

// A kernel that gets a function, and the buffers of its key.
struct Distinct {
  const ir::Kernel& kernel;
  std::vector<ir::BufferId> buffers;
  KernelCode code = {};
};

// The signature of an emitted kernel with the buffers of another one in the places of its own.
KernelSignature rebind(const ir::Program& program, const Distinct& known,
                       const std::vector<ir::BufferId>& buffers) {
  KernelSignature signature = known.code.signature;
  for (ir::BufferId& root : signature.buffers) {
    const auto at = std::find_if(known.buffers.begin(), known.buffers.end(),
                                 [&](ir::BufferId id) { return ir::root_of(program, id) == root; });
    check(at != known.buffers.end(), "a buffer of the kernel");
    root = ir::root_of(program, buffers[static_cast<size_t>(at - known.buffers.begin())]);
  }
  return signature;
}

// Every kernel step of the program that is no call, with the distinct kernel that it runs.
struct Use {
  const ir::Kernel& kernel;
  std::vector<ir::BufferId> buffers;
  size_t distinct;
};

struct Uses {
  std::vector<Use> uses;
  std::vector<Distinct> distinct;
};

Uses find_distinct(const ir::Program& program) {
  Uses found;
  std::map<std::string, size_t> known;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    auto* kernel_step = std::get_if<ir::KernelStep>(&step.node);
    if (!kernel_step || std::holds_alternative<ir::Call>(kernel_step->kernel.body)) return;
    KernelKey key = kernel_key(program, kernel_step->kernel);
    auto [it, inserted] = known.try_emplace(std::move(key.text), found.distinct.size());
    if (inserted) found.distinct.push_back({kernel_step->kernel, key.buffers});
    found.uses.push_back({kernel_step->kernel, std::move(key.buffers), it->second});
  });
  return found;
}

}  // namespace

KernelSet emit_kernels(CodeUnits& units, const ir::Program& program, const Target& target,
                       const std::string& prefix, int per_unit) {
  Uses found = find_distinct(program);
  const int count = static_cast<int>(found.distinct.size());
  units.grow(count == 0 ? 0 : (count - 1) / per_unit + 1);
  units.for_each([&](int unit) {
    const int64_t end = std::min<int64_t>(count, (int64_t{unit} + 1) * per_unit);
    for (int64_t i = int64_t{unit} * per_unit; i < end; ++i) {
      Distinct& kernel = found.distinct[static_cast<size_t>(i)];
      kernel.code.function = fmt::format("{}_kernel{}", prefix, i);
      kernel.code.signature =
          emit_kernel(units.module(unit), program, target, kernel.kernel, kernel.code.function);
      units.module(unit)
          .getFunction(kernel.code.function)
          ->setVisibility(llvm::GlobalValue::HiddenVisibility);
    }
  });
  KernelSet set;
  set.distinct = count;
  for (const Use& use : found.uses) {
    const Distinct& known = found.distinct[use.distinct];
    set.code[&use.kernel] = {known.code.function, rebind(program, known, use.buffers)};
  }
  return set;
}

}  // namespace dlc::codegen

#include "tests/unit/codegen/kernel_runner.h"

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "codegen/constant_pool.h"
#include "codegen/emit_kernel.h"
#include "codegen/optimize.h"
#include "runtime/error.h"
#include "runtime/model/abi.h"

namespace dlc::test {

namespace {

template <class T>
T take(llvm::Expected<T> value) {
  if (!value) fail(ErrorKind::kInternal, "{}", llvm::toString(value.takeError()));
  return std::move(*value);
}

class Runner {
 public:
  Runner(const ir::Program& program, const codegen::Target& target,
         const std::map<std::string, int64_t>& symbols, Guard guard)
      : program_(program), target_(target), symbols_(symbols), guard_(guard) {}

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    allocate(inputs);
    for (const ir::Step& step : program_.main.steps) run_kernel(std::get<ir::KernelStep>(step.node).kernel);
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const ir::Buffer& buffer = program_.buffers[i];
      if (buffer.kind != ir::BufferKind::kOutput) continue;
      outputs.resize(std::max(outputs.size(), static_cast<size_t>(buffer.border_index) + 1));
      Tensor tensor(buffer.dtype, shape_of(buffer));
      std::memcpy(tensor.mutable_data(), memory_.at(static_cast<ir::BufferId>(i)).data(),
                  static_cast<size_t>(tensor.byte_size()));
      outputs[static_cast<size_t>(buffer.border_index)] = std::move(tensor);
    }
    return outputs;
  }

 private:
  int64_t evaluate(const ir::Dim& dim) const {
    return dim.evaluate([&](const std::string& name) { return symbols_.at(name); });
  }

  std::vector<int64_t> shape_of(const ir::Buffer& buffer) const {
    std::vector<int64_t> shape;
    for (const ir::Dim& dim : buffer.shape) shape.push_back(evaluate(dim));
    return shape;
  }

  void allocate(const std::vector<Tensor>& inputs) {
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const ir::Buffer& buffer = program_.buffers[i];
      if (buffer.view) continue;
      int64_t count = 1;
      for (int64_t extent : shape_of(buffer)) count *= extent;
      GuardedBuffer memory(static_cast<size_t>(byte_size(buffer.dtype, count)), guard_);
      std::memset(memory.data(), 0xff, memory.size());
      const Tensor* source = nullptr;
      if (buffer.kind == ir::BufferKind::kInput)
        source = &inputs.at(static_cast<size_t>(buffer.border_index));
      if (buffer.kind == ir::BufferKind::kConstant) source = &buffer.constant;
      if (source) {
        codegen::copy_in_order(*source, buffer.order, memory.data());
        memory.make_read_only();
      }
      memory_.emplace(static_cast<ir::BufferId>(i), std::move(memory));
    }
  }

  void run_kernel(const ir::Kernel& kernel) {
    auto context = std::make_unique<llvm::LLVMContext>();
    std::unique_ptr<llvm::Module> module = codegen::make_module(*context, target_, "test");
    const codegen::KernelSignature signature =
        codegen::emit_kernel(*module, program_, target_, kernel, "kernel");
    codegen::optimize(*module, target_);
    std::string object = codegen::to_object(*module, target_);
    auto jit = take(llvm::orc::LLJITBuilder().create());
    if (llvm::Error error = jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object))) {
      fail(ErrorKind::kInternal, "{}", llvm::toString(std::move(error)));
    }
    auto function = take(jit->lookup("kernel")).toPtr<dlc_kernel_fn>();
    std::vector<void*> buffers;
    for (ir::BufferId id : signature.buffers) buffers.push_back(memory_.at(id).data());
    std::vector<int64_t> dims;
    for (const ir::Dim& dim : signature.dims) dims.push_back(evaluate(dim));
    const int64_t tasks = evaluate(signature.task_count);
    // In two pieces, as two threads would run it.
    for (const auto& [begin, end] : {std::pair(tasks / 2, tasks), std::pair(int64_t{0}, tasks / 2)}) {
      GuardedBuffer scratch(static_cast<size_t>(signature.scratch_bytes), guard_);
      std::memset(scratch.data(), 0xff, scratch.size());
      function(buffers.data(), dims.data(), begin, end, scratch.data());
    }
  }

  const ir::Program& program_;
  const codegen::Target& target_;
  const std::map<std::string, int64_t>& symbols_;
  Guard guard_;
  std::map<ir::BufferId, GuardedBuffer> memory_;
};

}  // namespace

std::vector<Tensor> run_kernels(const ir::Program& program, const codegen::Target& target,
                                const std::vector<Tensor>& inputs,
                                const std::map<std::string, int64_t>& symbols, Guard guard) {
  return Runner(program, target, symbols, guard).run(inputs);
}

std::vector<codegen::Target> executable_targets() {
  std::vector<codegen::Target> targets;
  const codegen::Target native = codegen::Target::parse("native");
  targets.push_back(codegen::Target::parse("x86-64-v2"));
  if (native.isa >= codegen::Isa::kX86V3) targets.push_back(codegen::Target::parse("x86-64-v3"));
  if (native.isa >= codegen::Isa::kX86V4) targets.push_back(codegen::Target::parse("x86-64-v4"));
  return targets;
}

Tensor random_floats(std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(DType::kFloat, std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.mutable_as<float>()[i] = uniform(generator);
  return tensor;
}

double relative_difference(const Tensor& a, const Tensor& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return kInfinity;
  double difference = 0, scale = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.get_double(i), y = b.get_double(i);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (std::isnan(x) || std::isnan(y)) return kInfinity;
    if (x == y) continue;
    difference = std::max(difference, std::abs(x - y));
    scale = std::max(scale, std::abs(y));
  }
  for (int64_t i = 0; i < b.size(); ++i) {
    if (std::isfinite(b.get_double(i))) scale = std::max(scale, std::abs(b.get_double(i)));
  }
  return difference == 0 ? 0 : difference / std::max(scale, 1e-30);
}

}  // namespace dlc::test

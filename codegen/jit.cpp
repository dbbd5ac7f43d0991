#include "codegen/jit.h"

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/AbsoluteSymbols.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ExecutionUtils.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h>
#include <llvm/Support/MemoryBuffer.h>

#include "codegen/emit_program.h"
#include "runtime/error.h"
#include "runtime/kernels/kernels.h"
#include "runtime/model/api.h"

namespace dlc::codegen {
namespace {

namespace orc = llvm::orc;

template <class T>
T expect(llvm::Expected<T> value) {
  if (!value) fail(ErrorKind::kInternal, "linking in memory: {}", llvm::toString(value.takeError()));
  return std::move(*value);
}

void expect(llvm::Error error) {
  if (error) fail(ErrorKind::kInternal, "linking in memory: {}", llvm::toString(std::move(error)));
}

struct RuntimeSymbol {
  const char* name;
  const void* address;
};

template <class T>
const void* address_of(T* function) {
  return reinterpret_cast<const void*>(function);
}

// What generated code names of the model runtime.
std::vector<RuntimeSymbol> runtime_symbols() {
  std::vector<RuntimeSymbol> symbols = {
      {"dlc_parallel_for", address_of(dlc_parallel_for)},
      {"dlc_dynamic_buffer", address_of(dlc_dynamic_buffer)},
      {"dlc_output_buffer", address_of(dlc_output_buffer)},
      {"dlc_call_output", address_of(dlc_call_output)},
      {"dlc_fail", address_of(dlc_fail)},
      {"dlc_fail_in", address_of(dlc_fail_in)},
      {"dlc_kernel_begin", address_of(dlc_kernel_begin)},
      {"dlc_kernel_end", address_of(dlc_kernel_end)},
      {"dlc_model_runtime", &dlc_model_runtime},
      {"dlc_context_create", address_of(dlc_context_create)},
      {"dlc_context_release", address_of(dlc_context_release)},
      {"dlc_context_run", address_of(dlc_context_run)},
      {"dlc_context_run_flat", address_of(dlc_context_run_flat)},
      {"dlc_context_output_shape", address_of(dlc_context_output_shape)},
      {"dlc_context_error", address_of(dlc_context_error)},
      {"dlc_status_text", address_of(dlc_status_text)},
      {"dlc_model_arena_bytes", address_of(dlc_model_arena_bytes)},
  };
  for (const kernels::KernelSymbol& kernel : kernels::kKernels) {
    symbols.push_back({kernel.name, address_of(kernel.function)});
  }
  return symbols;
}

// Code and constants of one linked model.
class LinkedModel {
 public:
  LinkedModel(const std::vector<std::string>& objects, const Tensor& constants, const std::string& model_name)
      : constants_(constants),
        session_(expect(orc::SelfExecutorProcessControl::Create())),
        layer_(session_, expect(llvm::jitlink::InProcessMemoryManager::Create())) {
    // Faults are reported by lookup(); the session would print them as well.
    session_.setErrorReporter([](llvm::Error error) { llvm::consumeError(std::move(error)); });
    link(objects, model_name);
  }

  ~LinkedModel() {
    if (llvm::Error error = session_.endSession()) llvm::consumeError(std::move(error));
  }

  const dlc_model* model() const { return model_; }

 private:
  void link(const std::vector<std::string>& objects, const std::string& model_name) {
    orc::JITDylib& library = session_.createBareJITDylib(model_name);
    orc::SymbolMap symbols;
    auto define = [&](llvm::StringRef name, const void* address) {
      symbols[session_.intern(name)] = {orc::ExecutorAddr::fromPtr(address), llvm::JITSymbolFlags::Exported};
    };
    for (const RuntimeSymbol& symbol : runtime_symbols()) define(symbol.name, symbol.address);
    define(constants_symbol(model_name), constants_.data());
    expect(library.define(orc::absoluteSymbols(std::move(symbols))));
    // libc and libm.
    library.addGenerator(expect(orc::DynamicLibrarySearchGenerator::GetForCurrentProcess('\0')));
    for (size_t i = 0; i < objects.size(); ++i) {
      const std::string name = fmt::format("{}.{}", model_name, i);
      expect(layer_.add(library, llvm::MemoryBuffer::getMemBuffer(objects[i], name, false)));
    }
    orc::ExecutorSymbolDef found = expect(session_.lookup({&library}, descriptor_symbol(model_name)));
    model_ = found.getAddress().toPtr<const dlc_model*>();
  }

  Tensor constants_;
  orc::ExecutionSession session_;
  orc::ObjectLinkingLayer layer_;
  const dlc_model* model_ = nullptr;
};

}  // namespace

runtime::Program load_objects(const std::vector<std::string>& objects, const Tensor& constants,
                              const std::string& model_name) {
  auto linked = std::make_shared<LinkedModel>(objects, constants, model_name);
  const dlc_model* model = linked->model();
  const char* own = model->constants == nullptr ? constants.as<char>() : nullptr;
  return runtime::Program(model, own, std::move(linked));
}

}  // namespace dlc::codegen

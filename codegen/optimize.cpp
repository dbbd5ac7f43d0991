#include "codegen/optimize.h"

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include "codegen/narrow_masked_stores.h"
#include "runtime/error.h"

namespace dlc::codegen {

namespace {

std::string emit_file(llvm::Module& module, const Target& target, llvm::CodeGenFileType type) {
  std::unique_ptr<llvm::TargetMachine> machine = target.make_machine();
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type)) {
    fail(ErrorKind::kInternal, "the target {} cannot emit this kind of file", target.triple);
  }
  passes.run(module);
  return std::string(bytes.data(), bytes.size());
}

}  // namespace

std::unique_ptr<llvm::Module> make_module(llvm::LLVMContext& context, const Target& target,
                                          const std::string& name) {
  auto module = std::make_unique<llvm::Module>(name, context);
  std::unique_ptr<llvm::TargetMachine> machine = target.make_machine();
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());
  module->setPICLevel(llvm::PICLevel::BigPIC);
  return module;
}

void optimize(llvm::Module& module, const Target& target) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(module, &stream)) fail(ErrorKind::kInternal, "invalid LLVM IR: {}", stream.str());

  std::unique_ptr<llvm::TargetMachine> machine = target.make_machine();
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(machine.get(), tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
  narrow_masked_stores(module);
}

std::string to_object(llvm::Module& module, const Target& target) {
  return emit_file(module, target, llvm::CodeGenFileType::ObjectFile);
}

std::string to_assembly(llvm::Module& module, const Target& target) {
  return emit_file(module, target, llvm::CodeGenFileType::AssemblyFile);
}

std::string to_text(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace dlc::codegen

#include "codegen/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>
#include <llvm/TargetParser/Triple.h>

#include <mutex>

#include "runtime/error.h"

namespace dlc::codegen {

namespace {

void initialize_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
}

const llvm::Target& lookup(const std::string& triple) {
  initialize_llvm();
  std::string message;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(llvm::Triple(triple), message);
  if (!target) fail(ErrorKind::kUsage, "no code generator for '{}': {}", triple, message);
  return *target;
}

// LLVM prints a warning of its own for a CPU that it does not know: such names are to be found out before.
std::unique_ptr<llvm::MCSubtargetInfo> subtarget_info(const std::string& triple, const std::string& cpu,
                                                      const std::string& features) {
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      lookup(triple).createMCSubtargetInfo(llvm::Triple(triple), cpu, features));
  check(info != nullptr, "a target that is built in describes its CPUs");
  return info;
}

// What the CPU can do, as LLVM's tables know it.
void derive(Target& target, const llvm::MCSubtargetInfo& subtarget) {
  auto has = [&](const char* feature) { return subtarget.checkFeatures(std::string("+") + feature); };
  if (target.triple.starts_with("aarch64")) {
    target.isa = Isa::kNeon;
    target.vector_bits = 128;
    target.vector_registers = 32;
    target.has_f16 = true;
    return;
  }
  const bool avx512 = has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq");
  target.has_fma = has("fma");
  target.has_masks = avx512;
  target.has_f16 = has("f16c");
  target.has_vnni = has("avx512vnni") || has("avxvnni");
  target.has_bf16 = has("avx512bf16");
  if (avx512) {
    target.isa = Isa::kX86V4;
    target.vector_bits = 512;
    target.vector_registers = 32;
    target.l2_bytes = 1 << 20;
  } else if (has("avx2") && has("fma")) {
    target.isa = Isa::kX86V3;
  } else {
    target.isa = Isa::kX86V2;
    target.vector_bits = 128;
    target.has_fma = false;
  }
}

// LLVM ends the process when it is to make code of 64 bits for older processors.
bool has_64_bits(const llvm::MCSubtargetInfo& subtarget) {
  return subtarget.getTargetTriple().isAArch64() || subtarget.checkFeatures("+64bit");
}

// The host's own features by name, because the host may lack what its CPU's name promises (a virtual
// machine).
std::string host_features() {
  llvm::SubtargetFeatures features;
  for (const auto& entry : llvm::sys::getHostCPUFeatures()) features.AddFeature(entry.first(), entry.second);
  return features.getString();
}

}  // namespace

Target Target::parse(const std::string& cpu) {
  Target target;
  if (cpu == "native") {
    target.triple = llvm::sys::getDefaultTargetTriple();
    target.cpu = llvm::sys::getHostCPUName().str();
    target.features = host_features();
  } else if (cpu == "aarch64") {
    target.triple = "aarch64-unknown-linux-gnu";
    target.cpu = "generic";
  } else {
    target.triple = "x86_64-unknown-linux-gnu";
    target.cpu = cpu;
  }
  const bool is_known =
      cpu == "native" || (subtarget_info(target.triple, "", "")->isCPUStringValid(target.cpu) &&
                          has_64_bits(*subtarget_info(target.triple, target.cpu, "")));
  if (!is_known) {
    fail(ErrorKind::kUsage,
         "unknown CPU '{}' or one of 32 bits: expected native, x86-64-v2, x86-64-v3, x86-64-v4, aarch64 or a "
         "CPU name such as "
         "znver4",
         cpu);
  }
  derive(target, *subtarget_info(target.triple, target.cpu, target.features));
  return target;
}

std::unique_ptr<llvm::TargetMachine> Target::make_machine() const {
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(
      lookup(triple).createTargetMachine(llvm::Triple(triple), cpu, features, options, llvm::Reloc::PIC_,
                                         llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

}  // namespace dlc::codegen

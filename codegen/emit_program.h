// A whole program in LLVM IR: bind(), run(), the model's descriptor and the functions of its C header, around
// the functions of its kernels.
#pragma once

#include <map>
#include <string>

#include <llvm/IR/Module.h>

#include "codegen/constant_pool.h"
#include "codegen/emit.h"
#include "ir/kernel/kernel.h"
#include "passes/plan_memory.h"

namespace dlc::codegen {

// How one kernel step is run: the name of a function of type dlc_kernel_fn, which steps with equal kernels
// share and which may be in another module, and the buffers and Dims of this step in the order of the
// function's arrays.
struct KernelCode {
  std::string function;
  KernelSignature signature;
};

struct ProgramParts {
  const ir::Program& program;
  const passes::MemoryPlan& plan;
  const ConstantPool& constants;
  // Of every kernel of the program whose body is no Call.
  const std::map<const ir::Kernel*, KernelCode>& kernels;
};

struct ModelInfo {
  std::string name;           // a C identifier: prefix of what the object exports
  std::string build;          // version and options, for people
  std::string content_hash;   // hex
  uint64_t cpu_features = 0;  // bits of dlc_cpu_feature
  bool profile = false;       // times kernels
  bool constants_in_file = false;
  std::vector<int> in_place = {};  // by output: the input whose memory it may be given, or -1; empty: none
};

// Adds everything but the kernels to `module`. Constants are not in it: the descriptor refers to them by the
// symbol constants_symbol(), unless they are in a file.
void emit_program(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info);

// Names of what the object of a model defines and needs.
std::string descriptor_symbol(const std::string& model_name);  // NAME_descriptor: its dlc_model
std::string constants_symbol(
    const std::string& model_name);  // NAME_constants: defined by the linker or loader
// NAME_init and so on: functions of the C header.
std::vector<std::string> header_symbols(const std::string& model_name);
// A C identifier made of any text.
std::string c_identifier(std::string_view text);

}  // namespace dlc::codegen

// From a graph to native code: the driver of passes, emission, LLVM and the linker.
#pragma once

#include <memory>
#include <string>

#include "codegen/kernel_choice.h"
#include "ir/graph.h"
#include "passes/options.h"
#include "runtime/program.h"

namespace dlc::codegen {

struct CompileOptions {
  passes::Options passes = {};
  std::string cpu = "native";     // Target::parse
  std::string name = "";          // of the model in its library; default: the graph's
  bool profile = false;           // calls dlc_kernel_begin/end around every kernel
  int threads = 0;                // that compile; 0: as many as the process may use. Never changes the result
  std::string weights_file = "";  // constants go to this file instead of the library
};

// What compilation did, for the summary.
struct CompileReport {
  int graph_nodes = 0;
  int kernels = 0;
  int distinct_kernels = 0;
  int64_t constant_bytes = 0;
  int64_t arena_bytes = -1;  // -1: depends on symbols
  double seconds = 0;
  std::map<std::string, double> pass_seconds;
  std::vector<std::string> notes;  // where Winograd is used, ...
  std::vector<KernelChoice> choices;
  std::vector<std::string> choice_notes;  // why operators have not got the kernel that they might have
};

// The model as object files plus what a linker or loader needs beside it.
struct CompiledModel {
  std::string name;  // a C identifier: prefix of what the object exports
  std::string content_hash;
  std::string header;                // C header of the model
  std::vector<std::string> objects;  // bytes of the ELF objects, without the constants
  Tensor constants;                  // the constant section, uint8
  CompileReport report;
};

CompiledModel compile_to_object(ir::Graph& graph, const CompileOptions& options);
// The same in less memory: the graph's weights are given up as soon as they are packed.
CompiledModel compile_to_object(std::unique_ptr<ir::Graph> graph, const CompileOptions& options);
// What compiling would report as arena_bytes, without making code.
int64_t plan_arena(std::unique_ptr<ir::Graph> graph, const CompileOptions& options);
// Links the objects and the constants in memory: the same bytes as in the library.
runtime::Program load(CompiledModel model);
runtime::Program compile(ir::Graph& graph, const CompileOptions& options);
// Files, which appear whole or not at all, in less memory where the model is given up; the weights go to
// options.weights_file, if that is given. Error(kIo, kUsage for another machine's library).
void write_shared_library(CompiledModel model, const std::string& path, const CompileOptions& options);
// A static library. Programs may link several.
void write_archive(CompiledModel model, const std::string& path, const CompileOptions& options);
// To be linked with libdlcrt.a.
void write_object(CompiledModel model, const std::string& path, const CompileOptions& options);
// Text forms: LLVM IR after optimisation, assembly.
std::string emit_llvm(ir::Graph& graph, const CompileOptions& options);
std::string emit_assembly(ir::Graph& graph, const CompileOptions& options);

}  // namespace dlc::codegen

#include "tools/model_source.h"

#include <chrono>
#include <fstream>

namespace dlc::tools {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

bool is_library_file(const std::string& path) {
  char bytes[4] = {};
  std::ifstream(path, std::ios::binary).read(bytes, sizeof bytes);
  return std::string_view(bytes, sizeof bytes) ==
         "\x7f"
         "ELF";
}

LoadedModel load_model(const std::string& path, const Shapes& shapes, codegen::CompileOptions options,
                       const std::string& weights_file, Progress& progress) {
  const Clock::time_point start = Clock::now();
  if (is_library_file(path)) {
    return {runtime::load_library(path, weights_file), true, 0, ms_since(start), {}};
  }
  progress.show("reading the model");
  const std::unique_ptr<ir::Graph> graph = frontend::read_model(path, {.input_shapes = shapes});
  options.passes.progress = [&](std::string_view pass, int index, int count) {
    progress.show(pass, index + 1, count);
  };
  codegen::CompiledModel compiled = codegen::compile_to_object(*graph, options);
  codegen::CompileReport report = std::move(compiled.report);
  runtime::Program program = codegen::load(std::move(compiled));
  progress.clear();
  const double ms = ms_since(start);
  return {std::move(program), false, ms, ms, std::move(report)};
}

}  // namespace dlc::tools

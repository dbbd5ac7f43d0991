// A model as the programs get it: an ONNX file, compiled in process, or a library compiled before.
#pragma once

#include <optional>
#include <string>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/program.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace dlc::tools {

struct LoadedModel {
  runtime::Program program;
  bool is_library = false;
  double compile_ms = 0;               // reading and compiling; 0 for a library
  double load_ms = 0;                  // until it can run
  codegen::CompileReport report = {};  // not of a library
};

bool is_library_file(const std::string& path);  // by its first bytes

LoadedModel load_model(const std::string& path, const Shapes& shapes, codegen::CompileOptions options,
                       const std::string& weights_file, Progress& progress);

}  // namespace dlc::tools

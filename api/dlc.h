// The library for C++ programs: read a model, compile it, run it.
//
//   std::unique_ptr<dlc::ir::Graph> graph = dlc::frontend::read_model("model.onnx");
//   dlc::runtime::Program program = dlc::codegen::compile(*graph, {});
//   dlc::runtime::Context context(program);
//   std::vector<dlc::Tensor> outputs = context.run({input});
//
// Faults are thrown as dlc::Error, which says who can mend them and what was expected and found.
#pragma once

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "ir/clone.h"
#include "ir/graph.h"
#include "runtime/data/image.h"
#include "runtime/data/npy.h"
#include "runtime/data/npz.h"
#include "runtime/error.h"
#include "runtime/program.h"
#include "runtime/tensor.h"
#include "runtime/value.h"
#include "runtime/version.h"

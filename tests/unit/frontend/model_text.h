// Models in ONNX's text form, for tests.
#pragma once

#include <string>

#include <onnx/onnx_pb.h>

#include "frontend/read_model.h"

namespace dlc::test {

// Where the text does not begin with '<', opset 17 is imported. The library's parser must accept it.
onnx::ModelProto model_from_text(const std::string& text);
std::string model_bytes(const std::string& text);
std::unique_ptr<ir::Graph> graph_from_text(const std::string& text,
                                           const frontend::ReadOptions& options = {});
std::unique_ptr<ir::Graph> graph_from(const onnx::ModelProto& model,
                                      const frontend::ReadOptions& options = {});
// What the Error of reading the model says; "" when there is none.
std::string error_of(const onnx::ModelProto& model, const frontend::ReadOptions& options = {});
std::string error_of_text(const std::string& text, const frontend::ReadOptions& options = {});

// "Relu(x) -> y; ..." of all nodes in order, with the values' names.
std::string summary(const ir::Graph& graph);

}  // namespace dlc::test

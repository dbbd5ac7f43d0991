#include "tests/unit/frontend/model_text.h"

#include <stdexcept>

#include <fmt/format.h>
#include <onnx/defs/parser.h>

#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::test {

onnx::ModelProto model_from_text(const std::string& text) {
  const size_t first = text.find_first_not_of(" \n");
  const std::string header =
      first != std::string::npos && text[first] == '<' ? "" : "<ir_version: 8, opset_import: [\"\" : 17]>\n";
  onnx::ModelProto model;
  const auto status = onnx::OnnxParser::Parse(model, (header + text).c_str());
  if (!status.IsOK()) throw std::runtime_error(status.ErrorMessage());
  return model;
}

std::string model_bytes(const std::string& text) { return model_from_text(text).SerializeAsString(); }

std::unique_ptr<ir::Graph> graph_from(const onnx::ModelProto& model, const frontend::ReadOptions& options) {
  return frontend::parse_model(model.SerializeAsString(), "", options);
}

std::unique_ptr<ir::Graph> graph_from_text(const std::string& text, const frontend::ReadOptions& options) {
  return graph_from(model_from_text(text), options);
}

std::string error_of(const onnx::ModelProto& model, const frontend::ReadOptions& options) {
  try {
    graph_from(model, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string error_of_text(const std::string& text, const frontend::ReadOptions& options) {
  return error_of(model_from_text(text), options);
}

std::string summary(const ir::Graph& graph) {
  const auto names = [](std::span<ir::Value* const> values) {
    std::vector<std::string> result;
    for (const ir::Value* value : values) result.push_back(value != nullptr ? value->name() : "-");
    return fmt::format("{}", fmt::join(result, ", "));
  };
  std::vector<std::string> lines;
  for (const auto& node : graph.nodes()) {
    lines.push_back(
        fmt::format("{}({}) -> {}", node->op().name, names(node->inputs()), names(node->outputs())));
  }
  return fmt::format("{}", fmt::join(lines, "; "));
}

}  // namespace dlc::test

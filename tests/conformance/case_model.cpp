#include "tests/conformance/case_model.h"

#include <fstream>
#include <set>
#include <sstream>

#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>

#include "ir/op.h"
#include "runtime/error.h"
#include "tests/support/paths.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

template <class Message>
Message read_message(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Message message;
  if (!stream || !message.ParseFromIstream(&stream))
    fail(ErrorKind::kIo, "{}: cannot be read", path.string());
  return message;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// Positions in graph.input of those that are no initializers.
std::vector<int> live_inputs(const onnx::GraphProto& graph) {
  std::set<std::string> constants;
  for (const auto& tensor : graph.initializer()) constants.insert(tensor.name());
  std::vector<int> result;
  for (int i = 0; i < graph.input_size(); ++i) {
    if (!constants.contains(graph.input(i).name())) result.push_back(i);
  }
  return result;
}

bool is_integer(int32_t type) { return type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32; }

void make_symbolic(onnx::TypeProto& type, int input) {
  if (!type.has_tensor_type() || !type.tensor_type().has_shape()) return;
  auto& shape = *type.mutable_tensor_type()->mutable_shape();
  if (shape.dim_size() == 1 && is_integer(type.tensor_type().elem_type())) return;
  for (int axis = 0; axis < shape.dim_size(); ++axis) {
    shape.mutable_dim(axis)->set_dim_param("d" + std::to_string(input) + "_" + std::to_string(axis));
  }
}

void forget_extents(onnx::TypeProto& type) {
  if (!type.has_tensor_type() || !type.tensor_type().has_shape()) return;
  for (auto& dim : *type.mutable_tensor_type()->mutable_shape()->mutable_dim()) dim.clear_value();
}

void forget_inner_extents(onnx::GraphProto& graph) {
  graph.clear_value_info();
  for (auto& output : *graph.mutable_output()) forget_extents(*output.mutable_type());
  for (auto& node : *graph.mutable_node()) {
    for (auto& attribute : *node.mutable_attribute()) {
      if (!attribute.has_g()) continue;
      for (auto& input : *attribute.mutable_g()->mutable_input()) forget_extents(*input.mutable_type());
      forget_inner_extents(*attribute.mutable_g());
    }
  }
}

void make_symbolic(onnx::GraphProto& graph) {
  for (int i : live_inputs(graph)) make_symbolic(*graph.mutable_input(i)->mutable_type(), i);
  forget_inner_extents(graph);
}

bool becomes_constant(const onnx::ValueInfoProto& input) { return input.type().has_tensor_type(); }

void make_constant(onnx::GraphProto& graph, const fs::path& set) {
  std::vector<int> live = live_inputs(graph);
  for (size_t k = live.size(); k-- > 0;) {
    const auto& input = graph.input(live[k]);
    if (!becomes_constant(input)) continue;
    auto tensor = read_message<onnx::TensorProto>(set / ("input_" + std::to_string(k) + ".pb"));
    tensor.set_name(input.name());
    *graph.add_initializer() = std::move(tensor);
    graph.mutable_input()->DeleteSubrange(live[k], 1);
  }
}

}  // namespace

std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::kStatic:
      return "static";
    case Mode::kSymbolic:
      return "symbolic";
    case Mode::kConstant:
      return "constant";
  }
  return "";
}

std::vector<OfficialCase> official_cases() {
  const fs::path root = onnx_cases_dir();
  std::ifstream index(root / "ops.tsv");
  std::vector<OfficialCase> cases;
  std::string line;
  std::getline(index, line);
  while (std::getline(index, line)) {
    std::vector<std::string> row = split(line, '\t');
    if (row.size() >= 3 && row[1] != "light") {
      cases.push_back({row[0], root / row[1] / row[0], row.size() > 3 ? split(row[3], ',') : split("", ',')});
    }
  }
  return cases;
}

bool is_defined(const std::string& op) {
  const size_t dot = op.rfind('.');
  const std::string domain = dot == std::string::npos ? "" : op.substr(0, dot);
  const std::string name = dot == std::string::npos ? op : op.substr(dot + 1);
  if (ir::OpRegistry::global().find(domain, name) != nullptr) return true;
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(name, domain);
  return schema == nullptr || schema->HasFunction() || schema->HasContextDependentFunction();
}

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("test_data_set_")) sets.push_back(entry.path());
  }
  std::sort(sets.begin(), sets.end());
  return sets;
}

std::string model_bytes(const fs::path& folder, Mode mode, const fs::path& set) {
  auto model = read_message<onnx::ModelProto>(folder / "model.onnx");
  if (mode == Mode::kSymbolic) make_symbolic(*model.mutable_graph());
  if (mode == Mode::kConstant) make_constant(*model.mutable_graph(), set);
  return model.SerializeAsString();
}

std::vector<ValueKind> input_kinds(const fs::path& folder) {
  auto model = read_message<onnx::ModelProto>(folder / "model.onnx");
  std::vector<ValueKind> kinds;
  for (int i : live_inputs(model.graph())) {
    const onnx::TypeProto& type = model.graph().input(i).type();
    kinds.push_back(type.has_sequence_type()   ? ValueKind::kSequence
                    : type.has_optional_type() ? ValueKind::kOptional
                    : type.has_map_type()      ? ValueKind::kMap
                                               : ValueKind::kTensor);
  }
  return kinds;
}

bool is_kept(const fs::path& folder, Mode mode, size_t index) {
  if (mode != Mode::kConstant) return true;
  auto model = read_message<onnx::ModelProto>(folder / "model.onnx");
  std::vector<int> live = live_inputs(model.graph());
  return index >= live.size() || !becomes_constant(model.graph().input(live[index]));
}

}  // namespace dlc::test

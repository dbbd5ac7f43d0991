#include "frontend/write_model.h"

#include <algorithm>

#include "frontend/guarded.h"
#include "frontend/model_file.h"
#include "frontend/read_tensor.h"
#include "frontend/write_tensor.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

// Calls `visit` with every tensor of the graph and its sub-graphs, and the name of its value; empty: it has
// none.
template <class Visit>
void visit_tensors(onnx::GraphProto& graph, const Visit& visit) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) visit(tensor, tensor.name());
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    const bool is_constant = node.op_type() == "Constant" && node.domain().empty() && node.output_size() == 1;
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      const bool is_value = is_constant && attribute.name() == "value";
      if (attribute.has_t()) visit(*attribute.mutable_t(), is_value ? node.output(0) : std::string());
      for (onnx::TensorProto& tensor : *attribute.mutable_tensors()) visit(tensor, std::string());
      if (attribute.has_g()) visit_tensors(*attribute.mutable_g(), visit);
      for (onnx::GraphProto& inner : *attribute.mutable_graphs()) visit_tensors(inner, visit);
    }
  }
}

// Gives each Identity of a vector a tensor of its own.
void separate_vectors(onnx::GraphProto& graph) {
  std::map<std::string, const onnx::TensorProto*> vectors;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (tensor.dims_size() == 1) vectors[tensor.name()] = &tensor;
  }
  std::set<std::string> outputs;
  for (const onnx::ValueInfoProto& output : graph.output()) outputs.insert(output.name());
  auto& nodes = *graph.mutable_node();
  auto separates = [&](const onnx::NodeProto& node) {
    if (node.op_type() != "Identity" || !node.domain().empty() || outputs.contains(node.output(0)))
      return false;
    auto it = vectors.find(node.input(0));
    if (it == vectors.end()) return false;
    onnx::TensorProto& own = *graph.add_initializer();
    own = *it->second;
    own.set_name(node.output(0));
    return true;
  };
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(), separates), nodes.end());
}

}  // namespace

std::string pack_model(const std::string& path) {
  const ReadOptions options;
  return guarded(path, [&] {
    const std::unique_ptr<onnx::ModelProto> model = parse_model_file(path, options);
    TensorSource source{RawData(), ExternalData(folder_of(path)), options.max_model_bytes};
    visit_tensors(*model->mutable_graph(), [&](onnx::TensorProto& tensor, const std::string& name) {
      if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
      try {
        store(tensor, read_tensor(tensor, source));
      } catch (Error& error) {
        throw error.add_context("tensor '" + name + "'");
      }
    });
    separate_vectors(*model->mutable_graph());
    return to_bytes(*model);
  });
}

std::set<std::string> tensor_names(std::string_view model) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  std::set<std::string> names;
  visit_tensors(*proto->mutable_graph(), [&](const onnx::TensorProto&, const std::string& name) {
    if (!name.empty()) names.insert(name);
  });
  return names;
}

std::string with_values(std::string_view model, const std::map<std::string, Tensor>& values) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  std::set<std::string> found;
  visit_tensors(*proto->mutable_graph(), [&](onnx::TensorProto& tensor, const std::string& name) {
    auto it = values.find(name);
    if (it == values.end()) return;
    const std::vector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
    const auto type = static_cast<DType>(tensor.data_type());
    if (shape != it->second.shape() || type != it->second.dtype()) {
      fail(ErrorKind::kModel, "tensor '{}' is {}[{}] in the model, the new one {}[{}]", name, dlc::name(type),
           fmt::join(shape, ", "), dlc::name(it->second.dtype()), fmt::join(it->second.shape(), ", "));
    }
    store(tensor, it->second);
    found.insert(name);
  });
  for (const auto& [name, value] : values) {
    if (!found.contains(name)) fail(ErrorKind::kModel, "the model has no tensor '{}'", name);
  }
  return to_bytes(*proto);
}

}  // namespace dlc::frontend

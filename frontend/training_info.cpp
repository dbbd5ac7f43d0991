#include "frontend/training_info.h"

#include <algorithm>
#include <set>

#include "frontend/model_file.h"
#include "frontend/write_tensor.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

constexpr const char* kTrainingDomain = "ai.onnx.preview.training";

void store(onnx::AttributeProto& proto, const ir::Attribute& attribute) {
  if (const auto* number = std::get_if<int64_t>(&attribute)) {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(*number);
  } else if (const auto* real = std::get_if<double>(&attribute)) {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(static_cast<float>(*real));
  } else if (const auto* text = std::get_if<std::string>(&attribute)) {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(*text);
  } else if (const auto* numbers = std::get_if<std::vector<int64_t>>(&attribute)) {
    proto.set_type(onnx::AttributeProto::INTS);
    proto.mutable_ints()->Add(numbers->begin(), numbers->end());
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&attribute)) {
    proto.set_type(onnx::AttributeProto::STRINGS);
    for (const std::string& item : *texts) proto.add_strings(item);
  } else {
    check(false, "an attribute of an algorithm is a number, a text or a list of them");
  }
}

void store(onnx::NodeProto& proto, const AlgorithmNode& node) {
  proto.set_domain(node.domain);
  proto.set_op_type(node.op);
  for (const std::string& name : node.inputs) proto.add_input(name);
  for (const std::string& name : node.outputs) proto.add_output(name);
  proto.set_name(node.outputs.front());
  for (const auto& [name, value] : node.attributes) {
    onnx::AttributeProto& attribute = *proto.add_attribute();
    attribute.set_name(name);
    store(attribute, value);
  }
}

void store(onnx::ValueInfoProto& proto, const std::string& name, const ir::TensorType& type) {
  proto.set_name(name);
  auto& tensor = *proto.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(static_cast<int32_t>(type.dtype));
  for (const ir::Dim& dim : type.shape) {
    auto& extent = *tensor.mutable_shape()->add_dim();
    if (dim.is_constant()) {
      extent.set_dim_value(dim.value());
    } else {
      extent.set_dim_param(dim.to_string());
    }
  }
}

void import_training_operators(onnx::ModelProto& model) {
  constexpr int64_t kWithLosses = 12;
  bool is_imported = false;
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    is_imported = is_imported || set.domain() == kTrainingDomain;
    if (set.domain().empty() && set.version() < kWithLosses) {
      fail(ErrorKind::kModel, "the model imports opset {}; losses are in opset {} and later", set.version(),
           kWithLosses);
    }
  }
  if (is_imported) return;
  onnx::OperatorSetIdProto& set = *model.add_opset_import();
  set.set_domain(kTrainingDomain);
  set.set_version(1);
}

template <class Bindings>
void add_bindings(const Bindings& bindings, const char* what, std::map<std::string, std::string>& result) {
  for (const onnx::StringStringEntryProto& entry : bindings) {
    if (!result.emplace(entry.key(), entry.value()).second)
      fail(ErrorKind::kModel, "training_info: {}: '{}' is bound twice", what, entry.key());
  }
}

void append(onnx::GraphProto& graph, const onnx::GraphProto& more) {
  graph.mutable_node()->MergeFrom(more.node());
  graph.mutable_initializer()->MergeFrom(more.initializer());
  graph.mutable_sparse_initializer()->MergeFrom(more.sparse_initializer());
  graph.mutable_input()->MergeFrom(more.input());
  graph.mutable_output()->MergeFrom(more.output());
  graph.mutable_value_info()->MergeFrom(more.value_info());
}

std::set<std::string> initializers_of(const onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const onnx::TensorProto& tensor : graph.initializer()) names.insert(tensor.name());
  return names;
}

void require_initializers(const std::map<std::string, std::string>& bindings, const char* what,
                          const std::set<std::string>& names) {
  for (const auto& [initializer, value] : bindings) {
    if (!names.contains(initializer))
      fail(ErrorKind::kModel, "training_info: {}: there is no initializer '{}'", what, initializer);
  }
}

// What initializers become are outputs, too.
void expose(onnx::GraphProto& graph, const std::map<std::string, std::string>& updates) {
  std::set<std::string> outputs;
  for (const onnx::ValueInfoProto& output : graph.output()) outputs.insert(output.name());
  for (const auto& [initializer, value] : updates) {
    if (outputs.insert(value).second) graph.add_output()->set_name(value);
  }
}

}  // namespace

std::string with_algorithm(std::string_view model, const Algorithm& algorithm) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  import_training_operators(*proto);
  proto->clear_training_info();
  onnx::TrainingInfoProto& info = *proto->add_training_info();
  onnx::GraphProto& graph = *info.mutable_algorithm();
  graph.set_name("training");
  for (const AlgorithmNode& node : algorithm.nodes) store(*graph.add_node(), node);
  for (const auto& [name, tensor] : algorithm.initializers) {
    onnx::TensorProto& initializer = *graph.add_initializer();
    initializer.set_name(name);
    frontend::store(initializer, tensor);
  }
  for (const auto& [name, type] : algorithm.inputs) store(*graph.add_input(), name, type);
  for (const auto& [name, type] : algorithm.outputs) store(*graph.add_output(), name, type);
  for (const auto& [initializer, value] : algorithm.updates) {
    onnx::StringStringEntryProto& entry = *info.add_update_binding();
    entry.set_key(initializer);
    entry.set_value(value);
  }
  return to_bytes(*proto);
}

TrainingModel read_algorithm(std::string_view model) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  if (proto->training_info().empty())
    fail(ErrorKind::kModel, "the model does not say how it is trained: it has no training_info");
  TrainingModel result;
  result.model_outputs = static_cast<size_t>(proto->graph().output_size());
  onnx::ModelProto initialization = *proto;
  initialization.clear_graph();
  initialization.clear_training_info();
  initialization.mutable_graph()->set_name("initialization");
  for (const onnx::TrainingInfoProto& info : proto->training_info()) {
    append(*proto->mutable_graph(), info.algorithm());
    append(*initialization.mutable_graph(), info.initialization());
    for (const onnx::ValueInfoProto& input : info.algorithm().input()) result.inputs.push_back(input.name());
    for (const onnx::ValueInfoProto& output : info.algorithm().output())
      result.outputs.push_back(output.name());
    add_bindings(info.update_binding(), "update_binding", result.updates);
    add_bindings(info.initialization_binding(), "initialization_binding", result.initial);
  }
  expose(*proto->mutable_graph(), result.updates);
  const std::set<std::string> names = initializers_of(proto->graph());
  require_initializers(result.updates, "update_binding", names);
  require_initializers(result.initial, "initialization_binding", names);
  proto->clear_training_info();
  result.model = to_bytes(*proto);
  if (!initialization.graph().node().empty()) result.initialization = to_bytes(initialization);
  return result;
}

}  // namespace dlc::frontend

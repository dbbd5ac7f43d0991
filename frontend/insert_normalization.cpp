#include "frontend/insert_normalization.h"

#include <cmath>
#include <map>
#include <set>

#include "frontend/model_file.h"
#include "frontend/write_tensor.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

constexpr double kEpsilon = 1e-5;

bool is_standard(const onnx::NodeProto& node, const char* op) {
  return node.op_type() == op && (node.domain().empty() || node.domain() == "ai.onnx");
}

// The element type of a convolution's weight, which is that of its result.
DType type_of_layer(const onnx::GraphProto& graph, const onnx::NodeProto& node) {
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (node.input_size() > 1 && tensor.name() == node.input(1))
      return static_cast<DType>(tensor.data_type());
  }
  return DType::kFloat;
}

void add_tensor(onnx::GraphProto& graph, const std::string& name, DType type,
                const std::vector<double>& numbers) {
  Tensor tensor(type, {static_cast<int64_t>(numbers.size())});
  for (size_t i = 0; i < numbers.size(); ++i) tensor.set_double(static_cast<int64_t>(i), numbers[i]);
  onnx::TensorProto& proto = *graph.add_initializer();
  proto.set_name(name);
  store(proto, tensor);
}

// Nodes behind it read what the normalization gives, under the name that they know.
onnx::NodeProto normalize(onnx::GraphProto& graph, onnx::NodeProto& layer,
                          const ChannelStatistics& statistics) {
  const DType type = type_of_layer(graph, layer);
  std::vector<double> scale;
  for (double variance : statistics.variance) scale.push_back(std::sqrt(variance + kEpsilon));
  const std::string& name = statistics.value;
  add_tensor(graph, name + ".bn_scale", type, scale);
  add_tensor(graph, name + ".bn_bias", type, statistics.mean);
  add_tensor(graph, name + ".bn_mean", type, statistics.mean);
  add_tensor(graph, name + ".bn_variance", type, statistics.variance);
  layer.set_output(0, name + ".bn_input");
  onnx::NodeProto node;
  node.set_op_type("BatchNormalization");
  node.set_name(name + ".bn");
  for (const char* ending : {".bn_input", ".bn_scale", ".bn_bias", ".bn_mean", ".bn_variance"})
    node.add_input(name + ending);
  node.add_output(name);
  onnx::AttributeProto& epsilon = *node.add_attribute();
  epsilon.set_name("epsilon");
  epsilon.set_type(onnx::AttributeProto::FLOAT);
  epsilon.set_f(static_cast<float>(kEpsilon));
  return node;
}

}  // namespace

std::vector<BareConvolution> find_bare_convolutions(std::string_view model) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  std::set<std::string> normalized;
  for (const onnx::NodeProto& node : proto->graph().node()) {
    if (is_standard(node, "BatchNormalization") && node.input_size() > 0) normalized.insert(node.input(0));
  }
  std::vector<BareConvolution> result;
  for (const onnx::NodeProto& node : proto->graph().node()) {
    if (!is_standard(node, "Conv") || node.input_size() < 2 || node.output_size() != 1) continue;
    if (!normalized.contains(node.output(0))) result.push_back({node.name(), node.input(1), node.output(0)});
  }
  return result;
}

std::string insert_normalization(std::string_view model, const std::vector<ChannelStatistics>& statistics) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  onnx::GraphProto& graph = *proto->mutable_graph();
  std::map<std::string, const ChannelStatistics*> wanted;
  for (const ChannelStatistics& item : statistics) wanted[item.value] = &item;
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    const auto item = node.output_size() == 1 ? wanted.find(node.output(0)) : wanted.end();
    if (item == wanted.end()) {
      nodes.Add(std::move(node));
      continue;
    }
    onnx::NodeProto behind = normalize(graph, node, *item->second);
    nodes.Add(std::move(node));
    nodes.Add(std::move(behind));
    wanted.erase(item);
  }
  if (!wanted.empty()) fail(ErrorKind::kModel, "no node of the model gives '{}'", wanted.begin()->first);
  graph.mutable_node()->Swap(&nodes);
  return to_bytes(*proto);
}

}  // namespace dlc::frontend

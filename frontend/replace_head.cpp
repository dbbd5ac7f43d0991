#include <algorithm>
#include <cmath>
#include <optional>

#include "frontend/model_file.h"
#include "frontend/read_tensor.h"
#include "frontend/write_model.h"
#include "frontend/write_tensor.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

// Operators between a head and its output, which work on any number of classes.
constexpr std::string_view kFollowers[] = {
    "Softmax", "LogSoftmax", "Sigmoid",           "Identity",    "Dropout", "Relu",
    "Flatten", "Reshape",    "Squeeze",           "AveragePool", "Cast",    "Tanh",
    "Clip",    "ReduceMean", "GlobalAveragePool", "Transpose"};

struct Weight {
  int input = -1;       // of the layer's node
  int64_t axis = 0;     // of the classes in the initializer
  std::string name;     // of the initializer
  std::string carrier;  // the Transpose that hands it on; empty: none
};

// The layer, and what lies between it and the output.
struct Layer {
  onnx::NodeProto* node = nullptr;
  Weight weight;
  std::optional<std::pair<onnx::NodeProto*, int>> bias;  // the node and which of its inputs
  std::vector<onnx::NodeProto*> followers;
};

std::string describe(const onnx::NodeProto& node) {
  return fmt::format("{} '{}'", node.op_type(), node.name().empty() ? node.output(0) : node.name());
}

int64_t attribute(const onnx::NodeProto& node, const char* name, int64_t fallback) {
  for (const onnx::AttributeProto& item : node.attribute()) {
    if (item.name() == name) return item.i();
  }
  return fallback;
}

class HeadFinder {
 public:
  HeadFinder(onnx::GraphProto& graph, const std::string& output) : graph_(graph) {
    if (graph.output_size() == 0) fail(ErrorKind::kModel, "the model has no outputs");
    output_ = output.empty() ? graph.output(0).name() : output;
    bool found = false;
    for (const onnx::ValueInfoProto& info : graph.output()) found |= info.name() == output_;
    if (!found) fail(ErrorKind::kUsage, "the model has no output '{}'", output_);
  }

  const std::string& output() const { return output_; }

  Layer find() {
    Layer layer;
    std::string value = output_;
    // Names that go around in a circle end, too.
    for (int i = 0; i <= graph_.node_size(); ++i) {
      onnx::NodeProto* node = producer(value);
      if (node == nullptr) fail(ErrorKind::kModel, "output '{}' comes from no linear layer", output_);
      if (auto weight = weight_of(*node)) {
        layer.node = node;
        layer.weight = *weight;
        const int bias = 2;
        const bool has_bias =
            node->op_type() != "MatMul" && node->input_size() > bias && !node->input(bias).empty();
        if (has_bias && !layer.bias) layer.bias = {node, bias};
        return layer;
      }
      value = step(*node, layer);
    }
    fail(ErrorKind::kModel, "output '{}' depends on itself", output_);
  }

  onnx::TensorProto* initializer(const std::string& name) {
    for (onnx::TensorProto& tensor : *graph_.mutable_initializer()) {
      if (tensor.name() == name) return &tensor;
    }
    return nullptr;
  }

  int uses(const std::string& name) const {
    int count = 0;
    for (const onnx::NodeProto& node : graph_.node())
      count += std::count(node.input().begin(), node.input().end(), name);
    return count;
  }

  onnx::NodeProto* producer(const std::string& value) {
    for (onnx::NodeProto& node : *graph_.mutable_node()) {
      if (std::find(node.output().begin(), node.output().end(), value) != node.output().end()) return &node;
    }
    return nullptr;
  }

 private:
  // The value in front of a node that follows a head.
  std::string step(onnx::NodeProto& node, Layer& layer) {
    layer.followers.push_back(&node);
    const bool is_known =
        std::find(std::begin(kFollowers), std::end(kFollowers), node.op_type()) != std::end(kFollowers);
    if (node.domain().empty() && is_known && node.input_size() > 0) return node.input(0);
    if (node.op_type() == "Add" && node.input_size() == 2 && !layer.bias) {
      for (int i = 0; i < 2; ++i) {
        if (initializer(node.input(i)) == nullptr) continue;
        layer.bias = {&node, i};
        return node.input(1 - i);
      }
    }
    fail(ErrorKind::kModel, "output '{}' comes from no linear layer: {} is in between", output_,
         describe(node));
  }

  std::optional<Weight> weight_of(const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    const bool is_layer = op == "Gemm" || op == "MatMul" || op == "Conv";
    if (!is_layer || !node.domain().empty() || node.input_size() < 2) return std::nullopt;
    Weight weight;
    weight.input = 1;
    weight.name = node.input(1);
    bool rows_are_classes = op == "Gemm" && attribute(node, "transB", 0) != 0;
    if (const onnx::NodeProto* carrier = producer(weight.name)) {
      if (carrier->op_type() != "Transpose" || carrier->input_size() != 1) return std::nullopt;
      weight.carrier = weight.name;
      weight.name = carrier->input(0);
      rows_are_classes = !rows_are_classes;
    }
    const onnx::TensorProto* tensor = initializer(weight.name);
    if (tensor == nullptr) return std::nullopt;
    const bool grouped = op == "Conv" && attribute(node, "group", 1) != 1;
    if (grouped || (op != "Conv" && tensor->dims_size() != 2) || tensor->dims_size() < 2) return std::nullopt;
    weight.axis = op == "Conv" || rows_are_classes ? 0 : 1;
    return weight;
  }

  onnx::GraphProto& graph_;
  std::string output_;
};

int64_t features_of(const onnx::TensorProto& weight, int64_t axis) {
  int64_t features = 1;
  for (int i = 0; i < weight.dims_size(); ++i) features *= i == axis ? 1 : weight.dims(i);
  return features;
}

class HeadReplacer {
 public:
  HeadReplacer(onnx::GraphProto& graph, const std::string& output, int64_t classes,
               const std::function<double()>& draw)
      : graph_(graph), finder_(graph, output), classes_(classes), draw_(draw) {}

  void run() {
    Layer layer = finder_.find();
    const onnx::TensorProto& weight = *finder_.initializer(layer.weight.name);
    old_classes_ = weight.dims(static_cast<int>(layer.weight.axis));
    scale_ = 1 / std::sqrt(static_cast<double>(features_of(weight, layer.weight.axis)));
    std::string name = fill(layer.weight.name, layer.weight.axis);
    onnx::NodeProto* user =
        layer.weight.carrier.empty() ? layer.node : finder_.producer(layer.weight.carrier);
    user->set_input(layer.weight.carrier.empty() ? layer.weight.input : 0, name);
    if (layer.bias) {
      auto [node, input] = *layer.bias;
      const onnx::TensorProto* bias = finder_.initializer(node->input(input));
      if (bias == nullptr) fail(ErrorKind::kModel, "the bias of {} is computed", describe(*layer.node));
      // A bias of one number serves all classes.
      const int axis = bias->dims_size() - 1;
      if (axis >= 0 && bias->dims(axis) == old_classes_)
        node->set_input(input, fill(node->input(input), axis));
    }
    for (onnx::NodeProto* node : layer.followers) patch_shape(*node);
    patch_types(layer);
  }

 private:
  // A random tensor in the place of the initializer, with another extent; returns its name.
  std::string fill(const std::string& name, int64_t axis) {
    onnx::TensorProto* tensor = finder_.initializer(name);
    std::vector<int64_t> shape(tensor->dims().begin(), tensor->dims().end());
    const auto type = static_cast<DType>(tensor->data_type());
    if (!is_float(type)) fail(ErrorKind::kModel, "tensor '{}' of the head is {}", name, dlc::name(type));
    shape[static_cast<size_t>(axis)] = classes_;
    Tensor values(type, shape);
    for (int64_t i = 0; i < values.size(); ++i) values.set_double(i, draw_() * scale_);
    std::string own = name;
    if (finder_.uses(name) > 1) {
      own += ".head";
      tensor = graph_.add_initializer();
      tensor->set_name(own);
    }
    store(*tensor, values);
    return own;
  }

  // A constant target shape that spells out the number of classes.
  void patch_shape(onnx::NodeProto& node) {
    if (node.op_type() != "Reshape" || node.input_size() < 2) return;
    onnx::TensorProto* shape = finder_.initializer(node.input(1));
    if (shape == nullptr) return;
    TensorSource source{RawData(), ExternalData(""), int64_t{1} << 20};
    std::vector<int64_t> extents = read_tensor(*shape, source).to_ints();
    if (extents.empty()) return;
    std::replace(extents.begin() + 1, extents.end(), old_classes_, classes_);
    store(*shape, Tensor::from_ints(extents));
  }

  // What the file says of types between the head and the output holds no longer.
  void patch_types(const Layer& layer) {
    std::vector<std::string> changed(layer.node->output().begin(), layer.node->output().end());
    for (const onnx::NodeProto* node : layer.followers) {
      changed.insert(changed.end(), node->output().begin(), node->output().end());
    }
    if (!layer.weight.carrier.empty()) changed.push_back(layer.weight.carrier);
    auto& infos = *graph_.mutable_value_info();
    infos.erase(std::remove_if(infos.begin(), infos.end(),
                               [&](const onnx::ValueInfoProto& info) {
                                 return std::find(changed.begin(), changed.end(), info.name()) !=
                                        changed.end();
                               }),
                infos.end());
    for (onnx::ValueInfoProto& info : *graph_.mutable_output()) {
      if (info.name() != finder_.output() || !info.type().tensor_type().has_shape()) continue;
      auto& dims = *info.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim();
      for (int i = 1; i < dims.size(); ++i) {
        if (dims[i].dim_value() == old_classes_) dims[i].set_dim_value(classes_);
      }
    }
  }

  onnx::GraphProto& graph_;
  HeadFinder finder_;
  int64_t classes_;
  const std::function<double()>& draw_;
  int64_t old_classes_ = 0;
  double scale_ = 1;
};

}  // namespace

Head find_head(std::string_view model, const std::string& output) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  HeadFinder finder(*proto->mutable_graph(), output);
  const Layer layer = finder.find();
  const onnx::TensorProto& weight = *finder.initializer(layer.weight.name);
  return {.node = describe(*layer.node),
          .weight = layer.weight.name,
          .bias = layer.bias ? layer.bias->first->input(layer.bias->second) : "",
          .classes = weight.dims(static_cast<int>(layer.weight.axis)),
          .features = features_of(weight, layer.weight.axis)};
}

std::string replace_head(std::string_view model, const std::string& output, int64_t classes,
                         const std::function<double()>& draw) {
  const std::unique_ptr<onnx::ModelProto> proto = parse_model_bytes(model, {});
  HeadReplacer(*proto->mutable_graph(), output, classes, draw).run();
  return to_bytes(*proto);
}

}  // namespace dlc::frontend

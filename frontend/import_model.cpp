#include "frontend/import_model.h"

#include <algorithm>
#include <set>

#include "frontend/expand_gradients.h"
#include "frontend/near_names.h"
#include "ir/ops/branch.h"
#include "runtime/error.h"
#include "runtime/format/utf8.h"

namespace dlc::frontend {
namespace {

bool is_valid_utf8(const std::string& text) { return is_utf8(text.data(), text.size()); }

std::set<std::string> initializer_names(const onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const auto& tensor : graph.initializer()) names.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) names.insert(tensor.values().name());
  return names;
}

// A tensor type with every dim open, for inputs whose shape only --shape gives.
onnx::TypeProto with_open_shape(const onnx::TypeProto& type, size_t rank) {
  onnx::TypeProto result = type;
  for (size_t i = 0; i < rank; ++i) result.mutable_tensor_type()->mutable_shape()->add_dim();
  return result;
}

bool contradicts(const onnx::TensorShapeProto::Dimension& declared, const ir::Dim& inferred) {
  return declared.has_dim_value() && inferred.is_constant() && declared.dim_value() != inferred.value();
}

}  // namespace

Importer::Importer(const onnx::ModelProto& model, TensorSource& tensors, const ReadOptions& options)
    : model_(model), tensors_(tensors), options_(options) {}

std::unique_ptr<ir::Graph> Importer::run() {
  Opsets opsets = read_opsets(model_.opset_import());
  if (opsets.empty() && model_.ir_version() < 3) opsets[""] = 1;
  read_functions();
  graph_ = std::make_unique<ir::Graph>(model_.graph().name().empty() ? "graph" : model_.graph().name());
  Scope scope{.graph = *graph_, .opsets = opsets};
  read_inputs(scope);
  read_initializers(model_.graph(), scope);
  read_nodes(model_.graph().node(), scope);
  read_outputs(model_.graph(), scope);
  settle(*graph_, true);
  if (faulty_.empty()) {
    ir::take_known_branches(*graph_);
    expand_gradients(*graph_);
  }
  check_outputs(*graph_);
  drop_faulty();
  graph_->erase_unused_values();
  return std::move(graph_);
}

void Importer::read_functions() {
  for (const onnx::FunctionProto& function : model_.functions()) {
    FunctionKey key{normal_domain(function.domain()), function.name(), function.overload()};
    const auto [entry, is_new] = functions_.try_emplace(std::move(key));
    if (!is_new) fail(ErrorKind::kModel, "function '{}' is defined twice", function.name());
    entry->second.function = &function;
    entry->second.opsets = read_opsets(function.opset_import());
    function_names_.push_back(function.name());
  }
}

// Names of dims that --shape gives a number to must be known before any type is read.
void Importer::fix_input_dims(const onnx::ValueInfoProto& input, const std::vector<int64_t>& shape) {
  if (input.type().value_case() != onnx::TypeProto::kTensorType) {
    fail(ErrorKind::kUsage, "--shape is given for input '{}', which is no tensor", input.name());
  }
  if (!input.type().tensor_type().has_shape()) return;
  const onnx::TensorShapeProto& declared = input.type().tensor_type().shape();
  if (declared.dim_size() != static_cast<int>(shape.size())) {
    fail(ErrorKind::kUsage, "--shape gives {} dims for input '{}', which has {}", shape.size(), input.name(),
         declared.dim_size());
  }
  for (int i = 0; i < declared.dim_size(); ++i) {
    const int64_t wanted = shape[static_cast<size_t>(i)];
    if (wanted < 0) continue;
    const auto& dim = declared.dim(i);
    if (dim.has_dim_value() && dim.dim_value() >= 0 && dim.dim_value() != wanted) {
      fail(ErrorKind::kUsage, "--shape gives {} for dim {} of input '{}', which the model fixes to {}",
           wanted, i, input.name(), dim.dim_value());
    }
    if (dim.has_dim_param() && !dim.dim_param().empty()) symbols_.fix(dim.dim_param(), wanted);
  }
}

ir::Type Importer::read_input_type(const onnx::ValueInfoProto& input) {
  const TypeScope scope{*graph_, symbols_, true};
  auto wanted = options_.input_shapes.find(input.name());
  if (wanted == options_.input_shapes.end() && graph_->inputs().empty())
    wanted = options_.input_shapes.find("");
  if (wanted == options_.input_shapes.end()) return read_type(input.type(), input.name(), scope);
  onnx::TypeProto type = input.type().tensor_type().has_shape()
                             ? input.type()
                             : with_open_shape(input.type(), wanted->second.size());
  for (size_t i = 0; i < wanted->second.size(); ++i) {
    if (wanted->second[i] < 0) continue;
    type.mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(static_cast<int>(i))
        ->set_dim_value(wanted->second[i]);
  }
  return read_type(type, input.name(), scope);
}

void Importer::read_inputs(Scope& scope) {
  const std::set<std::string> initializers = initializer_names(model_.graph());
  std::vector<const onnx::ValueInfoProto*> inputs;
  std::vector<std::string> names;
  for (const auto& input : model_.graph().input()) {
    if (input.name().empty()) fail(ErrorKind::kModel, "input {} of the graph has no name", inputs.size());
    if (!is_valid_utf8(input.name())) fail(ErrorKind::kModel, "an input's name is not valid UTF-8");
    if (initializers.contains(input.name()) && !options_.initializers_as_inputs) continue;
    inputs.push_back(&input);
    names.push_back(input.name());
  }
  for (const auto& [key, shape] : options_.input_shapes) {
    const std::string& name = key.empty() && !names.empty() ? names.front() : key;
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      fail(ErrorKind::kUsage, "--shape is given for '{}', but the inputs are {}{}", name,
           fmt::join(names, ", "), did_you_mean(name, names));
    }
    fix_input_dims(*inputs[static_cast<size_t>(found - names.begin())], shape);
  }
  for (const onnx::ValueInfoProto* input : inputs) {
    ir::Value* value = graph_->add_input(input->name(), read_input_type(*input));
    if (!scope.values.emplace(input->name(), value).second) {
      fail(ErrorKind::kModel, "two inputs have the name '{}'", input->name());
    }
  }
}

void Importer::check_outputs(const ir::Graph& graph) {
  for (int i = 0; i < model_.graph().output_size(); ++i) {
    const ir::Value& output = *graph.outputs()[static_cast<size_t>(i)];
    if (faulty_.contains(output.producer())) continue;
    try {
      check_output(model_.graph().output(i), output.type());
    } catch (const Error& error) {
      if (options_.faults == nullptr) throw;
      collect(error);
    }
  }
}

void Importer::check_output(const onnx::ValueInfoProto& declared, const ir::Type& found) {
  if (!is_valid_utf8(declared.name())) fail(ErrorKind::kModel, "an output's name is not valid UTF-8");
  if (declared.type().value_case() != onnx::TypeProto::kTensorType) return;
  const auto& type = declared.type().tensor_type();
  if (!found.is_tensor() || static_cast<int32_t>(found.tensor.dtype) != type.elem_type()) {
    fail(ErrorKind::kModel, "output '{}' is declared as {}, but its type is {}", declared.name(),
         onnx_name(read_dtype(type.elem_type(), "its element type")), ir::to_string(found));
  }
  // Declared extents describe the model as it was written, not with other input shapes.
  if (!type.has_shape() || !options_.input_shapes.empty()) return;
  bool differs = type.shape().dim_size() != static_cast<int>(found.tensor.shape.size());
  for (int k = 0; !differs && k < type.shape().dim_size(); ++k) {
    differs = contradicts(type.shape().dim(k), found.tensor.shape[static_cast<size_t>(k)]);
  }
  if (!differs) return;
  std::vector<std::string> dims;
  for (const auto& dim : type.shape().dim()) {
    dims.push_back(dim.has_dim_value()       ? std::to_string(dim.dim_value())
                   : dim.dim_param().empty() ? "?"
                                             : dim.dim_param());
  }
  fail(ErrorKind::kModel, "output '{}' is declared with shape [{}], but it is {}", declared.name(),
       fmt::join(dims, ", "), ir::to_string(found));
}

}  // namespace dlc::frontend

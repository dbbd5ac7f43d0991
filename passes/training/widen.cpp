#include "passes/training/widen.h"

#include <algorithm>
#include <string_view>

#include "ir/op.h"
#include "runtime/training/stepper.h"

namespace dlc::passes {
namespace {

// Attributes that hold an element type.
constexpr std::string_view kTypeAttributes[] = {"to", "dtype", "output_dtype", "stash_type",
                                                "softmax_precision"};

DType widened(DType type) { return is_float(type) ? DType::kDouble : type; }

ir::Type widened(ir::Type type) {
  if (type.is_tensor()) type.tensor.dtype = widened(type.tensor.dtype);
  return type;
}

void widen_attributes(ir::Node& node) {
  const ir::Attributes attributes = node.attributes();
  for (const auto& [name, attribute] : attributes) {
    const auto* number = std::get_if<int64_t>(&attribute);
    const bool is_type =
        std::find(std::begin(kTypeAttributes), std::end(kTypeAttributes), name) != std::end(kTypeAttributes);
    if (number != nullptr && is_type && is_float(static_cast<DType>(*number))) {
      node.set_attribute(name, static_cast<int64_t>(DType::kDouble));
    }
    const auto* tensor = std::get_if<Tensor>(&attribute);
    if (tensor != nullptr) node.set_attribute(name, training::converted(*tensor, widened(tensor->dtype())));
  }
}

void widen_graph(ir::Graph& graph) {
  for (ir::Value* input : graph.inputs()) input->set_type(widened(input->type()));
  for (ir::Value* value : graph.constants()) {
    if (widened(value->dtype()) == value->dtype()) continue;
    ir::Value* wide = graph.add_constant("", training::converted(value->constant(), DType::kDouble));
    graph.pass_name(value, wide);
    graph.replace_all_uses(value, wide);
  }
  for (const auto& node : graph.nodes()) {
    widen_attributes(*node);
    for (const auto& [name, body] : ir::subgraphs(*node)) widen_graph(*body);
  }
}

}  // namespace

void widen(ir::Graph& model) {
  widen_graph(model);
  model.erase_unused_values();
  ir::infer_types(model);
}

}  // namespace dlc::passes

#include <map>

#include <fmt/format.h>

#include "ir/op.h"
#include "passes/training/build_step.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using ir::Dim;
using ir::Node;
using ir::Value;

// Each input's batch axis gets the new extent; a symbol that named it has that value everywhere.
void set_inputs(ir::Graph& model, int64_t batch) {
  std::map<std::string, Dim> bindings;
  for (const Value* input : model.inputs()) {
    const ir::Shape& shape = input->shape();
    if (shape.empty()) fail(ErrorKind::kModel, "input '{}' has no batch axis: it is a scalar", input->name());
    if (shape[0].is_symbol()) bindings[shape[0].symbol_name()] = batch;
  }
  for (Value* input : model.inputs()) {
    ir::Shape shape = input->shape();
    for (Dim& dim : shape) dim = dim.substitute(bindings);
    shape[0] = batch;
    input->set_type(ir::Type(input->dtype(), std::move(shape)));
  }
  for (const auto& [symbol, extent] : bindings) model.symbols().erase(symbol);
}

// The batch of the exporter in a constant target shape: its first element, which becomes "as in the input".
void patch_reshape(ir::Graph& model, Node& node, const Dim& old, int64_t batch) {
  const Value* target = node.input(1);
  if (target == nullptr || !target->is_constant() || target->constant().size() == 0) return;
  const ir::Shape& from = node.input(0)->shape();
  bool follows = !from.empty() && from[0] == Dim(batch);
  std::vector<int64_t> wanted = target->constant().to_ints();
  if (!follows || !old.is_constant() || wanted[0] != old.value() || wanted[0] == batch) return;
  wanted[0] = batch;
  node.set_input(1, model.add_constant("", Tensor::from_ints(wanted)));
}

}  // namespace

void set_batch(ir::Graph& model, int64_t batch) {
  if (model.inputs().empty()) fail(ErrorKind::kModel, "the model has no inputs");
  const Dim old = model.inputs().front()->shape().empty() ? Dim(1) : model.inputs().front()->shape()[0];
  set_inputs(model, batch);
  for (const auto& node : model.nodes()) {
    if (node->op().name == "Reshape") patch_reshape(model, *node, old, batch);
    try {
      ir::infer_node(*node);
    } catch (Error& error) {
      if (old.is_constant()) {
        error.add_context(fmt::format("the model is fixed to a batch of {} and cannot be run with {}",
                                      old.to_string(), batch));
      }
      throw;
    }
  }
  model.erase_unused_values();
  for (size_t i = 0; i < model.outputs().size(); ++i) {
    const Value& output = *model.outputs()[i];
    if (!output.type().is_tensor() || output.shape().empty() || output.shape()[0] == Dim(batch)) continue;
    fail(ErrorKind::kModel, "output '{}' is {} for a batch of {}: its first axis is no batch",
         model.output_names()[i], to_string(output.type()), batch);
  }
}

}  // namespace dlc::passes

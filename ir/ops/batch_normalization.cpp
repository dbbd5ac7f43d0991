// BatchNormalization, defined by simpler operators: its per-channel factors are constants in inference.
#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/normalization.h"

namespace dlc::ir {
namespace {

bool in_training(const Node& node) { return node.attribute<int64_t>("training_mode", 0) != 0; }

// A tensor of rank 1 is a batch of one channel.
Dim channels_of(const Shape& shape) { return shape.size() < 2 ? Dim(1) : shape[1]; }

void infer_batch_norm(InferContext& context) {
  require_rank_at_least(context, 0, 1);
  for (size_t i = 0; i < 5; ++i) require_type(context, i, TypeClass::kFloat);
  for (size_t i = 1; i < 5; ++i) {
    require_rank(context, i, 1);
    require_equal_extents(context, context.shape(i)[0], channels_of(context.shape(0)),
                          "one parameter a channel");
  }
  infer_same_as_input(context);
  if (!in_training(context.node()) && context.node().outputs().size() > 1) {
    context.fail("outputs of running statistics exist only where training_mode is 1");
  }
  context.set_output(1, context.input(3));
  context.set_output(2, context.input(4));
}

struct Statistics {
  Value* mean;
  Value* variance;
};

// Of the batch, in its element type.
Statistics batch_statistics(Builder& builder, Value* x) {
  std::vector<int64_t> axes = all_axes(static_cast<int64_t>(x->shape().size()));
  if (axes.size() > 1) axes.erase(axes.begin() + 1);
  Value* mean = builder.reduce("ReduceMean", x, axes, true);
  Value* difference = builder.sub(x, mean);
  Value* variance = builder.reduce("ReduceMean", builder.mul(difference, difference), axes, true);
  Shape channels = {channels_of(x->shape())};
  return {builder.reshape(mean, channels), builder.reshape(variance, channels)};
}

// old * momentum + current * (1 - momentum)
Value* running(Builder& builder, Value* old, Value* current, double momentum) {
  Value* cast = builder.cast(current, old->dtype());
  Value* kept = builder.mul(old, builder.like(old, momentum));
  return builder.add(kept, builder.mul(cast, builder.like(old, 1 - momentum)));
}

// y = x * factor + offset with factor = scale / sqrt(variance + epsilon) and offset = bias - mean * factor.
bool expand_batch_norm(Builder& builder, Node& node) {
  DType type = compute_type(node.input(0)->dtype());
  Value* x = builder.cast(node.input(0), type);
  Statistics statistics = {builder.cast(node.input(3), type), builder.cast(node.input(4), type)};
  if (in_training(node)) {
    statistics = batch_statistics(builder, x);
    double momentum = node.attribute<double>("momentum", 0.9F);
    if (node.output(1) != nullptr) {
      builder.replace(node, 1, running(builder, node.input(3), statistics.mean, momentum));
    }
    if (node.output(2) != nullptr) {
      builder.replace(node, 2, running(builder, node.input(4), statistics.variance, momentum));
    }
  }
  Value* epsilon = builder.scalar(type, node.attribute<double>("epsilon", 1e-5F));
  Value* deviation = builder.op("Sqrt", {builder.add(statistics.variance, epsilon)});
  Value* factor = builder.div(builder.cast(node.input(1), type), deviation);
  Value* offset = builder.sub(builder.cast(node.input(2), type), builder.mul(statistics.mean, factor));
  Shape column(std::max<size_t>(node.input(0)->shape().size(), 2) - 1, Dim(1));
  column[0] = channels_of(node.input(0)->shape());
  Value* scaled = builder.mul(x, builder.reshape(factor, column));
  Value* y = builder.add(scaled, builder.reshape(offset, column));
  builder.replace(node, 0, builder.cast(y, node.input(0)->dtype()));
  return true;
}

// Before version 9, spatial = 0 asks for parameters of every activation: the activations become the channels.
void flatten_activations(Graph& graph, Node& original, int) {
  bool spatial = original.attribute<int64_t>("spatial", 1) != 0;
  original.erase_attribute("spatial");
  if (spatial) return;
  Node& node = original.outputs().size() > 1 ? keep_outputs(graph, original, 1) : original;
  std::vector<Value*> inputs = {insert_op(graph, node, "Flatten", {node.input(0)}, {{"axis", int64_t{1}}})};
  for (size_t i = 1; i < 5; ++i) {
    inputs.push_back(insert_op(graph, node, "Reshape", {node.input(i), insert_ints(graph, {-1})}));
  }
  Value* flat = insert_op(graph, node, "BatchNormalization", inputs, node.attributes());
  Value* shape = insert_op(graph, node, "Shape", {node.input(0)});
  graph.replace_all_uses(node.output(0), insert_op(graph, node, "Reshape", {flat, shape}));
  graph.erase(&node);
}

// Before version 14 further outputs, if any, mean training.
void drop_training_outputs(Graph& graph, Node& node, int) {
  if (node.outputs().size() > 1) keep_outputs(graph, node, 1);
}

}  // namespace

void register_batch_normalization(OpRegistry& registry) {
  registry.add({.name = "BatchNormalization",
                .infer = infer_batch_norm,
                .expand = expand_batch_norm,
                .upgrades = {{9, flatten_activations}, {14, drop_training_outputs}}});
}

}  // namespace dlc::ir

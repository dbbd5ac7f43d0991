#include "passes/training/loss.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/op.h"
#include "ir/ops/infer_util.h"
#include "ir/term.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Dim;
using ir::Shape;
using ir::Term;

// The value before a Softmax at the end of the model, over the classes.
ir::Value* logits_of(ir::Value* output, const LossOptions& options) {
  const ir::Node* node = output->producer();
  bool is_softmax = node != nullptr && (node->op().name == "Softmax" || node->op().name == "LogSoftmax");
  if (!is_softmax || options.kind != LossKind::kCrossEntropy) return output;
  auto rank = static_cast<int64_t>(output->shape().size());
  int64_t axis = node->attribute<int64_t>("axis", -1);
  return (axis < 0 ? axis + rank : axis) == class_axis(output->shape().size()) ? node->input(0) : output;
}

// Of every place: what it adds to the sum, and to the weight that the sum is divided by.
struct Elements {
  Term loss;
  Term weight;
};

// The weights of the samples for every element of a shape.
Term sample_weights(const Term& weights, const Shape& shape) {
  Shape column(shape.size(), 1);
  column[0] = shape[0];
  return expand(reshape(weights, column), shape);
}

// The weights of the classes as a constant; every class counts alike where there are none.
Term class_weights(const Term& y, const Dim& classes, const LossOptions& options) {
  Builder& builder = y.builder();
  if (options.class_weights.empty()) return y.number(1);
  Tensor table(y.dtype(), {static_cast<int64_t>(options.class_weights.size())});
  if (!(classes == Dim(table.size()))) {
    fail(ErrorKind::kUsage, "the loss has {} class weights, the model {} classes", table.size(),
         classes.to_string());
  }
  for (int64_t i = 0; i < table.size(); ++i) {
    table.set_double(i, options.class_weights[static_cast<size_t>(i)]);
  }
  return {builder, builder.constant(std::move(table))};
}

// -(1 - s) * w[t] * log p[t] - s / classes * sum over c of w[c] * log p[c], with label smoothing s.
Elements class_loss(const Term& y, const Term& target, const Term& weights, const LossOptions& options) {
  Builder& builder = y.builder();
  const int64_t axis = class_axis(y.shape().size());
  const Term counts = !equal(target, static_cast<double>(options.ignored_class));
  const Term chosen = where(counts, target, 0);
  const Term log_probabilities =
      options.kind == LossKind::kNll ? y : y.apply("LogSoftmax", {}, {{"axis", axis}});
  Shape column = target.shape();
  column.insert(column.begin() + static_cast<ptrdiff_t>(axis), 1);
  const Term picked = log_probabilities.apply("GatherElements", {reshape(chosen, column)}, {{"axis", axis}});
  const Term table = class_weights(y, y.shape()[static_cast<size_t>(axis)], options);
  const Term own = options.class_weights.empty() ? table : table.apply("Gather", {chosen});
  Term loss = -own * reshape(picked, target.shape());
  if (options.label_smoothing > 0 && options.kind == LossKind::kCrossEntropy) {
    Term all = log_probabilities;
    if (!options.class_weights.empty()) {
      Shape along(y.shape().size() - static_cast<size_t>(axis), 1);
      along[0] = table.shape()[0];
      all = all * reshape(table, along);
    }
    const Term mean(builder, builder.reduce("ReduceMean", all, {axis}, false));
    loss = (1 - options.label_smoothing) * loss - options.label_smoothing * mean;
  }
  const Term weight = where(counts, sample_weights(weights, target.shape()), 0);
  return {loss * weight, own * weight};
}

Term value_loss(const Term& y, const Term& target, const LossOptions& options) {
  Term difference = y - target;
  switch (options.kind) {
    case LossKind::kBinary:
      return y.apply("Softplus") - y * target;
    case LossKind::kMse:
      return difference * difference;
    case LossKind::kL1:
      return abs(difference);
    case LossKind::kHuber: {
      Term distance = abs(difference);
      Term square = 0.5 * difference * difference;
      return where(distance <= options.delta, square, options.delta * (distance - 0.5 * options.delta));
    }
    case LossKind::kKl: {
      Term safe = where(target > 0, target, 1);
      return where(target > 0, target * (log(safe) - y), 0);
    }
    case LossKind::kCrossEntropy:
    case LossKind::kNll:
      break;
  }
  check(false, "a loss of values");
  return difference;
}

Term total_of(const Term& x) {
  const std::vector<int64_t> axes = ir::all_axes(static_cast<int64_t>(x.shape().size()));
  return {x.builder(), x.builder().reduce("ReduceSum", x, axes, false)};
}

// A Kullback-Leibler divergence is a sum over all places of a sample.
Elements weighted(const Term& loss, const Term& weights, LossKind kind) {
  const Term each = sample_weights(weights, loss.shape());
  return {loss * each, kind == LossKind::kKl ? weights : each};
}

}  // namespace

bool takes_classes(LossKind kind) { return kind == LossKind::kCrossEntropy || kind == LossKind::kNll; }

int64_t class_axis(size_t rank) { return rank == 3 ? 2 : 1; }

size_t find_output(const ir::Graph& graph, const std::string& name) {
  if (graph.outputs().empty()) fail(ErrorKind::kModel, "the model has no outputs");
  if (name.empty()) return 0;
  const auto& names = graph.output_names();
  auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) {
    fail(ErrorKind::kUsage, "the model has no output '{}'; its outputs are {}", name, fmt::join(names, ", "));
  }
  return static_cast<size_t>(it - names.begin());
}

ir::Type target_type(const ir::Graph& graph, const LossOptions& options) {
  size_t index = find_output(graph, options.output);
  const std::string& name = graph.output_names()[index];
  const ir::TensorType& type = graph.outputs()[index]->tensor_type();
  if (!is_float(type.dtype) || type.shape.empty()) {
    fail(ErrorKind::kModel, "output '{}': a loss needs floats with a batch axis, found {}", name,
         to_string(ir::Type(type)));
  }
  Shape shape = type.shape;
  if (!takes_classes(options.kind)) return ir::Type(DType::kFloat, shape);
  if (shape.size() < 2) {
    fail(ErrorKind::kModel, "output '{}': expected logits of classes, found {}", name,
         to_string(ir::Type(type)));
  }
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(class_axis(type.shape.size())));
  return ir::Type(DType::kInt64, shape);
}

LossNodes add_loss(ir::Graph& graph, const LossOptions& options, ir::Value* target, ir::Value* weights) {
  ir::Value* output = graph.outputs()[find_output(graph, options.output)];
  Builder builder(graph);
  const DType type = wide_type(output->dtype());
  Term y = Term(builder, logits_of(output, options)).cast(type);
  Term targets(builder, takes_classes(options.kind) ? target : builder.cast(target, type));
  Term samples = Term(builder, weights).cast(type);
  Elements elements = takes_classes(options.kind)
                          ? class_loss(y, targets, samples, options)
                          : weighted(value_loss(y, targets, options), samples, options.kind);
  Term total = total_of(elements.weight);
  Term sum = total_of(elements.loss);
  // Of no sample at all the loss is 0.
  return {sum / where(total > 0, total, 1), total};
}

}  // namespace dlc::passes

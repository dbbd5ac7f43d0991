// ai.onnx.ml: LinearRegressor and LinearClassifier.
#include "ir/ops/infer_util.h"
#include "ir/ops/ml.h"

namespace dlc::ir {
namespace {

// x * coefficients^T + intercepts, for coefficients of `outputs` rows.
Value* linear(Builder& builder, const Node& node, int64_t outputs) {
  Value* x = as_rows(builder, node.input(0), DType::kFloat);
  const std::vector<double> coefficients = floats_of(node, "coefficients");
  const auto features = static_cast<int64_t>(coefficients.size()) / outputs;
  Value* weights = float_table(builder, coefficients, {outputs, features});
  Value* result = builder.op("MatMul", {x, builder.transpose(weights, {1, 0})});
  const std::vector<double> intercepts = floats_of(node, "intercepts");
  if (intercepts.empty()) return result;
  return builder.add(result, float_table(builder, intercepts, {outputs}));
}

void require_coefficients(const InferContext& context, int64_t outputs) {
  require_type(context, 0, TypeClass::kNumeric);
  require_post_transform(context);
  const size_t count = floats_of(context.node(), "coefficients").size();
  if (outputs < 1 || count == 0 || count % static_cast<size_t>(outputs) != 0)
    context.fail("coefficients: expected a multiple of {} numbers, found {}", outputs, count);
  require_features(context, rows_of(context), count / static_cast<size_t>(outputs));
  const size_t intercepts = floats_of(context.node(), "intercepts").size();
  if (intercepts != 0 && intercepts != static_cast<size_t>(outputs))
    context.fail("intercepts: expected {} numbers, found {}", outputs, intercepts);
}

// ---- LinearRegressor

int64_t targets_of(const Node& node) { return node.attribute<int64_t>("targets", 1); }

void infer_regressor(InferContext& context) {
  const int64_t targets = targets_of(context.node());
  require_coefficients(context, targets);
  context.set_output(0, Type(DType::kFloat, {rows_of(context).count, Dim(targets)}));
}

bool expand_regressor(Builder& builder, Node& node) {
  Value* scores = linear(builder, node, targets_of(node));
  builder.replace(node, 0,
                  post_transform(builder, scores, node.attribute<std::string>("post_transform", "NONE")));
  return true;
}

// ---- LinearClassifier

// Rows of coefficients: one a class, or one alone for two classes.
int64_t score_count(const Node& node) {
  const auto intercepts = static_cast<int64_t>(floats_of(node, "intercepts").size());
  return intercepts > 0 ? intercepts : static_cast<int64_t>(class_labels(node).count());
}

void infer_classifier(InferContext& context) {
  const ClassLabels labels = class_labels(context.node());
  const int64_t scores = score_count(context.node()), classes = static_cast<int64_t>(labels.count());
  if (scores != classes && !(scores == 1 && classes == 2))
    context.fail("intercepts: expected {} numbers, one a class, found {}", classes, scores);
  require_coefficients(context, scores);
  const Dim rows = rows_of(context).count;
  context.set_output(0, Type(labels.table.dtype(), {rows}));
  context.set_output(1, Type(DType::kFloat, {rows, Dim(classes)}));
}

bool expand_classifier(Builder& builder, Node& node) {
  const ClassLabels labels = class_labels(node);
  const auto transform = node.attribute<std::string>("post_transform", "NONE");
  Value* scores = linear(builder, node, score_count(node));
  Classes result;
  if (score_count(node) == 1 && labels.count() == 2) {
    result = {binary_label(builder, labels, scores, 0), transformed_pair(builder, scores, true, transform)};
  } else {
    result = {best_label(builder, labels, scores), post_transform(builder, scores, transform)};
  }
  replace_classes(builder, node, result);
  return true;
}

}  // namespace

std::vector<OpDef> ml_linear_records() {
  const std::string domain(kMlDomain);
  return {
      {.domain = domain, .name = "LinearRegressor", .infer = infer_regressor, .expand = expand_regressor},
      {.domain = domain, .name = "LinearClassifier", .infer = infer_classifier, .expand = expand_classifier},
  };
}

}  // namespace dlc::ir

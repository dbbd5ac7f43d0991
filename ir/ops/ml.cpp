#include "ir/ops/ml.h"

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {

std::vector<double> floats_of(const Node& node, std::string_view attribute) {
  return node.attribute<std::vector<double>>(attribute, {});
}
std::vector<int64_t> ints_of(const Node& node, std::string_view attribute) {
  return node.attribute<std::vector<int64_t>>(attribute, {});
}

// ---- Rows -------------------------------------------------------------------------------------------------

Rows rows_of(const InferContext& context, size_t input) {
  const Shape& shape = context.shape(input);
  if (shape.empty() || shape.size() > 2)
    context.fail("input {}: expected one or two axes, found {}", input, shape.size());
  return {shape.size() == 1 ? Dim(1) : shape[0], shape.back()};
}

Value* as_rows(Builder& builder, Value* x, DType type) {
  if (x->shape().size() == 1) x = builder.op("Unsqueeze", {x, builder.ints({0})});
  return builder.cast(x, type);
}

void require_features(const InferContext& context, const Rows& rows, size_t expected) {
  require_equal_extents(context, rows.features, Dim(static_cast<int64_t>(expected)), "features of the input");
}

// ---- Tables -----------------------------------------------------------------------------------------------

namespace {

Tensor table_of(DType type, const std::vector<double>& values, std::vector<int64_t> shape) {
  Tensor table(type, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) table.set_double(static_cast<int64_t>(i), values[i]);
  return table;
}

}  // namespace

Value* float_table(Builder& builder, const std::vector<double>& values, std::vector<int64_t> shape) {
  return builder.constant(table_of(DType::kFloat, values, std::move(shape)));
}
Value* double_table(Builder& builder, const std::vector<double>& values) {
  return builder.constant(table_of(DType::kDouble, values, {static_cast<int64_t>(values.size())}));
}
Value* float_scalar(Builder& builder, double value) { return builder.scalar(DType::kFloat, value); }

// ---- Transforms -------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view kTransforms[] = {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"};

// A softmax over the scores that are not zero; those are left out.
Value* softmax_zero(Builder& builder, Value* x) {
  const auto like = [&](double value) { return builder.like(x, value); };
  Value* greatest = builder.reduce("ReduceMax", x, {-1}, true);
  Value* is_there = builder.op("Greater", {builder.op("Abs", {x}), like(1e-7)});
  Value* power = builder.op("Exp", {builder.sub(x, greatest)});
  Value* rest = builder.mul(x, builder.op("Exp", {builder.op("Neg", {greatest})}));
  Value* sum = builder.reduce("ReduceSum", builder.op("Where", {is_there, power, like(0)}), {-1}, true);
  return builder.div(builder.op("Where", {is_there, power, rest}), sum);
}

// The quantile of the normal distribution: sqrt(2) * erfinv(2 x - 1), by the approximation that the standard
// names (Winitzki's), which all implementations share.
Value* probit(Builder& builder, Value* x) {
  const auto like = [&](double value) { return builder.like(x, value); };
  constexpr double kA = 0.147;
  Value* y = builder.sub(builder.mul(x, like(2)), like(1));
  Value* log = builder.op("Log", {builder.mul(builder.sub(like(1), y), builder.add(like(1), y))});
  Value* half = builder.add(builder.mul(log, like(0.5)), like(2 / (3.14159 * kA)));
  Value* root = builder.op("Sqrt", {builder.sub(builder.mul(half, half), builder.mul(log, like(1 / kA)))});
  Value* size = builder.op("Sqrt", {builder.sub(root, half)});
  Value* result = builder.op("Where", {builder.op("Less", {y, like(0)}), builder.op("Neg", {size}), size});
  return builder.mul(result, like(1.41421356));
}

}  // namespace

Value* post_transform(Builder& builder, Value* scores, std::string_view kind) {
  if (kind == "LOGISTIC") return builder.op("Sigmoid", {scores});
  if (kind == "SOFTMAX") return builder.op("Softmax", {scores}, {{"axis", int64_t{-1}}});
  if (kind == "SOFTMAX_ZERO") return softmax_zero(builder, scores);
  if (kind == "PROBIT") return probit(builder, scores);
  return scores;
}

void require_post_transform(const InferContext& context) {
  const std::string kind = context.node().attribute<std::string>("post_transform", "NONE");
  for (std::string_view known : kTransforms) {
    if (kind == known) return;
  }
  context.fail("post_transform: expected NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO or PROBIT, found '{}'", kind);
}

// ---- Classes ----------------------------------------------------------------------------------------------

ClassLabels class_labels(const Node& node, std::string_view ints, std::string_view strings) {
  std::vector<int64_t> numbers = ints_of(node, ints);
  auto names = node.attribute<std::vector<std::string>>(strings, {});
  if (numbers.empty() == names.empty()) {
    fail(ErrorKind::kModel, "expected either {} or {}, found {}", ints, strings,
         names.empty() ? "neither" : "both");
  }
  if (!numbers.empty()) return {Tensor::from_ints(numbers)};
  const auto count = static_cast<int64_t>(names.size());
  return {Tensor::from_strings({count}, std::move(names))};
}

void replace_classes(Builder& builder, Node& node, const Classes& classes) {
  builder.replace(node, 0, classes.labels);
  builder.replace(node, 1, classes.scores);
}

Value* label_of(Builder& builder, const ClassLabels& labels, Value* number) {
  bool is_number = labels.table.dtype() == DType::kInt64;
  for (size_t i = 0; i < labels.count() && is_number; ++i)
    is_number = labels.table.as<int64_t>()[i] == static_cast<int64_t>(i);
  if (is_number) return number;
  return builder.op("Gather", {builder.constant(labels.table), number}, {{"axis", int64_t{0}}});
}

Value* best_label(Builder& builder, const ClassLabels& labels, Value* scores) {
  Value* number = builder.op("ArgMax", {scores}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}});
  return label_of(builder, labels, number);
}

Value* binary_label(Builder& builder, const ClassLabels& labels, Value* score, double threshold) {
  Value* chosen = builder.op("Greater", {score, builder.like(score, threshold)});
  Value* number = builder.op("Squeeze", {builder.cast(chosen, DType::kInt64), builder.ints({1})});
  return label_of(builder, labels, number);
}

Value* transformed_pair(Builder& builder, Value* score, bool is_share, std::string_view transform) {
  const auto pair = [&](Value* first) {
    return builder.op("Concat", {first, score}, {{"axis", int64_t{1}}});
  };
  Value* negative = builder.op("Neg", {score});
  if (transform == "LOGISTIC") return post_transform(builder, pair(negative), transform);
  Value* both = pair(is_share ? builder.add(negative, builder.like(score, 1)) : negative);
  return transform == "PROBIT" ? post_transform(builder, both, transform) : both;
}

void register_ml(OpRegistry& registry) {
  for (auto records :
       {ml_feature_records, ml_encoder_records, ml_linear_records, ml_svm_records, ml_tree_records}) {
    for (OpDef& record : records()) registry.add(std::move(record));
  }
}

}  // namespace dlc::ir

// ai.onnx.ml: support vector machines. SVMRegressor and SVMClassifier.
#include <array>

#include "ir/ops/infer_util.h"
#include "ir/ops/ml.h"

namespace dlc::ir {
namespace {

enum class SvmKernel : uint8_t { kLinear, kPoly, kRbf, kSigmoid };

SvmKernel kernel_of(const Node& node) {
  const auto name = node.attribute<std::string>("kernel_type", "LINEAR");
  if (name == "LINEAR") return SvmKernel::kLinear;
  if (name == "POLY") return SvmKernel::kPoly;
  if (name == "RBF") return SvmKernel::kRbf;
  if (name == "SIGMOID") return SvmKernel::kSigmoid;
  fail(ErrorKind::kModel, "kernel_type: expected LINEAR, POLY, RBF or SIGMOID, found '{}'", name);
}

// gamma, coef0 and degree.
std::array<double, 3> kernel_params(const Node& node) {
  const std::vector<double> given = floats_of(node, "kernel_params");
  if (!given.empty() && given.size() != 3)
    fail(ErrorKind::kModel, "kernel_params: expected gamma, coef0 and degree, found {} numbers",
         given.size());
  return given.empty() ? std::array<double, 3>{0, 0, 0} : std::array<double, 3>{given[0], given[1], given[2]};
}

// The kernel function of every row of x [n, f] and every vector [v, f], as [n, v].
Value* kernel_values(Builder& builder, Value* x, const std::vector<double>& vectors, int64_t count,
                     SvmKernel kernel, const std::array<double, 3>& params) {
  const int64_t features = static_cast<int64_t>(vectors.size()) / count;
  Value* table = float_table(builder, vectors, {count, features});
  const auto [gamma, coef0, degree] = params;
  if (kernel == SvmKernel::kRbf) {
    // Of differences, not of products: they do not cancel.
    Value* difference = builder.sub(builder.op("Unsqueeze", {x, builder.ints({1})}), table);
    Value* distance = builder.reduce("ReduceSumSquare", difference, {-1}, false);
    return builder.op("Exp", {builder.mul(distance, float_scalar(builder, -gamma))});
  }
  Value* product = builder.op("MatMul", {x, builder.transpose(table, {1, 0})});
  if (kernel == SvmKernel::kLinear) return product;
  Value* inner =
      builder.add(builder.mul(product, float_scalar(builder, gamma)), float_scalar(builder, coef0));
  if (kernel == SvmKernel::kSigmoid) return builder.op("Tanh", {inner});
  return builder.op("Pow", {inner, float_scalar(builder, degree)});
}

void require_vectors(const InferContext& context, int64_t count) {
  const size_t size = floats_of(context.node(), "support_vectors").size();
  if (size == 0 || size % static_cast<size_t>(count) != 0)
    context.fail("support_vectors: expected a multiple of {} numbers, found {}", count, size);
  require_features(context, rows_of(context), size / static_cast<size_t>(count));
}

void require_count(const InferContext& context, std::string_view attribute, size_t expected) {
  const size_t found = floats_of(context.node(), attribute).size();
  if (found < expected) context.fail("{}: expected {} numbers, found {}", attribute, expected, found);
}

// What regressors and classifiers have in common.
void require_machine(const InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  require_post_transform(context);
  kernel_of(context.node());
  kernel_params(context.node());
}

// ---- SVMRegressor -----------------------------------------------------------------------------------------

void infer_regressor(InferContext& context) {
  const Node& node = context.node();
  require_machine(context);
  const auto count = node.attribute<int64_t>("n_supports", 0);
  require_count(context, "rho", 1);
  if (count > 0) {
    require_vectors(context, count);
    require_count(context, "coefficients", static_cast<size_t>(count));
  } else {
    require_count(context, "coefficients", 1);
    require_features(context, rows_of(context), floats_of(node, "coefficients").size());
  }
  context.set_output(0, Type(DType::kFloat, {rows_of(context).count, Dim(1)}));
}

bool expand_regressor(Builder& builder, Node& node) {
  Value* x = as_rows(builder, node.input(0), DType::kFloat);
  const auto count = node.attribute<int64_t>("n_supports", 0);
  std::vector<double> coefficients = floats_of(node, "coefficients");
  if (count > 0) {
    x = kernel_values(builder, x, floats_of(node, "support_vectors"), count, kernel_of(node),
                      kernel_params(node));
    coefficients.resize(static_cast<size_t>(count));
  }
  const auto terms = static_cast<int64_t>(coefficients.size());
  Value* result = builder.op("MatMul", {x, float_table(builder, coefficients, {terms, 1})});
  result = builder.add(result, float_scalar(builder, floats_of(node, "rho")[0]));
  if (node.attribute<int64_t>("one_class", 0) != 0) {
    Value* inside = builder.op("Greater", {result, float_scalar(builder, 0)});
    result = builder.op("Where", {inside, float_scalar(builder, 1), float_scalar(builder, -1)});
  }
  builder.replace(node, 0,
                  post_transform(builder, result, node.attribute<std::string>("post_transform", "NONE")));
  return true;
}

// ---- SVMClassifier ----------------------------------------------------------------------------------------

// Number of support vectors; 0: a linear model with one row of coefficients a class.
int64_t vector_count(const Node& node) {
  int64_t total = 0;
  for (int64_t count : ints_of(node, "vectors_per_class")) {
    if (count < 0 || count > INT32_MAX) fail(ErrorKind::kModel, "vectors_per_class: {} is no count", count);
    total += count;
  }
  return total;
}
bool has_probabilities(const Node& node) {
  return vector_count(node) > 0 && !floats_of(node, "prob_a").empty();
}
template <class Count>
Count pair_count(Count classes) {
  return classes * (classes - 1) / 2;
}

void require_classifier(const InferContext& context, size_t classes) {
  const Node& node = context.node();
  const int64_t vectors = vector_count(node);
  if (vectors == 0) {
    const size_t size = floats_of(node, "coefficients").size();
    require_count(context, "rho", 1);
    if (size == 0 || size % classes != 0)
      context.fail("coefficients: expected a multiple of {} numbers, found {}", classes, size);
    require_features(context, rows_of(context), size / classes);
    return;
  }
  if (classes < 2) context.fail("expected two classes or more, found {}", classes);
  const size_t found = ints_of(node, "vectors_per_class").size();
  if (found != classes) context.fail("vectors_per_class: expected {} numbers, found {}", classes, found);
  require_vectors(context, vectors);
  require_count(context, "coefficients", (classes - 1) * static_cast<size_t>(vectors));
  require_count(context, "rho", pair_count(classes));
  if (!has_probabilities(node)) return;
  require_count(context, "prob_a", pair_count(classes));
  require_count(context, "prob_b", pair_count(classes));
}

void infer_classifier(InferContext& context) {
  const Node& node = context.node();
  require_machine(context);
  const ClassLabels labels = class_labels(node);
  require_classifier(context, labels.count());
  const bool is_pairwise = vector_count(node) > 0 && !has_probabilities(node) && labels.count() > 2;
  const size_t scores = is_pairwise ? pair_count(labels.count()) : labels.count();
  const Dim rows = rows_of(context).count;
  context.set_output(0, Type(labels.table.dtype(), {rows}));
  context.set_output(1, Type(DType::kFloat, {rows, Dim(static_cast<int64_t>(scores))}));
}

struct Classifier {
  Builder& builder;
  const Node& node;
  ClassLabels labels;
  int64_t classes;

  // One score a pair of classes: [n, pairs]. The coefficients of the vectors of class i against class j stand
  // in row j - 1 (j > i) or j (j < i).
  Value* pair_scores() {
    const int64_t vectors = vector_count(node);
    Value* x = as_rows(builder, node.input(0), DType::kFloat);
    Value* values = kernel_values(builder, x, floats_of(node, "support_vectors"), vectors, kernel_of(node),
                                  kernel_params(node));
    const std::vector<double> given = floats_of(node, "coefficients");
    const std::vector<int64_t> counts = ints_of(node, "vectors_per_class");
    std::vector<int64_t> starts{0};
    for (int64_t count : counts) starts.push_back(starts.back() + count);
    const int64_t pairs = pair_count(classes);
    std::vector<double> table(static_cast<size_t>(vectors * pairs), 0.0);
    int64_t pair = 0;
    for (int64_t i = 0; i < classes; ++i) {
      for (int64_t j = i + 1; j < classes; ++j, ++pair) {
        const auto copy = [&](int64_t of, int64_t row) {
          for (int64_t v = starts[static_cast<size_t>(of)]; v < starts[static_cast<size_t>(of) + 1]; ++v)
            table[static_cast<size_t>(v * pairs + pair)] = given[static_cast<size_t>(row * vectors + v)];
        };
        copy(i, j - 1);
        copy(j, i);
      }
    }
    Value* sums = builder.op("MatMul", {values, float_table(builder, table, {vectors, pairs})});
    std::vector<double> rho = floats_of(node, "rho");
    rho.resize(static_cast<size_t>(pairs));
    return builder.add(sums, float_table(builder, rho, {pairs}));
  }

  // How many of its pairs every class has won: [n, classes].
  Value* votes(Value* pair_scores) {
    const int64_t pairs = pair_count(classes);
    std::vector<double> first(static_cast<size_t>(pairs * classes), 0.0), second = first;
    int64_t pair = 0;
    for (int64_t i = 0; i < classes; ++i) {
      for (int64_t j = i + 1; j < classes; ++j, ++pair) {
        first[static_cast<size_t>(pair * classes + i)] = 1;
        second[static_cast<size_t>(pair * classes + j)] = 1;
      }
    }
    Value* wins = builder.cast(builder.op("Greater", {pair_scores, float_scalar(builder, 0)}), DType::kFloat);
    Value* losses = builder.sub(float_scalar(builder, 1), wins);
    return builder.add(builder.op("MatMul", {wins, float_table(builder, first, {pairs, classes})}),
                       builder.op("MatMul", {losses, float_table(builder, second, {pairs, classes})}));
  }

  // Probabilities of the classes from those of the pairs (Wu, Lin and Weng's second method).
  Value* probabilities(Value* pair_scores) {
    const auto pairs = static_cast<size_t>(pair_count(classes));
    std::vector<double> a = floats_of(node, "prob_a"), b = floats_of(node, "prob_b");
    a.resize(pairs);
    b.resize(pairs);
    const auto row = [&](const std::vector<double>& values) {
      return float_table(builder, values, {static_cast<int64_t>(pairs)});
    };
    Value* inner = builder.add(builder.mul(pair_scores, row(a)), row(b));
    Value* share = builder.op("Sigmoid", {builder.op("Neg", {inner})});
    share = builder.op("Clip", {share, float_scalar(builder, 1e-7), float_scalar(builder, 1 - 1e-7)});
    return builder.op_in("dlc", "CoupleProbabilities", {share}, {{"classes", classes}});
  }

  Classes linear() {
    Value* x = as_rows(builder, node.input(0), DType::kFloat);
    Value* scores =
        kernel_values(builder, x, floats_of(node, "coefficients"), classes, SvmKernel::kLinear, {});
    scores = builder.add(scores, float_scalar(builder, floats_of(node, "rho")[0]));
    return {best_label(builder, labels, scores), scores};
  }

  Classes pairwise() {
    Value* scores = pair_scores();
    Value* labels_out = best_label(builder, labels, votes(scores));
    if (has_probabilities(node)) return {labels_out, probabilities(scores)};
    return {labels_out, scores};
  }
};

bool expand_classifier(Builder& builder, Node& node) {
  const ClassLabels labels = class_labels(node);
  Classifier classifier{builder, node, labels, static_cast<int64_t>(labels.count())};
  const auto transform = node.attribute<std::string>("post_transform", "NONE");
  Classes result = vector_count(node) > 0 ? classifier.pairwise() : classifier.linear();
  if (vector_count(node) > 0 && !has_probabilities(node) && labels.count() == 2) {
    // The only score of their pair stands for both.
    result.scores = transformed_pair(builder, result.scores, transform != "NONE", transform);
  } else {
    result.scores = post_transform(builder, result.scores, transform);
  }
  replace_classes(builder, node, result);
  return true;
}

}  // namespace

std::vector<OpDef> ml_svm_records() {
  const std::string domain(kMlDomain);
  return {
      {.domain = domain, .name = "SVMRegressor", .infer = infer_regressor, .expand = expand_regressor},
      {.domain = domain, .name = "SVMClassifier", .infer = infer_classifier, .expand = expand_classifier},
  };
}

}  // namespace dlc::ir

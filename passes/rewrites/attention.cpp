// Chains that are attention: values weighted by the softmax of scores, which are products of queries and keys
// that went through scales, masks and biases.
#include <algorithm>
#include <cmath>

#include "ir/op.h"
#include "ir/ops/attention_heads.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

using ir::AttentionForm;
using ir::Builder;
using ir::Dim;
using ir::Node;
using ir::ScoreStep;
using ir::Shape;
using ir::Value;

constexpr int kMaxSteps = 16;           // between the product and the softmax
constexpr int64_t kLargestHead = 1024;  // that has a kernel

bool is_head_size(const Dim& extent) {
  return extent.is_constant() && extent.value() > 0 && extent.value() <= kLargestHead;
}

// ---- Shapes of the scores: windows, for one, are an axis of their own for some of the steps ---------------

// The ends of the shortest runs of axes that have as many elements in both shapes; empty where there are
// none.
struct RunEnd {
  size_t from, to;
};
std::vector<RunEnd> common_runs(const Shape& from, const Shape& to) {
  std::vector<RunEnd> ends;
  for (size_t i = 0, j = 0; i < from.size() || j < to.size();) {
    Dim elements = i < from.size() ? from[i++] : Dim(1);
    Dim elements_to = j < to.size() ? to[j++] : Dim(1);
    while (elements != elements_to) {
      if (i < from.size() && ir::divide_exact(elements_to, elements)) {
        elements *= from[i++];
      } else if (j < to.size()) {
        elements_to *= to[j++];
      } else {
        return {};
      }
    }
    ends.push_back({i, j});
  }
  return ends;
}

// The shape that an operand of scores of shape `from` has where these are of shape `to`; nothing where it
// repeats along a part of an axis.
std::optional<Shape> shape_between(Shape own, const Shape& from, const Shape& to) {
  own.insert(own.begin(), from.size() - own.size(), Dim(1));
  Shape result;
  RunEnd begin{0, 0};
  const std::vector<RunEnd> ends = common_runs(from, to);
  if (ends.empty()) return std::nullopt;
  for (const RunEnd& end : ends) {
    bool repeats = true, varies = true;
    for (size_t axis = begin.from; axis < end.from; ++axis) {
      repeats = repeats && own[axis] == Dim(1);
      varies = varies && own[axis] == from[axis];
    }
    if (!repeats && !varies) return std::nullopt;
    for (size_t axis = begin.to; axis < end.to; ++axis) result.push_back(repeats ? Dim(1) : to[axis]);
    begin = end;
  }
  return result;
}

// The shape of queries, keys or values of scores of shape `from` where these are of shape `to`.
std::optional<Shape> matrices_between(const Shape& own, Shape from, Shape to) {
  std::copy(own.end() - 2, own.end(), from.end() - 2);
  std::copy(own.end() - 2, own.end(), to.end() - 2);
  return shape_between(own, from, to);
}

// ---- The way from the softmax back to the product ---------------------------------------------------------

struct Chain {
  Node* product = nullptr;
  std::vector<ScoreStep> steps;  // in the order of computation
  std::vector<Shape> shapes;     // of the scores at each step
};

bool same_matrix(const Shape& a, const Shape& b) {
  return a.size() >= 2 && b.size() >= 2 && std::equal(a.end() - 2, a.end(), b.end() - 2);
}

// Operators that leave the scores what they are.
bool passes_on(const Node& node) {
  if (is_op(node, "Identity")) return true;
  if (is_op(node, "Cast")) return is_float(node.input(0)->dtype()) && is_float(node.output()->dtype());
  return (is_op(node, "Reshape") || is_op(node, "Unsqueeze") || is_op(node, "Squeeze")) &&
         same_matrix(node.input(0)->shape(), node.output()->shape());
}

bool is_operand(const ScoreStep& step, size_t i) {
  const Value* operand = step.operands[i];
  const bool condition = step.op == "Where" && i == 0 && step.position != 0;
  return condition ? operand->dtype() == DType::kBool : is_float(operand->dtype());
}

// The node as a step for its input `position`, if it is one.
std::optional<ScoreStep> step_at(const Node& node, size_t position) {
  if (!node.op().domain.empty() || !ir::is_score_step(node.op().name)) return std::nullopt;
  if (!is_float(node.input(position)->dtype())) return std::nullopt;
  if (node.input(position)->shape() != node.output()->shape()) return std::nullopt;
  ScoreStep step{.op = node.op().name, .position = position};
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    if (i != position) step.operands.push_back(node.input(i));
  }
  for (size_t i = 0; i < step.operands.size(); ++i) {
    if (!is_operand(step, i)) return std::nullopt;
  }
  return step;
}

// Of queries in rows, with keys in columns or (transB) in rows.
bool is_product(const Node& node) {
  if (is_op(node, "MatMul")) return true;
  return node.op().domain == "com.microsoft" && node.op().name == "FusedMatMul" && is_off(node, "transA") &&
         is_off(node, "transBatchA") && is_off(node, "transBatchB");
}

bool trace(const Value* score, int depth, Chain& chain) {
  Node* node = score->producer();
  if (node == nullptr || depth > kMaxSteps || !has_one_use(score)) return false;
  if (is_product(*node)) {
    // Constant keys are packed once as weights of a product.
    if (node->input(0)->is_constant() || node->input(1)->is_constant()) return false;
    chain.product = node;
    return true;
  }
  if (passes_on(*node)) return trace(node->input(0), depth + 1, chain);
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    std::optional<ScoreStep> step = step_at(*node, i);
    if (!step || !trace(node->input(i), depth + 1, chain)) continue;
    chain.steps.push_back(std::move(*step));
    chain.shapes.push_back(score->shape());
    return true;
  }
  return false;
}

// All steps for scores of one shape; false, and nothing changed, where there is no such form.
bool bring_to(Builder& builder, const Shape& shape, Chain& chain) {
  std::vector<std::vector<Shape>> shapes;
  for (size_t i = 0; i < chain.steps.size(); ++i) {
    std::vector<Shape>& of_step = shapes.emplace_back();
    for (const Value* operand : chain.steps[i].operands) {
      std::optional<Shape> own =
          operand->shape().empty() ? Shape{} : shape_between(operand->shape(), chain.shapes[i], shape);
      if (!own) return false;
      of_step.push_back(std::move(*own));
    }
  }
  for (size_t i = 0; i < chain.steps.size(); ++i) {
    if (chain.shapes[i] == shape) continue;
    for (size_t j = 0; j < shapes[i].size(); ++j) {
      Value*& operand = chain.steps[i].operands[j];
      operand = builder.reshape(operand, shapes[i][j]);
    }
  }
  return true;
}

// ---- Queries, keys and values -----------------------------------------------------------------------------

// What a constant factor multiplies, the factor taken out.
Value* without_factor(Value* value, double& factor) {
  for (Node* node = value->producer(); node != nullptr; node = value->producer()) {
    Value* inner = nullptr;
    if (is_op(*node, "Div") && splat(node->input(1))) {
      inner = node->input(0);
      factor /= *splat(node->input(1));
    } else if (is_op(*node, "Mul")) {
      const size_t constant = splat(node->input(1)) ? 1 : 0;
      if (!splat(node->input(constant))) return value;
      inner = node->input(1 - constant);
      factor *= *splat(node->input(constant));
    }
    if (inner == nullptr || inner->shape() != value->shape()) return value;
    value = inner;
  }
  return value;
}

Value* keys_of(Builder& builder, const Node& product, double& factor) {
  factor *= product.attribute<double>("alpha", 1.0);
  Value* transposed = without_factor(product.input(1), factor);
  if (!is_off(product, "transB")) return transposed;
  std::vector<int64_t> perm = ir::swap_last_axes(transposed->shape().size());
  Node* transpose = producer(transposed, "Transpose");
  if (transpose == nullptr || !transpose->has("perm")) return builder.transpose(transposed, perm);
  const auto& inner = transpose->attribute<std::vector<int64_t>>("perm");
  for (int64_t& axis : perm) axis = inner[static_cast<size_t>(axis)];
  return builder.transpose(without_factor(transpose->input(0), factor), perm);
}

// Of heads that repeat in groups, [batch, heads, group, length, size] with the heads merged, the heads before
// that; the value itself otherwise.
Value* distinct_heads(Builder& builder, Value* value) {
  Node* merge = producer(value, "Reshape");
  Node* expand = merge == nullptr ? nullptr : producer(merge->input(0), "Expand");
  if (expand == nullptr || value->shape().size() != 4 || expand->input(0)->shape().size() != 5) return value;
  const Shape &own = expand->input(0)->shape(), &groups = expand->output()->shape(), &all = value->shape();
  const bool matches = own[2] == Dim(1) && all == Shape{own[0], own[1] * groups[2], own[3], own[4]} &&
                       groups == Shape{own[0], own[1], groups[2], own[3], own[4]};
  return matches ? builder.reshape(expand->input(0), {own[0], own[1], own[3], own[4]}) : value;
}

// Whether keys and values are shared by groups of heads; they are then without repetition.
bool share_heads(Builder& builder, AttentionForm& form) {
  Value* k = distinct_heads(builder, form.k);
  Value* v = distinct_heads(builder, form.v);
  const bool grouped = k != form.k && v != form.v && k->shape()[1] == v->shape()[1];
  if (!grouped || form.k->shape()[1] != form.q->shape()[1] || k->shape()[0] != form.q->shape()[0])
    return false;
  form.k = k;
  form.v = v;
  return true;
}

// Factors of queries and keys, and of the first step, as one step.
void add_factor(Builder& builder, double factor, AttentionForm& form) {
  if (!form.steps.empty()) {
    const ScoreStep& first = form.steps.front();
    const std::optional<double> own = first.operands.size() == 1 ? splat(first.operands[0]) : std::nullopt;
    const bool multiplies = own && first.op == "Mul";
    const bool divides = own && first.op == "Div" && first.position == 0;
    if (multiplies || divides) {
      factor = multiplies ? factor * *own : factor / *own;
      form.steps.erase(form.steps.begin());
    }
  }
  if (factor == 1) return;
  const DType type = wide_type(form.q->dtype());
  form.steps.insert(form.steps.begin(),
                    {.op = "Mul", .position = 0, .operands = {builder.scalar(type, factor)}});
}

// ---- The rule ---------------------------------------------------------------------------------------------

// The softmax that the weights come from, and whether weights that are NaN become 0.
struct Weights {
  Node* softmax = nullptr;
  bool cleaned = false;
};

Weights weights_of(Value* value) {
  Weights weights;
  size_t readers = 1;  // of the value: the way back here, and the test whether it is a number
  for (;;) {
    Node* node = value->producer();
    if (node == nullptr || value->uses().size() != readers || value->is_graph_output()) return {};
    readers = 1;
    if (is_op(*node, "Softmax")) {
      weights.softmax = node;
      return weights;
    }
    if (is_op(*node, "Where") && !weights.cleaned) {
      Node* test = sole_producer(node->input(0), "IsNaN");
      if (test == nullptr || test->input(0) != node->input(2) || !is_splat(node->input(1), 0)) return {};
      value = node->input(2);
      weights.cleaned = true;
      readers = 2;
    } else if (passes_on(*node)) {
      value = node->input(0);
    } else {
      return {};
    }
  }
}

bool fits(const Node& product, const Value* values) {
  const Value *q = product.input(0), *k = product.input(1);
  const size_t rank = product.output()->shape().size();
  for (const Value* value : {q, k, values}) {
    if (value->shape().size() != rank || rank < 2 || value->dtype() != q->dtype()) return false;
  }
  return is_head_size(q->shape().back()) && is_head_size(values->shape().back()) && is_float(q->dtype());
}

// Whether queries, keys and values can be those of scores of this shape.
bool reaches(const Node& product, const Value* values, const Shape& shape) {
  const Shape& scores = product.output()->shape();
  return shape == scores || (matrices_between(product.input(0)->shape(), scores, shape) &&
                             matrices_between(product.input(1)->shape(), scores, shape) &&
                             matrices_between(values->shape(), scores, shape));
}

// The shape that all steps can be brought to, and brings them there: that of the product or of a step.
std::optional<Shape> common_shape(Builder& builder, Chain& chain, const Value* values) {
  std::vector<Shape> shapes = {chain.product->output()->shape()};
  shapes.insert(shapes.end(), chain.shapes.begin(), chain.shapes.end());
  for (const Shape& shape : shapes) {
    if (reaches(*chain.product, values, shape) && bring_to(builder, shape, chain)) return shape;
  }
  return std::nullopt;
}

Value* attend(Builder& builder, AttentionForm form, const Shape& scores, const Shape& shape) {
  if (shape == scores) {
    const bool grouped = share_heads(builder, form);
    return grouped ? ir::attend_heads(builder, form).output : ir::build_attention(builder, form);
  }
  for (Value** value : {&form.q, &form.k, &form.v})
    *value = builder.reshape(*value, *matrices_between((*value)->shape(), scores, shape));
  Value* result = ir::build_attention(builder, form);
  return builder.reshape(result, *matrices_between(result->shape(), shape, scores));
}

bool raise_attention(Builder& builder, Node& node) {
  Value* values = node.input(1);
  const Weights weights = weights_of(node.input(0));
  if (weights.softmax == nullptr || !is_over_last_axis(*weights.softmax)) return false;
  Chain chain;
  if (values->is_constant() || !trace(weights.softmax->input(0), 0, chain)) return false;
  const Shape scores = chain.product->output()->shape();
  if (node.input(0)->shape() != scores || !fits(*chain.product, values)) return false;
  const std::optional<Shape> shape = common_shape(builder, chain, values);
  if (!shape) return false;
  double factor = 1;
  AttentionForm form{.q = without_factor(chain.product->input(0), factor),
                     .k = keys_of(builder, *chain.product, factor),
                     .v = values,
                     .steps = std::move(chain.steps),
                     .guard = weights.cleaned ? "not_a_number" : "none"};
  add_factor(builder, factor, form);
  builder.replace(node, 0, attend(builder, std::move(form), scores, *shape));
  return true;
}

constexpr ir::Rule kRules[] = {
    {"raise_attention", "MatMul", raise_attention},
};

}  // namespace

ir::RuleTable attention_rules() { return kRules; }

}  // namespace dlc::passes

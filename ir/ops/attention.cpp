#include "ir/ops/attention.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

constexpr size_t kFirstOperand = 5;

// ---- Steps ------------------------------------------------------------------------------------------------

struct StepRule {
  std::string_view op;
  size_t arity;
  Expr (*value)(const std::vector<Expr>& args);
};

constexpr StepRule kStepRules[] = {
    {"Add", 2, [](const std::vector<Expr>& a) { return a[0] + a[1]; }},
    {"Sub", 2, [](const std::vector<Expr>& a) { return a[0] - a[1]; }},
    {"Mul", 2, [](const std::vector<Expr>& a) { return a[0] * a[1]; }},
    {"Div", 2, [](const std::vector<Expr>& a) { return a[0] / a[1]; }},
    {"Tanh", 1, [](const std::vector<Expr>& a) { return unary(ExprOp::kTanh, a[0]); }},
    {"Where", 3, [](const std::vector<Expr>& a) { return select(a[0], a[1], a[2]); }},
};

const StepRule* find_rule(std::string_view op) {
  const StepRule* rule = std::find_if(std::begin(kStepRules), std::end(kStepRules),
                                      [&](const StepRule& candidate) { return candidate.op == op; });
  return rule == std::end(kStepRules) ? nullptr : rule;
}

std::string step_text(const ScoreStep& step) { return step.op + ":" + std::to_string(step.position); }

// Of a step's text; its operands are taken from the node's inputs from `next` on.
ScoreStep read_step(const Node& node, std::string_view text, size_t& next) {
  const size_t colon = text.find(':');
  ScoreStep step;
  step.op = text.substr(0, colon);
  const StepRule* rule = find_rule(step.op);
  const char* end = text.data() + text.size();
  const bool valid = rule != nullptr && colon != std::string_view::npos &&
                     std::from_chars(text.data() + colon + 1, end, step.position).ptr == end &&
                     step.position < rule->arity;
  if (!valid) fail(ErrorKind::kModel, "attribute 'steps': '{}' is no step of a score", text);
  for (size_t i = 1; i < rule->arity; ++i) {
    Value* operand = node.input(next++);
    if (operand == nullptr) fail(ErrorKind::kModel, "an operand of step '{}' is missing", text);
    step.operands.push_back(operand);
  }
  return step;
}

// ---- Inference --------------------------------------------------------------------------------------------

Shape batch_of(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }
const Dim& second_last(const Shape& shape) { return shape[shape.size() - 2]; }

// [batch..., queries, keys]
Shape score_shape(const Node& node) {
  Shape shape = batch_of(node.output()->shape());
  shape.push_back(second_last(node.input(0)->shape()));
  shape.push_back(second_last(node.input(1)->shape()));
  return shape;
}

void infer_steps(InferContext& context, const Shape& scores) {
  const AttentionForm form = attention_form(context.node());
  for (const ScoreStep& step : form.steps) {
    for (size_t i = 0; i < step.operands.size(); ++i) {
      const Value* operand = step.operands[i];
      const bool condition = step.op == "Where" && i == 0 && step.position != 0;
      if (condition ? operand->dtype() != DType::kBool : !is_float(operand->dtype())) {
        context.fail("operand of step '{}': unexpected element type {}", step_text(step),
                     name(operand->dtype()));
      }
      require_broadcasts_to(context, operand->shape(), scores, "operand of step '" + step_text(step) + "'");
    }
  }
}

void infer_attention(InferContext& context) {
  for (size_t i = 0; i < 3; ++i) {
    require_type(context, i, TypeClass::kFloat);
    require_rank_at_least(context, i, 2);
    require_rank(context, i, context.rank(0));
    if (context.dtype(i) != context.dtype(0)) context.fail("query, key and value are of different types");
  }
  const Shape &q = context.shape(0), &k = context.shape(1), &v = context.shape(2);
  require_equal_extents(context, q.back(), k.back(), "head size of query and key");
  require_equal_extents(context, second_last(k), second_last(v), "length of key and value");
  Shape shape = broadcast_shapes(context, batch_of(q), broadcast_shapes(context, batch_of(k), batch_of(v)));
  for (size_t i : {size_t{3}, size_t{4}}) {
    if (!context.has_input(i)) continue;
    if (context.dtype(i) != DType::kInt64) context.fail("input {}: expected int64", i);
    require_broadcasts_to(context, context.shape(i), shape, "offset and length");
  }
  shape.push_back(second_last(q));
  shape.push_back(v.back());
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
  infer_steps(context, score_shape(context.node()));
}

// ---- Lowering ---------------------------------------------------------------------------------------------

class AttentionLowering {
 public:
  explicit AttentionLowering(LowerContext& context)
      : context_(context),
        form_(attention_form(context.node())),
        scores_(score_shape(context.node())),
        batch_(batch_of(scores_)) {}

  void run() {
    check_shapes();
    make_axes();
    attention_.accumulator_type = compute_type(context_.output_type().dtype);
    attention_.q = element(context_.input(0), var(attention_.rows.back().var), var(attention_.depth.var));
    attention_.k = element(context_.input(1), var(attention_.key.var), var(attention_.depth.var));
    attention_.v = element(context_.input(2), var(attention_.key.var), var(attention_.column.var));
    attention_.product = context_.fresh_var();
    attention_.score = score();
    key_bounds();
    attention_.guard = form_.guard == "no_keys"        ? RowGuard::kNoKeys
                       : form_.guard == "not_a_number" ? RowGuard::kNotANumber
                                                       : RowGuard::kNone;
    attention_.result = context_.fresh_var();
    attention_.epilogue =
        cast(var(attention_.result, attention_.accumulator_type), context_.output_type().dtype);
    attention_.out = element(output(), var(attention_.rows.back().var), var(attention_.column.var));
    context_.step({KernelStep{
        {.name = "attention", .origin = context_.node().describe(), .body = std::move(attention_)}}});
  }

 private:
  void check_shapes() {
    const Shape &q = context_.input_shape(0), &k = context_.input_shape(1), &v = context_.input_shape(2);
    check_equal(context_, q.back(), k.back(), "head size of query and key");
    check_equal(context_, second_last(k), second_last(v), "length of key and value");
    for (size_t i = 0; i < 3; ++i)
      check_broadcast(context_, batch_of(context_.input_shape(i)), batch_, "batch axes");
    for (const Value* value : {form_.offset, form_.length}) {
      if (value != nullptr) check_broadcast(context_, value->shape(), batch_, "offset and length");
    }
    for (const ScoreStep& step : form_.steps) {
      for (const Value* operand : step.operands)
        check_broadcast(context_, operand->shape(), scores_, "operand of the score");
    }
  }

  // Heads that share a key are rows beside the queries.
  void make_axes() {
    const Shape &k = context_.input_shape(1), &v = context_.input_shape(2);
    for (size_t i = 0; i < batch_.size(); ++i) {
      const LoopAxis axis{context_.fresh_var(), batch_[i]};
      const bool shared = k[i] == Dim(1) && v[i] == Dim(1) && batch_[i] != Dim(1);
      (shared ? attention_.rows : attention_.batch).push_back(axis);
      index_.push_back(batch_[i] == Dim(1) ? integer(0) : var(axis.var));
    }
    std::erase_if(attention_.batch, [](const LoopAxis& axis) { return axis.extent == Dim(1); });
    attention_.rows.push_back({context_.fresh_var(), second_last(scores_)});
    attention_.key = {context_.fresh_var(), scores_.back()};
    attention_.depth = {context_.fresh_var(), context_.input_shape(0).back()};
    attention_.column = {context_.fresh_var(), context_.output_shape().back()};
  }

  Element element(BufferId buffer, const Expr& row, const Expr& column) const {
    const Shape own = batch_of(context_.program().buffer(buffer).shape);
    Element result{.buffer = buffer, .index = broadcast_index(index_, batch_, own)};
    result.index.push_back(row);
    result.index.push_back(column);
    return result;
  }

  BufferId buffer_of(const Value* value) const {
    const auto inputs = context_.node().inputs();
    return context_.input(
        static_cast<size_t>(std::find(inputs.begin(), inputs.end(), value) - inputs.begin()));
  }

  Expr score() const {
    Index index = index_;
    index.push_back(var(attention_.rows.back().var));
    index.push_back(var(attention_.key.var));
    const DType type = attention_.accumulator_type;
    Expr result = var(attention_.product, type);
    for (const ScoreStep& step : form_.steps) {
      std::vector<Expr> args;
      for (const Value* operand : step.operands) {
        Expr constant = scalar_constant(operand);
        Expr value = constant
                         ? constant
                         : context_.at(buffer_of(operand), broadcast_index(index, scores_, operand->shape()));
        args.push_back(operand->dtype() == DType::kBool ? value : cast(value, type));
      }
      args.insert(args.begin() + static_cast<std::ptrdiff_t>(step.position), result);
      result = find_rule(step.op)->value(args);
    }
    return result;
  }

  Expr of_batch(const Value* value) const {
    return context_.at(buffer_of(value), broadcast_index(index_, batch_, value->shape()));
  }

  void key_bounds() {
    Expr position = var(attention_.rows.back().var);
    if (form_.offset != nullptr) position = position + of_batch(form_.offset);
    if (form_.left >= 0) attention_.first_key = position - integer(form_.left);
    if (form_.right >= 0) attention_.last_key = position + integer(form_.right + 1);
    if (form_.length == nullptr) return;
    const Expr length = of_batch(form_.length);
    attention_.last_key = attention_.last_key ? min(attention_.last_key, length) : length;
  }

  // Heads are merged by a Transpose and a Reshape behind the attention: stored in the order that the
  // Transpose asks for, the result needs no copy.
  BufferId output() {
    const Value* value = context_.node().output();
    if (value->is_graph_output() || value->uses().size() != 1) return context_.output();
    const Node& user = *value->uses()[0].node;
    if (!user.op().domain.empty() || user.op().name != "Transpose" || !user.has("perm"))
      return context_.output();
    const auto& perm = user.attribute<std::vector<int64_t>>("perm");
    if (perm.empty() || perm.back() != static_cast<int64_t>(perm.size()) - 1) return context_.output();
    const BufferId buffer = context_.output();
    context_.program().buffer(buffer).order.assign(perm.begin(), perm.end());
    return buffer;
  }

  LowerContext& context_;
  AttentionForm form_;
  Shape scores_;
  Shape batch_;
  Index index_;  // of an element of the batch
  Attention attention_;
};

void lower_attention(LowerContext& context) { AttentionLowering(context).run(); }

// ---- Definition -------------------------------------------------------------------------------------------

class Definition {
 public:
  Definition(Builder& builder, const AttentionForm& form)
      : b_(builder), form_(form), type_(compute_type(form.q->dtype())) {}

  AttentionStages run() {
    AttentionStages stages;
    Value* k = b_.transpose(b_.cast(form_.k, type_), swap_last_axes(form_.k->shape().size()));
    Value* scores = b_.op("MatMul", {b_.cast(form_.q, type_), k});
    for (const ScoreStep& step : form_.steps) {
      scores = apply(step, scores);
      stages.scores.push_back(scores);
    }
    if (Value* visible = visible_keys()) scores = b_.op("Where", {visible, scores, lowest()});
    stages.visible = scores;
    stages.weights = guarded(scores, b_.op("Softmax", {scores}, {{"axis", int64_t{-1}}}));
    Value* output = b_.op("MatMul", {stages.weights, b_.cast(form_.v, type_)});
    stages.output = b_.cast(output, form_.q->dtype());
    return stages;
  }

 private:
  Value* lowest() { return b_.scalar(type_, -std::numeric_limits<double>::infinity()); }

  Value* apply(const ScoreStep& step, Value* scores) {
    std::vector<Value*> inputs;
    for (Value* operand : step.operands) {
      inputs.push_back(operand->dtype() == DType::kBool ? operand : b_.cast(operand, type_));
    }
    inputs.insert(inputs.begin() + static_cast<std::ptrdiff_t>(step.position), scores);
    return b_.op(step.op, std::move(inputs));
  }

  // One number a batch element, with axes for queries and keys.
  Value* of_batch(Value* value) { return b_.op("Unsqueeze", {value, b_.ints({-2, -1})}); }

  // [.., queries, keys], or null where all are visible.
  Value* visible_keys() {
    if (form_.left < 0 && form_.right < 0 && form_.length == nullptr) return nullptr;
    Value* keys = range(b_, second_last(form_.k->shape()));
    Value* position = b_.op("Unsqueeze", {range(b_, second_last(form_.q->shape())), b_.ints({-1})});
    if (form_.offset != nullptr) position = b_.add(position, of_batch(form_.offset));
    auto number = [&](int64_t value) { return b_.scalar(DType::kInt64, static_cast<double>(value)); };
    Value* visible = nullptr;
    auto require = [&](Value* condition) {
      visible = visible == nullptr ? condition : b_.op("And", {visible, condition});
    };
    if (form_.left >= 0) require(b_.op("GreaterOrEqual", {keys, b_.sub(position, number(form_.left))}));
    if (form_.right >= 0) require(b_.op("LessOrEqual", {keys, b_.add(position, number(form_.right))}));
    if (form_.length != nullptr) require(b_.op("Less", {keys, of_batch(form_.length)}));
    return visible;
  }

  Value* guarded(Value* scores, Value* weights) {
    Value* zero = b_.scalar(type_, 0);
    if (form_.guard == "no_keys") {
      Value* maximum = b_.reduce("ReduceMax", scores, {-1}, true);
      return b_.op("Where", {b_.op("Equal", {maximum, lowest()}), zero, weights});
    }
    if (form_.guard == "not_a_number") return b_.op("Where", {b_.op("IsNaN", {weights}), zero, weights});
    return weights;
  }

  Builder& b_;
  const AttentionForm& form_;
  DType type_;
};

}  // namespace

bool is_score_step(std::string_view op) { return find_rule(op) != nullptr; }

Value* build_attention(Builder& builder, const AttentionForm& form) {
  std::vector<Value*> inputs = {form.q, form.k, form.v, form.offset, form.length};
  std::vector<std::string> steps;
  for (const ScoreStep& step : form.steps) {
    steps.push_back(step_text(step));
    inputs.insert(inputs.end(), step.operands.begin(), step.operands.end());
  }
  while (inputs.back() == nullptr) inputs.pop_back();
  return builder.op_in(
      "dlc", "Attention", std::move(inputs),
      {{"steps", std::move(steps)}, {"left", form.left}, {"right", form.right}, {"guard", form.guard}});
}

AttentionForm attention_form(const Node& node) {
  AttentionForm form;
  form.q = node.input(0);
  form.k = node.input(1);
  form.v = node.input(2);
  form.offset = node.input(3);
  form.length = node.input(4);
  form.left = node.attribute<int64_t>("left", -1);
  form.right = node.attribute<int64_t>("right", -1);
  form.guard = node.attribute<std::string>("guard", "none");
  size_t next = kFirstOperand;
  for (const std::string& text : node.attribute<std::vector<std::string>>("steps", {})) {
    form.steps.push_back(read_step(node, text, next));
  }
  return form;
}

AttentionStages define_attention(Builder& builder, const AttentionForm& form) {
  return Definition(builder, form).run();
}

void register_attention(OpRegistry& registry) {
  registry.add({.domain = "dlc", .name = "Attention", .infer = infer_attention, .lower = lower_attention});
  register_standard_attention(registry);
}

}  // namespace dlc::ir

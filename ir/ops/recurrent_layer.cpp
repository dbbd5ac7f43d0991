#include "ir/ops/recurrent_layer.h"

#include <map>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

Dim blocks(size_t count, const Dim& hidden) { return Dim(static_cast<int64_t>(count)) * hidden; }

}  // namespace

bool is_batch_first(const Node& node) { return node.attribute<int64_t>("layout", 0) != 0; }

std::vector<Direction> directions_of(const Node& node) {
  std::string direction = node.attribute<std::string>("direction", "forward");
  if (direction == "forward") return {Direction::kForward};
  if (direction == "reverse") return {Direction::kReverse};
  if (direction == "bidirectional") return {Direction::kForward, Direction::kReverse};
  fail(ErrorKind::kModel, "{}: direction: expected forward, reverse or bidirectional, found '{}'",
       node.describe(), direction);
}

namespace {

const Dim& hidden_of(const Shape& r, WeightLayout layout) { return r[layout == WeightLayout::kRows ? 2 : 1]; }

// What each input has to look like, given X and R.
std::map<size_t, Shape> expected_shapes(const Node& node, const Shape& x, const Shape& r, int64_t gates,
                                        WeightLayout layout) {
  const Dim count = static_cast<int64_t>(directions_of(node).size());
  const Dim& hidden = hidden_of(r, layout);
  const bool batch_first = is_batch_first(node);
  const Dim& batch = x[batch_first ? 0 : 1];
  const Shape state = batch_first ? Shape{batch, count, hidden} : Shape{count, batch, hidden};
  const Dim rows = Dim(gates) * hidden;
  const bool by_rows = layout == WeightLayout::kRows;
  return {{kW, by_rows ? Shape{count, rows, x[2]} : Shape{count, x[2], rows}},
          {kR, by_rows ? Shape{count, rows, hidden} : Shape{count, hidden, rows}},
          {kBias, {count, Dim(2) * rows}},
          {kLengths, {batch}},
          {kInitialH, state},
          {kInitialC, state},
          {kPeepholes, {count, Dim(3) * hidden}}};
}

std::string axis_of(size_t input, size_t axis) { return fmt::format("axis {} of input {}", axis, input); }

}  // namespace

void infer_recurrent(InferContext& context, int64_t gates, bool has_cell, WeightLayout layout) {
  for (size_t i = 0; i < 3; ++i) require_rank(context, i, 3);
  require_type(context, kX, TypeClass::kFloat);
  const Shape& x = context.shape(kX);
  const std::map<size_t, Shape> expected =
      expected_shapes(context.node(), x, context.shape(kR), gates, layout);
  for (const auto& [input, shape] : expected) {
    if (!context.has_input(input)) continue;
    require_rank(context, input, static_cast<int64_t>(shape.size()));
    for (size_t axis = 0; axis < shape.size(); ++axis)
      require_equal_extents(context, context.shape(input)[axis], shape[axis], axis_of(input, axis));
  }
  const Dim count = expected.at(kR)[0], hidden = hidden_of(expected.at(kR), layout);
  const bool batch_first = is_batch_first(context.node());
  const Dim& steps = x[batch_first ? 1 : 0];
  const Dim& batch = x[batch_first ? 0 : 1];
  const DType type = context.dtype(kX);
  const Shape state = batch_first ? Shape{batch, count, hidden} : Shape{count, batch, hidden};
  context.set_output(
      0, Type(type, batch_first ? Shape{batch, steps, count, hidden} : Shape{steps, count, batch, hidden}));
  context.set_output(1, Type(type, state));
  if (has_cell) context.set_output(2, Type(type, state));
}

Expr bind_value(LowerContext& context, Block& block, const Expr& value) {
  VarId id = context.fresh_var();
  block.push_back(let(id, value));
  return var(id, value.type());
}

RecurrentLayer::RecurrentLayer(LowerContext& context, size_t index, Direction direction, size_t gates,
                               WeightLayout layout)
    : context_(context),
      index_(index),
      direction_(direction),
      gates_(gates),
      batch_first_(is_batch_first(context.node())),
      type_(compute_type(context.input_type(kX).dtype)),
      hidden_(hidden_of(context.input_shape(kR), layout)),
      x_(context.input(kX)) {
  if (index == 0) check_shapes(layout);
  if (batch_first_) x_ = permute(context, x_, {1, 0, 2}, "x");
  const Shape& shape = context.program().buffer(x_).shape;
  steps_ = shape[0];
  batch_ = shape[1];
  inputs_ = shape[2];
  if (context.has_output(0)) {
    BufferId y = context.output(0);
    // [time, direction, batch, hidden]
    if (batch_first_) y = permute(context, y, {1, 2, 0, 3}, "y");
    y_ = select_axis(context, y, 1, Dim(static_cast<int64_t>(index)), "y");
  }
}

// What only the run knows of symbolic extents.
void RecurrentLayer::check_shapes(WeightLayout layout) {
  for (const auto& [input, shape] :
       expected_shapes(context_.node(), context_.input_shape(kX), context_.input_shape(kR),
                       static_cast<int64_t>(gates_), layout)) {
    if (!context_.has_input(input)) continue;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      check_equal(context_, context_.input_shape(input)[axis], shape[axis], axis_of(input, axis));
  }
}

BufferId RecurrentLayer::recurrence(size_t first, size_t count) {
  BufferId own = select_axis(context_, context_.input(kR), 0, Dim(static_cast<int64_t>(index_)), "r");
  if (count == gates_) return own;
  return slice_axis(context_, own, 0, blocks(first, hidden_), blocks(count, hidden_), "r");
}

Expr RecurrentLayer::input_bias(const Expr& row) const {
  if (!context_.has_input(kBias)) return constant(type_, 0);
  return widen(context_.at_input(kBias, {integer(static_cast<int64_t>(index_)), row}));
}

Expr RecurrentLayer::recurrence_bias(const Expr& row) const {
  if (!context_.has_input(kBias)) return constant(type_, 0);
  return widen(
      context_.at_input(kBias, {integer(static_cast<int64_t>(index_)), row + dim(blocks(gates_, hidden_))}));
}

BufferId RecurrentLayer::project(bool both_biases) {
  Dim width = blocks(gates_, hidden_);
  BufferId weights = select_axis(context_, context_.input(kW), 0, Dim(static_cast<int64_t>(index_)), "w");
  BufferId out = context_.temp(type_, {steps_, batch_, width}, "projection");
  VarId t = context_.fresh_var(), b = context_.fresh_var(), n = context_.fresh_var(),
        k = context_.fresh_var();
  Contraction contraction;
  contraction.axes = {{t, steps_, AxisRole::kM},
                      {b, batch_, AxisRole::kM},
                      {n, width, AxisRole::kN},
                      {k, inputs_, AxisRole::kK}};
  contraction.a = {.buffer = x_, .index = {var(t), var(b), var(k)}};
  contraction.b = {.buffer = weights, .index = {var(n), var(k)}};
  contraction.accumulator = context_.fresh_var();
  contraction.accumulator_type = type_;
  contraction.out = out;
  contraction.out_index = {var(t), var(b), var(n)};
  Expr sum = var(contraction.accumulator, type_);
  if (context_.has_input(kBias)) {
    Expr bias = input_bias(var(n));
    sum = sum + (both_biases ? bias + recurrence_bias(var(n)) : bias);
  }
  contraction.epilogue = sum;
  context_.contraction(std::move(contraction), "project");
  return out;
}

BufferId RecurrentLayer::state(size_t initial, std::string_view hint) {
  DType type = context_.input_type(kX).dtype;
  BufferId buffer = context_.temp(type, {steps_ + Dim(1), batch_, hidden_}, hint);
  BufferId first = select_axis(context_, buffer, 0, 0, hint);
  if (!context_.has_input(initial)) {
    context_.map(
        first, [&](const Index&) { return constant(type, 0); }, "initial_state");
    return buffer;
  }
  BufferId given = select_axis(context_, context_.input(initial), batch_first_ ? 1 : 0,
                               Dim(static_cast<int64_t>(index_)), "initial");
  copy(context_, first, given, "initial_state");
  return buffer;
}

void RecurrentLayer::multiply(LowerContext& context, BufferId out, BufferId a, BufferId weights,
                              DType accumulator, const std::function<Expr(Expr sum, const Index&)>& epilogue,
                              std::string_view name) {
  const Shape shape = context.program().buffer(out).shape;
  Dim depth = context.program().buffer(a).shape[1];
  VarId b = context.fresh_var(), n = context.fresh_var(), k = context.fresh_var();
  Contraction contraction;
  contraction.axes = {{b, shape[0], AxisRole::kM}, {n, shape[1], AxisRole::kN}, {k, depth, AxisRole::kK}};
  contraction.a = {.buffer = a, .index = {var(b), var(k)}};
  contraction.b = {.buffer = weights, .index = {var(n), var(k)}};
  contraction.accumulator = context.fresh_var();
  contraction.accumulator_type = accumulator;
  contraction.out = out;
  contraction.out_index = {var(b), var(n)};
  contraction.epilogue = epilogue(var(contraction.accumulator, accumulator), {var(b), var(n)});
  context.contraction(std::move(contraction), name);
}

void RecurrentLayer::walk(const std::function<void(Step&)>& body) {
  Dim time = context_.node().graph().fresh_symbol("step", {steps_});
  context_.program().symbols[time.symbol_name()] = {steps_};
  Region region;
  Step step{context_.inside(region), time};
  body(step);
  context_.step({RepeatStep{time.symbol_name(), steps_, std::move(region)}});
}

BufferId RecurrentLayer::at_step(Step& step, BufferId buffer, const Dim& time, std::string_view hint) const {
  return select_axis(step.context, buffer, 0, time, hint);
}

Expr RecurrentLayer::position(const Step& step, const Expr& batch) const {
  if (direction_ == Direction::kForward) return dim(step.time);
  if (!context_.has_input(kLengths)) return dim(steps_ - Dim(1) - step.time);
  Expr length = min(cast(context_.at_input(kLengths, {batch}), DType::kInt64), dim(steps_));
  return select(dim(step.time) < length, length - integer(1) - dim(step.time), dim(step.time));
}

Expr RecurrentLayer::active(const Step& step, const Expr& batch) const {
  if (!context_.has_input(kLengths)) return {};
  return dim(step.time) < cast(context_.at_input(kLengths, {batch}), DType::kInt64);
}

void RecurrentLayer::update(Step& step, const std::vector<BufferId>& states, const Cell& cell) {
  LowerContext& inner = step.context;
  DType stored = context_.input_type(kX).dtype;
  std::vector<VarId> vars{inner.fresh_var(), inner.fresh_var()};
  Index index{var(vars[0]), var(vars[1])};
  Block block;
  std::vector<Expr> values = cell(block, index);
  Expr in_sequence = active(step, index[0]);
  for (size_t i = 0; i < states.size(); ++i) {
    BufferId before = at_step(step, states[i], step.time, "before");
    BufferId after = at_step(step, states[i], step.time + Dim(1), "after");
    Expr value = bind_value(inner, block, cast(values[i], stored));
    if (i == 0 && y_ != BufferId::kNone) {
      Expr output = in_sequence ? select(in_sequence, value, constant(stored, 0)) : value;
      block.push_back(store(y_, {position(step, index[0]), index[0], index[1]}, output));
    }
    if (in_sequence) value = select(in_sequence, value, inner.at(before, index));
    block.push_back(store(after, index, value));
  }
  inner.loop_nest(nest(vars, {batch_, hidden_}, 1, std::move(block)), "gates");
}

void RecurrentLayer::finish(BufferId state, size_t output) {
  if (!context_.has_output(output)) return;
  BufferId last = select_axis(context_, state, 0, steps_, "last");
  BufferId target = select_axis(context_, context_.output(output), batch_first_ ? 1 : 0,
                                Dim(static_cast<int64_t>(index_)), "final");
  copy(context_, target, last, "final_state");
}

}  // namespace dlc::ir

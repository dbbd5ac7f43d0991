// If, and what loops share.
#include "ir/ops/control_flow.h"

#include <algorithm>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// ---- If

// The branch that is known to run, if any.
const Graph* known_branch(const Node& node) {
  auto condition = known_condition(node.input(0));
  if (!condition) return nullptr;
  return &subgraph(node, *condition ? "then_branch" : "else_branch");
}

// A type that holds the results of both branches.
Type joined(InferContext& context, const Type& a, const Type& b, size_t output) {
  if (a == b) return a;
  if (!a.is_tensor() || !b.is_tensor() || a.tensor.dtype != b.tensor.dtype ||
      a.tensor.shape.size() != b.tensor.shape.size()) {
    context.fail("output {}: the branches give {} and {}; their ranks and element types must agree", output,
                 to_string(a), to_string(b));
  }
  Shape shape = a.tensor.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& other = b.tensor.shape[i];
    if (!(shape[i] == other)) shape[i] = context.fresh_symbol("branch", {max(shape[i], other)});
  }
  return Type(a.tensor.dtype, std::move(shape));
}

void infer_if(InferContext& context) {
  const Node& node = context.node();
  size_t count = node.outputs().size();
  for (std::string_view name : {"then_branch", "else_branch"}) {
    Graph& branch = subgraph(node, name);
    if (branch.outputs().size() != count) {
      context.fail("{}: expected {} outputs, found {}", name, count, branch.outputs().size());
    }
    infer_types(branch);
  }
  const Graph& then_branch = subgraph(node, "then_branch");
  const Graph& else_branch = subgraph(node, "else_branch");
  const Graph* known = known_branch(node);
  for (size_t i = 0; i < count; ++i) {
    const Value& a = *then_branch.outputs()[i];
    const Value& b = *else_branch.outputs()[i];
    if (known == nullptr) {
      context.set_output(i, joined(context, a.type(), b.type(), i));
      auto value = known_values(&a);
      if (value && value == known_values(&b)) context.set_shape_value(i, *value);
    } else {
      const Value& result = *known->outputs()[i];
      context.set_output(i, result.type());
      if (auto value = known_values(&result)) context.set_shape_value(i, *value);
    }
  }
}

// The branch runs as if its nodes stood in place of the If.
void lower_known_branch(LowerContext& context, const Graph& branch) {
  Region region;
  std::vector<BufferId> results = context.lower_subgraph(branch, region, {});
  for (Step& step : region.steps) context.step(std::move(step));
  for (size_t i = 0; i < results.size(); ++i) {
    if (context.has_output(i)) context.alias_output(i, results[i]);
  }
}

Region lower_branch(LowerContext& context, const Graph& branch) {
  Region region;
  std::vector<BufferId> results = context.lower_subgraph(branch, region, {});
  LowerContext inner = context.inside(region);
  for (size_t i = 0; i < results.size(); ++i) {
    if (!context.has_output(i)) continue;
    const Shape& joined = context.output_shape(i);
    const Shape& own = branch.outputs()[i]->shape();
    for (size_t axis = 0; axis < joined.size(); ++axis) {
      if (!(joined[axis] == own[axis])) inner.step({SetStep{joined[axis].symbol_name(), own[axis]}});
    }
    copy(inner, context.output(i), results[i], "branch_result");
  }
  return region;
}

void lower_if(LowerContext& context) {
  if (const Graph* branch = known_branch(context.node())) return lower_known_branch(context, *branch);
  BufferId condition = context.input(0);
  if (!context.input_shape(0).empty()) condition = context.reshaped(condition, {}, "condition");
  // Made here, not in a branch.
  for (size_t i = 0; i < context.node().outputs().size(); ++i) {
    if (context.has_output(i)) context.output(i);
  }
  Region then_region = lower_branch(context, subgraph(context.node(), "then_branch"));
  Region else_region = lower_branch(context, subgraph(context.node(), "else_branch"));
  context.step({IfStep{condition, std::move(then_region), std::move(else_region)}});
}

// ---- States of loops

// The state's shape with a symbol wherever the body gives another extent. False: nothing changes.
bool generalize(InferContext& context, Value& state, const Value& next, size_t i) {
  const Type& a = state.type();
  const Type& b = next.type();
  if (a == b) return false;
  if (!a.is_tensor() || !b.is_tensor() || a.tensor.dtype != b.tensor.dtype ||
      a.tensor.shape.size() != b.tensor.shape.size()) {
    context.fail("state {}: the body turns {} into {}; rank and element type must stay", i, to_string(a),
                 to_string(b));
  }
  Shape shape = a.tensor.shape;
  bool changed = false;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    bool is_free = shape[axis].is_symbol() && shape[axis].symbol_name().starts_with("carried");
    if (shape[axis] == b.tensor.shape[axis] || is_free) continue;
    shape[axis] = context.fresh_symbol("carried");
    changed = true;
  }
  state.set_type(Type(a.tensor.dtype, std::move(shape)));
  return changed;
}

}  // namespace

Graph& subgraph(const Node& node, std::string_view attribute) {
  return *node.attribute<std::shared_ptr<Graph>>(attribute);
}

std::optional<bool> known_condition(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_constant() && value->constant().size() == 1) return value->constant().get_int(0) != 0;
  const auto& known = value->shape_value();
  if (known && known->size() == 1 && known->front().is_constant()) return known->front().value() != 0;
  return std::nullopt;
}

void infer_carried(InferContext& context, Graph& body, const Carried& carried) {
  for (size_t i = 0; i < carried.count; ++i) {
    body.inputs()[carried.first_input + i]->set_type(context.input_type(carried.initial + i));
  }
  bool changed = true;
  while (changed) {
    infer_types(body);
    changed = false;
    for (size_t i = 0; i < carried.count; ++i) {
      Value& state = *body.inputs()[carried.first_input + i];
      changed = generalize(context, state, *body.outputs()[carried.first_output + i], i) || changed;
    }
  }
}

CarriedStates::CarriedStates(LowerContext& context, const Graph& body, const Carried& carried) {
  for (size_t i = 0; i < carried.count; ++i) {
    const Value& state = *body.inputs()[carried.first_input + i];
    const Shape& initial = context.input_shape(carried.initial + i);
    for (size_t axis = 0; axis < initial.size(); ++axis) {
      const Dim& extent = state.shape()[axis];
      if (!(extent == initial[axis])) context.step({SetStep{extent.symbol_name(), initial[axis]}});
    }
    buffers_.push_back(context.temp(state.dtype(), state.shape(), state.name()));
    copy(context, buffers_.back(), context.input(carried.initial + i), "initial_state");
  }
}

bool CarriedStates::aliases_state(const Program& program, BufferId id) const {
  BufferId root = root_of(program, id);
  return std::find(buffers_.begin(), buffers_.end(), root) != buffers_.end();
}

void CarriedStates::advance(LowerContext& inner, const std::vector<BufferId>& results) {
  Program& program = inner.program();
  std::vector<BufferId> sources = results;
  // First all results leave the old states and the old extents, then the states change.
  for (size_t i = 0; i < results.size(); ++i) {
    Shape shape = program.buffer(results[i]).shape;
    const Shape& state = program.buffer(buffers_[i]).shape;
    if (results[i] == buffers_[i] || (shape == state && !aliases_state(program, results[i]))) continue;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] == state[axis]) continue;
      Dim next = inner.node().graph().fresh_symbol("next");
      program.symbols[next.symbol_name()] = {};
      inner.step({SetStep{next.symbol_name(), shape[axis]}});
      shape[axis] = next;
    }
    sources[i] = inner.temp(program.buffer(results[i]).dtype, shape, "next_state");
    copy(inner, sources[i], results[i], "next_state");
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (sources[i] == buffers_[i]) continue;
    const Shape source = program.buffer(sources[i]).shape;
    const Shape state = program.buffer(buffers_[i]).shape;
    for (size_t axis = 0; axis < state.size(); ++axis) {
      if (!(source[axis] == state[axis])) inner.step({SetStep{state[axis].symbol_name(), source[axis]}});
    }
    copy(inner, buffers_[i], sources[i], "state");
  }
}

void register_control_flow(OpRegistry& registry) {
  registry.add({.name = "If", .infer = infer_if, .lower = lower_if});
  registry.add(loop_record());
  registry.add(scan_record());
}

}  // namespace dlc::ir

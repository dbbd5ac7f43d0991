// What loops share.
#include "ir/ops/control_flow.h"

#include <algorithm>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/value_util.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// ---- States of loops

// The state's shape with a symbol wherever the body gives another extent. False: nothing changes.
bool generalize(InferContext& context, Value& state, const Value& next, size_t i) {
  const Type& a = state.type();
  const Type& b = next.type();
  if (a == b) return false;
  if (is_wrapped(a, b)) {
    auto element = join_held(*a.element, held_type(b));
    Type joined = Type::optional(std::move(*element));
    bool grows = !(joined == a);
    state.set_type(std::move(joined));
    return grows;
  }
  if (auto joined = a.is_tensor() ? std::nullopt : join_held(a, b)) {
    bool grows = !(*joined == a);
    state.set_type(std::move(*joined));
    return grows;
  }
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

bool is_wrapped(const Type& state, const Type& next) {
  return state.kind == TypeKind::kOptional && next.kind != TypeKind::kOptional &&
         join_held(*state.element, held_type(next)).has_value();
}

Graph& subgraph(const Node& node, std::string_view attribute) {
  return *node.attribute<std::shared_ptr<Graph>>(attribute);
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
    const TensorType storage = storage_type(state.type());
    const Shape initial = context.input_type(carried.initial + i).shape;
    for (size_t axis = 0; axis < initial.size(); ++axis) {
      const Dim& extent = storage.shape[axis];
      if (!(extent == initial[axis])) context.step({SetStep{extent.symbol_name(), initial[axis]}});
    }
    types_.push_back(state.type());
    buffers_.push_back(context.temp(storage.dtype, storage.shape, state.name()));
    copy(context, buffers_.back(), context.input(carried.initial + i), "initial_state");
  }
}

bool CarriedStates::aliases_state(const Program& program, BufferId id) const {
  BufferId root = root_of(program, id);
  return std::find(buffers_.begin(), buffers_.end(), root) != buffers_.end();
}

void CarriedStates::advance(LowerContext& inner, const Graph& body, size_t first_output,
                            std::vector<BufferId> results) {
  Program& program = inner.program();
  for (size_t i = 0; i < results.size(); ++i) {
    if (!is_wrapped(types_[i], body.outputs()[first_output + i]->type())) continue;
    results[i] = wrap_in_optional(inner, handle_of(inner, *body.outputs()[first_output + i], results[i]));
  }
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
  registry.add(if_record());
  registry.add(assert_record());
  registry.add(loop_record());
  registry.add(scan_record());
}

}  // namespace dlc::ir

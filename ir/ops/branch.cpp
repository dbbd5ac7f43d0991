// If, and what decides it before the run.
#include "ir/ops/branch.h"

#include <fmt/format.h>

#include "ir/builder.h"
#include "ir/clone.h"
#include "ir/ops/control_flow.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// A type that holds the results of both branches.
Type joined(InferContext& context, const Type& a, const Type& b, size_t output) {
  if (a == b) return a;
  if (auto joined = a.is_tensor() ? std::nullopt : join_held(a, b)) return *joined;
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

// A branch that never runs need not be valid.
void infer_branches(InferContext& context, const Graph* known) {
  for (bool condition : {true, false}) {
    Graph& branch = branch_of(context.node(), condition);
    size_t count = context.node().outputs().size();
    if (branch.outputs().size() != count) {
      context.fail("{}: expected {} outputs, found {}", condition ? "then_branch" : "else_branch", count,
                   branch.outputs().size());
    }
    try {
      infer_types(branch);
    } catch (const Error&) {
      if (known == nullptr || known == &branch) throw;
    }
  }
}

void infer_if(InferContext& context) {
  const Node& node = context.node();
  const Graph* known = known_branch(node);
  infer_branches(context, known);
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    if (known != nullptr) {
      const Value& result = *known->outputs()[i];
      context.set_output(i, result.type());
      if (auto value = known_values(&result)) context.set_shape_value(i, *value);
      continue;
    }
    const Value& a = *branch_of(node, true).outputs()[i];
    const Value& b = *branch_of(node, false).outputs()[i];
    context.set_output(i, joined(context, a.type(), b.type(), i));
    auto value = known_values(&a);
    if (value && value == known_values(&b)) context.set_shape_value(i, *value);
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
    const Shape joined = context.output_type(i).shape;
    const Shape own = storage_type(branch.outputs()[i]->type()).shape;
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
  Region then_region = lower_branch(context, branch_of(context.node(), true));
  Region else_region = lower_branch(context, branch_of(context.node(), false));
  context.step({IfStep{condition, std::move(then_region), std::move(else_region)}});
}

// ---- Assert: inputs condition, values; outputs the values. Fails the run unless the condition is
// `expected`. What the values are is not told before the run, so that nothing is derived from them without
// the condition.

void infer_assert(InferContext& context) {
  for (size_t i = 0; i < context.node().outputs().size(); ++i)
    context.set_output(i, context.input_type(i + 1));
}

void lower_assert(LowerContext& context) {
  const Node& node = context.node();
  int64_t expected = node.attribute<int64_t>("expected");
  Dim found = node.graph().fresh_symbol("condition");
  context.program().symbols[found.symbol_name()] = {};
  const Index first(context.input_shape(0).size(), integer(0));
  const BufferId number = context.temp(DType::kInt64, {}, "condition");
  context.map(number, [&](const Index&) { return cast(context.at_input(0, first), DType::kInt64); });
  context.step({BindStep{
      found.symbol_name(), number, {}, expected, expected, node.attribute<std::string>("message")}});
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    if (context.has_output(i)) context.alias_output(i, context.input(i + 1));
  }
}

std::vector<Value*> inline_branch(Node& node, bool condition) {
  return inline_body(branch_of(node, condition), node.graph(), &node, {});
}

void replace_outputs(Node& node, const std::vector<Value*>& results) {
  Builder builder(node.graph(), &node, &node);
  for (size_t i = 0; i < node.outputs().size(); ++i) builder.replace(node, i, results[i]);
}

}  // namespace

std::optional<bool> known_condition(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_constant() && value->constant().size() == 1) return value->constant().get_int(0) != 0;
  const auto& known = value->shape_value();
  if (known && known->size() == 1 && known->front().is_constant()) return known->front().value() != 0;
  return std::nullopt;
}

bool is_branch(const Node& node) { return node.op().name == "If" && node.op().domain.empty(); }

bool is_condition_known(const Node& branch) { return known_condition(branch.input(0)).has_value(); }

Graph& branch_of(const Node& node, bool condition) {
  return subgraph(node, condition ? "then_branch" : "else_branch");
}

Graph* known_branch(const Node& node) {
  auto condition = known_condition(node.input(0));
  return condition ? &branch_of(node, *condition) : nullptr;
}

bool ranks_differ(const Node& node) {
  const std::vector<Value*>& a = branch_of(node, true).outputs();
  const std::vector<Value*>& b = branch_of(node, false).outputs();
  if (a.size() != node.outputs().size() || b.size() != a.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i]->type().is_tensor() || !b[i]->type().is_tensor()) continue;
    if (a[i]->shape().size() != b[i]->shape().size()) return true;
  }
  return false;
}

void take_branch(Node& node, bool condition) { replace_outputs(node, inline_branch(node, condition)); }

void require_branch(Node& node, bool condition, const std::string& reason) {
  std::vector<Value*> inputs = inline_branch(node, condition);
  inputs.insert(inputs.begin(), node.input(0));
  Builder builder(node.graph(), &node, &node);
  replace_outputs(node, builder.op_n("Assert", node.outputs().size(), std::move(inputs),
                                     {{"expected", int64_t{condition}}, {"message", reason}}, "dlc"));
}

void take_known_branches(Graph& graph) {
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    Node& node = **it;
    auto condition = is_branch(node) ? known_condition(node.input(0)) : std::nullopt;
    if (condition) {
      take_known_branches(branch_of(node, *condition));
      take_branch(node, *condition);
    } else {
      for (const auto& [name, body] : subgraphs(node)) take_known_branches(*body);
    }
    ++it;
    if (condition) graph.erase(&node);
  }
}

OpDef if_record() { return {.name = "If", .infer = infer_if, .lower = lower_if}; }
OpDef assert_record() {
  return {.domain = "dlc", .name = "Assert", .infer = infer_assert, .lower = lower_assert};
}

}  // namespace dlc::ir

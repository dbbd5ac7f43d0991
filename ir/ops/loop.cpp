// Loop and Scan.
#include <algorithm>

#include "ir/ops/control_flow.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/value_util.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// ---- Loop: inputs trip count, condition, states; body inputs iteration, condition, states; body outputs
// condition, states, scan outputs.

// Files give the largest integers for "no limit".
constexpr int64_t kNoLimit = int64_t{1} << 62;

Carried loop_states(const Node& node) {
  return {node.inputs().size() - std::min<size_t>(2, node.inputs().size()), 2, 1, 2};
}

bool has_limit(const Node& node) {
  const Value* limit = node.input(0);
  auto known = known_ints(limit);
  return limit != nullptr && !(known && known->front() >= kNoLimit);
}

// Follows Identity to the value it copies.
const Value* copied_value(const Value* value) {
  while (value->producer() != nullptr && value->producer()->op().name == "Identity")
    value = value->producer()->input(0);
  return value;
}

// Whether the condition never ends the loop.
bool runs_to_limit(const Node& node, const Graph& body) {
  const Value* next = copied_value(body.outputs()[0]);
  bool starts = node.input(1) == nullptr || known_condition(node.input(1)) == std::optional<bool>(true);
  // Without both inputs the condition is ignored, so is it without the condition input.
  if (node.input(1) == nullptr) return true;
  return starts && (next == body.inputs()[1] || known_condition(next) == std::optional<bool>(true));
}

void check_loop(InferContext& context, const Graph& body, const Carried& states) {
  if (body.inputs().size() != states.count + 2) {
    context.fail("body: expected {} inputs, found {}", states.count + 2, body.inputs().size());
  }
  if (body.outputs().size() != context.node().outputs().size() + 1) {
    context.fail("body: expected {} outputs, found {}", context.node().outputs().size() + 1,
                 body.outputs().size());
  }
}

// All rows of scan output `i` have the shape of the first one.
Shape row_shape(const Node& node, const Graph& body, size_t i) {
  const Carried states = loop_states(node);
  std::map<std::string, Dim> first{{node.symbols()[0], Dim(0)}};
  for (size_t k = 0; k < states.count; ++k) {
    const Shape& state = body.inputs()[states.first_input + k]->shape();
    const Shape& initial = node.input(states.initial + k)->shape();
    for (size_t axis = 0; axis < state.size(); ++axis) {
      if (!(state[axis] == initial[axis])) first[state[axis].symbol_name()] = initial[axis];
    }
  }
  Shape shape = body.outputs()[i + 1]->shape();
  for (Dim& extent : shape) extent = extent.substitute(first);
  return shape;
}

void infer_loop(InferContext& context) {
  const Node& node = context.node();
  Graph& body = subgraph(node, "body");
  for (size_t input : {0, 1}) require_single(context, input);
  Carried states = loop_states(node);
  check_loop(context, body, states);
  Dim iteration = context.fresh_symbol("iteration");
  Dim iterations = context.fresh_symbol("iterations");
  body.inputs()[0]->set_type(Type(DType::kInt64, {}));
  body.inputs()[0]->set_shape_value({iteration});
  body.inputs()[1]->set_type(Type(DType::kBool, {}));
  infer_carried(context, body, states);
  for (size_t i = 0; i < states.count; ++i) {
    const Type& state = body.inputs()[2 + i]->type();
    // What the last iteration gave; a loop without iterations gives what the optional has before it.
    bool wrapped = is_wrapped(state, body.outputs()[1 + i]->type());
    context.set_output(i, wrapped ? taken_type(context, *state.element) : state);
  }
  auto limit = known_values(node.input(0));
  if (limit && has_limit(node)) {
    Dim most = max(Dim(0), limit->front());
    context.node().graph().symbols()[iteration.symbol_name()].upper_bound = most;
    context.node().graph().symbols()[iterations.symbol_name()].upper_bound = most;
    if (runs_to_limit(node, body)) iterations = most;
  }
  for (size_t i = states.count; i < node.outputs().size(); ++i) {
    Shape shape{iterations};
    const Shape row = row_shape(node, body, i);
    shape.insert(shape.end(), row.begin(), row.end());
    context.set_output(i, Type(body.outputs()[i + 1]->dtype(), std::move(shape)));
  }
}

// The most iterations; nothing where there is no limit.
std::optional<Dim> trip_count(LowerContext& context) {
  const Node& node = context.node();
  if (!has_limit(node)) return std::nullopt;
  if (auto known = known_values(node.input(0))) return max(Dim(0), known->front());
  Expr limit = single_element(context, 0);
  return bind_number(context, max(integer(0), limit), 0, INT64_MAX, "trip count");
}

// Fails the run where iteration number `iteration`, counted from 1, is one too many.
void check_iterations(LowerContext& context, const Dim& iteration) {
  const Dim most = context.program().max_iterations;
  const Dim number = max(iteration, most);
  if (number == most) return;
  context.step({CheckStep{.lhs = number,
                          .rhs = most,
                          .message = fmt::format("{}: expected at most {} iterations (--max-iterations)",
                                                 context.node().describe(), most.value())}});
}

// A loop while it is lowered.
struct LoopLowering {
  LowerContext& context;
  const Graph& body;
  Dim iteration;
  std::optional<Dim> limit;
  bool is_counted;  // runs exactly `limit` times
  BufferId condition;
  BufferId count = BufferId::kNone;  // iterations so far, where scan outputs need it
  std::vector<BufferId> scans = {};  // all rows of the scan outputs

  size_t state_count() const { return loop_states(context.node()).count; }

  void make_scans() {
    for (size_t i = state_count(); i < context.node().outputs().size(); ++i) {
      const Shape element = row_shape(context.node(), body, i);
      if (is_counted) {
        scans.push_back(context.output(i));
        continue;
      }
      if (!limit) fail(ErrorKind::kModel, "scan output {} of a loop without trip count", i);
      Shape shape{*limit};
      shape.insert(shape.end(), element.begin(), element.end());
      scans.push_back(context.temp(body.outputs()[i + 1]->dtype(), std::move(shape), "rows"));
    }
    if (is_counted || scans.empty()) return;
    count = context.temp(DType::kInt64, {}, "count");
    context.map(
        count, [](const Index&) { return integer(0); }, "count");
  }

  void check_row(LowerContext& inner, size_t scan, const Shape& found) const {
    const Shape& all = inner.program().buffer(scans[scan]).shape;
    for (size_t axis = 0; axis < found.size(); ++axis) {
      check_equal(inner, found[axis], all[axis + 1],
                  fmt::format("axis {} of scan output {}, which all iterations share", axis, scan));
    }
  }

  Region lower_body(CarriedStates& states) {
    Region region;
    LowerContext inner = context.inside(region);
    if (!is_counted) check_iterations(inner, iteration + Dim(1));
    BufferId number = context.temp(DType::kInt64, {}, "iteration");
    if (body.inputs()[0]->has_uses()) {
      inner.map(
          number, [&](const Index&) { return dim(iteration); }, "iteration");
    }
    std::vector<BufferId> inputs{number, condition};
    inputs.insert(inputs.end(), states.buffers().begin(), states.buffers().end());
    std::vector<BufferId> results = context.lower_subgraph(body, region, inputs);
    auto first_scan = results.begin() + 1 + static_cast<ptrdiff_t>(state_count());
    for (size_t i = 0; i < scans.size(); ++i) {
      const BufferId row = first_scan[static_cast<ptrdiff_t>(i)];
      check_row(inner, i, inner.program().buffer(row).shape);
      copy(inner, select_axis(inner, scans[i], 0, iteration, "row"), row, "row");
    }
    if (count != BufferId::kNone)
      inner.map(
          count, [&](const Index&) { return dim(iteration + Dim(1)); }, "count");
    if (!is_counted && results[0] != condition)
      copy(inner, condition, as_scalar(inner, results[0]), "condition");
    states.advance(inner, body, 1, {results.begin() + 1, first_scan});
    return region;
  }

  static BufferId as_scalar(LowerContext& inner, BufferId id) {
    return inner.program().buffer(id).shape.empty() ? id : inner.reshaped(id, {}, "scalar");
  }

  void finish_state(const CarriedStates& states, size_t i) {
    BufferId state = states.buffers()[i];
    if (is_wrapped(body.inputs()[2 + i]->type(), context.node().output(i)->type())) {
      take_from_optional(context, state, i);
    } else {
      context.alias_output(i, state);
    }
  }

  void finish(const CarriedStates& states) {
    for (size_t i = 0; i < state_count(); ++i) {
      if (context.has_output(i)) finish_state(states, i);
    }
    if (is_counted || scans.empty()) return;
    Dim rows = context.output_shape(state_count())[0];
    context.step({BindStep{rows.symbol_name(), count, {}, 0, INT64_MAX, "iterations"}});
    for (size_t i = 0; i < scans.size(); ++i) {
      context.alias_output(state_count() + i, slice_axis(context, scans[i], 0, 0, rows, "rows"));
    }
  }
};

void lower_loop(LowerContext& context) {
  const Node& node = context.node();
  const Graph& body = subgraph(node, "body");
  auto limit = trip_count(context);
  bool counted = runs_to_limit(node, body) && limit;
  LoopLowering loop{context, body,    Dim::symbol(node.symbols()[0]),
                    limit,   counted, context.temp(DType::kBool, {}, "condition")};
  if (node.input(1) == nullptr) {
    context.map(
        loop.condition, [](const Index&) { return boolean(true); }, "condition");
  } else {
    copy(context, loop.condition, LoopLowering::as_scalar(context, context.input(1)), "condition");
  }
  if (!limit && node.input(1) == nullptr) {
    fail(ErrorKind::kModel, "a loop with neither trip count nor condition does not end");
  }
  // The number of rows is known only now where the trip count is data.
  if (counted && node.outputs().size() > loop.state_count()) {
    const Dim& rows = context.output_shape(loop.state_count())[0];
    if (!(rows == *limit)) context.step({SetStep{rows.symbol_name(), *limit}});
  }
  loop.make_scans();
  CarriedStates states(context, body, loop_states(node));
  Region region = loop.lower_body(states);
  std::string symbol = loop.iteration.symbol_name();
  if (counted) {
    check_iterations(context, *limit);
    context.step({RepeatStep{symbol, *limit, std::move(region)}});
  } else {
    context.step({WhileStep{loop.condition, symbol, limit, std::move(region)}});
  }
  loop.finish(states);
}

// ---- Scan: inputs states, scan inputs; the body has the same inputs and outputs, a slice in place of a
// scan.

struct ScanNode {
  const Node& node;
  size_t scan_inputs = static_cast<size_t>(node.attribute<int64_t>("num_scan_inputs"));
  size_t states = node.inputs().size() - scan_inputs;

  Carried carried() const { return {states, 0, 0, 0}; }
  // Of scan input or output i, by the attributes' names.
  size_t axis(std::string_view attribute, size_t i, size_t rank) const {
    auto axes = node.attribute<std::vector<int64_t>>(attribute, {});
    int64_t axis = i < axes.size() ? axes[i] : 0;
    return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
  }
  bool is_reversed(std::string_view attribute, size_t i) const {
    auto directions = node.attribute<std::vector<int64_t>>(attribute, {});
    return i < directions.size() && directions[i] != 0;
  }
  const Shape& scan_shape(size_t i) const { return node.input(states + i)->shape(); }
  size_t input_axis(size_t i) const { return axis("scan_input_axes", i, scan_shape(i).size()); }
  const Dim& length() const { return scan_shape(0)[input_axis(0)]; }
};

void check_scan(InferContext& context, const ScanNode& scan, const Graph& body) {
  const Node& node = context.node();
  if (scan.scan_inputs < 1 || scan.scan_inputs > node.inputs().size()) {
    context.fail("num_scan_inputs: expected 1 to {}, found {}", node.inputs().size(), scan.scan_inputs);
  }
  if (body.inputs().size() != node.inputs().size() || body.outputs().size() != node.outputs().size()) {
    context.fail("body: expected {} inputs and {} outputs, found {} and {}", node.inputs().size(),
                 node.outputs().size(), body.inputs().size(), body.outputs().size());
  }
  auto axes = node.attribute<std::vector<int64_t>>("scan_input_axes", {});
  for (size_t i = 0; i < axes.size() && i < scan.scan_inputs; ++i) {
    context.normalize_axis(axes[i], context.rank(scan.states + i));
  }
  for (size_t i = 0; i < scan.scan_inputs; ++i) {
    require_rank_at_least(context, scan.states + i, 1);
    require_equal_extents(context, scan.length(), scan.scan_shape(i)[scan.input_axis(i)],
                          "length of the scan");
  }
}

void infer_scan(InferContext& context) {
  ScanNode scan{context.node()};
  Graph& body = subgraph(context.node(), "body");
  check_scan(context, scan, body);
  for (size_t i = 0; i < scan.scan_inputs; ++i) {
    Shape shape = scan.scan_shape(i);
    shape.erase(shape.begin() + static_cast<ptrdiff_t>(scan.input_axis(i)));
    body.inputs()[scan.states + i]->set_type(Type(context.dtype(scan.states + i), std::move(shape)));
  }
  infer_carried(context, body, scan.carried());
  for (size_t i = 0; i < scan.states; ++i) context.set_output(i, body.inputs()[i]->type());
  for (size_t i = scan.states; i < context.node().outputs().size(); ++i) {
    const TensorType& element = body.outputs()[i]->tensor_type();
    Shape shape = element.shape;
    size_t axis = scan.axis("scan_output_axes", i - scan.states, shape.size() + 1);
    if (axis > shape.size())
      context.fail("scan_output_axes: expected axes of rank {}, found {}", shape.size() + 1, axis);
    shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), scan.length());
    context.set_output(i, Type(element.dtype, std::move(shape)));
  }
}

void lower_scan(LowerContext& context) {
  ScanNode scan{context.node()};
  const Graph& body = subgraph(context.node(), "body");
  const Dim& length = scan.length();
  Dim step = context.node().graph().fresh_symbol("scan", {length});
  context.program().symbols[step.symbol_name()] = {length};
  auto position = [&](bool reversed) { return reversed ? length - Dim(1) - step : step; };
  CarriedStates states(context, body, scan.carried());
  std::vector<BufferId> inputs = states.buffers();
  for (size_t i = 0; i < scan.scan_inputs; ++i) {
    check_equal(context, scan.scan_shape(i)[scan.input_axis(i)], length, "length of the scan");
    Dim at = position(scan.is_reversed("scan_input_directions", i));
    inputs.push_back(select_axis(context, context.input(scan.states + i), scan.input_axis(i), at, "slice"));
  }
  for (size_t i = scan.states; i < context.node().outputs().size(); ++i) context.output(i);
  Region region;
  LowerContext inner = context.inside(region);
  std::vector<BufferId> results = context.lower_subgraph(body, region, inputs);
  for (size_t i = scan.states; i < results.size(); ++i) {
    size_t axis = scan.axis("scan_output_axes", i - scan.states, context.output_shape(i).size());
    Dim at = position(scan.is_reversed("scan_output_directions", i - scan.states));
    copy(inner, select_axis(inner, context.output(i), axis, at, "row"), results[i], "row");
  }
  results.resize(scan.states);
  states.advance(inner, body, 0, std::move(results));
  context.step({RepeatStep{step.symbol_name(), length, std::move(region)}});
  for (size_t i = 0; i < scan.states; ++i) {
    if (context.has_output(i)) context.alias_output(i, states.buffers()[i]);
  }
}

// A scan with a batch axis in front of everything becomes a scan over the batch of scans.
void unbatch_scan(Graph& graph, Node& node, int) {
  if (node.input(0) != nullptr) fail(ErrorKind::kModel, "sequence lengths of Scan 8 are not supported");
  const size_t inputs = node.inputs().size() - 1, outputs = node.outputs().size();
  const auto scans = static_cast<size_t>(node.attribute<int64_t>("num_scan_inputs"));
  if (scans > inputs) fail(ErrorKind::kModel, "num_scan_inputs: expected 1 to {}, found {}", inputs, scans);
  Attributes attributes = node.take_attributes();
  if (auto directions = attributes.extract("directions")) {
    directions.key() = "scan_input_directions";
    attributes.insert(std::move(directions));
  }
  auto body = std::make_shared<Graph>("batch", &graph);
  std::get<std::shared_ptr<Graph>>(attributes.at("body"))->set_parent(body.get());
  std::vector<Value*> slices, batches;
  for (size_t i = 0; i < inputs; ++i) {
    slices.push_back(body->add_input("", Type()));
    batches.push_back(node.input(i + 1));
  }
  std::vector<std::string> names(outputs);
  const Node* inner = body->add_node(node.op(), slices, names, std::move(attributes), node.name());
  body->set_outputs({inner->outputs().begin(), inner->outputs().end()}, names);
  Node* outer = graph.add_node(node.op(), batches, names,
                               {{"num_scan_inputs", static_cast<int64_t>(inputs)}, {"body", std::move(body)}},
                               node.name(), &node);
  for (size_t i = 0; i < outputs; ++i) {
    if (node.output(i) == nullptr) continue;
    graph.replace_all_uses(node.output(i), outer->output(i));
    graph.pass_name(node.output(i), outer->output(i));
  }
  graph.erase(&node);
}

}  // namespace

OpDef loop_record() { return {.name = "Loop", .infer = infer_loop, .lower = lower_loop}; }
OpDef scan_record() {
  return {.name = "Scan", .infer = infer_scan, .lower = lower_scan, .upgrades = {{9, unbatch_scan}}};
}

}  // namespace dlc::ir

// If, Scan and Loop. The cotangent of a sub-graph is another one, which computes what it needs of the first
// anew; loops write down the states that their iterations begin with, and are walked backwards by a Scan.
#include <algorithm>

#include "ir/clone.h"
#include "ir/ops/control_flow.h"
#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

std::vector<Value*> wanted(const GradientContext& context, const std::vector<Value*>& values) {
  std::vector<Value*> result;
  for (Value* value : values) {
    const bool is_new = std::find(result.begin(), result.end(), value) == result.end();
    if (is_new && context.wants_value(value)) result.push_back(value);
  }
  return result;
}

std::vector<std::string> no_names(size_t count) { return std::vector<std::string>(count); }

// ---- If: the branch that has run hands its cotangents on

std::shared_ptr<Graph> branch_gradient(GradientContext& context, const char* attribute,
                                       const std::vector<Value*>& wrt) {
  auto body = std::make_shared<Graph>(std::string(attribute) + "_gradient", &context.node().graph());
  const std::vector<Value*> results = inline_body(subgraph(context.node(), attribute), *body, nullptr, {});
  std::vector<Cotangent> seeds;
  for (size_t i = 0; i < results.size(); ++i) {
    if (context.grad(i) != nullptr) seeds.push_back({results[i], context.grad(i)});
  }
  std::vector<Value*> grads = pull_back(*body, seeds, wrt, context.faults());
  Builder builder(*body);
  for (size_t i = 0; i < wrt.size(); ++i) {
    if (grads[i] == nullptr) grads[i] = zeros_like(Term(builder, wrt[i]));
  }
  body->set_outputs(grads, no_names(grads.size()));
  return body;
}

void if_gradient(GradientContext& context) {
  std::vector<Value*> captured = captured_values(subgraph(context.node(), "then_branch"));
  const std::vector<Value*> others = captured_values(subgraph(context.node(), "else_branch"));
  captured.insert(captured.end(), others.begin(), others.end());
  const std::vector<Value*> wrt = wanted(context, captured);
  if (wrt.empty()) return;
  const std::vector<Value*> grads =
      context.builder().op_n("If", wrt.size(), {context.input(0)},
                             {{"then_branch", branch_gradient(context, "then_branch", wrt)},
                              {"else_branch", branch_gradient(context, "else_branch", wrt)}});
  for (size_t i = 0; i < wrt.size(); ++i) context.contribute(wrt[i], grads[i]);
}

// ---- Loops

// A slice of an input or output of the loop, by iteration.
struct Slice {
  size_t index;  // of the node's inputs or outputs
  int64_t axis = 0;
  bool reversed = false;  // iteration 0 has the last slice
};

// What Scan and Loop have in common.
struct LoopForm {
  size_t states;
  size_t first_state;         // of the node's inputs
  size_t body_states;         // the first state of the body's inputs
  size_t body_results;        // the first next state of the body's outputs
  std::vector<Slice> inputs;  // in the order of the body's inputs behind the states
  std::vector<Slice> outputs;
};

class LoopGradient {
 public:
  LoopGradient(GradientContext& context, LoopForm form)
      : context_(context), form_(std::move(form)), forward_(subgraph(context.node(), "body")) {}

  void run() {
    check_states();
    const std::vector<Value*> captured = wanted(context_, captured_values(forward_));
    add_body(captured);
    write_down_states();
    build(captured);
  }

 private:
  // A state of the backward walk: what it starts with, and of what it is the cotangent.
  struct Carried {
    Value* initial;
    Value* in;
    Value* out = nullptr;
  };

  void check_states() const {
    for (size_t i = 0; i < form_.states; ++i) {
      const Type& initial = context_.input(form_.first_state + i)->type();
      const Type& carried = forward_.inputs()[form_.body_states + i]->type();
      if (initial == carried) continue;
      context_.fail("state {} begins as {} and goes on as {}: its gradient would change its shape", i,
                    to_string(initial), to_string(carried));
    }
  }

  // The body of the backward walk: one iteration again, and back through it.
  void add_body(const std::vector<Value*>& captured) {
    body_ = std::make_shared<Graph>(forward_.name() + "_gradient", &context_.node().graph());
    for (size_t i = 0; i < form_.states; ++i) {
      const Value* state = forward_.inputs()[form_.body_states + i];
      if (!is_float(state->dtype())) continue;
      Value* given = context_.grad(i);
      Value* initial =
          given == nullptr ? zeros(context_.builder(), state->dtype(), state->shape()).value() : given;
      carried_.push_back({initial, body_->add_input("d_state", state->type())});
    }
    for (Value* value : captured) {
      carried_.push_back(
          {zeros_like(Term(context_.builder(), value)), body_->add_input("d_captured", value->type())});
    }
    std::vector<Value*> inputs;
    for (const Value* input : forward_.inputs()) {
      Value* copy = is_condition(input) ? nullptr : body_->add_input(input->name(), input->type());
      Builder builder(*body_);
      inputs.push_back(copy != nullptr ? copy : builder.constant(Tensor::scalar(DType::kBool, 1)));
    }
    std::vector<Cotangent> seeds = scan_seeds();
    const std::vector<Value*> results = inline_body(forward_, *body_, nullptr, inputs);
    for (size_t k = 0; k < seeds.size(); ++k) {
      seeds[k].value = results[form_.body_results + form_.states + seeded_[k]];
    }
    add_state_seeds(results, seeds);
    pull(captured, inputs, seeds);
  }

  // The condition of a Loop, which held in every iteration that there was.
  bool is_condition(const Value* input) const {
    return form_.body_states == 2 && input == forward_.inputs()[1];
  }

  // Cotangents of the slices of scan outputs. Their values are set later.
  std::vector<Cotangent> scan_seeds() {
    std::vector<Cotangent> seeds;
    for (size_t i = 0; i < form_.outputs.size(); ++i) {
      const Slice& slice = form_.outputs[i];
      if (context_.grad(slice.index) == nullptr) continue;
      const Value* element = forward_.outputs()[form_.body_results + form_.states + i];
      seeded_.push_back(i);
      seeds.push_back({nullptr, body_->add_input("d_slice", element->type())});
    }
    return seeds;
  }

  void add_state_seeds(const std::vector<Value*>& results, std::vector<Cotangent>& seeds) {
    size_t next = 0;
    for (size_t i = 0; i < form_.states; ++i) {
      if (!is_float(forward_.inputs()[form_.body_states + i]->dtype())) continue;
      seeds.push_back({results[form_.body_results + i], carried_[next++].in});
    }
  }

  void pull(const std::vector<Value*>& captured, const std::vector<Value*>& inputs,
            const std::vector<Cotangent>& seeds) {
    std::vector<Value*> wrt;
    for (size_t i = 0; i < form_.states; ++i) {
      Value* state = inputs[form_.body_states + i];
      if (is_float(state->dtype())) wrt.push_back(state);
    }
    const size_t states = wrt.size();
    wrt.insert(wrt.end(), captured.begin(), captured.end());
    for (size_t i = 0; i < form_.inputs.size(); ++i) {
      if (!context_.wants(form_.inputs[i].index)) continue;
      wrt.push_back(inputs[form_.body_states + form_.states + i]);
      pulled_.push_back(form_.inputs[i]);
    }
    const std::vector<Value*> grads = pull_back(*body_, seeds, wrt, context_.faults());
    Builder builder(*body_);
    for (size_t i = 0; i < carried_.size(); ++i) {
      const bool is_state = i < states;
      Term before(builder, carried_[i].in);
      if (grads[i] == nullptr) {
        carried_[i].out = is_state ? zeros_like(before).value() : before.value();
      } else {
        carried_[i].out = is_state ? grads[i] : (before + Term(builder, grads[i])).value();
      }
    }
    for (size_t i = carried_.size(); i < grads.size(); ++i) {
      slices_.push_back(grads[i] == nullptr ? zeros_like(Term(builder, wrt[i])).value() : grads[i]);
    }
    std::vector<Value*> outputs;
    for (const Carried& item : carried_) outputs.push_back(item.out);
    outputs.insert(outputs.end(), slices_.begin(), slices_.end());
    body_->set_outputs(outputs, no_names(outputs.size()));
  }

  // Further scan outputs of the loop: what each iteration begins with, and the number of a Loop's.
  void write_down_states() {
    Node& node = context_.node();
    std::vector<Value*> outputs = forward_.outputs();
    std::vector<std::string> names = forward_.output_names();
    const size_t first = node.outputs().size();
    for (size_t i = 0; i < form_.body_states + form_.states; ++i) {
      if (is_condition(forward_.inputs()[i])) continue;
      outputs.push_back(forward_.inputs()[i]);
      names.emplace_back();
    }
    const size_t added = outputs.size() - forward_.outputs().size();
    forward_.set_outputs(outputs, names);
    for (size_t i = 0; i < added; ++i) node.graph().ensure_output(&node, first + i);
    infer_node(node);
    for (size_t i = 0; i < added; ++i) history_.push_back(node.output(first + i));
  }

  void build(const std::vector<Value*>& captured) {
    std::vector<Value*> inputs;
    std::vector<int64_t> axes;
    std::vector<int64_t> directions;
    for (const Carried& item : carried_) inputs.push_back(item.initial);
    auto scan = [&](Value* value, int64_t axis, bool reversed) {
      inputs.push_back(value);
      axes.push_back(axis);
      directions.push_back(reversed ? 1 : 0);
    };
    for (Value* value : history_) scan(value, 0, true);
    for (const Slice& slice : form_.inputs) scan(context_.input(slice.index), slice.axis, !slice.reversed);
    for (size_t i : seeded_) {
      const Slice& slice = form_.outputs[i];
      scan(context_.grad(slice.index), slice.axis, !slice.reversed);
    }
    std::vector<int64_t> output_axes;
    std::vector<int64_t> output_directions;
    for (const Slice& slice : pulled_) {
      output_axes.push_back(slice.axis);
      output_directions.push_back(slice.reversed ? 0 : 1);
    }
    const std::vector<Value*> results =
        context_.builder().op_n("Scan", carried_.size() + slices_.size(), inputs,
                                {{"body", body_},
                                 {"num_scan_inputs", static_cast<int64_t>(axes.size())},
                                 {"scan_input_axes", axes},
                                 {"scan_input_directions", directions},
                                 {"scan_output_axes", output_axes},
                                 {"scan_output_directions", output_directions}});
    size_t next = 0;
    for (size_t i = 0; i < form_.states; ++i) {
      Value* state = context_.input(form_.first_state + i);
      if (is_float(state->dtype())) context_.contribute(state, results[next++]);
    }
    for (Value* value : captured) context_.contribute(value, results[next++]);
    for (const Slice& slice : pulled_) context_.set(slice.index, results[next++]);
  }

  GradientContext& context_;
  LoopForm form_;
  Graph& forward_;
  std::shared_ptr<Graph> body_;  // shared: attributes hold sub-graphs so
  std::vector<Carried> carried_;
  std::vector<size_t> seeded_;  // scan outputs with a cotangent
  std::vector<Slice> pulled_;   // scan inputs that want one
  std::vector<Value*> slices_;  // of their cotangents
  std::vector<Value*> history_;
};

std::vector<Slice> slices(const Node& node, size_t first, size_t count, bool outputs) {
  const char* axes_name = outputs ? "scan_output_axes" : "scan_input_axes";
  const char* directions_name = outputs ? "scan_output_directions" : "scan_input_directions";
  const auto axes = node.attribute<std::vector<int64_t>>(axes_name, {});
  const auto directions = node.attribute<std::vector<int64_t>>(directions_name, {});
  std::vector<Slice> result;
  for (size_t i = 0; i < count; ++i) {
    result.push_back({first + i, i < axes.size() ? axes[i] : 0, i < directions.size() && directions[i] != 0});
  }
  return result;
}

void scan_gradient(GradientContext& context) {
  const Node& node = context.node();
  const auto scanned = static_cast<size_t>(node.attribute<int64_t>("num_scan_inputs"));
  const size_t states = node.inputs().size() - scanned;
  LoopGradient(context, {.states = states,
                         .first_state = 0,
                         .body_states = 0,
                         .body_results = 0,
                         .inputs = slices(node, states, scanned, false),
                         .outputs = slices(node, states, node.outputs().size() - states, true)})
      .run();
}

void loop_gradient(GradientContext& context) {
  const Node& node = context.node();
  if (node.input(0) == nullptr) context.fail("a loop without trip count: its states cannot be written down");
  const size_t states = node.inputs().size() - std::min<size_t>(2, node.inputs().size());
  LoopForm form{
      .states = states, .first_state = 2, .body_states = 2, .body_results = 1, .inputs = {}, .outputs = {}};
  for (size_t i = states; i < node.outputs().size(); ++i) form.outputs.push_back({i});
  LoopGradient(context, std::move(form)).run();
}

constexpr GradientRule kRules[] = {{"If", if_gradient}, {"Loop", loop_gradient}, {"Scan", scan_gradient}};

}  // namespace

std::span<const GradientRule> control_flow_gradients() { return kRules; }

}  // namespace dlc::ir

#include "ir/ops/recurrent_unfold.h"

#include "ir/ops/lower_util.h"
#include "ir/ops/recurrent_activation.h"
#include "ir/ops/recurrent_layer.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

using Terms = std::vector<Term>;

Terms split(const Term& x, int64_t parts, int64_t axis) {
  if (parts == 1) return {x};
  Terms result;
  for (Value* part :
       x.builder().op_n("Split", static_cast<size_t>(parts), {x}, {{"axis", axis}, {"num_outputs", parts}})) {
    result.emplace_back(x.builder(), part);
  }
  return result;
}

Term activated(const GateActivation& activation, const Term& x) {
  const double alpha = activation.alpha;
  const double beta = activation.beta;
  switch (activation.function) {
    case GateFunction::kRelu:
      return x.apply("Relu");
    case GateFunction::kTanh:
      return tanh(x);
    case GateFunction::kSigmoid:
      return sigmoid(x);
    case GateFunction::kAffine:
      return alpha * x + beta;
    case GateFunction::kLeakyRelu:
      return x.apply("LeakyRelu", {}, {{"alpha", alpha}});
    case GateFunction::kThresholdedRelu:
      return where(x >= alpha, x, 0);
    case GateFunction::kScaledTanh:
      return alpha * tanh(beta * x);
    case GateFunction::kHardSigmoid:
      return x.apply("HardSigmoid", {}, {{"alpha", alpha}, {"beta", beta}});
    case GateFunction::kElu:
      return x.apply("Elu", {}, {{"alpha", alpha}});
    case GateFunction::kSoftsign:
      return x.apply("Softsign");
    case GateFunction::kSoftplus:
      return x.apply("Softplus");
  }
  return x;
}

// What the layers differ in: from the projected input [batch, gates * hidden] and the states to the next
// states, of which the first is the output.
struct Cell;
using StepFunction = Terms (*)(const Cell& cell, const Term& projected, const Terms& states);

// One direction. Values of the outer graph that the step reads are captured.
struct Cell {
  const Node& node;
  const GateActivation* activations;
  Value* recurrence = nullptr;         // [hidden, gates * hidden]
  std::vector<Value*> peepholes = {};  // i, o, f: [hidden]; or none
  Value* candidate_bias = nullptr;     // of a GRU's recurrence, where it is inside of the reset: [hidden]
  std::vector<Value*> parts = {};      // of the recurrence, a gate each, where a step needs them

  Term gate(size_t function, const Term& sum) const {
    if (!node.has("clip")) return activated(activations[function], sum);
    const double clip = node.attribute<double>("clip");
    return activated(activations[function], sum.apply("Clip", {sum.number(-clip), sum.number(clip)}));
  }
};

Term product(const Term& a, Value* b) { return a.apply("MatMul", {b}); }

Terms lstm_step(const Cell& cell, const Term& projected, const Terms& states) {
  Builder& builder = projected.builder();
  const Term& before = states[1];
  const Terms sums = split(projected + product(states[0], cell.recurrence), 4, -1);
  auto peek = [&](const Term& sum, size_t number, const Term& state) {
    return cell.peepholes.empty() ? sum : sum + Term(builder, cell.peepholes[number]) * state;
  };
  const Term i = cell.gate(0, peek(sums[0], 0, before));
  const bool coupled = cell.node.attribute<int64_t>("input_forget", 0) != 0;
  const Term f = coupled ? 1 - i : cell.gate(0, peek(sums[2], 2, before));
  const Term next = f * before + i * cell.gate(1, sums[3]);
  const Term o = cell.gate(0, peek(sums[1], 1, next));
  return {o * activated(cell.activations[2], next), next};
}

Terms gru_step(const Cell& cell, const Term& projected, const Terms& states) {
  Builder& builder = projected.builder();
  const Term& before = states[0];
  const Terms inputs = split(projected, 3, -1);
  const Term z = cell.gate(0, inputs[0] + product(before, cell.parts[0]));
  const Term r = cell.gate(0, inputs[1] + product(before, cell.parts[1]));
  const bool reset_after = cell.node.attribute<int64_t>("linear_before_reset", 0) != 0;
  Term inner = product(reset_after ? before : r * before, cell.parts[2]);
  if (reset_after && cell.candidate_bias != nullptr) inner = inner + Term(builder, cell.candidate_bias);
  const Term candidate = cell.gate(1, inputs[2] + (reset_after ? r * inner : inner));
  return {(1 - z) * candidate + z * before};
}

Terms rnn_step(const Cell& cell, const Term& projected, const Terms& states) {
  return {cell.gate(0, projected + product(states[0], cell.recurrence))};
}

struct Kind {
  int64_t gates;
  size_t states;
  std::vector<std::string> activations;  // of a direction
  StepFunction step;
};

class Unfolder {
 public:
  Unfolder(Builder& builder, Node& node, Kind kind)
      : builder_(builder),
        node_(node),
        kind_(std::move(kind)),
        directions_(directions_of(node)),
        type_(compute_type(node.input(kX)->dtype())),
        batch_first_(is_batch_first(node)),
        x_(input(kX)) {
    if (batch_first_) x_ = transpose(x_, {1, 0, 2});
    steps_ = x_.shape()[0];
    batch_ = x_.shape()[1];
    hidden_ = node.input(kR)->shape()[2];
    if (node.input(kLengths) != nullptr)
      lengths_ = Term(builder, node.input(kLengths)).cast(DType::kInt64).value();
  }

  bool run() {
    const std::vector<GateActivation> activations =
        gate_activations(node_, kind_.activations, directions_.size());
    std::vector<std::vector<Value*>> results(1 + kind_.states);
    for (size_t d = 0; d < directions_.size(); ++d) {
      const Terms found = direction(d, activations.data() + kind_.activations.size() * d);
      for (size_t i = 0; i < found.size(); ++i) results[i].push_back(found[i]);
    }
    for (size_t i = 0; i < results.size(); ++i) {
      if (node_.output(i) != nullptr) replace(i, results[i]);
    }
    return true;
  }

 private:
  Term input(size_t i) const { return Term(builder_, node_.input(i)).cast(type_); }

  // The part of direction d of an input whose axis 0 (or 1) counts the directions, without that axis.
  Term part(const Term& x, size_t d, size_t axis) const {
    Shape shape = x.shape();
    shape.erase(shape.begin() + static_cast<ptrdiff_t>(axis));
    const Terms parts = split(x, static_cast<int64_t>(directions_.size()), static_cast<int64_t>(axis));
    return reshape(parts[d], shape);
  }

  Term reversed(const Term& x) const {
    return x.apply("ReverseSequence", {lengths_}, {{"time_axis", int64_t{0}}, {"batch_axis", int64_t{1}}});
  }

  // Y [steps, batch, hidden], then the last states [batch, hidden].
  Terms direction(size_t d, const GateActivation* activations) {
    Cell cell{node_, activations};
    const Term recurrence = part(input(kR), d, 0);
    cell.recurrence = transpose(recurrence, {1, 0});
    for (const Term& gate : split(recurrence, kind_.gates, 0)) cell.parts.push_back(transpose(gate, {1, 0}));
    if (node_.input(kPeepholes) != nullptr) {
      for (const Term& peephole : split(part(input(kPeepholes), d, 0), 3, 0))
        cell.peepholes.push_back(peephole);
    }
    Term projected = x_.apply("MatMul", {transpose(part(input(kW), d, 0), {1, 0})});
    projected = add_bias(projected, d, cell);
    const bool backwards = directions_[d] == Direction::kReverse;
    const bool by_length = backwards && lengths_ != nullptr;
    if (by_length) projected = reversed(projected);
    Terms results = walk(cell, projected, d, backwards && !by_length);
    if (by_length) results[0] = reversed(results[0]);
    return results;
  }

  // The biases of input and recurrence are added beforehand, but for the one that a reset gate multiplies.
  Term add_bias(const Term& projected, size_t d, Cell& cell) const {
    if (node_.input(kBias) == nullptr) return projected;
    const Terms biases = split(part(input(kBias), d, 0), 2, 0);
    const bool reset_after = kind_.gates == 3 && node_.attribute<int64_t>("linear_before_reset", 0) != 0;
    if (!reset_after) return projected + biases[0] + biases[1];
    const Terms gates = split(biases[1], 3, 0);
    cell.candidate_bias = gates[2];
    const Term outside = gates[0].apply("Concat", {gates[1], zeros_like(gates[2])}, {{"axis", int64_t{0}}});
    return projected + biases[0] + outside;
  }

  Term initial_state(size_t i, size_t d) const {
    const size_t number = kInitialH + i;
    if (node_.input(number) != nullptr) return part(input(number), d, batch_first_ ? 1 : 0);
    return zeros(builder_, type_, {batch_, hidden_});
  }

  Terms walk(const Cell& cell, const Term& projected, size_t d, bool backwards) {
    std::vector<Value*> inputs;
    for (size_t i = 0; i < kind_.states; ++i) inputs.push_back(initial_state(i, d));
    inputs.push_back(projected);
    if (lengths_ != nullptr) inputs.push_back(range(builder_, steps_));
    const int64_t direction = backwards ? 1 : 0;
    const std::vector<Value*> outputs = builder_.op_n(
        "Scan", kind_.states + 1, inputs,
        {{"body", step_body(cell, projected)},
         {"num_scan_inputs", static_cast<int64_t>(inputs.size() - kind_.states)},
         {"scan_input_directions", std::vector<int64_t>(inputs.size() - kind_.states, direction)},
         {"scan_output_directions", std::vector<int64_t>{direction}}});
    Terms results = {Term(builder_, outputs.back())};
    for (size_t i = 0; i < kind_.states; ++i) results.emplace_back(builder_, outputs[i]);
    return results;
  }

  std::shared_ptr<Graph> step_body(const Cell& cell, const Term& projected) const {
    auto body = std::make_shared<Graph>("step", &builder_.graph());
    Builder inside(*body);
    Terms states;
    for (size_t i = 0; i < kind_.states; ++i) {
      states.emplace_back(inside, body->add_input("state", Type(type_, {batch_, hidden_})));
    }
    const Term row(inside, body->add_input("input", Type(type_, {batch_, projected.shape()[2]})));
    Terms next = kind_.step(cell, row, states);
    Term y = next[0];
    if (lengths_ != nullptr) {
      const Term time(inside, body->add_input("time", Type(DType::kInt64, {})));
      const Term active = time < reshape(Term(inside, lengths_), {batch_, 1});
      y = where(active, y, 0);
      for (size_t i = 0; i < next.size(); ++i) next[i] = where(active, next[i], states[i]);
    }
    std::vector<Value*> outputs(next.begin(), next.end());
    outputs.push_back(y);
    body->set_outputs(outputs, std::vector<std::string>(outputs.size()));
    return body;
  }

  // The results of the directions beside one another, in the layout and type of the output.
  void replace(size_t i, const std::vector<Value*>& results) {
    const size_t axis = i == 0 ? 1 : 0;
    std::vector<Value*> rows;
    for (Value* result : results) {
      Shape shape = result->shape();
      shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis), 1);
      rows.push_back(builder_.reshape(result, shape));
    }
    Term all(builder_, rows.size() == 1
                           ? rows[0]
                           : builder_.op("Concat", rows, {{"axis", static_cast<int64_t>(axis)}}));
    if (batch_first_) {
      all = transpose(all, i == 0 ? std::vector<int64_t>{2, 0, 1, 3} : std::vector<int64_t>{1, 0, 2});
    }
    builder_.replace(node_, i, all.cast(node_.output(i)->dtype()));
  }

  Builder& builder_;
  Node& node_;
  Kind kind_;
  std::vector<Direction> directions_;
  DType type_;
  bool batch_first_;
  Term x_;  // [steps, batch, inputs]
  Dim steps_, batch_, hidden_;
  Value* lengths_ = nullptr;
};

}  // namespace

bool unfold_lstm(Builder& builder, Node& node) {
  return Unfolder(builder, node, {4, 2, {"Sigmoid", "Tanh", "Tanh"}, lstm_step}).run();
}

bool unfold_gru(Builder& builder, Node& node) {
  return Unfolder(builder, node, {3, 1, {"Sigmoid", "Tanh"}, gru_step}).run();
}

bool unfold_rnn(Builder& builder, Node& node) {
  return Unfolder(builder, node, {1, 1, {"Tanh"}, rnn_step}).run();
}

}  // namespace dlc::ir

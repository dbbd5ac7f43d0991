// LSTM, GRU and RNN.
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/recurrent_activation.h"
#include "ir/ops/recurrent_layer.h"
#include "ir/ops/recurrent_unfold.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

using Step = RecurrentLayer::Step;

// The activation of a sum, which the attribute `clip` bounds before.
Expr gate(const Node& node, const GateActivation& activation, Expr sum) {
  if (node.has("clip")) {
    double clip = node.attribute<double>("clip");
    sum = max(constant(sum.type(), -clip), min(sum, constant(sum.type(), clip)));
  }
  return apply(activation, sum);
}

// Column of gate `number` at hidden index j.
Expr column(const RecurrentLayer& layer, size_t number, const Expr& j) {
  return j + dim(Dim(static_cast<int64_t>(number)) * layer.hidden());
}

// ---- LSTM: gates i, o, f, c

// Of weights that are numbers, as X is.
void infer_numbers(InferContext& context, int64_t gates, bool has_cell) {
  for (size_t i : {kW, kR}) require_type(context, i, TypeClass::kFloat);
  infer_recurrent(context, gates, has_cell);
}

void infer_lstm(InferContext& context) { infer_numbers(context, 4, true); }

struct LstmCell {
  RecurrentLayer& layer;
  const Node& node;
  const GateActivation* activations;  // f, g, h

  Expr peephole(size_t number, const Expr& j, const Expr& cell) const {
    LowerContext& context = layer.context();
    Expr weight = context.at_input(kPeepholes,
                                   {integer(static_cast<int64_t>(layer.index())), column(layer, number, j)});
    return widen(weight) * cell;
  }

  // From the sums of the gates and the cell before: the new hidden and cell states.
  std::vector<Expr> compute(Step& step, BufferId sums, BufferId cell_before, Block& block,
                            const Index& index) const {
    LowerContext& context = step.context;
    const Expr& j = index[1];
    auto sum = [&](size_t number) { return context.at(sums, {index[0], column(layer, number, j)}); };
    bool peeks = context.has_input(kPeepholes);
    Expr before = bind_value(context, block, widen(context.at(cell_before, index)));
    Expr i_sum = peeks ? sum(0) + peephole(0, j, before) : sum(0);
    Expr f_sum = peeks ? sum(2) + peephole(2, j, before) : sum(2);
    Expr i = bind_value(context, block, gate(node, activations[0], i_sum));
    bool coupled = node.attribute<int64_t>("input_forget", 0) != 0;
    Expr f = coupled ? constant(i.type(), 1) - i : gate(node, activations[0], f_sum);
    Expr candidate = gate(node, activations[1], sum(3));
    Expr cell = bind_value(context, block, f * before + i * candidate);
    Expr o_sum = peeks ? sum(1) + peephole(1, j, cell) : sum(1);
    return {gate(node, activations[0], o_sum) * apply(activations[2], cell), cell};
  }
};

void lower_lstm_direction(LowerContext& context, size_t index, Direction direction,
                          const GateActivation* activations, const LstmProducts& products) {
  RecurrentLayer layer(context, index, direction, 4, products.layout);
  BufferId projection = products.project(layer);
  BufferId hidden = layer.state(kInitialH, "hidden");
  BufferId cell = layer.state(kInitialC, "cell");
  BufferId sums = context.temp(layer.type(), {layer.batch(), Dim(4) * layer.hidden()}, "gates");
  LstmCell lstm{layer, context.node(), activations};
  layer.walk([&](Step& step) {
    BufferId before = layer.at_step(step, hidden, step.time, "hidden");
    products.multiply(layer, step, sums, before, [&](const Expr& sum, const Index& at) {
      return sum + step.context.at(projection, {layer.position(step, at[0]), at[0], at[1]});
    });
    BufferId cell_before = layer.at_step(step, cell, step.time, "cell");
    layer.update(step, {hidden, cell}, [&](Block& block, const Index& at) {
      return lstm.compute(step, sums, cell_before, block, at);
    });
  });
  layer.finish(hidden, 1);
  layer.finish(cell, 2);
}

void lower_lstm(LowerContext& context) {
  auto multiply = [](RecurrentLayer& layer, Step& step, BufferId out, BufferId state,
                     const LstmProducts::Epilogue& epilogue) {
    RecurrentLayer::multiply(step.context, out, state, layer.recurrence(0, 4), layer.type(), epilogue,
                             "recurrence");
  };
  lower_lstm_by(context,
                {.project = [](RecurrentLayer& layer) { return layer.project(true); }, .multiply = multiply});
}

// ---- GRU: gates z, r, h

void infer_gru(InferContext& context) { infer_numbers(context, 3, false); }

// h' = (1 - z) * candidate + z * h
Expr blend(const Expr& z, const Expr& candidate, const Expr& before) {
  return (constant(z.type(), 1) - z) * candidate + z * before;
}

struct GruDirection {
  LowerContext& context;
  RecurrentLayer layer;
  const GateActivation* activations;  // f, g
  BufferId projection = BufferId::kNone;
  BufferId hidden = BufferId::kNone;

  Expr projected(Step& step, size_t number, const Index& at) const {
    return step.context.at(projection, {layer.position(step, at[0]), at[0], column(layer, number, at[1])});
  }
  Expr activated(size_t function, const Expr& sum) const {
    return gate(context.node(), activations[function], sum);
  }

  // The linear map of the state comes first: one product serves all gates.
  void walk_reset_after() {
    BufferId sums = context.temp(layer.type(), {layer.batch(), Dim(3) * layer.hidden()}, "gates");
    BufferId weights = layer.recurrence(0, 3);
    layer.walk([&](Step& step) {
      BufferId before = layer.at_step(step, hidden, step.time, "hidden");
      auto add_bias = [&](const Expr& sum, const Index& at) { return sum + layer.recurrence_bias(at[1]); };
      RecurrentLayer::multiply(step.context, sums, before, weights, layer.type(), add_bias, "recurrence");
      layer.update(step, {hidden}, [&](Block& block, const Index& at) {
        auto sum = [&](size_t number) {
          return step.context.at(sums, {at[0], column(layer, number, at[1])});
        };
        Expr z = bind_value(step.context, block, activated(0, projected(step, 0, at) + sum(0)));
        Expr r = activated(0, projected(step, 1, at) + sum(1));
        Expr candidate = activated(1, projected(step, 2, at) + r * sum(2));
        return std::vector<Expr>{blend(z, candidate, widen(step.context.at(before, at)))};
      });
    });
  }

  // The reset gate applies to the state: the candidate needs a product of its own.
  void walk_reset_before() {
    Dim size = layer.hidden();
    DType stored = context.input_type(0).dtype;
    BufferId sums = context.temp(layer.type(), {layer.batch(), Dim(2) * size}, "gates");
    BufferId reset = context.temp(stored, {layer.batch(), size}, "reset");
    BufferId inner = context.temp(layer.type(), {layer.batch(), size}, "candidate");
    BufferId gate_weights = layer.recurrence(0, 2);
    BufferId candidate_weights = layer.recurrence(2, 1);
    layer.walk([&](Step& step) {
      LowerContext& steps = step.context;
      BufferId before = layer.at_step(step, hidden, step.time, "hidden");
      auto add_gates = [&](const Expr& sum, const Index& at) {
        Expr input = steps.at(projection, {layer.position(step, at[0]), at[0], at[1]});
        return sum + layer.recurrence_bias(at[1]) + input;
      };
      RecurrentLayer::multiply(steps, sums, before, gate_weights, layer.type(), add_gates, "recurrence");
      auto reset_state = [&](const Index& at) {
        Expr r = activated(0, steps.at(sums, {at[0], column(layer, 1, at[1])}));
        return cast(r * widen(steps.at(before, at)), stored);
      };
      steps.map(reset, reset_state, "reset");
      auto add_candidate = [&](const Expr& sum, const Index& at) {
        return sum + layer.recurrence_bias(column(layer, 2, at[1])) + projected(step, 2, at);
      };
      RecurrentLayer::multiply(steps, inner, reset, candidate_weights, layer.type(), add_candidate,
                               "candidate");
      layer.update(step, {hidden}, [&](Block& block, const Index& at) {
        Expr z = bind_value(steps, block, activated(0, steps.at(sums, {at[0], at[1]})));
        return std::vector<Expr>{blend(z, activated(1, steps.at(inner, at)), widen(steps.at(before, at)))};
      });
    });
  }
};

void lower_gru(LowerContext& context) {
  std::vector<Direction> directions = directions_of(context.node());
  auto activations = gate_activations(context.node(), {"Sigmoid", "Tanh"}, directions.size());
  bool reset_after = context.node().attribute<int64_t>("linear_before_reset", 0) != 0;
  for (size_t d = 0; d < directions.size(); ++d) {
    GruDirection gru{context, RecurrentLayer(context, d, directions[d], 3), activations.data() + 2 * d};
    gru.projection = gru.layer.project(false);
    gru.hidden = gru.layer.state(kInitialH, "hidden");
    if (reset_after) {
      gru.walk_reset_after();
    } else {
      gru.walk_reset_before();
    }
    gru.layer.finish(gru.hidden, 1);
  }
}

// ---- RNN

void infer_rnn(InferContext& context) { infer_numbers(context, 1, false); }

void lower_rnn(LowerContext& context) {
  std::vector<Direction> directions = directions_of(context.node());
  auto activations = gate_activations(context.node(), {"Tanh"}, directions.size());
  for (size_t d = 0; d < directions.size(); ++d) {
    RecurrentLayer layer(context, d, directions[d], 1);
    BufferId projection = layer.project(true);
    BufferId hidden = layer.state(kInitialH, "hidden");
    BufferId weights = layer.recurrence(0, 1);
    BufferId sums = context.temp(layer.type(), {layer.batch(), layer.hidden()}, "sum");
    layer.walk([&](Step& step) {
      BufferId before = layer.at_step(step, hidden, step.time, "hidden");
      auto add_input = [&](const Expr& sum, const Index& at) {
        return sum + step.context.at(projection, {layer.position(step, at[0]), at[0], at[1]});
      };
      RecurrentLayer::multiply(step.context, sums, before, weights, layer.type(), add_input, "recurrence");
      layer.update(step, {hidden}, [&](Block&, const Index& at) {
        return std::vector<Expr>{gate(context.node(), activations[d], step.context.at(sums, at))};
      });
    });
    layer.finish(hidden, 1);
  }
}

}  // namespace

void lower_lstm_by(LowerContext& context, const LstmProducts& products) {
  std::vector<Direction> directions = directions_of(context.node());
  auto activations = gate_activations(context.node(), {"Sigmoid", "Tanh", "Tanh"}, directions.size());
  for (size_t d = 0; d < directions.size(); ++d) {
    lower_lstm_direction(context, d, directions[d], activations.data() + 3 * d, products);
  }
}

void register_recurrent(OpRegistry& registry) {
  registry.add({.name = "LSTM", .infer = infer_lstm, .lower = lower_lstm, .unfold = unfold_lstm});
  registry.add({.name = "GRU", .infer = infer_gru, .lower = lower_gru, .unfold = unfold_gru});
  registry.add({.name = "RNN", .infer = infer_rnn, .lower = lower_rnn, .unfold = unfold_rnn});
}

}  // namespace dlc::ir

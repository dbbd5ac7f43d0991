// What LSTM, GRU and RNN share: the inputs in one layout, the projection of all time steps as one
// contraction, and the walk over time with the state of every step in a buffer of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

// Positions of the inputs of LSTM, GRU (up to the initial hidden state) and RNN.
enum RecurrentInput : size_t { kX, kW, kR, kBias, kLengths, kInitialH, kInitialC, kPeepholes };

// Attribute `layout`: whether the batch is the first axis of X, Y and the states.
bool is_batch_first(const Node& node);

// How W and R lie: a row of weights for each gate's element, [directions, gates * hidden, ...], or a column,
// [directions, ..., gates * hidden].
enum class WeightLayout : uint8_t { kRows, kColumns };

// Sets the types of Y, Y_h and Y_c.
void infer_recurrent(InferContext& context, int64_t gates, bool has_cell,
                     WeightLayout layout = WeightLayout::kRows);

enum class Direction : uint8_t { kForward, kReverse };
// One or two, from the attribute.
std::vector<Direction> directions_of(const Node& node);

// One direction of a layer while it is lowered. All buffers are views in the layout [time, batch, ...].
class RecurrentLayer {
 public:
  RecurrentLayer(LowerContext& context, size_t index, Direction direction, size_t gates,
                 WeightLayout layout = WeightLayout::kRows);

  LowerContext& context() { return context_; }
  size_t index() const { return index_; }
  DType type() const { return type_; }  // in which gates are computed
  const Dim& steps() const { return steps_; }
  const Dim& batch() const { return batch_; }
  const Dim& hidden() const { return hidden_; }
  BufferId x() const { return x_; }  // [steps, batch, inputs]
  // Rows [first, first + count) * hidden of this direction's recurrence weights.
  BufferId recurrence(size_t first, size_t count);
  // Element of this direction's bias: of the input (W) or of the recurrence (R); 0 where the node has none.
  Expr input_bias(const Expr& row) const;
  Expr recurrence_bias(const Expr& row) const;

  // [steps, batch, gates * hidden]: x * W^T plus the input's bias, and the recurrence's where `both` is set.
  BufferId project(bool both_biases);
  // [steps + 1, batch, hidden] whose first step is the initial state of input `initial` (zeros if absent).
  BufferId state(size_t initial, std::string_view hint);

  // out[b, n] = epilogue(sum over k of a[b, k] * weights[n, k]).
  static void multiply(LowerContext& context, BufferId out, BufferId a, BufferId weights, DType accumulator,
                       const std::function<Expr(Expr sum, const Index&)>& epilogue, std::string_view name);

  // Inside of the walk over time.
  struct Step {
    LowerContext context;
    Dim time;  // number of the step, from 0 in the order of the walk
  };
  void walk(const std::function<void(Step&)>& body);
  // Step `time` of a state or projection buffer: [batch, width].
  BufferId at_step(Step& step, BufferId buffer, const Dim& time, std::string_view hint) const;
  // The position in time that the step handles for a batch element; reversed sequences end at their own
  // length.
  Expr position(const Step& step, const Expr& batch) const;
  // True while the step lies within the sequence of a batch element; empty if all have full length.
  Expr active(const Step& step, const Expr& batch) const;
  // A loop nest over [batch, hidden] that computes new states. `cell` adds its statements to the block and
  // returns the new value for each of `states`; the first is also the layer's output.
  using Cell = std::function<std::vector<Expr>(Block&, const Index&)>;
  void update(Step& step, const std::vector<BufferId>& states, const Cell& cell);

  // Copies the last state into an output of the node.
  void finish(BufferId state, size_t output);

 private:
  void check_shapes(WeightLayout layout);
  LowerContext& context_;
  size_t index_;
  Direction direction_;
  size_t gates_;
  bool batch_first_;
  DType type_;
  Dim steps_, batch_, inputs_, hidden_;
  BufferId x_;
  BufferId y_ = BufferId::kNone;  // [time, batch, hidden] of this direction
};

// An LSTM by its products. `multiply` sets out[b, n] = epilogue(row b of the state times column n of the
// recurrence weights) for one step.
struct LstmProducts {
  using Epilogue = std::function<Expr(Expr sum, const Index&)>;
  WeightLayout layout = WeightLayout::kRows;
  std::function<BufferId(RecurrentLayer&)> project;  // with both biases
  std::function<void(RecurrentLayer&, RecurrentLayer::Step&, BufferId out, BufferId state, const Epilogue&)>
      multiply;
};
void lower_lstm_by(LowerContext& context, const LstmProducts& products);

// A value that is used more than once becomes a scalar of the block.
Expr bind_value(LowerContext& context, Block& block, const Expr& value);

}  // namespace dlc::ir

// What the programs of a training step take and give, so that they can be driven without a compiler.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/dtype.h"

namespace dlc::training {

// One tensor of a batch: an input of the model, or the target. The first extent is the batch.
struct Field {
  std::string name;
  DType dtype = DType::kUndefined;
  std::vector<int64_t> shape;  // with the batch
};

enum class StateRole : uint8_t {
  kParameter,    // trained
  kStatistic,    // changed by the forward pass: running means and variances
  kMoment,       // of the optimizer
  kAccumulator,  // sums of gradients of the batches before
  kAverage,      // moving averages of parameters
};

// The average of the parameter `w` is "w.average"; it begins as the parameter.
constexpr std::string_view kAverageEnding = ".average";

struct State {
  std::string name;  // of a parameter or statistic: in the model's file
  StateRole role = StateRole::kParameter;
  DType dtype = DType::kUndefined;
  std::vector<int64_t> shape;
};

// A program takes the fields, then `weights` (f32, one a sample: 0 leaves it out), `rate` (f32: the learning
// rate), `step` (i64: counts optimizer steps from 1) and `draw` (i64: the key of random numbers), then the
// states. It gives the loss (f32), the norm of the gradient (f32), the model's outputs, then the states that
// it changes. A program that evaluates takes statistics, and parameters or their averages, as states; it
// gives the loss, the sum of the weights that it is an average over (f32), and the model's outputs.
//
// Of processes that train together each takes its share of the samples; loss, gradients and statistics are
// those of all. The program gives and takes `exchanged` by the context's exchange, as sums over the
// processes.
struct ExchangedPart {
  DType dtype = DType::kUndefined;  // f32 or f64
  int64_t count = 0;                // of elements
};

struct StepLayout {
  std::vector<Field> fields;
  std::vector<Field> outputs;
  std::vector<State> states;    // taken
  std::vector<size_t> changed;  // of the states, in the order given
  // Of those, which the program may be given their own memory for: it writes them after all that it reads of
  // them. Empty: none.
  std::vector<bool> in_place = {};
  std::vector<ExchangedPart> exchanged =
      {};  // in the order in which they are given; nothing: it trains alone
};

constexpr size_t kScalarInputs = 4;   // weights, rate, step, draw
constexpr size_t kScalarOutputs = 2;  // loss, norm

}  // namespace dlc::training

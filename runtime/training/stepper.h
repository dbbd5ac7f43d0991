// Runs the programs of a training step and keeps their states.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/program.h"
#include "runtime/training/communicator.h"
#include "runtime/training/loader.h"
#include "runtime/training/step.h"

namespace dlc::training {

struct StepProgram {
  runtime::Program program;
  StepLayout layout;
};

// Whether the next values of changed state number `changed` are written over those before; else both are
// there while a step runs.
bool is_in_place(const StepProgram& program, size_t changed);
// Of all that a stepper holds for it.
int64_t state_bytes(const StepProgram& program);

Tensor copy_of(const Tensor& tensor);

struct StepPrograms {
  std::optional<StepProgram> step;        // nothing: evaluate() only
  std::optional<StepProgram> accumulate;  // where one step takes several batches
  StepProgram evaluate;
  int64_t batches_per_step = 1;
};

struct StepResult {
  double loss = 0;           // of this batch
  double gradient_norm = 0;  // of what has been accumulated
  bool stepped = false;      // false: only gradients were collected
};

struct EvaluationResult {
  double loss = 0;
  double weight = 0;            // the loss is an average over so much
  std::vector<Tensor> outputs;  // of the model, valid until the next call
};

// The numbers of a tensor in another type; the tensor itself where it is of that type.
Tensor converted(const Tensor& tensor, DType type);

// What the states of a step start with: those of the map by their names, averages that are missing as their
// parameters. Moments and accumulators that are missing start at zero and are not in the result.
std::map<std::string, Tensor> initial_states(const StepLayout& layout, std::map<std::string, Tensor> states);

class Stepper {
 public:
  // The states by name; moments and accumulators that are missing start at zero, averages as their
  // parameters. Error(kData) where another is missing or one does not fit. Programs that exchange values with
  // other processes need a communicator, which outlives the stepper.
  Stepper(StepPrograms programs, const std::map<std::string, Tensor>& states, runtime::ContextOptions options,
          Communicator* communicator = nullptr);
  ~Stepper();

  // One batch. Requires a program for it. `rate` is used by the batch that completes a step.
  StepResult step(const Batch& batch, double rate);
  EvaluationResult evaluate(const Batch& batch);

  int64_t steps() const { return steps_; }      // completed
  int64_t batches() const { return batches_; }  // seen in training
  int64_t batches_per_step() const { return programs_.batches_per_step; }
  void set_counters(int64_t steps, int64_t batches) {
    steps_ = steps;
    batches_ = batches;
  }

  // The states of a role, by name, in the order of the layout. They share the stepper's memory: the next step
  // changes them.
  std::vector<std::pair<std::string, Tensor>> states(std::initializer_list<StateRole> roles) const;
  // Sets all states of the roles; others of the map are left alone. Error(kData) where one is missing or does
  // not fit.
  void set_states(const std::map<std::string, Tensor>& states, std::initializer_list<StateRole> roles);
  const std::vector<Field>& fields() const { return layout().fields; }  // of a batch
  // Bytes of the states, and all memory of the contexts.
  int64_t state_bytes() const;
  int64_t arena_bytes() const;

 private:
  struct Runner;  // a program with its context and borders
  void add_spares(const Runner& runner);

  // That with all states.
  const StepLayout& layout() const {
    return programs_.step ? programs_.step->layout : programs_.evaluate.layout;
  }

  StepPrograms programs_;
  std::vector<Tensor> states_;
  std::vector<Tensor> spare_;  // the next values of changed states, but for those that change in place
  std::map<std::string, size_t> by_name_;
  std::unique_ptr<Runner> step_;  // null as its program
  std::unique_ptr<Runner> accumulate_;
  std::unique_ptr<Runner> evaluate_;
  int64_t steps_ = 0;
  int64_t batches_ = 0;
  int64_t rank_ = 0;  // of this process among
  int64_t ranks_ = 1;
};

}  // namespace dlc::training

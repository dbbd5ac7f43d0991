#include "runtime/training/stepper.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/error.h"
#include "runtime/training/exchange.h"

namespace dlc::training {

Tensor copy_of(const Tensor& tensor) {
  Tensor result(tensor.dtype(), tensor.shape());
  if (tensor.byte_size() > 0) {
    std::memcpy(result.mutable_data(), tensor.data(), static_cast<size_t>(tensor.byte_size()));
  }
  return result;
}

namespace {

void check_fits(const State& state, const Tensor& tensor) {
  if (tensor.dtype() == state.dtype && tensor.shape() == state.shape) return;
  fail(ErrorKind::kData, "'{}': expected {}[{}], found {}[{}]", state.name, name(state.dtype),
       fmt::join(state.shape, ", "), name(tensor.dtype()), fmt::join(tensor.shape(), ", "));
}

}  // namespace

Tensor converted(const Tensor& tensor, DType type) {
  if (tensor.dtype() == type) return tensor;
  Tensor result(type, tensor.shape());
  for (int64_t i = 0; i < result.size(); ++i) result.set_double(i, tensor.get_double(i));
  return result;
}

bool is_in_place(const StepProgram& program, size_t changed) {
  return program.program.in_place(changed_output(program.layout, changed)) ==
         state_input(program.layout, program.layout.changed[changed]);
}

int64_t state_bytes(const StepProgram& program) {
  const StepLayout& layout = program.layout;
  auto bytes = [](const State& state) {
    return byte_size(state.dtype, std::accumulate(state.shape.begin(), state.shape.end(), int64_t{1},
                                                  std::multiplies<>()));
  };
  int64_t total = 0;
  for (const State& state : layout.states) total += bytes(state);
  for (size_t i = 0; i < layout.changed.size(); ++i) {
    if (!is_in_place(program, i)) total += bytes(layout.states[layout.changed[i]]);
  }
  return total;
}

std::map<std::string, Tensor> initial_states(const StepLayout& layout, std::map<std::string, Tensor> states) {
  for (const State& state : layout.states) {
    if (state.role != StateRole::kAverage || states.contains(state.name)) continue;
    auto it = states.find(state.name.substr(0, state.name.size() - kAverageEnding.size()));
    if (it != states.end()) states[state.name] = converted(it->second, state.dtype);
  }
  return states;
}

struct Stepper::Runner {
  const StepProgram& program;
  std::unique_ptr<Exchange> exchange;  // null: with nobody
  runtime::Context context;
  std::vector<size_t> state_of;  // of the stepper, for each state of the layout
  Tensor rate{DType::kFloat, {}};
  Tensor step{DType::kInt64, {}};
  Tensor draw{DType::kInt64, {}};
  std::vector<dlc_tensor> inputs;
  std::vector<dlc_tensor> outputs;

  Runner(const StepProgram& step_program, runtime::ContextOptions options,
         const std::map<std::string, size_t>& by_name, Communicator* communicator)
      : program(step_program),
        exchange(make_exchange(step_program.layout, communicator)),
        context(step_program.program, with_exchange(std::move(options))) {
    for (const State& state : program.layout.states) state_of.push_back(by_name.at(state.name));
    inputs.resize(program.program.inputs().size());
    outputs.resize(program.program.outputs().size());
  }

  // Runs with the next values of changed states going to `spare`, or in the place of those before.
  void run(const Batch& batch, const std::vector<Tensor>& states, const std::vector<Tensor>& spare) {
    const StepLayout& layout = program.layout;
    size_t at = 0;
    for (const Tensor& field : batch.fields) inputs[at++] = runtime::border_tensor(field);
    const Tensor* const scalars[kScalarInputs] = {&batch.weights, &rate, &step, &draw};
    for (const Tensor* scalar : scalars) inputs[at++] = runtime::border_tensor(*scalar);
    for (size_t i : state_of) inputs[at++] = runtime::border_tensor(states[i]);
    for (size_t i = 0; i < kScalarOutputs + layout.outputs.size(); ++i) outputs[i] = {};
    for (size_t i = 0; i < layout.changed.size(); ++i) {
      const size_t state = state_of[layout.changed[i]];
      outputs[changed_output(layout, i)] =
          runtime::border_tensor((is_in_place(program, i) ? states : spare)[state]);
    }
    if (!exchange) return context.run(inputs, outputs);
    exchange->begin();
    try {
      context.run(inputs, outputs);
    } catch (const Error&) {
      if (exchange->fault().empty()) throw;
      throw Error(ErrorKind::kResource, exchange->fault());
    }
  }

  static std::unique_ptr<Exchange> make_exchange(const StepLayout& layout, Communicator* communicator) {
    if (layout.exchanged.empty()) return nullptr;
    check(communicator != nullptr, "a program that exchanges values has somebody to do it with");
    return std::make_unique<Exchange>(layout.exchanged, *communicator);
  }
  runtime::ContextOptions with_exchange(runtime::ContextOptions options) const {
    options.exchange = exchange ? &exchange->hook() : nullptr;
    return options;
  }

  double scalar(size_t output) const { return *static_cast<const float*>(outputs[output].data); }

  // The model's output as a tensor that looks at the context's memory.
  Tensor output(size_t i) const {
    const Field& field = program.layout.outputs[i];
    return {field.dtype, field.shape, outputs[kScalarOutputs + i].data, nullptr};
  }
};

Stepper::Stepper(StepPrograms programs, const std::map<std::string, Tensor>& states,
                 runtime::ContextOptions options, Communicator* communicator)
    : programs_(std::move(programs)) {
  if (communicator != nullptr) {
    rank_ = communicator->rank();
    ranks_ = communicator->size();
  }
  for (const State& state : layout().states) {
    by_name_[state.name] = states_.size();
    states_.emplace_back(state.dtype, state.shape);
  }
  spare_.resize(states_.size());
  if (!options.pool) options.pool = std::make_shared<runtime::ThreadPool>(options.threads);
  if (programs_.step) step_ = std::make_unique<Runner>(*programs_.step, options, by_name_, communicator);
  if (programs_.accumulate) {
    accumulate_ = std::make_unique<Runner>(*programs_.accumulate, options, by_name_, communicator);
  }
  evaluate_ = std::make_unique<Runner>(programs_.evaluate, options, by_name_, nullptr);
  for (const auto* runner : {&step_, &accumulate_}) {
    if (*runner) add_spares(**runner);
  }
  set_states(states, {StateRole::kParameter, StateRole::kStatistic});
  for (size_t i = 0; i < states_.size(); ++i) {
    const State& state = layout().states[i];
    const bool may_miss = state.role == StateRole::kMoment || state.role == StateRole::kAccumulator;
    const auto given = states.find(state.name);
    if (!may_miss || given == states.end()) continue;
    check_fits(state, given->second);
    states_[i] = copy_of(given->second);
  }
  set_states(initial_states(layout(), states), {StateRole::kAverage});
}

Stepper::~Stepper() = default;

void Stepper::add_spares(const Runner& runner) {
  const std::vector<size_t>& changed = runner.program.layout.changed;
  for (size_t i = 0; i < changed.size(); ++i) {
    const size_t state = runner.state_of[changed[i]];
    if (is_in_place(runner.program, i) || spare_[state].byte_size() > 0) continue;
    spare_[state] = Tensor(states_[state].dtype(), states_[state].shape());
  }
}

StepResult Stepper::step(const Batch& batch, double rate) {
  check(step_ != nullptr, "this stepper has a program for steps");
  bool completes = (batches_ + 1) % programs_.batches_per_step == 0;
  Runner& runner = completes ? *step_ : *accumulate_;
  runner.rate.set_double(0, rate);
  runner.step.set_int(0, steps_ + 1);
  runner.draw.set_int(0, batches_ * ranks_ + rank_);  // processes drop different elements
  runner.run(batch, states_, spare_);
  const std::vector<size_t>& changed = runner.program.layout.changed;
  for (size_t i = 0; i < changed.size(); ++i) {
    const size_t state = runner.state_of[changed[i]];
    if (!is_in_place(runner.program, i)) std::swap(states_[state], spare_[state]);
  }
  ++batches_;
  if (completes) ++steps_;
  return {runner.scalar(0), runner.scalar(1), completes};
}

EvaluationResult Stepper::evaluate(const Batch& batch) {
  evaluate_->run(batch, states_, spare_);
  EvaluationResult result{evaluate_->scalar(0), evaluate_->scalar(1), {}};
  for (size_t i = 0; i < programs_.evaluate.layout.outputs.size(); ++i) {
    result.outputs.push_back(evaluate_->output(i));
  }
  return result;
}

std::vector<std::pair<std::string, Tensor>> Stepper::states(std::initializer_list<StateRole> roles) const {
  std::vector<std::pair<std::string, Tensor>> result;
  const std::vector<State>& all = layout().states;
  for (size_t i = 0; i < all.size(); ++i) {
    const State& state = all[i];
    bool wanted = std::find(roles.begin(), roles.end(), state.role) != roles.end();
    if (wanted) result.emplace_back(state.name, states_[i]);
  }
  return result;
}

void Stepper::set_states(const std::map<std::string, Tensor>& states,
                         std::initializer_list<StateRole> roles) {
  const std::vector<State>& all = layout().states;
  for (size_t i = 0; i < all.size(); ++i) {
    const State& state = all[i];
    if (std::find(roles.begin(), roles.end(), state.role) == roles.end()) continue;
    auto it = states.find(state.name);
    if (it == states.end())
      fail(ErrorKind::kData, "there is no '{}', which the training step needs", state.name);
    check_fits(state, it->second);
    states_[i] = copy_of(it->second);
  }
}

int64_t Stepper::state_bytes() const {
  int64_t bytes = 0;
  for (const Tensor& state : states_) bytes += state.byte_size();
  for (const Tensor& state : spare_) bytes += state.byte_size();
  return bytes;
}

int64_t Stepper::arena_bytes() const {
  int64_t bytes = 0;
  for (const auto* runner : {&step_, &accumulate_, &evaluate_}) {
    if (*runner) bytes += (*runner)->context.arena_bytes();
  }
  return bytes;
}

}  // namespace dlc::training

#include "runtime/training/trainer.h"

#include <chrono>
#include <cmath>

#include "runtime/error.h"

namespace dlc::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t steps_of(int64_t batches, int64_t batches_per_step, int64_t epochs) {
  return std::max<int64_t>(1, batches * epochs / std::max<int64_t>(batches_per_step, 1));
}

bool is_finite(const Tensor& tensor) {
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (!std::isfinite(tensor.get_double(i))) return false;
  }
  return true;
}

// Inputs before what they lead to.
std::string first_that_is_not_finite(const Stepper& stepper, const Batch& batch) {
  for (size_t i = 0; i < batch.fields.size(); ++i) {
    if (is_float(batch.fields[i].dtype()) && !is_finite(batch.fields[i])) {
      return fmt::format("'{}' of the batch", stepper.fields()[i].name);
    }
  }
  for (const auto& [name, tensor] : stepper.states({StateRole::kParameter, StateRole::kStatistic})) {
    if (!is_finite(tensor)) return fmt::format("'{}' after the step", name);
  }
  return "none of batch and parameters";
}

// By the parameters' names.
std::vector<std::pair<std::string, Tensor>> averages_of(const Stepper& stepper) {
  auto averages = stepper.states({StateRole::kAverage});
  for (auto& [name, average] : averages) name.resize(name.size() - kAverageEnding.size());
  return averages;
}

// What the other processes have counted.
void add_others(Communicator& communicator, Evaluation& result, double& weight, Metrics& metrics) {
  std::vector<double> numbers = metrics.counts();
  const size_t counts = numbers.size();
  numbers.insert(numbers.end(), {result.loss, weight, static_cast<double>(result.samples)});
  communicator.sum(numbers);
  result.loss = numbers[counts];
  weight = numbers[counts + 1];
  result.samples = static_cast<int64_t>(numbers[counts + 2]);
  numbers.resize(counts);
  metrics.set_counts(numbers);
}

// Whether one of the processes is to stop, which all of them learn at the same place of the run. The answer
// travels while a step is made.
class StopVote {
 public:
  StopVote(Communicator* communicator, const std::atomic<bool>& stop)
      : communicator_(communicator), stop_(stop) {
    if (communicator_ == nullptr) return;
    votes_ = stop ? 1 : 0;
    ticket_ = communicator_->begin_sum(&votes_, 1, DType::kInt64);
  }
  StopVote(const StopVote&) = delete;
  StopVote& operator=(const StopVote&) = delete;

  bool result() {
    if (communicator_ == nullptr) return stop_;
    communicator_->wait(ticket_);
    return votes_ > 0;
  }

 private:
  Communicator* communicator_;
  const std::atomic<bool>& stop_;
  int64_t votes_ = 0;
  int64_t ticket_ = 0;
};

}  // namespace

double Evaluation::value(const std::string& name) const {
  if (name == "loss") return loss;
  auto it = metrics.find(name);
  if (it == metrics.end()) fail(ErrorKind::kData, "there is no '{}': no sample counted", name);
  return it->second;
}

Evaluation evaluate(Stepper& stepper, Loader& loader, const std::vector<std::string>& names, size_t output,
                    Communicator* communicator) {
  Metrics metrics(names);
  Evaluation result;
  double weight = 0;
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    EvaluationResult part = stepper.evaluate(*batch);
    result.loss += part.loss * part.weight;
    weight += part.weight;
    result.samples += batch->count;
    metrics.add(part.outputs[output], *batch);
  }
  if (communicator != nullptr) add_others(*communicator, result, weight, metrics);
  if (weight > 0) result.loss /= weight;
  result.metrics = metrics.results();
  return result;
}

Trainer::Trainer(Stepper& stepper, Loader& training, Loader* validation, TrainerOptions options)
    : stepper_(stepper),
      training_(training),
      validation_(validation),
      options_(std::move(options)),
      schedule_(options_.schedule, options_.rate,
                steps_of(training.batches(), stepper.batches_per_step(), options_.epochs)) {}

void Trainer::resume(const Checkpoint& checkpoint) {
  if (checkpoint.run.model_hash != state_.model_hash) {
    fail(ErrorKind::kData, "the checkpoint belongs to another model");
  }
  stepper_.set_states(states_of(checkpoint),
                      {StateRole::kParameter, StateRole::kStatistic, StateRole::kMoment,
                       StateRole::kAccumulator, StateRole::kAverage});
  state_ = checkpoint.run;
  stepper_.set_counters(state_.steps, state_.batches);
  schedule_.set_memory(state_.schedule);
}

TrainerEnd Trainer::run(const TrainerEvents& events, const std::atomic<bool>& stop) {
  bool is_new = state_.batches == 0;
  if (is_new && validation_ != nullptr && events.on_start) {
    events.on_start(validate());
  }
  while (state_.epoch < options_.epochs) {
    Clock::time_point start = Clock::now();
    if (!run_epoch(events, stop)) {
      save({"last"});
      return TrainerEnd::kInterrupted;
    }
    if (!finish_epoch(events, seconds_since(start))) return TrainerEnd::kEarly;
    if (StopVote(options_.communicator, stop).result() && state_.epoch < options_.epochs)
      return TrainerEnd::kInterrupted;
  }
  return TrainerEnd::kDone;
}

// Who fails here tells the others why, before what is on its way to them loses its memory.
std::pair<StepResult, bool> Trainer::step(const Batch& batch, double rate, const std::atomic<bool>& stop) {
  StopVote vote(options_.communicator, stop);
  try {
    const StepResult result = stepper_.step(batch, rate);
    return {result, vote.result()};
  } catch (const std::exception& error) {
    if (options_.communicator != nullptr) options_.communicator->leave(error.what());
    throw;
  }
}

// False: it was stopped.
bool Trainer::run_epoch(const TrainerEvents& events, const std::atomic<bool>& stop) {
  training_.start(state_.epoch, state_.batch);
  while (const Batch* batch = training_.next()) {
    Clock::time_point start = Clock::now();
    double rate = schedule_.rate(stepper_.steps());
    const auto [result, stops] = step(*batch, rate, stop);
    check_finite(result, *batch);
    state_.epoch_loss += result.loss;
    ++state_.batch;
    state_.steps = stepper_.steps();
    state_.batches = stepper_.batches();
    if (events.on_step) {
      double speed = static_cast<double>(samples_of(*batch)) / std::max(seconds_since(start), 1e-9);
      events.on_step({state_.epoch, state_.batch - 1, training_.batches(), stepper_.steps(), result.loss,
                      rate, result.gradient_norm, speed, training_.skipped()});
    }
    if (stops || (options_.communicator == nullptr && stop)) return false;
    bool saves = options_.checkpoint_every > 0 && result.stepped &&
                 state_.steps % options_.checkpoint_every == 0 && state_.batch < training_.batches();
    if (saves) save({"last"});
  }
  return true;
}

// False: the run ends here.
bool Trainer::finish_epoch(const TrainerEvents& events, double seconds) {
  EpochEvent event{state_.epoch, state_.steps, 0, {}, validation_ != nullptr, false, seconds};
  event.training_loss = state_.epoch_loss / static_cast<double>(std::max<int64_t>(state_.batch, 1));
  double value = event.training_loss;
  bool is_gain = false;
  if (validation_ != nullptr) {
    event.validation = validate();
    value = event.validation.value(options_.decides);
    is_gain = Metrics::is_gain(options_.decides);
    schedule_.observe(event.validation.loss);
  }
  const bool is_better = is_gain ? value > state_.best : value < state_.best;
  event.is_best = std::isfinite(value) && (state_.best_step < 0 || is_better);
  if (event.is_best) {
    state_.best = value;
    state_.best_step = state_.steps;
    state_.worse_epochs = 0;
  } else {
    ++state_.worse_epochs;
  }
  ++state_.epoch;
  state_.batch = 0;
  state_.epoch_loss = 0;
  // Told first: a run that is killed in between repeats the end of the epoch, rather than never telling of
  // it.
  if (events.on_epoch) events.on_epoch(event);
  save(event.is_best ? std::vector<std::string>{"last", "best"} : std::vector<std::string>{"last"});
  return options_.patience == 0 || state_.worse_epochs < options_.patience;
}

Evaluation Trainer::validate() {
  return evaluate(stepper_, *validation_, options_.metrics, options_.output, options_.communicator);
}

// In all processes; those of a last batch are taken to be spread alike.
int64_t Trainer::samples_of(const Batch& batch) const {
  return options_.communicator == nullptr ? batch.count : batch.count * options_.communicator->size();
}

void Trainer::check_finite(const StepResult& result, const Batch& batch) const {
  if (std::isfinite(result.loss) && std::isfinite(result.gradient_norm)) return;
  fail(ErrorKind::kData,
       "step {}: the loss is {}, the norm of the gradient {}; the first tensor that is not finite: {}. A "
       "lower "
       "learning rate or clipping may help; the last checkpoint is kept",
       stepper_.steps(), result.loss, result.gradient_norm, first_that_is_not_finite(stepper_, batch));
}

void Trainer::save(const std::vector<std::string>& links) {
  if (options_.folder.empty()) return;
  state_.schedule = schedule_.memory();
  Checkpoint checkpoint{state_, stepper_.states({StateRole::kParameter, StateRole::kStatistic}),
                        stepper_.states({StateRole::kMoment, StateRole::kAccumulator}),
                        averages_of(stepper_)};
  write_checkpoint(options_.folder, checkpoint, links, options_.keep);
}

}  // namespace dlc::training

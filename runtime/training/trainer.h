// The loop: epochs of steps, evaluation, checkpoints, early end.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/training/checkpoint.h"
#include "runtime/training/loader.h"
#include "runtime/training/metrics.h"
#include "runtime/training/schedule.h"
#include "runtime/training/stepper.h"

namespace dlc::training {

struct TrainerOptions {
  int64_t epochs = 1;
  double rate = 1e-3;
  ScheduleOptions schedule = {};
  std::vector<std::string> metrics = {};
  size_t output = 0;                     // of the model: what metrics look at
  std::string decides = "loss";          // a metric or "loss", of the validation data: what is best
  int64_t patience = 0;                  // epochs without a better one after which the run ends; 0: never
  std::string folder = "";               // for checkpoints; empty: none
  int64_t checkpoint_every = 0;          // steps; besides the end of each epoch
  int keep = 2;                          // checkpoints
  Communicator* communicator = nullptr;  // of processes that train together; outlives the trainer
};

struct StepEvent {
  int64_t epoch;
  int64_t batch;    // of the epoch, from 0
  int64_t batches;  // of an epoch
  int64_t step;     // of the optimizer, from 1
  double loss;
  double rate;
  double gradient_norm;
  double samples_per_second;
  int64_t skipped;  // samples of the epoch so far that could not be read
};

struct Evaluation {
  double loss = 0;
  int64_t samples = 0;
  std::map<std::string, double> metrics = {};

  // A metric or "loss". Error(kData) where no sample counted.
  double value(const std::string& name) const;
};

struct EpochEvent {
  int64_t epoch;
  int64_t step;
  double training_loss;  // the mean over the batches
  Evaluation validation;
  bool has_validation;
  bool is_best;
  double seconds;
};

// Called from the thread that runs the loop.
struct TrainerEvents {
  std::function<void(const Evaluation&)> on_start = {};  // of the model before its first step
  std::function<void(const StepEvent&)> on_step = {};
  std::function<void(const EpochEvent&)> on_epoch = {};
};

enum class TrainerEnd : uint8_t { kDone, kEarly, kInterrupted };

class Trainer {
 public:
  // Both loaders give batches of the stepper's size; `validation` may be null. All outlive it.
  Trainer(Stepper& stepper, Loader& training, Loader* validation, TrainerOptions options);

  // Goes on where a checkpoint of this run stood: the rest of the run gives the same numbers as one without
  // interruption. Error(kData) where it is a checkpoint of another model.
  void resume(const Checkpoint& checkpoint);
  // Until the last epoch, or until `stop` becomes true: then a checkpoint is written. Error(kData) when the
  // loss is no finite number, naming the step and what is the first tensor at fault; the last checkpoint
  // stays.
  TrainerEnd run(const TrainerEvents& events, const std::atomic<bool>& stop);

  const RunState& state() const { return state_; }
  void set_model_hash(std::string hash) { state_.model_hash = std::move(hash); }

 private:
  // And whether the run is to stop.
  std::pair<StepResult, bool> step(const Batch& batch, double rate, const std::atomic<bool>& stop);
  bool run_epoch(const TrainerEvents& events, const std::atomic<bool>& stop);
  bool finish_epoch(const TrainerEvents& events, double seconds);
  Evaluation validate();
  int64_t samples_of(const Batch& batch) const;
  void check_finite(const StepResult& result, const Batch& batch) const;
  void save(const std::vector<std::string>& links);

  Stepper& stepper_;
  Loader& training_;
  Loader* validation_;
  TrainerOptions options_;
  Schedule schedule_;
  RunState state_;
};

// Loss and metrics of all batches of an epoch, and of all processes.
Evaluation evaluate(Stepper& stepper, Loader& loader, const std::vector<std::string>& metrics, size_t output,
                    Communicator* communicator = nullptr);

}  // namespace dlc::training

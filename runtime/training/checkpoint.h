// Checkpoints of a run: RUN/ckpt/step-N with the parameters, their averages, the optimizer's state and the
// place in the run.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor.h"
#include "runtime/training/schedule.h"

namespace dlc::training {

// Where a run stands.
struct RunState {
  int64_t epoch = 0;
  int64_t batch = 0;    // of the epoch: the next one
  int64_t steps = 0;    // of the optimizer
  int64_t batches = 0;  // of all epochs
  double best = 0;      // of the metric that decides
  int64_t best_step = -1;
  int64_t worse_epochs = 0;  // since then
  double epoch_loss = 0;     // sum over the batches of this epoch so far
  Schedule::Memory schedule = {};
  std::string model_hash = "";  // of the model that the run trains
};

struct Checkpoint {
  RunState run;
  std::vector<std::pair<std::string, Tensor>> model;          // parameters and statistics
  std::vector<std::pair<std::string, Tensor>> optimizer;      // moments and accumulators
  std::vector<std::pair<std::string, Tensor>> averages = {};  // of parameters, by their own names
};

// All of them by the names that a Stepper has for them.
std::map<std::string, Tensor> states_of(const Checkpoint& checkpoint);

// Writes the whole folder under another name and renames it, then lets `links` ("last", "best") point to it:
// after a crash at any moment every link names a complete checkpoint. Checkpoints that no link names are
// removed but for the latest `keep`. Error(kIo); the checkpoints before it stay.
void write_checkpoint(const std::string& run_folder, const Checkpoint& checkpoint,
                      const std::vector<std::string>& links, int keep);

// The checkpoint that a link or a number ("step-400") names. Error(kIo) where there is none, Error(kData)
// where it is damaged.
Checkpoint read_checkpoint(const std::string& run_folder, const std::string& name);
bool has_checkpoint(const std::string& run_folder, const std::string& name);

// What tells models apart, of the bytes of a file.
std::string hash_of_model(std::string_view bytes);

}  // namespace dlc::training

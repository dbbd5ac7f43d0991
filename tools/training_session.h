// One run of training, from its flags to its folder.
#pragma once

#include <memory>
#include <string>

#include "runtime/training/trainer.h"
#include "tools/training_data.h"
#include "tools/training_flags.h"
#include "tools/training_run.h"

namespace dlc::tools {

struct SessionOptions {
  bool quiet = false;
  bool json = false;     // one JSON object a line instead of text
  bool dry_run = false;  // prints the plan and ends
};

// A checkpoint of a run.
struct CheckpointChoice {
  std::string name = "last";
  bool raw = false;  // the parameters themselves where the run averages them
};

// The files of a run folder.
std::string run_model(const std::string& folder);    // model.onnx: what the run started from
std::string run_file(const std::string& folder);     // run.toml
std::string run_classes(const std::string& folder);  // classes.txt: their names, one a line, if they have any

// Makes the run folder, trains, and leaves checkpoints and logs. Exit codes: 0, 130 after an interruption.
int fit(const std::string& model, const TrainingFlags& flags, const SessionOptions& options);
// Goes on from the last checkpoint of a run folder.
int resume(const std::string& folder, const SessionOptions& options);
// Loss and metrics of `data` (as --data; empty: the run's validation data) with a checkpoint.
int evaluate_run(const std::string& folder, const CheckpointChoice& checkpoint, const std::string& data,
                 const std::vector<std::string>& metrics, const SessionOptions& options);

}  // namespace dlc::tools

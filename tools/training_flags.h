// The flags of a training run, which are also the keys of its run.toml.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "passes/training/options.h"
#include "runtime/training/dataset.h"
#include "runtime/training/trainer.h"

namespace dlc::tools {

struct TrainingFlags {
  std::string data;
  std::string validation_data;
  double validation_split = 0;
  std::string input = "default";
  std::vector<std::string> shapes;
  int64_t batch = 32;
  int64_t epochs = 1;
  int64_t accumulate = 1;
  std::string head = "";
  std::string output = "";
  std::string loss = "cross-entropy";
  std::string optimizer = "adamw";
  std::string schedule = "constant";
  double clip_norm = 0;
  double clip_value = 0;
  std::vector<std::string> freeze;
  std::vector<std::string> train;
  std::string lora = "";
  std::vector<std::string> rate_scales;
  double average = 0;
  int64_t cached_megabytes = 1024;
  int64_t max_megabytes = 0;
  std::string normalization = "frozen";
  double dropout = -1;
  std::vector<std::string> added_dropout;
  std::vector<std::string> metrics;
  std::string keep_best = "";
  int64_t patience = 0;
  std::string out = "";
  uint64_t seed = 0;
  int threads = 0;
  int loader_threads = 1;
  bool strict = false;
  int64_t checkpoint_every = 0;
  int keep = 2;
  std::string cpu = "native";
  std::string precision = "fp32";
  std::string distributed = "";
  bool algorithm = false;
  int64_t processes = 1;  // that train together; `batch` is then the share of one. No flag
};

void add_training_flags(CLI::App& app, TrainingFlags& flags);

// The run.toml of a run folder; the model and data of it as absolute paths.
std::string format_run_file(const TrainingFlags& flags);
// Error(kUsage) for a key that does not exist, with those like it.
TrainingFlags read_run_file(const std::string& path);
// Its keys for those flags that the command line does not give.
void add_run_file(const CLI::App& app, TrainingFlags& flags, const std::string& path);

// What the flags mean. Error(kUsage) naming the flag, with what there is.
passes::TrainingOptions training_options(const TrainingFlags& flags);
// What --freeze, --train, --lora and --lr-scale say.
passes::ParameterChoice parameter_choice(const TrainingFlags& flags);
struct AddedDropout {
  std::string pattern;
  double ratio;
};
std::vector<AddedDropout> added_dropout(const TrainingFlags& flags);  // of --add-dropout
std::string inserted_normalization(const TrainingFlags& flags);       // the pattern of --bn; empty: none
double learning_rate(const TrainingFlags& flags);
training::TrainerOptions trainer_options(const TrainingFlags& flags);
training::Conversion conversion(const TrainingFlags& flags);
std::optional<int64_t> head_classes(
    const TrainingFlags& flags);  // of a new head; none: the model keeps its own

// In bytes.
int64_t megabytes(int64_t count);

std::optional<passes::AdapterChoice> lora(const TrainingFlags& flags);

}  // namespace dlc::tools

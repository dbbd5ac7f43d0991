// What a run tells: lines on the terminal; log.jsonl, metrics.csv, TensorBoard's event files and a picture of
// the curves in its folder.
#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "runtime/training/trainer.h"
#include "tools/event_file.h"
#include "tools/progress.h"

namespace dlc::tools {

struct TrainingLogOptions {
  std::string folder;  // empty: no files
  bool quiet = false;
  bool json = false;
  int64_t epochs = 0;  // of the whole run
};

class TrainingLog {
 public:
  // Files of an earlier part of the run are continued from where `state` stands. Error(kIo).
  TrainingLog(TrainingLogOptions options, const training::RunState& state);
  ~TrainingLog();
  TrainingLog(const TrainingLog&) = delete;
  TrainingLog& operator=(const TrainingLog&) = delete;

  void start(const training::Evaluation& evaluation);
  void step(const training::StepEvent& event);
  void epoch(const training::EpochEvent& event);
  // Also draws the curves.
  void finish(training::TrainerEnd end, const training::RunState& state);

 private:
  void write(std::FILE* file, const std::string& text) const;
  std::FILE* open(const std::string& name) const;
  std::string remaining_time(const training::StepEvent& event) const;

  TrainingLogOptions options_;
  Progress progress_;
  std::optional<EventFile> events_;
  int64_t last_step_ = 0;  // in events_
  int64_t first_batch_;    // of all epochs, that this part of the run begins with; negative: not known yet
  std::chrono::steady_clock::time_point begin_;
  std::FILE* lines_ = nullptr;
  std::FILE* table_ = nullptr;
  std::chrono::steady_clock::time_point last_shown_;
  int64_t skipped_ = 0;  // the most of an epoch
};

}  // namespace dlc::tools

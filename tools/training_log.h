// What a run tells: lines on the terminal, log.jsonl and metrics.csv in its folder.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "runtime/training/trainer.h"
#include "tools/progress.h"

namespace dlc::tools {

class TrainingLog {
 public:
  // An empty folder: no files. Files of an earlier part of the run are continued. Error(kIo).
  TrainingLog(const std::string& folder, bool quiet, bool json);
  ~TrainingLog();
  TrainingLog(const TrainingLog&) = delete;
  TrainingLog& operator=(const TrainingLog&) = delete;

  void start(const training::Evaluation& evaluation);
  void step(const training::StepEvent& event);
  void epoch(const training::EpochEvent& event);
  void finish(training::TrainerEnd end, const training::RunState& state);

 private:
  void write(std::FILE* file, const std::string& text) const;
  std::FILE* open(const std::string& name) const;

  std::string folder_;
  bool quiet_;
  bool json_;
  Progress progress_;
  std::FILE* lines_ = nullptr;
  std::FILE* table_ = nullptr;
  std::chrono::steady_clock::time_point last_shown_;
  int64_t skipped_ = 0;  // the most of an epoch
};

}  // namespace dlc::tools

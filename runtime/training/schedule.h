// Learning rates over the steps of a run.
#pragma once

#include <cstdint>
#include <string>

namespace dlc::training {

enum class ScheduleKind : uint8_t { kConstant, kStep, kLinear, kCosine, kOneCycle, kPlateau };

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kConstant;
  double warmup = 0;    // of the steps: the rate rises linearly from 0; below 1 a share, else a number
  double factor = 0.1;  // kStep, kPlateau: the rate is multiplied by it
  double every = 0.34;  // kStep: after so many steps, below 1 a share of all
  double final = 0;     // kLinear, kCosine, kOneCycle: the last rate as a share of the first
  int patience = 3;     // kPlateau: epochs without a better validation loss
};

class Schedule {
 public:
  // `steps`: of the whole run.
  Schedule(const ScheduleOptions& options, double rate, int64_t steps);

  // Of step number `step`, from 0.
  double rate(int64_t step) const;
  // kPlateau: tells the validation loss of an epoch.
  void observe(double loss);

  // What observe() has learnt, for checkpoints.
  struct Memory {
    double scale = 1;
    double best = 0;
    int waited = -1;  // -1: nothing observed yet
  };
  const Memory& memory() const { return memory_; }
  void set_memory(const Memory& memory) { memory_ = memory; }

 private:
  ScheduleOptions options_;
  double rate_;
  double steps_;
  double warmup_;  // steps
  Memory memory_;
};

}  // namespace dlc::training

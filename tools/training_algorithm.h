// Steps in the standard's own words (losses, Gradient and the optimizers of ai.onnx.preview.training),
// written and read.
#pragma once

#include "frontend/training_info.h"
#include "runtime/training/checkpoint.h"
#include "tools/training_run.h"

namespace dlc::tools {

// With the optimizer's states and the count of steps of a checkpoint, so that another program can go on. The
// rate is the one that the schedule starts from. Error(kUsage) naming a flag of the run that the standard has
// no words for.
frontend::Algorithm describe_step(const TrainableModel& model, const TrainingFlags& flags,
                                  const training::Checkpoint& checkpoint);

// A model with the step that it describes. Error(kUsage) for flags that say otherwise.
TrainableModel open_described(const std::string& name, std::string bytes, const TrainingFlags& flags);
StepTask task_of_described(const TrainableModel& model, const TrainingFlags& flags);

}  // namespace dlc::tools

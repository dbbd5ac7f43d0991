// What a run leaves: the tuned model, or its adapters alone.
#pragma once

#include <string>

#include "tools/training_session.h"

namespace dlc::tools {

// Writes the model of a run folder with its trained tensors, averages where the run has them; adapters are
// merged into the weights.
void export_run(const std::string& folder, const CheckpointChoice& choice, const std::string& output);
// Writes the model as it was trained last with the states of its optimizer, and the step as
// TrainingInfoProto.
void export_training(const std::string& folder, const std::string& output);
// Writes adapters and other trained tensors to a safetensors file. Error(kUsage) for a run without --lora.
void export_adapter(const std::string& folder, const CheckpointChoice& choice, const std::string& output);

// Writes the model with the adapters and tensors of such a file.
void merge_adapter(const std::string& model, const std::string& adapter, const std::string& output);

}  // namespace dlc::tools

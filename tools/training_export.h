// What a run leaves: the tuned model, or its adapters alone.
#pragma once

#include <string>

namespace dlc::tools {

struct ExportOptions {
  std::string checkpoint = "last";
  bool adapter = false;  // adapters and other trained tensors in a safetensors file instead of a model
};

// Writes the model of a run folder with its trained tensors; adapters are merged into the weights.
void export_run(const std::string& folder, const std::string& output, const ExportOptions& options);

// Writes the model with the adapters and tensors of such a file.
void merge_adapter(const std::string& model, const std::string& adapter, const std::string& output);

}  // namespace dlc::tools

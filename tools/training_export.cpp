#include "tools/training_export.h"

#include <map>

#include <fmt/format.h>

#include "frontend/read_model.h"
#include "frontend/write_model.h"
#include "passes/training/choose_parameters.h"
#include "runtime/data/files.h"
#include "runtime/data/safetensors.h"
#include "runtime/error.h"
#include "runtime/training/checkpoint.h"
#include "runtime/training/stepper.h"
#include "tools/spec.h"
#include "tools/tool.h"
#include "tools/training_algorithm.h"
#include "tools/training_run.h"

namespace dlc::tools {
namespace {

using Tensors = std::map<std::string, Tensor>;

// What a checkpoint has made of the model's tensors.
struct Tuned {
  std::vector<std::pair<std::string, Tensor>> tensors;
  int64_t step;
};

Tuned read_tuned(const std::string& folder, const CheckpointChoice& choice) {
  training::Checkpoint checkpoint = training::read_checkpoint(folder, choice.name);
  Tuned result{std::move(checkpoint.model), checkpoint.run.steps};
  if (choice.raw) return result;
  const Tensors averages(checkpoint.averages.begin(), checkpoint.averages.end());
  for (auto& [name, tensor] : result.tensors) {
    auto it = averages.find(name);
    if (it != averages.end()) tensor = training::converted(it->second, tensor.dtype());
  }
  return result;
}

constexpr const char* kRank = "lora_r";
constexpr const char* kAlpha = "lora_alpha";

std::string merged_model(const std::string& model, const passes::LoraOptions& options, Tensors tensors) {
  tensors = passes::merge_adapters(*frontend::parse_model(model, "", {}), options, std::move(tensors));
  return frontend::with_values(model, tensors);
}

std::string adapter_file(const std::vector<std::pair<std::string, Tensor>>& tensors,
                         const passes::AdapterChoice& lora) {
  return data::format_safetensors({tensors,
                                   {{"format", "dlc-lora"},
                                    {kRank, fmt::format("{}", lora.options.rank)},
                                    {kAlpha, fmt::format("{}", lora.options.alpha)}}});
}

passes::LoraOptions options_of(const std::string& path, const data::TensorFile& file) {
  auto number = [&](const char* key) {
    auto it = file.metadata.find(key);
    if (it == file.metadata.end())
      fail(ErrorKind::kData, "{}: is no adapter: its metadata has no '{}'", path, key);
    return parse_number(path + ": " + key, it->second);
  };
  passes::LoraOptions options;
  options.rank = static_cast<int64_t>(number(kRank));
  options.alpha = number(kAlpha);
  if (options.rank < 1)
    fail(ErrorKind::kData, "{}: {}: expected 1 or more, found {}", path, kRank, options.rank);
  return options;
}

}  // namespace

void export_run(const std::string& folder, const CheckpointChoice& choice, const std::string& output) {
  const Tuned tuned = read_tuned(folder, choice);
  const std::string model = data::read_file(run_model(folder));
  const Tensors values(tuned.tensors.begin(), tuned.tensors.end());
  const std::optional<passes::AdapterChoice> adapters = lora(read_run_file(run_file(folder)));
  data::write_file(output, adapters ? merged_model(model, adapters->options, values)
                                    : frontend::with_values(model, values));
  fmt::print("{}: {} tensors of step {}\n", output, values.size(), tuned.step);
}

void export_training(const std::string& folder, const std::string& output) {
  const TrainingFlags flags = read_run_file(run_file(folder));
  const training::Checkpoint checkpoint = training::read_checkpoint(folder, "last");
  TrainableModel model = open_model(run_model(folder), data::read_file(run_model(folder)), flags);
  // With the batch as the model has it.
  model.graph = frontend::parse_model(model.bytes, "", {.input_shapes = parse_shapes(flags.shapes)});
  const frontend::Algorithm step = describe_step(model, flags, checkpoint);
  const std::string tuned =
      frontend::with_values(model.bytes, {checkpoint.model.begin(), checkpoint.model.end()});
  data::write_file(output, frontend::with_algorithm(tuned, step));
  fmt::print("{}: {} tensors of step {}, and how it is trained\n", output, checkpoint.model.size(),
             checkpoint.run.steps);
}

void export_adapter(const std::string& folder, const CheckpointChoice& choice, const std::string& output) {
  const std::optional<passes::AdapterChoice> adapters = lora(read_run_file(run_file(folder)));
  if (!adapters) fail(ErrorKind::kUsage, "--adapter: the run '{}' has no adapters", folder);
  const Tuned tuned = read_tuned(folder, choice);
  data::write_file(output, adapter_file(tuned.tensors, *adapters));
  fmt::print("{}: {} tensors of step {}\n", output, tuned.tensors.size(), tuned.step);
}

void merge_adapter(const std::string& model, const std::string& adapter, const std::string& output) {
  const data::TensorFile file = data::read_safetensors(adapter);
  const passes::LoraOptions options = options_of(adapter, file);
  const std::string bytes = frontend::pack_model(model);
  try {
    data::write_file(output, merged_model(bytes, options, {file.tensors.begin(), file.tensors.end()}));
  } catch (Error& error) {
    throw error.add_context(adapter);
  }
  fmt::print("{}: {} tensors of {}\n", output, file.tensors.size(), adapter);
}

}  // namespace dlc::tools

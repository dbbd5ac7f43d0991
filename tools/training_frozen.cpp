#include "tools/training_frozen.h"

#include <fmt/format.h>

#include "passes/training/split_prefix.h"
#include "tools/tool.h"
#include "tools/training_run.h"

namespace dlc::tools {
namespace {

// Why features of a part that could be cut off are not kept; empty: they are.
std::string hindrance(const TrainingFlags& flags, const passes::Prefix& prefix, int64_t samples) {
  const training::Augmentation augmentation = conversion(flags).augmentation;
  if (augmentation.flip || augmentation.crop > 0) return "samples are augmented";
  if (flags.epochs < 2) return "there is one epoch";
  const int64_t bytes = prefix.bytes_per_sample() * samples;
  if (bytes <= megabytes(flags.cached_megabytes)) return "";
  return fmt::format("its features take {}, more than --cache-features {}", format_bytes(bytes),
                     flags.cached_megabytes);
}

}  // namespace

FrozenPart compile_frozen(const TrainableModel& model, const StepTask& task, const TrainingFlags& flags,
                          int64_t samples, Progress& progress) {
  FrozenPart part;
  if (flags.cached_megabytes <= 0 || model.algorithm) return part;
  passes::PrefixResult split =
      passes::split_prefix(*model.graph, model.parameters, model.trained, training_options(flags));
  std::string reason = split.reason;
  if (split.prefix != nullptr) reason = hindrance(flags, *split.prefix, samples);
  if (!reason.empty()) {
    part.plan = fmt::format("the frozen part runs in every step: {}\n", reason);
    return part;
  }
  if (split.prefix == nullptr) return part;
  passes::Prefix& prefix = *split.prefix;
  progress.show("compiling the frozen part");
  part.program = {codegen::compile(*prefix.graph, compile_options(flags)), task.fields, prefix.features};
  part.program->features.push_back(task.fields.back());
  part.rest = std::move(prefix.rest);
  part.plan =
      fmt::format("{} of {} nodes are frozen and run once a sample; features take {} each, {} in all\n",
                  prefix.nodes, prefix.all_nodes, format_bytes(prefix.bytes_per_sample()),
                  format_bytes(prefix.bytes_per_sample() * samples));
  return part;
}

}  // namespace dlc::tools

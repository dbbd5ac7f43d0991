#include "tools/training_calibrate.h"

#include <algorithm>

#include "codegen/compile.h"
#include "frontend/insert_normalization.h"
#include "frontend/read_model.h"
#include "passes/training/training_form.h"
#include "runtime/error.h"
#include "runtime/glob.h"
#include "runtime/program.h"
#include "tools/tool.h"

namespace dlc::tools {
namespace {

constexpr int64_t kBatches = 32;  // at most: moments of channels need no more

// Sums over the places of a channel.
struct Moments {
  std::vector<double> sum, squares;
  double count = 0;

  // Of [batch, channels, places...]; samples without weight are no samples.
  void add(const Tensor& output, const Tensor& weights) {
    const int64_t batch = output.shape()[0];
    const int64_t channels = output.shape()[1];
    const int64_t places = output.size() / std::max<int64_t>(batch * channels, 1);
    sum.resize(static_cast<size_t>(channels));
    squares.resize(static_cast<size_t>(channels));
    for (int64_t row = 0; row < batch * channels; ++row) {
      if (weights.get_double(row / channels) == 0) continue;
      const auto channel = static_cast<size_t>(row % channels);
      for (int64_t i = row * places; i < (row + 1) * places; ++i) {
        const double x = output.get_double(i);
        sum[channel] += x;
        squares[channel] += x * x;
      }
      count += channel == 0 ? static_cast<double>(places) : 0;
    }
  }

  frontend::ChannelStatistics statistics(const std::string& value) const {
    frontend::ChannelStatistics result{value, {}, {}};
    for (size_t i = 0; i < sum.size(); ++i) {
      const double mean = sum[i] / std::max(count, 1.0);
      result.mean.push_back(mean);
      result.variance.push_back(std::max(squares[i] / std::max(count, 1.0) - mean * mean, 0.0));
    }
    return result;
  }
};

std::vector<std::string> matching_outputs(const std::string& model, const std::string& pattern) {
  std::vector<std::string> result;
  for (const frontend::BareConvolution& layer : frontend::find_bare_convolutions(model)) {
    const bool is_wanted =
        matches(pattern, layer.node) || matches(pattern, layer.weight) || matches(pattern, layer.output);
    if (is_wanted) result.push_back(layer.output);
  }
  if (result.empty()) {
    fail(ErrorKind::kUsage, "--bn: insert: no convolution without BatchNormalization matches '{}'", pattern);
  }
  return result;
}

// From the model's inputs to these values.
runtime::Program compile_values(const TrainableModel& model, const TrainingFlags& flags,
                                const std::vector<std::string>& names) {
  auto graph = frontend::parse_model(model.bytes, "", {.input_shapes = parse_shapes(flags.shapes)});
  passes::set_batch(*graph, flags.batch);
  passes::set_inference_form(*graph);
  std::vector<ir::Value*> values;
  for (const std::string& name : names) {
    const auto node = std::find_if(graph->nodes().begin(), graph->nodes().end(), [&](const auto& at) {
      return at->output() != nullptr && at->output()->name() == name;
    });
    if (node == graph->nodes().end()) fail(ErrorKind::kModel, "'{}' depends on no input of the model", name);
    values.push_back((*node)->output());
  }
  graph->set_outputs(values, names);
  return codegen::compile(*graph, {.cpu = flags.cpu, .threads = flags.threads});
}

}  // namespace

std::string insert_normalization(const TrainableModel& model, const StepTask& task,
                                 const TrainingFlags& flags, const std::string& pattern,
                                 const training::Dataset& samples, const training::Subset& subset,
                                 Progress& progress) {
  const std::vector<std::string> names = matching_outputs(model.bytes, pattern);
  progress.show("measuring what convolutions give");
  const runtime::Program program = compile_values(model, flags, names);
  runtime::Context context(program, {.threads = flags.threads});
  training::Loader loader(
      samples, subset, task.fields,
      {.batch = flags.batch, .augment = false, .seed = flags.seed, .threads = flags.loader_threads});
  loader.start(0);
  std::vector<Moments> moments(names.size());
  for (int64_t number = 0; number < kBatches; ++number) {
    const training::Batch* batch = loader.next();
    if (batch == nullptr) break;
    const std::vector<Tensor> outputs = context.run({batch->fields.begin(), batch->fields.end() - 1});
    for (size_t i = 0; i < names.size(); ++i) moments[i].add(outputs[i], batch->weights);
  }
  std::vector<frontend::ChannelStatistics> statistics;
  for (size_t i = 0; i < names.size(); ++i) statistics.push_back(moments[i].statistics(names[i]));
  progress.clear();
  return frontend::insert_normalization(model.bytes, statistics);
}

}  // namespace dlc::tools

#include "tools/training_flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <type_traits>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "frontend/near_names.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tools/spec.h"
#include "tools/training_data.h"

namespace dlc::tools {
namespace {

template <class T>
struct Choice {
  const char* name;
  T value;
};

template <class T, size_t N>
T choose(const char* flag, const std::string& name, const Choice<T> (&choices)[N]) {
  std::vector<std::string_view> names;
  for (const Choice<T>& choice : choices) {
    if (name == choice.name) return choice.value;
    names.push_back(choice.name);
  }
  fail(ErrorKind::kUsage, "{}: there is no '{}'; there are {}", flag, name, fmt::join(names, ", "));
}

constexpr Choice<passes::LossKind> kLosses[] = {
    {"cross-entropy", passes::LossKind::kCrossEntropy},
    {"nll", passes::LossKind::kNll},
    {"binary", passes::LossKind::kBinary},
    {"mse", passes::LossKind::kMse},
    {"l1", passes::LossKind::kL1},
    {"huber", passes::LossKind::kHuber},
    {"kl", passes::LossKind::kKl},
};

constexpr Choice<passes::OptimizerKind> kOptimizers[] = {
    {"sgd", passes::OptimizerKind::kSgd},     {"adam", passes::OptimizerKind::kAdam},
    {"adamw", passes::OptimizerKind::kAdamW}, {"adagrad", passes::OptimizerKind::kAdagrad},
    {"lion", passes::OptimizerKind::kLion},
};

constexpr Choice<training::ScheduleKind> kSchedules[] = {
    {"constant", training::ScheduleKind::kConstant},  {"step", training::ScheduleKind::kStep},
    {"linear", training::ScheduleKind::kLinear},      {"cosine", training::ScheduleKind::kCosine},
    {"one-cycle", training::ScheduleKind::kOneCycle}, {"plateau", training::ScheduleKind::kPlateau},
};

constexpr Choice<passes::NormalizationMode> kNormalization[] = {
    {"frozen", passes::NormalizationMode::kFrozen}, {"train", passes::NormalizationMode::kTrain}};

double default_rate(passes::OptimizerKind kind) {
  switch (kind) {
    case passes::OptimizerKind::kSgd:
    case passes::OptimizerKind::kAdagrad:
      return 1e-2;
    case passes::OptimizerKind::kAdam:
    case passes::OptimizerKind::kAdamW:
      return 1e-3;
    case passes::OptimizerKind::kLion:
      return 1e-4;
  }
  return 1e-3;
}

passes::LossOptions loss_options(const TrainingFlags& flags) {
  Spec spec("--loss", flags.loss);
  passes::LossOptions loss;
  loss.kind = choose("--loss", spec.name(), kLosses);
  loss.output = flags.output;
  switch (loss.kind) {
    case passes::LossKind::kCrossEntropy:
      loss.label_smoothing = spec.number("label-smoothing", 0);
      [[fallthrough]];
    case passes::LossKind::kNll:
      loss.ignored_class = static_cast<int64_t>(spec.number("ignore", -100));
      loss.class_weights = spec.numbers("class-weights");
      break;
    case passes::LossKind::kHuber:
      loss.delta = spec.number("delta", 1);
      break;
    default:
      break;
  }
  spec.finish();
  if (loss.label_smoothing < 0 || loss.label_smoothing >= 1) {
    fail(ErrorKind::kUsage, "--loss: label-smoothing: expected a number in [0, 1), found {}",
         loss.label_smoothing);
  }
  return loss;
}

struct Optimizer {
  passes::OptimizerOptions options;
  double rate;
};

Optimizer optimizer(const TrainingFlags& flags) {
  Spec spec("--optimizer", flags.optimizer);
  passes::OptimizerOptions options;
  options.kind = choose("--optimizer", spec.name(), kOptimizers);
  double rate = spec.number("lr", default_rate(options.kind));
  options.weight_decay = spec.number("wd", options.kind == passes::OptimizerKind::kAdamW ? 0.01 : 0);
  switch (options.kind) {
    case passes::OptimizerKind::kSgd:
      options.momentum = spec.number("momentum", 0);
      options.nesterov = spec.flag("nesterov");
      break;
    case passes::OptimizerKind::kLion:
      options.beta1 = spec.number("beta1", 0.9);
      options.beta2 = spec.number("beta2", 0.99);
      break;
    case passes::OptimizerKind::kAdam:
    case passes::OptimizerKind::kAdamW:
      options.beta1 = spec.number("beta1", options.beta1);
      options.beta2 = spec.number("beta2", options.beta2);
      [[fallthrough]];
    case passes::OptimizerKind::kAdagrad:
      options.epsilon = spec.number("eps", options.epsilon);
      break;
  }
  spec.finish();
  if (!(rate > 0)) fail(ErrorKind::kUsage, "--optimizer: lr: expected a positive number, found {}", rate);
  return {options, rate};
}

bool takes_classes(passes::LossKind kind) {
  return kind == passes::LossKind::kCrossEntropy || kind == passes::LossKind::kNll;
}

// Metrics of classes go with losses of classes.
void check_metrics(const TrainingFlags& flags) {
  const training::Metrics known(flags.metrics);
  const bool of_classes = takes_classes(loss_options(flags).kind);
  for (const std::string& name : flags.metrics) {
    if (training::Metrics::is_of_classes(name) == of_classes) continue;
    fail(ErrorKind::kUsage, "--metrics: '{}' is of {}, the targets of --loss {} are {}", name,
         of_classes ? "values" : "classes", flags.loss, of_classes ? "classes" : "values");
  }
}

void require_positive(const char* flag, int64_t value) {
  if (value < 1) fail(ErrorKind::kUsage, "{}: expected 1 or more, found {}", flag, value);
}

std::string absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

// ---- One row a flag: command line and run file ------------------------------------------------------------

using Text = std::string TrainingFlags::*;
using Texts = std::vector<std::string> TrainingFlags::*;
using Number = double TrainingFlags::*;
using Count = int64_t TrainingFlags::*;
using Seed = uint64_t TrainingFlags::*;
using Small = int TrainingFlags::*;
using Switch = bool TrainingFlags::*;

struct Row {
  const char* name;
  std::variant<Text, Texts, Number, Count, Seed, Small, Switch> member;
  const char* help;
};

const Row kRows[] = {
    {"data", &TrainingFlags::data,
     "Samples: idx:IMAGES,LABELS, npz:FILE, npy:INPUT,TARGET, safetensors:FILE, csv:FILE,target=COLUMN, "
     "jsonl:FILE,pad=0, tokens:FILE,type=uint16, folder:DIR (a folder a class)"},
    {"val-data", &TrainingFlags::validation_data, "Samples to validate with, like --data"},
    {"val-split", &TrainingFlags::validation_split,
     "This share of the samples validates: the last ones, of every class of a folder"},
    {"input", &TrainingFlags::input,
     "What becomes of the numbers: default,range=1,mean=0.5,std=0.5,flip,crop=4,zoom=0.5,center=0.875. Bytes "
     "become 0 to range; a number a channel is a/b/c"},
    {"shape", &TrainingFlags::shapes, "Fixes an input's shape: NAME=1x3x224x224"},
    {"batch", &TrainingFlags::batch, "Samples of a batch"},
    {"epochs", &TrainingFlags::epochs, "Passes over the data"},
    {"accumulate", &TrainingFlags::accumulate, "Batches of one step"},
    {"head", &TrainingFlags::head,
     "replace:classes=10: the last linear layer is made anew, with random weights, for so many classes"},
    {"output", &TrainingFlags::output, "Output that loss and head belong to; default: the first"},
    {"loss", &TrainingFlags::loss,
     "cross-entropy,label-smoothing=0.1,ignore=-100,class-weights=1/2; nll; binary; mse; l1; huber,delta=1; "
     "kl"},
    {"optimizer", &TrainingFlags::optimizer,
     "adamw,lr=1e-3,wd=0.01,beta1=0.9,beta2=0.999,eps=1e-8; sgd,lr=0.01,momentum=0.9,nesterov; adam; "
     "adagrad; lion"},
    {"schedule", &TrainingFlags::schedule,
     "constant; step,every=0.34,factor=0.1; linear; cosine; one-cycle; plateau,patience=3; with warmup=5% "
     "and final=0.01"},
    {"lr-scale", &TrainingFlags::rate_scales,
     "PATTERN=FACTOR: parameters that match learn so much faster or slower; of several that match, the last"},
    {"ema", &TrainingFlags::average,
     "0.999: validation and export use moving averages of the parameters, which keep so much at each step"},
    {"clip-norm", &TrainingFlags::clip_norm, "The gradient is scaled down to this norm"},
    {"clip-value", &TrainingFlags::clip_value, "Elements of the gradient are limited to this"},
    {"freeze", &TrainingFlags::freeze,
     "Parameters whose name or node matches stay as they are: '*conv1*'; '*': all but a new head"},
    {"train", &TrainingFlags::train, "Only parameters that match are trained, and a new head"},
    {"lora", &TrainingFlags::lora,
     "r=8,alpha=16,target='*query*|*value*': low-rank adapters of linear layers and convolutions that match "
     "are trained, beside --train and a new head; default: alpha=r, all of them"},
    {"bn", &TrainingFlags::normalization,
     "BatchNormalization: frozen, or train (statistics of the batch; the running ones follow); "
     "train,insert=PATTERN puts one behind convolutions that match and have none, by what they give for the "
     "data"},
    {"dropout", &TrainingFlags::dropout, "Ratio of all Dropout nodes; negative: the model's"},
    {"add-dropout", &TrainingFlags::added_dropout,
     "PATTERN=RATIO: a Dropout behind nodes whose name or output matches, in training alone"},
    {"metrics", &TrainingFlags::metrics, "accuracy, top5 (or another number), f1; mae, mse of values"},
    {"keep-best", &TrainingFlags::keep_best, "What decides which epoch is best: a metric, or loss"},
    {"early-stop", &TrainingFlags::patience, "The run ends after so many epochs without a better one"},
    {"out", &TrainingFlags::out, "Folder of the run"},
    {"cache-features", &TrainingFlags::cached_megabytes,
     "What the frozen part makes of the samples is computed once and kept if it fits into so many MB; 0: "
     "never"},
    {"max-memory", &TrainingFlags::max_megabytes,
     "MB that a step may take, states included: the backward pass computes again what does not fit; 0: no "
     "limit"},
    {"seed", &TrainingFlags::seed, "Decides order, augmentation and dropout"},
    {"threads", &TrainingFlags::threads, "Threads of the step; 0: as many as the process may use"},
    {"loader-threads", &TrainingFlags::loader_threads, "Threads that make batches ready"},
    {"checkpoint-every", &TrainingFlags::checkpoint_every, "Steps; besides one at each epoch's end"},
    {"keep", &TrainingFlags::keep, "Checkpoints that are kept besides the best"},
    {"strict", &TrainingFlags::strict, "A picture that cannot be read ends the run; else it is left out"},
    {"cpu", &TrainingFlags::cpu, "Processor to compile for: native (default), x86-64-v3, x86-64-v4"},
    {"precision", &TrainingFlags::precision,
     "fp32, or bf16: factors of large products are rounded to bfloat16; sums, parameters and the optimizer's "
     "states stay in float32"},
    {"algorithm", &TrainingFlags::algorithm,
     "The step that the model's training_info describes, in place of --loss and --optimizer"},
    {"distributed", &TrainingFlags::distributed,
     "mpi: the processes that mpirun has started each take a share of every batch"},
};

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string format_value(const std::string& value) { return quoted(value); }
std::string format_value(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (const std::string& value : values) parts.push_back(quoted(value));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}
template <class T>
std::string format_value(T value) {
  return fmt::format("{}", value);
}

bool is_empty(const std::string& value) { return value.empty(); }
bool is_empty(const std::vector<std::string>& values) { return values.empty(); }
template <class T>
bool is_empty(T) {
  return false;
}

}  // namespace

void add_training_flags(CLI::App& app, TrainingFlags& flags) {
  for (const Row& row : kRows) {
    std::visit(
        [&](auto member) {
          const std::string name = fmt::format("--{}", row.name);
          if constexpr (std::is_same_v<decltype(member), Switch>) {
            app.add_flag(name, flags.*member, row.help);
          } else {
            CLI::Option* option = app.add_option(name, flags.*member, row.help)->type_name("");
            if constexpr (std::is_same_v<decltype(member), Texts>) option->delimiter(',');
          }
        },
        row.member);
  }
}

std::string format_run_file(const TrainingFlags& flags) {
  TrainingFlags saved = flags;
  saved.data = absolute_data(flags.data);
  saved.validation_data = absolute_data(flags.validation_data);
  saved.out = absolute(flags.out);
  std::string text;
  for (const Row& row : kRows) {
    std::visit(
        [&](auto member) {
          if (!is_empty(saved.*member)) {
            text += fmt::format("{} = {}\n", row.name, format_value(saved.*member));
          }
        },
        row.member);
  }
  return text;
}

namespace {

std::string only_value(const std::string& place, const CLI::ConfigItem& item) {
  if (item.inputs.size() != 1) {
    fail(ErrorKind::kUsage, "{}: expected one value, found {}", place, item.inputs.size());
  }
  return item.inputs[0];
}

template <class T>
T parse_count(const std::string& place, const std::string& text) {
  T value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) {
    fail(ErrorKind::kUsage, "{}: expected a whole number, found '{}'", place, text);
  }
  return value;
}

void assign(std::string& target, const std::string& place, const CLI::ConfigItem& item) {
  target = only_value(place, item);
}
void assign(std::vector<std::string>& target, const std::string&, const CLI::ConfigItem& item) {
  target = item.inputs;
}
void assign(double& target, const std::string& place, const CLI::ConfigItem& item) {
  target = parse_number(place, only_value(place, item));
}
void assign(bool& target, const std::string& place, const CLI::ConfigItem& item) {
  const std::string text = only_value(place, item);
  if (text != "true" && text != "false") {
    fail(ErrorKind::kUsage, "{}: expected true or false, found '{}'", place, text);
  }
  target = text == "true";
}
template <class T>
void assign(T& target, const std::string& place, const CLI::ConfigItem& item) {
  target = parse_count<T>(place, only_value(place, item));
}

const Row& row_of(const std::string& path, const CLI::ConfigItem& item) {
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    if (item.parents.empty() && item.name == row.name) return row;
    names.emplace_back(row.name);
  }
  fail(ErrorKind::kUsage, "{}: there is no key '{}'{}", path, item.fullname(),
       frontend::did_you_mean(item.name, names));
}

// Calls `use` with the row of every key of the file.
template <class Use>
void read_rows(const std::string& path, const Use& use) {
  std::istringstream text(data::read_file(path));
  try {
    for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_config(text)) use(row_of(path, item), item);
  } catch (const CLI::Error& error) {
    fail(ErrorKind::kUsage, "{}: {}", path, error.what());
  }
}

void assign_row(TrainingFlags& flags, const Row& row, const std::string& path, const CLI::ConfigItem& item) {
  std::visit([&](auto member) { assign(flags.*member, path + ": " + row.name, item); }, row.member);
}

}  // namespace

TrainingFlags read_run_file(const std::string& path) {
  TrainingFlags flags;
  read_rows(path, [&](const Row& row, const CLI::ConfigItem& item) { assign_row(flags, row, path, item); });
  return flags;
}

void add_run_file(const CLI::App& app, TrainingFlags& flags, const std::string& path) {
  read_rows(path, [&](const Row& row, const CLI::ConfigItem& item) {
    if (app.get_option(fmt::format("--{}", row.name))->count() == 0) assign_row(flags, row, path, item);
  });
}

passes::TrainingOptions training_options(const TrainingFlags& flags) {
  require_positive("--batch", flags.batch);
  require_positive("--epochs", flags.epochs);
  require_positive("--accumulate", flags.accumulate);
  if (!(flags.validation_split >= 0 && flags.validation_split < 1)) {
    fail(ErrorKind::kUsage, "--val-split: expected a share in [0, 1), found {}", flags.validation_split);
  }
  passes::TrainingOptions options;
  options.loss = loss_options(flags);
  options.optimizer = optimizer(flags).options;
  options.clip = {.norm = flags.clip_norm, .value = flags.clip_value};
  Spec normalization("--bn", flags.normalization);
  options.normalization = choose("--bn", normalization.name(), kNormalization);
  if (options.normalization == passes::NormalizationMode::kTrain) normalization.text("insert");
  normalization.finish();
  options.dropout = flags.dropout;
  options.accumulate = flags.accumulate;
  options.average = flags.average;
  options.processes = flags.processes;
  if (!(flags.average >= 0 && flags.average < 1)) {
    fail(ErrorKind::kUsage, "--ema: expected a share in [0, 1), found {}", flags.average);
  }
  return options;
}

namespace {

struct PatternNumber {
  std::string pattern;
  double number;
};

// Of "PATTERN=NUMBER", where `what` is the number's name in messages.
std::vector<PatternNumber> pattern_numbers(const char* flag, const char* what,
                                           const std::vector<std::string>& texts) {
  std::vector<PatternNumber> result;
  for (const std::string& text : texts) {
    const size_t split = text.rfind('=');
    if (split == std::string::npos)
      fail(ErrorKind::kUsage, "{}: expected PATTERN={}, found '{}'", flag, what, text);
    result.push_back({text.substr(0, split), parse_number(flag, text.substr(split + 1))});
  }
  return result;
}

// Of --lr-scale, in its order.
std::vector<passes::RateScale> rate_scales(const TrainingFlags& flags) {
  std::vector<passes::RateScale> result;
  for (const auto& [pattern, factor] : pattern_numbers("--lr-scale", "FACTOR", flags.rate_scales)) {
    if (!(factor > 0 && std::isfinite(factor))) {
      fail(ErrorKind::kUsage, "--lr-scale: '{}': expected a positive factor; --freeze keeps parameters",
           pattern);
    }
    result.push_back({pattern, factor});
  }
  return result;
}

}  // namespace

passes::ParameterChoice parameter_choice(const TrainingFlags& flags) {
  return {.freeze = flags.freeze,
          .train = flags.train,
          .adapters = lora(flags),
          .rate_scales = rate_scales(flags),
          .name_prefix = "--"};
}

std::vector<AddedDropout> added_dropout(const TrainingFlags& flags) {
  std::vector<AddedDropout> result;
  for (const auto& [pattern, ratio] : pattern_numbers("--add-dropout", "RATIO", flags.added_dropout)) {
    if (!(ratio > 0 && ratio < 1)) {
      fail(ErrorKind::kUsage, "--add-dropout: '{}': expected a ratio between 0 and 1, found {}", pattern,
           ratio);
    }
    result.push_back({pattern, ratio});
  }
  return result;
}

std::string inserted_normalization(const TrainingFlags& flags) {
  return Spec("--bn", flags.normalization).text("insert");
}

double learning_rate(const TrainingFlags& flags) { return optimizer(flags).rate; }

training::TrainerOptions trainer_options(const TrainingFlags& flags) {
  training::TrainerOptions options;
  options.epochs = flags.epochs;
  options.rate = learning_rate(flags);
  Spec spec("--schedule", flags.schedule);
  training::ScheduleOptions& schedule = options.schedule;
  schedule.kind = choose("--schedule", spec.name(), kSchedules);
  schedule.warmup = spec.number("warmup", 0);
  schedule.final = spec.number("final", 0);
  schedule.factor = spec.number("factor", schedule.factor);
  schedule.every = spec.number("every", schedule.every);
  schedule.patience = static_cast<int>(spec.number("patience", schedule.patience));
  spec.finish();
  check_metrics(flags);
  options.metrics = flags.metrics;
  options.decides = flags.keep_best.empty() ? "loss" : flags.keep_best;
  bool decides_known = options.decides == "loss" || std::find(flags.metrics.begin(), flags.metrics.end(),
                                                              options.decides) != flags.metrics.end();
  if (!decides_known) {
    fail(ErrorKind::kUsage, "--keep-best: '{}' is not among --metrics", options.decides);
  }
  options.patience = flags.patience;
  options.folder = flags.out;
  options.checkpoint_every = flags.checkpoint_every;
  options.keep = flags.keep;
  return options;
}

std::optional<int64_t> head_classes(const TrainingFlags& flags) {
  if (flags.head.empty()) return std::nullopt;
  constexpr std::string_view kReplace = "replace:";
  if (!flags.head.starts_with(kReplace)) {
    fail(ErrorKind::kUsage, "--head: expected replace:classes=COUNT, found '{}'", flags.head);
  }
  Spec spec("--head", "replace," + flags.head.substr(kReplace.size()));
  const auto classes = static_cast<int64_t>(spec.number("classes", 0));
  spec.finish();
  if (classes < 1) fail(ErrorKind::kUsage, "--head: expected replace:classes=COUNT, found '{}'", flags.head);
  return classes;
}

int64_t megabytes(int64_t count) {
  constexpr int64_t kMost = int64_t{1} << 40;  // far from overflow
  return std::min(count, kMost) << 20;
}

std::optional<passes::AdapterChoice> lora(const TrainingFlags& flags) {
  if (flags.lora.empty()) return std::nullopt;
  Spec spec("--lora", "lora," + flags.lora);
  const double rank = spec.number("r", 8);
  passes::AdapterChoice result{.options = {.rank = static_cast<int64_t>(rank)},
                               .targets = split_text(spec.text("target", "*"), '|'),
                               .seed = flags.seed};
  result.options.alpha = spec.number("alpha", rank);
  spec.finish();
  if (!(rank >= 1 && rank <= 4096 && rank == std::floor(rank))) {
    fail(ErrorKind::kUsage, "--lora: r: expected a whole number of 1 or more, found {}", rank);
  }
  return result;
}

training::Conversion conversion(const TrainingFlags& flags) {
  Spec spec("--input", flags.input);
  training::Conversion result;
  result.range = spec.number("range", 1);
  result.mean = spec.numbers("mean");
  result.std = spec.numbers("std");
  result.augmentation.flip = spec.flag("flip");
  result.augmentation.crop = spec.count("crop", 0);
  result.augmentation.zoom = spec.number("zoom", 0);
  result.center = spec.number("center", 0);
  spec.finish();
  return result;
}

}  // namespace dlc::tools


#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>

#include "api/c_border.h"
#include "api/dlc_c.h"
#include "api/train.h"

using dlc::Error;
using dlc::ErrorKind;
using dlc::fail;
using dlc::api::complete;
using dlc::api::guarded;
using dlc::api::require;
using dlc::api::text_or_empty;

struct dlc_trainer {
  dlc::train::Model model;
  dlc::train::Options options;
  std::unique_ptr<dlc::training::Stepper> stepper;
};

namespace {

namespace passes = dlc::passes;
namespace training = dlc::training;

template <class T, size_t N>
T choose(const char* what, int32_t number, const T (&values)[N]) {
  if (number >= 0 && number < static_cast<int32_t>(N)) return values[number];
  fail(ErrorKind::kUsage, "{}: expected 0 to {}, found {}", what, N - 1, number);
}

// In the order of the numbers of the header.
constexpr passes::LossKind kLosses[] = {passes::LossKind::kCrossEntropy,
                                        passes::LossKind::kNll,
                                        passes::LossKind::kBinary,
                                        passes::LossKind::kMse,
                                        passes::LossKind::kL1,
                                        passes::LossKind::kHuber,
                                        passes::LossKind::kKl};
constexpr passes::OptimizerKind kOptimizers[] = {
    passes::OptimizerKind::kAdamW, passes::OptimizerKind::kSgd, passes::OptimizerKind::kAdam,
    passes::OptimizerKind::kAdagrad, passes::OptimizerKind::kLion};
constexpr training::ScheduleKind kSchedules[] = {
    training::ScheduleKind::kConstant, training::ScheduleKind::kStep,     training::ScheduleKind::kLinear,
    training::ScheduleKind::kCosine,   training::ScheduleKind::kOneCycle, training::ScheduleKind::kPlateau};

std::vector<std::string> patterns(const char* text) {
  std::vector<std::string> result;
  std::string rest = text_or_empty(text);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    result.push_back(rest.substr(0, comma));
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
  }
  return result;
}

std::vector<passes::RateScale> rate_scales(const char* text) {
  std::vector<passes::RateScale> result;
  for (const std::string& part : patterns(text)) {
    const size_t split = part.rfind('=');
    const std::string number = split == std::string::npos ? "" : part.substr(split + 1);
    char* end = nullptr;
    const double factor = std::strtod(number.c_str(), &end);
    const bool is_number = !number.empty() && *end == '\0';
    if (!is_number || !(factor > 0 && std::isfinite(factor)))
      fail(ErrorKind::kUsage, "rate_scales: expected PATTERN=FACTOR with a positive factor, found '{}'",
           part);
    result.push_back({part.substr(0, split), factor});
  }
  return result;
}

void choose_adapters(const dlc_training_options& given, dlc::train::Options& result) {
  if (given.lora_rank == 0) return;
  constexpr int32_t kMost = 4096;
  if (given.lora_rank < 1 || given.lora_rank > kMost)
    fail(ErrorKind::kUsage, "lora_rank: expected 1 to {}, found {}", kMost, given.lora_rank);
  result.lora.emplace();
  result.lora->options.rank = given.lora_rank;
  result.lora->options.alpha = given.lora_alpha == 0 ? given.lora_rank : given.lora_alpha;
  result.lora->seed = given.seed;
  if (given.lora_targets != nullptr) result.lora->targets = patterns(given.lora_targets);
}

dlc::train::Options step_options(const dlc_training_options& given) {
  dlc::train::Options result;
  if (given.batch < 0) fail(ErrorKind::kUsage, "batch: expected 1 or more, found {}", given.batch);
  if (given.batch > 0) result.batch = given.batch;
  result.step.loss.kind = choose("loss", given.loss, kLosses);
  result.step.optimizer.kind = choose("optimizer", given.optimizer, kOptimizers);
  result.step.optimizer.weight_decay = given.weight_decay;
  result.step.optimizer.momentum = given.momentum;
  result.step.clip.norm = given.clip_norm;
  result.freeze = patterns(given.freeze);
  result.train = patterns(given.train);
  choose_adapters(given, result);
  result.rate_scales = rate_scales(given.rate_scales);
  if (!(given.average >= 0 && given.average < 1))
    fail(ErrorKind::kUsage, "average: expected a share in [0, 1), found {}", given.average);
  result.step.average = given.average;
  if (given.cpu != nullptr) result.cpu = given.cpu;
  result.threads = given.threads;
  for (int32_t i = 0; i < given.num_shapes; ++i) {
    const dlc_input_shape& shape = given.shapes[i];
    result.input_shapes[text_or_empty(shape.input)] = {shape.dims, shape.dims + shape.rank};
  }
  return result;
}

// Samples of the caller's function.
class CallbackDataset : public training::Dataset {
 public:
  CallbackDataset(const dlc_dataset* given, const char* name) : data_(complete(given)) {
    if (data_.read == nullptr)
      fail(ErrorKind::kUsage, "the function 'read' of the argument '{}' is null", name);
    if (data_.size < 1) fail(ErrorKind::kData, "the argument '{}' has {} samples", name, data_.size);
  }
  int64_t size() const override { return data_.size; }
  bool read(int64_t index, std::optional<uint64_t>, std::span<void* const> places) const override {
    return data_.read(data_.user, index, places.data()) == 0;
  }

 private:
  dlc_dataset data_;
};

// What a run of training needs of a data set.
struct Samples {
  CallbackDataset data;
  training::Subset all;
  training::Loader loader;

  Samples(const dlc_dataset* given, const char* name, const dlc_trainer& trainer,
          training::LoaderOptions options)
      : data(given, name), all(training::all_of(data)), loader(data, all, trainer.stepper->fields(), [&] {
          options.batch = trainer.options.batch;
          options.classes = trainer.model.classes_of(trainer.options);
          options.ignored_class = trainer.options.step.loss.ignored_class;
          return options;
        }()) {}
};

training::TrainerOptions trainer_options(const dlc_fit_options& given, const dlc_trainer& trainer) {
  training::TrainerOptions result;
  if (given.epochs < 0) fail(ErrorKind::kUsage, "epochs: expected 1 or more, found {}", given.epochs);
  if (given.epochs > 0) result.epochs = given.epochs;
  if (given.rate != 0) result.rate = given.rate;
  if (!(result.rate > 0)) fail(ErrorKind::kUsage, "rate: expected a positive number, found {}", given.rate);
  result.schedule.kind = choose("schedule", given.schedule, kSchedules);
  result.schedule.warmup = given.warmup;
  result.output = trainer.model.output_of(trainer.options);
  result.folder = text_or_empty(given.folder);
  return result;
}

void fit(dlc_trainer& trainer, const dlc_dataset* data, const dlc_dataset* validation,
         const dlc_fit_options& given) {
  const int threads = std::max(given.loader_threads, 1);
  Samples samples(data, "data", trainer, {.seed = given.seed, .threads = threads});
  std::optional<Samples> held_out;
  if (validation != nullptr) {
    held_out.emplace(validation, "validation", trainer,
                     training::LoaderOptions{.shuffle = false, .augment = false, .threads = threads});
  }
  training::Trainer loop(*trainer.stepper, samples.loader, held_out ? &held_out->loader : nullptr,
                         trainer_options(given, trainer));
  loop.set_model_hash(trainer.model.hash());
  std::atomic<bool> stop = false;
  training::TrainerEvents events;
  events.on_epoch = [&](const training::EpochEvent& event) {
    if (given.on_epoch == nullptr) return;
    const dlc_epoch epoch{event.epoch, event.step, event.training_loss,
                          event.has_validation ? event.validation.loss : std::nan("")};
    if (given.on_epoch(given.user, &epoch) != 0) stop = true;
  };
  loop.run(events, stop);
}

}  // namespace

extern "C" {

int32_t dlc_trainer_create(const char* model, const dlc_training_options* options, dlc_trainer** trainer) {
  return guarded([&] {
    require(trainer, "trainer");
    *trainer = nullptr;
    require(model, "model");
    const dlc_training_options given = complete(options);
    auto result =
        std::make_unique<dlc_trainer>(dlc_trainer{dlc::train::Model(model), step_options(given), nullptr});
    if (given.head_classes != 0) result->model.replace_head(given.head_classes, given.seed);
    result->stepper = result->model.compile(result->options);
    *trainer = result.release();
  });
}

void dlc_trainer_release(dlc_trainer* trainer) { delete trainer; }

int32_t dlc_trainer_num_fields(const dlc_trainer* trainer) {
  return static_cast<int32_t>(trainer->stepper->fields().size());
}

int32_t dlc_trainer_field(const dlc_trainer* trainer, int32_t index, dlc_field* field) {
  return guarded([&] {
    require(trainer, "trainer");
    require(field, "field");
    const std::vector<training::Field>& fields = trainer->stepper->fields();
    if (index < 0 || index >= std::ssize(fields)) {
      fail(ErrorKind::kUsage, "index: expected 0 to {}, found {}", std::ssize(fields) - 1, index);
    }
    const training::Field& found = fields[static_cast<size_t>(index)];
    *field = {found.name.c_str(), static_cast<uint8_t>(found.dtype), static_cast<int32_t>(found.shape.size()),
              found.shape.data()};
  });
}

int32_t dlc_trainer_fit(dlc_trainer* trainer, const dlc_dataset* data, const dlc_dataset* validation,
                        const dlc_fit_options* options) {
  return guarded([&] {
    require(trainer, "trainer");
    require(data, "data");
    fit(*trainer, data, validation, complete(options));
  });
}

int32_t dlc_trainer_evaluate(dlc_trainer* trainer, const dlc_dataset* data, const char* metric, double* loss,
                             double* value) {
  return guarded([&] {
    require(trainer, "trainer");
    require(data, "data");
    require(loss, "loss");
    Samples samples(data, "data", *trainer, {.shuffle = false, .augment = false});
    std::vector<std::string> names;
    if (metric != nullptr) {
      require(value, "value");
      names.emplace_back(metric);
    }
    const training::Evaluation result = training::evaluate(*trainer->stepper, samples.loader, names,
                                                           trainer->model.output_of(trainer->options));
    *loss = result.loss;
    if (metric != nullptr) *value = result.value(metric);
  });
}

int32_t dlc_trainer_save(const dlc_trainer* trainer, const char* path) {
  return guarded([&] {
    require(trainer, "trainer");
    require(path, "path");
    trainer->model.save(path, *trainer->stepper, trainer->options);
  });
}

}  // extern "C"

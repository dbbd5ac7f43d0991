#include "tools/training_session.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tools/progress.h"
#include "tools/spec.h"
#include "tools/tool.h"
#include "tools/training_log.h"

namespace dlc::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kExitInterrupted = 130;

// Set by the first interruption; a second one ends the process at once.
std::atomic<bool>& stop_flag() {
  static std::atomic<bool> flag{false};
  return flag;
}

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_flag() = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// Everything between flags and trainer. Members refer to those before them.
class Session {
 public:
  Session(const std::string& name, std::string model, TrainingFlags flags, bool trains,
          const SessionOptions& options)
      : flags_(std::move(flags)), progress_(options.quiet || options.json) {
    const passes::TrainingOptions training = training_options(flags_);
    trainer_options_ = trainer_options(flags_);
    progress_.show("reading the model");
    model_ = open_model(name, std::move(model), flags_);
    step_.emplace(compile_step(model_, flags_, trains, progress_));
    trainer_options_.output = step_->output;
    stepper_.emplace(std::move(step_->programs), model_.states(),
                     runtime::ContextOptions{.threads = flags_.threads});
    ignored_class_ = training.loss.ignored_class;
  }

  void open_training_data() {
    progress_.show("reading the data");
    if (flags_.data.empty()) fail(ErrorKind::kUsage, "--data is missing");
    data_ = open(flags_.data);
    class_names_ = data_.class_names;
    parts_ = training::split(*data_.samples, flags_.validation_data.empty() ? flags_.validation_split : 0);
    if (parts_.training.indices.empty()) fail(ErrorKind::kData, "{}: no sample to train with", flags_.data);
    training_.emplace(*data_.samples, parts_.training, step_->fields,
                      training::LoaderOptions{
                          .batch = flags_.batch, .seed = flags_.seed, .threads = flags_.loader_threads});
    open_validation_data(flags_.validation_data);
    progress_.clear();
  }

  // Of a flag, or the held-out part of the training data.
  void open_validation_data(const std::string& text) {
    if (text.empty()) {
      if (flags_.validation_split <= 0) return;
      if (!data_.samples) {
        data_ = open(flags_.data);
        parts_ = training::split(*data_.samples, flags_.validation_split);
      }
      validation_part_ = parts_.validation;
    } else {
      validation_data_ = open(text);
      validation_part_ = training::all_of(*validation_data_.samples);
    }
    if (validation_part_.indices.empty()) fail(ErrorKind::kData, "no sample to validate with");
    const OpenedData& data = text.empty() ? data_ : validation_data_;
    validation_.emplace(
        *data.samples, validation_part_, step_->fields,
        training::LoaderOptions{
            .batch = flags_.batch, .shuffle = false, .augment = false, .threads = flags_.loader_threads});
  }

  training::Trainer make_trainer() {
    training::Trainer trainer(*stepper_, *training_, validation_ ? &*validation_ : nullptr, trainer_options_);
    trainer.set_model_hash(model_.hash());
    return trainer;
  }

  training::Evaluation evaluate(const std::vector<std::string>& metrics) {
    return training::evaluate(*stepper_, *validation_, metrics, step_->output);
  }

  const TrainingFlags& flags() const { return flags_; }
  const TrainableModel& model() const { return model_; }
  training::Stepper& stepper() { return *stepper_; }
  const std::optional<std::vector<std::string>>& class_names() const { return class_names_; }
  void set_class_names(std::optional<std::vector<std::string>> names) { class_names_ = std::move(names); }
  bool validates() const { return validation_.has_value(); }

  std::string plan() const {
    int64_t trained = 0;
    int64_t all = 0;
    for (const passes::Parameter& parameter : model_.parameters) {
      bool is_trained =
          std::find(model_.trained.begin(), model_.trained.end(), parameter.name) != model_.trained.end();
      all += parameter.value.size();
      trained += is_trained ? parameter.value.size() : 0;
    }
    std::string text =
        fmt::format("{} of {} parameters are trained, in {} tensors\n", trained, all, model_.trained.size());
    if (training_) {
      text += fmt::format("{} samples in {} batches of {}", parts_.training.indices.size(),
                          training_->batches(), flags_.batch);
      if (validation_) text += fmt::format(", {} to validate", validation_part_.indices.size());
      text += "\n";
    }
    return text + fmt::format("compiled in {:.1f} s; parameters and optimizer take {}\n", step_->seconds,
                              format_bytes(stepper_->state_bytes()));
  }

  // Memory and time as a few steps have them; the run cannot go on after that.
  std::string try_out() {
    constexpr int64_t kTries = 3;
    const int64_t tries = std::min(kTries, training_->batches());
    training_->start(0);
    stepper_->step(*training_->next(), 0);
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 1; i < tries; ++i) stepper_->step(*training_->next(), 0);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::string text = fmt::format("a step needs {} beside that\n", format_bytes(stepper_->arena_bytes()));
    if (tries < 2) return text;
    const double seconds = taken.count() / static_cast<double>(tries - 1);
    return text + fmt::format(
                      "about {:.1f} ms a batch, {:.1f} s an epoch, {:.0f} s in all, evaluation not counted\n",
                      seconds * 1e3, seconds * static_cast<double>(training_->batches()),
                      seconds * static_cast<double>(training_->batches() * flags_.epochs));
  }

 private:
  OpenedData open(const std::string& text) const {
    return open_data(text, step_->fields,
                     {.conversion = conversion(flags_),
                      .classes = step_->classes,
                      .ignored = ignored_class_,
                      .strict = flags_.strict,
                      .class_names = class_names_});
  }

  TrainingFlags flags_;
  Progress progress_;
  training::TrainerOptions trainer_options_;
  TrainableModel model_;
  std::optional<CompiledStep> step_;
  int64_t ignored_class_ = -100;
  std::optional<training::Stepper> stepper_;
  std::optional<std::vector<std::string>> class_names_;  // once something says what they are
  OpenedData data_;
  training::Split parts_;
  std::optional<training::Loader> training_;
  OpenedData validation_data_;
  training::Subset validation_part_;
  std::optional<training::Loader> validation_;
};

int run_trainer(Session& session, training::Trainer& trainer, const SessionOptions& options) {
  catch_interrupts();
  TrainingLog log({.folder = session.flags().out,
                   .quiet = options.quiet,
                   .json = options.json,
                   .epochs = session.flags().epochs},
                  trainer.state());
  training::TrainerEvents events;
  // An evaluation that is only shown is not made where nobody looks.
  if (!options.quiet && !options.json) {
    events.on_start = [&](const training::Evaluation& evaluation) { log.start(evaluation); };
  }
  events.on_step = [&](const training::StepEvent& event) { log.step(event); };
  events.on_epoch = [&](const training::EpochEvent& event) { log.epoch(event); };
  training::TrainerEnd end = trainer.run(events, stop_flag());
  log.finish(end, trainer.state());
  return end == training::TrainerEnd::kInterrupted ? kExitInterrupted : kExitDone;
}

void write_class_names(const std::string& folder, const std::vector<std::string>& names) {
  if (names.empty()) return;
  data::write_file(run_classes(folder), fmt::format("{}\n", fmt::join(names, "\n")));
}

// Of a run folder; those of a run without names are numbers.
std::vector<std::string> read_class_names(const std::string& folder) {
  if (!fs::exists(run_classes(folder))) return {};
  std::vector<std::string> names = split_text(data::read_file(run_classes(folder)), '\n');
  if (names.back().empty()) names.pop_back();
  return names;
}

void print_evaluation(const training::Evaluation& result, bool json) {
  if (json) {
    nlohmann::ordered_json line = {{"loss", result.loss}, {"samples", result.samples}};
    for (const auto& [name, value] : result.metrics) line[name] = value;
    fmt::print("{}\n", line.dump());
    return;
  }
  fmt::print("loss {:.5f}", result.loss);
  for (const auto& [name, value] : result.metrics) fmt::print("  {} {:.4f}", name, value);
  fmt::print("  ({} samples)\n", result.samples);
}

}  // namespace

std::string run_model(const std::string& folder) { return (fs::path(folder) / "model.onnx").string(); }
std::string run_file(const std::string& folder) { return (fs::path(folder) / "run.toml").string(); }
std::string run_classes(const std::string& folder) { return (fs::path(folder) / "classes.txt").string(); }

int fit(const std::string& model, const TrainingFlags& flags, const SessionOptions& options) {
  if (!flags.out.empty() && training::has_checkpoint(flags.out, "last")) {
    fail(ErrorKind::kUsage, "{}: there is a run already; dlc-train resume goes on with it", flags.out);
  }
  Session session(model, prepare_model(model, flags), flags, true, options);
  session.open_training_data();
  if (!options.quiet && !options.json) fmt::print("{}", session.plan());
  if (options.dry_run) {
    fmt::print("{}", session.try_out());
    return kExitDone;
  }
  if (!flags.out.empty()) {
    make_folder(flags.out);
    data::write_file(run_model(flags.out), session.model().bytes);
    data::write_file(run_file(flags.out), format_run_file(flags));
    write_class_names(flags.out, *session.class_names());
  }
  training::Trainer trainer = session.make_trainer();
  return run_trainer(session, trainer, options);
}

int resume(const std::string& folder, const SessionOptions& options) {
  TrainingFlags flags = read_run_file(run_file(folder));
  flags.out = folder;
  training::Checkpoint checkpoint = training::read_checkpoint(folder, "last");
  Session session(run_model(folder), data::read_file(run_model(folder)), flags, true, options);
  session.set_class_names(read_class_names(folder));
  session.open_training_data();
  training::Trainer trainer = session.make_trainer();
  trainer.resume(checkpoint);
  if (!options.quiet && !options.json) {
    fmt::print("going on with epoch {}, batch {}\n", checkpoint.run.epoch + 1, checkpoint.run.batch + 1);
  }
  return run_trainer(session, trainer, options);
}

int evaluate_run(const std::string& folder, const std::string& checkpoint, const std::string& data,
                 const std::vector<std::string>& metrics, const SessionOptions& options) {
  TrainingFlags flags = read_run_file(run_file(folder));
  training::Checkpoint saved = training::read_checkpoint(folder, checkpoint);
  Session session(run_model(folder), data::read_file(run_model(folder)), flags, false, options);
  session.stepper().set_states({saved.model.begin(), saved.model.end()},
                               {training::StateRole::kParameter, training::StateRole::kStatistic});
  session.set_class_names(read_class_names(folder));
  session.open_validation_data(data.empty() ? flags.validation_data : data);
  if (!session.validates()) fail(ErrorKind::kUsage, "--data is missing: the run has no validation data");
  print_evaluation(session.evaluate(metrics.empty() ? flags.metrics : metrics), options.json);
  return kExitDone;
}

}  // namespace dlc::tools

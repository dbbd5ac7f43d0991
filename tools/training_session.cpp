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
#include "runtime/training/communicator.h"
#include "tools/progress.h"
#include "tools/spec.h"
#include "tools/tool.h"
#include "tools/training_calibrate.h"
#include "tools/training_frozen.h"
#include "tools/training_log.h"

namespace dlc::tools {
namespace {

namespace fs = std::filesystem;

using training::StateRole;

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
  Session(const std::string& name, std::string model, TrainingFlags flags, const SessionOptions& options,
          training::Communicator* communicator = nullptr)
      : name_(name),
        flags_(std::move(flags)),
        communicator_(communicator),
        speaks_(is_first() && !options.quiet && !options.json),
        progress_(!speaks_) {
    const passes::TrainingOptions training = training_options(flags_);
    trainer_options_ = trainer_options(flags_);
    trainer_options_.communicator = communicator;
    if (!is_first()) trainer_options_.folder = "";
    if (communicator != nullptr) take_share(model, options);
    progress_.show("reading the model");
    model_ = open_model(name, std::move(model), flags_);
    task_ = task_of(model_, flags_);
    trainer_options_.output = task_.output;
    ignored_class_ = training.loss.ignored_class;
  }

  void open_training_data() {
    progress_.show("reading the data");
    if (flags_.data.empty()) fail(ErrorKind::kUsage, "--data is missing");
    data_ = open(flags_.data);
    class_names_ = data_.class_names;
    parts_ = training::split(*data_.samples, flags_.validation_data.empty() ? flags_.validation_split : 0);
    if (parts_.training.indices.empty()) fail(ErrorKind::kData, "{}: no sample to train with", flags_.data);
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
  }

  // What --bn asks for, at the beginning of a run. Requires the data.
  void insert_missing_normalization() {
    const std::string pattern = inserted_normalization(flags_);
    if (pattern.empty()) return;
    std::string bytes =
        insert_normalization(model_, task_, flags_, pattern, *data_.samples, parts_.training, progress_);
    model_ = open_model(name_, std::move(bytes), flags_);
  }

  // Everything that training runs. Requires the data.
  void compile() {
    const Clock::time_point start = Clock::now();
    const size_t samples = parts_.training.indices.size() + validation_part_.indices.size();
    frozen_ = compile_frozen(model_, task_, flags_, static_cast<int64_t>(samples), progress_);
    make_stepper(frozen_.rest == nullptr ? *model_.graph : *frozen_.rest, true);
    compile_seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  }
  // What evaluation runs.
  void compile_evaluation() { make_stepper(*model_.graph, false); }

  // Makes batches, of features of all samples where there is a frozen part. Requires data and what was
  // compiled.
  void open_loaders() {
    open_training_loader();
    open_validation_loader();
    if (!frozen_.program) return;
    data_.samples.reset();
    validation_data_.samples.reset();
  }
  void open_training_loader() {
    const training::Dataset& samples = with_features(*data_.samples, parts_.training, training_features_);
    training_.emplace(samples, parts_.training, stepper_->fields(),
                      training::LoaderOptions{.batch = flags_.batch,
                                              .part = rank(),
                                              .parts = flags_.processes,
                                              .seed = flags_.seed,
                                              .threads = flags_.loader_threads});
  }
  void open_validation_loader() {
    if (!validates()) return;
    const OpenedData& data = validation_data_.samples ? validation_data_ : data_;
    validation_.emplace(with_features(*data.samples, validation_part_, validation_features_),
                        validation_part_, stepper_->fields(),
                        training::LoaderOptions{.batch = flags_.batch,
                                                .part = rank(),
                                                .parts = flags_.processes,
                                                .shuffle = false,
                                                .augment = false,
                                                .threads = flags_.loader_threads});
  }

  // The last that is done with the model: what it takes is given up.
  training::Trainer make_trainer() {
    training::Trainer trainer(*stepper_, *training_, validation_ ? &*validation_ : nullptr, trainer_options_);
    trainer.set_model_hash(model_.hash());
    release(model_);
    return trainer;
  }

  training::Evaluation evaluate(const std::vector<std::string>& metrics) {
    return training::evaluate(*stepper_, *validation_, metrics, task_.output);
  }

  // Of the processes that train together, the one that writes and tells.
  bool is_first() const { return rank() == 0; }
  bool speaks() const { return speaks_; }  // to people
  const TrainingFlags& flags() const { return flags_; }
  const TrainableModel& model() const { return model_; }
  training::Stepper& stepper() { return *stepper_; }
  const std::optional<std::vector<std::string>>& class_names() const { return class_names_; }
  void set_class_names(std::optional<std::vector<std::string>> names) { class_names_ = std::move(names); }
  bool validates() const { return !validation_part_.indices.empty(); }

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
    text += fmt::format("{} samples in {} batches of {}", parts_.training.indices.size(), batches(),
                        flags_.batch * flags_.processes);
    if (flags_.processes > 1) text += fmt::format(" for {} processes", flags_.processes);
    if (validates()) text += fmt::format(", {} to validate", validation_part_.indices.size());
    return text + fmt::format("\n{}{}compiled in {:.1f} s; parameters and optimizer take {}\n", frozen_.plan,
                              memory_plan_, compile_seconds_, format_bytes(stepper_->state_bytes()));
  }

  // Memory and time as a few steps have them; the run cannot go on after that.
  std::string try_out() {
    constexpr int64_t kTries = 3;
    const int64_t epoch = batches();
    const int64_t tries = std::min(kTries, epoch);
    parts_.training.indices.resize(std::min(parts_.training.indices.size(),
                                            static_cast<size_t>(tries * flags_.batch * flags_.processes)));
    open_training_loader();
    training_->start(0);
    stepper_->step(*training_->next(), 0);
    const Clock::time_point start = Clock::now();
    for (int64_t i = 1; i < tries; ++i) stepper_->step(*training_->next(), 0);
    const std::chrono::duration<double> taken = Clock::now() - start;
    std::string text = fmt::format("a step needs {} beside that\n", format_bytes(stepper_->arena_bytes()));
    if (tries < 2) return text;
    const double seconds = taken.count() / static_cast<double>(tries - 1);
    return text + fmt::format(
                      "about {:.1f} ms a batch, {:.1f} s an epoch, {:.0f} s in all, evaluation not counted\n",
                      seconds * 1e3, seconds * static_cast<double>(epoch),
                      seconds * static_cast<double>(epoch * flags_.epochs));
  }

 private:
  using Clock = std::chrono::steady_clock;

  int64_t rank() const { return communicator_ == nullptr ? 0 : communicator_->rank(); }

  // --batch is that of all processes together, so that a run is the same for any number of them.
  void take_share(const std::string& model, const SessionOptions& options) {
    TrainingFlags shared = flags_;
    shared.threads = 0;
    training::require_same(*communicator_,
                           fmt::format("{} {} {} {} {}", training::hash_of_model(model), options.quiet,
                                       options.json, options.dry_run, format_run_file(shared)));
    flags_.processes = communicator_->size();
    if (flags_.batch % flags_.processes != 0) {
      fail(ErrorKind::kUsage, "--batch: expected a multiple of the {} processes, found {}", flags_.processes,
           flags_.batch);
    }
    flags_.batch /= flags_.processes;
  }

  OpenedData open(const std::string& text) const {
    return open_data(text, task_.fields,
                     {.conversion = conversion(flags_),
                      .classes = task_.classes,
                      .ignored = ignored_class_,
                      .strict = flags_.strict,
                      .class_names = class_names_});
  }

  void make_stepper(const ir::Graph& graph, bool trains) {
    CompiledStep step = compile_step(model_, graph, flags_, trains, progress_);
    memory_plan_ = std::move(step.memory);
    stepper_.emplace(std::move(step.programs), model_.states(),
                     runtime::ContextOptions{.threads = flags_.threads}, communicator_);
  }

  int64_t batches() const {
    const auto samples = static_cast<int64_t>(parts_.training.indices.size());
    const int64_t batch = flags_.batch * flags_.processes;
    return (samples + batch - 1) / batch;
  }

  // What steps start from: the samples, or what the frozen part makes of them.
  const training::Dataset& with_features(const training::Dataset& samples, const training::Subset& subset,
                                         std::unique_ptr<training::Dataset>& features) {
    if (!frozen_.program) return samples;
    features =
        training::cache_features(samples, subset, *frozen_.program,
                                 {.context = {.threads = flags_.threads},
                                  .loader_threads = flags_.loader_threads,
                                  .on_batch = [&](int64_t batch, int64_t batches) {
                                    progress_.show("computing features of the frozen part", batch, batches);
                                  }});
    progress_.clear();
    return *features;
  }

  std::string name_;                      // of the model's file
  TrainingFlags flags_;                   // with the batch of this process
  training::Communicator* communicator_;  // null: this process trains alone
  bool speaks_;
  Progress progress_;
  training::TrainerOptions trainer_options_;
  TrainableModel model_;
  StepTask task_;
  int64_t ignored_class_ = -100;
  FrozenPart frozen_;
  double compile_seconds_ = 0;
  std::string memory_plan_;
  std::optional<training::Stepper> stepper_;
  std::optional<std::vector<std::string>> class_names_;  // once something says what they are
  OpenedData data_;
  training::Split parts_;
  std::optional<training::Loader> training_;
  OpenedData validation_data_;
  training::Subset validation_part_;
  std::unique_ptr<training::Dataset> training_features_;
  std::unique_ptr<training::Dataset> validation_features_;
  std::optional<training::Loader> validation_;
};

int run_trainer(Session& session, training::Trainer& trainer, const SessionOptions& options) {
  catch_interrupts();
  TrainingLog log({.folder = session.is_first() ? session.flags().out : "",
                   .quiet = options.quiet || !session.is_first(),
                   .json = options.json && session.is_first(),
                   .epochs = session.flags().epochs},
                  trainer.state());
  training::TrainerEvents events;
  // An evaluation that is only shown is not made where nobody looks.
  if (!options.quiet && !options.json) {
    events.on_start = [&](const training::Evaluation& evaluation) {
      if (session.speaks()) log.start(evaluation);
    };
  }
  events.on_step = [&](const training::StepEvent& event) { log.step(event); };
  events.on_epoch = [&](const training::EpochEvent& event) { log.epoch(event); };
  training::TrainerEnd end = trainer.run(events, stop_flag());
  log.finish(end, trainer.state());
  return end == training::TrainerEnd::kInterrupted ? kExitInterrupted : kExitDone;
}

// The processes that --distributed asks for; null: this one is alone.
std::unique_ptr<training::Communicator> open_communicator(const TrainingFlags& flags) {
  if (flags.distributed.empty()) return nullptr;
  if (flags.distributed == "mpi") return training::Communicator::open_mpi();
  fail(ErrorKind::kUsage, "--distributed: there is no '{}'; there is mpi", flags.distributed);
}

// Runs in every process that trains; only the first one speaks. What one fails with ends all of them.
template <class Run>
int together(const TrainingFlags& flags, const Run& run) {
  const std::unique_ptr<training::Communicator> communicator = open_communicator(flags);
  if (communicator == nullptr) return run(nullptr);
  try {
    const int code = run(communicator.get());
    communicator->leave();
    return code;
  } catch (Error& error) {
    communicator->leave(error.what());
    throw error.add_context(fmt::format("process {}", communicator->rank()));
  }
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
  return together(flags, [&](training::Communicator* communicator) {
    Session session(model, prepare_model(model, flags), flags, options, communicator);
    session.open_training_data();
    session.insert_missing_normalization();
    session.compile();
    if (session.speaks()) fmt::print("{}", session.plan());
    if (options.dry_run) {
      const std::string text = session.try_out();
      if (session.is_first()) fmt::print("{}", text);
      return kExitDone;
    }
    if (!flags.out.empty() && session.is_first()) {
      make_folder(flags.out);
      data::write_file(run_model(flags.out), session.model().bytes);
      data::write_file(run_file(flags.out), format_run_file(flags));
      write_class_names(flags.out, *session.class_names());
    }
    session.open_loaders();
    training::Trainer trainer = session.make_trainer();
    return run_trainer(session, trainer, options);
  });
}

int resume(const std::string& folder, const SessionOptions& options) {
  TrainingFlags flags = read_run_file(run_file(folder));
  flags.out = folder;
  const training::Checkpoint checkpoint = training::read_checkpoint(folder, "last");
  return together(flags, [&](training::Communicator* communicator) {
    Session session(run_model(folder), data::read_file(run_model(folder)), flags, options, communicator);
    session.set_class_names(read_class_names(folder));
    session.open_training_data();
    session.compile();
    session.open_loaders();
    training::Trainer trainer = session.make_trainer();
    trainer.resume(checkpoint);
    if (session.speaks()) {
      fmt::print("going on with epoch {}, batch {}\n", checkpoint.run.epoch + 1, checkpoint.run.batch + 1);
    }
    return run_trainer(session, trainer, options);
  });
}

int evaluate_run(const std::string& folder, const CheckpointChoice& checkpoint, const std::string& data,
                 const std::vector<std::string>& metrics, const SessionOptions& options) {
  TrainingFlags flags = read_run_file(run_file(folder));
  if (checkpoint.raw) flags.average = 0;
  training::Checkpoint saved = training::read_checkpoint(folder, checkpoint.name);
  Session session(run_model(folder), data::read_file(run_model(folder)), flags, options);
  session.compile_evaluation();
  session.stepper().set_states(states_of(saved),
                               {StateRole::kParameter, StateRole::kStatistic, StateRole::kAverage});
  session.set_class_names(read_class_names(folder));
  session.open_validation_data(data.empty() ? flags.validation_data : data);
  if (!session.validates()) fail(ErrorKind::kUsage, "--data is missing: the run has no validation data");
  session.open_validation_loader();
  print_evaluation(session.evaluate(metrics.empty() ? flags.metrics : metrics), options.json);
  return kExitDone;
}

}  // namespace dlc::tools

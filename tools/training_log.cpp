#include "tools/training_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tools/training_history.h"

namespace dlc::tools {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const training::StepEvent& event) {
  return {{"step", event.step},
          {"epoch", event.epoch + 1},
          {"batch", event.batch + 1},
          {"loss", event.loss},
          {"rate", event.rate},
          {"gradient_norm", event.gradient_norm},
          {"samples_per_second", event.samples_per_second}};
}

Json to_json(const training::EpochEvent& event) {
  Json json = {{"epoch", event.epoch + 1},
               {"step", event.step},
               {"training_loss", event.training_loss},
               {"seconds", event.seconds},
               {"best", event.is_best}};
  if (!event.has_validation) return json;
  json["validation_loss"] = event.validation.loss;
  for (const auto& [name, value] : event.validation.metrics) json["validation_" + name] = value;
  return json;
}

std::string to_text(const training::Evaluation& evaluation) {
  std::string text = fmt::format("  validation {:.5f}", evaluation.loss);
  for (const auto& [name, value] : evaluation.metrics) text += fmt::format("  {} {:.4f}", name, value);
  return text;
}

std::string to_text(const training::EpochEvent& event) {
  std::string text = fmt::format("epoch {:3}  loss {:.5f}", event.epoch + 1, event.training_loss);
  if (event.has_validation) text += to_text(event.validation);
  return text + fmt::format("  {:.1f} s{}", event.seconds, event.is_best ? "  best" : "");
}

}  // namespace

TrainingLog::TrainingLog(TrainingLogOptions options, const training::RunState& state)
    : options_(std::move(options)),
      progress_(options_.quiet || options_.json),
      first_batch_(-1),
      begin_(std::chrono::steady_clock::now()) {
  if (options_.folder.empty()) return;
  cut_history(options_.folder, state);
  lines_ = open("log.jsonl");
  table_ = open("metrics.csv");
  events_.emplace(options_.folder, state.steps + 1);
}

TrainingLog::~TrainingLog() {
  for (std::FILE* file : {lines_, table_}) {
    if (file != nullptr) std::fclose(file);
  }
}

std::FILE* TrainingLog::open(const std::string& name) const {
  std::string path = options_.folder + "/" + name;
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr) fail(ErrorKind::kIo, "{}: cannot be written: {}", path, std::strerror(errno));
  return file;
}

void TrainingLog::write(std::FILE* file, const std::string& text) const {
  if (std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0) return;
  fail(ErrorKind::kIo, "{}: the log cannot be written: {}", options_.folder, std::strerror(errno));
}

void TrainingLog::start(const training::Evaluation& evaluation) {
  progress_.clear();
  fmt::print("at the start           {}\n", to_text(evaluation));
}

void TrainingLog::step(const training::StepEvent& event) {
  if (lines_ != nullptr) write(lines_, to_json(event).dump() + "\n");
  if (events_ && event.step != last_step_) {
    events_->add(event.step, {{"training/loss", event.loss},
                              {"training/rate", event.rate},
                              {"training/gradient_norm", event.gradient_norm},
                              {"training/samples_per_second", event.samples_per_second}});
    last_step_ = event.step;
  }
  if (first_batch_ < 0) first_batch_ = event.epoch * event.batches + event.batch;
  skipped_ = std::max(skipped_, event.skipped);
  constexpr std::chrono::milliseconds kPause{100};
  auto now = std::chrono::steady_clock::now();
  if (now - last_shown_ < kPause) return;
  last_shown_ = now;
  if (events_) events_->flush();
  progress_.show(fmt::format("epoch {}/{}  batch {}/{}  loss {:.4f}  rate {:.1e}  {:.0f} samples/s{}",
                             event.epoch + 1, options_.epochs, event.batch + 1, event.batches, event.loss,
                             event.rate, event.samples_per_second, remaining_time(event)));
}

// As what is left takes if it goes on as it went.
std::string TrainingLog::remaining_time(const training::StepEvent& event) const {
  const int64_t at = event.epoch * event.batches + event.batch + 1;
  const auto done = static_cast<double>(at - first_batch_);
  const auto left = static_cast<double>(options_.epochs * event.batches - at);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin_;
  const auto seconds = static_cast<int64_t>(taken.count() / done * left);
  if (seconds < 100) return fmt::format("  {} s left", seconds);
  if (seconds < 6000) return fmt::format("  {} min left", (seconds + 30) / 60);
  return fmt::format("  {:.1f} h left", static_cast<double>(seconds) / 3600);
}

void TrainingLog::epoch(const training::EpochEvent& event) {
  Json json = to_json(event);
  if (lines_ != nullptr) write(lines_, json.dump() + "\n");
  if (table_ != nullptr) {
    std::string header;
    std::string row;
    for (const auto& [key, value] : json.items()) {
      header += (header.empty() ? "" : ",") + key;
      row += (row.empty() ? "" : ",") + value.dump();
    }
    if (std::ftell(table_) == 0) write(table_, header + "\n");
    write(table_, row + "\n");
  }
  if (events_) {
    std::vector<std::pair<std::string, double>> scalars = {{"epoch/training_loss", event.training_loss}};
    if (event.has_validation) {
      scalars.emplace_back("epoch/validation_loss", event.validation.loss);
      for (const auto& [name, value] : event.validation.metrics) {
        scalars.emplace_back("epoch/validation_" + name, value);
      }
    }
    events_->add(event.step, scalars);
    events_->flush();
  }
  progress_.clear();
  if (options_.json) {
    fmt::print("{}\n", json.dump());
  } else if (!options_.quiet) {
    fmt::print("{}\n", to_text(event));
  }
  std::fflush(stdout);
}

void TrainingLog::finish(training::TrainerEnd end, const training::RunState& state) {
  progress_.clear();
  if (!options_.folder.empty()) {
    const std::string log = data::read_file(options_.folder + "/log.jsonl");
    data::write_file(options_.folder + "/curves.svg", draw_history(log));
  }
  if (options_.quiet || options_.json) return;
  if (skipped_ > 0) {
    fmt::print("{} could not be read and {} left out\n",
               skipped_ == 1 ? "1 picture" : fmt::format("{} pictures", skipped_),
               skipped_ == 1 ? "was" : "were");
  }
  switch (end) {
    case training::TrainerEnd::kDone:
      fmt::print("done after {} steps; the best epoch ended with step {}\n", state.steps, state.best_step);
      break;
    case training::TrainerEnd::kEarly:
      fmt::print("ended early: no better epoch since step {}\n", state.best_step);
      break;
    case training::TrainerEnd::kInterrupted:
      fmt::print("interrupted at step {}; dlc-train resume goes on\n", state.steps);
      break;
  }
}

}  // namespace dlc::tools

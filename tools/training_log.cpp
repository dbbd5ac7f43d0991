#include "tools/training_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/error.h"

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

TrainingLog::TrainingLog(const std::string& folder, bool quiet, bool json)
    : folder_(folder), quiet_(quiet), json_(json), progress_(quiet || json) {
  if (folder.empty()) return;
  lines_ = open("log.jsonl");
  table_ = open("metrics.csv");
}

TrainingLog::~TrainingLog() {
  for (std::FILE* file : {lines_, table_}) {
    if (file != nullptr) std::fclose(file);
  }
}

std::FILE* TrainingLog::open(const std::string& name) const {
  std::string path = folder_ + "/" + name;
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr) fail(ErrorKind::kIo, "{}: cannot be written: {}", path, std::strerror(errno));
  return file;
}

void TrainingLog::write(std::FILE* file, const std::string& text) const {
  if (std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0) return;
  fail(ErrorKind::kIo, "{}: the log cannot be written: {}", folder_, std::strerror(errno));
}

void TrainingLog::start(const training::Evaluation& evaluation) {
  progress_.clear();
  fmt::print("at the start           {}\n", to_text(evaluation));
}

void TrainingLog::step(const training::StepEvent& event) {
  if (lines_ != nullptr) write(lines_, to_json(event).dump() + "\n");
  skipped_ = std::max(skipped_, event.skipped);
  constexpr std::chrono::milliseconds kPause{100};
  auto now = std::chrono::steady_clock::now();
  if (now - last_shown_ < kPause) return;
  last_shown_ = now;
  progress_.show(
      fmt::format("epoch {}  batch {}/{}  loss {:.4f}  rate {:.2e}  {:.0f} samples/s", event.epoch + 1,
                  event.batch + 1, event.batches, event.loss, event.rate, event.samples_per_second),
      event.batch, event.batches);
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
  progress_.clear();
  if (json_) {
    fmt::print("{}\n", json.dump());
  } else if (!quiet_) {
    fmt::print("{}\n", to_text(event));
  }
  std::fflush(stdout);
}

void TrainingLog::finish(training::TrainerEnd end, const training::RunState& state) {
  progress_.clear();
  if (quiet_ || json_) return;
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

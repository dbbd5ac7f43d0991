#include "runtime/training/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/data/safetensors.h"
#include "runtime/error.h"
#include "runtime/training/step.h"

namespace dlc::training {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

[[noreturn]] void fail_io(const fs::path& path, const std::error_code& error) {
  fail(ErrorKind::kIo, "{}: {}", path.string(), error.message());
}

fs::path folder_of(const std::string& run_folder) { return fs::path(run_folder) / "ckpt"; }

// What has been written reaches the disk before something refers to it.
void sync(const fs::path& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

Json to_json(const RunState& run) {
  return {{"epoch", run.epoch},
          {"batch", run.batch},
          {"steps", run.steps},
          {"batches", run.batches},
          {"best", run.best},
          {"best_step", run.best_step},
          {"worse_epochs", run.worse_epochs},
          {"epoch_loss", run.epoch_loss},
          {"schedule",
           {{"scale", run.schedule.scale}, {"best", run.schedule.best}, {"waited", run.schedule.waited}}},
          {"model_hash", run.model_hash}};
}

RunState from_json(const Json& json) {
  RunState run;
  json.at("epoch").get_to(run.epoch);
  json.at("batch").get_to(run.batch);
  json.at("steps").get_to(run.steps);
  json.at("batches").get_to(run.batches);
  json.at("best").get_to(run.best);
  json.at("best_step").get_to(run.best_step);
  json.at("worse_epochs").get_to(run.worse_epochs);
  json.at("epoch_loss").get_to(run.epoch_loss);
  json.at("schedule").at("scale").get_to(run.schedule.scale);
  json.at("schedule").at("best").get_to(run.schedule.best);
  json.at("schedule").at("waited").get_to(run.schedule.waited);
  json.at("model_hash").get_to(run.model_hash);
  if (run.epoch < 0 || run.batch < 0 || run.steps < 0 || run.batches < 0) {
    fail(ErrorKind::kData, "a count is negative");
  }
  return run;
}

void write(const fs::path& path, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  data::write_safetensors(path.string(), {tensors, {}});
  sync(path);
}

// A symbolic link that changes at once.
void set_link(const fs::path& folder, const std::string& link, const std::string& target) {
  fs::path temporary = folder / ("." + link);
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, folder / link, error);
  if (error) fail_io(folder / link, error);
}

constexpr std::string_view kWriting = ".writing-";
constexpr std::string_view kAverages = "averages.safetensors";  // where the run has any

// N of "step-N" and "step-N.K", and K; none for other names.
std::optional<std::pair<int64_t, int64_t>> number_of(std::string_view name) {
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::pair<int64_t, int64_t> result;
  const char* const end = name.data() + name.size();
  auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, result.first);
  if (error != std::errc()) return std::nullopt;
  if (rest == end) return result;
  auto [last, fault] = std::from_chars(rest + 1, end, result.second);
  if (*rest != '.' || fault != std::errc() || last != end) return std::nullopt;
  return result;
}

// A folder of its own even if one of this step is there, which links may point to.
std::string free_name(const fs::path& folder, int64_t step) {
  std::string name = fmt::format("step-{}", step);
  for (int64_t i = 2; fs::exists(folder / name); ++i) name = fmt::format("step-{}.{}", step, i);
  return name;
}

// All but the latest, those that links point to, and what a run that was killed has left behind.
void remove_old(const fs::path& folder, int keep) {
  std::set<std::string> linked;
  std::vector<std::pair<std::pair<int64_t, int64_t>, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_symlink()) linked.insert(fs::read_symlink(entry.path(), error).string());
    if (auto number = number_of(name)) found.emplace_back(*number, entry.path());
    if (name.starts_with(kWriting)) fs::remove_all(entry.path(), error);
  }
  std::sort(found.rbegin(), found.rend());
  for (size_t i = static_cast<size_t>(std::max(keep, 1)); i < found.size(); ++i) {
    if (!linked.contains(found[i].second.filename().string())) fs::remove_all(found[i].second, error);
  }
}

std::vector<std::pair<std::string, Tensor>> read_tensors(const fs::path& path) {
  return data::read_safetensors(path.string()).tensors;
}

}  // namespace

std::map<std::string, Tensor> states_of(const Checkpoint& checkpoint) {
  std::map<std::string, Tensor> result(checkpoint.model.begin(), checkpoint.model.end());
  result.insert(checkpoint.optimizer.begin(), checkpoint.optimizer.end());
  for (const auto& [name, average] : checkpoint.averages)
    result[name + std::string(kAverageEnding)] = average;
  return result;
}

void write_checkpoint(const std::string& run_folder, const Checkpoint& checkpoint,
                      const std::vector<std::string>& links, int keep) {
  const fs::path folder = folder_of(run_folder);
  const std::string name = free_name(folder, checkpoint.run.steps);
  const fs::path temporary = folder / (std::string(kWriting) + name);
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directories(temporary, error);
  if (error) fail_io(temporary, error);
  try {
    write(temporary / "model.safetensors", checkpoint.model);
    write(temporary / "optimizer.safetensors", checkpoint.optimizer);
    if (!checkpoint.averages.empty()) write(temporary / kAverages, checkpoint.averages);
    data::write_file(temporary / "state.json", to_json(checkpoint.run).dump(2) + "\n");
    sync(temporary / "state.json");
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
  sync(temporary);
  fs::rename(temporary, folder / name, error);
  if (error) fail_io(folder / name, error);
  for (const std::string& link : links) set_link(folder, link, name);
  sync(folder);
  remove_old(folder, keep);
}

std::string hash_of_model(std::string_view bytes) {
  // FNV-1a.
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

bool has_checkpoint(const std::string& run_folder, const std::string& name) {
  std::error_code error;
  return fs::exists(folder_of(run_folder) / name / "state.json", error);
}

Checkpoint read_checkpoint(const std::string& run_folder, const std::string& name) {
  if (!has_checkpoint(run_folder, name)) {
    fail(ErrorKind::kIo, "{}: there is no checkpoint '{}'", folder_of(run_folder).string(), name);
  }
  fs::path folder = folder_of(run_folder) / name;
  fs::path state = folder / "state.json";
  Checkpoint result;
  try {
    result.run = from_json(Json::parse(data::read_file(state.string())));
  } catch (const Json::exception& error) {
    fail(ErrorKind::kData, "{}: {}", state.string(), error.what());
  } catch (Error& error) {
    throw error.add_context(state.string());
  }
  result.model = read_tensors(folder / "model.safetensors");
  result.optimizer = read_tensors(folder / "optimizer.safetensors");
  std::error_code error;
  if (fs::exists(folder / kAverages, error)) result.averages = read_tensors(folder / kAverages);
  return result;
}

}  // namespace dlc::training

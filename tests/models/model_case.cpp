#include "tests/models/model_case.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "runtime/error.h"
#include "tests/support/line_file.h"
#include "tests/support/paths.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

constexpr double kBound = 1e-4;

fs::path own_file(const char* name) { return source_dir() / "tests/models" / name; }

}  // namespace

bool all_models() {
  const char* variable = std::getenv("DLC_MODELS");
  return variable != nullptr && std::string_view(variable) == "all";
}

std::vector<ModelCase> real_models() {
  std::vector<ModelCase> cases;
  const fs::path folder = shared_dir() / "models";
  if (!fs::is_directory(folder)) return cases;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) cases.push_back({entry.path().filename().string(), entry.path()});
  }
  std::sort(cases.begin(), cases.end(),
            [](const ModelCase& a, const ModelCase& b) { return a.name < b.name; });
  return cases;
}

std::vector<ModelCase> recorded_networks() {
  std::ifstream stream(own_file("networks.txt"));
  std::vector<ModelCase> cases;
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string name, source, when;
    if (line.starts_with('#') || !(words >> name >> source >> when)) continue;
    if (all_models() || when != "long") cases.push_back({name, references_dir() / name});
  }
  return cases;
}

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (int k = 0;; ++k) {
    const fs::path set = folder / ("test_data_set_" + std::to_string(k));
    if (!fs::is_directory(set)) return sets;
    sets.push_back(set);
  }
}

std::vector<Tensor> read_tensors(const fs::path& set, const std::string& role) {
  std::vector<Tensor> tensors;
  for (const Value& value : tools::read_values(set, role, {})) tensors.push_back(value.tensor());
  return tensors;
}

Expectations::Expectations(const fs::path& path) {
  for_each_line(path, [this](const std::string& text) { parse(text); });
}

void Expectations::parse(const std::string& text) {
  std::istringstream words(text);
  std::string kind, name, output, reason;
  double number = 0;
  words >> kind >> name;
  if (kind != "bound" && kind != "inner" && kind != "fails") {
    fail(ErrorKind::kData, "expected bound, inner or fails, found '{}'", kind);
  }
  if (kind == "bound") words >> output;
  if (kind != "fails" && !(words >> number)) fail(ErrorKind::kData, "expected a number after '{}'", name);
  std::getline(words >> std::ws, reason);
  if (reason.empty()) fail(ErrorKind::kData, "no reason is given");
  if (kind == "fails") {
    failures_[name] = reason;
  } else if (kind == "inner") {
    inner_bounds_[name] = number;
  } else {
    bounds_.push_back({name, output, number});
  }
}

double Expectations::bound(const std::string& name, const std::string& output) const {
  for (const Bound& bound : bounds_) {
    if (bound.name == name && fnmatch(bound.output.c_str(), output.c_str(), 0) == 0) return bound.number;
  }
  return kBound;
}

double Expectations::inner_bound(const std::string& name) const {
  const auto it = inner_bounds_.find(name);
  return it != inner_bounds_.end() ? it->second : kBound;
}

std::string Expectations::fails(const std::string& name) const {
  const auto it = failures_.find(name);
  return it != failures_.end() ? it->second : "";
}

std::vector<std::string> Expectations::names() const {
  std::vector<std::string> names;
  for (const Bound& bound : bounds_) names.push_back(bound.name);
  for (const auto& [name, bound] : inner_bounds_) names.push_back(name);
  for (const auto& [name, reason] : failures_) names.push_back(name);
  return names;
}

const Expectations& expectations() {
  static const Expectations result(own_file("expectations.txt"));
  return result;
}

}  // namespace dlc::test

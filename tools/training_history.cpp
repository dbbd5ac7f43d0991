#include "tools/training_history.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/training/metrics.h"
#include "tools/svg_plot.h"

namespace dlc::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kValidation = "validation_";

// Calls `use` with every line; a last one without an end, which a kill leaves, is none.
void for_each_line(std::string_view text, const std::function<void(std::string_view)>& use) {
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    use(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

// An object of the log; others are left out.
Json parse_line(std::string_view line) {
  Json json = Json::parse(line, nullptr, false);
  return json.is_object() ? json : Json::object();
}

// Lines of steps have a batch, those of epochs have none; both count from 1.
bool lies_before(const Json& line, const training::RunState& state) {
  const int64_t epoch = line.value("epoch", int64_t{0});
  if (epoch < 1) return false;
  const int64_t batch = line.value("batch", int64_t{0});
  return epoch <= state.epoch || (epoch == state.epoch + 1 && batch >= 1 && batch <= state.batch);
}

void filter_lines(const std::string& path, const std::function<bool(std::string_view)>& keeps) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = data::read_file(path);
  std::string kept;
  for_each_line(text, [&](std::string_view line) {
    if (keeps(line)) kept += fmt::format("{}\n", line);
  });
  if (kept != text) data::write_file(path, kept);
}

int64_t leading_number(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

using Points = std::vector<std::pair<double, double>>;

double number_of(const Json& line, const char* key) {
  auto it = line.find(key);
  return it == line.end() || !it->is_number() ? std::nan("") : it->get<double>();
}

// At most so many points, each the mean of those that follow one another.
Points thinned(const Points& points) {
  constexpr size_t kMost = 500;
  if (points.size() <= kMost) return points;
  Points result;
  for (size_t i = 0; i < kMost; ++i) {
    const size_t begin = points.size() * i / kMost;
    const size_t end = points.size() * (i + 1) / kMost;
    std::pair<double, double> mean{0, 0};
    for (size_t k = begin; k < end; ++k) {
      mean.first += points[k].first / static_cast<double>(end - begin);
      mean.second += points[k].second / static_cast<double>(end - begin);
    }
    result.push_back(mean);
  }
  return result;
}

struct History {
  Points loss;  // of steps
  Points rate;
  Points norm;
  Points training;                           // of epochs
  std::map<std::string, Points> validation;  // of epochs, by metric or "loss"
};

History read_history(std::string_view log) {
  History history;
  for_each_line(log, [&](std::string_view text) {
    const Json line = parse_line(text);
    const double step = number_of(line, "step");
    if (line.contains("batch")) {
      history.loss.emplace_back(step, number_of(line, "loss"));
      history.rate.emplace_back(step, number_of(line, "rate"));
      history.norm.emplace_back(step, number_of(line, "gradient_norm"));
      return;
    }
    history.training.emplace_back(step, number_of(line, "training_loss"));
    for (const auto& [key, value] : line.items()) {
      if (!key.starts_with(kValidation)) continue;
      history.validation[key.substr(kValidation.size())].emplace_back(step, number_of(line, key.c_str()));
    }
  });
  return history;
}

}  // namespace

void cut_history(const std::string& folder, const training::RunState& state) {
  filter_lines(folder + "/log.jsonl",
               [&](std::string_view line) { return lies_before(parse_line(line), state); });
  // The header has no number in front.
  filter_lines(folder + "/metrics.csv", [&](std::string_view line) {
    return leading_number(line) <= state.epoch && (state.epoch > 0 || leading_number(line) > 0);
  });
}

std::string draw_history(std::string_view log) {
  History history = read_history(log);
  Panel loss{
      "loss",
      {{"training, by step", thinned(history.loss), 0, true}, {"training, by epoch", history.training, 0}},
      true};
  if (auto node = history.validation.extract("loss")) {
    loss.curves.push_back({"validation", std::move(node.mapped()), 1});
  }
  Panel shares{"metrics of the validation data", {}};
  Panel errors{"errors of the validation data", {}};
  for (auto& [name, points] : history.validation) {
    Panel& panel = training::Metrics::is_of_classes(name) ? shares : errors;
    panel.curves.push_back({name, std::move(points), panel.curves.size() + 1});
  }
  const Panel rate{"learning rate", {{"rate", thinned(history.rate), 2}}};
  const Panel norm{"norm of the gradient", {{"norm", thinned(history.norm), 3, true}}, true};
  return plot_svg({loss, shares, errors, rate, norm}, "step");
}

}  // namespace dlc::tools

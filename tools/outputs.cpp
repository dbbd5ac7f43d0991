#include "tools/outputs.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/error.h"
#include "tools/inputs.h"
#include "tools/tool.h"

namespace dlc::tools {
namespace {

constexpr int64_t kShown = 6;

bool is_number(DType type) { return is_float(type) || is_integer(type) || type == DType::kBool; }

std::string format_value(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kString) return fmt::format("'{}'", tensor.strings()[static_cast<size_t>(i)]);
  if (is_float(tensor.dtype())) return fmt::format("{:.6g}", tensor.get_double(i));
  return is_number(tensor.dtype()) ? fmt::format("{}", tensor.get_int(i)) : "?";
}

std::string range_of(const Tensor& tensor) {
  if (!is_number(tensor.dtype()) || tensor.size() == 0) return "";
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  double sum = 0;
  int64_t nans = 0;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const double value = tensor.get_double(i);
    nans += std::isnan(value) ? 1 : 0;
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
  }
  const std::string text = fmt::format("  min {:.6g}  max {:.6g}  mean {:.6g}", low, high,
                                       sum / static_cast<double>(tensor.size()));
  return nans > 0 ? text + fmt::format("  ({} NaN)", nans) : text;
}

// A name of its own for each output's file.
std::string file_name(const std::string& name, std::set<std::string>& taken) {
  constexpr size_t kLongest = 200;
  std::string stem;
  for (const char c : name) {
    const bool bad = c == '/' || c == '\0' || (stem.empty() && c == '.');
    stem += bad ? '_' : c;
  }
  stem = stem.empty() ? "_" : stem.substr(0, kLongest);
  std::string result = stem;
  for (int i = 2; !taken.insert(result).second; ++i) result = fmt::format("{}_{}", stem, i);
  return result + ".npy";
}

std::vector<double> probabilities(const Tensor& scores, int64_t begin, int64_t count) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(scores.get_double(begin + i));
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const bool negative = std::any_of(values.begin(), values.end(), [](double v) { return v < 0; });
  if (!negative && std::fabs(sum - 1) < 1e-2) return values;
  const double top = *std::max_element(values.begin(), values.end());
  double total = 0;
  for (double& value : values) total += value = std::exp(value - top);
  for (double& value : values) value /= total;
  return values;
}

}  // namespace

namespace {

std::string summarize_tensor(const std::string& name, const Tensor& tensor) {
  std::string first;
  for (int64_t i = 0; i < std::min(tensor.size(), kShown); ++i)
    first += (i > 0 ? ", " : "") + format_value(tensor, i);
  return fmt::format("{}  {}{}  [{}{}]", name, describe(tensor), range_of(tensor), first,
                     tensor.size() > kShown ? ", ..." : "");
}

void write_value(const std::filesystem::path& folder, const std::string& name, const Value& value,
                 std::set<std::string>& taken) {
  const auto write = [&](const std::string& stem, const Tensor& tensor) {
    data::write_npy((folder / file_name(stem, taken)).string(), tensor);
  };
  if (value.is_tensor()) return write(name, value.tensor());
  if (value.kind() == ValueKind::kMap) {
    write(name + ".keys", value.keys());
    return write(name + ".values", value.values());
  }
  for (size_t i = 0; i < value.elements().size(); ++i)
    write_value(folder, fmt::format("{}.{}", name, i), value.elements()[i], taken);
}

}  // namespace

std::string summarize(const std::string& name, const Value& value) {
  if (value.is_tensor()) return summarize_tensor(name, value.tensor());
  std::string text = fmt::format("{}  {}", name, describe(value));
  if (value.kind() == ValueKind::kMap) {
    text += "\n" + summarize_tensor(name + ".keys", value.keys());
    return text + "\n" + summarize_tensor(name + ".values", value.values());
  }
  const auto count = std::min(value.elements().size(), static_cast<size_t>(kShown));
  for (size_t i = 0; i < count; ++i)
    text += "\n" + summarize(fmt::format("{}.{}", name, i), value.elements()[i]);
  return text;
}

void write_outputs(const std::string& folder, const std::vector<runtime::ValueInfo>& infos,
                   const std::vector<Value>& outputs) {
  make_folder(folder);
  std::set<std::string> taken;
  for (size_t i = 0; i < outputs.size(); ++i) {
    write_value(folder, infos[i].name, outputs[i], taken);
  }
}

std::string format_top(const Tensor& scores, int count, const std::vector<std::string>& labels) {
  if (scores.rank() < 1 || scores.size() == 0 || !is_number(scores.dtype())) {
    fail(ErrorKind::kUsage, "--top: an output of {} holds no scores of classes", describe(scores));
  }
  const int64_t classes = scores.shape().back();
  std::string text;
  for (int64_t row = 0; row < scores.size() / classes; ++row) {
    if (scores.size() > classes) text += fmt::format("row {}\n", row);
    const std::vector<double> chances = probabilities(scores, row * classes, classes);
    std::vector<size_t> order(chances.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return chances[a] > chances[b]; });
    order.resize(std::min(order.size(), static_cast<size_t>(std::max(count, 1))));
    for (const size_t c : order) {
      const std::string label = c < labels.size() ? labels[c] : fmt::format("class {}", c);
      text += fmt::format("{:8.3f} %  {}\n", 100 * chances[c], label);
    }
  }
  return text;
}

std::vector<std::string> read_labels(const std::string& path) {
  const std::string bytes = data::read_file(path);
  std::vector<std::string> labels;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string line = bytes.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    labels.push_back(std::move(line));
    begin = end + 1;
  }
  return labels;
}

}  // namespace dlc::tools

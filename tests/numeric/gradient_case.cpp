#include "tests/numeric/gradient_case.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "runtime/error.h"
#include "tests/support/paths.h"

namespace dlc::test {
namespace {

// Whether the line is one of the case's own, in front of its graph.
bool read_directive(const std::string& line, GradientCase& item) {
  std::istringstream words(line);
  std::string verb, name;
  words >> verb >> name;
  if (verb == "constant") {
    item.constants.insert(name);
  } else if (verb == "zero") {
    item.zeros.insert(name);
  } else if (verb == "let") {
    std::string equals;
    words >> equals >> item.symbols[name];
  } else if (verb == "draw") {
    std::string first;
    words >> first;
    Draw& draw = item.draws[name];
    if (first == "distinct") {
      draw.distinct = true;
    } else {
      draw.low = std::stod(first);
      draw.signs = false;
      words >> draw.high;
    }
  } else {
    return false;
  }
  if (words.fail()) fail(ErrorKind::kUsage, "{}: {}: cannot read '{}'", item.file, item.title, line);
  return true;
}

void read_file(const std::filesystem::path& path, std::vector<GradientCase>& cases) {
  std::ifstream stream(path);
  size_t first = cases.size();
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("=== ")) {
      cases.push_back({.file = path.filename().string(), .title = line.substr(4)});
    } else if (cases.size() > first) {
      GradientCase& item = cases.back();
      if (item.text.empty() && read_directive(line, item)) continue;
      item.text += line + "\n";
    }
  }
}

std::vector<int64_t> shape_of(const GradientCase& item, const ir::Value& input) {
  std::vector<int64_t> shape;
  for (const ir::Dim& dim : input.shape()) {
    shape.push_back(dim.evaluate([&](const std::string& symbol) {
      auto it = item.symbols.find(symbol);
      if (it == item.symbols.end()) fail(ErrorKind::kUsage, "{}: no value for '{}'", item.title, symbol);
      return it->second;
    }));
  }
  return shape;
}

}  // namespace

void PrintTo(const GradientCase& item, std::ostream* stream) { *stream << item.file << ": " << item.title; }

std::vector<GradientCase> read_gradient_cases(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<GradientCase> cases;
  for (const auto& file : files) read_file(file, cases);
  return cases;
}

Tensor draw_input(const GradientCase& item, const ir::Value& input, uint64_t seed) {
  auto it = item.draws.find(input.name());
  Draw draw = it == item.draws.end() ? Draw() : it->second;
  Tensor result(input.dtype(), shape_of(item, input));
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  std::vector<int64_t> order(static_cast<size_t>(result.size()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  if (draw.distinct) std::shuffle(order.begin(), order.end(), random);
  for (int64_t i = 0; i < result.size(); ++i) {
    double u = unit(random);
    if (draw.distinct) {
      u = (static_cast<double>(order[static_cast<size_t>(i)]) + 0.45 + 0.1 * u) /
          static_cast<double>(result.size());
    }
    double value = draw.low + (draw.high - draw.low) * u;
    if (!is_float(result.dtype())) {
      result.set_int(i, static_cast<int64_t>(std::floor(it == item.draws.end() ? 2 * u : value)));
    } else {
      bool negative = draw.signs && (draw.distinct ? false : unit(random) < 0.5);
      result.set_double(i, negative ? -value : value);
    }
  }
  return result;
}

}  // namespace dlc::test

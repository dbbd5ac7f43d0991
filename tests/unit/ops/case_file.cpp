#include "tests/unit/ops/case_file.h"

#include <fstream>
#include <iomanip>
#include <sstream>
#include <stdexcept>

namespace dlc::test {
namespace {

DType type_of(const std::string& onnx_type) {
  for (int i = 1; i <= static_cast<int>(DType::kInt2); ++i) {
    if (onnx_name(static_cast<DType>(i)) == onnx_type) return static_cast<DType>(i);
  }
  throw std::runtime_error("no element type: " + onnx_type);
}

// "float[2, 3] 1 2 3 4 5 6"
Tensor read_tensor(const std::string& text) {
  size_t open = text.find('['), close = text.find(']');
  if (open == std::string::npos || close == std::string::npos) throw std::runtime_error("no shape: " + text);
  const DType type = type_of(text.substr(0, open));
  std::vector<int64_t> shape;
  std::istringstream extents(text.substr(open + 1, close - open - 1));
  for (std::string extent; std::getline(extents, extent, ',');) shape.push_back(std::stoll(extent));
  std::istringstream values(text.substr(close + 1));
  std::string word;
  if (type == DType::kString) {
    std::vector<std::string> strings;
    while (values >> std::quoted(word)) strings.push_back(word);
    return Tensor::from_strings(shape, std::move(strings));
  }
  Tensor tensor(type, shape);
  int64_t count = 0;
  while (values >> word) {
    if (word == "pattern") {
      for (; count < tensor.size(); ++count) tensor.set_double(count, pattern(count));
    } else if (count < tensor.size()) {
      tensor.set_double(count++, word == "true" ? 1 : word == "false" ? 0 : std::stod(word));
    } else {
      throw std::runtime_error("too many elements: " + text);
    }
  }
  if (count != tensor.size()) throw std::runtime_error("too few elements: " + text);
  return tensor;
}

bool take(const std::string& line, const std::string& prefix, std::string& rest) {
  if (!line.starts_with(prefix)) return false;
  rest = line.substr(prefix.size());
  return true;
}

}  // namespace

namespace {

Value read_value(const std::string& text) {
  std::string rest;
  if (text == "optional") return Value::optional();
  if (take(text, "optional ", rest)) return Value::optional(read_value(rest));
  if (take(text, "map ", rest)) {
    const size_t arrow = rest.find(" => ");
    if (arrow == std::string::npos) throw std::runtime_error("no '=>' in a map: " + text);
    return Value::map(read_tensor(rest.substr(0, arrow)), read_tensor(rest.substr(arrow + 4)));
  }
  if (text == "sequence") return Value::sequence({});
  if (!take(text, "sequence ", rest)) return read_tensor(text);
  std::vector<Value> elements;
  for (size_t begin = 0; begin <= rest.size();) {
    const size_t end = std::min(rest.find(" | ", begin), rest.size());
    elements.push_back(read_value(rest.substr(begin, end - begin)));
    begin = end + 3;
  }
  return Value::sequence(std::move(elements));
}

}  // namespace

double pattern(int64_t i) { return static_cast<double>(i * 37 % 101 - 50) / 16; }

std::vector<OperatorCase> read_operator_cases(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<OperatorCase> cases;
  std::string rest;
  for (std::string line; std::getline(stream, line);) {
    if (take(line, "== ", rest)) {
      cases.emplace_back().name = rest;
    } else if (cases.empty() || take(line, "oracle: ", rest)) {
      continue;
    } else if (take(line, "fails: ", rest)) {
      cases.back().fails = rest;
    } else if (take(line, "tolerance: ", rest)) {
      std::istringstream(rest) >> cases.back().tolerance.rtol >> cases.back().tolerance.atol;
    } else if (take(line, "< ", rest)) {
      cases.back().inputs.push_back(read_value(rest));
    } else if (take(line, "> ", rest)) {
      cases.back().outputs.push_back(read_value(rest));
    } else {
      cases.back().model += line + "\n";
    }
  }
  return cases;
}

}  // namespace dlc::test

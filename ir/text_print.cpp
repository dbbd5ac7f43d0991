#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "ir/equal.h"
#include "ir/op.h"
#include "ir/text.h"

namespace dlc::ir {
namespace {

bool is_plain(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '/' || c == ':' || c == '-' || c == '$';
  });
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string value_name(std::string_view name) {
  return "%" + (is_plain(name) ? std::string(name) : quoted(name));
}

std::string use_text(const Value* value) { return value == nullptr ? "_" : value_name(value->name()); }

// Recognisable as a float: "1.0", "1e-05", "inf".
std::string float_text(double value) {
  std::string text = fmt::format("{}", value);
  bool integral =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) || c == '-'; });
  return integral ? text + ".0" : text;
}

bool has_numbers(DType type) { return type != DType::kComplex64 && type != DType::kComplex128; }

std::string element_text(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kString) return quoted(tensor.strings()[static_cast<size_t>(i)]);
  if (tensor.dtype() == DType::kDouble) return fmt::format("{}", tensor.get_double(i));
  if (is_float(tensor.dtype())) return fmt::format("{}", static_cast<float>(tensor.get_double(i)));
  if (tensor.dtype() == DType::kUint64) return fmt::format("{}", static_cast<uint64_t>(tensor.get_int(i)));
  return fmt::format("{}", tensor.get_int(i));
}

// All bytes repeat the first element.
bool is_splat(const Tensor& tensor) {
  size_t width = static_cast<size_t>(bit_width(tensor.dtype())) / 8;
  if (width == 0 || tensor.dtype() == DType::kString) return false;
  size_t bytes = static_cast<size_t>(tensor.byte_size());
  const char* data = tensor.as<char>();
  return bytes == width || std::equal(data + width, data + bytes, data);
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  std::string tensor(const Tensor& tensor) {
    std::string result = to_string(Type(tensor.dtype(), Shape(tensor.shape().begin(), tensor.shape().end())));
    bool small = options_.max_elements < 0 || tensor.size() <= options_.max_elements;
    if (!has_numbers(tensor.dtype()) || (!small && !is_splat(tensor))) {
      return result + fmt::format(" dense<{:016x}>", hash(tensor));
    }
    if (!small) return result + fmt::format(" splat({})", element_text(tensor, 0));
    result += " {";
    for (int64_t i = 0; i < tensor.size(); ++i) result += (i == 0 ? "" : ", ") + element_text(tensor, i);
    return result + "}";
  }

  std::string attribute(const Attribute& attribute, int indent) {
    if (auto* number = std::get_if<int64_t>(&attribute)) return fmt::format("{}", *number);
    if (auto* number = std::get_if<double>(&attribute)) return float_text(*number);
    if (auto* text = std::get_if<std::string>(&attribute)) return quoted(*text);
    if (auto* value = std::get_if<Tensor>(&attribute)) return tensor(*value);
    if (auto* list = std::get_if<std::vector<int64_t>>(&attribute)) {
      return list->empty() ? "ints[]" : fmt::format("[{}]", fmt::join(*list, ", "));
    }
    if (auto* list = std::get_if<std::vector<double>>(&attribute)) return floats(*list);
    if (auto* list = std::get_if<std::vector<std::string>>(&attribute)) return strings(*list);
    if (auto* body = std::get_if<std::shared_ptr<Graph>>(&attribute)) {
      return indent < 0 ? "graph ..." : graph(**body, indent);
    }
    return "type " + to_string(std::get<Type>(attribute));
  }

  std::string node(const Node& node, int indent) {
    std::string result;
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      const Value* output = node.output(i);
      result += i == 0 ? "" : ", ";
      result += output == nullptr ? "_" : fmt::format("{}: {}", use_text(output), to_string(output->type()));
    }
    result += " = " + (node.op().domain.empty() ? "" : node.op().domain + ".") + node.op().name + "(";
    for (size_t i = 0; i < node.inputs().size(); ++i)
      result += (i == 0 ? "" : ", ") + use_text(node.input(i));
    result += ")";
    const char* separator = " {";
    for (const auto& [name, value] : node.attributes()) {
      result += fmt::format("{}{} = {}", separator, name, attribute(value, indent));
      separator = ", ";
    }
    if (!node.attributes().empty()) result += "}";
    for (size_t i = 0; i < node.symbols().size(); ++i) {
      result += (i == 0 ? " binds " : ", ") + Dim::symbol(node.symbols()[i]).to_string();
    }
    if (!node.name().empty()) result += " @" + quoted(node.name());
    return result;
  }

  std::string graph(const Graph& graph, int indent) {
    std::string margin(static_cast<size_t>(indent) + 2, ' ');
    std::string result =
        fmt::format("graph {}(", is_plain(graph.name()) ? graph.name() : quoted(graph.name()));
    for (size_t i = 0; i < graph.inputs().size(); ++i) {
      const Value* input = graph.inputs()[i];
      result += fmt::format("{}{}: {}", i == 0 ? "" : ", ", use_text(input), to_string(input->type()));
    }
    result += ") {\n";
    for (const Value* value : graph.constants()) {
      if (!value->has_uses()) continue;
      result += fmt::format("{}{} = const {}\n", margin, use_text(value), tensor(value->constant()));
    }
    for (const auto& item : graph.nodes()) result += margin + node(*item, indent + 2) + "\n";
    result += margin + "return";
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      const Value* output = graph.outputs()[i];
      result += (i == 0 ? " " : ", ") + use_text(output);
      if (graph.output_names()[i] != output->name()) result += " as " + quoted(graph.output_names()[i]);
    }
    return result + fmt::format("\n{}}}", std::string(static_cast<size_t>(indent), ' '));
  }

 private:
  static std::string floats(const std::vector<double>& values) {
    if (values.empty()) return "floats[]";
    std::string result;
    for (double value : values) result += (result.empty() ? "[" : ", ") + float_text(value);
    return result + "]";
  }

  static std::string strings(const std::vector<std::string>& values) {
    if (values.empty()) return "strings[]";
    std::string result;
    for (const std::string& value : values) result += (result.empty() ? "[" : ", ") + quoted(value);
    return result + "]";
  }

  PrintOptions options_;
};

std::string symbols_text(const Graph& graph) {
  std::string result;
  for (const auto& [name, info] : graph.symbols()) {
    result += "symbol " + Dim::symbol(name).to_string();
    if (info.from_input) result += " input";
    if (info.upper_bound) result += " <= " + info.upper_bound->to_string();
    result += "\n";
  }
  return result;
}

}  // namespace

std::string to_text(const Graph& graph, const PrintOptions& options) {
  return symbols_text(graph) + Printer(options).graph(graph, 0) + "\n";
}

std::string to_text(const Node& node) { return Printer({}).node(node, -1); }

}  // namespace dlc::ir

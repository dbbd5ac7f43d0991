#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "ir/op.h"
#include "ir/text.h"
#include "ir/text_scanner.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options) : scan_(text), options_(options) {}

  std::unique_ptr<Graph> parse() {
    std::map<std::string, SymbolInfo> symbols;
    while (scan_.accept("symbol")) parse_symbol(symbols);
    scan_.expect("graph");
    auto graph = std::make_unique<Graph>(scan_.word_or_quoted());
    graph->symbols() = std::move(symbols);
    parse_body(*graph, {});
    if (!scan_.at_end()) scan_.bad("the end");
    return graph;
  }

 private:
  using Names = std::map<std::string, Value*>;

  void parse_symbol(std::map<std::string, SymbolInfo>& symbols) {
    std::string name = scan_.peek() == '`' ? Dim::parse(scan_.until(" ")).symbol_name() : scan_.word();
    SymbolInfo& info = symbols[name];
    info.from_input = scan_.accept("input");
    info.may_be_negative = name.starts_with('$');
    if (scan_.accept("<=")) info.upper_bound = Dim::parse(scan_.until("\n"));
  }

  // Inputs, nodes and outputs, after the graph's name. `names` are those of the enclosing graphs.
  void parse_body(Graph& graph, Names names) {
    scan_.expect("(");
    while (!scan_.accept(")")) {
      std::string name = scan_.value_name();
      scan_.expect(":");
      names[name] = graph.add_input(name, scan_.type());
      if (scan_.peek() != ')') scan_.expect(",");
    }
    scan_.expect("{");
    while (!scan_.accept("return")) parse_statement(graph, names);
    std::vector<Value*> outputs;
    std::vector<std::string> output_names;
    while (!scan_.accept("}")) {
      std::string name = scan_.value_name();
      outputs.push_back(find(names, name));
      output_names.push_back(scan_.accept("as") ? scan_.quoted() : name);
      if (scan_.peek() != '}') scan_.expect(",");
    }
    graph.set_outputs(std::move(outputs), std::move(output_names));
  }

  Value* find(const Names& names, const std::string& name) {
    auto it = names.find(name);
    if (it == names.end()) scan_.bad(fmt::format("a value that is defined, not '{}', before this", name));
    return it->second;
  }

  struct Output {
    std::string name;
    std::optional<Type> type;
  };

  void parse_statement(Graph& graph, Names& names) {
    std::vector<Output> outputs;
    do {
      if (scan_.accept("_")) {
        outputs.push_back({std::string(Graph::kAbsent), std::nullopt});
        continue;
      }
      Output& output = outputs.emplace_back(Output{scan_.value_name(), std::nullopt});
      if (scan_.accept(":")) output.type = scan_.type();
    } while (scan_.accept(","));
    scan_.expect("=");
    if (outputs.size() == 1 && scan_.accept("const")) {
      names[outputs[0].name] = graph.add_constant(outputs[0].name, parse_tensor());
    } else {
      parse_node(graph, outputs, names);
    }
  }

  void parse_node(Graph& graph, const std::vector<Output>& outputs, Names& names) {
    const OpDef& op = parse_op();
    std::vector<Value*> inputs = parse_inputs(names);
    Attributes attributes;
    if (scan_.accept("{")) {
      while (!scan_.accept("}")) {
        std::string name = scan_.word();
        scan_.expect("=");
        attributes[name] = parse_attribute(graph, names);
        if (scan_.peek() != '}') scan_.expect(",");
      }
    }
    std::vector<std::string> output_names;
    for (const Output& output : outputs) output_names.push_back(output.name);
    Node* node = graph.add_node(op, std::move(inputs), output_names, std::move(attributes));
    if (scan_.accept("binds")) {
      do {
        node->add_symbol(Dim::parse(scan_.until(" ,@")).symbol_name());
      } while (scan_.accept(","));
    }
    // The node's name is for messages; it is set when it is known, before anything can fail.
    if (scan_.accept("@")) node->set_name(scan_.quoted());
    define(*node, outputs, names);
  }

  void define(Node& node, const std::vector<Output>& outputs, Names& names) {
    infer_node(node);
    for (size_t i = 0; i < outputs.size(); ++i) {
      Value* value = node.output(i);
      if (value == nullptr) continue;
      names[outputs[i].name] = value;
      if (!outputs[i].type || *outputs[i].type == value->type()) continue;
      fail(ErrorKind::kUsage, "{}: the text says that output {} is {}, inference that it is {}",
           node.describe(), i, to_string(*outputs[i].type), to_string(value->type()));
    }
  }

  const OpDef& parse_op() {
    std::string name = scan_.word();
    size_t dot = name.rfind('.');
    std::string domain = dot == std::string::npos ? "" : name.substr(0, dot);
    const OpDef* op =
        OpRegistry::global().find(domain, dot == std::string::npos ? name : name.substr(dot + 1));
    if (op == nullptr) scan_.bad(fmt::format("a known operator, not '{}', before this", name));
    return *op;
  }

  std::vector<Value*> parse_inputs(const Names& names) {
    std::vector<Value*> inputs;
    scan_.expect("(");
    while (!scan_.accept(")")) {
      inputs.push_back(scan_.accept("_") ? nullptr : find(names, scan_.value_name()));
      if (scan_.peek() != ')') scan_.expect(",");
    }
    return inputs;
  }

  Attribute parse_attribute(Graph& graph, const Names& names) {
    if (scan_.peek() == '"') return scan_.quoted();
    if (scan_.accept("graph")) {
      auto body = std::make_shared<Graph>(scan_.word_or_quoted(), &graph);
      parse_body(*body, names);
      return body;
    }
    if (scan_.accept("type")) return scan_.type();
    if (scan_.accept("ints[")) return scan_.expect("]"), std::vector<int64_t>();
    if (scan_.accept("floats[")) return scan_.expect("]"), std::vector<double>();
    if (scan_.accept("strings[")) return scan_.expect("]"), std::vector<std::string>();
    if (scan_.accept("[")) return parse_list();
    char c = scan_.peek();
    bool is_number =
        (c >= '0' && c <= '9') || c == '-' || scan_.starts_with("inf") || scan_.starts_with("nan");
    return is_number ? parse_number() : Attribute(parse_tensor());
  }

  Attribute parse_number() {
    std::string text = scan_.number();
    if (text.find_first_not_of("0123456789-") == std::string::npos) return to_int(text);
    return to_double(text);
  }

  Attribute parse_list() {
    std::vector<Attribute> items;
    while (!scan_.accept("]")) {
      items.push_back(scan_.peek() == '"' ? Attribute(scan_.quoted()) : parse_number());
      if (scan_.peek() != ']') scan_.expect(",");
    }
    if (items.empty()) scan_.bad("an element, or ints[], floats[] or strings[]");
    if (std::holds_alternative<int64_t>(items[0])) return list_of<int64_t>(items);
    if (std::holds_alternative<double>(items[0])) return list_of<double>(items);
    return list_of<std::string>(items);
  }

  template <class T>
  std::vector<T> list_of(const std::vector<Attribute>& items) {
    std::vector<T> result;
    for (const Attribute& item : items) {
      const T* value = std::get_if<T>(&item);
      if (value == nullptr) scan_.bad("a list of one type before this");
      result.push_back(*value);
    }
    return result;
  }

  int64_t to_int(const std::string& text) {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
    uint64_t wide = 0;
    auto [wide_end, wide_error] = std::from_chars(text.data(), text.data() + text.size(), wide);
    if (wide_error != std::errc() || wide_end != text.data() + text.size())
      scan_.bad("an integer before this");
    return static_cast<int64_t>(wide);
  }

  double to_double(const std::string& text) {
    char* end = nullptr;
    double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size()) scan_.bad("a number before this");
    return value;
  }

  void set_element(Tensor& tensor, int64_t i) {
    std::string text = scan_.number();
    if (is_float(tensor.dtype())) {
      tensor.set_double(i, to_double(text));
    } else {
      tensor.set_int(i, to_int(text));
    }
  }

  Tensor parse_tensor() {
    Type type = scan_.type();
    if (!type.is_tensor() || !is_static(type.tensor.shape)) scan_.bad("a constant type before this");
    std::vector<int64_t> shape = static_shape(type.tensor.shape);
    if (scan_.accept("dense<")) {
      std::string hash = scan_.word();
      scan_.expect(">");
      if (!options_.dense) scan_.bad("all elements instead of dense<> before this");
      return options_.dense(hash);
    }
    if (type.tensor.dtype == DType::kString) return parse_strings(std::move(shape));
    Tensor result(type.tensor.dtype, std::move(shape));
    bool splat = scan_.accept("splat(");
    if (!splat) scan_.expect("{");
    for (int64_t i = 0; i < result.size(); ++i) {
      if (i > 0 && splat) {
        copy_first(result, i);
        continue;
      }
      if (i > 0) scan_.expect(",");
      set_element(result, i);
    }
    scan_.expect(splat ? ")" : "}");
    return result;
  }

  static void copy_first(Tensor& tensor, int64_t i) {
    if (is_float(tensor.dtype())) {
      tensor.set_double(i, tensor.get_double(0));
    } else {
      tensor.set_int(i, tensor.get_int(0));
    }
  }

  Tensor parse_strings(std::vector<int64_t> shape) {
    std::vector<std::string> strings;
    scan_.expect("{");
    while (!scan_.accept("}")) {
      strings.push_back(scan_.quoted());
      if (scan_.peek() != '}') scan_.expect(",");
    }
    return Tensor::from_strings(std::move(shape), std::move(strings));
  }

  TextScanner scan_;
  const ParseOptions& options_;
};

}  // namespace

std::unique_ptr<Graph> parse_graph(std::string_view text, const ParseOptions& options) {
  return Parser(text, options).parse();
}

}  // namespace dlc::ir

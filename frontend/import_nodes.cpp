// The first walk of the importer: nodes, sub-graphs and calls of model functions.
#include <algorithm>
#include <set>

#include "frontend/contrib_schemas.h"
#include "frontend/import_model.h"
#include "frontend/read_attribute.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

// Stands for a node whose operator dlc has no record of until the second walk puts its function body there.
const ir::OpDef& placeholder_op() {
  static const ir::OpDef op{.domain = "dlc", .name = "FunctionCall"};
  return op;
}

bool has_body(const onnx::OpSchema& schema) {
  return schema.HasFunction() || schema.HasContextDependentFunction() || has_contrib_body(schema);
}

// Drops absent ones at the end.
template <class T>
void trim(std::vector<T>& list, const T& absent) {
  while (!list.empty() && list.back() == absent) list.pop_back();
}

// Gradient names tensors of the graph by its attributes; they become inputs behind those that it has.
void add_named_tensors(const onnx::NodeProto& node, const Scope& scope, const ir::Attributes& attributes,
                       std::vector<ir::Value*>& inputs) {
  if (node.op_type() != "Gradient") return;
  const auto add = [&](const char* attribute, const std::string& name) {
    ir::Value* value = scope.find(name);
    if (value == nullptr) {
      fail(ErrorKind::kModel, "{}: there is no tensor '{}' before the node", attribute, name);
    }
    inputs.push_back(value);
  };
  for (const char* key : {"xs", "zs"}) {
    const auto names = attributes.find(key);
    if (names == attributes.end()) continue;
    for (const std::string& name : std::get<std::vector<std::string>>(names->second)) add(key, name);
  }
  add("y", std::get<std::string>(attributes.at("y")));
}

}  // namespace

std::vector<std::string> output_names(const onnx::NodeProto& node, const Scope& scope) {
  const std::string absent(ir::Graph::kAbsent);
  std::vector<std::string> names;
  for (const std::string& name : node.output()) names.push_back(name.empty() ? absent : scope.prefix + name);
  trim(names, absent);
  return names;
}

std::string node_name(const onnx::NodeProto& node, const Scope& scope) {
  return node.name().empty() && scope.prefix.empty() ? "" : scope.prefix + node.name();
}

ir::Value* Scope::find(const std::string& name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
    if (const auto found = scope->values.find(name); found != scope->values.end()) return found->second;
  }
  return nullptr;
}

bool Scope::defines(const std::string& name) const {
  return values.contains(name) || (outer != nullptr && outer->defines(name));
}

void Importer::count_node() {
  if (++node_count_ > options_.max_nodes) {
    fail(ErrorKind::kResource, "the model has more than {} nodes once functions are replaced by their bodies",
         options_.max_nodes);
  }
}

void Importer::read_initializers(const onnx::GraphProto& proto, Scope& scope) {
  const auto add = [&](const std::string& name, auto&& read) {
    if (name.empty()) fail(ErrorKind::kModel, "an initializer has no name");
    if (ir::Value* input = scope.find(name); input != nullptr && &input->graph() == &scope.graph) {
      if (input->is_input() && options_.initializers_as_inputs) return;
      fail(ErrorKind::kModel, "initializer '{}' has the name of an input or of another initializer", name);
    }
    try {
      scope.values[name] = scope.graph.add_constant(scope.prefix + name, read());
    } catch (Error& error) {
      throw error.add_context(fmt::format("initializer '{}'", name));
    }
  };
  for (const auto& tensor : proto.initializer()) {
    add(tensor.name(), [&] { return read_tensor(tensor, tensors_); });
  }
  for (const auto& tensor : proto.sparse_initializer()) {
    add(tensor.values().name(), [&] { return read_sparse_tensor(tensor, tensors_); });
  }
}

void Importer::read_nodes(const NodeList& nodes, Scope& scope) {
  // A name that a sub-graph defines may hide one of the graphs around it.
  const NodeOrder names{.own = [&](const std::string& name) { return scope.values.contains(name); },
                        .outer = [&](const std::string& name) { return scope.defines(name); }};
  for (const int index : order_nodes(nodes, names)) {
    try {
      read_node(nodes[index], scope);
    } catch (Error& error) {
      error.add_context(describe(nodes[index]));
      if (options_.faults == nullptr) throw error;
      collect(error);
      add_broken(nodes[index], scope);
    }
  }
}

std::vector<ir::Value*> Importer::read_inputs_of(const onnx::NodeProto& node, const Scope& scope) {
  std::vector<ir::Value*> inputs;
  for (const std::string& name : node.input()) {
    inputs.push_back(name.empty() ? nullptr : scope.find(name));
  }
  trim<ir::Value*>(inputs, nullptr);
  return inputs;
}

void Importer::name_outputs(const onnx::NodeProto& node, std::span<ir::Value* const> values, Scope& scope) {
  for (size_t i = 0; i < values.size() && i < static_cast<size_t>(node.output_size()); ++i) {
    const std::string& name = node.output(static_cast<int>(i));
    if (!name.empty() && values[i] != nullptr) scope.values[name] = values[i];
  }
}

Scope::Bindings Importer::resolve_attributes(const onnx::NodeProto& node, const Scope& scope) {
  Scope::Bindings result;
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    Scope::Binding binding{&attribute, &scope};
    if (!attribute.ref_attr_name().empty()) {
      if (scope.call == nullptr) {
        fail(ErrorKind::kModel, "attribute '{}' refers to attribute '{}' of a function, but is in none",
             attribute.name(), attribute.ref_attr_name());
      }
      const auto found = scope.call->find(attribute.ref_attr_name());
      if (found == scope.call->end()) continue;  // the caller left it out, and it has no default
      binding = found->second;
    }
    if (!result.emplace(attribute.name(), binding).second) {
      fail(ErrorKind::kModel, "attribute '{}' is given twice", attribute.name());
    }
  }
  return result;
}

const Importer::Body* Importer::find_function(const onnx::NodeProto& node) const {
  const auto found = functions_.find({normal_domain(node.domain()), node.op_type(), node.overload()});
  return found != functions_.end() ? &found->second : nullptr;
}

void Importer::read_node(const onnx::NodeProto& node, Scope& scope) {
  count_node();
  Scope::Bindings attributes = resolve_attributes(node, scope);
  if (const Body* function = find_function(node); function != nullptr) {
    Scope call{
        .graph = scope.graph, .opsets = function->opsets, .depth = scope.depth + 1, .before = scope.before};
    call.prefix = fmt::format("{}{}/", scope.prefix, node.name().empty() ? node.op_type() : node.name());
    name_outputs(node, read_call(*function, read_inputs_of(node, scope), attributes, call), scope);
    for (const std::string& name : function->function->output()) {
      if (!call.defines(name)) {
        fail(ErrorKind::kModel, "output '{}' of function '{}' is undefined", name,
             function->function->name());
      }
    }
    return;
  }
  const onnx::OpSchema& schema = find_schema(node, scope.opsets, function_names_);
  check_arity(node, schema);
  AttributeProtos protos;
  for (const auto& [name, binding] : attributes) protos[name] = binding.proto;
  if (node.op_type() == "Constant" && schema.domain().empty()) {
    if (node.output_size() != 1) fail(ErrorKind::kModel, "has {} outputs; expected 1", node.output_size());
    check_attributes(protos, schema);
    scope.values[node.output(0)] =
        scope.graph.add_constant(scope.prefix + node.output(0), read_constant(protos, tensors_));
    return;
  }
  check_attributes(protos, schema);
  if (ir::OpRegistry::global().find(schema.domain(), schema.Name()) != nullptr) {
    add_node(node, schema, std::move(attributes), scope);
  } else if (has_body(schema)) {
    add_placeholder(node, schema, std::move(attributes), scope);
  } else {
    fail(ErrorKind::kModel, "operator {} is not supported yet", operator_name(node));
  }
}

void Importer::add_node(const onnx::NodeProto& node, const onnx::OpSchema& schema, Scope::Bindings attributes,
                        Scope& scope) {
  ir::Attributes values;
  for (const auto& [name, binding] : attributes) {
    try {
      if (attribute_type(*binding.proto) == onnx::AttributeProto::GRAPH) {
        values.emplace(name, read_subgraph(binding.proto->g(), *binding.scope));
      } else {
        values.emplace(name, read_attribute(*binding.proto, tensors_));
      }
    } catch (Error& error) {
      throw error.add_context(fmt::format("attribute '{}'", name));
    }
  }
  const ir::OpDef& op = ir::OpRegistry::global().get(schema.domain(), schema.Name());
  std::vector<ir::Value*> inputs = read_inputs_of(node, scope);
  add_named_tensors(node, scope, values, inputs);
  ir::Node* added = scope.graph.add_node(op, std::move(inputs), output_names(node, scope), std::move(values),
                                         node_name(node, scope), scope.before);
  fill_defaults(*added, schema, tensors_);
  pending_.emplace(added, Pending{&schema, &node, {}, {}, &scope.opsets, scope.depth, false});
  name_outputs(node, added->outputs(), scope);
}

void Importer::add_placeholder(const onnx::NodeProto& node, const onnx::OpSchema& schema,
                               Scope::Bindings attributes, Scope& scope) {
  std::vector<ir::Value*> inputs = read_inputs_of(node, scope);
  inputs.resize(static_cast<size_t>(node.input_size()), nullptr);
  std::set<std::string> names;
  for (const auto& [name, binding] : attributes) {
    if (binding.proto->has_g()) collect_captures(binding.proto->g(), names);
  }
  std::vector<std::string> captures(names.begin(), names.end());
  for (const std::string& name : captures) {
    inputs.push_back(scope.find(name));
  }
  ir::Node* added = scope.graph.add_node(placeholder_op(), std::move(inputs), output_names(node, scope), {},
                                         node_name(node, scope), scope.before);
  pending_.emplace(added, Pending{&schema, &node, std::move(attributes), std::move(captures), &scope.opsets,
                                  scope.depth, true});
  name_outputs(node, added->outputs(), scope);
}

void Importer::read_outputs(const onnx::GraphProto& proto, Scope& scope) {
  std::vector<ir::Value*> values;
  std::vector<std::string> names;
  for (const auto& output : proto.output()) {
    ir::Value* value = scope.find(output.name());
    if (value == nullptr || output.name().empty()) {
      fail(ErrorKind::kModel, "output '{}' of graph '{}' is defined by no node, input or initializer",
           output.name(), proto.name());
    }
    if (scope.outer == nullptr && std::find(names.begin(), names.end(), output.name()) != names.end()) {
      fail(ErrorKind::kModel, "two outputs of the graph have the name '{}'", output.name());
    }
    if (&value->graph() != &scope.graph) {
      // A value of an enclosing graph is no output of this one.
      const ir::OpDef& identity = ir::OpRegistry::global().get("", "Identity");
      value = scope.graph.add_node(identity, {value}, {""})->output();
    }
    values.push_back(value);
    names.push_back(output.name());
  }
  scope.graph.set_outputs(std::move(values), std::move(names));
}

std::shared_ptr<ir::Graph> Importer::read_subgraph(const onnx::GraphProto& proto, const Scope& outer) {
  if (outer.depth >= options_.max_depth) {
    fail(ErrorKind::kModel, "sub-graphs and functions nest more than {} deep", options_.max_depth);
  }
  auto graph = std::make_shared<ir::Graph>(proto.name(), &outer.graph);
  Scope scope{
      .graph = *graph, .opsets = outer.opsets, .outer = &outer, .call = outer.call, .depth = outer.depth + 1};
  scope.prefix = outer.prefix;
  for (const auto& input : proto.input()) {
    // What the model says of these types is often imprecise; the operator derives them from its own inputs.
    ir::Value* value = graph->add_input(scope.prefix + input.name(), ir::Type());
    if (!scope.values.emplace(input.name(), value).second) {
      fail(ErrorKind::kModel, "two inputs of graph '{}' have the name '{}'", proto.name(), input.name());
    }
  }
  read_initializers(proto, scope);
  read_nodes(proto.node(), scope);
  read_outputs(proto, scope);
  return graph;
}

// `scope` is that of the body, still without names.
std::vector<ir::Value*> Importer::read_call(const Body& body, const std::vector<ir::Value*>& inputs,
                                            const Scope::Bindings& attributes, Scope& scope) {
  const onnx::FunctionProto& function = *body.function;
  if (std::find(active_calls_.begin(), active_calls_.end(), &body) != active_calls_.end()) {
    fail(ErrorKind::kModel, "function '{}' calls itself", function.name());
  }
  if (scope.depth > options_.max_depth) {
    fail(ErrorKind::kModel, "sub-graphs and functions nest more than {} deep", options_.max_depth);
  }
  if (inputs.size() > static_cast<size_t>(function.input_size())) {
    fail(ErrorKind::kModel, "has {} inputs; function '{}' takes {}", inputs.size(), function.name(),
         function.input_size());
  }
  for (int i = 0; i < function.input_size(); ++i) {
    ir::Value* value = static_cast<size_t>(i) < inputs.size() ? inputs[static_cast<size_t>(i)] : nullptr;
    if (!scope.values.emplace(function.input(i), value).second) {
      fail(ErrorKind::kModel, "function '{}' has two inputs '{}'", function.name(), function.input(i));
    }
  }
  Scope::Bindings bindings = attributes;
  for (const auto& attribute : function.attribute_proto()) {
    bindings.try_emplace(attribute.name(), Scope::Binding{&attribute, &scope});
  }
  scope.call = &bindings;
  active_calls_.push_back(&body);
  try {
    read_nodes(function.node(), scope);
  } catch (...) {
    active_calls_.pop_back();
    throw;
  }
  active_calls_.pop_back();
  std::vector<ir::Value*> outputs;
  for (const std::string& name : function.output()) {
    outputs.push_back(scope.find(name));
  }
  return outputs;
}

}  // namespace dlc::frontend

// The second walk of the importer: types, versions and function bodies, in order of evaluation.
#include <iterator>
#include <optional>

#include "frontend/contrib_schemas.h"
#include "frontend/import_model.h"
#include "frontend/read_attribute.h"
#include "frontend/upgrade.h"
#include "ir/ops/branch.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

// The largest of `versions` that is at most `version`.
std::optional<int> version_in_effect(const std::vector<int>& versions, int64_t version) {
  std::optional<int> best;
  for (const int candidate : versions) {
    if (candidate <= version && (!best || candidate > *best)) best = candidate;
  }
  return best;
}

onnx::NodeProto with_attributes(const onnx::NodeProto& node, const Scope::Bindings& attributes) {
  onnx::NodeProto result;
  *result.mutable_input() = node.input();
  *result.mutable_output() = node.output();
  result.set_op_type(node.op_type());
  for (const auto& [name, binding] : attributes) {
    onnx::AttributeProto* attribute = result.add_attribute();
    *attribute = *binding.proto;
    attribute->set_name(name);
    attribute->clear_ref_attr_name();
  }
  return result;
}

}  // namespace

void fill_defaults(ir::Node& node, const onnx::OpSchema& schema, TensorSource& tensors) {
  for (const auto& [name, attribute] : schema.attributes()) {
    if (attribute.default_value.type() == onnx::AttributeProto::UNDEFINED || node.has(name)) continue;
    node.set_attribute(name, read_attribute(attribute.default_value, tensors));
  }
}

void Importer::settle(ir::Graph& graph, bool typed) {
  for (auto position = graph.nodes().begin(); position != graph.nodes().end();)
    position = collects(graph) ? settle_or_collect(graph, position) : settle_node(graph, position, typed);
}

// Returns where to go on.
NodePosition Importer::settle_node(ir::Graph& graph, NodePosition position, bool typed) {
  ir::Node& node = **position;
  if (const auto found = pending_.extract(&node); !found.empty()) {
    // What takes the node's place is settled next.
    std::optional<NodePosition> previous;
    if (position != graph.nodes().begin()) previous = std::prev(position);
    const Pending& pending = found.mapped();
    try {
      check_types(node, pending);
      if (pending.expands) {
        expand(node, pending);
      } else if (ir::Node* upgraded = upgrade_node(graph, position, pending.schema->SinceVersion())) {
        const onnx::OpSchema* newest =
            onnx::OpSchemaRegistry::Schema(pending.schema->Name(), pending.schema->domain());
        fill_defaults(*upgraded, *newest, tensors_);
      }
    } catch (Error& error) {
      throw error.add_context(describe(*pending.proto));
    }
    return previous ? std::next(*previous) : graph.nodes().begin();
  }
  if (typed && ir::is_branch(node)) return settle_branches(graph, position);
  for (const auto& [name, subgraph] : ir::subgraphs(node))
    settle(*subgraph, typed && subgraph->inputs().empty());
  if (typed) {
    ir::infer_node(node);
    run_type_checks();
  }
  return std::next(position);
}

void Importer::check_types(const ir::Node& node, const Pending& pending) {
  TypeCheck check{describe(*pending.proto), pending.schema, {node.inputs().begin(), node.inputs().end()}};
  if (check.inputs.size() > static_cast<size_t>(pending.proto->input_size())) {
    check.inputs.resize(static_cast<size_t>(pending.proto->input_size()));
  }
  std::vector<const ir::Type*> types;
  for (const ir::Value* input : check.inputs) {
    if (input != nullptr && !is_known(input->type())) {
      type_checks_.push_back(std::move(check));
      return;
    }
    types.push_back(input != nullptr ? &input->type() : nullptr);
  }
  check_input_types(types, *pending.schema);
}

void Importer::run_type_checks() {
  for (const TypeCheck& check : type_checks_) {
    std::vector<const ir::Type*> types;
    for (const ir::Value* input : check.inputs) {
      types.push_back(input != nullptr && is_known(input->type()) ? &input->type() : nullptr);
    }
    try {
      check_input_types(types, *check.schema);
    } catch (Error& error) {
      throw error.add_context(check.node);
    }
  }
  type_checks_.clear();
}

void Importer::find_body(const ir::Node& placeholder, const Pending& pending, Body& body) {
  const onnx::OpSchema& schema = *pending.schema;
  std::vector<onnx::TypeProto> types;
  for (int i = 0; i < pending.proto->input_size(); ++i) {
    const ir::Value* input = placeholder.input(static_cast<size_t>(i));
    types.push_back(input != nullptr && is_known(input->type()) ? write_type(input->type(), true)
                                                                : onnx::TypeProto());
  }
  const onnx::NodeProto node = with_attributes(*pending.proto, pending.attributes);
  const onnx::FunctionBodyBuildContextImpl context(node, types);
  const int64_t version = pending.opsets->at(schema.domain());
  if (const auto known = version_in_effect(schema.function_opset_versions(), version)) {
    body.function = schema.GetFunction(*known);
  } else if (const auto builder =
                 version_in_effect(schema.context_dependent_function_opset_versions(), version)) {
    if (schema.BuildContextDependentFunction(context, body.built, *builder)) body.function = &body.built;
  } else if (build_contrib_body(schema, context, body.built)) {
    body.function = &body.built;
  }
  if (body.function == nullptr) {
    fail(ErrorKind::kModel,
         "operator {} is not supported yet in this form: its definition needs types that are unknown here",
         schema.Name());
  }
  body.opsets = read_opsets(body.function->opset_import());
  // A definition that leaves out a domain is written in the operators that the model imports.
  body.opsets.insert(pending.opsets->begin(), pending.opsets->end());
}

void Importer::expand(ir::Node& placeholder, const Pending& pending) {
  Body& body = bodies_.emplace_back();
  Scope::Bindings attributes = pending.attributes;
  for (const auto& [name, attribute] : pending.schema->attributes()) {
    if (attribute.default_value.type() != onnx::AttributeProto::UNDEFINED) {
      attributes.try_emplace(name, Scope::Binding{&attribute.default_value, nullptr});
    }
  }
  Pending filled = pending;
  filled.attributes = attributes;
  find_body(placeholder, filled, body);

  ir::Graph& graph = placeholder.graph();
  const size_t own_inputs = static_cast<size_t>(pending.proto->input_size());
  Scope captured{.graph = graph, .opsets = *pending.opsets, .depth = pending.depth + 1};
  for (size_t i = 0; i < pending.captures.size(); ++i) {
    captured.values[pending.captures[i]] = placeholder.input(own_inputs + i);
  }
  for (auto& [name, binding] : attributes) binding.scope = &captured;
  std::vector<ir::Value*> inputs;
  for (size_t i = 0; i < own_inputs; ++i) inputs.push_back(placeholder.input(i));
  while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();

  Scope scope{.graph = graph, .opsets = body.opsets, .depth = pending.depth + 1, .before = &placeholder};
  scope.prefix = fmt::format("{}/", placeholder.name().empty() ? pending.schema->Name() : placeholder.name());
  const std::vector<ir::Value*> outputs = read_call(body, inputs, attributes, scope);
  for (size_t i = 0; i < placeholder.outputs().size(); ++i) {
    ir::Value* output = placeholder.output(i);
    if (output == nullptr || !output->has_uses()) continue;
    if (i >= outputs.size() || outputs[i] == nullptr) {
      fail(ErrorKind::kModel, "output {} is in use, but the definition of {} does not give it", i,
           pending.schema->Name());
    }
    graph.replace_all_uses(output, outputs[i]);
    graph.pass_name(output, outputs[i]);
  }
  graph.erase(&placeholder);
}

}  // namespace dlc::frontend

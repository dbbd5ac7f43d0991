#include "frontend/check_node.h"

#include <algorithm>

#include "frontend/contrib_schemas.h"
#include "frontend/near_names.h"
#include "frontend/order_nodes.h"
#include "frontend/read_type.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

using Attribute = onnx::AttributeProto;
using Parameter = onnx::OpSchema::FormalParameter;

std::string shown(const std::string& domain) { return domain.empty() ? "ai.onnx" : domain; }

std::vector<std::string> operators_of(const std::string& domain) {
  std::set<std::string> names;
  for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas()) {
    if (schema.domain() == domain) names.insert(schema.Name());
  }
  return {names.begin(), names.end()};
}

std::string known_domains() {
  std::set<std::string> names;
  for (const auto& [domain, range] : onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map()) {
    names.insert(shown(domain));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

[[noreturn]] void fail_unknown(const onnx::NodeProto& node, const std::string& domain, int64_t version,
                               const std::vector<std::string>& functions) {
  if (const onnx::OpSchema* newest = onnx::OpSchemaRegistry::Schema(node.op_type(), domain);
      newest != nullptr) {
    fail(ErrorKind::kModel, "operator {} is not in opset {} of {}, which the model imports", node.op_type(),
         version, shown(domain));
  }
  std::vector<std::string> candidates = operators_of(domain);
  const bool known_domain = !candidates.empty();
  candidates.insert(candidates.end(), functions.begin(), functions.end());
  if (!known_domain) {
    fail(ErrorKind::kModel,
         "operator {} belongs to the unknown domain '{}'; known are {} and the model's functions{}",
         node.op_type(), domain, known_domains(), did_you_mean(node.op_type(), candidates));
  }
  fail(ErrorKind::kModel, "unknown operator {} in domain {}{}", node.op_type(), shown(domain),
       did_you_mean(node.op_type(), candidates));
}

constexpr const char* kAttributeTypeNames[] = {
    "undefined", "float",   "int",    "string",        "tensor",         "graph", "floats", "ints",
    "strings",   "tensors", "graphs", "sparse tensor", "sparse tensors", "type",  "types"};

const char* type_name(Attribute::AttributeType type) {
  const int index = static_cast<int>(type);
  return index >= 0 && index < static_cast<int>(std::size(kAttributeTypeNames)) ? kAttributeTypeNames[index]
                                                                                : "unknown";
}

void check_parameters(const google::protobuf::RepeatedPtrField<std::string>& names,
                      const std::vector<Parameter>& parameters, int min, int max, const char* what) {
  int given = names.size();
  while (given > 0 && names[given - 1].empty()) --given;
  if (given < min || given > max) {
    const std::string expected = min == max       ? fmt::format("{}", min)
                                 : max == INT_MAX ? fmt::format("at least {}", min)
                                                  : fmt::format("{} to {}", min, max);
    fail(ErrorKind::kModel, "has {} {}s; expected {}", given, what, expected);
  }
  for (int i = 0; i < given && i < static_cast<int>(parameters.size()); ++i) {
    const Parameter& parameter = parameters[static_cast<size_t>(i)];
    if (names[i].empty() && parameter.GetOption() == onnx::OpSchema::Single) {
      fail(ErrorKind::kModel, "{} {} ({}) is absent; it is required", what, i, parameter.GetName());
    }
  }
}

std::string describe_input(const Parameter& parameter, size_t index) {
  return fmt::format("input {} ({})", index, parameter.GetName());
}

std::string allowed_types(const Parameter& parameter) {
  std::vector<std::string> names;
  for (const onnx::DataType type : parameter.GetTypes()) names.push_back(*type);
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Opsets read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports) {
  register_contrib_schemas();
  const auto& known = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  Opsets opsets;
  for (const onnx::OperatorSetIdProto& import : imports) {
    const std::string domain = normal_domain(import.domain());
    const auto [entry, is_new] = opsets.emplace(domain, import.version());
    if (!is_new && entry->second != import.version()) {
      fail(ErrorKind::kModel, "opsets {} and {} of domain {} are both imported", entry->second,
           import.version(), shown(domain));
    }
    if (import.version() < 1) {
      fail(ErrorKind::kModel, "opset {} of domain {} is imported; the first is 1", import.version(),
           shown(domain));
    }
    const auto range = known.find(domain);
    if (range != known.end() && import.version() > range->second.second) {
      fail(ErrorKind::kModel, "opset {} of domain {} is newer than this version knows ({})", import.version(),
           shown(domain), range->second.second);
    }
  }
  return opsets;
}

const onnx::OpSchema& find_schema(const onnx::NodeProto& node, const Opsets& opsets,
                                  const std::vector<std::string>& functions) {
  const std::string domain = normal_domain(node.domain());
  const auto version = opsets.find(domain);
  if (version == opsets.end()) {
    fail(ErrorKind::kModel, "operator {} is of domain '{}', which the model does not import", node.op_type(),
         shown(domain));
  }
  const int number = static_cast<int>(std::min<int64_t>(version->second, INT_MAX));
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(node.op_type(), number, domain);
  if (schema == nullptr) fail_unknown(node, domain, version->second, functions);
  // A form that a later one replaces is upgraded.
  const bool is_replaced = !onnx::OpSchemaRegistry::Schema(node.op_type(), domain)->Deprecated();
  if (schema->Deprecated() && !is_replaced) {
    fail(ErrorKind::kModel, "operator {} was removed in opset {}; the model imports opset {}", node.op_type(),
         schema->SinceVersion(), version->second);
  }
  return *schema;
}

void check_arity(const onnx::NodeProto& node, const onnx::OpSchema& schema) {
  check_parameters(node.input(), schema.inputs(), schema.min_input(), schema.max_input(), "input");
  check_parameters(node.output(), schema.outputs(), schema.min_output(), schema.max_output(), "output");
}

Attribute::AttributeType attribute_type(const Attribute& attribute) {
  if (attribute.type() != Attribute::UNDEFINED) return attribute.type();
  if (attribute.has_f()) return Attribute::FLOAT;
  if (attribute.has_i()) return Attribute::INT;
  if (attribute.has_s()) return Attribute::STRING;
  if (attribute.has_t()) return Attribute::TENSOR;
  if (attribute.has_g()) return Attribute::GRAPH;
  if (attribute.floats_size() > 0) return Attribute::FLOATS;
  if (attribute.ints_size() > 0) return Attribute::INTS;
  if (attribute.strings_size() > 0) return Attribute::STRINGS;
  return Attribute::UNDEFINED;
}

void check_attributes(const AttributeProtos& attributes, const onnx::OpSchema& schema) {
  for (const auto& [name, attribute] : attributes) {
    const auto found = schema.attributes().find(name);
    if (found == schema.attributes().end()) {
      std::vector<std::string> candidates;
      for (const auto& [known, rest] : schema.attributes()) candidates.push_back(known);
      fail(ErrorKind::kModel, "has no attribute '{}' in opset {}{}", name, schema.SinceVersion(),
           did_you_mean(name, candidates));
    }
    const Attribute::AttributeType type = attribute_type(*attribute);
    if (type != found->second.type) {
      fail(ErrorKind::kModel, "attribute '{}' has type {}; expected {}", name, type_name(type),
           type_name(found->second.type));
    }
  }
  for (const auto& [name, attribute] : schema.attributes()) {
    if (attribute.required && !attributes.contains(name)) {
      fail(ErrorKind::kModel, "required attribute '{}' of type {} is absent", name,
           type_name(attribute.type));
    }
  }
}

void check_input_types(const std::vector<const ir::Type*>& inputs, const onnx::OpSchema& schema) {
  // What each type variable was bound to, and by which input.
  std::map<std::string, std::pair<onnx::DataType, std::string>> bound;
  for (size_t i = 0; i < inputs.size() && !schema.inputs().empty(); ++i) {
    if (inputs[i] == nullptr) continue;
    const Parameter& parameter = schema.inputs()[std::min(i, schema.inputs().size() - 1)];
    const onnx::DataType type = onnx::Utils::DataTypeUtils::ToType(write_type(*inputs[i], false));
    if (!parameter.GetTypes().contains(type)) {
      fail(ErrorKind::kModel, "{} has type {}; expected one of {}", describe_input(parameter, i), *type,
           allowed_types(parameter));
    }
    if (parameter.GetOption() == onnx::OpSchema::Variadic && !parameter.GetIsHomogeneous()) continue;
    const auto [entry, is_new] =
        bound.try_emplace(parameter.GetTypeStr(), type, describe_input(parameter, i));
    if (!is_new && entry->second.first != type) {
      fail(ErrorKind::kModel, "{} has type {}; expected {} as {} has", describe_input(parameter, i), *type,
           *entry->second.first, entry->second.second);
    }
  }
}

}  // namespace dlc::frontend

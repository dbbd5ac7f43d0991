#include "frontend/operator_list.h"

#include <algorithm>
#include <map>
#include <utility>

#include <onnx/defs/schema.h>

#include "frontend/contrib_schemas.h"

namespace dlc::frontend {
namespace {

// Of ai.onnx; older forms of an operator are read as far as this one has them.
constexpr int kFirstOpset = 7;

// "tensor(int8)" -> int8. Nothing for sequences, optionals and maps.
DType element_type(std::string_view text) {
  for (int i = 1; i <= static_cast<int>(DType::kInt2); ++i) {
    const auto type = static_cast<DType>(i);
    if (text == "tensor(" + std::string(onnx_name(type)) + ")") return type;
  }
  return DType::kUndefined;
}

std::vector<DType> types_of(const onnx::OpSchema& schema) {
  const auto& parameters = schema.inputs().empty() ? schema.outputs() : schema.inputs();
  std::vector<DType> types;
  if (parameters.empty()) return types;
  for (const onnx::DataType type : parameters.front().GetTypes()) {
    const DType element = element_type(*type);
    if (element != DType::kUndefined) types.push_back(element);
  }
  std::sort(types.begin(), types.end());
  return types;
}

// Versions in effect from the first opset on.
std::vector<int> versions_of(std::vector<int> all, int first) {
  std::sort(all.begin(), all.end());
  const auto after = std::upper_bound(all.begin(), all.end(), first);
  if (after != all.begin()) all.erase(all.begin(), std::prev(after));
  return all;
}

bool is_function(const onnx::OpSchema& schema) {
  return schema.HasFunction() || schema.HasContextDependentFunction() || has_contrib_body(schema);
}

// `schemas`: all of one operator.
ListedOperator list(const std::vector<onnx::OpSchema>& schemas) {
  ListedOperator op{.domain = schemas.front().domain(), .name = schemas.front().Name()};
  const onnx::OpSchema* newest = nullptr;
  for (const onnx::OpSchema& schema : schemas) {
    if (schema.Deprecated()) {
      op.removed = std::max(op.removed, schema.SinceVersion());
      continue;
    }
    op.versions.push_back(schema.SinceVersion());
    if (newest == nullptr || schema.SinceVersion() > newest->SinceVersion()) newest = &schema;
  }
  op.versions = versions_of(std::move(op.versions), op.domain.empty() ? kFirstOpset : 1);
  op.record = ir::OpRegistry::global().find(op.domain, op.name);
  if (newest == nullptr) return op;
  if (op.removed < newest->SinceVersion()) op.removed = 0;
  op.types = types_of(*newest);
  op.is_function = is_function(*newest);
  return op;
}

}  // namespace

std::vector<ListedOperator> list_operators() {
  register_contrib_schemas();
  std::map<std::pair<std::string, std::string>, std::vector<onnx::OpSchema>> schemas;
  for (onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history()) {
    std::vector<onnx::OpSchema>& entry = schemas[{schema.domain(), schema.Name()}];
    entry.push_back(std::move(schema));
  }
  std::vector<ListedOperator> result;
  for (const auto& [key, versions] : schemas) result.push_back(list(versions));
  return result;
}

}  // namespace dlc::frontend

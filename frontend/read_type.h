// ONNX element types and TypeProto <-> the types of the Graph IR.
#pragma once

#include <map>
#include <set>
#include <string>

#include <onnx/onnx_pb.h>

#include "ir/graph.h"

namespace dlc::frontend {

// TensorProto.DataType -> DType. Error naming `what` if it is undefined or unknown.
DType read_dtype(int32_t data_type, std::string_view what);

// How dims that are no numbers become symbols: dim_param names of one model map to one symbol each; a fixed
// name becomes its number.
class SymbolTable {
 public:
  // `from_input`: the symbols that are made are bound at entry.
  ir::Dim named(ir::Graph& graph, const std::string& dim_param, bool from_input);
  // Error(kUsage) if the name is fixed to another number already.
  void fix(const std::string& dim_param, int64_t value);
  bool contains(const std::string& dim_param) const { return dims_.contains(dim_param); }

 private:
  std::map<std::string, ir::Dim, std::less<>> dims_;
};

// "batch size" -> "batch_size": letters, digits, '_' and '.', not beginning with a digit.
std::string symbol_text(std::string_view name);

struct TypeScope {
  ir::Graph& graph;
  SymbolTable& symbols;
  bool is_input = false;  // of the main graph: its symbols are bound at entry
};

// The type of the value `name`. Dims without value get fresh symbols named after it and the axis. Error when
// the element type or a dim is invalid, or the rank of a tensor is unknown. What sequences, optionals and
// maps hold has its own shape each time: any dim without value is open there, and so may be the rank.
ir::Type read_type(const onnx::TypeProto& type, const std::string& name, const TypeScope& scope);

// The type of something held: of an optional's element.
ir::Type read_held_type(const onnx::TypeProto& type, const std::string& name);

// Without dims where `with_shape` is false. Symbols become dim_param.
onnx::TypeProto write_type(const ir::Type& type, bool with_shape);

// False for the type of a value that inference has not reached.
bool is_known(const ir::Type& type);

}  // namespace dlc::frontend

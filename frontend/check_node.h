// A node against the ONNX library's schema of its operator: number of inputs and outputs, attributes, types.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>

#include "ir/graph.h"

namespace dlc::frontend {

// Versions of the operator sets that names in a graph or function refer to, by normal domain.
using Opsets = std::map<std::string, int64_t>;

// Of a model or function. Error(kModel) for an unknown domain's version is left to the nodes that use it; a
// version newer than the ONNX library knows is an Error here.
Opsets read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports);

// The schema of the node's operator in effect. Error(kModel) when the domain is not imported or unknown, when
// the operator is unknown (with near names, also among `functions`) or was removed.
const onnx::OpSchema& find_schema(const onnx::NodeProto& node, const Opsets& opsets,
                                  const std::vector<std::string>& functions);

// Attributes of a node by name; inside functions, references are resolved.
using AttributeProtos = std::map<std::string, const onnx::AttributeProto*>;

void check_arity(const onnx::NodeProto& node, const onnx::OpSchema& schema);
// Known, of the right type, required ones present.
void check_attributes(const AttributeProtos& attributes, const onnx::OpSchema& schema);
// Types of the inputs (null: absent) against the schema's constraints.
void check_input_types(const std::vector<const ir::Type*>& inputs, const onnx::OpSchema& schema);

// The type an attribute has; files of the first IR version do not state it.
onnx::AttributeProto::AttributeType attribute_type(const onnx::AttributeProto& attribute);

}  // namespace dlc::frontend

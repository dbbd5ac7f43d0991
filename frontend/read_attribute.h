// AttributeProto -> ir::Attribute.
#pragma once

#include <onnx/onnx_pb.h>

#include "frontend/read_tensor.h"
#include "frontend/read_type.h"
#include "ir/graph.h"

namespace dlc::frontend {

// Every kind but GRAPH, which the importer reads, and the lists that no operator uses: Error(kModel).
ir::Attribute read_attribute(const onnx::AttributeProto& attribute, TensorSource& tensors);

// The content of a Constant node, from whichever of its attributes is given. Error(kModel) unless it is
// exactly one.
Tensor read_constant(const std::map<std::string, const onnx::AttributeProto*>& attributes,
                     TensorSource& tensors);

}  // namespace dlc::frontend

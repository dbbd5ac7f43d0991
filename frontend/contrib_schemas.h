// Operators that models use and the ONNX library does not know: their schemas and their definitions as
// functions of standard operators.
#pragma once

#include <onnx/defs/schema.h>

namespace dlc::frontend {

// Adds the schemas to the library's registry; the first call does it, from whichever thread.
void register_contrib_schemas();

bool has_contrib_body(const onnx::OpSchema& schema);
// Writes the definition of a node; false if its operator is none of these.
bool build_contrib_body(const onnx::OpSchema& schema, const onnx::FunctionBodyBuildContext& node,
                        onnx::FunctionProto& body);

}  // namespace dlc::frontend

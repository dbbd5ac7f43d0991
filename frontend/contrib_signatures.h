// Signatures of the operators that ONNX Runtime's optimiser and its model builders write: each has a record
// in ir/ops.
#pragma once

#include <span>

#include <onnx/defs/schema.h>

namespace dlc::frontend {

// A signature in text. Parameters are "T name", optional ones "T? name"; attributes are "name: type", with
// "= value" for a default and "!" where they are required.
struct Signature {
  const char* name;
  const char* inputs;
  const char* outputs;
  const char* attributes = "";
  const char* types = "T: float";  // "T: set, U: set" of the sets in contrib_signatures.cpp
  const char* domain = "com.microsoft";
};

std::span<const Signature> contrib_signatures();

onnx::OpSchema schema_of(const Signature& signature);

}  // namespace dlc::frontend

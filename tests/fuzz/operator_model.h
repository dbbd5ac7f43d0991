// Models of one node, made by chance from the schema of its operator.
#pragma once

#include <string>
#include <vector>

#include "tests/fuzz/random.h"

namespace onnx {
class OpSchema;
}

namespace dlc::test {

// Every version of every operator that dlc has a record or a definition of, but for those that take
// sub-graphs, sequences or optionals.
std::vector<const onnx::OpSchema*> fuzzed_operators();

// Element types are legal mostly; shapes, attributes, which inputs are present and which are constants are
// left to chance.
std::string operator_model(const onnx::OpSchema& schema, Random& random);

}  // namespace dlc::test

// Random changes of files and models.
#pragma once

#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

#include "tests/fuzz/corpus.h"
#include "tests/fuzz/random.h"

namespace dlc::test {

// Changes bits, bytes, numbers and stretches of a file; takes stretches of another one.
std::string mutate_bytes(std::string bytes, const std::string& other, Random& random);

// Changes operators, attributes, names, types, extents and constants, so that the model still parses.
void mutate_model(onnx::ModelProto& model, Random& random);

// A model of the corpus with its bytes changed.
std::string byte_mutant(const std::vector<SeedModel>& corpus, Random& random);
// A model of the corpus with its graph changed.
std::string graph_mutant(const std::vector<SeedModel>& corpus, Random& random);

}  // namespace dlc::test

// Hostile files end in success or in an Error, never in a crash, a hang or a bug of ours: random models,
// tensors and libraries. Each test has bounded time; hunt.h says how to look longer.
#include <gtest/gtest.h>

#include <onnx/defs/schema.h>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "tests/fuzz/hunt.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/operator_model.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

TEST(Fuzz, BytesOfModels) {
  const std::vector<SeedModel> corpus = read_corpus();
  hunt({"bytes.onnx", [&](Random& random) { return byte_mutant(corpus, random); }, exercise_model}, 8);
}

TEST(Fuzz, GraphsOfModels) {
  const std::vector<SeedModel> corpus = read_corpus();
  hunt({"graph.onnx", [&](Random& random) { return graph_mutant(corpus, random); }, exercise_model}, 10);
}

TEST(Fuzz, Operators) {
  const std::vector<const onnx::OpSchema*> operators = fuzzed_operators();
  const auto make = [&](Random& random) { return operator_model(*pick_from(operators, random), random); };
  hunt({"operator.onnx", make, exercise_model}, 10);
}

}  // namespace
}  // namespace dlc::test

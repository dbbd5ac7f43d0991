// Hostile files end in success or in an Error, never in a crash, a hang or a bug of ours: random models,
// tensors and libraries. Each test has bounded time; hunt.h says how to look longer.
#include <gtest/gtest.h>

#include <onnx/defs/schema.h>

#include "frontend/write_tensor.h"
#include "runtime/data/npy.h"
#include "tests/fuzz/hunt.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/operator_model.h"

namespace dlc::test {
namespace {

// A ZIP archive of one file, stored.
std::string stored_archive(const std::string& name, const std::string& content) {
  const auto number = [](uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  uint32_t checksum = ~0u;
  for (const char c : content) {
    checksum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) checksum = checksum >> 1 ^ (checksum & 1 ? 0xedb88320u : 0);
  }
  // From the version that is needed to the length of the name.
  const std::string fields = number(20, 2) + number(0, 8) + number(~checksum, 4) + number(content.size(), 4) +
                             number(content.size(), 4) + number(name.size(), 2) + number(0, 2);
  const std::string local = "PK\x03\x04" + fields + name + content;
  const std::string entry = "PK\x01\x02" + number(20, 2) + fields + number(0, 14) + name;
  return local + entry + "PK\x05\x06" + number(0, 4) + number(1, 2) + number(1, 2) + number(entry.size(), 4) +
         number(local.size(), 4) + number(0, 2);
}

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

// Files of tensors: a good one of each kind, changed.
TEST(Fuzz, Tensors) {
  ASSERT_EQ(exercise_tensor(stored_archive("x.npy", data::format_npy(Tensor(DType::kFloat, {2}))), ".npz"),
            "");
  std::vector<SeedModel> seeds;
  for (const DType type : {DType::kFloat, DType::kInt64, DType::kBool, DType::kFloat16}) {
    const Tensor tensor(type, {2, 3});
    seeds.push_back({".npy", data::format_npy(tensor)});
    onnx::TensorProto proto;
    frontend::store(proto, tensor);
    seeds.push_back({".pb", proto.SerializeAsString()});
    seeds.push_back({".npz", stored_archive("x.npy", data::format_npy(tensor))});
  }
  // A mutant is the kind that it is read as, which may be another one, a line's end, and the file.
  const auto make = [&](Random& random) {
    const SeedModel& seed = pick_from(seeds, random);
    const SeedModel& read_as = one_in(random, 8) ? pick_from(seeds, random) : seed;
    return read_as.name + "\n" + mutate_bytes(seed.bytes, pick_from(seeds, random).bytes, random);
  };
  const auto exercise = [](const std::string& mutant, Random&, const Enter&) {
    const size_t end = mutant.find('\n');
    return exercise_tensor(mutant.substr(end + 1), mutant.substr(0, end));
  };
  hunt({"tensor", make, exercise}, 3);
}

}  // namespace
}  // namespace dlc::test

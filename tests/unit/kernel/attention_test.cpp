// The attention node: what it means, and what the verifier rejects.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "ir/kernel/interpret.h"
#include "ir/kernel/text.h"
#include "ir/kernel/verify.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kBatch = 2, kQueries = 3, kKeys = 5, kDepth = 4, kColumns = 2;

struct Parts {
  std::string q = "%0[v0, v1, v3]";
  std::string k = "%1[v0, v2, v3]";
  std::string v = "%2[v0, v2, v4]";
  std::string score = "v5 * 0.5 + %3[v1, v2]";
  std::string bounds = "";
  std::string guard = "none";
  std::string out = "%4[v0, v1, v4] = v6";
};

std::string text(const Parts& parts) {
  return fmt::format(R"(program "p"
    %0 = input f32[2, 3, 4] at 0 "q"
    %1 = input f32[2, 5, 4] at 1 "k"
    %2 = input f32[2, 5, 2] at 2 "v"
    %3 = input f32[3, 5] at 3 "mask"
    %4 = output f32[2, 3, 2] at 0 "y"
    attention "attention" "o" {{
      batch v0 in 2
      row v1 in 3
      key v2 in 5
      depth v3 in 4
      column v4 in 2
      q = {}
      k = {}
      v = {}
      product f32 v5
      score {}
      {}
      guard {}
      result v6
      {}
    }})",
                     parts.q, parts.k, parts.v, parts.score, parts.bounds, parts.guard, parts.out);
}

std::vector<Tensor> random_inputs(uint32_t seed) {
  std::vector<Tensor> inputs;
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-2, 2);
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{kBatch, kQueries, kDepth},
                                                                             {kBatch, kKeys, kDepth},
                                                                             {kBatch, kKeys, kColumns},
                                                                             {kQueries, kKeys}}) {
    Tensor tensor(DType::kFloat, shape);
    for (int64_t i = 0; i < tensor.size(); ++i) tensor.mutable_as<float>()[i] = uniform(random);
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

// By the formula, in double; keys outside of [first, last) of a query are left out.
std::vector<double> by_hand(const std::vector<Tensor>& inputs,
                            const std::function<bool(int64_t query, int64_t key)>& sees) {
  const float *q = inputs[0].as<float>(), *k = inputs[1].as<float>(), *v = inputs[2].as<float>(),
              *mask = inputs[3].as<float>();
  std::vector<double> result;
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t i = 0; i < kQueries; ++i) {
      std::vector<double> weights(kKeys, 0.0);
      double sum = 0;
      for (int64_t j = 0; j < kKeys; ++j) {
        if (!sees(i, j)) continue;
        double product = 0;
        for (int64_t d = 0; d < kDepth; ++d)
          product += double(q[(b * kQueries + i) * kDepth + d]) * k[(b * kKeys + j) * kDepth + d];
        weights[size_t(j)] = std::exp(product / 2 + mask[i * kKeys + j]);
        sum += weights[size_t(j)];
      }
      for (int64_t c = 0; c < kColumns; ++c) {
        double total = 0;
        for (int64_t j = 0; j < kKeys; ++j) total += weights[size_t(j)] * v[(b * kKeys + j) * kColumns + c];
        result.push_back(total / sum);
      }
    }
  }
  return result;
}

void expect_values(const Parts& parts, const std::vector<Tensor>& inputs,
                   const std::vector<double>& expected) {
  const Program program = parse_program(text(parts));
  verify(program);
  const Tensor found = interpret(program, inputs)[0];
  ASSERT_EQ(found.size(), static_cast<int64_t>(expected.size()));
  for (int64_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found.get_double(i), expected[size_t(i)], 1e-5) << "element " << i;
}

TEST(AttentionNode, IsTheSoftmaxOfScoresTimesValues) {
  const std::vector<Tensor> inputs = random_inputs(1);
  expect_values({}, inputs, by_hand(inputs, [](int64_t, int64_t) { return true; }));
}

TEST(AttentionNode, LeavesOutKeysBeyondTheBounds) {
  const std::vector<Tensor> inputs = random_inputs(2);
  expect_values({.bounds = "last v1 + 1"}, inputs,
                by_hand(inputs, [](int64_t i, int64_t j) { return j <= i; }));
  expect_values({.bounds = "first v1 - 1 last v1 + 2"}, inputs,
                by_hand(inputs, [](int64_t i, int64_t j) { return j >= i - 1 && j <= i + 1; }));
}

TEST(AttentionNode, GuardsRowsWithoutKeys) {
  std::vector<Tensor> inputs = random_inputs(3);
  for (int64_t j = 0; j < kKeys; ++j) inputs[3].mutable_as<float>()[kKeys + j] = -kInfinity;  // query 1
  auto row = [&](std::string guard) {
    const Tensor y = interpret(parse_program(text({.guard = guard})), inputs)[0];
    EXPECT_FALSE(std::isnan(y.get_double(0)));
    return y.get_double(kColumns);
  };
  EXPECT_TRUE(std::isnan(row("none")));
  EXPECT_EQ(row("no_keys"), 0);
  EXPECT_EQ(row("not_a_number"), 0);
  inputs[3].mutable_as<float>()[kKeys] = kInfinity;
  EXPECT_TRUE(std::isnan(row("none")));
  EXPECT_TRUE(std::isnan(row("no_keys")));
  EXPECT_EQ(row("not_a_number"), 0);
}

TEST(AttentionNode, IsVerified) {
  struct Case {
    Parts parts;
    std::string_view message;
  };
  const Case cases[] = {
      {{.q = "%0[v0, min(v2, 2), v3]"}, "axis v2 appears in q"},
      {{.k = "%1[v0, v1, v3]"}, "axis v1 appears in k"},
      {{.v = "%2[v0, v3, v4]"}, "axis v3 appears in v"},
      {{.k = "%1[v0, mod(v2, 3), v3]"}, "not affine in v2"},
      {{.k = "%1[v0, v2, v3, 0]"}, "4 indices for 3 axes"},
      {{.score = "v5 + f32(v3)"}, "v3 is used outside of its scope"},
      {{.score = "v5 + f32(v4)"}, "v4 is used outside of its scope"},
      {{.score = "v1"}, "the score: expected f32, found i64"},
      {{.bounds = "last v2"}, "v2 is used outside of its scope"},
      {{.bounds = "first 1.0"}, "a bound of the keys: expected i64, found f32"},
      {{.out = "%4[v0, 0, v4] = v6"}, "axis v1 is not in the output"},
      {{.out = "%4[v0, v1, v4] = v5"}, "v5 is used outside of its scope"},
      {{.out = "%4[v0, v1, v4] = f64(v6)"}, "the epilogue: expected f32, found f64"},
      {{.out = "%0[v0, v1, v4] = v6"}, "buffer %0 'q' is read-only"},
  };
  for (const Case& c : cases) {
    try {
      verify(parse_program(text(c.parts)));
      ADD_FAILURE() << "accepted: " << c.message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(c.message), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace dlc::ir

#include "passes/training/minimal_cut.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace dlc::passes {
namespace {

struct Edge {
  size_t from, to;
  int64_t capacity;
};

int64_t capacity_of(const std::vector<Edge>& edges, const std::vector<bool>& is_source_side) {
  int64_t total = 0;
  for (const Edge& edge : edges) {
    if (is_source_side[edge.from] && !is_source_side[edge.to]) total += edge.capacity;
  }
  return total;
}

// Of all ways to part the nodes.
int64_t smallest_cut(const std::vector<Edge>& edges, size_t nodes, size_t source, size_t sink) {
  int64_t best = Network::kUnlimited;
  for (size_t bits = 0; bits < size_t{1} << nodes; ++bits) {
    std::vector<bool> side(nodes);
    for (size_t i = 0; i < nodes; ++i) side[i] = (bits >> i & 1) != 0;
    if (side[source] && !side[sink]) best = std::min(best, capacity_of(edges, side));
  }
  return best;
}

TEST(MinimalCut, IsTheSmallestOfAllCuts) {
  const char* text = std::getenv("DLC_TEST_SEED");
  const uint64_t seed = text == nullptr ? 7 : std::strtoull(text, nullptr, 10);
  SCOPED_TRACE("DLC_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr size_t kNodes = 9;
  for (int repeat = 0; repeat < 300; ++repeat) {
    std::vector<Edge> edges;
    Network network(kNodes);
    const size_t count = 4 + random() % 24;
    for (size_t i = 0; i < count; ++i) {
      const Edge edge{random() % kNodes, random() % kNodes, static_cast<int64_t>(random() % 20)};
      edges.push_back(edge);
      network.add_edge(edge.from, edge.to, edge.capacity);
    }
    const std::vector<bool> side = network.source_side(0, kNodes - 1);
    ASSERT_TRUE(side[0]);
    ASSERT_FALSE(side[kNodes - 1]);
    ASSERT_EQ(capacity_of(edges, side), smallest_cut(edges, kNodes, 0, kNodes - 1)) << "network " << repeat;
  }
}

// Of a chain of equal edges the last one is cut.
TEST(MinimalCut, LiesNearTheSink) {
  Network network(5);
  for (size_t i = 0; i < 4; ++i) network.add_edge(i, i + 1, 3);
  EXPECT_EQ(network.source_side(0, 4), (std::vector<bool>{true, true, true, true, false}));
}

}  // namespace
}  // namespace dlc::passes

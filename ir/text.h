// The text form of graphs, for dumps and tests. It round-trips.
//
//   symbol batch input
//   symbol count <= 4*batch
//   graph main(%x: f32[batch, 4]) {
//     %w = const f32[4, 2] {1, 2, 3, 4, 5, 6, 7, 8}
//     %big = const f32[512, 512] dense<91ab03ff12c0de77>
//     %one = const f32[512] splat(1)
//     %h: f32[batch, 2] = Gemm(%x, %w) {alpha = 1.0} @"layer1"
//     %i: i64[2, count] = NonZero(%h) binds count
//     %y: f32[batch, 2], _, %z: f32[] = com.microsoft.Something(%h, _, %one) {axes = [0, 1], body = graph b()
//     { ... }} return %y as "logits", %i
//   }
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace dlc::ir {

struct PrintOptions {
  // Constants of more elements are printed as splat(value) or as the hash of their content; -1: print all
  // elements.
  int64_t max_elements = 8;
};

// Constants without use are left out.
std::string to_text(const Graph& graph, const PrintOptions& options = {});
// One node in one line, sub-graphs as "graph ...".
std::string to_text(const Node& node);

struct ParseOptions {
  // Gives the constant of a hash; without it dense<hash> is an Error.
  std::function<Tensor(std::string_view hash)> dense;
};

// Types of node outputs may be left out: every node is inferred, and a type that is given must be the
// inferred one. Error(kUsage) naming the line.
std::unique_ptr<Graph> parse_graph(std::string_view text, const ParseOptions& options = {});

}  // namespace dlc::ir

// Low-rank adapters: a layer keeps its weight, and the product of two thin matrices beside it is trained.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/training/options.h"
#include "runtime/tensor.h"

namespace dlc::passes {

// A layer y = W x becomes y = W x + (alpha / rank) B (A x). For a weight of [outputs, inputs, window...], A
// is [rank, inputs, window...] and B [outputs, rank], whichever way round the model stores the weight.
struct Adapter {
  std::string weight;  // in the model's file
  std::string user;    // its layer, for patterns and messages
  bool is_transposed;  // the weight is stored as [inputs, outputs]
  double scale;        // alpha / rank
  std::string a() const { return weight + ".lora_A"; }
  std::string b() const { return weight + ".lora_B"; }
};

// Constants that are the weight of Gemm, MatMul and Conv layers (of one group) and of nothing else, straight
// or through a Transpose, in the order of the graph's constants. Runs on a model as it was read.
std::vector<Adapter> find_adaptable(const ir::Graph& model, const LoraOptions& options);

// Gives the layers of these weights, which find_adaptable() names, their adapters, as constants of the graph.
// A is random, `draw` gives numbers in [-1, 1) that are scaled by 1 / sqrt(inputs of an output); B is zero,
// so that the model computes what it did.
void add_adapters(ir::Graph& model, const std::vector<Adapter>& adapters, const LoraOptions& options,
                  const std::function<double()>& draw);

// The weight that does what weight and adapter do together: W + scale B A.
Tensor merged(const Adapter& adapter, const Tensor& weight, const Tensor& a, const Tensor& b);

}  // namespace dlc::passes

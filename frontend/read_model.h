// Untrusted ONNX bytes -> a verified Graph in the newest opset, with inferred types.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "runtime/value.h"

namespace dlc::frontend {

struct ReadOptions {
  // Fixes dims of an input ("": the first); -1 keeps one symbolic.
  std::map<std::string, std::vector<int64_t>> input_shapes = {};
  int64_t max_model_bytes = int64_t{16} << 30;
  int max_depth = 64;           // of nested sub-graphs and functions
  int64_t max_nodes = 1 << 20;  // after functions became their bodies
  // Initializers that are listed as inputs too are defaults that a caller might override. They are constants
  // unless this asks for (required) inputs.
  bool initializers_as_inputs = false;
  // Where faults of nodes are collected; null: the first is thrown. What then is returned is the part of the
  // graph that does not depend on a fault, with every result that nothing uses as an output.
  std::vector<std::string>* faults = nullptr;
};

// Throws Error naming file, node, operator, expected and found.
std::unique_ptr<ir::Graph> read_model(const std::string& path, const ReadOptions& options = {});
// `folder` is where external data may lie; empty: none allowed.
std::unique_ptr<ir::Graph> parse_model(std::string_view bytes, const std::string& folder = "",
                                       const ReadOptions& options = {});
// A file (.pb) that holds a TensorProto, SequenceProto, OptionalProto or MapProto. Throws Error naming the
// file.
Value read_value_proto(const std::string& path, ValueKind kind);

}  // namespace dlc::frontend

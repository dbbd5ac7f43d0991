// What rewrite rules ask of values and nodes.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace dlc::passes {

bool is_op(const ir::Node& node, std::string_view name);  // of the domain ai.onnx

// The node that makes the value, if it is of this operator.
ir::Node* producer(const ir::Value* value, std::string_view op);
// The same, if in addition nothing else uses the value.
ir::Node* sole_producer(const ir::Value* value, std::string_view op);
bool has_one_use(const ir::Value* value);

// The value of a constant of one element, or all of whose elements are equal (of at most 4096 elements).
std::optional<double> splat(const ir::Value* value);
// Whether the value is such a constant, equal to `expected` up to rounding of its type.
bool is_splat(const ir::Value* value, double expected);

// Of a node with two inputs: the one that is not `input`; null if neither is.
ir::Value* other(const ir::Node& node, const ir::Value* input);
// Of a node with two inputs, one of which is a constant equal to `expected`: the other one; null if none is.
ir::Value* beside_splat(const ir::Node& node, double expected);

// The two inputs of a node of this operator in both orders; empty if it is of another.
struct Pair {
  ir::Value* a;
  ir::Value* b;
};
std::vector<Pair> both_orders(const ir::Node* node, std::string_view op);

// The integers of a constant input; nothing where it is absent or not constant.
std::optional<std::vector<int64_t>> constant_ints(const ir::Node& node, size_t input);

// Whether an attribute that says "off" by being absent or zero does so.
bool is_off(const ir::Node& node, std::string_view attribute);

// Of a node whose attribute "axis" is the last one by default: whether it is.
bool is_over_last_axis(const ir::Node& node);

bool same_shape(const ir::Value* a, const ir::Value* b);

// A constant that varies along one axis only, as it broadcasts to `rank` axes: its elements along `axis`,
// repeated to `extent` if it is uniform; nothing if it varies along another axis or has more than `rank`
// axes.
std::optional<std::vector<double>> along_axis(const ir::Value* value, size_t axis, size_t rank,
                                              int64_t extent);

}  // namespace dlc::passes

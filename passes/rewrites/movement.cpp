// Reshapes, transposes, slices and pads that do nothing, cancel or move constants.
#include <algorithm>

#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"
#include "passes/rewrites/weights.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

bool keep(Builder& builder, Node& node, Value* value) {
  builder.replace(node, 0, value);
  return true;
}

// The same elements in the same order under another shape.
bool is_reshape(const Node& node) {
  return is_op(node, "Reshape") || is_op(node, "Flatten") || is_op(node, "Squeeze") ||
         is_op(node, "Unsqueeze");
}

bool simplify_reshape(Builder& builder, Node& node) {
  Value* x = node.input(0);
  const ir::Shape& shape = node.output()->shape();
  if (x->shape() == shape) return keep(builder, node, x);
  if (x->is_constant() && ir::is_static(shape) && x->dtype() != DType::kString) {
    return keep(builder, node, builder.constant(x->constant().reshaped(ir::static_shape(shape))));
  }
  Node* inner = x->producer();
  if (inner == nullptr || !is_reshape(*inner)) return false;
  return keep(builder, node, builder.reshape(inner->input(0), shape));
}

// The permutation of a Transpose; reversed axes where the attribute is absent.
std::vector<int64_t> permutation(const Node& node) {
  auto rank = static_cast<int64_t>(node.input(0)->shape().size());
  std::vector<int64_t> reversed;
  for (int64_t axis = rank; axis-- > 0;) reversed.push_back(axis);
  return node.attribute<std::vector<int64_t>>("perm", std::move(reversed));
}

bool simplify_transpose(Builder& builder, Node& node) {
  Value* x = node.input(0);
  std::vector<int64_t> perm = permutation(node);
  if (std::is_sorted(perm.begin(), perm.end())) return keep(builder, node, x);
  if (x->is_constant() && x->dtype() != DType::kString) {
    return keep(builder, node, builder.constant(transposed(x->constant(), perm)));
  }
  Node* inner = producer(x, "Transpose");
  if (inner == nullptr) return false;
  std::vector<int64_t> first = permutation(*inner);
  for (int64_t& axis : perm) axis = first[static_cast<size_t>(axis)];
  return keep(builder, node, builder.transpose(inner->input(0), std::move(perm)));
}

// Repetition that the shapes show to be of nothing. A target that only the run knows must be checked there.
bool drop_expand(Builder& builder, Node& node) {
  const Value* target = node.input(1);
  if (!target->is_constant() && !target->shape_value()) return false;
  return same_shape(node.input(0), node.output()) && keep(builder, node, node.input(0));
}

bool drop_tile(Builder& builder, Node& node) {
  std::optional<std::vector<int64_t>> repeats = constant_ints(node, 1);
  bool once = repeats && std::all_of(repeats->begin(), repeats->end(), [](int64_t n) { return n == 1; });
  return once && keep(builder, node, node.input(0));
}

// Of unit steps forwards, a slice as large as its input is all of it.
bool drop_slice(Builder& builder, Node& node) {
  if (!same_shape(node.input(0), node.output())) return false;
  if (node.input(4) != nullptr && !is_splat(node.input(4), 1)) return false;
  return keep(builder, node, node.input(0));
}

bool drop_pad(Builder& builder, Node& node) {
  std::optional<std::vector<int64_t>> pads = constant_ints(node, 1);
  bool none = pads && std::all_of(pads->begin(), pads->end(), [](int64_t n) { return n == 0; });
  return none && keep(builder, node, node.input(0));
}

bool drop_split(Builder& builder, Node& node) {
  return node.outputs().size() == 1 && node.output() != nullptr && same_shape(node.input(0), node.output()) &&
         keep(builder, node, node.input(0));
}

// ---- Concatenations that begin alike
// -----------------------------------------------------------------------

int64_t concat_axis(const Node& node) {
  const auto axis = node.attribute<int64_t>("axis");
  return axis < 0 ? axis + static_cast<int64_t>(node.output()->shape().size()) : axis;
}

bool begins_with(const Node& node, const Node& prefix) {
  return std::equal(prefix.inputs().begin(), prefix.inputs().end(), node.inputs().begin());
}

bool stands_before(const ir::Graph& graph, const Node& a, const Node& b) {
  for (const auto& node : graph.nodes()) {
    if (node.get() == &a) return true;
    if (node.get() == &b) return false;
  }
  return false;
}

// The longest other concatenation that this one goes on from: [a, b] of [a, b, c].
const Node* longest_prefix(const Node& node) {
  const Node* best = nullptr;
  for (const ir::Use& use : node.input(0)->uses()) {
    const Node& other = *use.node;
    const size_t count = other.inputs().size();
    if (use.index != 0 || &other == &node || !is_op(other, "Concat") || &other.graph() != &node.graph())
      continue;
    if (count < 2 || count >= node.inputs().size() || (best != nullptr && count <= best->inputs().size()))
      continue;
    if (concat_axis(other) != concat_axis(node) || !begins_with(node, other)) continue;
    if (stands_before(node.graph(), other, node)) best = &other;
  }
  return best;
}

// Dense blocks concatenate all features so far, again and again. Each then only appends to the one before it,
// which needs no copy where both lie in one buffer.
bool share_concat_prefix(Builder& builder, Node& node) {
  const Node* prefix = node.inputs().size() < 3 ? nullptr : longest_prefix(node);
  if (prefix == nullptr) return false;
  std::vector<Value*> inputs = {prefix->output()};
  inputs.insert(inputs.end(), node.inputs().begin() + static_cast<std::ptrdiff_t>(prefix->inputs().size()),
                node.inputs().end());
  return keep(builder, node, builder.op("Concat", std::move(inputs), {{"axis", concat_axis(node)}}));
}

constexpr ir::Rule kRules[] = {
    {"share_concat_prefix", "Concat", share_concat_prefix},
    {"simplify_reshape", "Reshape", simplify_reshape},
    {"simplify_reshape", "Flatten", simplify_reshape},
    {"simplify_reshape", "Squeeze", simplify_reshape},
    {"simplify_reshape", "Unsqueeze", simplify_reshape},
    {"simplify_transpose", "Transpose", simplify_transpose},
    {"drop_expand", "Expand", drop_expand},
    {"drop_tile", "Tile", drop_tile},
    {"drop_slice", "Slice", drop_slice},
    {"drop_pad", "Pad", drop_pad},
    {"drop_split", "Split", drop_split},
};

}  // namespace

ir::RuleTable movement_rules() { return kRules; }

}  // namespace dlc::passes

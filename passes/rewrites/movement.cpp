// Reshapes, transposes, slices and pads that do nothing, cancel or move constants.
#include <algorithm>
#include <set>

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

// Whether the run must check that no further axis goes.
bool settles_rank(const Node& node) {
  return is_op(node, "Squeeze") && node.input(1) == nullptr && !ir::is_static(node.input(0)->shape());
}

// Whether the node gives extents of its result their values, so that no other can take its place.
bool binds_extents(const Node& node) {
  std::set<std::string> used;
  for (const ir::Dim& extent : node.output()->shape()) extent.collect_symbols(used);
  return std::any_of(node.symbols().begin(), node.symbols().end(),
                     [&](const std::string& symbol) { return used.contains(symbol); });
}

// The same elements in the same order under another shape.
bool is_reshape(const Node& node) {
  if (settles_rank(node) || binds_extents(node)) return false;
  return is_op(node, "Reshape") || is_op(node, "Flatten") || is_op(node, "Squeeze") ||
         is_op(node, "Unsqueeze");
}

bool simplify_reshape(Builder& builder, Node& node) {
  if (settles_rank(node) || binds_extents(node)) return false;
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

// ---- A transpose between two reshapes ---------------------------------------------------------------------

// The axes other than extents of 1.
std::vector<size_t> long_axes(const ir::Shape& shape) {
  std::vector<size_t> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != ir::Dim(1)) axes.push_back(i);
  }
  return axes;
}

// Of a reshape that merges neighbouring axes of `from`: the axes of `from` that make each axis of `to`,
// extents of 1 left out; nothing for other reshapes.
std::optional<std::vector<std::vector<size_t>>> merged_axes(const ir::Shape& from, const ir::Shape& to) {
  const std::vector<size_t> axes = long_axes(from);
  std::vector<std::vector<size_t>> result;
  size_t next = 0;
  for (const ir::Dim& extent : to) {
    std::vector<size_t>& run = result.emplace_back();
    for (ir::Dim product = 1; product != extent; product *= from[axes[next++]]) {
      if (next == axes.size()) return std::nullopt;
      run.push_back(axes[next]);
    }
  }
  return next == axes.size() ? std::optional(result) : std::nullopt;
}

// `x` with its axes other than extents of 1 in the given order, as a value of that shape: one Transpose,
// which a reshape that only drops and adds extents of 1 precedes.
Value* arranged(Builder& builder, Value* x, const std::vector<size_t>& order, const ir::Shape& shape) {
  std::vector<std::pair<size_t, size_t>> axes;  // of x and of the result
  size_t next = 0, source = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    // An extent of 1 stays in front of the axis that it precedes.
    const bool is_long = shape[i] != ir::Dim(1);
    if (is_long || next < order.size()) source = order[next];
    axes.emplace_back(source, i);
    if (is_long) ++next;
  }
  std::sort(axes.begin(), axes.end());
  ir::Shape before;
  std::vector<int64_t> perm(shape.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    before.push_back(shape[axes[i].second]);
    perm[axes[i].second] = static_cast<int64_t>(i);
  }
  return builder.transpose(builder.reshape(x, before), std::move(perm));
}

// Reshape(Transpose(Reshape(x))) where the first merges axes and the last undoes that.
bool merge_transpose(Builder& builder, Node& node) {
  Node* transpose = sole_producer(node.input(0), "Transpose");
  if (transpose == nullptr) return false;
  Node* merge = transpose->input(0)->producer();
  Value* x = merge != nullptr && is_reshape(*merge) ? merge->input(0) : transpose->input(0);
  const auto runs = merged_axes(x->shape(), transpose->input(0)->shape());
  if (!runs) return false;
  std::vector<size_t> order;
  for (int64_t axis : permutation(*transpose)) {
    const std::vector<size_t>& run = (*runs)[static_cast<size_t>(axis)];
    order.insert(order.end(), run.begin(), run.end());
  }
  const ir::Shape& shape = node.output()->shape();
  const std::vector<size_t> axes = long_axes(shape);
  if (axes.size() != order.size()) return false;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (shape[axes[i]] != x->shape()[order[i]]) return false;
  }
  return keep(builder, node, arranged(builder, x, order, shape));
}

// Softmax over rows of another shape: Reshape(Softmax(Reshape(x))) back to the shape of x.
bool unflatten_softmax(Builder& builder, Node& node) {
  Node* softmax = sole_producer(node.input(0), "Softmax");
  Node* flatten = softmax == nullptr ? nullptr : softmax->input(0)->producer();
  if (flatten == nullptr || !is_reshape(*flatten)) return false;
  const ir::Shape &shape = flatten->input(0)->shape(), &rows = softmax->input(0)->shape();
  if (shape.empty() || rows.empty() || shape != node.output()->shape() || shape.back() != rows.back())
    return false;
  if (!is_over_last_axis(*softmax)) return false;
  return keep(builder, node, builder.op("Softmax", {flatten->input(0)}, {{"axis", int64_t{-1}}}));
}

// ---- What does nothing ------------------------------------------------------------------------------------

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
    {"merge_transpose", "Reshape", merge_transpose},
    {"merge_transpose", "Squeeze", merge_transpose},
    {"merge_transpose", "Unsqueeze", merge_transpose},
    {"unflatten_softmax", "Reshape", unflatten_softmax},
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

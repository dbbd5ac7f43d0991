#include "ir/ops/infer_util.h"

#include <algorithm>

#include <fmt/format.h>

namespace dlc::ir {
namespace {

bool is_small_float(DType type) {
  switch (type) {
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
    case DType::kFloat8E8M0:
    case DType::kFloat4E2M1:
      return true;
    default:
      return false;
  }
}

std::string_view describe(TypeClass set) {
  switch (set) {
    case TypeClass::kFloat:
      return "a floating-point type of 16 to 64 bits";
    case TypeClass::kInteger:
      return "an integer type of 8 to 64 bits";
    case TypeClass::kUnsigned:
      return "an unsigned integer type of 8 to 64 bits";
    case TypeClass::kNumeric:
      return "a numeric type";
    case TypeClass::kBool:
      return "bool";
    case TypeClass::kScalar:
      return "a numeric type or bool";
  }
  return "";
}

// Element `i` of a shape value that is a scalar or as long as the output.
std::vector<Dim> element_arguments(const std::vector<std::vector<Dim>>& values, size_t i) {
  std::vector<Dim> result;
  for (const auto& value : values) result.push_back(value.size() == 1 ? value[0] : value[i]);
  return result;
}

}  // namespace

// ---- Element types ----------------------------------------------------------------------------------------

bool belongs_to(DType type, TypeClass set) {
  bool integer = is_integer(type) && bit_width(type) >= 8;
  bool floating = is_float(type) && !is_small_float(type);
  switch (set) {
    case TypeClass::kFloat:
      return floating;
    case TypeClass::kInteger:
      return integer;
    case TypeClass::kUnsigned:
      return integer && !is_signed(type);
    case TypeClass::kNumeric:
      return integer || floating;
    case TypeClass::kBool:
      return type == DType::kBool;
    case TypeClass::kScalar:
      return integer || floating || type == DType::kBool;
  }
  return false;
}

void require_type(const InferContext& context, size_t input, TypeClass set) {
  DType type = context.dtype(input);
  if (!belongs_to(type, set)) {
    context.fail("input {}: expected {}, found {}", input, describe(set), name(type));
  }
}

void require_same_types(const InferContext& context, TypeClass set, size_t first) {
  std::optional<size_t> reference;
  for (size_t i = first; i < context.node().inputs().size(); ++i) {
    if (!context.has_input(i)) continue;
    require_type(context, i, set);
    if (!reference) reference = i;
    if (context.dtype(i) != context.dtype(*reference)) {
      context.fail("input {}: expected {} like input {}, found {}", i, name(context.dtype(*reference)),
                   *reference, name(context.dtype(i)));
    }
  }
}

void require_rank(const InferContext& context, size_t input, int64_t rank) {
  if (context.rank(input) == rank) return;
  context.fail("input {}: expected rank {}, found shape {}", input, rank, to_string(context.shape(input)));
}

void require_rank_at_least(const InferContext& context, size_t input, int64_t rank) {
  if (context.rank(input) >= rank) return;
  context.fail("input {}: expected rank {} or more, found shape {}", input, rank,
               to_string(context.shape(input)));
}

void require_single(const InferContext& context, size_t input) {
  if (!context.has_input(input)) return;
  for (const Dim& extent : context.shape(input)) {
    if (!extent.is_constant() || extent.value() == 1) continue;
    context.fail("input {}: expected one element, found shape {}", input, to_string(context.shape(input)));
  }
}

std::optional<DType> type_attribute(const InferContext& context, const char* attribute) {
  const int64_t value = context.node().attribute<int64_t>(attribute, 0);
  if (value == 0) return std::nullopt;
  if (value < 0 || value > static_cast<int64_t>(DType::kInt2))
    context.fail("attribute '{}': {} is no element type", attribute, value);
  return static_cast<DType>(value);
}

// ---- Extents ----------------------------------------------------------------------------------------------

void require_equal_extents(const InferContext& context, const Dim& a, const Dim& b, std::string_view what) {
  if (a.is_constant() && b.is_constant() && a.value() != b.value()) {
    context.fail("{}: expected equal extents, found {} and {}", what, a.value(), b.value());
  }
}

bool known_nonnegative(const Dim& value) {
  auto low = lower_bound(value);
  return low && *low >= 0;
}

Dim broadcast_extents(const InferContext& context, const Dim& a, const Dim& b) {
  if (a == b || b == Dim(1)) return a;
  if (a == Dim(1)) return b;
  if (a.is_constant() && b.is_constant())
    context.fail("extents {} and {} do not broadcast", a.value(), b.value());
  return broadcast(a, b);
}

Shape broadcast_shapes(const InferContext& context, const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  size_t shift = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    result[shift + i] = broadcast_extents(context, longer[shift + i], shorter[i]);
  }
  return result;
}

Shape broadcast_inputs(const InferContext& context, size_t first) {
  Shape result;
  for (size_t i = first; i < context.node().inputs().size(); ++i) {
    if (context.has_input(i)) result = broadcast_shapes(context, result, context.shape(i));
  }
  return result;
}

void require_broadcasts_to(const InferContext& context, const Shape& from, const Shape& to,
                           std::string_view what) {
  bool fits = from.size() <= to.size();
  for (size_t i = 0; fits && i < from.size(); ++i) {
    const Dim& extent = from[i];
    const Dim& target = to[to.size() - from.size() + i];
    bool both_known = extent.is_constant() && target.is_constant();
    if (both_known && extent != Dim(1) && extent != target) fits = false;
  }
  if (!fits) context.fail("{}: shape {} does not broadcast to {}", what, to_string(from), to_string(to));
}

// ---- Axes -------------------------------------------------------------------------------------------------

std::vector<int64_t> normalize_axes(const InferContext& context, const std::vector<int64_t>& axes,
                                    int64_t rank) {
  std::vector<int64_t> result;
  for (int64_t axis : axes) {
    int64_t normalized = context.normalize_axis(axis, rank);
    if (contains(result, normalized)) context.fail("axis {} is given twice", axis);
    result.push_back(normalized);
  }
  return result;
}

std::vector<int64_t> all_axes(int64_t rank) {
  std::vector<int64_t> result(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) result[static_cast<size_t>(i)] = i;
  return result;
}

bool contains(const std::vector<int64_t>& axes, int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

Shape reduced_shape(const Shape& shape, const std::vector<int64_t>& axes, bool keep_axes) {
  Shape result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!contains(axes, static_cast<int64_t>(i))) {
      result.push_back(shape[i]);
    } else if (keep_axes) {
      result.push_back(1);
    }
  }
  return result;
}

// ---- Whole inference functions ----------------------------------------------------------------------------

size_t axis_attribute(const Node& node, std::string_view attribute, int64_t fallback, size_t rank) {
  const int64_t axis = node.attribute<int64_t>(attribute, fallback);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

Shape dims_attribute(const Node& node) {
  Shape result;
  for (const std::string& text : node.attribute<std::vector<std::string>>("dims"))
    result.push_back(Dim::parse(text));
  return result;
}

void infer_same_as_input(InferContext& context) { context.set_output(0, context.input(0)); }

void propagate_shape_value(InferContext& context, const ShapeFunction& element) {
  const Value* output = context.node().output(0);
  if (output == nullptr || output->shape().size() > 1 || !is_static(output->shape())) return;
  std::vector<std::vector<Dim>> values;
  for (size_t i = 0; i < context.node().inputs().size(); ++i) {
    if (!context.has_input(i)) continue;
    if (context.rank(i) > 1) return;
    auto value = context.shape_value(i);
    if (!value) return;
    values.push_back(std::move(*value));
  }
  auto count = static_cast<size_t>(product(output->shape()).value());
  for (const auto& value : values) {
    if (value.size() != 1 && value.size() != count) return;
  }
  std::vector<Dim> result;
  for (size_t i = 0; i < count; ++i) {
    auto dim = element(element_arguments(values, i));
    if (!dim) return;
    result.push_back(std::move(*dim));
  }
  context.set_shape_value(0, std::move(result));
}

// ---- Upgrades ---------------------------------------------------------------------------------------------

Value* insert_op(Graph& graph, Node& before, std::string_view op, std::vector<Value*> inputs,
                 Attributes attributes) {
  Node* node = graph.add_node(OpRegistry::global().get("", op), std::move(inputs), {""},
                              std::move(attributes), before.name(), &before);
  return node->output(0);
}

Value* insert_ints(Graph& graph, const std::vector<int64_t>& values) {
  return graph.add_constant(graph.unique_name("ints"), Tensor::from_ints(values));
}

void ints_attribute_to_input(Graph& graph, Node& node, std::string_view attribute, size_t index) {
  if (!node.has(attribute)) return;
  auto values = node.attribute<std::vector<int64_t>>(attribute);
  node.erase_attribute(attribute);
  node.set_input(index, insert_ints(graph, values));
}

Node& keep_outputs(Graph& graph, Node& node, size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    Value* output = node.output(i);
    if (i < count) {
      names.emplace_back(output == nullptr ? "" : graph.unique_name(output->name()));
    } else if (output != nullptr && (!output->uses().empty() || graph.is_output(output))) {
      fail(ErrorKind::kModel,
           "{}: output {} of this operator version is for training and cannot "
           "be used",
           node.describe(), i);
    }
  }
  std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
  Node* replacement = graph.add_node(node.op(), inputs, names, node.attributes(), node.name(), &node);
  for (size_t i = 0; i < count; ++i) {
    if (node.output(i) != nullptr) graph.replace_all_uses(node.output(i), replacement->output(i));
  }
  graph.erase(&node);
  return *replacement;
}

}  // namespace dlc::ir

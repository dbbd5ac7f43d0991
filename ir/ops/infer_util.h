// Helpers shared by the inference and upgrade functions of operator records.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/op.h"

namespace dlc::ir {

// ---- Element types ----------------------------------------------------------------------------------------

enum class TypeClass : uint8_t {
  kFloat,     // f16, bf16, f32, f64
  kInteger,   // signed and unsigned of 8 to 64 bits
  kUnsigned,  // unsigned of 8 to 64 bits
  kNumeric,   // kFloat and kInteger
  kBool,
  kScalar,  // kNumeric and kBool
};
bool belongs_to(DType type, TypeClass set);
// Error naming the input unless its element type is in the class.
void require_type(const InferContext& context, size_t input, TypeClass set);
// Error unless all present inputs from `first` on have one element type, which is in the class.
void require_same_types(const InferContext& context, TypeClass set, size_t first = 0);
// Error unless the input has this rank (or at least this rank).
void require_rank(const InferContext& context, size_t input, int64_t rank);
void require_rank_at_least(const InferContext& context, size_t input, int64_t rank);
// Error unless the input, if it is there, has one element, as far as its extents are known.
void require_single(const InferContext& context, size_t input);
// The element type that an attribute gives as a number of ONNX; nothing where it is absent or 0. Error for a
// number that is none.
std::optional<DType> type_attribute(const InferContext& context, const char* attribute);

// ---- Extents ----------------------------------------------------------------------------------------------

// Extents that are both known and differ are an Error naming `what`; others are checked when they are bound.
void require_equal_extents(const InferContext& context, const Dim& a, const Dim& b, std::string_view what);
// True where the value is not negative for any binding of its symbols. False: unknown.
bool known_nonnegative(const Dim& value);

// ONNX multidirectional broadcasting. A known extent other than 1 wins over an unknown one, which the
// lowering then checks (check_broadcast in lower_util.h).
Dim broadcast_extents(const InferContext& context, const Dim& a, const Dim& b);
Shape broadcast_shapes(const InferContext& context, const Shape& a, const Shape& b);
// The common shape of all present inputs from `first` on.
Shape broadcast_inputs(const InferContext& context, size_t first = 0);
// Error unless `from` broadcasts to `to` without changing it (unidirectional broadcasting).
void require_broadcasts_to(const InferContext& context, const Shape& from, const Shape& to,
                           std::string_view what);

// ---- Axes -------------------------------------------------------------------------------------------------

// Each axis in [0, rank), in the given order; Error on repetition.
std::vector<int64_t> normalize_axes(const InferContext& context, const std::vector<int64_t>& axes,
                                    int64_t rank);
std::vector<int64_t> all_axes(int64_t rank);
bool contains(const std::vector<int64_t>& axes, int64_t axis);
// `shape` without the axes, or with extent 1 in their places.
Shape reduced_shape(const Shape& shape, const std::vector<int64_t>& axes, bool keep_axes);

// ---- Whole inference functions ----------------------------------------------------------------------------

// An axis that inference has checked, counted from the first.
size_t axis_attribute(const Node& node, std::string_view attribute, int64_t fallback, size_t rank);
// The attribute `dims` of operators of the "dlc" domain: texts of symbolic integers.
Shape dims_attribute(const Node& node);

// Output 0 has the type of input 0.
void infer_same_as_input(InferContext& context);
// The same, with a check of the element type.
template <TypeClass kSet>
void infer_same(InferContext& context) {
  require_type(context, 0, kSet);
  infer_same_as_input(context);
}

// Sets the shape value of output 0 of an element-wise node (whose type is set) when the elements of all
// present inputs are known and `element` gives a result for each.
using ShapeFunction = std::function<std::optional<Dim>(const std::vector<Dim>&)>;
void propagate_shape_value(InferContext& context, const ShapeFunction& element);

// ---- Upgrades ---------------------------------------------------------------------------------------------

// New nodes before `before`, with types left to inference. The operator is of the ai.onnx domain.
Value* insert_op(Graph& graph, Node& before, std::string_view op, std::vector<Value*> inputs,
                 Attributes attributes = {});
Value* insert_ints(Graph& graph, const std::vector<int64_t>& values);
// Moves an integer list attribute into input `index` as a constant; does nothing when it is absent.
void ints_attribute_to_input(Graph& graph, Node& node, std::string_view attribute, size_t index);
// Replaces the node by one that has only its first `count` outputs; Error where another output is in use.
// Returns the node that takes its place.
Node& keep_outputs(Graph& graph, Node& node, size_t count);

}  // namespace dlc::ir

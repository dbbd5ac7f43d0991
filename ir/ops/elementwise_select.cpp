// Where and Clip.
#include "ir/ops/elementwise.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

using Args = std::vector<Expr>;

void infer_where(InferContext& context) {
  require_type(context, 0, TypeClass::kBool);
  if (context.dtype(1) != context.dtype(2)) {
    context.fail("inputs 1 and 2: expected one element type, found {} and {}", name(context.dtype(1)),
                 name(context.dtype(2)));
  }
  context.set_output(0, Type(context.dtype(1), broadcast_inputs(context)));
  propagate_shape_value(context, [](const std::vector<Dim>& args) -> std::optional<Dim> {
    if (args[0].is_constant()) return args[0].value() != 0 ? args[1] : args[2];
    if (args[1] == args[2]) return args[1];
    return std::nullopt;
  });
}

void lower_where(LowerContext& context) {
  lower_elementwise_exact(context, [](const Args& args) { return select(args[0], args[1], args[2]); });
}

void infer_clip(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  for (size_t i = 1; i <= 2; ++i) {
    if (!context.has_input(i)) continue;
    require_equal_extents(context, product(context.shape(i)), 1, "the limits are scalars");
    if (context.rank(i) > context.rank(0) && context.rank(i) > 0) require_rank(context, i, 0);
  }
  infer_same_as_input(context);
  const Node& node = context.node();
  propagate_shape_value(context, [&](const std::vector<Dim>& args) {
    Dim result = args[0];
    size_t next = 1;
    if (node.input(1) != nullptr) result = max(result, args[next++]);
    if (node.input(2) != nullptr) result = min(result, args[next]);
    return std::optional<Dim>(result);
  });
}

// The upper limit wins where the limits cross.
Expr clip(const Node&, const Args& args) {
  Expr result = args[0];
  if (args.size() > 1 && args[1]) result = max(result, args[1]);
  if (args.size() > 2 && args[2]) result = min(result, args[2]);
  return result;
}

// Before version 11 the limits are attributes, and the element type is a float type that is not known here:
// float limits are cast to it.
void clip_limits_to_inputs(Graph& graph, Node& node, int) {
  constexpr const char* kAttributes[] = {"min", "max"};
  for (size_t i = 0; i < 2; ++i) {
    if (!node.has(kAttributes[i])) continue;
    auto limit = node.attribute<double>(kAttributes[i]);
    node.erase_attribute(kAttributes[i]);
    Value* scalar =
        graph.add_constant(graph.unique_name(kAttributes[i]), Tensor::scalar(DType::kFloat, limit));
    node.set_input(i + 1, insert_op(graph, node, "CastLike", {scalar, node.input(0)}));
  }
}

}  // namespace

void register_elementwise_select(OpRegistry& registry) {
  registry.add({.name = "Where", .infer = infer_where, .lower = lower_where, .traits = Trait::kElementwise});
  registry.add({.name = "Clip",
                .infer = infer_clip,
                .lower = lower_rule<clip>,
                .upgrades = {{11, clip_limits_to_inputs}},
                .traits = Trait::kElementwise});
}

}  // namespace dlc::ir

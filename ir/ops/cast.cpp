// Cast and CastLike.
#include "ir/builder.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// Integers and bool keep their known elements, unless the target may be too narrow for them.
void propagate_cast(InferContext& context, DType from, DType to) {
  bool from_integer = is_integer(from) || from == DType::kBool;
  if (!from_integer || !is_integer(to)) return;
  propagate_shape_value(context, [&](const std::vector<Dim>& args) -> std::optional<Dim> {
    bool wide = bit_width(to) >= 32;
    bool fits = args[0].is_constant() && args[0].value() >= 0 && args[0].value() < (int64_t{1} << 7);
    return wide || fits ? std::optional<Dim>(args[0]) : std::nullopt;
  });
}

void infer_to(InferContext& context, DType to) {
  context.set_output(0, Type(to, context.shape(0)));
  propagate_cast(context, context.dtype(0), to);
}

void infer_cast(InferContext& context) {
  auto to = context.node().attribute<int64_t>("to");
  if (to <= 0 || to > static_cast<int64_t>(DType::kInt2))
    context.fail("attribute 'to': {} is no element type", to);
  infer_to(context, static_cast<DType>(to));
}

void lower_cast(LowerContext& context) {
  DType from = context.input_type(0).dtype;
  DType to = context.output_type().dtype;
  for (DType type : {from, to}) {
    if (belongs_to(type, TypeClass::kScalar)) continue;
    fail(ErrorKind::kModel, "{}: conversion from {} to {} has no kernel", context.node().describe(),
         name(from), name(to));
  }
  // The result type is the output's: lower_elementwise_exact casts.
  lower_elementwise_exact(
      context, [&](const std::vector<Expr>& args) { return from == to ? args[0] : cast(args[0], to); });
}

void infer_cast_like(InferContext& context) { infer_to(context, context.dtype(1)); }

bool expand_cast_like(Builder& builder, Node& node) {
  builder.replace(node, 0, builder.cast(node.input(0), node.input(1)->dtype()));
  return true;
}

}  // namespace

void register_cast(OpRegistry& registry) {
  registry.add({.name = "Cast", .infer = infer_cast, .lower = lower_cast, .traits = Trait::kElementwise});
  registry.add({.name = "CastLike", .infer = infer_cast_like, .expand = expand_cast_like});
}

}  // namespace dlc::ir

// Optionals. A value of another type where one is expected is an optional that has it.
#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/value_util.h"

namespace dlc::ir {
namespace {

bool is_optional(const Value& value) { return value.type().kind == TypeKind::kOptional; }

// The type of what an optional without element holds: it joins with the same of any shape.
Type without_elements(const Type& type) {
  if (type.is_tensor()) return Type(TensorType{type.tensor.dtype, {}, Ranks::kNone});
  Type result = type;
  result.element = std::make_shared<const Type>(without_elements(*type.element));
  return result;
}

void infer_optional(InferContext& context) {
  if (context.has_input(0)) return context.set_output(0, Type::optional(held_type(context.input_type(0))));
  if (!context.node().has("type")) context.fail("expected an input, or the attribute 'type'");
  context.set_output(0, Type::optional(without_elements(context.node().attribute<Type>("type"))));
}

void lower_optional(LowerContext& context) {
  if (!context.has_input(0)) return context.map_output([](const Index&) { return integer(0); });
  context.alias_output(0, wrap_in_optional(context, handle_of_input(context, 0)));
}

void infer_has_element(InferContext& context) {
  context.set_output(0, Type(DType::kBool, {}));
  if (!context.has_input(0)) return context.set_shape_value(0, {0});
  const Value& input = *context.node().input(0);
  const Node* producer = input.producer();
  if (!is_optional(input)) {
    context.set_shape_value(0, {1});
  } else if (producer != nullptr && producer->op().name == "Optional") {
    context.set_shape_value(0, {producer->input(0) != nullptr ? 1 : 0});
  }
}

void lower_has_element(LowerContext& context) {
  if (lower_shape_value(context)) return;
  BufferId count = context.temp(DType::kInt64, {}, "count");
  context.call(
      {.symbol = "dlc_sequence_length", .inputs = {context.input(0)}, .outputs = {count}, .params = {}});
  context.map_output([&](const Index&) { return not_equal(context.at(count, {}), integer(0)); });
}

void infer_get_element(InferContext& context) {
  const Type& type = context.input_type(0);
  if (type.kind != TypeKind::kOptional) return context.set_output(0, type);
  const Node* producer = context.node().input(0)->producer();
  bool is_known = producer != nullptr && producer->op().name == "Optional" && producer->input(0) != nullptr;
  context.set_output(0, is_known ? producer->input(0)->type() : taken_type(context, *type.element));
}

bool expand_get_element(Builder& builder, Node& node) {
  Value* element = node.input(0);
  if (is_optional(*element)) {
    const Node* producer = element->producer();
    if (producer == nullptr || producer->op().name != "Optional" || producer->input(0) == nullptr)
      return false;
    element = producer->input(0);
  }
  builder.replace(node, 0, element);
  return true;
}

void lower_get_element(LowerContext& context) { take_from_optional(context, context.input(0)); }

}  // namespace

std::vector<OpDef> optional_records() {
  return {
      {.name = "Optional", .infer = infer_optional, .lower = lower_optional},
      {.name = "OptionalHasElement", .infer = infer_has_element, .lower = lower_has_element},
      {.name = "OptionalGetElement",
       .infer = infer_get_element,
       .expand = expand_get_element,
       .lower = lower_get_element},
  };
}

}  // namespace dlc::ir

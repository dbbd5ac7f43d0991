#include "ir/ops/value_util.h"

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

const char* kind_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::kTensor:
      return "a tensor";
    case TypeKind::kSequence:
      return "a sequence";
    case TypeKind::kOptional:
      return "an optional";
    case TypeKind::kMap:
      return "a map";
  }
  return "a value";
}

bool is_op(const Node& node, std::string_view name) {
  return node.op().name == name && node.op().domain.empty();
}

BufferId new_handle(LowerContext& context, std::string_view hint) {
  return context.temp(DType::kInt64, {}, hint);
}

std::optional<std::vector<Value*>> elements_with(const Node& node) {
  auto elements = known_elements(node.input(0));
  if (!elements) return std::nullopt;
  auto position = known_position(node.input(2), elements->size() + 1, elements->size());
  // A negative position counts from the end of the old sequence.
  auto given = known_ints(node.input(2));
  if (given && given->size() == 1 && given->front() < 0)
    position = known_position(node.input(2), elements->size(), 0);
  if (!position) return std::nullopt;
  elements->insert(elements->begin() + static_cast<ptrdiff_t>(*position), node.input(1));
  return elements;
}

std::optional<std::vector<Value*>> elements_without(const Node& node) {
  auto elements = known_elements(node.input(0));
  if (!elements || elements->empty()) return std::nullopt;
  auto position = known_position(node.input(1), elements->size(), elements->size() - 1);
  if (!position) return std::nullopt;
  elements->erase(elements->begin() + static_cast<ptrdiff_t>(*position));
  return elements;
}

}  // namespace

const Type& element_of(const InferContext& context, size_t i, TypeKind holder) {
  const Type& type = context.input_type(i);
  if (type.kind != holder) {
    context.fail("input {} ('{}'): expected {}, found {}", i, context.node().input(i)->name(),
                 kind_name(holder), to_string(type));
  }
  return *type.element;
}

Type taken_type(InferContext& context, const Type& held) {
  if (!held.is_tensor()) return held;
  if (held.tensor.ranks != Ranks::kOne) {
    context.fail(
        "the rank of its result cannot be known before the run: the elements are {}. Give the elements' type "
        "a shape in the model",
        to_string(held));
  }
  Type result = held;
  for (Dim& extent : result.tensor.shape) {
    if (extent == Dim(kAnyExtent)) extent = context.fresh_symbol("element");
  }
  return result;
}

std::optional<std::vector<Value*>> known_elements(const Value* sequence) {
  const Node* node = sequence == nullptr ? nullptr : sequence->producer();
  if (node == nullptr) return std::nullopt;
  if (is_op(*node, "Identity")) return known_elements(node->input(0));
  if (is_op(*node, "SequenceConstruct"))
    return std::vector<Value*>(node->inputs().begin(), node->inputs().end());
  if (is_op(*node, "SequenceEmpty")) return std::vector<Value*>();
  if (is_op(*node, "SequenceInsert")) return elements_with(*node);
  if (is_op(*node, "SequenceErase")) return elements_without(*node);
  return std::nullopt;
}

std::optional<size_t> known_position(const Value* position, size_t count, size_t absent) {
  if (position == nullptr) return absent;
  auto known = known_ints(position);
  if (!known || known->size() != 1) return std::nullopt;
  const auto size = static_cast<int64_t>(count);
  int64_t at = known->front() < 0 ? known->front() + size : known->front();
  if (at < 0 || at >= size) return std::nullopt;  // the run says what is wrong
  return static_cast<size_t>(at);
}

BufferId handle_of(LowerContext& context, const Value& value, BufferId buffer) {
  const Type& type = value.type();
  if (!type.is_tensor()) return buffer;
  if (bit_width(type.tensor.dtype) < 8 && type.tensor.dtype != DType::kString)
    fail(ErrorKind::kModel, "sequences and optionals of {} are not supported", name(type.tensor.dtype));
  BufferId handle = new_handle(context, "element");
  context.call({.symbol = "dlc_value_pack",
                .inputs = {context.dense(buffer)},
                .outputs = {handle},
                .params = {integer(static_cast<int64_t>(type.tensor.dtype))}});
  return handle;
}

BufferId handle_of_input(LowerContext& context, size_t i) {
  return handle_of(context, *context.node().input(i), context.input(i));
}

void add_expected_extents(LowerContext& context, Call& call, size_t i) {
  const Shape& shape = context.output_shape(i);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const Dim& extent = shape[axis];
    call.params.push_back(extent.is_constant() ? dim(extent) : integer(-1));
    if (!extent.is_constant()) call.bindings.push_back({0, axis, extent.symbol_name()});
  }
}

void call_for_output(LowerContext& context, Call call, size_t i) {
  if (!context.node().output(i)->type().is_tensor()) {
    call.outputs = {context.output(i)};
    return context.call(std::move(call));
  }
  BufferId handle = new_handle(context, "element");
  call.outputs = {handle};
  context.call(std::move(call));
  Call take{.symbol = "dlc_value_unpack", .inputs = {handle}, .outputs = {context.output(i)}, .params = {}};
  add_expected_extents(context, take, i);
  context.call(std::move(take));
}

BufferId wrap_in_optional(LowerContext& context, BufferId handle) {
  BufferId optional = new_handle(context, "optional");
  context.call({.symbol = "dlc_sequence_construct",
                .inputs = {handle},
                .outputs = {optional},
                .params = {integer(1)}});
  return optional;
}

void take_from_optional(LowerContext& context, BufferId optional, size_t i) {
  call_for_output(context,
                  {.symbol = "dlc_optional_element", .inputs = {optional}, .outputs = {}, .params = {}}, i);
}

void register_values(OpRegistry& registry) {
  for (auto records :
       {sequence_records, optional_records, map_records, string_records, tfidf_records, regex_records}) {
    for (OpDef& record : records()) registry.add(std::move(record));
  }
}

}  // namespace dlc::ir

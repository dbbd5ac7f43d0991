// Sequences. What the graph tells of a sequence's elements is resolved before the run: operators that take
// them out are then defined by the elements themselves.
#include <algorithm>

#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/value_util.h"

namespace dlc::ir {
namespace {

void set_sequence(InferContext& context, Type element) {
  context.set_output(0, Type::sequence(std::move(element)));
}

// The inputs of a call, absent ones included.
std::vector<BufferId> call_inputs(LowerContext& context, std::initializer_list<size_t> inputs) {
  std::vector<BufferId> buffers;
  for (size_t i : inputs)
    buffers.push_back(context.has_input(i) ? context.dense(context.input(i)) : BufferId::kNone);
  return buffers;
}

void require_position(const InferContext& context, size_t input) {
  if (!context.has_input(input)) return;
  const Shape& shape = context.shape(input);
  bool is_one = shape.empty() || (shape.size() == 1 && (!shape[0].is_constant() || shape[0] == Dim(1)));
  if (!is_one) context.fail("input {}: expected one position, found shape {}", input, to_string(shape));
}

// ---- SequenceConstruct, SequenceEmpty

Type join_elements(const InferContext& context, const Type& a, const Type& b, size_t input) {
  auto joined = join_held(a, held_type(b));
  if (!joined) {
    context.fail("input {} ('{}') is {}, which no sequence of {} holds", input,
                 context.node().input(input)->name(), to_string(b), to_string(a));
  }
  return *joined;
}

void infer_construct(InferContext& context) {
  Type element = held_type(context.input_type(0));
  for (size_t i = 1; i < context.node().inputs().size(); ++i)
    element = join_elements(context, element, context.input_type(i), i);
  set_sequence(context, std::move(element));
}

void lower_construct(LowerContext& context) {
  const size_t count = context.node().inputs().size();
  Call call{.symbol = "dlc_sequence_construct",
            .inputs = {},
            .outputs = {context.output()},
            .params = {integer(static_cast<int64_t>(count))}};
  for (size_t i = 0; i < count; ++i) call.inputs.push_back(handle_of_input(context, i));
  context.call(std::move(call));
}

void infer_empty(InferContext& context) {
  int64_t number = context.node().attribute<int64_t>("dtype", static_cast<int64_t>(DType::kFloat));
  if (number < 1 || number > static_cast<int64_t>(DType::kInt2))
    context.fail("attribute 'dtype': {} is no element type", number);
  set_sequence(context, Type(TensorType{static_cast<DType>(number), {}, Ranks::kNone}));
}

void lower_empty(LowerContext& context) {
  context.map_output([](const Index&) { return integer(0); });
}

// ---- SequenceInsert, SequenceErase

void infer_insert(InferContext& context) {
  require_position(context, 2);
  const Type& element = element_of(context, 0, TypeKind::kSequence);
  set_sequence(context, join_elements(context, element, context.input_type(1), 1));
}

void lower_insert(LowerContext& context) {
  std::vector<BufferId> inputs = call_inputs(context, {0, 2});
  inputs.insert(inputs.begin() + 1, handle_of_input(context, 1));
  context.call({.symbol = "dlc_sequence_insert",
                .inputs = std::move(inputs),
                .outputs = {context.output()},
                .params = {}});
}

void infer_erase(InferContext& context) {
  require_position(context, 1);
  element_of(context, 0, TypeKind::kSequence);
  context.set_output(0, context.input_type(0));
}

void lower_erase(LowerContext& context) {
  context.call({.symbol = "dlc_sequence_erase",
                .inputs = call_inputs(context, {0, 1}),
                .outputs = {context.output()},
                .params = {}});
}

// ---- SequenceAt, SequenceLength

Value* known_element(const Node& node) {
  auto elements = known_elements(node.input(0));
  if (!elements || elements->empty()) return nullptr;
  auto position = known_position(node.input(1), elements->size(), 0);
  return position ? (*elements)[*position] : nullptr;
}

void infer_at(InferContext& context) {
  require_position(context, 1);
  const Type& element = element_of(context, 0, TypeKind::kSequence);
  if (const Value* known = known_element(context.node())) {
    context.set_output(0, known->type());
    if (auto value = known_values(known)) propagate(context, 0, std::move(*value));
    return;
  }
  context.set_output(0, taken_type(context, element));
}

bool expand_at(Builder& builder, Node& node) {
  Value* element = known_element(node);
  if (element != nullptr) builder.replace(node, 0, element);
  return element != nullptr;
}

void lower_at(LowerContext& context) {
  call_for_output(
      context,
      {.symbol = "dlc_sequence_at", .inputs = call_inputs(context, {0, 1}), .outputs = {}, .params = {}});
}

void infer_length(InferContext& context) {
  element_of(context, 0, TypeKind::kSequence);
  context.set_output(0, Type(DType::kInt64, {}));
  if (auto elements = known_elements(context.node().input(0)))
    context.set_shape_value(0, {Dim(static_cast<int64_t>(elements->size()))});
}

void lower_length(LowerContext& context) {
  if (lower_shape_value(context)) return;
  context.call({.symbol = "dlc_sequence_length",
                .inputs = call_inputs(context, {0}),
                .outputs = {context.output()},
                .params = {}});
}

// ---- SplitToSequence

bool keeps_axis(const Node& node) {
  return node.input(1) != nullptr || node.attribute<int64_t>("keepdims", 1) != 0;
}

size_t split_axis(const Node& node) { return axis_attribute(node, "axis", 0, node.input(0)->shape().size()); }

// The lengths of the parts, where they are known.
std::optional<std::vector<int64_t>> known_parts(const Node& node) {
  constexpr int64_t kMostParts = 1024;
  const Dim& extent = node.input(0)->shape()[split_axis(node)];
  if (!extent.is_constant()) return std::nullopt;
  const Value* split = node.input(1);
  auto known = split == nullptr ? std::vector<int64_t>{1} : known_ints(split);
  if (!known) return std::nullopt;
  if (split != nullptr && !split->shape().empty()) return known;
  if (known->size() != 1 || known->front() <= 0) return std::nullopt;
  if (extent.value() / known->front() > kMostParts) return std::nullopt;
  std::vector<int64_t> parts;
  for (int64_t at = 0; at < extent.value(); at += known->front())
    parts.push_back(std::min(known->front(), extent.value() - at));
  return parts;
}

void check_parts(const InferContext& context) {
  auto parts = known_parts(context.node());
  if (!parts) return;
  const int64_t extent = context.shape(0)[split_axis(context.node())].value();
  int64_t total = 0;
  for (int64_t part : *parts) {
    if (part < 0 || part > extent) context.fail("split: a part of {} of {} elements", part, extent);
    total += part;
  }
  if (total != extent) context.fail("split: the parts have {} elements, the axis has {}", total, extent);
}

void infer_split(InferContext& context) {
  context.normalize_axis(context.node().attribute<int64_t>("axis", 0), context.rank(0));
  if (context.has_input(1) && context.rank(1) > 1)
    context.fail("split: expected rank 0 or 1, found shape {}", to_string(context.shape(1)));
  check_parts(context);
  const auto axis = static_cast<ptrdiff_t>(split_axis(context.node()));
  Shape shape = context.shape(0);
  auto parts = known_parts(context.node());
  bool is_equal = parts && !parts->empty() && std::all_of(parts->begin(), parts->end(), [&](int64_t part) {
                    return part == parts->front();
                  });
  if (!keeps_axis(context.node())) {
    shape.erase(shape.begin() + axis);
  } else {
    shape[static_cast<size_t>(axis)] = is_equal               ? parts->front()
                                       : context.has_input(1) ? kAnyExtent
                                                              : int64_t{1};
  }
  set_sequence(context, held_type(Type(context.dtype(0), std::move(shape))));
}

bool expand_split(Builder& builder, Node& node) {
  auto parts = known_parts(node);
  if (!parts || parts->empty()) return false;
  const auto axis = static_cast<int64_t>(split_axis(node));
  std::vector<Value*> elements = {node.input(0)};
  if (parts->size() > 1) {
    elements = builder.op_n("Split", parts->size(), {node.input(0), builder.ints(*parts)}, {{"axis", axis}});
  }
  if (!keeps_axis(node)) {
    for (Value*& element : elements) element = builder.op("Squeeze", {element, builder.ints({axis})});
  }
  builder.replace(node, 0, builder.op("SequenceConstruct", std::move(elements)));
  return true;
}

void lower_split(LowerContext& context) {
  const auto axis = static_cast<int64_t>(split_axis(context.node()));
  const DType type = context.node().input(0)->dtype();
  if (bit_width(type) < 8 && type != DType::kString)
    fail(ErrorKind::kModel, "sequences of {} are not supported", name(type));
  context.call({.symbol = "dlc_sequence_split",
                .inputs = call_inputs(context, {0, 1}),
                .outputs = {context.output()},
                .params = {integer(axis), integer(keeps_axis(context.node()) ? 1 : 0),
                           integer(static_cast<int64_t>(type))}});
}

// ---- ConcatFromSequence

bool adds_axis(const Node& node) { return node.attribute<int64_t>("new_axis", 0) != 0; }

void infer_concat(InferContext& context) {
  const Node& node = context.node();
  const Type& element = element_of(context, 0, TypeKind::kSequence);
  Shape shape = taken_type(context, element).tensor.shape;
  const auto rank = static_cast<int64_t>(shape.size()) + (adds_axis(node) ? 1 : 0);
  const int64_t axis = context.normalize_axis(node.attribute<int64_t>("axis"), rank);
  auto elements = known_elements(node.input(0));
  Dim extent = adds_axis(node) && elements ? Dim(static_cast<int64_t>(elements->size()))
                                           : context.fresh_symbol("concat");
  if (adds_axis(node)) {
    shape.insert(shape.begin() + axis, extent);
  } else {
    shape[static_cast<size_t>(axis)] = extent;
  }
  context.set_output(0, Type(element.tensor.dtype, std::move(shape)));
}

bool expand_concat(Builder& builder, Node& node) {
  auto elements = known_elements(node.input(0));
  if (!elements || elements->empty()) return false;
  int64_t axis = node.attribute<int64_t>("axis");
  if (axis < 0) axis += static_cast<int64_t>(node.output()->shape().size());
  if (adds_axis(node)) {
    for (Value*& element : *elements) element = builder.op("Unsqueeze", {element, builder.ints({axis})});
  }
  builder.replace(node, 0, builder.op("Concat", std::move(*elements), {{"axis", axis}}));
  return true;
}

void lower_concat(LowerContext& context) {
  const Shape& shape = context.output_shape();
  const int64_t rank = static_cast<int64_t>(shape.size());
  const int64_t axis = context.node().attribute<int64_t>("axis");
  const DType type = context.node().output()->dtype();
  Call call{.symbol = "dlc_sequence_concat",
            .inputs = call_inputs(context, {0}),
            .outputs = {context.output()},
            .params = {integer(axis < 0 ? axis + rank : axis), integer(adds_axis(context.node()) ? 1 : 0),
                       integer(static_cast<int64_t>(type))}};
  add_expected_extents(context, call);
  context.call(std::move(call));
}

}  // namespace

std::vector<OpDef> sequence_records() {
  return {
      {.name = "SequenceConstruct", .infer = infer_construct, .lower = lower_construct},
      {.name = "SequenceEmpty", .infer = infer_empty, .lower = lower_empty},
      {.name = "SequenceInsert", .infer = infer_insert, .lower = lower_insert},
      {.name = "SequenceErase", .infer = infer_erase, .lower = lower_erase},
      {.name = "SequenceAt", .infer = infer_at, .expand = expand_at, .lower = lower_at},
      {.name = "SequenceLength", .infer = infer_length, .lower = lower_length},
      {.name = "SplitToSequence", .infer = infer_split, .expand = expand_split, .lower = lower_split},
      {.name = "ConcatFromSequence", .infer = infer_concat, .expand = expand_concat, .lower = lower_concat},
  };
}

}  // namespace dlc::ir

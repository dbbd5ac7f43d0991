// Attention, QAttention and MultiHeadAttention of com.microsoft, defined in terms of dlc.Attention.
#include <limits>

#include "ir/ops/attention_heads.h"
#include "ir/ops/contrib.h"
#include "ir/ops/contrib_integer.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/quantize.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

// ---- What both have in common -----------------------------------------------------------------------------

int64_t heads_of(const InferContext& context) {
  const auto heads = context.node().attribute<int64_t>("num_heads");
  if (heads <= 0) context.fail("attribute 'num_heads': expected a positive number, found {}", heads);
  return heads;
}

void require_divisible(const InferContext& context, const Dim& hidden, int64_t heads) {
  if (hidden.is_constant() && hidden.value() % heads != 0)
    context.fail("attribute 'num_heads': {} does not divide {}", heads, hidden.value());
}

void refuse_inputs(const InferContext& context, std::initializer_list<size_t> inputs) {
  for (size_t i : inputs) {
    if (context.has_input(i))
      context.fail("input {} (a cache that is shared or reordered) is not supported", i);
  }
}

// Where the score gets the value of `mask_filter_value` added: a mask of int32 that holds
//   [batch]                     the number of keys of each row of the batch
//   [2 * batch]                 the same, then the first of them
//   [batch, keys]               whether the key is visible
//   [batch, queries, keys]      the same for each query
void check_mask(const InferContext& context, size_t input, const Dim& batch, const Dim& queries,
                const Dim& keys) {
  const Shape& mask = context.shape(input);
  if (mask.size() == 1) {
    if (mask[0] != batch * Dim(2)) require_equal_extents(context, mask[0], batch, "lengths in the mask");
    return;
  }
  if (mask.size() != 2 && mask.size() != 3)
    context.fail("input {} (mask): expected rank 1 to 3, found {}", input, mask.size());
  require_broadcasts_to(context, mask, mask.size() == 2 ? Shape{batch, keys} : Shape{batch, queries, keys},
                        "mask");
}

Value* visible_keys(Builder& b, Value* mask, const Dim& batch, const Dim& keys) {
  Value* zero = b.like(mask, 0);
  if (mask->shape().size() == 2) return b.op("Greater", {b.op("Unsqueeze", {mask, b.ints({1, 2})}), zero});
  if (mask->shape().size() == 3) return b.op("Greater", {b.op("Unsqueeze", {mask, b.ints({1})}), zero});
  Value* positions = b.cast(range(b, keys), mask->dtype());
  auto per_row = [&](Value* bound) { return b.op("Unsqueeze", {bound, b.ints({1, 2, 3})}); };
  if (mask->shape()[0] != batch * Dim(2)) return b.op("Less", {positions, per_row(mask)});
  Value* end = per_row(range_of_axis(b, mask, 0, 0, batch));
  Value* start = per_row(range_of_axis(b, mask, 0, batch, batch * Dim(2)));
  return b.op("And", {b.op("Less", {positions, end}), b.op("GreaterOrEqual", {positions, start})});
}

// The scores' steps: scale, mask, bias.
void add_steps(Builder& b, const Node& node, AttentionForm& form, Value* mask, Value* bias) {
  std::optional<double> scale;
  if (node.attribute<double>("scale", 0) != 0) scale = node.attribute<double>("scale");
  form.steps.push_back(scale_step(b, form.q, scale));
  const DType type = compute_type(form.q->dtype());
  if (mask != nullptr) {
    Value* visible = visible_keys(b, mask, form.q->shape()[0], form.k->shape()[2]);
    const double filter = node.attribute<double>("mask_filter_value", -10000);
    Value* added = b.op("Where", {visible, b.scalar(type, 0), b.scalar(type, filter)});
    form.steps.push_back({.op = "Add", .position = 0, .operands = {added}});
  }
  if (bias != nullptr) form.steps.push_back({.op = "Add", .position = 0, .operands = {b.cast(bias, type)}});
}

// Queries see keys up to their own position, which comes behind the past.
void look_back(Builder& b, const Node& node, AttentionForm& form) {
  if (node.attribute<int64_t>("unidirectional", 0) == 0) return;
  form.right = 0;
  form.offset = b.dims({form.k->shape()[2] - form.q->shape()[2]});
}

Value* concat(Builder& b, Value* past, Value* x, int64_t axis) {
  return past == nullptr ? x : b.op("Concat", {past, x}, {{"axis", axis}});
}

// ---- Attention: with the projection of the inputs ---------------------------------------------------------

enum Joint : size_t { kInput, kWeights, kBias, kMask, kPast, kScoreBias, kPastLength };

struct JointSizes {
  Dim q, k, v;  // columns
};

JointSizes joint_sizes(const Node& node) {
  const auto given = node.attribute<std::vector<int64_t>>("qkv_hidden_sizes", {});
  if (given.size() == 3) return {given[0], given[1], given[2]};
  const Dim third = floor_div(node.input(kWeights)->shape()[1], 3);
  return {third, third, third};
}

// Queries, keys and values of [batch, length, hidden] beside each other: checks of what comes after the
// projection, and the types of the outputs.
struct JointInputs {
  size_t mask, past;
};

void infer_projected(InferContext& context, const Shape& x, const JointSizes& sizes, JointInputs inputs,
                     DType type) {
  const Node& node = context.node();
  if (node.attribute<int64_t>("do_rotary", 0) != 0 ||
      node.attribute<int64_t>("past_present_share_buffer", 0) != 0)
    context.fail("do_rotary and past_present_share_buffer are not supported");
  const int64_t heads = heads_of(context);
  for (const Dim& hidden : {sizes.q, sizes.v}) require_divisible(context, hidden, heads);
  Dim keys = x[1];
  if (context.has_input(inputs.past)) {
    require_rank(context, inputs.past, 5);
    require_equal_extents(context, context.shape(inputs.past)[0], 2, "past: keys and values");
    require_equal_extents(context, sizes.k, sizes.v, "hidden size of key and value with a past");
    keys += context.shape(inputs.past)[3];
  }
  if (context.has_input(inputs.mask)) check_mask(context, inputs.mask, x[0], x[1], keys);
  context.set_output(0, Type(type, {x[0], x[1], sizes.v}));
  context.set_output(1, Type(type, {2, x[0], heads, keys, floor_div(sizes.k, heads)}));
}

void expand_projected(Builder& b, Node& node, Value* x, const JointSizes& sizes, JointInputs inputs,
                      Value* score_bias) {
  const auto heads = node.attribute<int64_t>("num_heads");
  auto part = [&](const Dim& start, const Dim& size) {
    return split_heads(b, range_of_axis(b, x, 2, start, start + size), heads);
  };
  auto past = [&](int64_t which) -> Value* {
    if (node.input(inputs.past) == nullptr) return nullptr;
    return b.op("Gather", {node.input(inputs.past), b.scalar(DType::kInt64, static_cast<double>(which))},
                {{"axis", int64_t{0}}});
  };
  AttentionForm form{.q = part(0, sizes.q)};
  form.k = concat(b, past(0), part(sizes.q, sizes.k), 2);
  form.v = concat(b, past(1), part(sizes.q + sizes.k, sizes.v), 2);
  if (node.output(1) != nullptr && node.output(1)->has_uses()) {
    auto stacked = [&](Value* value) { return b.op("Unsqueeze", {value, b.ints({0})}); };
    b.replace(node, 1, concat(b, stacked(form.k), stacked(form.v), 0));
  }
  add_steps(b, node, form, node.input(inputs.mask), score_bias);
  look_back(b, node, form);
  b.replace(node, 0, attend_merged(b, form));
}

void infer_joint(InferContext& context) {
  refuse_inputs(context, {kPastLength});
  for (size_t i : {kInput, kWeights}) require_type(context, i, TypeClass::kFloat);
  require_rank(context, kInput, 3);
  require_rank(context, kWeights, 2);
  const Shape &x = context.shape(kInput), &weights = context.shape(kWeights);
  require_equal_extents(context, x[2], weights[0], "columns of the input and rows of the weights");
  const auto given = context.node().attribute<std::vector<int64_t>>("qkv_hidden_sizes", {});
  if (!given.empty() && given.size() != 3)
    context.fail("attribute 'qkv_hidden_sizes': expected 3 numbers, found {}", given.size());
  const JointSizes sizes = joint_sizes(context.node());
  require_equal_extents(context, sizes.q, sizes.k, "hidden size of query and key");
  require_equal_extents(context, sizes.q + sizes.k + sizes.v, weights[1], "sum of the hidden sizes");
  if (context.has_input(kBias)) require_broadcasts_to(context, context.shape(kBias), {weights[1]}, "bias");
  infer_projected(context, x, sizes, {.mask = kMask, .past = kPast}, context.dtype(kInput));
}

bool expand_joint(Builder& b, Node& node) {
  Value* x = b.op("MatMul", {node.input(kInput), node.input(kWeights)});
  if (node.input(kBias) != nullptr) x = b.add(x, node.input(kBias));
  expand_projected(b, node, x, joint_sizes(node), {.mask = kMask, .past = kPast}, node.input(kScoreBias));
  return true;
}

// ---- QAttention: the same with the projection of bytes ----------------------------------------------------

enum Quantized : size_t {
  kBytes,
  kByteWeights,
  kByteBias,
  kByteScale,
  kWeightScale,
  kByteMask,
  kByteZero,
  kWeightZero,
  kBytePast
};

constexpr JointInputs kQuantizedInputs{.mask = kByteMask, .past = kBytePast};

void infer_quantized(InferContext& context) {
  for (size_t i : {kBytes, kByteWeights}) require_bytes(context, i);
  require_type_of(context, kByteZero, kBytes);
  require_type_of(context, kWeightZero, kByteWeights);
  for (size_t i : {kByteBias, kByteScale, kWeightScale}) require_type(context, i, TypeClass::kFloat);
  require_rank(context, kBytes, 3);
  require_rank(context, kByteWeights, 2);
  const Shape &x = context.shape(kBytes), &weights = context.shape(kByteWeights);
  require_equal_extents(context, x[2], weights[0], "columns of the input and rows of the weights");
  for (size_t i : {kByteScale, kByteZero}) require_single(context, i);
  for (size_t i : {kByteBias, kWeightScale, kWeightZero}) {
    if (context.has_input(i))
      require_broadcasts_to(context, context.shape(i), {weights[1]}, fmt::format("input {}", i));
  }
  const JointSizes sizes = joint_sizes(context.node());
  require_equal_extents(context, sizes.q * Dim(3), weights[1], "three times the hidden size");
  infer_projected(context, x, sizes, kQuantizedInputs, context.dtype(kByteScale));
}

bool expand_quantized(Builder& b, Node& node) {
  Value* x = scaled_product(b, {.a = node.input(kBytes),
                                .b = node.input(kByteWeights),
                                .a_scale = node.input(kByteScale),
                                .b_scale = node.input(kWeightScale),
                                .a_zero = node.input(kByteZero),
                                .b_zero = node.input(kWeightZero),
                                .bias = node.input(kByteBias)});
  expand_projected(b, node, x, joint_sizes(node), kQuantizedInputs, nullptr);
  return true;
}

// ---- MultiHeadAttention -----------------------------------------------------------------------------------

enum Multi : size_t {
  kQuery,
  kKey,
  kValue,
  kProjectionBias,
  kPadding,
  kMultiScoreBias,
  kPastKey,
  kPastValue,
  kMultiPastLength,
  kIndirection
};

// How the inputs hold queries, keys and values.
enum class Packing : uint8_t {
  kNone,      // [batch, length, hidden] each
  kAll,       // query: [batch, length, heads, 3, size]
  kKeyValue,  // key: [batch, length, heads, 2, size]
  kHeads,     // key and value: [batch, heads, length, size], of another sequence
};

Packing packing_of(const Node& node) {
  if (node.input(kQuery)->shape().size() == 5) return Packing::kAll;
  const size_t rank = node.input(kKey) == nullptr ? 0 : node.input(kKey)->shape().size();
  return rank == 5 ? Packing::kKeyValue : rank == 4 ? Packing::kHeads : Packing::kNone;
}

struct MultiSizes {
  Dim batch = 0, queries = 0, keys = 0, size = 0, value_size = 0;
};

MultiSizes multi_sizes(const InferContext& context, int64_t heads) {
  const Shape& q = context.shape(kQuery);
  MultiSizes sizes{.batch = q[0], .queries = q[1]};
  const Packing packing = packing_of(context.node());
  sizes.size = packing == Packing::kAll ? q[4] : floor_div(q[2], heads);
  sizes.value_size = sizes.size;
  sizes.keys = q[1];
  if (packing == Packing::kKeyValue) {
    sizes.keys = context.shape(kKey)[1];
  } else if (packing == Packing::kHeads) {
    sizes.keys = context.shape(kKey)[2];
    sizes.value_size = context.shape(kValue)[3];
  } else if (packing == Packing::kNone) {
    sizes.keys = context.shape(kKey)[1];
    sizes.value_size = floor_div(context.shape(kValue)[2], heads);
  }
  if (context.has_input(kPastKey)) sizes.keys += context.shape(kPastKey)[2];
  return sizes;
}

void check_layout(const InferContext& context, int64_t heads) {
  const Packing packing = packing_of(context.node());
  const size_t wanted = packing == Packing::kAll ? 5 : 3;
  if (context.shape(kQuery).size() != wanted)
    context.fail("input 0 (query): expected rank 3 or 5, found shape {}", to_string(context.shape(kQuery)));
  const bool has_key = context.has_input(kKey), has_value = context.has_input(kValue);
  if (packing == Packing::kAll) {
    if (has_key || has_value) context.fail("a packed query comes without key and value");
    require_equal_extents(context, context.shape(kQuery)[2], heads, "heads");
    require_equal_extents(context, context.shape(kQuery)[3], 3, "query, key and value");
    return;
  }
  require_divisible(context, context.shape(kQuery)[2], heads);
  if (!has_key) context.fail("input 1 (key) is missing");
  if (packing == Packing::kKeyValue) {
    if (has_value) context.fail("a packed key comes without value");
    require_equal_extents(context, context.shape(kKey)[2], heads, "heads");
    require_equal_extents(context, context.shape(kKey)[3], 2, "key and value");
    return;
  }
  if (!has_value) context.fail("input 2 (value) is missing");
  require_rank(context, kValue, context.rank(kKey));
  if (packing == Packing::kNone) {
    require_rank(context, kKey, 3);
    require_divisible(context, context.shape(kValue)[2], heads);
    require_equal_extents(context, context.shape(kKey)[2], context.shape(kQuery)[2],
                          "hidden size of the key");
  }
}

void infer_multi(InferContext& context) {
  refuse_inputs(context, {kMultiPastLength, kIndirection});
  require_type(context, kQuery, TypeClass::kFloat);
  const int64_t heads = heads_of(context);
  check_layout(context, heads);
  if (context.has_input(kPastKey) != context.has_input(kPastValue))
    context.fail("past_key and past_value go together");
  if (context.has_input(kPastKey)) {
    require_rank(context, kPastKey, 4);
    require_rank(context, kPastValue, 4);
  }
  const MultiSizes sizes = multi_sizes(context, heads);
  if (context.has_input(kProjectionBias)) {
    const Dim columns = (sizes.size * Dim(2) + sizes.value_size) * Dim(heads);
    require_broadcasts_to(context, context.shape(kProjectionBias), {columns}, "bias");
  }
  if (context.has_input(kPadding)) check_mask(context, kPadding, sizes.batch, sizes.queries, sizes.keys);
  const DType type = context.dtype(kQuery);
  context.set_output(0, Type(type, {sizes.batch, sizes.queries, sizes.value_size * Dim(heads)}));
  context.set_output(1, Type(type, {sizes.batch, heads, sizes.keys, sizes.size}));
  context.set_output(2, Type(type, {sizes.batch, heads, sizes.keys, sizes.value_size}));
  context.set_output(3, Type(type, {sizes.batch, heads, sizes.queries, sizes.keys}));
}

class MultiExpansion {
 public:
  MultiExpansion(Builder& builder, Node& node)
      : b_(builder), node_(node), heads_(node.attribute<int64_t>("num_heads")), packing_(packing_of(node)) {}

  void run() {
    Value* q = input(0);
    const Dim hidden = q->shape()[2];
    AttentionForm form{.q = split_heads(b_, biased(q, 0), heads_)};
    if (packing_ == Packing::kHeads) {
      form.k = node_.input(kKey);
      form.v = node_.input(kValue);
    } else {
      form.k = split_heads(b_, biased(input(1), hidden), heads_);
      form.v = split_heads(b_, biased(input(2), hidden * Dim(2)), heads_);
    }
    form.k = concat(b_, node_.input(kPastKey), form.k, 2);
    form.v = concat(b_, node_.input(kPastValue), form.v, 2);
    b_.replace(node_, 1, form.k);
    b_.replace(node_, 2, form.v);
    add_steps(b_, node_, form, node_.input(kPadding), node_.input(kMultiScoreBias));
    look_back(b_, node_, form);
    if (node_.output(3) != nullptr && node_.output(3)->has_uses()) {
      const HeadsResult result = define_heads(b_, form);
      b_.replace(node_, 3, b_.cast(result.visible, node_.output(3)->dtype()));
      b_.replace(node_, 0, merge_heads(b_, result.output));
    } else {
      b_.replace(node_, 0, attend_merged(b_, form));
    }
  }

 private:
  // Query, key or value as [batch, length, hidden].
  Value* input(int64_t which) {
    if (packing_ == Packing::kAll) return unpacked(node_.input(kQuery), which);
    if (packing_ == Packing::kKeyValue && which > 0) return unpacked(node_.input(kKey), which - 1);
    return node_.input(static_cast<size_t>(which));
  }

  Value* unpacked(Value* packed, int64_t which) {
    const Shape& shape = packed->shape();
    return b_.reshape(range_of_axis(b_, packed, 3, which, which + 1),
                      {shape[0], shape[1], shape[2] * shape[4]});
  }

  Value* biased(Value* x, const Dim& start) {
    Value* bias = node_.input(kProjectionBias);
    return bias == nullptr ? x : b_.add(x, range_of_axis(b_, bias, 0, start, start + x->shape()[2]));
  }

  Builder& b_;
  Node& node_;
  int64_t heads_;
  Packing packing_;
};

bool expand_multi(Builder& builder, Node& node) {
  MultiExpansion(builder, node).run();
  return true;
}

}  // namespace

void register_contrib_attention(OpRegistry& registry) {
  registry.add({.domain = kContribDomain, .name = "Attention", .infer = infer_joint, .expand = expand_joint});
  registry.add(
      {.domain = kContribDomain, .name = "QAttention", .infer = infer_quantized, .expand = expand_quantized});
  registry.add(
      {.domain = kContribDomain, .name = "MultiHeadAttention", .infer = infer_multi, .expand = expand_multi});
}

}  // namespace dlc::ir

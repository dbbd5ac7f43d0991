// GroupQueryAttention and RotaryEmbedding of com.microsoft.
#include "ir/ops/attention_heads.h"
#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

// ---- RotaryEmbedding --------------------------------------------------------------------------------------

enum Rotary : size_t { kX, kRotaryPositions, kCosine, kSine };

// [batch, heads, length, size], of [batch, length, heads * size] too.
Dim rotary_head_size(const Node& node) {
  const Shape& shape = node.input(kX)->shape();
  if (shape.size() == 4) return shape[3];
  const auto heads = node.attribute<int64_t>("num_heads", 0);
  return heads > 0 ? floor_div(shape[2], Dim(heads)) : node.input(kCosine)->shape()[1] * Dim(2);
}

void check_angles(const InferContext& context, size_t cosine, size_t sine) {
  require_rank(context, cosine, 2);
  require_rank(context, sine, 2);
  for (size_t axis = 0; axis < 2; ++axis)
    require_equal_extents(context, context.shape(cosine)[axis], context.shape(sine)[axis],
                          "tables of angles");
}

void infer_rotary(InferContext& context) {
  require_type(context, kX, TypeClass::kFloat);
  if (context.rank(kX) != 3 && context.rank(kX) != 4)
    context.fail("input 0: expected rank 3 or 4, found {}", context.rank(kX));
  if (context.node().attribute<int64_t>("is_packed_batching", 0) != 0)
    context.fail("attribute 'is_packed_batching': batches of unequal length are not supported");
  const double scale = context.node().attribute<double>("scale", 1);
  if (scale != 1) context.fail("attribute 'scale': expected 1, found {}", scale);
  check_angles(context, kCosine, kSine);
  if (context.rank(kRotaryPositions) != 1 && context.rank(kRotaryPositions) != 2)
    context.fail("input 1 (position_ids): expected rank 1 or 2, found {}", context.rank(kRotaryPositions));
  const Dim size = rotary_head_size(context.node()), turned = context.shape(kCosine)[1] * Dim(2);
  if (size.is_constant() && turned.is_constant() && turned.value() > size.value())
    context.fail("{} elements of a head of {} are to be turned", turned.value(), size.value());
  infer_same_as_input(context);
}

bool expand_rotary(Builder& b, Node& node) {
  Value* x = node.input(kX);
  const bool merged = x->shape().size() == 3;
  if (merged) {
    const Shape& shape = x->shape();
    const Dim size = rotary_head_size(node);
    x = b.transpose(b.reshape(x, {shape[0], shape[1], floor_div(shape[2], size), size}), {0, 2, 1, 3});
  }
  Value* positions = node.input(kRotaryPositions);
  if (positions->shape().size() == 1) {
    positions = b.op("Unsqueeze", {b.add(range(b, x->shape()[2]), positions), b.ints({0})});
  }
  Value* result = rotate_pairs(b, x, positions, node.input(kCosine), node.input(kSine),
                               node.attribute<int64_t>("interleaved", 0) != 0);
  b.replace(node, 0, merged ? merge_heads(b, result) : result);
  return true;
}

// ---- GroupQueryAttention ----------------------------------------------------------------------------------

enum Input : size_t {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLengths,
  kTotal,
  kCosCache,
  kSinCache,
  kPositions,
  kScoreBias,
  kSink,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm,
  kQueryLengths
};

struct Sizes {
  int64_t heads = 0, kv_heads = 0;
  Dim size = 0;
  Dim past = 0;  // keys that the cache has room for
};

Sizes sizes_of(const Node& node) {
  Sizes sizes{.heads = node.attribute<int64_t>("num_heads"),
              .kv_heads = node.attribute<int64_t>("kv_num_heads")};
  const Dim& columns = node.input(kQuery)->shape()[2];
  const bool packed = node.input(kKey) == nullptr;
  sizes.size = floor_div(columns, packed ? sizes.heads + 2 * sizes.kv_heads : sizes.heads);
  if (node.input(kPastKey) != nullptr) sizes.past = node.input(kPastKey)->shape()[2];
  return sizes;
}

void refuse(const InferContext& context) {
  const Node& node = context.node();
  for (size_t i : {kKeyScale, kValueScale, kQueryLengths}) {
    if (context.has_input(i)) context.fail("input {} is not supported", i);
  }
  for (const char* name : {"sliding_window_cache", "kv_cache_bit_width", "qk_output"}) {
    if (!(node.attribute<int64_t>(name, 0) == 0)) context.fail("attribute '{}' is not supported", name);
  }
}

void check_group_inputs(const InferContext& context) {
  require_type(context, kQuery, TypeClass::kFloat);
  require_rank(context, kQuery, 3);
  const auto heads = context.node().attribute<int64_t>("num_heads");
  const auto kv_heads = context.node().attribute<int64_t>("kv_num_heads");
  if (heads <= 0 || kv_heads <= 0 || heads % kv_heads != 0)
    context.fail("{} heads of the query for {} of the key", heads, kv_heads);
  for (auto [a, b] : {std::pair(kKey, kValue), std::pair(kPastKey, kPastValue),
                      std::pair(kCosCache, kSinCache), std::pair(kQueryNorm, kKeyNorm)}) {
    if (context.has_input(a) != context.has_input(b)) context.fail("inputs {} and {} go together", +a, +b);
  }
  if (context.has_input(kKey)) {
    require_rank(context, kKey, 3);
    require_rank(context, kValue, 3);
  }
  if (context.has_input(kPastKey)) {
    require_rank(context, kPastKey, 4);
    require_rank(context, kPastValue, 4);
  }
  require_rank(context, kLengths, 1);
  if (context.has_input(kCosCache)) check_angles(context, kCosCache, kSinCache);
  if (context.has_input(kSink)) {
    require_rank(context, kSink, 1);
    require_equal_extents(context, context.shape(kSink)[0], heads, "one sink a head");
  }
  if (context.node().attribute<int64_t>("do_rotary", 0) != 0 && !context.has_input(kCosCache))
    context.fail("do_rotary needs cos_cache and sin_cache");
}

// The number of keys that the batch's longest row has, if inference knows it.
std::optional<Dim> total_length(const Node& node) {
  const Value* total = node.input(kTotal);
  if (total->is_constant() && total->constant().size() == 1) return Dim(total->constant().to_ints()[0]);
  if (total->shape_value() && total->shape_value()->size() == 1) return (*total->shape_value())[0];
  return std::nullopt;
}

void infer_group_query(InferContext& context) {
  refuse(context);
  check_group_inputs(context);
  const Sizes sizes = sizes_of(context.node());
  const Shape& q = context.shape(kQuery);
  require_broadcasts_to(context, context.shape(kLengths), {q[0]}, "seqlens_k");
  const std::optional<Dim> total = total_length(context.node());
  const Dim keys = max(total ? *total : context.fresh_symbol("total_sequence_length"), sizes.past);
  const DType type = context.dtype(kQuery);
  context.set_output(0, Type(type, {q[0], q[1], sizes.size * Dim(sizes.heads)}));
  for (size_t i : {size_t{1}, size_t{2}})
    context.set_output(i, Type(type, {q[0], sizes.kv_heads, keys, sizes.size}));
}

class GroupExpansion {
 public:
  GroupExpansion(Builder& builder, Node& node) : b_(builder), node_(node), sizes_(sizes_of(node)) {}

  void run() {
    const Shape& q = node_.input(kQuery)->shape();
    batch_ = q[0];
    length_ = q[1];
    count_keys();
    AttentionForm form;
    form.q = turned(normalised(heads_of(0), kQueryNorm));
    form.k = cached(kPastKey, turned(normalised(heads_of(1), kKeyNorm)));
    form.v = cached(kPastValue, heads_of(2));
    b_.replace(node_, 1, form.k);
    b_.replace(node_, 2, form.v);
    Value* const sink = sink_of_heads();
    if (sink == nullptr) {
      see_keys(form);
    } else {
      form.k = with_key_of_zeros(form.k);
      form.v = with_key_of_zeros(form.v);
    }
    std::optional<double> scale;
    if (node_.attribute<double>("scale", 0) != 0) scale = node_.attribute<double>("scale");
    form.steps.push_back(scale_step(b_, form.q, scale));
    for (ScoreStep& step : softcap_steps(b_, form.q, node_.attribute<double>("softcap", 0.0)))
      form.steps.push_back(std::move(step));
    if (Value* bias = node_.input(kScoreBias))
      form.steps.push_back(mask_step(b_, form.q, whole(bias, form.k)));
    if (sink != nullptr) attend_to_sink(form, sink);
    b_.replace(node_, 0, attend_merged(b_, form));
  }

 private:
  // Query, key or value as [batch, heads, length, size].
  Value* heads_of(int64_t which) {
    const int64_t heads = which == 0 ? sizes_.heads : sizes_.kv_heads;
    if (node_.input(kKey) != nullptr) return split_heads(b_, node_.input(static_cast<size_t>(which)), heads);
    const int64_t first = which == 0 ? 0 : sizes_.heads + (which - 1) * sizes_.kv_heads;
    Value* part =
        range_of_axis(b_, node_.input(kQuery), 2, sizes_.size * Dim(first), sizes_.size * Dim(first + heads));
    return split_heads(b_, part, heads);
  }

  Value* normalised(Value* x, size_t weights) {
    if (node_.input(weights) == nullptr) return x;
    const double shared = node_.attribute<double>("qk_norm_epsilon", 1e-6F);
    const double epsilon =
        node_.attribute<double>(weights == kQueryNorm ? "q_norm_epsilon" : "k_norm_epsilon", shared);
    return b_.op("RMSNormalization", {x, node_.input(weights)},
                 {{"axis", int64_t{-1}}, {"epsilon", epsilon}});
  }

  Value* turned(Value* x) {
    if (node_.attribute<int64_t>("do_rotary", 0) == 0) return x;
    Value* positions = node_.input(kPositions);
    if (positions == nullptr) {
      Value* first = b_.op("Unsqueeze", {past_, b_.ints({1})});
      positions = b_.add(first, range(b_, length_));
    }
    return rotate_pairs(b_, x, positions, node_.input(kCosCache), node_.input(kSinCache),
                        node_.attribute<int64_t>("rotary_interleaved", 0) != 0);
  }

  // Of each row of the batch: the keys of the past. A first prompt, which may be padded, has none.
  void count_keys() {
    Value* lengths = b_.cast(node_.input(kLengths), DType::kInt64);
    Value* before = b_.sub(b_.add(lengths, b_.scalar(DType::kInt64, 1)), b_.dims({length_}));
    past_ = b_.op("Max", {before, b_.scalar(DType::kInt64, 0)});
  }

  // The positions of the keys, int64.
  Value* positions() {
    const std::optional<Dim> total = total_length(node_);
    if (total) return range(b_, max(*total, sizes_.past));
    Value* limit = b_.op("Max", {b_.cast(b_.reshape(node_.input(kTotal), {}), DType::kInt64),
                                 b_.op("Squeeze", {b_.dims({sizes_.past})})});
    return b_.op("Range", {b_.scalar(DType::kInt64, 0), limit, b_.scalar(DType::kInt64, 1)});
  }

  // The cache with the new keys or values behind those of the past.
  Value* cached(size_t input, Value* x) {
    Value* past = node_.input(input);
    const std::optional<Dim> total = total_length(node_);
    if (total && past == nullptr && *total == length_) return x;
    if (total && past != nullptr && batch_ == Dim(1) && *total == sizes_.past + length_)
      return b_.op("Concat", {past, x}, {{"axis", int64_t{2}}});
    if (at_ == nullptr) at_ = positions();
    const Dim keys = at_->shape()[0];
    const Shape whole = {batch_, sizes_.kv_heads, keys, sizes_.size};
    // Where the key comes from: a row of x, or the cache.
    Value* row = b_.sub(at_, b_.op("Unsqueeze", {past_, b_.ints({1, 2})}));  // [batch, 1, keys]
    Value* zero = b_.scalar(DType::kInt64, 0);
    Value* limit = b_.op("Squeeze", {b_.dims({length_})});
    Value* is_new = b_.op("And", {b_.op("GreaterOrEqual", {row, zero}), b_.op("Less", {row, limit})});
    Value* source = b_.op("Clip", {row, zero, b_.sub(limit, b_.scalar(DType::kInt64, 1))});
    auto per_element = [&](Value* value) { return b_.op("Unsqueeze", {value, b_.ints({3})}); };
    Value* rows = b_.op("Expand", {per_element(source), b_.dims(whole)});
    Value* fresh = b_.op("GatherElements", {x, rows}, {{"axis", int64_t{2}}});
    Value* old = b_.like(x, 0);
    if (past != nullptr) {
      old = b_.op("Pad", {past, b_.dims({0, keys - sizes_.past}), old, b_.ints({2})},
                  {{"mode", std::string("constant")}});
    }
    // What has room behind them is zero.
    Value* is_old = b_.op("Less", {row, zero});
    Value* rest = past == nullptr ? old : b_.op("Where", {per_element(is_old), old, b_.like(x, 0)});
    return b_.op("Where", {per_element(is_new), fresh, rest});
  }

  void see_keys(AttentionForm& form) {
    form.offset = b_.op("Unsqueeze", {past_, b_.ints({1})});
    if (node_.attribute<int64_t>("causal", 1) != 0) {
      // The window counts the query's own position.
      const auto window = node_.attribute<int64_t>("local_window_size", -1);
      form.right = 0;
      form.left = window > 0 ? window - 1 : -1;
    } else {
      form.length = b_.add(form.offset, b_.dims({length_}));
    }
  }

  // The score of one more key, which all queries see and which has no value; null where there is none.
  Value* sink_of_heads() {
    if (node_.input(kSink) != nullptr) {
      Value* sink = b_.cast(node_.input(kSink), compute_type(node_.input(kQuery)->dtype()));
      return b_.op("Unsqueeze", {sink, b_.ints({1, 2})});
    }
    if (node_.attribute<int64_t>("smooth_softmax", -1) <= 0) return nullptr;
    return b_.scalar(compute_type(node_.input(kQuery)->dtype()), 0);
  }

  Value* with_key_of_zeros(Value* x) {
    return b_.op("Pad", {x, b_.dims({0, 1}), b_.like(x, 0), b_.ints({2})},
                 {{"mode", std::string("constant")}});
  }

  // What see_keys() says, as a mask that leaves out the last key, whose score is the sink's.
  void attend_to_sink(AttentionForm& form, Value* sink) {
    const Dim all = form.k->shape()[2];
    Value* key = range(b_, all);
    Value* first = b_.op("Unsqueeze", {past_, b_.ints({1, 2, 3})});
    Value* query = b_.add(first, b_.op("Unsqueeze", {range(b_, length_), b_.ints({1})}));
    Value* visible = nullptr;
    if (node_.attribute<int64_t>("causal", 1) != 0) {
      visible = b_.op("LessOrEqual", {key, query});
      const auto window = node_.attribute<int64_t>("local_window_size", -1);
      if (window > 0) {
        Value* behind = b_.sub(query, b_.scalar(DType::kInt64, static_cast<double>(window)));
        visible = b_.op("And", {visible, b_.op("Greater", {key, behind})});
      }
    } else {
      visible = b_.op("Less", {key, b_.add(first, b_.dims({length_}))});
    }
    form.steps.push_back(mask_step(b_, form.q, visible));
    Value* is_key = b_.op("Less", {key, b_.dims({all - Dim(1)})});
    form.steps.push_back({.op = "Where", .position = 1, .operands = {is_key, sink}});
  }

  // A bias of fewer keys than the cache has room for.
  Value* whole(Value* bias, const Value* k) {
    const Dim missing = k->shape()[2] - bias->shape().back();
    if (missing == Dim(0)) return bias;
    return b_.op("Pad", {bias, b_.dims({0, missing}), b_.like(bias, 0), b_.ints({-1})},
                 {{"mode", std::string("constant")}});
  }

  Builder& b_;
  Node& node_;
  Sizes sizes_;
  Dim batch_, length_;
  Value* past_ = nullptr;  // [batch]
  Value* at_ = nullptr;
};

bool expand_group_query(Builder& builder, Node& node) {
  GroupExpansion(builder, node).run();
  return true;
}

// The two elements of each pair, side by side again.
Value* paired(Builder& b, Value* first, Value* second, bool interleaved) {
  if (!interleaved) return b.op("Concat", {first, second}, {{"axis", int64_t{-1}}});
  auto column = [&](Value* x) { return b.op("Unsqueeze", {x, b.ints({-1})}); };
  Value* pairs = b.op("Concat", {column(first), column(second)}, {{"axis", int64_t{-1}}});
  Shape shape = first->shape();
  shape.back() *= 2;
  return b.reshape(pairs, shape);
}

}  // namespace

Value* rotate_pairs(Builder& b, Value* x, Value* positions, Value* cosine, Value* sine, bool interleaved) {
  const Dim half = cosine->shape()[1], turned = half * Dim(2), size = x->shape()[3];
  auto angles = [&](Value* table) {
    Value* rows = b.op("Gather", {table, positions}, {{"axis", int64_t{0}}});
    return b.op("Unsqueeze", {rows, b.ints({1})});  // the same for all heads
  };
  Value *cos = angles(cosine), *sin = angles(sine);
  Value* head = turned == size ? x : range_of_axis(b, x, 3, 0, turned);
  Value *first = nullptr, *second = nullptr;
  if (interleaved) {
    auto every_other = [&](int64_t start) {
      return b.op("Slice", {head, b.ints({start}), b.dims({turned}), b.ints({3}), b.ints({2})});
    };
    first = every_other(0);
    second = every_other(1);
  } else {
    first = range_of_axis(b, head, 3, 0, half);
    second = range_of_axis(b, head, 3, half, turned);
  }
  Value* result = paired(b, b.sub(b.mul(first, cos), b.mul(second, sin)),
                         b.add(b.mul(first, sin), b.mul(second, cos)), interleaved);
  if (turned == size) return result;
  return b.op("Concat", {result, range_of_axis(b, x, 3, turned, size)}, {{"axis", int64_t{-1}}});
}

void register_contrib_group_query(OpRegistry& registry) {
  registry.add(
      {.domain = kContribDomain, .name = "RotaryEmbedding", .infer = infer_rotary, .expand = expand_rotary});
  registry.add({.domain = kContribDomain,
                .name = "GroupQueryAttention",
                .infer = infer_group_query,
                .expand = expand_group_query});
}

}  // namespace dlc::ir

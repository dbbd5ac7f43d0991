// Attention of ai.onnx, defined in terms of dlc.Attention.
#include <cmath>

#include "ir/ops/attention_heads.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

enum Input : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kLength };
enum Output : size_t { kY, kPresentKey, kPresentValue, kScores };

// ---- Inference --------------------------------------------------------------------------------------------

struct Sizes {
  Dim batch, heads, kv_heads, queries, keys, size, value_size;
  Dim total;  // with the keys of the past
};

Dim heads_attribute(const InferContext& context, const char* name, const Dim& hidden) {
  const int64_t heads = context.node().attribute<int64_t>(name, 0);
  if (heads <= 0) context.fail("attribute '{}': expected a positive number for inputs of rank 3", name);
  if (hidden.is_constant() && hidden.value() % heads != 0)
    context.fail("attribute '{}': {} does not divide {}", name, heads, hidden.value());
  return heads;
}

Sizes sizes_of(const InferContext& context) {
  const Shape &q = context.shape(kQ), &k = context.shape(kK), &v = context.shape(kV);
  Sizes sizes;
  if (q.size() == 3) {
    sizes.heads = heads_attribute(context, "q_num_heads", q[2]);
    sizes.kv_heads = heads_attribute(context, "kv_num_heads", k[2]);
    sizes.size = floor_div(q[2], sizes.heads);
    sizes.value_size = floor_div(v[2], sizes.kv_heads);
  } else {
    sizes.heads = q[1];
    sizes.kv_heads = k[1];
    sizes.size = q[3];
    sizes.value_size = v[3];
  }
  sizes.batch = q[0];
  sizes.queries = q[q.size() - 2];
  sizes.keys = k[k.size() - 2];
  sizes.total = sizes.keys;
  if (context.has_input(kPastKey)) sizes.total += context.shape(kPastKey)[2];
  return sizes;
}

void check_inputs(const InferContext& context) {
  for (size_t i : {kQ, kK, kV}) {
    require_type(context, i, TypeClass::kFloat);
    require_rank(context, i, context.rank(kQ));
  }
  if (context.rank(kQ) != 3 && context.rank(kQ) != 4)
    context.fail("input 0: expected rank 3 or 4, found shape {}", to_string(context.shape(kQ)));
  if (context.has_input(kPastKey) != context.has_input(kPastValue))
    context.fail("past_key and past_value go together");
  if (context.has_input(kPastKey)) {
    require_rank(context, kPastKey, 4);
    require_rank(context, kPastValue, 4);
  }
  if (context.has_input(kLength)) {
    require_rank(context, kLength, 1);
    if (context.has_input(kPastKey)) context.fail("nonpad_kv_seqlen and past_key exclude one another");
  }
}

void infer_standard(InferContext& context) {
  check_inputs(context);
  const Sizes sizes = sizes_of(context);
  if (sizes.heads.is_constant() && sizes.kv_heads.is_constant() &&
      (sizes.kv_heads.value() <= 0 || sizes.heads.value() % sizes.kv_heads.value() != 0)) {
    context.fail("{} heads of the query for {} of the key", sizes.heads.value(), sizes.kv_heads.value());
  }
  const Shape scores = {sizes.batch, sizes.heads, sizes.queries, sizes.total};
  if (context.has_input(kMask)) {
    Shape mask = context.shape(kMask);
    if (mask.empty() || mask.size() > 4)
      context.fail("attn_mask: expected rank 1 to 4, found {}", mask.size());
    mask.back() = 1;  // it may be shorter than the keys
    require_broadcasts_to(context, mask, scores, "attn_mask");
  }
  const DType type = context.dtype(kQ), value_type = context.dtype(kV);
  Shape y = context.rank(kQ) == 3 ? Shape{sizes.batch, sizes.queries, sizes.heads * sizes.value_size}
                                  : Shape{sizes.batch, sizes.heads, sizes.queries, sizes.value_size};
  context.set_output(kY, Type(type, std::move(y)));
  context.set_output(kPresentKey, Type(type, {sizes.batch, sizes.kv_heads, sizes.total, sizes.size}));
  context.set_output(kPresentValue,
                     Type(value_type, {sizes.batch, sizes.kv_heads, sizes.total, sizes.value_size}));
  context.set_output(kScores, Type(type, scores));
}

// ---- Definition -------------------------------------------------------------------------------------------

class Expansion {
 public:
  Expansion(Builder& builder, Node& node) : b_(builder), node_(node) {}

  void run() {
    split_inputs();
    const DType type = form_.q->dtype();
    keys_in_sight();
    score_steps();
    form_.guard = "no_keys";
    compute_in(softmax_type(type));
    const bool wants_scores = node_.output(kScores) != nullptr && node_.output(kScores)->has_uses();
    const bool merges = node_.input(kQ)->shape().size() == 3;
    if (wants_scores) {
      const HeadsResult result = define_heads(b_, form_);
      replace(kScores, scores_of(result), type);
      replace(kY, merges ? merge_heads(b_, result.output) : result.output, type);
    } else {
      replace(kY, merges ? attend_merged(b_, form_) : attend_heads(b_, form_).output, type);
    }
  }

 private:
  void replace(size_t output, Value* value, DType type) { b_.replace(node_, output, b_.cast(value, type)); }

  Value* with_past(Value* x, size_t past) {
    if (node_.input(past) == nullptr) return x;
    return b_.op("Concat", {node_.input(past), x}, {{"axis", int64_t{2}}});
  }

  void split_inputs() {
    auto split = [&](size_t input, const char* heads) {
      Value* x = node_.input(input);
      return x->shape().size() == 3 ? split_heads(b_, x, node_.attribute<int64_t>(heads)) : x;
    };
    form_.q = split(kQ, "q_num_heads");
    form_.k = with_past(split(kK, "kv_num_heads"), kPastKey);
    form_.v = with_past(split(kV, "kv_num_heads"), kPastValue);
    if (node_.output(kPresentKey) != nullptr) b_.replace(node_, kPresentKey, form_.k);
    if (node_.output(kPresentValue) != nullptr) b_.replace(node_, kPresentValue, form_.v);
  }

  void keys_in_sight() {
    form_.left = node_.attribute<int64_t>("left_window_size", -1);
    form_.right = node_.attribute<int64_t>("right_window_size", -1);
    if (node_.attribute<int64_t>("is_causal", 0) != 0) form_.right = 0;
    Value* length = node_.input(kLength);
    if (length != nullptr) {
      form_.length = b_.op("Unsqueeze", {length, b_.ints({1})});
      form_.offset = b_.sub(form_.length, b_.dims({form_.q->shape()[2]}));
    } else if (node_.input(kPastKey) != nullptr) {
      form_.offset = b_.dims({node_.input(kPastKey)->shape()[2]});
    }
  }

  // A mask of fewer keys masks the others.
  Value* whole_mask() {
    Value* mask = node_.input(kMask);
    const Dim missing = form_.k->shape()[2] - mask->shape().back();
    if (missing == Dim(0)) return mask;
    if (is_integer(mask->dtype())) mask = b_.cast(mask, form_.q->dtype());
    const bool is_bool = mask->dtype() == DType::kBool;
    Value* fill = is_bool ? b_.scalar(DType::kBool, 0) : b_.like(mask, -HUGE_VAL);
    return b_.op("Pad", {mask, b_.dims({0, missing}), fill, b_.ints({-1})},
                 {{"mode", std::string("constant")}});
  }

  void score_steps() {
    std::optional<double> scale;
    if (node_.has("scale")) scale = node_.attribute<double>("scale");
    form_.steps.push_back(scale_step(b_, form_.q, scale));
    for (ScoreStep& step : softcap_steps(b_, form_.q, node_.attribute<double>("softcap", 0.0)))
      form_.steps.push_back(std::move(step));
    capped_ = form_.steps.size() - 1;
    if (node_.input(kMask) != nullptr) form_.steps.push_back(mask_step(b_, form_.q, whole_mask()));
  }

  // Of a softmax that is asked for in double; others are in float at least.
  DType softmax_type(DType type) const {
    const auto asked = node_.attribute<int64_t>("softmax_precision", static_cast<int64_t>(type));
    return asked == static_cast<int64_t>(DType::kDouble) ? DType::kDouble : type;
  }

  void compute_in(DType type) {
    form_.q = b_.cast(form_.q, type);
    form_.k = b_.cast(form_.k, type);
    form_.v = b_.cast(form_.v, type);
  }

  Value* scores_of(const HeadsResult& result) const {
    switch (node_.attribute<int64_t>("qk_matmul_output_mode", 0)) {
      case 0:
        return result.scores.front();
      case 1:
        return result.scores[capped_];
      case 2:
        return result.visible;
      default:
        return result.weights;
    }
  }

  Builder& b_;
  Node& node_;
  AttentionForm form_;
  size_t capped_ = 0;  // the step after which the scores are capped
};

bool expand_standard(Builder& builder, Node& node) {
  Expansion(builder, node).run();
  return true;
}

}  // namespace

void register_standard_attention(OpRegistry& registry) {
  registry.add({.name = "Attention", .infer = infer_standard, .expand = expand_standard});
}

}  // namespace dlc::ir

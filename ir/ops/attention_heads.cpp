#include "ir/ops/attention_heads.h"

#include <cmath>
#include <limits>

#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// The heads of q that share one of k.
Dim group_size(const AttentionForm& form) {
  const Dim &heads = form.q->shape()[1], &kv_heads = form.k->shape()[1];
  return heads == kv_heads ? Dim(1) : floor_div(heads, kv_heads);
}

// [.., heads, a, b] as [.., heads / group, group, a, b]; what repeats over the heads stays so.
Value* split_groups(Builder& builder, Value* x, const Dim& heads, const Dim& group) {
  Shape shape = x->shape();
  if (shape.size() < 3) return x;
  const size_t axis = shape.size() - 3;
  const bool repeats = shape[axis] == Dim(1);
  if (!repeats && shape[axis] != heads) {
    // An extent that is known only at run time may turn out to be 1.
    shape[axis] = heads;
    x = builder.op("Expand", {x, builder.dims(shape)});
  }
  shape[axis] = repeats ? Dim(1) : floor_div(heads, group);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, repeats ? Dim(1) : group);
  return builder.reshape(x, shape);
}

Value* add_axis(Builder& builder, Value* x, int64_t axis) {
  return x == nullptr ? nullptr : builder.op("Unsqueeze", {x, builder.ints({axis})});
}

// The group becomes an axis of its own, behind the heads of k.
void split_groups(Builder& builder, AttentionForm& form, const Dim& group) {
  const Dim heads = form.q->shape()[1];
  form.q = split_groups(builder, form.q, heads, group);
  form.k = add_axis(builder, form.k, 2);
  form.v = add_axis(builder, form.v, 2);
  form.offset = add_axis(builder, form.offset, -1);
  form.length = add_axis(builder, form.length, -1);
  for (ScoreStep& step : form.steps) {
    for (Value*& operand : step.operands) operand = split_groups(builder, operand, heads, group);
  }
}

Value* merge_groups(Builder& builder, Value* x, const Dim& group) {
  if (group == Dim(1) || x == nullptr) return x;
  Shape shape = x->shape();
  shape[1] *= shape[2];
  shape.erase(shape.begin() + 2);
  return builder.reshape(x, shape);
}

}  // namespace

Value* split_heads(Builder& builder, Value* x, int64_t heads) {
  const Shape& shape = x->shape();
  Value* split = builder.reshape(x, {shape[0], shape[1], Dim(heads), floor_div(shape[2], Dim(heads))});
  return builder.transpose(split, {0, 2, 1, 3});
}

Value* merge_heads(Builder& builder, Value* x) {
  const Shape& shape = x->shape();
  return builder.reshape(builder.transpose(x, {0, 2, 1, 3}), {shape[0], shape[2], shape[1] * shape[3]});
}

HeadsResult attend_heads(Builder& builder, AttentionForm form) {
  const Dim group = group_size(form);
  if (group != Dim(1)) split_groups(builder, form, group);
  return {.output = merge_groups(builder, build_attention(builder, form), group)};
}

Value* attend_merged(Builder& builder, AttentionForm form) {
  const Dim group = group_size(form);
  if (group == Dim(1)) return merge_heads(builder, build_attention(builder, form));
  split_groups(builder, form, group);
  Value* result = build_attention(builder, form);
  const Shape& shape = result->shape();
  return builder.reshape(builder.transpose(result, {0, 3, 1, 2, 4}),
                         {shape[0], shape[3], shape[1] * shape[2] * shape[4]});
}

HeadsResult define_heads(Builder& builder, AttentionForm form) {
  const Dim group = group_size(form);
  if (group != Dim(1)) split_groups(builder, form, group);
  const AttentionStages stages = define_attention(builder, form);
  HeadsResult result{.output = merge_groups(builder, stages.output, group)};
  for (Value* scores : stages.scores) result.scores.push_back(merge_groups(builder, scores, group));
  result.visible = merge_groups(builder, stages.visible, group);
  result.weights = merge_groups(builder, stages.weights, group);
  return result;
}

ScoreStep scale_step(Builder& builder, const Value* q, std::optional<double> factor) {
  const DType type = compute_type(q->dtype());
  const Dim& size = q->shape().back();
  if (!factor && size.is_constant()) factor = 1 / std::sqrt(static_cast<double>(size.value()));
  if (factor) return {.op = "Mul", .position = 0, .operands = {builder.scalar(type, *factor)}};
  Value* number = builder.cast(builder.op("Squeeze", {builder.dims({size})}), type);
  return {.op = "Div", .position = 0, .operands = {builder.op("Sqrt", {number})}};
}

std::vector<ScoreStep> softcap_steps(Builder& builder, const Value* q, double limit) {
  if (limit <= 0) return {};
  Value* number = builder.scalar(compute_type(q->dtype()), limit);
  return {{.op = "Div", .position = 0, .operands = {number}},
          {.op = "Tanh", .position = 0},
          {.op = "Mul", .position = 0, .operands = {number}}};
}

ScoreStep mask_step(Builder& builder, const Value* q, Value* mask) {
  const DType type = compute_type(q->dtype());
  if (mask->dtype() != DType::kBool) {
    return {.op = "Add", .position = 0, .operands = {builder.cast(mask, type)}};
  }
  Value* lowest = builder.scalar(type, -std::numeric_limits<double>::infinity());
  return {.op = "Where", .position = 1, .operands = {mask, lowest}};
}

}  // namespace dlc::ir

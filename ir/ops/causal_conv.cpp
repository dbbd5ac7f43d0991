// CausalConvWithState: a convolution of single channels along one axis that looks backwards only. What lies
// before the input is the state that the previous call left, or zeros.
#include "ir/ops/convolution.h"
#include "ir/ops/infer_util.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

// Inputs.
constexpr size_t kData = 0;
constexpr size_t kWeight = 1;  // [channels, 1, taps]
constexpr size_t kBias = 2;
constexpr size_t kPast = 3;  // [batch, channels, taps - 1]

// How many elements of the past the first output needs.
Dim memory_of(const Node& node) { return node.input(kWeight)->shape()[2] - Dim(1); }

bool has_silu(const Node& node) { return node.attribute<std::string>("activation", "none") != "none"; }

void infer_causal_conv(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  for (size_t input : {kData, kWeight, kPast}) {
    if (context.has_input(input)) require_rank(context, input, 3);
  }
  const auto activation = context.node().attribute<std::string>("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    context.fail("attribute 'activation': expected none, silu or swish, found '{}'", activation);
  }
  const Shape& data = context.shape(kData);
  const Shape& weight = context.shape(kWeight);
  require_equal_extents(context, weight[0], data[1], "the weights are one row a channel");
  require_equal_extents(context, weight[1], 1, "the weights of a channel are one row");
  const Dim memory = memory_of(context.node());
  if (memory.is_constant() && memory.value() < 0) context.fail("the weights of a channel are empty");
  if (context.has_input(kBias)) {
    require_rank(context, kBias, 1);
    require_equal_extents(context, context.shape(kBias)[0], data[1], "the bias is one a channel");
  }
  const Shape state = {data[0], data[1], memory};
  if (context.has_input(kPast)) {
    for (size_t i = 0; i < state.size(); ++i)
      require_equal_extents(context, context.shape(kPast)[i], state[i], "the state before the input");
  }
  context.set_output(0, Type(context.dtype(kData), data));
  context.set_output(1, Type(context.dtype(kData), state));
}

// What inference could not compare.
void check_extents(LowerContext& context) {
  const Shape& data = context.input_shape(kData);
  const Shape& weight = context.input_shape(kWeight);
  check_equal(context, weight[0], data[1], "the weights are one row a channel");
  check_equal(context, weight[1], 1, "the weights of a channel are one row");
  check_equal(context, weight[2], max(weight[2], Dim(1)), "the weights of a channel are empty");
  if (context.has_input(kBias)) {
    check_equal(context, context.input_shape(kBias)[0], data[1], "the bias is one a channel");
  }
  if (!context.has_input(kPast)) return;
  const Shape state = {data[0], data[1], memory_of(context.node())};
  for (size_t i = 0; i < state.size(); ++i)
    check_equal(context, context.input_shape(kPast)[i], state[i], "the state before the input");
}

// The element of the channel's sequence at `place`, counted from the first of the input.
Expr element_at(LowerContext& context, const Index& channel, const Expr& place) {
  const DType type = context.input_type(kData).dtype;
  const Expr data = context.at_input(kData, {channel[0], channel[1], place});
  Expr before = constant(type, 0);
  if (context.has_input(kPast)) {
    before = context.at_input(kPast, {channel[0], channel[1], place + dim(memory_of(context.node()))});
  }
  return select(place < integer(0), before, data);
}

// State and input one after the other; the input alone where zeros, as padding, stand for the state.
BufferId sequence_of(LowerContext& context) {
  if (!context.has_input(kPast)) return context.input(kData);
  Shape shape = context.input_shape(kData);
  const Dim memory = memory_of(context.node());
  shape[2] += memory;
  const BufferId result = context.temp(context.input_type(kData).dtype, std::move(shape), "sequence");
  context.map(result, [&](const Index& i) { return element_at(context, i, i[2] - dim(memory)); });
  return result;
}

void lower_causal_conv(LowerContext& context) {
  check_extents(context);
  const Shape& data = context.input_shape(kData);
  const Dim memory = memory_of(context.node());
  const BufferId sequence = sequence_of(context);
  const bool padded = !context.has_input(kPast);

  // The axes of a Conv with a group for every channel.
  ContractionBuilder builder(context, context.input_type(kData).dtype);
  const Expr n = builder.axis(data[0], AxisRole::kBatch);
  const Expr channel = builder.axis(data[1], AxisRole::kBatch);
  const Expr place = builder.axis(data[2], AxisRole::kM);
  const Expr out = builder.axis(1, AxisRole::kN);
  const Expr in = builder.axis(1, AxisRole::kK);
  const Expr tap = builder.axis(context.input_shape(kWeight)[2], AxisRole::kWindow);
  const Expr at = place + tap;
  builder.a(sequence, {n, channel + in, padded ? at - dim(memory) : at}, padded);
  builder.b(context.input(kWeight), {channel + out, in, tap});
  Expr result = builder.sum();
  if (context.has_input(kBias)) {
    result = result + cast(context.at_input(kBias, {channel + out}), result.type());
  }
  if (has_silu(context.node())) result = result * sigmoid(result);
  builder.finish(context.output(), {n, channel + out, place}, result);

  if (!context.has_output(1)) return;
  context.map(context.output(1),
              [&](const Index& i) { return element_at(context, i, i[2] + dim(data[2]) - dim(memory)); });
}

// Joined with its state, the input goes through a Conv: for a known number of channels.
bool unfold_causal_conv(Builder& builder, Node& node) {
  const Term data(builder, node.input(kData));
  const Dim channels = data.shape()[1];
  if (!channels.is_constant()) return false;
  const Dim memory = memory_of(node);
  Value* past = node.input(kPast);
  if (past == nullptr) {
    past = zeros(builder, data.dtype(), {data.shape()[0], channels, memory});
  }
  const Term sequence(builder, builder.op("Concat", {past, data}, {{"axis", int64_t{2}}}));
  Term result =
      sequence.apply("Conv", {node.input(kWeight), node.input(kBias)}, {{"group", channels.value()}});
  if (has_silu(node)) result = result * sigmoid(result);
  builder.replace(node, 0, result);
  if (node.output(1) == nullptr) return true;
  const Dim length = sequence.shape()[2];
  builder.replace(
      node, 1,
      sequence.apply("Slice", {builder.dims({length - memory}), builder.dims({length}), builder.ints({2})}));
  return true;
}

}  // namespace

OpDef causal_conv_record() {
  return {.name = "CausalConvWithState",
          .infer = infer_causal_conv,
          .lower = lower_causal_conv,
          .unfold = unfold_causal_conv};
}

}  // namespace dlc::ir

// What a step gives to other processes while it runs, and takes back: Give and Take of the "dlc" domain.
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// Give: a tensor goes out as the part `place` of the exchange. The output, a number without meaning, orders
// what follows; a second input is that of the Give before.
void infer_give(InferContext& context) {
  const DType type = context.dtype(0);
  if (type != DType::kFloat && type != DType::kDouble)
    context.fail("input 0: expected f32 or f64, found {}", name(type));
  context.set_output(0, Type(DType::kInt32, {}));
}

int64_t place_of(const Node& node) { return node.attribute<int64_t>("place"); }

void lower_give(LowerContext& context) {
  Call call{.symbol = "dlc_exchange_give",
            .inputs = {context.dense(context.input(0))},
            .outputs = {context.output()},
            .params = {integer(place_of(context.node()))}};
  if (context.has_input(1)) call.inputs.push_back(context.input(1));
  context.call(std::move(call), "give");
}

// Take: what has become of the part `place`, of the type `dtype` and the extents `dims`. The input is the
// output of the Give behind which there is time to wait.
void infer_take(InferContext& context) {
  const std::optional<DType> type = type_attribute(context, "dtype");
  if (!type) context.fail("dtype: is missing");
  context.set_output(0, Type(*type, dims_attribute(context.node())));
}

void lower_take(LowerContext& context) {
  context.call({.symbol = "dlc_exchange_take",
                .inputs = {context.input(0)},
                .outputs = {context.output()},
                .params = {integer(place_of(context.node()))}},
               "take");
}

}  // namespace

// They are never merged, repeated or moved out of their order.
void register_exchange(OpRegistry& registry) {
  constexpr Trait kOrdered = Trait::kNondeterministic;
  registry.add(
      {.domain = "dlc", .name = "Give", .infer = infer_give, .lower = lower_give, .traits = kOrdered});
  registry.add(
      {.domain = "dlc", .name = "Take", .infer = infer_take, .lower = lower_take, .traits = kOrdered});
}

}  // namespace dlc::ir

// Compress, NonZero, TopK, Unique: results whose extents or positions depend on data; calls of runtime
// kernels.
#include "ir/builder.h"
#include "ir/ops/indexing.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

// Nothing where the node works on the flattened input.
std::optional<size_t> axis_of(const Node& node) {
  if (!node.has("axis")) return std::nullopt;
  int64_t axis = node.attribute<int64_t>("axis");
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(node.input(0)->shape().size()) : axis);
}

void check_axis(const InferContext& context) {
  if (context.node().has("axis"))
    context.normalize_axis(context.node().attribute<int64_t>("axis"), context.rank(0));
}

Expr axis_param(const Node& node) {
  auto axis = axis_of(node);
  return integer(axis ? static_cast<int64_t>(*axis) : -1);
}

// ---- NonZero

void infer_nonzero(InferContext& context) {
  Dim count = context.fresh_symbol("nonzero", {product(context.shape(0))});
  context.set_output(0, Type(DType::kInt64, {Dim(context.rank(0)), count}));
}

void lower_nonzero(LowerContext& context) {
  Call call{.symbol = "dlc_nonzero",
            .inputs = {context.dense(context.input(0))},
            .outputs = {context.output()},
            .params = {}};
  call.bindings.push_back({0, 1, context.output_shape()[1].symbol_name()});
  context.call(std::move(call));
}

// ---- Compress

void infer_compress(InferContext& context) {
  check_axis(context);
  require_rank(context, 1, 1);
  auto axis = axis_of(context.node());
  Shape shape = axis ? context.shape(0) : Shape{product(context.shape(0))};
  Dim& extent = shape[axis.value_or(0)];
  extent = context.fresh_symbol("compress", {extent});
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_compress(LowerContext& context) {
  size_t axis = axis_of(context.node()).value_or(0);
  Call call{.symbol = "dlc_compress",
            .inputs = {context.dense(context.input(0)), context.dense(context.input(1))},
            .outputs = {context.output()},
            .params = {axis_param(context.node())}};
  call.bindings.push_back({0, axis, context.output_shape()[axis].symbol_name()});
  context.call(std::move(call));
}

// ---- TopK

size_t top_k_axis(const Node& node) {
  int64_t axis = node.attribute<int64_t>("axis", -1);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(node.input(0)->shape().size()) : axis);
}

void infer_top_k(InferContext& context) {
  context.normalize_axis(context.node().attribute<int64_t>("axis", -1), context.rank(0));
  require_single(context, 1);
  size_t axis = top_k_axis(context.node());
  Shape shape = context.shape(0);
  auto known = context.shape_value(1);
  Dim k = known && known->size() == 1 ? known->front() : context.fresh_symbol("k", {shape[axis]});
  if (k.is_constant() && shape[axis].is_constant() && (k.value() < 0 || k.value() > shape[axis].value())) {
    context.fail("k: expected 0 to {}, found {}", shape[axis].value(), k.value());
  }
  shape[axis] = k;
  context.set_output(0, Type(context.dtype(0), shape));
  context.set_output(1, Type(DType::kInt64, shape));
}

// An output that the node lacks gets memory of its own.
BufferId output_or_temp(LowerContext& context, size_t i, DType type, const Shape& shape) {
  return context.has_output(i) ? context.output(i) : context.temp(type, shape, "unused");
}

void lower_top_k(LowerContext& context) {
  size_t axis = top_k_axis(context.node());
  const Shape& in = context.input_shape(0);
  size_t present = context.has_output(0) ? 0 : 1;
  const Shape& out = context.output_shape(present);
  if (!known_values(context.node().input(1))) {
    Expr k = single_element(context, 1);
    bind_extents(context, present, {{axis, cast(k, DType::kInt64)}}, "k");
  }
  Dim outer = product(Shape(in.begin(), in.begin() + static_cast<ptrdiff_t>(axis)));
  Dim inner = product(Shape(in.begin() + static_cast<ptrdiff_t>(axis) + 1, in.end()));
  Call call{.symbol = "dlc_top_k", .inputs = {context.dense(context.input(0))}, .outputs = {}, .params = {}};
  call.outputs.push_back(output_or_temp(context, 0, context.input_type(0).dtype, out));
  call.outputs.push_back(output_or_temp(context, 1, DType::kInt64, out));
  add_callee_scratch(context, call);
  int64_t largest = context.node().attribute<int64_t>("largest", 1);
  call.params = {dim(outer), dim(in[axis]), dim(inner), dim(out[axis]), integer(largest)};
  context.call(std::move(call));
}

// The attribute k becomes an input.
void upgrade_top_k(Graph& graph, Node& node, int) {
  if (!node.has("k")) return;
  node.set_input(1, insert_ints(graph, {node.attribute<int64_t>("k")}));
  node.erase_attribute("k");
}

// ---- Unique

void infer_unique(InferContext& context) {
  check_axis(context);
  auto axis = axis_of(context.node());
  Shape shape = axis ? context.shape(0) : Shape{product(context.shape(0))};
  Dim slices = shape[axis.value_or(0)];
  Dim count = context.fresh_symbol("unique", {slices});
  shape[axis.value_or(0)] = count;
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
  context.set_output(1, Type(DType::kInt64, {count}));
  context.set_output(2, Type(DType::kInt64, {slices}));
  context.set_output(3, Type(DType::kInt64, {count}));
}

// Strings are distinct where their ranks are.
bool expand_unique(Builder& builder, Node& node) {
  Value* data = node.input(0);
  if (data->dtype() != DType::kString) return false;
  Value* ranks = builder.op_in("dlc", "StringRank", {data});
  std::vector<Value*> results = builder.op_n("Unique", 4, {ranks}, node.attributes());
  auto axis = axis_of(node);
  if (!axis) data = builder.op("Reshape", {data, builder.ints({-1})});
  Attributes along = {{"axis", static_cast<int64_t>(axis.value_or(0))}};
  results[0] = builder.op("Gather", {data, results[1]}, std::move(along));
  for (size_t i = 0; i < node.outputs().size(); ++i) builder.replace(node, i, results[i]);
  return true;
}

void lower_unique(LowerContext& context) {
  size_t axis = axis_of(context.node()).value_or(0);
  const Dim& count = context.output_shape()[axis];
  Dim slices = axis_of(context.node()) ? context.input_shape(0)[axis] : product(context.input_shape(0));
  Call call{.symbol = "dlc_unique",
            .inputs = {context.dense(context.input(0))},
            .outputs = {context.output()},
            .params = {}};
  call.outputs.push_back(output_or_temp(context, 1, DType::kInt64, {count}));
  call.outputs.push_back(output_or_temp(context, 2, DType::kInt64, {slices}));
  call.outputs.push_back(output_or_temp(context, 3, DType::kInt64, {count}));
  call.outputs.push_back(context.temp(DType::kInt64, {slices * Dim(4)}, "scratch"));
  call.params = {axis_param(context.node()), integer(context.node().attribute<int64_t>("sorted", 1))};
  for (size_t output : {0, 1, 3})
    call.bindings.push_back({output, output == 0 ? axis : 0, count.symbol_name()});
  context.call(std::move(call));
}

}  // namespace

std::vector<OpDef> selection_records() {
  return {
      {.name = "NonZero", .infer = infer_nonzero, .lower = lower_nonzero},
      {.name = "Compress", .infer = infer_compress, .lower = lower_compress, .traits = Trait::kMovement},
      {.name = "TopK", .infer = infer_top_k, .lower = lower_top_k, .upgrades = {{10, upgrade_top_k}}},
      {.name = "Unique", .infer = infer_unique, .expand = expand_unique, .lower = lower_unique},
  };
}

}  // namespace dlc::ir

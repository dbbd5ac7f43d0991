// com.microsoft: array operators in forms of their own. CDist, ExpandDims, NhwcMaxPool, Trilu, Unique.
#include "ir/builder.h"
#include "ir/ops/channels_last.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

// ---- CDist: distances of the rows of two matrices

void infer_cdist(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank(context, 0, 2);
  require_rank(context, 1, 2);
  require_equal_extents(context, context.shape(0)[1], context.shape(1)[1], "columns of the matrices");
  const auto metric = context.node().attribute<std::string>("metric", "sqeuclidean");
  if (metric != "sqeuclidean" && metric != "euclidean")
    context.fail("metric: expected sqeuclidean or euclidean, found '{}'", metric);
  context.set_output(0, Type(context.dtype(0), {context.shape(0)[0], context.shape(1)[0]}));
}

// Of differences, which do not cancel as products do.
bool expand_cdist(Builder& builder, Node& node) {
  Value* rows = builder.op("Unsqueeze", {node.input(0), builder.ints({1})});
  Value* distance = builder.reduce("ReduceSumSquare", builder.sub(rows, node.input(1)), {-1}, false);
  const bool is_root = node.attribute<std::string>("metric", "sqeuclidean") == "euclidean";
  builder.replace(node, 0, is_root ? builder.op("Sqrt", {distance}) : distance);
  return true;
}

// ---- ExpandDims: Unsqueeze at an axis in a scalar

void infer_expand_dims(InferContext& context) {
  const std::vector<int64_t> axis = context.ints(1, "axis");
  if (axis.size() != 1) context.fail("axis: expected one number, found {}", axis.size());
  Shape shape = context.shape(0);
  shape.insert(shape.begin() + context.normalize_axis(axis[0], context.rank(0) + 1), Dim(1));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

bool expand_expand_dims(Builder& builder, Node& node) {
  const std::vector<int64_t> axis = *known_ints(node.input(1));
  builder.replace(node, 0, builder.op("Unsqueeze", {node.input(0), builder.ints(axis)}));
  return true;
}

// ---- NhwcMaxPool: MaxPool with the channels last

void infer_nhwc_max_pool(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  context.set_output(0, Type(context.dtype(0), infer_pooled(context, true)));
}

bool expand_nhwc_max_pool(Builder& builder, Node& node) {
  Value* pooled = builder.op("MaxPool", {channels_to_front(builder, node.input(0))}, node.attributes());
  builder.replace(node, 0, channels_to_back(builder, pooled));
  return true;
}

// ---- Trilu

bool expand_trilu(Builder& builder, Node& node) {
  std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
  builder.replace(node, 0, builder.op("Trilu", std::move(inputs), node.attributes()));
  return true;
}

// ---- Unique: distinct elements in the order in which they come

void infer_unique(InferContext& context) {
  require_rank(context, 0, 1);
  const Dim count = context.fresh_symbol("unique", {context.shape(0)[0]});
  context.set_output(0, Type(context.dtype(0), {count}));
  context.set_output(1, Type(DType::kInt64, {context.shape(0)[0]}));
  context.set_output(2, Type(DType::kInt64, {count}));
}

bool expand_unique(Builder& builder, Node& node) {
  const std::vector<Value*> all = builder.op_n("Unique", 4, {node.input(0)}, {{"sorted", int64_t{0}}});
  // The standard's outputs: the elements, where each is first, which one every element is, their counts.
  constexpr size_t kOutputs[] = {0, 2, 3};
  for (size_t i = 0; i < std::size(kOutputs); ++i) {
    if (node.output(i) != nullptr) builder.replace(node, i, all[kOutputs[i]]);
  }
  return true;
}

}  // namespace

void register_contrib_array(OpRegistry& registry) {
  const std::string domain = "com.microsoft";
  registry.add({.domain = domain, .name = "CDist", .infer = infer_cdist, .expand = expand_cdist});
  registry.add(
      {.domain = domain, .name = "ExpandDims", .infer = infer_expand_dims, .expand = expand_expand_dims});
  registry.add({.domain = domain,
                .name = "NhwcMaxPool",
                .infer = infer_nhwc_max_pool,
                .expand = expand_nhwc_max_pool});
  registry.add({.domain = domain, .name = "Trilu", .infer = infer_same_as_input, .expand = expand_trilu});
  registry.add({.domain = domain, .name = "Unique", .infer = infer_unique, .expand = expand_unique});
}

}  // namespace dlc::ir

// Normalisations of com.microsoft: with a sum before them, and of embeddings.
#include <optional>

#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/qlinear.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {
namespace {

bool is_used(const Node& node, size_t output) {
  return node.output(output) != nullptr && node.output(output)->has_uses();
}

// 1 / sqrt(mean of squares + epsilon), rows along the last axes.
Value* inverse_size(Builder& b, Value* x, int64_t axis, double epsilon) {
  std::vector<int64_t> axes;
  const auto rank = static_cast<int64_t>(x->shape().size());
  for (int64_t i = axis < 0 ? axis + rank : axis; i < rank; ++i) axes.push_back(i);
  x = b.cast(x, wide_type(x->dtype()));
  Value* mean = b.reduce("ReduceMean", b.mul(x, x), std::move(axes), true);
  return b.op("Reciprocal", {b.op("Sqrt", {b.add(mean, b.like(mean, epsilon))})});
}

// ---- SimplifiedLayerNormalization: ONNX Runtime's name for RMSNormalization -------------------------------

void infer_simplified(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  require_type(context, 1, TypeClass::kFloat);
  require_rank_at_least(context, 0, 1);
  require_broadcasts_to(context, context.shape(1), context.shape(0), "scale");
  const int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis", -1), context.rank(0));
  Shape statistics = context.shape(0);
  std::fill(statistics.begin() + axis, statistics.end(), Dim(1));
  context.set_output(0, Type(context.dtype(1), context.shape(0)));
  const bool is_double = context.dtype(0) == DType::kDouble;
  context.set_output(1, Type(is_double ? DType::kDouble : DType::kFloat, std::move(statistics)));
}

bool expand_simplified(Builder& b, Node& node) {
  const auto axis = node.attribute<int64_t>("axis", -1);
  const auto epsilon = node.attribute<double>("epsilon", 1e-5F);
  if (is_used(node, 1)) b.replace(node, 1, inverse_size(b, node.input(0), axis, epsilon));
  b.replace(node, 0,
            b.op("RMSNormalization", {node.input(0), node.input(1)}, {{"axis", axis}, {"epsilon", epsilon}}));
  return true;
}

// ---- SkipLayerNormalization, SkipSimplifiedLayerNormalization ---------------------------------------------

void infer_skip(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 1);
  const Shape& shape = context.shape(0);
  for (size_t i = 1; i < context.node().inputs().size(); ++i) {
    if (context.has_input(i))
      require_broadcasts_to(context, context.shape(i), shape, fmt::format("input {}", i));
  }
  Shape statistics = shape;
  statistics.back() = 1;
  context.set_output(0, Type(context.dtype(0), shape));
  for (size_t i : {size_t{1}, size_t{2}}) context.set_output(i, Type(DType::kFloat, statistics));
  context.set_output(3, Type(context.dtype(0), shape));
}

Value* sum_of(Builder& b, const Node& node, size_t bias) {
  Value* sum = b.add(node.input(0), node.input(1));
  return node.input(bias) == nullptr ? sum : b.add(sum, node.input(bias));
}

bool expand_skip(Builder& b, Node& node) {
  Value* sum = sum_of(b, node, 4);
  std::vector<Value*> inputs = {sum, node.input(2)};
  if (node.input(3) != nullptr) inputs.push_back(node.input(3));
  const size_t outputs = is_used(node, 1) || is_used(node, 2) ? 3 : 1;
  const std::vector<Value*> results =
      b.op_n("LayerNormalization", outputs, std::move(inputs),
             {{"axis", int64_t{-1}}, {"epsilon", node.attribute<double>("epsilon", 1e-12F)}});
  for (size_t i = 0; i < outputs; ++i) b.replace(node, i, results[i]);
  b.replace(node, 3, sum);
  return true;
}

bool expand_skip_simplified(Builder& b, Node& node) {
  Value* sum = sum_of(b, node, 3);
  const auto epsilon = node.attribute<double>("epsilon", 1e-12F);
  if (is_used(node, 1)) fail(ErrorKind::kModel, "output 1 (mean): rows are not centred");
  if (is_used(node, 2)) b.replace(node, 2, inverse_size(b, sum, -1, epsilon));
  b.replace(node, 0,
            b.op("RMSNormalization", {sum, node.input(2)}, {{"axis", int64_t{-1}}, {"epsilon", epsilon}}));
  b.replace(node, 3, sum);
  return true;
}

// ---- EmbedLayerNormalization ------------------------------------------------------------------------------

enum Embed : size_t {
  kIds,
  kSegments,
  kWords,
  kPositionTable,
  kSegmentTable,
  kGamma,
  kBeta,
  kMask,
  kPositions
};

void infer_embed(InferContext& context) {
  require_rank(context, kIds, 2);
  require_type(context, kWords, TypeClass::kFloat);
  if (context.has_input(kSegments) != context.has_input(kSegmentTable))
    context.fail("segment_ids and segment_embedding go together");
  for (size_t i : {kWords, kPositionTable, kSegmentTable}) {
    if (!context.has_input(i)) continue;
    require_rank(context, i, 2);
    require_equal_extents(context, context.shape(i)[1], context.shape(kWords)[1], "size of the embeddings");
  }
  const Shape& ids = context.shape(kIds);
  for (size_t i : {kSegments, kMask, kPositions}) {
    if (context.has_input(i))
      require_broadcasts_to(context, context.shape(i), ids, fmt::format("input {}", i));
  }
  const Shape shape = {ids[0], ids[1], context.shape(kWords)[1]};
  for (size_t i : {kGamma, kBeta}) require_broadcasts_to(context, context.shape(i), shape, "gamma and beta");
  context.set_output(0, Type(context.dtype(kWords), shape));
  context.set_output(1, Type(context.dtype(kIds), {ids[0]}));
  context.set_output(2, Type(context.dtype(kWords), shape));
}

// The number of ones in each row of the mask.
void count_ones(Builder& b, Node& node, Value* ids, Value* mask) {
  if (!is_used(node, 1)) return;
  Value* counts = b.op("Expand", {b.scalar(ids->dtype(), 0), b.dims({ids->shape()[0]})});
  if (mask != nullptr)
    counts = b.reduce("ReduceSum", b.cast(b.op("Equal", {mask, b.like(mask, 1)}), ids->dtype()), {1}, false);
  b.replace(node, 1, counts);
}

bool expand_embed(Builder& b, Node& node) {
  auto rows = [&](size_t table, Value* ids) {
    return b.op("Gather", {node.input(table), ids}, {{"axis", int64_t{0}}});
  };
  Value* ids = node.input(kIds);
  const Shape& shape = ids->shape();
  Value* positions = node.input(kPositions) != nullptr
                         ? rows(kPositionTable, node.input(kPositions))
                         : range_of_axis(b, node.input(kPositionTable), 0, 0, shape[1]);
  Value* sum = b.add(rows(kWords, ids), positions);
  if (node.input(kSegments) != nullptr) sum = b.add(sum, rows(kSegmentTable, node.input(kSegments)));
  count_ones(b, node, ids, node.input(kMask));
  b.replace(node, 2, sum);
  b.replace(node, 0,
            b.op("LayerNormalization", {sum, node.input(kGamma), node.input(kBeta)},
                 {{"axis", int64_t{-1}}, {"epsilon", node.attribute<double>("epsilon", 1e-12F)}}));
  return true;
}

// ---- QEmbedLayerNormalization: the same of tables of bytes ------------------------------------------------

enum Table : size_t { kByteWords, kBytePositions, kByteSegments, kByteGamma, kByteBeta };
constexpr size_t kTables = 2, kByteMask = 7, kTableScales = 8, kTableZeros = 13;

void infer_quantized_embed(InferContext& context) {
  for (size_t table : {kByteWords, kBytePositions, kByteSegments, kByteGamma, kByteBeta}) {
    if (!context.has_input(kTables + table)) continue;
    require_bytes(context, kTables + table);
    require_rank(context, kTables + table, table < kByteGamma ? 2 : 1);
    require_type(context, kTableScales + table, TypeClass::kFloat);
    require_single(context, kTableScales + table);
    require_type_of(context, kTableZeros + table, kTables + table);
    require_single(context, kTableZeros + table);
    require_equal_extents(context, context.shape(kTables + table).back(),
                          context.shape(kTables + kByteWords)[1], "size of the embeddings");
  }
  if (context.has_input(kSegments) != context.has_input(kTables + kByteSegments))
    context.fail("segment_ids and segment_embedding go together");
  const Shape& ids = context.shape(kIds);
  for (size_t i : {size_t{kSegments}, kByteMask}) {
    if (context.has_input(i))
      require_broadcasts_to(context, context.shape(i), ids, fmt::format("input {}", i));
  }
  context.set_output(
      0, Type(context.dtype(kTableScales), {ids[0], ids[1], context.shape(kTables + kByteWords)[1]}));
  context.set_output(1, Type(context.dtype(kIds), {ids[0]}));
}

// Rows are taken as bytes and become numbers afterwards.
bool expand_quantized_embed(Builder& b, Node& node) {
  auto numbers = [&](size_t table, Value* bytes) {
    std::vector<Value*> inputs = {bytes, parameter(b, node, kTableScales + table)};
    if (Value* zero = parameter(b, node, kTableZeros + table)) inputs.push_back(zero);
    return b.op("DequantizeLinear", std::move(inputs));
  };
  auto rows = [&](size_t table, Value* ids) {
    return numbers(table, b.op("Gather", {node.input(kTables + table), ids}, {{"axis", int64_t{0}}}));
  };
  Value* ids = node.input(kIds);
  Value* positions = range_of_axis(b, node.input(kTables + kBytePositions), 0, 0, ids->shape()[1]);
  Value* sum = b.add(rows(kByteWords, ids), numbers(kBytePositions, positions));
  if (node.input(kSegments) != nullptr) sum = b.add(sum, rows(kByteSegments, node.input(kSegments)));
  count_ones(b, node, ids, node.input(kByteMask));
  Value *gamma = numbers(kByteGamma, node.input(kTables + kByteGamma)),
        *beta = numbers(kByteBeta, node.input(kTables + kByteBeta));
  b.replace(node, 0,
            b.op("LayerNormalization", {sum, gamma, beta},
                 {{"axis", int64_t{-1}}, {"epsilon", node.attribute<double>("epsilon", 1e-12F)}}));
  return true;
}

}  // namespace

void register_contrib_normalization(OpRegistry& registry) {
  registry.add(
      {.name = "SimplifiedLayerNormalization", .infer = infer_simplified, .expand = expand_simplified});
  registry.add({.domain = kContribDomain,
                .name = "SkipLayerNormalization",
                .infer = infer_skip,
                .expand = expand_skip});
  registry.add({.domain = kContribDomain,
                .name = "SkipSimplifiedLayerNormalization",
                .infer = infer_skip,
                .expand = expand_skip_simplified});
  registry.add({.domain = kContribDomain,
                .name = "EmbedLayerNormalization",
                .infer = infer_embed,
                .expand = expand_embed});
  registry.add({.domain = kContribDomain,
                .name = "QEmbedLayerNormalization",
                .infer = infer_quantized_embed,
                .expand = expand_quantized_embed});
}

}  // namespace dlc::ir

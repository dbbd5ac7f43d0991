// MatMulNBits and GatherBlockQuantized of com.microsoft: weights of few bits in blocks that have a scale
// each. Numbers of less than 8 bits are packed into bytes, the first in the lowest bits.
#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

bool is_bit_count(int64_t bits) { return bits == 2 || bits == 4 || bits == 8; }

void check_blocks(const InferContext& context, int64_t bits, int64_t block) {
  if (!is_bit_count(bits)) context.fail("attribute 'bits': expected 2, 4 or 8, found {}", bits);
  if (block < 16 || (block & (block - 1)) != 0)
    context.fail("attribute 'block_size': expected a power of two from 16 on, found {}", block);
}

// Bytes [.., n] as numbers [.., n * 8 / bits], still uint8.
Value* unpacked(Builder& b, Value* bytes, int64_t bits) {
  if (bits == 8) return bytes;
  std::vector<Value*> digits;
  for (int64_t shift = 0; shift < 8; shift += bits) {
    Value* digit = b.op("BitShift", {bytes, b.like(bytes, static_cast<double>(shift))},
                        {{"direction", std::string("RIGHT")}});
    digit = b.op("BitwiseAnd", {digit, b.like(bytes, static_cast<double>((1 << bits) - 1))});
    digits.push_back(b.op("Unsqueeze", {digit, b.ints({-1})}));
  }
  Value* rows = b.op("Concat", std::move(digits), {{"axis", int64_t{-1}}});
  Shape shape = bytes->shape();
  shape.back() *= Dim(8 / bits);
  return b.reshape(rows, shape);
}

// The first `count` columns.
Value* columns(Builder& b, Value* x, const Dim& count) {
  return x->shape().back() == count ? x : range_of_axis(b, x, -1, 0, count);
}

// ---- MatMulNBits: a product with the transpose of weights [N, K] ------------------------------------------

enum Bits : size_t { kA, kB, kScales, kZeroPoints, kGroups, kBias };

struct BitsForm {
  int64_t rows, depth, bits, block;
  int64_t blocks() const { return (depth + block - 1) / block; }
};

BitsForm bits_form(const Node& node) {
  return {.rows = node.attribute<int64_t>("N"),
          .depth = node.attribute<int64_t>("K"),
          .bits = node.attribute<int64_t>("bits", 4),
          .block = node.attribute<int64_t>("block_size")};
}

void require_elements(const InferContext& context, size_t input, const Dim& count, std::string_view what) {
  require_equal_extents(context, product(context.shape(input)), count, what);
}

void infer_bits(InferContext& context) {
  const BitsForm form = bits_form(context.node());
  check_blocks(context, form.bits, form.block);
  if (form.rows < 1 || form.depth < 1) context.fail("attributes 'N' and 'K': expected positive numbers");
  if (context.node().attribute<int64_t>("weight_prepacked", 0) != 0)
    context.fail("attribute 'weight_prepacked': only weights as the standard has them are supported");
  if (context.has_input(kGroups)) context.fail("input 4 (g_idx) is not supported");
  require_type(context, kA, TypeClass::kFloat);
  require_rank_at_least(context, kA, 1);
  require_equal_extents(context, context.shape(kA).back(), form.depth, "columns of the input and K");
  require_elements(context, kB, form.rows * form.blocks() * (form.block * form.bits / 8),
                   "size of the weights");
  require_elements(context, kScales, form.rows * form.blocks(), "number of scales");
  if (context.has_input(kZeroPoints)) {
    const bool is_packed = context.dtype(kZeroPoints) == DType::kUint8;
    const int64_t columns = is_packed ? (form.blocks() * form.bits + 7) / 8 : form.blocks();
    require_elements(context, kZeroPoints, form.rows * columns, "number of zero points");
  }
  if (context.has_input(kBias)) require_broadcasts_to(context, context.shape(kBias), {form.rows}, "bias");
  Shape shape = context.shape(kA);
  shape.back() = form.rows;
  context.set_output(0, Type(context.dtype(kA), std::move(shape)));
}

// [N, blocks], of the type that the node gives them
Value* zero_points_of(Builder& b, const Node& node, const BitsForm& form) {
  Value* points = node.input(kZeroPoints);
  const Dim rows = form.rows, blocks = form.blocks();
  if (points->dtype() != DType::kUint8) return b.reshape(points, {rows, blocks});
  points = b.reshape(points, {rows, (form.blocks() * form.bits + 7) / 8});
  return columns(b, unpacked(b, points, form.bits), blocks);
}

// [N, K]
Value* weights_of(Builder& b, const Node& node, const BitsForm& form) {
  const DType type = node.input(kA)->dtype();
  const Dim rows = form.rows, blocks = form.blocks();
  Value* numbers =
      unpacked(b, b.reshape(node.input(kB), {rows, blocks, form.block * form.bits / 8}), form.bits);
  Value* zero = b.scalar(type, static_cast<double>(1 << (form.bits - 1)));
  if (node.input(kZeroPoints) != nullptr)
    zero = b.reshape(b.cast(zero_points_of(b, node, form), type), {rows, blocks, 1});
  Value* scales = b.reshape(node.input(kScales), {rows, blocks, 1});
  Value* weights = b.mul(b.sub(b.cast(numbers, type), zero), scales);
  return columns(b, b.reshape(weights, {rows, blocks * Dim(form.block)}), form.depth);
}

// ---- The same with weights that stay packed ----

// Whether dlc.BlockProduct takes the weights as they are.
bool stays_packed(const Node& node, const BitsForm& form) {
  const DType type = node.input(kA)->dtype();
  return node.input(kB)->is_constant() && (form.bits == 4 || form.bits == 8) &&
         form.depth % form.block == 0 && is_float(type) && bit_width(type) <= 32;
}

constexpr int64_t kBytesOfA = 4;  // the accuracy level that allows A to be quantised

// A [..., blocks, block] as int8 by the range of each block.
struct QuantizedBlocks {
  Value *numbers, *scale, *sum;  // the last two without the block's axis
};

QuantizedBlocks quantized_blocks(Builder& b, Value* x) {
  Value* largest = b.reduce("ReduceMax", b.op("Abs", {x}), {-1}, true);
  // Of a block of zeros the quotients are no numbers, and their bytes 0.
  Value* bytes = b.op("QuantizeLinear",
                      {b.div(b.mul(x, b.like(x, 127)), largest), b.like(x, 1), b.scalar(DType::kInt8, 0)});
  Value* scale = b.op("Squeeze", {b.mul(largest, b.like(x, 1.0 / 127)), b.ints({-1})});
  return {bytes, scale, b.reduce("ReduceSum", b.cast(bytes, DType::kInt32), {-1}, false)};
}

// Of the weights' parameters as a table [blocks, N], which the product walks along its rows.
Value* table_of(Builder& b, Value* parameters) { return b.transpose(parameters, {1, 0}); }

Value* packed_product(Builder& b, const Node& node, const BitsForm& form) {
  const DType bits_type = form.bits == 4 ? DType::kUint4 : DType::kUint8;
  const Tensor bytes = node.input(kB)->constant();
  auto owner = std::make_shared<const Tensor>(bytes);
  Value* weights =
      b.constant(Tensor(bits_type, {form.rows, form.blocks(), form.block}, bytes.data(), std::move(owner)));
  Value* scales = b.cast(b.reshape(node.input(kScales), {form.rows, form.blocks()}), DType::kFloat);
  const auto zero = int64_t{1} << (form.bits - 1);
  Value* offset = nullptr;
  if (const Value* points = node.input(kZeroPoints); points != nullptr) {
    Value* numbers = b.cast(zero_points_of(b, node, form), DType::kFloat);
    offset = table_of(b, b.sub(numbers, b.like(numbers, static_cast<double>(zero))));
  }
  Shape shape = node.input(kA)->shape();
  shape.back() = form.blocks();
  shape.emplace_back(form.block);
  Value* x = b.cast(b.reshape(node.input(kA), shape), DType::kFloat);
  std::vector<Value*> inputs = {x, weights, table_of(b, scales), nullptr, nullptr, offset};
  if (node.attribute<int64_t>("accuracy_level", 0) == kBytesOfA) {
    const QuantizedBlocks a = quantized_blocks(b, x);
    inputs[0] = a.numbers;
    inputs[3] = a.scale;
    inputs[4] = a.sum;
  } else if (offset != nullptr) {
    inputs[4] = b.reduce("ReduceSum", x, {-1}, false);
  }
  while (inputs.back() == nullptr) inputs.pop_back();
  return b.op_in("dlc", "BlockProduct", std::move(inputs), {{"zero", zero}});
}

void finish_bits(Builder& b, Node& node, Value* result) {
  result = b.cast(result, node.output()->dtype());
  if (node.input(kBias) != nullptr) result = b.add(result, node.input(kBias));
  b.replace(node, 0, result);
}

// The definition: weights as numbers.
bool unfold_bits(Builder& b, Node& node) {
  Value* weights = b.transpose(weights_of(b, node, bits_form(node)), {1, 0});
  finish_bits(b, node, b.op("MatMul", {node.input(kA), weights}));
  return true;
}

bool expand_bits(Builder& b, Node& node) {
  const BitsForm form = bits_form(node);
  if (!stays_packed(node, form)) return unfold_bits(b, node);
  finish_bits(b, node, packed_product(b, node, form));
  return true;
}

// ---- GatherBlockQuantized: rows of a table ----------------------------------------------------------------

enum Gathered : size_t { kData, kIndices, kTableScales, kTablePoints };

struct TableForm {
  int64_t bits, block;
  size_t gather_axis, quantize_axis;
  bool packed = false;             // bytes that hold several numbers along the last axis
  DType type = DType::kUndefined;  // of the numbers
};

TableForm table_form(const Node& node) {
  const Value* data = node.input(kData);
  const size_t rank = data->shape().size();
  TableForm form{.bits = node.attribute<int64_t>("bits", 4),
                 .block = node.attribute<int64_t>("block_size", 128),
                 .gather_axis = axis_attribute(node, "gather_axis", 0, rank),
                 .quantize_axis = axis_attribute(node, "quantize_axis", 1, rank)};
  form.packed = data->dtype() == DType::kUint8 && form.bits != 8;
  form.type = data->dtype();
  return form;
}

void infer_gathered(InferContext& context) {
  const int64_t rank = context.rank(kData);
  require_rank_at_least(context, kData, 1);
  for (const char* name : {"gather_axis", "quantize_axis"})
    context.normalize_axis(context.node().attribute<int64_t>(name, name[0] == 'g' ? 0 : 1), rank);
  const TableForm form = table_form(context.node());
  check_blocks(context, form.bits, form.block);
  require_rank(context, kTableScales, rank);
  require_type(context, kTableScales, TypeClass::kFloat);
  if (form.gather_axis == form.quantize_axis)
    context.fail("blocks along the axis of the rows are not supported");
  if (form.packed && form.quantize_axis + 1 != static_cast<size_t>(rank))
    context.fail("packed numbers: expected blocks along the last axis");
  Shape shape = context.shape(kData);
  if (form.packed) shape.back() *= Dim(8 / form.bits);
  require_equal_extents(context, ceil_div(shape[form.quantize_axis], form.block),
                        context.shape(kTableScales)[form.quantize_axis], "number of blocks");
  if (context.has_input(kTablePoints)) require_rank(context, kTablePoints, rank);
  const Shape& indices = context.shape(kIndices);
  const auto at = shape.begin() + static_cast<std::ptrdiff_t>(form.gather_axis);
  shape.insert(shape.erase(at), indices.begin(), indices.end());
  context.set_output(0, Type(context.dtype(kTableScales), std::move(shape)));
}

bool expand_gathered(Builder& b, Node& node) {
  const TableForm form = table_form(node);
  const auto rank = static_cast<int64_t>(node.input(kData)->shape().size());
  const auto gather = static_cast<int64_t>(form.gather_axis),
             quantize = static_cast<int64_t>(form.quantize_axis);
  auto rows = [&](size_t input) {
    return b.op("Gather", {node.input(input), node.input(kIndices)}, {{"axis", gather}});
  };
  Value* numbers = rows(kData);
  Value* scales = rows(kTableScales);
  Value* points = node.input(kTablePoints) == nullptr ? nullptr : rows(kTablePoints);
  if (form.packed) {
    numbers = unpacked(b, numbers, form.bits);
    if (points != nullptr) points = columns(b, unpacked(b, points, form.bits), scales->shape().back());
  }
  if (points == nullptr && form.type == DType::kUint8) {
    Value* middle = b.scalar(DType::kUint8, static_cast<double>(1 << (form.bits - 1)));
    points = b.op("Expand", {middle, b.dims(scales->shape())});
  }
  const auto indices = static_cast<int64_t>(node.input(kIndices)->shape().size());
  const int64_t axis = quantize > gather ? quantize + indices - 1 : quantize;
  check(axis < rank + indices - 1, "the blocks lie along an axis of the result");
  std::vector<Value*> inputs = {numbers, scales};
  if (points != nullptr) inputs.push_back(points);
  b.replace(node, 0,
            b.op("DequantizeLinear", std::move(inputs), {{"axis", axis}, {"block_size", form.block}}));
  return true;
}

}  // namespace

void register_contrib_quantized(OpRegistry& registry) {
  registry.add({.domain = kContribDomain,
                .name = "MatMulNBits",
                .infer = infer_bits,
                .expand = expand_bits,
                .unfold = unfold_bits});
  registry.add({.domain = kContribDomain,
                .name = "GatherBlockQuantized",
                .infer = infer_gathered,
                .expand = expand_gathered});
}

}  // namespace dlc::ir

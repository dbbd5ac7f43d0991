// QLinear operators of com.microsoft: of bytes that stand for numbers, as what they do to these.
#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/qlinear.h"
#include "ir/ops/quantize.h"

namespace dlc::ir {
namespace {

// ---- Sums and products ------------------------------------------------------------------------------------

enum Binary : size_t { kA = 0, kB = 3, kC = 6 };

void infer_binary(InferContext& context) {
  check_operand(context, kA);
  check_operand(context, kB);
  require_type_of(context, kB, kA);
  check_result(context, kC, context.dtype(kA));
  context.set_output(
      0, Type(context.dtype(kA), broadcast_shapes(context, context.shape(kA), context.shape(kB))));
}

Value* centered_number(Builder& b, const Node& node, size_t first) {
  return b.cast(centered(b, node, first), DType::kFloat);
}

// As multiples of the result's scale, with all zero points in one summand and in the order in which ONNX
// Runtime adds, so that what is near the middle between two bytes goes to the same one.
bool expand_add(Builder& b, Node& node) {
  Value* scale = parameter(b, node, kC);
  auto zero = [&](size_t input) {
    Value* point = parameter(b, node, input);
    return point == nullptr ? b.like(scale, 0) : b.cast(point, DType::kFloat);
  };
  Value *a_ratio = b.div(parameter(b, node, kA + 1), scale),
        *b_ratio = b.div(parameter(b, node, kB + 1), scale);
  Value* fixed = b.sub(zero(kC + 1), b.add(b.mul(a_ratio, zero(kA + 2)), b.mul(b_ratio, zero(kB + 2))));
  Value* sum = b.add(b.mul(b.cast(node.input(kA), DType::kFloat), a_ratio), fixed);
  sum = b.add(b.mul(b.cast(node.input(kB), DType::kFloat), b_ratio), sum);
  b.replace(node, 0, rounded(b, sum, node.output()->dtype()));
  return true;
}

bool expand_mul(Builder& b, Node& node) {
  Value* factor =
      b.div(b.mul(parameter(b, node, kA + 1), parameter(b, node, kB + 1)), parameter(b, node, kC));
  Value* product = b.mul(b.mul(centered_number(b, node, kA), centered_number(b, node, kB)), factor);
  b.replace(node, 0, rounded_with_zero_point(b, node, product, kC, node.output()->dtype()));
  return true;
}

// ---- Functions of one operand -----------------------------------------------------------------------------

void infer_unary(InferContext& context) {
  check_operand(context, 0);
  check_result(context, 3, context.dtype(0));
  infer_same_as_input(context);
}

// The bytes of a function of the operand.
bool expand_unary(Builder& b, Node& node, const char* function, Attributes attributes) {
  Value* numbers = b.op(function, {dequantized(b, node, 0)}, std::move(attributes));
  b.replace(node, 0, quantized(b, node, numbers, 3, node.output()->dtype()));
  return true;
}

bool expand_sigmoid(Builder& b, Node& node) { return expand_unary(b, node, "Sigmoid", {}); }

bool expand_leaky_relu(Builder& b, Node& node) {
  return expand_unary(b, node, "LeakyRelu", {{"alpha", node.attribute<double>("alpha", 0.01F)}});
}

// Before opset 13, Softmax takes all axes from `axis` on for one.
constexpr int64_t kSoftmaxOfOneAxis = 13;

int64_t softmax_axis(const Node& node) { return node.attribute<int64_t>("axis", -1); }

void infer_softmax(InferContext& context) {
  context.normalize_axis(softmax_axis(context.node()), context.rank(0));
  infer_unary(context);
}

bool expand_softmax(Builder& b, Node& node) {
  int64_t axis = softmax_axis(node);
  if (node.attribute<int64_t>("opset") >= kSoftmaxOfOneAxis)
    return expand_unary(b, node, "Softmax", {{"axis", axis}});
  const Shape& shape = node.input(0)->shape();
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  const auto at = shape.begin() + static_cast<std::ptrdiff_t>(axis);
  Value* rows = b.reshape(dequantized(b, node, 0),
                          {product(Shape(shape.begin(), at)), product(Shape(at, shape.end()))});
  Value* numbers = b.reshape(b.op("Softmax", {rows}, {{"axis", int64_t{1}}}), shape);
  b.replace(node, 0, quantized(b, node, numbers, 3, node.output()->dtype()));
  return true;
}

std::vector<int64_t> reduced_axes(const Node& node) {
  return node.attribute<std::vector<int64_t>>("axes", {});
}

void infer_reduce_mean(InferContext& context) {
  check_operand(context, 0);
  check_result(context, 3, context.dtype(0));
  const bool keeps = context.node().attribute<int64_t>("keepdims", 1) != 0;
  std::vector<int64_t> axes = normalize_axes(context, reduced_axes(context.node()), context.rank(0));
  if (axes.empty()) axes = all_axes(context.rank(0));
  context.set_output(0, Type(context.dtype(0), reduced_shape(context.shape(0), axes, keeps)));
}

bool expand_reduce_mean(Builder& b, Node& node) {
  std::vector<int64_t> axes = reduced_axes(node);
  if (axes.empty()) axes = all_axes(static_cast<int64_t>(node.input(0)->shape().size()));
  const bool keeps = node.attribute<int64_t>("keepdims", 1) != 0;
  Value* mean = b.reduce("ReduceMean", dequantized(b, node, 0), axes, keeps);
  b.replace(node, 0, quantized(b, node, mean, 3, node.output()->dtype()));
  return true;
}

// ---- Choices among operands -------------------------------------------------------------------------------

bool is_same(const Value* a, const Value* b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr || !a->is_constant() || !b->is_constant()) return false;
  return a->constant().size() == 1 && b->constant().size() == 1 &&
         identical(a->constant().reshaped({1}), b->constant().reshaped({1}));
}

// The bytes of an operand by a result's scale and zero point; the same ones where these are its own.
Value* requantized(Builder& b, const Node& node, size_t first, size_t scale) {
  const bool same = is_same(node.input(first + 1), node.input(scale)) &&
                    is_same(node.input(first + 2), node.input(scale + 1));
  if (same) return node.input(first);
  return quantized(b, node, dequantized(b, node, first), scale, node.output()->dtype());
}

enum Where : size_t { kCondition = 0, kX = 1, kY = 4, kZ = 7 };

void infer_where(InferContext& context) {
  require_type(context, kCondition, TypeClass::kBool);
  check_operand(context, kX);
  check_operand(context, kY);
  require_type_of(context, kY, kX);
  check_result(context, kZ, context.dtype(kX));
  const Shape values = broadcast_shapes(context, context.shape(kX), context.shape(kY));
  context.set_output(0,
                     Type(context.dtype(kX), broadcast_shapes(context, context.shape(kCondition), values)));
}

bool expand_where(Builder& b, Node& node) {
  b.replace(
      node, 0,
      b.op("Where", {node.input(kCondition), requantized(b, node, kX, kZ), requantized(b, node, kY, kZ)}));
  return true;
}

constexpr size_t kFirstPiece = 2, kInputsOfPiece = 3;

void infer_concat(InferContext& context) {
  const size_t inputs = context.node().inputs().size();
  if (inputs < kFirstPiece + kInputsOfPiece || (inputs - kFirstPiece) % kInputsOfPiece != 0)
    context.fail("expected tensors with a scale and a zero point each, found {} inputs", inputs);
  require_bytes(context, 1);
  check_result(context, 0, context.dtype(1));
  Shape shape = context.shape(kFirstPiece);
  const auto rank = static_cast<int64_t>(shape.size());
  const auto axis =
      static_cast<size_t>(context.normalize_axis(context.node().attribute<int64_t>("axis"), rank));
  for (size_t i = kFirstPiece; i < inputs; i += kInputsOfPiece) {
    check_operand(context, i);
    require_type_of(context, i, 1);
    require_rank(context, i, rank);
    if (i == kFirstPiece) continue;
    for (size_t k = 0; k < shape.size(); ++k) {
      const Dim& extent = context.shape(i)[k];
      if (k == axis) {
        shape[k] += extent;
      } else {
        require_equal_extents(context, shape[k], extent, fmt::format("axis {} of input {}", k, i));
        if (extent.is_constant()) shape[k] = extent;
      }
    }
  }
  context.set_output(0, Type(context.dtype(1), std::move(shape)));
}

bool expand_concat(Builder& b, Node& node) {
  std::vector<Value*> pieces;
  for (size_t i = kFirstPiece; i < node.inputs().size(); i += kInputsOfPiece)
    pieces.push_back(requantized(b, node, i, 0));
  b.replace(node, 0, b.op("Concat", std::move(pieces), {{"axis", node.attribute<int64_t>("axis")}}));
  return true;
}

}  // namespace

void register_contrib_qlinear(OpRegistry& registry) {
  const OpDef records[] = {
      {.name = "QLinearAdd", .infer = infer_binary, .expand = expand_add},
      {.name = "QLinearMul", .infer = infer_binary, .expand = expand_mul},
      {.name = "QLinearSigmoid", .infer = infer_unary, .expand = expand_sigmoid},
      {.name = "QLinearLeakyRelu", .infer = infer_unary, .expand = expand_leaky_relu},
      {.name = "QLinearSoftmax", .infer = infer_softmax, .expand = expand_softmax},
      {.name = "QLinearReduceMean", .infer = infer_reduce_mean, .expand = expand_reduce_mean},
      {.name = "QLinearWhere", .infer = infer_where, .expand = expand_where},
      {.name = "QLinearConcat", .infer = infer_concat, .expand = expand_concat},
  };
  for (OpDef record : records) {
    record.domain = kContribDomain;
    registry.add(std::move(record));
  }
}

}  // namespace dlc::ir

// Products and convolutions of dequantised values: as products of integers, whose sums are scaled.
#include <fmt/format.h>

#include <algorithm>

#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/quantized.h"
#include "passes/rewrites/rules.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Dim;
using ir::Node;
using ir::Shape;
using ir::Value;

// Sums of so many products of bytes without their zero points fit 32 bits.
constexpr int64_t kMaxTerms = (int64_t{1} << 31) / (255 * 255);

bool is_byte(DType type) { return type == DType::kInt8 || type == DType::kUint8; }

bool is_single(const Value* value) {
  return std::all_of(value->shape().begin(), value->shape().end(),
                     [](const Dim& extent) { return extent == Dim(1); });
}

// ---- Integers in place of floats --------------------------------------------------------------------------

// A product or convolution by its dequantised factors.
struct Factors {
  Quantized x;
  Quantized w;
  std::string fault = {};  // why they do not do; else ""
};

// Products that are summed for one element.
Dim terms(const Node& node) {
  if (!is_op(node, "Conv")) return node.input(0)->shape().back();
  const Shape& weights = node.input(1)->shape();
  return ir::product(Shape(weights.begin() + 1, weights.end()));
}

// The axis of the weights that has one scale an output channel.
std::optional<size_t> channel_axis(const Node& node) {
  if (is_op(node, "Conv")) return 0;
  const size_t rank = node.input(1)->shape().size();
  if (rank < 2) return std::nullopt;
  const bool transposed = is_op(node, "Gemm") && !is_off(node, "transB");
  return transposed ? rank - 2 : rank - 1;
}

bool is_product(const Node& node) {
  return is_op(node, "Conv") || is_op(node, "MatMul") || is_op(node, "Gemm");
}

Factors factors(const Node& node) {
  Factors result;
  const std::optional<Quantized> x = quantized(node.input(0)), w = quantized(node.input(1));
  if (!x || !w) {
    result.fault = fmt::format("its {} not dequantised from 8 bits", !x ? "input is" : "weights are");
    return result;
  }
  result.x = *x;
  result.w = *w;
  if (x->axis) result.fault = "its input has a scale for every slice of an axis";
  if (w->axis && w->axis != channel_axis(node)) result.fault = "scales of its weights differ within a sum";
  const Dim depth = terms(node);
  if (!depth.is_constant() || depth.value() > kMaxTerms) result.fault = "its sums may not fit 32 bits";
  return result;
}

// Inputs without the absent ones at the end.
std::vector<Value*> inputs_of(const Factors& f, Value* x, Value* w) {
  std::vector<Value*> inputs = {x, w, f.x.zero_point, f.w.zero_point};
  while (inputs.back() == nullptr) inputs.pop_back();
  return inputs;
}

// The sums as floats, with `trailing` axes behind the one of the output channels.
Value* scaled(Builder& b, const Factors& f, Value* sum, size_t trailing) {
  Value* x = b.reshape(f.x.scale, {});
  Value* w = f.w.scale;
  Shape shape;
  if (f.w.axis) {
    shape = w->shape();
    shape.resize(1 + trailing, Dim(1));
  }
  return b.mul(b.cast(sum, DType::kFloat), b.mul(x, b.reshape(w, shape)));
}

bool raise_conv(Builder& b, Node& node) {
  const Factors f = factors(node);
  if (!f.fault.empty()) return false;
  Value* sum = b.op("ConvInteger", inputs_of(f, f.x.elements, f.w.elements), node.attributes());
  const size_t trailing = sum->shape().size() - 2;
  Value* result = scaled(b, f, sum, trailing);
  if (Value* bias = node.input(2)) {
    Shape shape = bias->shape();
    shape.resize(1 + trailing, Dim(1));
    result = b.add(result, b.reshape(bias, shape));
  }
  b.replace(node, 0, result);
  return true;
}

bool raise_matmul(Builder& b, Node& node) {
  const Factors f = factors(node);
  if (!f.fault.empty()) return false;
  b.replace(node, 0, scaled(b, f, b.op("MatMulInteger", inputs_of(f, f.x.elements, f.w.elements)), 0));
  return true;
}

bool raise_gemm(Builder& b, Node& node) {
  const Factors f = factors(node);
  if (!f.fault.empty()) return false;
  auto oriented = [&](Value* value, const char* attribute) {
    return is_off(node, attribute) ? value : b.transpose(value, {1, 0});
  };
  Value* x = oriented(f.x.elements, "transA");
  Value* w = oriented(f.w.elements, "transB");
  Value* result = scaled(b, f, b.op("MatMulInteger", inputs_of(f, x, w)), 0);
  auto times = [&](Value* value, const char* attribute) {
    const double factor = node.attribute<double>(attribute, 1);
    return factor == 1 ? value : b.mul(value, b.like(value, factor));
  };
  result = times(result, "alpha");
  if (node.input(2) != nullptr) result = b.add(result, times(node.input(2), "beta"));
  b.replace(node, 0, result);
  return true;
}

// ---- Movement of quantised elements -----------------------------------------------------------------------

ir::Attributes on_axis(const Quantized& q, std::optional<size_t> axis) {
  ir::Attributes attributes = q.node->attributes();
  if (axis) attributes["axis"] = static_cast<int64_t>(*axis);
  return attributes;
}

Value* dequantize(Builder& b, const Quantized& q, Value* elements, std::optional<size_t> axis = {}) {
  std::vector<Value*> inputs = {elements, q.scale};
  if (q.zero_point != nullptr) inputs.push_back(q.zero_point);
  return b.op("DequantizeLinear", std::move(inputs), on_axis(q, axis));
}

// What moves elements, or chooses among them by their order, does so with the bytes.
bool move_before_dequantize(Builder& b, Node& node) {
  const std::optional<Quantized> q = quantized(node.input(0));
  if (!q || node.outputs().size() != 1) return false;
  std::optional<size_t> axis;
  if (q->axis) {
    if (!is_op(node, "Transpose")) return false;
    const auto perm = node.attribute<std::vector<int64_t>>("perm", {});
    const auto at = std::find(perm.begin(), perm.end(), static_cast<int64_t>(*q->axis));
    if (at == perm.end()) return false;
    axis = static_cast<size_t>(at - perm.begin());
  }
  std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
  inputs[0] = q->elements;
  Value* moved = b.op(node.op().name, std::move(inputs), node.attributes());
  b.replace(node, 0, dequantize(b, *q, moved, axis));
  return true;
}

bool same_constant(const Value* a, const Value* b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return is_splat(a == nullptr ? b : a, 0);
  return a->is_constant() && b->is_constant() && a->dtype() == b->dtype() &&
         a->constant().size() == b->constant().size() &&
         identical(a->constant().reshaped({a->constant().size()}),
                   b->constant().reshaped({b->constant().size()}));
}

bool same_grid(const Quantized& a, const Quantized& b) {
  return a.elements->dtype() == b.elements->dtype() && !a.axis && !b.axis &&
         same_constant(a.scale, b.scale) && same_constant(a.zero_point, b.zero_point);
}

bool concat_before_dequantize(Builder& b, Node& node) {
  std::vector<Value*> elements;
  std::optional<Quantized> first;
  for (const Value* input : node.inputs()) {
    const std::optional<Quantized> q = quantized(input);
    if (!q) return false;
    if (!first) first = q;
    if (!same_grid(*first, *q)) return false;
    elements.push_back(q->elements);
  }
  Value* joined = b.op("Concat", std::move(elements), node.attributes());
  b.replace(node, 0, dequantize(b, *first, joined));
  return true;
}

bool quantizes_by_one_scale(const Node& node) {
  return is_single(node.input(1)) && is_off(node, "block_size");
}

// The node with another value to quantise.
Value* quantize(Builder& b, const Node& node, Value* value) {
  std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
  inputs[0] = value;
  return b.op("QuantizeLinear", std::move(inputs), node.attributes());
}

// What is joined or repeated to be quantised is joined and repeated as bytes.
bool quantize_before_concat(Builder& b, Node& node) {
  const Node* concat = sole_producer(node.input(0), "Concat");
  if (concat == nullptr || !quantizes_by_one_scale(node)) return false;
  std::vector<Value*> parts;
  for (Value* part : concat->inputs()) parts.push_back(quantize(b, node, part));
  b.replace(node, 0, b.op("Concat", std::move(parts), concat->attributes()));
  return true;
}

bool quantize_before_resize(Builder& b, Node& node) {
  const Node* resize = sole_producer(node.input(0), "Resize");
  if (resize == nullptr || !quantizes_by_one_scale(node)) return false;
  // Others compute with neighbours, or fill in a number.
  if (resize->attribute<std::string>("mode", "nearest") != "nearest") return false;
  if (resize->attribute<std::string>("coordinate_transformation_mode", "") == "tf_crop_and_resize")
    return false;
  std::vector<Value*> inputs(resize->inputs().begin(), resize->inputs().end());
  inputs[0] = quantize(b, node, inputs[0]);
  b.replace(node, 0, b.op("Resize", std::move(inputs), resize->attributes()));
  return true;
}

// A scale for which a quantised number, dequantised and quantised again, is the same one.
bool keeps_numbers(const Value* scale) {
  if (!scale->is_constant() || scale->dtype() != DType::kFloat) return false;
  for (int64_t i = 0; i < scale->constant().size(); ++i) {
    const double value = scale->constant().get_double(i);
    if (!(value > 1e-30 && value < 1e30)) return false;
  }
  return true;
}

bool cancel_quantize(Builder& b, Node& node) {
  const std::optional<Quantized> q = quantized(node.input(0));
  if (!q || node.output()->dtype() != q->elements->dtype() || node.input(1)->dtype() != DType::kFloat)
    return false;
  const auto axis = [](const Node& n) { return n.attribute<int64_t>("axis", 1); };
  if (q->axis && axis(node) != axis(*q->node)) return false;
  if (!is_off(node, "block_size") || !keeps_numbers(node.input(1))) return false;
  if (!same_constant(node.input(1), q->scale) || !same_constant(node.input(2), q->zero_point)) return false;
  b.replace(node, 0, q->elements);
  return true;
}

// Of com.microsoft: the standard's.
bool take_definition(Builder& b, Node& node) { return node.op().expand(b, node); }

// ---- Scales of results ------------------------------------------------------------------------------------

bool is_integer_sum(const Value* value) {
  const Node* cast = producer(value, "Cast");
  return cast != nullptr && (producer(cast->input(0), "ConvInteger") != nullptr ||
                             producer(cast->input(0), "MatMulInteger") != nullptr);
}

// sum * factor, with a constant factor.
struct ScaledSum {
  Value* sum = nullptr;
  Value* factor = nullptr;
};
std::optional<ScaledSum> scaled_sum(const Value* value) {
  for (auto [sum, factor] : both_orders(sole_producer(value, "Mul"), "Mul")) {
    if (is_integer_sum(sum) && factor->is_constant()) return ScaledSum{sum, factor};
  }
  return std::nullopt;
}

// Quantises relu(sum * factor + bias) by a scale that the factor and the bias are divided by at compile time.
bool fold_result_scale(Builder& b, Node& node) {
  Value* scale = node.input(1);
  if (!keeps_numbers(scale) || scale->constant().size() != 1 || is_splat(scale, 1)) return false;
  Value* value = node.input(0);
  const Node* relu = sole_producer(value, "Relu");
  if (relu != nullptr) value = relu->input(0);
  Value* bias = nullptr;
  std::optional<ScaledSum> product = scaled_sum(value);
  for (auto [left, right] : both_orders(sole_producer(value, "Add"), "Add")) {
    if (product || !right->is_constant()) continue;
    product = scaled_sum(left);
    bias = right;
  }
  if (!product) return false;
  Value* divisor = b.reshape(scale, {});
  value = b.mul(product->sum, b.div(product->factor, divisor));
  if (bias != nullptr) value = b.add(value, b.div(bias, divisor));
  if (relu != nullptr) value = b.op("Relu", {value});
  node.set_input(0, value);
  node.set_input(1, b.reshape(b.scalar(scale->dtype(), 1), scale->shape()));
  return true;
}

constexpr ir::Rule kRequantizeRules[] = {
    {"fold_result_scale", "QuantizeLinear", fold_result_scale},
};

constexpr ir::Rule kRules[] = {
    {"take_definition", "com.microsoft.QuantizeLinear", take_definition},
    {"take_definition", "com.microsoft.DequantizeLinear", take_definition},
    {"cancel_quantize", "QuantizeLinear", cancel_quantize},
    {"quantize_before_concat", "QuantizeLinear", quantize_before_concat},
    {"quantize_before_resize", "QuantizeLinear", quantize_before_resize},
    {"raise_integer_conv", "Conv", raise_conv},
    {"raise_integer_matmul", "MatMul", raise_matmul},
    {"raise_integer_gemm", "Gemm", raise_gemm},
    {"move_before_dequantize", "Reshape", move_before_dequantize},
    {"move_before_dequantize", "Transpose", move_before_dequantize},
    {"move_before_dequantize", "Squeeze", move_before_dequantize},
    {"move_before_dequantize", "Unsqueeze", move_before_dequantize},
    {"move_before_dequantize", "Flatten", move_before_dequantize},
    {"move_before_dequantize", "Slice", move_before_dequantize},
    {"move_before_dequantize", "Gather", move_before_dequantize},
    {"move_before_dequantize", "MaxPool", move_before_dequantize},
    {"concat_before_dequantize", "Concat", concat_before_dequantize},
};

}  // namespace

std::optional<Quantized> quantized(const Value* value) {
  Node* node = producer(value, "DequantizeLinear");
  if (node == nullptr || value->dtype() != DType::kFloat || node->input(1)->dtype() != DType::kFloat)
    return std::nullopt;
  if (!is_byte(node->input(0)->dtype()) || !is_off(*node, "block_size")) return std::nullopt;
  Quantized result{node, node->input(0), node->input(1), node->input(2), {}};
  if (result.zero_point != nullptr && is_splat(result.zero_point, 0)) result.zero_point = nullptr;
  if (is_single(result.scale)) return result;
  int64_t axis = node->attribute<int64_t>("axis", 1);
  const auto rank = static_cast<int64_t>(value->shape().size());
  if (rank == 1) axis = 0;
  result.axis = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return result;
}

std::optional<std::string> why_not_integer(const Node& node) {
  if (!is_product(node)) return std::nullopt;
  if (!quantized(node.input(0)) && !quantized(node.input(1))) return std::nullopt;
  return factors(node).fault;
}

ir::RuleTable quantization_rules() { return kRules; }
ir::RuleTable requantize_rules() { return kRequantizeRules; }

}  // namespace dlc::passes

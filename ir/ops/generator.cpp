// Operators that make tensors from attributes and extents.
#include <cmath>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

Expr literal(const Tensor& tensor, int64_t index) {
  if (is_float(tensor.dtype())) return real(tensor.get_double(index), tensor.dtype());
  if (tensor.dtype() == DType::kBool) return boolean(tensor.get_int(index) != 0);
  return integer(tensor.get_int(index), tensor.dtype());
}

// ---- Constant

Tensor tensor_of(const std::vector<double>& values, std::vector<int64_t> shape) {
  Tensor result(DType::kFloat, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) result.set_double(static_cast<int64_t>(i), values[i]);
  return result;
}

// The attribute that is present gives the value.
std::optional<Tensor> constant_of(const Node& node) {
  if (node.has("value")) return node.attribute<Tensor>("value");
  if (node.has("value_float")) return tensor_of({node.attribute<double>("value_float")}, {});
  if (node.has("value_int")) {
    int64_t value = node.attribute<int64_t>("value_int");
    return Tensor::from_ints(std::span(&value, 1)).reshaped({});
  }
  if (node.has("value_ints")) return Tensor::from_ints(node.attribute<std::vector<int64_t>>("value_ints"));
  if (node.has("value_string"))
    return Tensor::from_strings({}, {node.attribute<std::string>("value_string")});
  if (node.has("value_floats")) {
    const auto& values = node.attribute<std::vector<double>>("value_floats");
    return tensor_of(values, {static_cast<int64_t>(values.size())});
  }
  if (node.has("value_strings")) {
    const auto& values = node.attribute<std::vector<std::string>>("value_strings");
    return Tensor::from_strings({static_cast<int64_t>(values.size())}, values);
  }
  return std::nullopt;
}

void infer_constant(InferContext& context) {
  auto tensor = constant_of(context.node());
  if (!tensor) context.fail("expected an attribute that gives the value");
  context.set_output(0, Type(tensor->dtype(), Shape(tensor->shape().begin(), tensor->shape().end())));
  if (!is_integer(tensor->dtype()) || tensor->rank() > 1) return;
  std::vector<int64_t> values = tensor->to_ints();
  propagate(context, 0, std::vector<Dim>(values.begin(), values.end()));
}

void lower_constant(LowerContext& context) {
  context.alias_output(0, context.constant(*constant_of(context.node()), context.node().output()->name()));
}

// ---- ConstantOfShape

Tensor fill_of(const Node& node) {
  return node.has("value") ? node.attribute<Tensor>("value") : Tensor(DType::kFloat, {1});
}

void infer_constant_of_shape(InferContext& context) {
  require_rank(context, 0, 1);
  Tensor fill = fill_of(context.node());
  if (fill.size() != 1) context.fail("value: expected one element, found {}", fill.size());
  Shape shape;
  if (auto known = context.shape_value(0)) {
    shape = std::move(*known);
  } else {
    const int64_t rank = context.known(context.shape(0)[0], "the length of the shape");
    for (int64_t i = 0; i < rank; ++i) shape.push_back(context.fresh_symbol("filled"));
  }
  for (const Dim& extent : shape) {
    if (extent.is_constant() && extent.value() < 0)
      context.fail("expected extents, found {}", to_string(shape));
  }
  context.set_output(0, Type(fill.dtype(), shape));
  if (!is_integer(fill.dtype()) || shape.size() > 1) return;
  Dim size = product(shape);
  if (!size.is_constant() || size.value() > static_cast<int64_t>(kMaxShapeValue)) return;
  propagate(context, 0, std::vector<Dim>(static_cast<size_t>(size.value()), fill.get_int(0)));
}

void lower_constant_of_shape(LowerContext& context) {
  if (!known_values(context.node().input(0))) {
    std::vector<RuntimeExtent> extents;
    for (size_t i = 0; i < context.output_shape().size(); ++i) {
      extents.push_back({i, cast(context.at_input(0, {integer(static_cast<int64_t>(i))}), DType::kInt64)});
    }
    bind_extents(context, 0, extents, "shape");
  }
  Expr fill = literal(fill_of(context.node()), 0);
  context.map_output([&](const Index&) { return fill; });
}

// ---- Range

// Number of elements of integer ranges; nothing where it must be computed during the run.
std::optional<Dim> symbolic_count(const Dim& start, const Dim& limit, const Dim& delta) {
  if (!delta.is_constant() || delta.value() == 0) return std::nullopt;
  int64_t step = delta.value();
  return max(Dim(0), step > 0 ? ceil_div(limit - start, step) : ceil_div(start - limit, -step));
}

// Of constants of floating-point types.
std::optional<Dim> constant_count(const InferContext& context) {
  double values[3];
  for (size_t i = 0; i < 3; ++i) {
    const Tensor* tensor = context.constant(i);
    if (tensor == nullptr) return std::nullopt;
    values[i] = tensor->get_double(0);
  }
  double span = values[1] - values[0];
  if (context.dtype(0) != DType::kDouble) span = static_cast<float>(span);
  double count = std::ceil(span / values[2]);
  if (!(count < 9e15)) context.fail("expected a finite number of elements, found {}", count);
  return Dim(count > 0 ? static_cast<int64_t>(count) : 0);
}

void infer_range(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  for (size_t i = 0; i < 3; ++i) require_single(context, i);
  auto start = context.shape_value(0);
  auto limit = context.shape_value(1);
  auto delta = context.shape_value(2);
  std::optional<Dim> count;
  if (start && limit && delta) {
    if (delta->front() == Dim(0)) context.fail("delta: expected not 0");
    count = symbolic_count(start->front(), limit->front(), delta->front());
  } else {
    count = constant_count(context);
  }
  Dim size = count ? *count : context.fresh_symbol("range");
  context.set_output(0, Type(context.dtype(0), {size}));
  if (!start || !delta || !size.is_constant() || size.value() > static_cast<int64_t>(kMaxShapeValue)) return;
  std::vector<Dim> values;
  for (int64_t i = 0; i < size.value(); ++i) values.push_back(start->front() + delta->front() * Dim(i));
  propagate(context, 0, std::move(values));
}

// The number of elements computed during the run.
Expr runtime_count(const Expr& start, const Expr& limit, const Expr& delta) {
  DType type = start.type();
  Expr zero = integer(0);
  if (is_float(type)) {
    Expr quotient = cast(limit - start, DType::kDouble) / cast(delta, DType::kDouble);
    return max(zero, cast(unary(ExprOp::kCeil, quotient), DType::kInt64));
  }
  Expr step = cast(delta, DType::kInt64);
  Expr span = cast(limit, DType::kInt64) - cast(start, DType::kInt64);
  Expr stride = max(integer(1), unary(ExprOp::kAbs, step));
  Expr distance = max(zero, select(step > zero, span, -span));
  return binary(ExprOp::kFloorDiv, distance + stride - integer(1), stride);
}

bool is_half(DType type) { return type == DType::kFloat16 || type == DType::kBfloat16; }

void lower_range(LowerContext& context) {
  if (lower_shape_value(context)) return;
  DType type = context.output_type().dtype;
  // Ranges of 16-bit floats are computed in 32 bits.
  bool wide = is_half(type) && context.node().attribute<int64_t>("stash_type", 1) == 1;
  DType inner = wide ? DType::kFloat : type;
  Expr start = cast(single_element(context, 0), inner);
  Expr limit = cast(single_element(context, 1), inner);
  Expr delta = cast(single_element(context, 2), inner);
  const Dim& size = context.output_shape()[0];
  bool is_own = size.is_symbol() && !context.node().symbols().empty() &&
                size.symbol_name() == context.node().symbols().front();
  if (is_own) bind_extents(context, 0, {{0, runtime_count(start, limit, delta)}}, "number of elements");
  context.map_output([&](const Index& index) { return cast(start + cast(index[0], inner) * delta, type); });
}

// ---- EyeLike

void infer_eye_like(InferContext& context) {
  require_rank(context, 0, 2);
  context.set_output(0, Type(type_attribute(context, "dtype").value_or(context.dtype(0)), context.shape(0)));
}

void lower_eye_like(LowerContext& context) {
  DType type = context.output_type().dtype;
  Expr diagonal = integer(context.node().attribute<int64_t>("k", 0));
  context.map_output([&](const Index& index) {
    return select(equal(index[1] - index[0], diagonal), constant(type, 1), constant(type, 0));
  });
}

}  // namespace

void register_generator(OpRegistry& registry) {
  registry.add({.name = "Constant", .infer = infer_constant, .lower = lower_constant});
  registry.add(
      {.name = "ConstantOfShape", .infer = infer_constant_of_shape, .lower = lower_constant_of_shape});
  registry.add({.name = "Range", .infer = infer_range, .lower = lower_range});
  registry.add({.name = "EyeLike", .infer = infer_eye_like, .lower = lower_eye_like});
}

}  // namespace dlc::ir

// Cast and CastLike.
#include <limits>

#include "ir/builder.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

// 1 where a value is zero for no binding of its symbols, 0 where it always is; nothing: not known.
std::optional<Dim> known_truth(const Dim& value) {
  if (value.is_constant()) return Dim(value.value() != 0 ? 1 : 0);
  bool is_nonzero = known_nonnegative(value - Dim(1)) || known_nonnegative(-value - Dim(1));
  return is_nonzero ? std::optional<Dim>(1) : std::nullopt;
}

// Integers and bool keep their known elements, unless the target may be too narrow for them.
void propagate_cast(InferContext& context, DType from, DType to) {
  bool from_integer = is_integer(from) || from == DType::kBool;
  bool to_bool = to == DType::kBool;
  if (!from_integer || !(is_integer(to) || to_bool)) return;
  propagate_shape_value(context, [&](const std::vector<Dim>& args) -> std::optional<Dim> {
    if (to_bool) return known_truth(args[0]);
    bool wide = bit_width(to) >= 32;
    bool fits = args[0].is_constant() && args[0].value() >= 0 && args[0].value() < (int64_t{1} << 7);
    return wide || fits ? std::optional<Dim>(args[0]) : std::nullopt;
  });
}

void infer_to(InferContext& context, DType to) {
  context.set_output(0, Type(to, context.shape(0)));
  propagate_cast(context, context.dtype(0), to);
}

void infer_cast(InferContext& context) {
  auto to = context.node().attribute<int64_t>("to");
  if (to <= 0 || to > static_cast<int64_t>(DType::kInt2))
    context.fail("attribute 'to': {} is no element type", to);
  infer_to(context, static_cast<DType>(to));
}

bool is_element(DType type) { return is_float(type) || is_integer(type) || type == DType::kBool; }

enum class RoundMode : uint8_t { kUp, kDown, kNearest };

RoundMode round_mode(const Node& node) {
  std::string mode = node.attribute<std::string>("round_mode", "up");
  if (mode == "up") return RoundMode::kUp;
  if (mode == "down") return RoundMode::kDown;
  if (mode == "nearest") return RoundMode::kNearest;
  fail(ErrorKind::kModel, "attribute 'round_mode': expected up, down or nearest, found '{}'", mode);
}

// To a power of two: first in float64, where the fraction can be dropped or carried into the exponent; what
// kCast then gets is exact or, for the nearest, still to be rounded.
Expr to_e8m0(const Expr& x, RoundMode mode, bool saturate) {
  constexpr int64_t kFraction = (int64_t{1} << 52) - 1;
  Expr value = cast(x, DType::kDouble);
  if (mode != RoundMode::kNearest) {
    Expr bits = make(ExprOp::kBitcast, DType::kInt64, {value});
    if (mode == RoundMode::kUp) bits = bits + integer(kFraction);
    bits = binary(ExprOp::kAnd, bits, integer(~kFraction));
    Expr power = make(ExprOp::kBitcast, DType::kDouble, {bits});
    value = select(unary(ExprOp::kIsNan, value) || unary(ExprOp::kIsInf, value), value, power);
  }
  Expr code = cast(value, DType::kFloat8E8M0);
  if (saturate) return code;
  Expr inside = value >= real(0x1p-127, DType::kDouble) && value < real(0x1.8p127, DType::kDouble);
  return select(inside, code, real(std::numeric_limits<double>::quiet_NaN(), DType::kFloat8E8M0));
}

// Without saturation what is too large becomes infinity or NaN.
Expr convert(const Node& node, const Expr& x, DType to) {
  bool saturates = node.attribute<int64_t>("saturate", 1) != 0;
  if (to == DType::kFloat8E8M0) return to_e8m0(x, round_mode(node), saturates);
  // A number outside of the range of an integer of less than a byte keeps its low bits, as in ONNX's cases.
  if (is_integer(to) && bit_width(to) < 8 && is_float(x.type())) return cast(cast(x, DType::kInt32), to);
  return saturates ? saturating_cast(x, to) : cast(x, to);
}

void lower_cast(LowerContext& context) {
  DType from = context.node().input(0)->dtype();
  DType to = context.node().output()->dtype();
  for (DType type : {from, to}) {
    if (is_element(type)) continue;
    fail(ErrorKind::kModel, "{}: conversion from {} to {} has no kernel", context.node().describe(),
         name(from), name(to));
  }
  // The result type is the output's: lower_elementwise_exact casts.
  lower_elementwise_exact(context, [&](const std::vector<Expr>& args) {
    return from == to ? args[0] : convert(context.node(), args[0], to);
  });
}

// Conversions from and to strings go by way of a type that their kernels know.
DType parsed_type(DType to) {
  if (is_float(to)) return to == DType::kDouble ? to : DType::kFloat;
  return to == DType::kUint64 ? to : DType::kInt64;
}
DType formatted_type(DType from) {
  if (from == DType::kBool) return from;
  return parsed_type(from);
}

bool expand_cast(Builder& builder, Node& node) {
  DType from = node.input(0)->dtype(), to = node.output()->dtype();
  bool is_text = from == DType::kString || to == DType::kString;
  DType number = from == DType::kString ? to : from;
  if (!is_text || !(is_float(number) || is_integer(number) || number == DType::kBool || from == to))
    return false;
  Value* result = node.input(0);
  if (from == to) {
    result = builder.op("Identity", {result});
  } else if (to == DType::kString) {
    result = builder.op_in("dlc", "FormatNumbers", {builder.cast(result, formatted_type(from))});
  } else if (to == DType::kBool) {
    return false;
  } else {
    Attributes attributes = {{"to", static_cast<int64_t>(parsed_type(to))}};
    result = builder.op_in("dlc", "ParseNumbers", {result}, std::move(attributes));
    result = builder.cast(result, to);
  }
  builder.replace(node, 0, result);
  return true;
}

// ---- BitCast

// Packed elements of less than a byte have no address of their own.
int width_of(const InferContext& context, DType type) {
  const int width = is_element(type) ? bit_width(type) : 0;
  if (width < 8) context.fail("elements of type {} have no bits to take over", name(type));
  return width;
}

void infer_bit_cast(InferContext& context) {
  const auto to = static_cast<DType>(context.node().attribute<int64_t>("to"));
  const int from_width = width_of(context, context.dtype(0)), to_width = width_of(context, to);
  if (from_width != to_width) {
    context.fail("attribute 'to': {} has {} bits, but the input's {} has {}", name(to), to_width,
                 name(context.dtype(0)), from_width);
  }
  context.set_output(0, Type(to, context.shape(0)));
}

// A bool is the byte 0 or 1.
void lower_bit_cast(LowerContext& context) {
  const DType from = context.input_type(0).dtype, to = context.output_type().dtype;
  context.map_output([&](const Index& index) {
    Expr bits = context.at_input(0, index);
    if (from == to) return bits;
    if (from == DType::kBool) bits = cast(bits, DType::kUint8);
    if (to == DType::kBool) return cast(make(ExprOp::kBitcast, DType::kUint8, {bits}), to);
    return make(ExprOp::kBitcast, to, {bits});
  });
}

// ---- CastLike

void infer_cast_like(InferContext& context) { infer_to(context, context.dtype(1)); }

bool expand_cast_like(Builder& builder, Node& node) {
  Attributes attributes = node.attributes();
  attributes["to"] = static_cast<int64_t>(node.input(1)->dtype());
  builder.replace(node, 0, builder.op("Cast", {node.input(0)}, std::move(attributes)));
  return true;
}

}  // namespace

void register_cast(OpRegistry& registry) {
  registry.add({.name = "Cast",
                .infer = infer_cast,
                .expand = expand_cast,
                .lower = lower_cast,
                .traits = Trait::kElementwise});
  registry.add({.name = "BitCast", .infer = infer_bit_cast, .lower = lower_bit_cast});
  registry.add({.name = "CastLike", .infer = infer_cast_like, .expand = expand_cast_like});
}

}  // namespace dlc::ir

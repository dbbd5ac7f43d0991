// DynamicQuantizeLSTM of com.microsoft: weights of bytes; inputs and hidden states are quantised by their
// range before they are multiplied.
#include "ir/ops/contract.h"
#include "ir/ops/contrib.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/quantize.h"
#include "ir/ops/recurrent_layer.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// Beyond those of LSTM: of W, then of R.
enum Parameters : size_t { kScaleOfW = 8, kZeroOfW, kScaleOfR, kZeroOfR };

void infer_quantized_lstm(InferContext& context) {
  infer_recurrent(context, 4, true, WeightLayout::kColumns);
  for (size_t weights : {kW, kR}) {
    require_bytes(context, weights);
    const size_t scale = weights == kW ? kScaleOfW : kScaleOfR;
    require_type(context, scale, TypeClass::kFloat);
    require_type_of(context, scale + 1, weights);
    const Shape &shape = context.shape(weights), columns = {shape[0], shape[2]};
    for (size_t i : {scale, scale + 1}) {
      if (context.rank(i) != 1) require_rank(context, i, 2);
      for (size_t axis = 0; axis < context.shape(i).size(); ++axis)
        require_equal_extents(context, context.shape(i)[axis], columns[axis],
                              fmt::format("axis {} of input {}", axis, i));
    }
  }
}

// The element for a direction and a column; the input may have one for all columns.
Expr parameter_at(LowerContext& context, size_t input, size_t direction, const Expr& column) {
  Index index = {integer(static_cast<int64_t>(direction))};
  if (context.input_shape(input).size() == 2) index.push_back(column);
  return context.at_input(input, std::move(index));
}

// A buffer as uint8 by its own range, as DynamicQuantizeLinear has it.
struct QuantizedBuffer {
  BufferId bytes, scale, zero;
};

// The shape is a copy, since new buffers move those that are there.
using Elements = std::function<Expr(const Index&)>;

QuantizedBuffer quantize_by_range(LowerContext& context, Shape shape, const Elements& element) {
  auto bound = [&](Combiner combiner, const char* name) {
    BufferId out = context.temp(DType::kFloat, {}, name);
    context.reduce(
        out, shape, combiner, real(0), [&](const Index&, const Index& at) { return element(at); }, {}, name);
    return out;
  };
  const BufferId low = bound(Combiner::kMin, "low"), high = bound(Combiner::kMax, "high");
  QuantizedBuffer result{context.temp(DType::kUint8, shape, "bytes"),
                         context.temp(DType::kFloat, {}, "scale"), context.temp(DType::kUint8, {}, "zero")};
  context.map(
      result.scale, [&](const Index&) { return (context.at(high, {}) - context.at(low, {})) / real(255); },
      "scale");
  const Expr scale = context.at(result.scale, {});
  context.map(
      result.zero, [&](const Index&) { return quantized(-context.at(low, {}) / scale, {}, DType::kUint8); },
      "zero");
  context.map(
      result.bytes,
      [&](const Index& at) {
        return quantized(element(at) / scale, context.at(result.zero, {}), DType::kUint8);
      },
      "quantize");
  return result;
}

// out[rows..., n] = epilogue(a[rows..., k] * weights[direction, k, n]), the sums in integers.
void multiply_bytes(LowerContext& context, BufferId out, const QuantizedBuffer& a, size_t weights,
                    size_t direction, const LstmProducts::Epilogue& epilogue, std::string_view name) {
  const size_t scale = weights == kW ? kScaleOfW : kScaleOfR;
  const BufferId b = select_axis(context, context.input(weights), 0, static_cast<int64_t>(direction), "w");
  const Shape rows = context.program().buffer(a.bytes).shape, columns = context.program().buffer(b).shape;
  ContractionBuilder builder(context, DType::kUint8);
  Index at;
  for (size_t i = 0; i + 1 < rows.size(); ++i) at.push_back(builder.axis(rows[i], AxisRole::kM));
  const Expr n = builder.axis(columns[1], AxisRole::kN), k = builder.axis(columns[0], AxisRole::kK);
  Index of_a = at;
  of_a.push_back(k);
  at.push_back(n);
  builder.a(a.bytes, std::move(of_a));
  builder.b(b, {k, n});
  builder.a_zero_point(context.at(a.zero, {}));
  builder.b_zero_point(parameter_at(context, scale + 1, direction, n));
  const Expr factor = context.at(a.scale, {}) * widen(parameter_at(context, scale, direction, n));
  const Expr value = epilogue(cast(builder.sum(), DType::kFloat) * factor, at);
  builder.finish(out, std::move(at), value, name);
}

void lower_quantized_lstm(LowerContext& context) {
  auto project = [](RecurrentLayer& layer) {
    LowerContext& whole = layer.context();
    const Dim width = Dim(4) * layer.hidden();
    BufferId out = whole.temp(layer.type(), {layer.steps(), layer.batch(), width}, "projection");
    auto biased = [&](const Expr& sum, const Index& at) {
      return sum + (layer.input_bias(at.back()) + layer.recurrence_bias(at.back()));
    };
    const BufferId x = layer.x();
    const QuantizedBuffer bytes = quantize_by_range(whole, whole.program().buffer(x).shape,
                                                    [&](const Index& at) { return whole.at(x, at); });
    multiply_bytes(whole, out, bytes, kW, layer.index(), biased, "project");
    return out;
  };
  auto multiply = [](RecurrentLayer& layer, RecurrentLayer::Step& step, BufferId out, BufferId state,
                     const LstmProducts::Epilogue& epilogue) {
    LowerContext& inner = step.context;
    // States of sequences that ended before the last step are outside the range.
    auto element = [&](const Index& at) {
      const Expr value = inner.at(state, at);
      if (!inner.has_input(kLengths)) return value;
      const Expr length = cast(inner.at_input(kLengths, {at[0]}), DType::kInt64);
      return select(dim(step.time) <= length, value, real(0));
    };
    const QuantizedBuffer bytes = quantize_by_range(inner, inner.program().buffer(state).shape, element);
    multiply_bytes(inner, out, bytes, kR, layer.index(), epilogue, "recurrence");
  };
  lower_lstm_by(context, {.layout = WeightLayout::kColumns, .project = project, .multiply = multiply});
}

}  // namespace

void register_contrib_lstm(OpRegistry& registry) {
  registry.add({.domain = kContribDomain,
                .name = "DynamicQuantizeLSTM",
                .infer = infer_quantized_lstm,
                .lower = lower_quantized_lstm});
}

}  // namespace dlc::ir

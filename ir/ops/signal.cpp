// Fourier transforms of signals: DFT, STFT, Rfft and Irfft. The transform is a runtime kernel on rows.
#include <cmath>

#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/mel_weight_matrix.h"
#include "ir/ops/runtime_dims.h"
#include "ir/term.h"

namespace dlc::ir {
namespace {

// ---- The runtime kernel -----------------------------------------------------------------------------------

// Longer transforms compute their roots during the run.
constexpr int64_t kMaxConstantRoots = 1 << 20;

// exp(-2 pi i k / n) as pairs.
Tensor unit_roots(int64_t n, DType type) {
  Tensor roots(type, {n, 2});
  for (int64_t k = 0; k < n; ++k) {
    long double angle = -2 * M_PIl * static_cast<long double>(k) / static_cast<long double>(n);
    roots.set_double(2 * k, static_cast<double>(std::cos(angle)));
    roots.set_double(2 * k + 1, static_cast<double>(std::sin(angle)));
  }
  return roots;
}

// Rows seen as [outer, length, inner, parts].
struct Rows {
  BufferId buffer;
  Dim outer, length, inner, parts;
};

void call_fft(LowerContext& context, const Rows& in, const Rows& out, const Dim& n, bool inverse) {
  Call call{.symbol = "dlc_fft", .inputs = {in.buffer}, .outputs = {out.buffer}, .params = {}};
  DType type = context.program().buffer(in.buffer).dtype;
  bool is_constant = n.is_constant() && n.value() >= 1 && n.value() <= kMaxConstantRoots;
  call.inputs.push_back(is_constant ? context.constant(unit_roots(n.value(), type), "roots")
                                    : BufferId::kNone);
  add_callee_scratch(context, call);
  call.params = {dim(in.outer), dim(in.length),  dim(in.inner),  dim(in.parts),
                 dim(n),        dim(out.length), dim(out.parts), integer(inverse ? 1 : 0)};
  context.call(std::move(call), "fft");
}

// The input in a type that the kernel has.
BufferId transformable(LowerContext& context, size_t input) {
  DType type = context.input_type(input).dtype;
  DType wide = compute_type(type);
  if (wide == type) return context.dense(context.input(input));
  BufferId copy = context.temp(wide, context.input_shape(input), "wide");
  context.map(
      copy, [&](const Index& index) { return cast(context.at_input(input, index), wide); }, "widen");
  return copy;
}

// Where the kernel writes output 0; store_result() then completes it.
BufferId result_buffer(LowerContext& context) {
  DType type = context.output_type().dtype;
  if (compute_type(type) == type) return context.output();
  return context.temp(compute_type(type), context.output_shape(), "wide");
}
void store_result(LowerContext& context, BufferId result) {
  if (result == context.output()) return;
  context.map(
      context.output(),
      [&](const Index& index) { return cast(context.at(result, index), context.output_type().dtype); },
      "narrow");
}

void require_parts(const InferContext& context, size_t input) {
  const Dim& parts = context.shape(input).back();
  if (parts.is_constant() && parts.value() != 1 && parts.value() != 2)
    context.fail("last axis of input {}: expected 1 (real) or 2 (complex), found {}", input, parts.value());
}

// The only element of an integer input, where it is known.
std::optional<Dim> known_scalar(const Value* value) {
  auto values = known_values(value);
  if (!values || values->size() != 1) return std::nullopt;
  return values->front();
}
Expr scalar_at(LowerContext& context, size_t input) {
  return cast(single_element(context, input), DType::kInt64);
}

Dim one_sided(const Dim& length) { return floor_div(length, 2) + Dim(1); }

// ---- DFT --------------------------------------------------------------------------------------------------

constexpr size_t kLength = 1, kAxis = 2;  // inputs

struct DftForm {
  bool inverse, onesided;
  bool to_real() const { return inverse && onesided; }
  bool halves() const { return onesided && !inverse; }
};
DftForm form_of(const Node& node) {
  return {node.attribute<int64_t>("inverse", 0) != 0, node.attribute<int64_t>("onesided", 0) != 0};
}

// Nothing where it is known only during the run.
std::optional<int64_t> known_axis(const Node& node) {
  if (node.input(kAxis) == nullptr) return -2;
  auto axis = known_scalar(node.input(kAxis));
  return axis ? axis->constant() : std::nullopt;
}

// The length of the transform of an axis: given, or that of the signal.
std::optional<Dim> known_length(const Node& node, const Dim& signal) {
  if (node.input(kLength) != nullptr) return known_scalar(node.input(kLength));
  return form_of(node).to_real() ? Dim(2) * (signal - Dim(1)) : signal;
}

Dim output_length(const Node& node, const Dim& length) {
  return form_of(node).halves() ? one_sided(length) : length;
}

void infer_dft(InferContext& context) {
  const Node& node = context.node();
  require_type(context, 0, TypeClass::kFloat);
  require_rank_at_least(context, 0, 2);
  require_parts(context, 0);
  int64_t rank = context.rank(0);
  auto axis = known_axis(node);
  if (axis && (*axis < -rank || *axis == -1 || *axis > rank - 2)) {
    context.fail("axis: expected [-{}, -2] or [0, {}], found {}", rank, rank - 2, *axis);
  }
  Shape shape = context.shape(0);
  shape.back() = form_of(node).to_real() ? 1 : 2;
  if (axis) {
    Dim& extent = shape[static_cast<size_t>(*axis < 0 ? *axis + rank : *axis)];
    auto length = known_length(node, extent);
    if (length && length->is_constant() && length->value() < 1)
      context.fail("dft_length: expected a positive number, found {}", length->value());
    extent = length ? output_length(node, *length) : context.fresh_symbol("dft");
  } else if (form_of(node).onesided || context.has_input(kLength)) {
    for (size_t i = 0; i + 1 < shape.size(); ++i) shape[i] = context.fresh_symbol("dft");
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// The input as rows along an axis that only the run knows.
struct RuntimeAxis {
  Expr position;
  Rows rows;
};
RuntimeAxis bind_axis(LowerContext& context, BufferId buffer) {
  const Shape& shape = context.input_shape(0);
  auto last = static_cast<int64_t>(shape.size()) - 1;
  const Expr given = scalar_at(context, kAxis);
  const Expr axis = select(given < integer(0), given + integer(last + 1), given);
  check_all(context, {},
            {[&](const Index&) { return axis >= integer(0) && axis < integer(last); },
             [&](const Index&) { return given; }, "axis", fmt::format("one of the first {} axes", last)});
  Expr outer = integer(1), length = integer(1), inner = integer(1);
  for (int64_t i = 0; i < last; ++i) {
    Expr extent = dim(shape[static_cast<size_t>(i)]);
    Expr one = integer(1);
    outer = outer * select(integer(i) < axis, extent, one);
    length = length * select(equal(integer(i), axis), extent, one);
    inner = inner * select(integer(i) > axis, extent, one);
  }
  auto bound = [&](const Expr& value) { return bind_number(context, value, 0, INT64_MAX, "extent"); };
  return {axis, {buffer, bound(outer), bound(length), bound(inner), shape.back()}};
}

Rows rows_along(const Shape& shape, size_t axis, BufferId buffer) {
  auto at = shape.begin() + static_cast<ptrdiff_t>(axis);
  return {buffer, product(Shape(shape.begin(), at)), *at, product(Shape(at + 1, shape.end() - 1)),
          shape.back()};
}

void lower_dft(LowerContext& context) {
  const Node& node = context.node();
  const Shape& shape = context.input_shape(0);
  BufferId buffer = transformable(context, 0);
  Rows in;
  std::optional<Expr> runtime_axis;
  auto axis = known_axis(node);
  if (axis) {
    in = rows_along(
        shape, static_cast<size_t>(*axis < 0 ? *axis + static_cast<int64_t>(shape.size()) : *axis), buffer);
  } else {
    RuntimeAxis bound = bind_axis(context, buffer);
    in = bound.rows;
    runtime_axis = bound.position;
  }
  auto known = known_length(node, in.length);
  Dim n = known ? *known : bind_number(context, scalar_at(context, kLength), 1, INT64_MAX, "dft_length");
  Dim length = output_length(node, n);
  std::vector<RuntimeExtent> extents;
  if (axis && !known) {
    extents.push_back(
        {static_cast<size_t>(*axis < 0 ? *axis + static_cast<int64_t>(shape.size()) : *axis), dim(length)});
  }
  for (size_t i = 0; runtime_axis && i + 1 < shape.size(); ++i) {
    if (context.output_shape()[i] == shape[i]) continue;
    Expr is_axis = equal(*runtime_axis, integer(static_cast<int64_t>(i)));
    extents.push_back({i, select(is_axis, dim(length), dim(shape[i]))});
  }
  bind_extents(context, 0, extents, "transformed extent");
  BufferId result = result_buffer(context);
  Rows out{result, in.outer, length, in.inner, context.output_shape().back()};
  call_fft(context, in, out, n, form_of(node).inverse);
  store_result(context, result);
}

// The attribute axis becomes an input.
void upgrade_dft(Graph& graph, Node& node, int) {
  int64_t axis = node.attribute<int64_t>("axis", 1);
  node.erase_attribute("axis");
  node.set_input(kAxis, graph.add_constant(graph.unique_name("axis"),
                                           Tensor::from_ints(std::span(&axis, 1)).reshaped({})));
}

// ---- STFT -------------------------------------------------------------------------------------------------

constexpr size_t kStep = 1, kWindow = 2, kFrameLength = 3;  // inputs

std::optional<Dim> known_frame_length(const Node& node) {
  if (node.input(kFrameLength) != nullptr) {
    if (auto given = known_scalar(node.input(kFrameLength))) return given;
    // A window says it as well.
    if (node.input(kWindow) == nullptr) return std::nullopt;
  }
  if (node.input(kWindow) != nullptr) return node.input(kWindow)->shape()[0];
  return node.input(0)->shape()[1];
}

Dim frame_count(const Dim& signal, const Dim& length, const Dim& step) {
  return floor_div(signal - length, step) + Dim(1);
}

void infer_stft(InferContext& context) {
  const Node& node = context.node();
  require_type(context, 0, TypeClass::kFloat);
  require_rank(context, 0, 3);
  require_parts(context, 0);
  if (context.has_input(kWindow)) require_rank(context, kWindow, 1);
  auto length = known_frame_length(node);
  auto step = known_scalar(node.input(kStep));
  if (step && step->is_constant() && step->value() < 1)
    context.fail("frame_step: expected a positive number, found {}", step->value());
  if (length && context.has_input(kWindow))
    require_equal_extents(context, context.shape(kWindow)[0], *length, "length of the window");
  const Dim& signal = context.shape(0)[1];
  bool onesided = node.attribute<int64_t>("onesided", 1) != 0;
  Dim frames =
      length && step ? frame_count(signal, *length, *step) : context.fresh_symbol("frames", {signal});
  if (frames.is_constant() && frames.value() < 0)
    context.fail("a frame of {} does not fit into the signal of {}", length->to_string(), signal.to_string());
  Dim bins = length ? (onesided ? one_sided(*length) : *length) : context.fresh_symbol("bins");
  context.set_output(0, Type(context.dtype(0), {context.shape(0)[0], frames, bins, 2}));
}

// frames[b, f, i, part] = signal[b, f * step + i, part] * window[i]
BufferId windowed_frames(LowerContext& context, const Dim& length, const Dim& step, const Dim& frames) {
  const Shape& shape = context.input_shape(0);
  DType type = compute_type(context.input_type(0).dtype);
  BufferId result = context.temp(type, {shape[0], frames, length, shape[2]}, "frames");
  context.map(
      result,
      [&](const Index& index) {
        Expr at = index[1] * dim(step) + index[2];
        Expr value = widen(context.at_input(0, {index[0], at, index[3]}));
        if (!context.has_input(kWindow)) return value;
        return value * cast(context.at_input(kWindow, {index[2]}), type);
      },
      "frames");
  return result;
}

void lower_stft(LowerContext& context) {
  const Node& node = context.node();
  const Shape& shape = context.input_shape(0);
  auto known = known_frame_length(node);
  auto known_step = known_scalar(node.input(kStep));
  Dim length =
      known ? *known : bind_number(context, scalar_at(context, kFrameLength), 1, INT64_MAX, "frame_length");
  Dim step =
      known_step ? *known_step : bind_number(context, scalar_at(context, kStep), 1, INT64_MAX, "frame_step");
  if (context.has_input(kWindow)) {
    Dim given = context.has_input(kFrameLength) && !known_scalar(node.input(kFrameLength))
                    ? bind_number(context, scalar_at(context, kFrameLength), 1, INT64_MAX, "frame_length")
                    : length;
    check_equal(context, context.input_shape(kWindow)[0], given, "length of the window");
  }
  Dim frames = frame_count(shape[1], length, step);
  if (!known_nonnegative(frames))
    check_equal(context, frames, max(frames, Dim(0)), "a frame that is longer than the signal");
  bool onesided = node.attribute<int64_t>("onesided", 1) != 0;
  Dim bins = onesided ? one_sided(length) : length;
  std::vector<RuntimeExtent> extents;
  if (!known || !known_step) extents.push_back({1, dim(frames)});
  if (!known) extents.push_back({2, dim(bins)});
  bind_extents(context, 0, extents, "frames");
  BufferId result = result_buffer(context);
  Rows in{windowed_frames(context, length, step, frames), shape[0] * frames, length, 1, shape[2]};
  call_fft(context, in, {result, in.outer, bins, 1, 2}, length, false);
  store_result(context, result);
}

// Along axis -1 - `axis`, where -1 is that of the parts.
Value* transform(Builder& builder, Value* value, int64_t axis, bool inverse, bool onesided) {
  int64_t position = -1 - axis;
  Value* constant = builder.constant(Tensor::from_ints(std::span(&position, 1)).reshaped({}));
  return builder.op("DFT", {value, nullptr, constant},
                    {{"inverse", int64_t{inverse}}, {"onesided", int64_t{onesided}}});
}

// Frames, gathered and multiplied with the window, and their transforms; where their number is known.
bool unfold_stft(Builder& builder, Node& node) {
  auto length = known_frame_length(node);
  auto step = known_scalar(node.input(kStep));
  if (!length || !step) return false;
  Term signal(builder, node.input(0));
  Term starts = range(builder, frame_count(signal.shape()[1], *length, *step));
  Term positions = reshape(starts * Term(builder, builder.dims({*step})), {starts.shape()[0], 1}) +
                   range(builder, *length);
  Term frames = signal.apply("Gather", {positions}, {{"axis", int64_t{1}}});
  if (node.input(kWindow) != nullptr) {
    Term window(builder, node.input(kWindow));
    frames = frames * reshape(window.cast(frames.dtype()), {*length, 1});
  }
  const int64_t onesided = node.attribute<int64_t>("onesided", 1);
  builder.replace(node, 0, transform(builder, frames, 1, false, onesided != 0));
  return true;
}

// ---- Rfft, Irfft ------------------------------------------------------------------------------------------

int64_t signal_axes(const Node& node) { return node.attribute<int64_t>("signal_ndim", 1); }

// `parts` is 1 where the last axis holds real and imaginary part.
void check_rfft(InferContext& context, int64_t parts) {
  const Node& node = context.node();
  require_type(context, 0, TypeClass::kFloat);
  if (node.attribute<int64_t>("normalized", 0) != 0 || node.attribute<int64_t>("onesided", 1) != 1)
    context.fail("attributes: expected normalized = 0 and onesided = 1");
  if (signal_axes(node) < 1) context.fail("attribute 'signal_ndim': expected a positive number");
  require_rank_at_least(context, 0, signal_axes(node) + parts);
}

void infer_rfft(InferContext& context) {
  check_rfft(context, 0);
  Shape shape = context.shape(0);
  shape.back() = one_sided(shape.back());
  shape.emplace_back(2);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void infer_irfft(InferContext& context) {
  check_rfft(context, 1);
  Shape shape = context.shape(0);
  require_equal_extents(context, shape.back(), 2, "last axis");
  shape.pop_back();
  shape.back() = Dim(2) * (shape.back() - Dim(1));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

bool expand_rfft(Builder& builder, Node& node) {
  Shape shape = node.input(0)->shape();
  shape.emplace_back(1);
  Value* result = transform(builder, builder.reshape(node.input(0), shape), 1, false, true);
  for (int64_t axis = 2; axis <= signal_axes(node); ++axis)
    result = transform(builder, result, axis, false, false);
  builder.replace(node, 0, result);
  return true;
}

bool expand_irfft(Builder& builder, Node& node) {
  Value* result = node.input(0);
  for (int64_t axis = signal_axes(node); axis >= 2; --axis)
    result = transform(builder, result, axis, true, false);
  result = transform(builder, result, 1, true, true);
  builder.replace(node, 0, builder.reshape(result, node.output(0)->shape()));
  return true;
}

}  // namespace

void register_signal(OpRegistry& registry) {
  registry.add({.name = "DFT", .infer = infer_dft, .lower = lower_dft, .upgrades = {{20, upgrade_dft}}});
  registry.add({.name = "STFT", .infer = infer_stft, .lower = lower_stft, .unfold = unfold_stft});
  registry.add({.domain = "com.microsoft", .name = "Rfft", .infer = infer_rfft, .expand = expand_rfft});
  registry.add({.domain = "com.microsoft", .name = "Irfft", .infer = infer_irfft, .expand = expand_irfft});
  registry.add(mel_weight_matrix_record());
}

}  // namespace dlc::ir

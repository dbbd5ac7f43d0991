#include "ir/ops/runtime_dims.h"

#include <fmt/format.h>

#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

std::string message(const LowerContext& context, std::string_view what) {
  return fmt::format("{}: {}", context.node().describe(), what);
}

Dim lowering_symbol(LowerContext& context, std::string_view hint, const SymbolInfo& info = {}) {
  Dim symbol = context.node().graph().fresh_symbol(hint, info);
  context.program().symbols[symbol.symbol_name()] = info;
  return symbol;
}

// Stores the numbers into a new int64 vector.
BufferId store_numbers(LowerContext& context, const std::vector<Expr>& values, std::string_view hint) {
  BufferId buffer = context.temp(DType::kInt64, {Dim(static_cast<int64_t>(values.size()))}, hint);
  Block body;
  for (size_t i = 0; i < values.size(); ++i) {
    body.push_back(store(buffer, {integer(static_cast<int64_t>(i))}, values[i]));
  }
  context.loop_nest(std::move(body), hint);
  return buffer;
}

}  // namespace

std::optional<std::vector<Dim>> known_values(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (!value->is_constant()) return value->shape_value();
  const Tensor& tensor = value->constant();
  if (!is_integer(tensor.dtype()) || tensor.rank() > 1) return std::nullopt;
  if (tensor.size() > static_cast<int64_t>(kMaxShapeValue)) return std::nullopt;
  std::vector<Dim> result;
  for (int64_t number : tensor.to_ints()) result.emplace_back(number);
  return result;
}

std::optional<std::vector<int64_t>> known_ints(const Value* value) {
  auto dims = known_values(value);
  if (!dims) return std::nullopt;
  std::vector<int64_t> result;
  for (const Dim& dim : *dims) {
    if (!dim.is_constant()) return std::nullopt;
    result.push_back(dim.value());
  }
  return result;
}

std::optional<double> known_number(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_constant() && value->constant().size() == 1) return value->constant().get_double(0);
  auto ints = known_ints(value);
  if (!ints || ints->size() != 1) return std::nullopt;
  return static_cast<double>(ints->front());
}

void propagate(InferContext& context, size_t output, std::vector<Dim> value) {
  if (value.size() <= kMaxShapeValue) context.set_shape_value(output, std::move(value));
}

bool lower_shape_value(LowerContext& context, size_t output) {
  const Value* value = context.node().output(output);
  if (value == nullptr || !value->shape_value()) return false;
  BufferId buffer = context.output(output);
  const std::vector<Dim>& elements = *value->shape_value();
  Block body;
  for (size_t i = 0; i < elements.size(); ++i) {
    Index index;
    if (!value->shape().empty()) index.push_back(integer(static_cast<int64_t>(i)));
    body.push_back(store(buffer, std::move(index), cast(dim(elements[i]), value->dtype())));
  }
  if (!body.empty()) context.loop_nest(std::move(body), "shape");
  return true;
}

void bind_extents(LowerContext& context, size_t output, const std::vector<RuntimeExtent>& extents,
                  std::string_view what) {
  if (extents.empty()) return;
  std::vector<Expr> values;
  for (const RuntimeExtent& extent : extents) values.push_back(extent.value);
  BufferId buffer = store_numbers(context, values, "extents");
  const Shape& shape = context.output_shape(output);
  for (size_t i = 0; i < extents.size(); ++i) {
    const Dim& known = shape[extents[i].axis];
    bool is_own = known.is_symbol() && !context.program().symbols[known.symbol_name()].from_input;
    Dim symbol = is_own ? known : lowering_symbol(context, "extent");
    std::string text = message(context, fmt::format("{} (axis {})", what, extents[i].axis));
    Index index{integer(static_cast<int64_t>(i))};
    context.step({BindStep{symbol.symbol_name(), buffer, std::move(index), 0, INT64_MAX, std::move(text)}});
    if (!is_own) check_equal(context, symbol, known, what);
  }
}

Dim bind_number(LowerContext& context, const Expr& value, int64_t minimum, int64_t maximum,
                std::string_view what) {
  BufferId buffer = store_numbers(context, {value}, "number");
  Dim symbol = lowering_symbol(context, "number", {.upper_bound = {}, .may_be_negative = minimum < 0});
  context.step(
      {BindStep{symbol.symbol_name(), buffer, {integer(0)}, minimum, maximum, message(context, what)}});
  return symbol;
}

void add_callee_scratch(LowerContext& context, Call& call) {
  Dim size = lowering_symbol(context, "scratch");
  call.bindings.push_back({call.outputs.size(), 0, size.symbol_name()});
  call.outputs.push_back(context.temp(DType::kInt64, {size}, "scratch"));
}

void check_all(LowerContext& context, const Shape& shape, RangeCheck range) {
  constexpr int64_t kNone = INT64_MIN;
  BufferId fault = context.temp(DType::kInt64, {}, "fault");
  context.reduce(
      fault, shape, Combiner::kMax, integer(kNone),
      [&](const Index&, const Index& index) {
        return select(range.holds(index), integer(kNone), max(range.number(index), integer(kNone + 1)));
      },
      [](Expr largest) { return largest; }, "check");
  const Dim symbol = lowering_symbol(context, "fault", {.upper_bound = {}, .may_be_negative = true});
  std::string what = message(context, range.what);
  context.step(
      {BindStep{symbol.symbol_name(), fault, {}, kNone, kNone, std::move(what), std::move(range.expected)}});
}

}  // namespace dlc::ir

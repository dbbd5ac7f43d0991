// MelWeightMatrix: triangles over the bins of a spectrum, equally far from one another on the mel scale.
#include "ir/ops/mel_weight_matrix.h"

#include <cmath>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

enum Input : size_t { kBands, kLength, kRate, kLowest, kHighest };

std::optional<Dim> known_scalar(const Value* value) {
  auto values = known_values(value);
  if (!values || values->size() != 1) return std::nullopt;
  return values->front();
}

DType output_type(const Node& node) {
  return static_cast<DType>(node.attribute<int64_t>("output_datatype", static_cast<int64_t>(DType::kFloat)));
}

void infer_mel_weights(InferContext& context) {
  DType type = output_type(context.node());
  if (!belongs_to(type, TypeClass::kNumeric))
    context.fail("attribute 'output_datatype': {} is no numeric type", static_cast<int64_t>(type));
  for (size_t i = kBands; i <= kHighest; ++i) require_single(context, i);
  auto bands = known_scalar(context.node().input(kBands));
  auto length = known_scalar(context.node().input(kLength));
  Dim bins = length ? floor_div(*length, 2) + Dim(1) : context.fresh_symbol("bins");
  Shape shape = {bins, bands ? *bands : context.fresh_symbol("bands")};
  for (const Dim& extent : shape) {
    if (extent.is_constant() && extent.value() < 0) context.fail("expected positive numbers");
  }
  context.set_output(0, Type(type, std::move(shape)));
}

class MelWeights {
 public:
  explicit MelWeights(LowerContext& context) : context_(context) {}

  void run() {
    bind_outputs();
    BufferId edges = bin_edges();
    Expr one = constant(DType::kDouble, 1);
    context_.map_output([&](const Index& index) {
      const Expr& bin = index[0];
      auto edge = [&](int64_t i) { return context_.at(edges, {index[1] + integer(i)}); };
      Expr left = edge(0), peak = edge(1), right = edge(2);
      auto ratio = [](const Expr& a, const Expr& b) {
        return cast(a, DType::kDouble) / cast(max(b, integer(1)), DType::kDouble);
      };
      Expr zero = constant(DType::kDouble, 0);
      Expr rising = select(bin >= left && bin < peak, ratio(bin - left, peak - left), zero);
      Expr falling = select(bin > peak && bin < right, ratio(right - bin, right - peak), rising);
      return cast(select(equal(bin, peak), one, falling), context_.output_type().dtype);
    });
  }

 private:
  Expr scalar(size_t input) const { return single_element(context_, input); }
  Expr whole(size_t input) const { return cast(scalar(input), DType::kInt64); }
  static Expr number(double value) { return constant(DType::kDouble, value); }

  void bind_outputs() {
    std::vector<RuntimeExtent> extents;
    if (!known_scalar(context_.node().input(kLength)))
      extents.push_back({0, binary(ExprOp::kFloorDiv, whole(kLength), integer(2)) + integer(1)});
    if (!known_scalar(context_.node().input(kBands))) extents.push_back({1, whole(kBands)});
    bind_extents(context_, 0, extents, "extent");
  }

  // mel = 2595 * log10(1 + hertz / 700)
  Expr mel(size_t input) const {
    Expr x = number(1) + cast(scalar(input), DType::kDouble) / number(700);
    return unary(ExprOp::kLog, x) * number(2595 / std::log(10));
  }

  // The bins at which the triangles begin, peak and end.
  BufferId bin_edges() {
    Dim count = context_.output_shape()[1] + Dim(2);
    BufferId edges = context_.temp(DType::kInt64, {count}, "mel.edges");
    Expr lowest = mel(kLowest);
    Expr step = (mel(kHighest) - lowest) / extent_as(count, DType::kDouble);
    Expr length = cast(whole(kLength) + integer(1), DType::kDouble);
    Expr rate = cast(whole(kRate), DType::kDouble);
    context_.map(
        edges,
        [&](const Index& index) {
          Expr at = cast(index[0], DType::kDouble) * step + lowest;
          Expr hertz = number(700) * (unary(ExprOp::kExp, at * number(std::log(10) / 2595)) - number(1));
          return cast(unary(ExprOp::kFloor, length * hertz / rate), DType::kInt64);
        },
        "mel_edges");
    return edges;
  }

  LowerContext& context_;
};

void lower_mel_weights(LowerContext& context) { MelWeights(context).run(); }

}  // namespace

OpDef mel_weight_matrix_record() {
  return {.name = "MelWeightMatrix", .infer = infer_mel_weights, .lower = lower_mel_weights};
}

}  // namespace dlc::ir

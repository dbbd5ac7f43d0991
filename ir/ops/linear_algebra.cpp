// Det and com.microsoft.Inverse: runtime kernels on square matrices.
#include "ir/builder.h"
#include "ir/ops/contrib.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

Shape batch_of(const Shape& shape) { return {shape.begin(), shape.end() - 2}; }

void require_square(const InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  require_rank_at_least(context, 0, 2);
  const Shape& shape = context.shape(0);
  require_equal_extents(context, shape[shape.size() - 2], shape.back(),
                        "rows and columns of a square matrix");
}

void infer_det(InferContext& context) {
  require_square(context);
  context.set_output(0, Type(context.dtype(0), batch_of(context.shape(0))));
}

void infer_inverse(InferContext& context) {
  require_square(context);
  infer_same_as_input(context);
}

// The kernels compute in float or double.
bool expand_small_types(Builder& builder, Node& node) {
  const DType type = node.input(0)->dtype(), wide = compute_type(type);
  if (wide == type) return false;
  Value* result = builder.op_in(node.op().domain, node.op().name, {builder.cast(node.input(0), wide)});
  builder.replace(node, 0, builder.cast(result, type));
  return true;
}

void call_on_matrices(LowerContext& context, std::string_view symbol, int64_t scratch_matrices) {
  const Shape& shape = context.input_shape(0);
  const Dim rows = shape[shape.size() - 2], columns = shape.back();
  check_equal(context, rows, columns, "rows and columns of a square matrix");
  const BufferId scratch = context.temp(DType::kInt64, {Dim(scratch_matrices) * rows * rows}, "scratch");
  context.call({.symbol = std::string(symbol),
                .inputs = {context.dense(context.input(0))},
                .outputs = {context.output(), scratch},
                .params = {dim(product(batch_of(shape))), dim(rows)}});
}
void lower_det(LowerContext& context) { call_on_matrices(context, "dlc_det", 1); }
void lower_inverse(LowerContext& context) { call_on_matrices(context, "dlc_inverse", 2); }

}  // namespace

void register_linear_algebra(OpRegistry& registry) {
  registry.add({.name = "Det", .infer = infer_det, .expand = expand_small_types, .lower = lower_det});
  registry.add({.domain = kContribDomain,
                .name = "Inverse",
                .infer = infer_inverse,
                .expand = expand_small_types,
                .lower = lower_inverse});
}

}  // namespace dlc::ir

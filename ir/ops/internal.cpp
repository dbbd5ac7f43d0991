// Operators of the "dlc" domain, which passes introduce.
#include "ir/kernel/lower.h"
#include "ir/ops/families.h"

namespace dlc::ir {
namespace {

// Dims: no inputs. `dims` holds the text of symbolic integers; the output holds their values, int64, rank 1,
// or rank 0 with `scalar` = 1.
Shape dims_of(const Node& node) {
  Shape result;
  for (const std::string& text : node.attribute<std::vector<std::string>>("dims"))
    result.push_back(Dim::parse(text));
  return result;
}

bool is_scalar(const Node& node) { return node.attribute<int64_t>("scalar", 0) != 0; }

void infer_dims(InferContext& context) {
  Shape dims = dims_of(context.node());
  bool scalar = is_scalar(context.node());
  if (scalar && dims.size() != 1) context.fail("dims: expected one of a scalar, found {}", dims.size());
  Shape shape = scalar ? Shape{} : Shape{static_cast<int64_t>(dims.size())};
  context.set_output(0, Type(DType::kInt64, std::move(shape)));
  context.set_shape_value(0, std::move(dims));
}

void lower_dims(LowerContext& context) {
  Shape dims = dims_of(context.node());
  bool scalar = is_scalar(context.node());
  Block body;
  for (size_t i = 0; i < dims.size(); ++i) {
    Index index;
    if (!scalar) index.push_back(integer(static_cast<int64_t>(i)));
    body.push_back(store(context.output(), std::move(index), dim(dims[i])));
  }
  context.loop_nest(std::move(body), "dims");
}

}  // namespace

void register_internal(OpRegistry& registry) {
  registry.add({.domain = "dlc", .name = "Dims", .infer = infer_dims, .lower = lower_dims});
}

}  // namespace dlc::ir

// Col2Im: blocks of an image that overlap, added up.
#include "ir/ops/image.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

// The image is seen as the input of a window, the block, that slides over it.
void infer_col2im(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  require_rank(context, 0, 3);
  require_rank(context, 1, 1);
  require_rank(context, 2, 1);
  const int64_t count = context.known(context.shape(1)[0], "the number of image axes");
  if (count < 1) context.fail("the number of image axes: expected 1 or more, found {}", count);
  require_equal_extents(context, context.shape(2)[0], count, "length of block_shape");
  auto axes = static_cast<size_t>(count);
  check_window_attributes(context, axes);
  auto image = context.shape_value(1);
  auto block = context.shape_value(2);
  Shape shape = {context.shape(0)[0]};
  if (block) {
    Dim elements = product(*block);
    auto channels = divide_exact(context.shape(0)[1], elements);
    if (!channels && context.shape(0)[1].is_constant() && elements.is_constant()) {
      context.fail("{} rows are no multiple of the {} elements of a block", context.shape(0)[1].to_string(),
                   elements.to_string());
    }
    shape.push_back(channels.value_or(floor_div(context.shape(0)[1], max(Dim(1), elements))));
  } else {
    shape.push_back(context.fresh_symbol("channels", {context.shape(0)[1]}));
  }
  for (size_t i = 0; i < axes; ++i) shape.push_back(image ? (*image)[i] : context.fresh_symbol("image"));
  if (image && block) {
    std::vector<WindowAxis> windows = windows_of(context.node(), *image, *block);
    check_window_extents(context, windows);
    require_equal_extents(context, context.shape(0)[2], product(outputs_of(windows)), "number of blocks");
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// The extents that the input holds, as Dims.
std::vector<Dim> block_shape(LowerContext& context) {
  if (auto known = known_values(context.node().input(2))) return *known;
  std::vector<Dim> result;
  for (int64_t i = 0; i < context.input_shape(2)[0].value(); ++i) {
    Expr extent = cast(context.at_input(2, {integer(i)}), DType::kInt64);
    result.push_back(bind_number(context, extent, 1, INT32_MAX, "block_shape"));
  }
  return result;
}

void bind_image(LowerContext& context, const std::vector<Dim>& block) {
  std::vector<RuntimeExtent> extents;
  if (!known_values(context.node().input(2)))
    extents.push_back({1, dim(floor_div(context.input_shape(0)[1], product(block)))});
  if (!known_values(context.node().input(1))) {
    for (size_t i = 2; i < context.output_shape().size(); ++i) {
      Expr extent = context.at_input(1, {integer(static_cast<int64_t>(i - 2))});
      extents.push_back({i, cast(extent, DType::kInt64)});
    }
  }
  bind_extents(context, 0, extents, "image_shape");
}

// For every element of the image, the elements of all blocks that lie on it.
void lower_col2im(LowerContext& context) {
  std::vector<Dim> block = block_shape(context);
  bind_image(context, block);
  const Shape& shape = context.output_shape();
  std::vector<WindowAxis> windows = windows_of(context.node(), spatial_axes(shape), block);
  check_outputs(context, windows);
  check_equal(context, shape[1] * product(block), context.input_shape(0)[1], "elements of all blocks");
  check_equal(context, product(outputs_of(windows)), context.input_shape(0)[2], "number of blocks");
  DType type = compute_type(context.output_type().dtype);
  context.reduce(
      context.output(), block, Combiner::kSum, constant(type, 0),
      [&](const Index& place, const Index& taps) {
        Expr row = place[1];
        Expr position = integer(0);
        Expr inside = boolean(true);
        for (size_t i = 0; i < windows.size(); ++i) {
          const WindowAxis& window = windows[i];
          Expr from = place[i + 2] + dim(window.pad_begin) - taps[i] * integer(window.dilation);
          Expr at = binary(ExprOp::kFloorDiv, from, integer(window.stride));
          inside = inside && at >= integer(0) && at < dim(window.output);
          if (window.stride > 1) inside = inside && equal(at * integer(window.stride), from);
          position = position * dim(window.output) + at;
          row = row * dim(window.kernel) + taps[i];
        }
        return select(inside, widen(context.at_input(0, {place[0], row, position})), constant(type, 0));
      },
      [&](const Expr& sum) { return cast(sum, context.output_type().dtype); });
}

}  // namespace

OpDef col2im_record() { return {.name = "Col2Im", .infer = infer_col2im, .lower = lower_col2im}; }

}  // namespace dlc::ir

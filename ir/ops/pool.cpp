// Pooling: windows whose bounds are clamped to the input. Channels are the innermost loop around a window, so
// that they are the vector lanes where the layout is channels-last.
#include <limits>

#include "ir/ops/families.h"
#include "ir/ops/global_pool.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/pool_gradient.h"
#include "ir/ops/unpool.h"
#include "ir/ops/window.h"

namespace dlc::ir {
namespace {

// ---- Inference --------------------------------------------------------------------------------------------

std::vector<WindowAxis> pool_windows(const Node& node) {
  return windows_of(node, spatial_axes(node.input(0)->shape()), kernel_attribute(node));
}

template <TypeClass kSet>
void infer_pool(InferContext& context) {
  require_type(context, 0, kSet);
  require_rank_at_least(context, 0, 3);
  if (kernel_attribute(context.node()).empty()) context.fail("attribute 'kernel_shape' is empty");
  check_window_attributes(context, context.shape(0).size() - 2);
  std::vector<WindowAxis> windows = pool_windows(context.node());
  check_window_extents(context, windows);
  Shape shape = {context.shape(0)[0], context.shape(0)[1]};
  for (const WindowAxis& window : windows) shape.push_back(window.output);
  context.set_output(0, Type(context.dtype(0), shape));
  context.set_output(1, Type(DType::kInt64, std::move(shape)));  // MaxPool's indices
}

// ---- Lowering ---------------------------------------------------------------------------------------------

// An element of a window: the number of its tap and its coordinate along each spatial axis.
struct Tap {
  Index number;
  Index coordinate;
};

// A kernel over the outputs of a pool, in the making.
class PoolKernel {
 public:
  explicit PoolKernel(LowerContext& context) : context_(context), windows_(pool_windows(context.node())) {
    check_outputs(context, windows_);
    const Shape& shape = context.output_shape();
    shape_ = {shape[0]};
    shape_.insert(shape_.end(), shape.begin() + 2, shape.end());
    shape_.push_back(shape[1]);
    vars_ = loop_vars(context, shape_);
    Index loops = index_of(vars_);
    batch_ = loops.front();
    channel_ = loops.back();
    place_ = Index(loops.begin() + 1, loops.end() - 1);
  }

  LowerContext& context() { return context_; }
  DType type() const { return compute_type(context_.input_type(0).dtype); }
  const Expr& batch() const { return batch_; }
  const Expr& channel() const { return channel_; }
  Index index() const { return joined(place_); }
  const std::vector<WindowAxis>& windows() const { return windows_; }

  Expr define(const Expr& value) {
    VarId id = context_.fresh_var();
    body_.push_back(let(id, value));
    return var(id, value.type());
  }
  // combine over the window's elements inside the input of element(x, tap).
  template <class Element>
  Expr reduce(Combiner combiner, const Expr& init, Element element) {
    Expr result = define(init);
    std::vector<VarId> taps;
    Tap tap;
    for (size_t i = 0; i < windows_.size(); ++i) {
      taps.push_back(context_.fresh_var());
      tap.number.push_back(var(taps[i]));
      tap.coordinate.push_back(tap_coordinate(windows_[i], place_[i], tap.number[i]));
    }
    Expr x = widen(context_.at_input(0, joined(tap.coordinate)));
    Block block = {reduce_into(result->var, combiner, element(x, tap))};
    for (size_t i = windows_.size(); i-- > 0;) {
      Stmt loop = for_range(taps[i], first_tap(windows_[i], place_[i]), last_tap(windows_[i], place_[i]),
                            std::move(block));
      block = {std::move(loop)};
    }
    append(body_, std::move(block));
    return result;
  }
  // The number of elements in the window, with or without padding.
  Expr count(bool with_padding) const {
    Expr result = integer(1);
    for (size_t i = 0; i < windows_.size(); ++i) {
      const WindowAxis& window = windows_[i];
      Expr inside = last_tap(window, place_[i]) - first_tap(window, place_[i]);
      result = result * (with_padding ? padded_taps(window, place_[i]) : inside);
    }
    return result;
  }
  void store_output(size_t output, const Expr& value) {
    BufferId buffer = context_.output(output);
    body_.push_back(store(buffer, index(), cast(value, context_.output_type(output).dtype)));
  }
  void finish() { context_.loop_nest(nest(vars_, shape_, shape_.size(), std::move(body_))); }

 private:
  Index joined(const Index& spatial) const {
    Index result = {batch_, channel_};
    result.insert(result.end(), spatial.begin(), spatial.end());
    return result;
  }

  LowerContext& context_;
  std::vector<WindowAxis> windows_;
  Shape shape_;  // batch, spatial axes, channels
  std::vector<VarId> vars_;
  Expr batch_;
  Expr channel_;
  Index place_;
  Block body_;
};

// The position of an element in the whole input; column_major exchanges the order of the spatial axes.
Expr flat_position(const PoolKernel& kernel, const Shape& shape, const Index& spatial, bool column_major) {
  Expr result = kernel.batch() * dim(shape[1]) + kernel.channel();
  result = result * dim(product(spatial_axes(shape)));
  Dim stride = 1;
  for (size_t i = 0; i < spatial.size(); ++i) {
    size_t axis = column_major ? i : spatial.size() - 1 - i;
    result = result + spatial[axis] * dim(stride);
    stride *= shape[2 + axis];
  }
  return result;
}

// The least position(tap) of those where the maximum stands, below `none`.
template <class Position>
Expr first_maximum(PoolKernel& kernel, const Expr& maximum, const Expr& none, Position position) {
  return kernel.reduce(Combiner::kMin, none, [&](const Expr& x, const Tap& tap) {
    Expr match = equal(x, maximum);
    if (is_float(x.type())) match = match || unary(ExprOp::kIsNan, x);
    return select(match, position(tap), none);
  });
}

// The first position of the maximum, as ArgMax has it.
void lower_indices(LowerContext& context, PoolKernel& kernel, const Expr& maximum) {
  bool column_major = context.node().attribute<int64_t>("storage_order", 0) != 0;
  const Shape& shape = context.input_shape(0);
  Expr found = first_maximum(kernel, maximum, dim(product(shape)), [&](const Tap& tap) {
    return flat_position(kernel, shape, tap.coordinate, column_major);
  });
  kernel.store_output(1, found);
}

void lower_max_pool(LowerContext& context) {
  PoolKernel kernel(context);
  Expr maximum = kernel.reduce(Combiner::kMax, neutral(Combiner::kMax, kernel.type()),
                               [](const Expr& x, const Tap&) { return x; });
  kernel.store_output(0, maximum);
  if (context.has_output(1)) lower_indices(context, kernel, maximum);
  kernel.finish();
}

// dlc.MaxPoolTaps: from input and output of a MaxPool, the number of the tap that holds each window's first
// maximum (row-major, int32), from which MaxPoolGradient learns where that came from.
void infer_max_pool_taps(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  context.set_output(0, Type(DType::kInt32, context.shape(1)));
}

void lower_max_pool_taps(LowerContext& context) {
  PoolKernel kernel(context);
  Expr maximum = kernel.define(widen(context.at_input(1, kernel.index())));
  auto number = [&](const Tap& tap) { return cast(tap_number(kernel.windows(), tap.number), DType::kInt32); };
  Expr none = constant(DType::kInt32, std::numeric_limits<int32_t>::max());
  kernel.store_output(0, first_maximum(kernel, maximum, none, number));
  kernel.finish();
}

void lower_average_pool(LowerContext& context) {
  PoolKernel kernel(context);
  bool with_padding = context.node().attribute<int64_t>("count_include_pad", 0) != 0;
  Expr sum =
      kernel.reduce(Combiner::kSum, constant(kernel.type(), 0), [](const Expr& x, const Tap&) { return x; });
  kernel.store_output(0, sum / cast(kernel.count(with_padding), kernel.type()));
  kernel.finish();
}

void infer_lp_pool(InferContext& context) {
  if (context.node().attribute<int64_t>("p", 2) < 1)
    context.fail("attribute 'p': expected a positive number");
  infer_pool<TypeClass::kFloat>(context);
}

void lower_lp_pool(LowerContext& context) {
  PoolKernel kernel(context);
  int64_t p = context.node().attribute<int64_t>("p", 2);
  Expr sum = kernel.reduce(Combiner::kSum, constant(kernel.type(), 0),
                           [&](const Expr& x, const Tap&) { return norm_term(x, p); });
  kernel.store_output(0, norm_root(sum, p));
  kernel.finish();
}

}  // namespace

void register_pool(OpRegistry& registry) {
  registry.add({.name = "MaxPool", .infer = infer_pool<TypeClass::kNumeric>, .lower = lower_max_pool});
  registry.add(
      {.domain = "dlc", .name = "MaxPoolTaps", .infer = infer_max_pool_taps, .lower = lower_max_pool_taps});
  registry.add({.name = "AveragePool", .infer = infer_pool<TypeClass::kFloat>, .lower = lower_average_pool});
  registry.add({.name = "LpPool", .infer = infer_lp_pool, .lower = lower_lp_pool});
  register_global_pool(registry);
  register_max_unpool(registry);
  register_pool_gradient(registry);
}

}  // namespace dlc::ir

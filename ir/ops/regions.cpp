// RoiAlign and MaxRoiPool: regions of an image made tensors of one size. NonMaxSuppression: a choice of
// regions.
#include "ir/ops/image.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/sampling.h"

namespace dlc::ir {
namespace {

// Output elements [region, channel, row, column]; a kernel's loops go over regions, rows and columns.
struct Bins {
  std::vector<VarId> vars;
  Shape shape;
  Expr region, row, column;
};

Bins bins_of(LowerContext& context, const Shape& shape) {
  Bins bins{.vars = {}, .shape = {shape[0], shape[2], shape[3]}, .region = {}, .row = {}, .column = {}};
  bins.vars = loop_vars(context, bins.shape);
  Index index = index_of(bins.vars);
  bins.region = index[0];
  bins.row = index[1];
  bins.column = index[2];
  return bins;
}

// Emits the loops: over the bins `body`, inside of it over channels what `pool` makes of one.
void finish(LowerContext& context, const Bins& bins, PlaceBody& body,
            const std::function<Block(const Expr& channel)>& pool) {
  const Dim& count = context.output_shape()[1];
  std::vector<VarId> vars = loop_vars(context, {count});
  Block all = body.take();
  append(all, serial_nest(vars, {count}, pool(index_of(vars)[0])));
  context.loop_nest(nest(bins.vars, bins.shape, bins.shape.size(), std::move(all)));
}

// Emits the loops over bins inside of one over channels: what regions have in common, channels keep apart.
void emit_by_channel(LowerContext& context, VarId channel, const Dim& channels, const Bins& bins,
                     Block body) {
  Block inner = serial_nest(bins.vars, bins.shape, std::move(body));
  context.loop_nest({for_loop(channel, dim(channels), LoopKind::kParallel, std::move(inner))});
}

void check_batch_indices(LowerContext& context, const std::function<Expr(const Expr& region)>& batch) {
  const Dim& batches = context.input_shape(0)[0];
  check_all(context, {context.output_shape()[0]},
            {[&](const Index& i) { return is_inside(batch(i[0]), batches); },
             [&](const Index& i) { return batch(i[0]); }, "batch index",
             fmt::format("a number in [0, {})", batches.to_string())});
}

// ---- RoiAlign ---------------------------------------------------------------------------------------------

bool is_half_pixel(const Node& node) {
  return node.attribute<std::string>("coordinate_transformation_mode", "half_pixel") == "half_pixel";
}
bool takes_maximum(const Node& node) { return node.attribute<std::string>("mode", "avg") == "max"; }

void infer_roi_align(InferContext& context) {
  const Node& node = context.node();
  require_type(context, 0, TypeClass::kFloat);
  require_rank(context, 0, 4);
  require_rank(context, 1, 2);
  require_rank(context, 2, 1);
  require_equal_extents(context, context.shape(1)[1], 4, "numbers of a region");
  require_equal_extents(context, context.shape(1)[0], context.shape(2)[0], "number of regions");
  std::string mode = node.attribute<std::string>("mode", "avg");
  if (mode != "avg" && mode != "max") context.fail("attribute 'mode': expected avg or max, found '{}'", mode);
  std::string transformation = node.attribute<std::string>("coordinate_transformation_mode", "half_pixel");
  if (transformation != "half_pixel" && transformation != "output_half_pixel") {
    context.fail(
        "attribute 'coordinate_transformation_mode': expected half_pixel or output_half_pixel, "
        "found '{}'",
        transformation);
  }
  Shape shape = {context.shape(1)[0], context.shape(0)[1]};
  for (const char* name : {"output_height", "output_width"}) {
    int64_t extent = node.attribute<int64_t>(name, 1);
    if (extent < 1) context.fail("attribute '{}': expected a positive number, found {}", name, extent);
    shape.emplace_back(extent);
  }
  int64_t ratio = node.attribute<int64_t>("sampling_ratio", 0);
  if (ratio < 0) context.fail("attribute 'sampling_ratio': expected 0 or more, found {}", ratio);
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// The samples of a bin along one axis.
struct SampledAxis {
  Dim extent = {};  // of the image
  Expr start;       // of the bin
  Expr step;        // between samples
  Expr count;
  Expr first, last;  // the samples [first, last) hold all that may lie in the image
};

class RoiAlignKernel {
 public:
  // Of regions of an image of the shape `image`, made tensors of the shape `pooled`.
  RoiAlignKernel(LowerContext& context, Shape image, Shape pooled)
      : context_(context),
        image_(std::move(image)),
        pooled_(std::move(pooled)),
        type_(compute_type(context.input_type(0).dtype)),
        maximum_(takes_maximum(context.node())),
        bins_(bins_of(context, pooled_)),
        body_(context) {}

  void run() {
    check_equal(context_, context_.input_shape(1)[1], 4, "numbers of a region");
    check_equal(context_, context_.input_shape(1)[0], context_.input_shape(2)[0], "number of regions");
    check_image(context_, {image_[2], image_[3]}, pooled_);
    check_batch_indices(context_, [&](const Expr& region) { return batch_of(region); });
    Expr batch = body_.define(batch_of(bins_.region));
    SampledAxis y = sampled(1, image_[2], bins_.row, pooled_[2]);
    SampledAxis x = sampled(0, image_[3], bins_.column, pooled_[3]);
    finish(context_, bins_, body_, [&](const Expr& channel) { return pool(batch, channel, y, x); });
  }

  // Input 0 is the cotangent of the pooled tensors; input 3 is what they are where maxima were taken, input 4
  // the image.
  void run_adjoint() {
    context_.map(context_.output(), [&](const Index&) { return constant(context_.output_type().dtype, 0); });
    Expr batch = body_.define(batch_of(bins_.region));
    SampledAxis y = sampled(1, image_[2], bins_.row, pooled_[2]);
    SampledAxis x = sampled(0, image_[3], bins_.column, pooled_[3]);
    VarId channel = context_.fresh_var();
    Block inner = body_.take();
    append(inner, give(batch, var(channel), y, x));
    emit_by_channel(context_, channel, pooled_[1], bins_, std::move(inner));
  }

 private:
  Expr number(double value) const { return constant(type_, value); }
  Expr batch_of(const Expr& region) const { return cast(context_.at_input(2, {region}), DType::kInt64); }
  Expr corner(int64_t i) const {
    double scale = context_.node().attribute<double>("spatial_scale", 1);
    Expr scaled = widen(context_.at_input(1, {bins_.region, integer(i)})) * number(scale);
    return is_half_pixel(context_.node()) ? scaled - number(0.5) : scaled;
  }

  // `i` is the position of the axis in a region: 0 for x, 1 for y.
  SampledAxis sampled(int64_t i, const Dim& extent, const Expr& bin, const Dim& bins) {
    Expr start = body_.define(corner(i));
    Expr length = corner(i + 2) - start;
    // Malformed regions have an extent of one.
    if (!is_half_pixel(context_.node())) length = max(length, number(1));
    Expr size = body_.define(length / extent_as(bins, type_));
    int64_t ratio = context_.node().attribute<int64_t>("sampling_ratio", 0);
    SampledAxis axis{.extent = extent, .start = {}, .step = {}, .count = {}, .first = {}, .last = {}};
    axis.count = ratio > 0 ? integer(ratio)
                           : body_.define(max(integer(0), cast(unary(ExprOp::kCeil, size), DType::kInt64)));
    axis.step = body_.define(size / cast(max(axis.count, integer(1)), type_));
    axis.start = body_.define(start + cast(bin, type_) * size);
    bound(axis);
    return axis;
  }
  Expr coordinate(const SampledAxis& axis, const Expr& sample) const {
    return axis.start + (cast(sample, type_) + number(0.5)) * axis.step;
  }
  // Steps are at least half an element where there are more samples than elements, so that a region that is
  // far larger than the image costs no more than the image.
  void bound(SampledAxis& axis) {
    Expr step = max(axis.step, number(1e-6));
    auto sample_at = [&](const Expr& position) {
      return cast(unary(ExprOp::kFloor, (position - axis.start) / step), DType::kInt64);
    };
    axis.first = body_.define(max(integer(0), min(axis.count, sample_at(number(-1)) - integer(1))));
    Expr end = extent_as(axis.extent, type_);
    axis.last = body_.define(max(axis.first, min(axis.count, sample_at(end) + integer(2))));
  }

  // The two elements of a sample, and whether it lies in the image.
  std::vector<AxisTap> taps(Block& body, const SampledAxis& axis, const Expr& sample, Expr& inside) {
    PlaceBody lets(context_);
    Expr position = lets.define(coordinate(axis, sample));
    inside = lets.define(position >= number(-1) && position <= extent_as(axis.extent, type_));
    position = lets.define(max(position, number(0)));
    Expr last = dim(axis.extent - Dim(1));
    Expr low = lets.define(max(integer(0), min(cast(position, DType::kInt64), last)));
    Expr fraction = select(low >= last, number(0), position - cast(low, type_));
    std::vector<AxisTap> result = {{low, number(1) - fraction}, {min(low + integer(1), last), fraction}};
    lets.define_all(result);
    append(body, lets.take());
    return result;
  }

  Block pool(const Expr& batch, const Expr& channel, const SampledAxis& y, const SampledAxis& x) {
    VarId sum = context_.fresh_var();
    VarId row = context_.fresh_var();
    VarId column = context_.fresh_var();
    Combiner combiner = maximum_ ? Combiner::kMax : Combiner::kSum;
    Expr row_inside, column_inside;
    Block rows, columns;
    std::vector<AxisTap> row_taps = taps(rows, y, var(row), row_inside);
    std::vector<AxisTap> column_taps = taps(columns, x, var(column), column_inside);
    Expr value = sample(batch, channel, row_taps, column_taps);
    value = select(row_inside && column_inside, value, number(0));
    columns.push_back(reduce_into(sum, combiner, value));
    rows.push_back(for_range(column, x.first, x.last, std::move(columns)));
    Block body = {let(sum, neutral(combiner, type_))};
    body.push_back(for_range(row, y.first, y.last, std::move(rows)));
    Expr result = finished(var(sum, type_), y, x);
    body.push_back(store(context_.output(), {bins_.region, channel, bins_.row, bins_.column},
                         cast(result, context_.output_type().dtype)));
    return body;
  }
  // Gives an element of the cotangent to those that it was pooled from: times their weights, or, of a
  // maximum, the first that is it.
  Block give(const Expr& batch, const Expr& channel, const SampledAxis& y, const SampledAxis& x) {
    VarId row = context_.fresh_var();
    VarId column = context_.fresh_var();
    VarId is_given = context_.fresh_var();
    Expr row_inside, column_inside;
    Block rows, columns;
    std::vector<AxisTap> row_taps = taps(rows, y, var(row), row_inside);
    std::vector<AxisTap> column_taps = taps(columns, x, var(column), column_inside);
    const Index bin = {bins_.region, channel, bins_.row, bins_.column};
    const Expr dy = widen(context_.at_input(0, bin));
    const Expr samples = cast(max(y.count * x.count, integer(1)), type_);
    for (const AxisTap& row_tap : row_taps) {
      for (const AxisTap& column_tap : column_taps) {
        Expr share = row_tap.weight * column_tap.weight;
        const Index element = {batch, channel, row_tap.index, column_tap.index};
        if (maximum_) {
          Expr is_it =
              equal(share * widen(context_.at_input(4, element)), widen(context_.at_input(3, bin))) &&
              equal(var(is_given), integer(0));
          VarId chosen = context_.fresh_var();
          columns.push_back(let(chosen, cast(is_it && row_inside && column_inside, DType::kInt64)));
          columns.push_back(reduce_into(is_given, Combiner::kMax, var(chosen)));
          share = share * cast(var(chosen), type_);
        } else {
          share = select(row_inside && column_inside, share / samples, number(0));
        }
        columns.push_back(Stmt{Scatter{context_.output(), element, Combiner::kSum, share * dy}});
      }
    }
    rows.push_back(for_range(column, x.first, x.last, std::move(columns)));
    return {let(is_given, integer(0)), for_range(row, y.first, y.last, std::move(rows))};
  }

  // The maximum is that of the four elements, each times its weight.
  Expr sample(const Expr& batch, const Expr& channel, const std::vector<AxisTap>& rows,
              const std::vector<AxisTap>& columns) const {
    auto element = [&](const Expr& row, const Expr& column) {
      return widen(context_.at_input(0, {batch, channel, row, column}));
    };
    if (!maximum_) return blend({rows, columns}, [&](const Index& at) { return element(at[0], at[1]); });
    Expr result;
    for (const AxisTap& row : rows) {
      for (const AxisTap& column : columns) {
        Expr part = row.weight * column.weight * element(row.index, column.index);
        result = result ? max(result, part) : part;
      }
    }
    return result;
  }
  Expr finished(const Expr& sum, const SampledAxis& y, const SampledAxis& x) const {
    Expr samples = y.count * x.count;
    if (!maximum_) return sum / cast(max(samples, integer(1)), type_);
    // Samples outside of the image, which the loops may leave out, are 0.
    Expr is_whole = equal(y.last - y.first, y.count) && equal(x.last - x.first, x.count);
    Expr result = select(is_whole, sum, max(sum, number(0)));
    return select(samples > integer(0), result, number(0));
  }

  LowerContext& context_;
  Shape image_, pooled_;
  DType type_;
  bool maximum_;
  Bins bins_;
  PlaceBody body_;
};

void lower_roi_align(LowerContext& context) {
  RoiAlignKernel(context, context.input_shape(0), context.output_shape()).run();
}

// Inputs: the cotangent, the regions and their batches, and of maxima the result and the image; `dims` has
// the extents of the image.
void infer_region_adjoint(InferContext& context) {
  require_rank(context, 0, 4);
  context.set_output(0, Type(context.dtype(0), dims_attribute(context.node())));
}

void lower_roi_align_adjoint(LowerContext& context) {
  RoiAlignKernel(context, context.output_shape(), context.input_shape(0)).run_adjoint();
}

// Before version 16 coordinates were those of the output's pixels.
void upgrade_roi_align(Graph&, Node& node, int) {
  node.set_attribute("coordinate_transformation_mode", std::string("output_half_pixel"));
}

// ---- MaxRoiPool -------------------------------------------------------------------------------------------

void infer_max_roi_pool(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank(context, 0, 4);
  require_rank(context, 1, 2);
  require_equal_extents(context, context.shape(1)[1], 5, "numbers of a region");
  auto pooled = context.node().attribute<std::vector<int64_t>>("pooled_shape");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1)
    context.fail("attribute 'pooled_shape': expected two positive numbers");
  context.set_output(
      0, Type(context.dtype(0), {context.shape(1)[0], context.shape(0)[1], pooled[0], pooled[1]}));
}

// The elements [begin, end) of a bin along one axis; `corner` is the position of its start in a region.
struct BinRange {
  Expr begin, end;
};
BinRange bin_range(LowerContext& context, PlaceBody& body, const Expr& region, int64_t corner,
                   const Dim& extent, const Expr& bin, const Dim& bins) {
  DType type = compute_type(context.input_type(0).dtype);
  double scale = context.node().attribute<double>("spatial_scale", 1);
  auto rounded = [&](int64_t i) {
    // Halves are rounded away from zero.
    Expr x = widen(context.at_input(1, {region, integer(i)})) * constant(type, scale);
    Expr up = unary(ExprOp::kFloor, unary(ExprOp::kAbs, x) + constant(type, 0.5));
    // Far from overflow, where every bin is empty or the whole axis.
    Expr limit = constant(type, 0x1p30);
    return body.define(min(limit, max(-limit, binary(ExprOp::kCopysign, up, x))));
  };
  Expr start = rounded(corner);
  Expr length = max(rounded(corner + 2) - start + constant(type, 1), constant(type, 1));
  Expr size = body.define(length / extent_as(bins, type));
  auto clamped = [&](ExprOp round, const Expr& position) {
    Expr offset = cast(unary(round, cast(position, type) * size), DType::kInt64);
    return body.define(max(integer(0), min(offset + cast(start, DType::kInt64), dim(extent))));
  };
  return {clamped(ExprOp::kFloor, bin), clamped(ExprOp::kCeil, bin + integer(1))};
}

// A kernel on the elements of bins.
class MaxRoiPoolKernel {
 public:
  // Of regions of an image of the shape `image`, made tensors of the shape `pooled`.
  MaxRoiPoolKernel(LowerContext& context, const Shape& image, const Shape& pooled)
      : context_(context),
        type_(compute_type(context.input_type(0).dtype)),
        channels_(pooled[1]),
        bins_(bins_of(context, pooled)),
        body_(context) {
    batch_ = body_.define(batch_of(bins_.region));
    x_ = bin_range(context, body_, bins_.region, 1, image[3], bins_.column, pooled[3]);
    y_ = bin_range(context, body_, bins_.region, 2, image[2], bins_.row, pooled[2]);
  }

  void run() {
    finish(context_, bins_, body_, [&](const Expr& channel) {
      VarId best = context_.fresh_var();
      Expr is_empty = y_.end <= y_.begin || x_.end <= x_.begin;
      Expr result = select(is_empty, constant(type_, 0), var(best, type_));
      Stmt loops = over_elements([&](const Expr& row, const Expr& column) {
        Expr element = widen(context_.at_input(0, {batch_, channel, row, column}));
        return Block{reduce_into(best, Combiner::kMax, element)};
      });
      return Block{let(best, neutral(Combiner::kMax, type_)), std::move(loops),
                   store(context_.output(), {bins_.region, channel, bins_.row, bins_.column},
                         cast(result, context_.output_type().dtype))};
    });
  }

  // Inputs: the cotangent, the regions, what was pooled, the image. The first element that is the maximum
  // gets it.
  void run_adjoint() {
    context_.map(context_.output(), [&](const Index&) { return constant(context_.output_type().dtype, 0); });
    VarId channel = context_.fresh_var();
    VarId is_given = context_.fresh_var();
    VarId chosen = context_.fresh_var();
    const Index bin = {bins_.region, var(channel), bins_.row, bins_.column};
    Block body = body_.take();
    body.push_back(let(is_given, integer(0)));
    body.push_back(over_elements([&](const Expr& row, const Expr& column) {
      const Index element = {batch_, var(channel), row, column};
      Expr is_it =
          equal(context_.at_input(3, element), context_.at_input(2, bin)) && equal(var(is_given), integer(0));
      Expr share =
          cast(cast(var(chosen), type_) * widen(context_.at_input(0, bin)), context_.output_type().dtype);
      return Block{let(chosen, cast(is_it, DType::kInt64)),
                   reduce_into(is_given, Combiner::kMax, var(chosen)),
                   Stmt{Scatter{context_.output(), element, Combiner::kSum, share}}};
    }));
    emit_by_channel(context_, channel, channels_, bins_, std::move(body));
  }

  Expr batch_of(const Expr& region) const {
    return cast(context_.at_input(1, {region, integer(0)}), DType::kInt64);
  }

 private:
  Stmt over_elements(const std::function<Block(const Expr& row, const Expr& column)>& body) {
    VarId row = context_.fresh_var();
    VarId column = context_.fresh_var();
    return for_range(row, y_.begin, y_.end,
                     {for_range(column, x_.begin, x_.end, body(var(row), var(column)))});
  }

  LowerContext& context_;
  DType type_;
  Dim channels_;
  Bins bins_;
  PlaceBody body_;
  Expr batch_;
  BinRange x_, y_;
};

void lower_max_roi_pool(LowerContext& context) {
  check_equal(context, context.input_shape(1)[1], 5, "numbers of a region");
  check_batch_indices(context, [&](const Expr& region) {
    return cast(context.at_input(1, {region, integer(0)}), DType::kInt64);
  });
  MaxRoiPoolKernel(context, context.input_shape(0), context.output_shape()).run();
}

void lower_max_roi_pool_adjoint(LowerContext& context) {
  MaxRoiPoolKernel(context, context.output_shape(), context.input_shape(0)).run_adjoint();
}

// ---- NonMaxSuppression ------------------------------------------------------------------------------------

void infer_non_max_suppression(InferContext& context) {
  require_rank(context, 0, 3);
  require_rank(context, 1, 3);
  const Shape& boxes = context.shape(0);
  const Shape& scores = context.shape(1);
  require_equal_extents(context, boxes[0], scores[0], "batch");
  require_equal_extents(context, boxes[1], scores[2], "number of boxes");
  require_equal_extents(context, boxes[2], 4, "numbers of a box");
  Dim most = scores[2];
  auto limit = known_ints(context.node().input(2));
  if (limit && limit->size() == 1) most = min(most, Dim(std::max<int64_t>(0, limit->front())));
  Dim count = context.fresh_symbol("selected", {scores[0] * scores[1] * most});
  context.set_output(0, Type(DType::kInt64, {count, 3}));
}

void lower_non_max_suppression(LowerContext& context) {
  const Shape& boxes = context.input_shape(0);
  const Shape& scores = context.input_shape(1);
  check_equal(context, boxes[0], scores[0], "batch");
  check_equal(context, boxes[1], scores[2], "number of boxes");
  check_equal(context, boxes[2], 4, "numbers of a box");
  Call call{.symbol = "dlc_non_max_suppression", .inputs = {}, .outputs = {context.output()}, .params = {}};
  for (size_t i = 0; i < 5; ++i) {
    bool given = context.has_input(i);
    if (given && i >= 2) check_equal(context, product(context.input_shape(i)), 1, "number of thresholds");
    call.inputs.push_back(given ? context.dense(context.input(i)) : BufferId::kNone);
  }
  add_callee_scratch(context, call);
  call.params = {integer(context.node().attribute<int64_t>("center_point_box", 0))};
  call.bindings.push_back({0, 0, context.output_shape()[0].symbol_name()});
  context.call(std::move(call));
}

}  // namespace

std::vector<OpDef> region_records() {
  return {
      {.name = "RoiAlign",
       .infer = infer_roi_align,
       .lower = lower_roi_align,
       .upgrades = {{16, upgrade_roi_align}}},
      {.name = "MaxRoiPool", .infer = infer_max_roi_pool, .lower = lower_max_roi_pool},
      {.domain = "dlc",
       .name = "RoiAlignGradient",
       .infer = infer_region_adjoint,
       .lower = lower_roi_align_adjoint},
      {.domain = "dlc",
       .name = "MaxRoiPoolGradient",
       .infer = infer_region_adjoint,
       .lower = lower_max_roi_pool_adjoint},
      {.name = "NonMaxSuppression", .infer = infer_non_max_suppression, .lower = lower_non_max_suppression},
  };
}

}  // namespace dlc::ir

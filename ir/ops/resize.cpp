// Resize: nearest neighbours in one pass; linear and cubic filters axis by axis, or in one pass where few
// elements are blended. What depends on the place along one axis only is in a table.
#include <algorithm>
#include <cmath>

#include "ir/ops/image.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/resize_tables.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

constexpr size_t kRoi = 1, kScales = 2, kSizes = 3;  // inputs
constexpr int64_t kMaxUnrolledTaps = 4;              // of one axis
constexpr int64_t kMaxBlended = 8;                   // elements that one pass blends

// ---- The node's form --------------------------------------------------------------------------------------

// Older files give an absent input as an empty tensor.
bool is_given(const Node& node, size_t input) {
  const Value* value = node.input(input);
  return value != nullptr && !(value->shape().size() == 1 && value->shape()[0] == Dim(0));
}

std::string text_attribute(const Node& node, std::string_view name, std::string fallback) {
  return node.attribute<std::string>(name, std::move(fallback));
}

// What is known of a valid node before the run.
struct ResizeForm {
  ResizeFilter filter;
  ResizePolicy policy;
  std::vector<size_t> axes;
  bool by_scales;                            // or by sizes
  std::optional<std::vector<float>> scales;  // one an axis
  std::optional<std::vector<Dim>> sizes;
};

std::vector<size_t> resized_axes(const Node& node) {
  auto rank = static_cast<int64_t>(node.input(0)->shape().size());
  std::vector<int64_t> given = node.attribute<std::vector<int64_t>>("axes", all_axes(rank));
  std::vector<size_t> result;
  for (int64_t axis : given) result.push_back(static_cast<size_t>(axis < 0 ? axis + rank : axis));
  return result;
}

ResizeFilter filter_of(const Node& node) {
  ResizeFilter filter;
  filter.mode = *resize_mode(text_attribute(node, "mode", "nearest"));
  filter.coordinates =
      *resize_coordinates(text_attribute(node, "coordinate_transformation_mode", "half_pixel"));
  filter.rounding = *resize_rounding(text_attribute(node, "nearest_mode", "round_prefer_floor"));
  filter.antialias = filter.mode != ResizeMode::kNearest && node.attribute<int64_t>("antialias", 0) != 0;
  filter.exclude_outside = node.attribute<int64_t>("exclude_outside", 0) != 0;
  filter.cubic_a = node.attribute<double>("cubic_coeff_a", -0.75);
  return filter;
}

ResizeForm form_of(const Node& node) {
  ResizeForm form{.filter = filter_of(node),
                  .policy = *resize_policy(text_attribute(node, "keep_aspect_ratio_policy", "stretch")),
                  .axes = resized_axes(node),
                  .by_scales = is_given(node, kScales),
                  .scales = {},
                  .sizes = {}};
  if (form.by_scales && node.input(kScales)->is_constant()) {
    const Tensor& tensor = node.input(kScales)->constant();
    form.scales.emplace();
    for (int64_t i = 0; i < tensor.size(); ++i)
      form.scales->push_back(static_cast<float>(tensor.get_double(i)));
  }
  if (!form.by_scales) form.sizes = known_values(node.input(kSizes));
  return form;
}

// ---- Inference --------------------------------------------------------------------------------------------

void check_attributes(InferContext& context) {
  const Node& node = context.node();
  auto check_name = [&](const char* name, const char* fallback, auto find) {
    std::string text = text_attribute(node, name, fallback);
    if (!find(text)) context.fail("attribute '{}': '{}' is not known", name, text);
  };
  check_name("mode", "nearest", resize_mode);
  check_name("coordinate_transformation_mode", "half_pixel", resize_coordinates);
  check_name("nearest_mode", "round_prefer_floor", resize_rounding);
  check_name("keep_aspect_ratio_policy", "stretch", resize_policy);
  if (node.has("axes"))
    normalize_axes(context, node.attribute<std::vector<int64_t>>("axes"), context.rank(0));
}

void check_inputs(InferContext& context) {
  const Node& node = context.node();
  if (is_given(node, kScales) == is_given(node, kSizes)) {
    context.fail("expected one of the inputs 'scales' and 'sizes', found {}",
                 is_given(node, kScales) ? "both" : "none");
  }
  Dim count = static_cast<int64_t>(resized_axes(node).size());
  auto check_length = [&](size_t input, const Dim& length, const char* name) {
    require_rank(context, input, 1);
    require_equal_extents(context, context.shape(input)[0], length, fmt::format("length of {}", name));
  };
  if (is_given(node, kScales)) check_length(kScales, count, "scales");
  if (is_given(node, kSizes)) check_length(kSizes, count, "sizes");
  ResizeFilter filter = filter_of(node);
  if (filter.mode != ResizeMode::kNearest) require_type(context, 0, TypeClass::kNumeric);
  if (filter.coordinates != ResizeCoordinates::kTfCropAndResize) return;
  if (!is_given(node, kRoi)) context.fail("tf_crop_and_resize needs the input 'roi'");
  check_length(kRoi, count * Dim(2), "roi");
}

// floor(extent * scale), where it has a closed form.
std::optional<Dim> scaled_extent(const Dim& extent, float scale) {
  if (extent.is_constant()) {
    float scaled = std::floor(static_cast<float>(extent.value()) * scale);
    if (scaled < 0x1p62f) return Dim(static_cast<int64_t>(scaled));
    return std::nullopt;
  }
  // A quotient of small numbers, with which the product in single precision is exact.
  constexpr float kDenominator = 1024;
  float numerator = scale * kDenominator;
  if (numerator != std::floor(numerator) || numerator > 0x1p20f) return std::nullopt;
  return floor_div(extent * Dim(static_cast<int64_t>(numerator)), Dim(static_cast<int64_t>(kDenominator)));
}

Dim extent_by_scale(InferContext& context, const ResizeForm& form, size_t i) {
  const Dim& extent = context.shape(0)[form.axes[i]];
  if (!form.scales) return context.fresh_symbol("resize");
  float scale = (*form.scales)[i];
  if (!(scale > 0) || !std::isfinite(scale))
    context.fail("scales: expected positive numbers, found {}", scale);
  if (auto scaled = scaled_extent(extent, scale)) return *scaled;
  if (extent.is_constant() || scale > 0x1p30f) context.fail("scale {} makes the output too large", scale);
  return context.fresh_symbol("resize", {extent * Dim(static_cast<int64_t>(std::ceil(scale)))});
}

// The common scale of all axes under a policy that keeps the aspect ratio.
double kept_scale(const ResizeForm& form, const Shape& input, const std::vector<int64_t>& sizes) {
  std::optional<double> result;
  for (size_t i = 0; i < sizes.size(); ++i) {
    double scale = static_cast<double>(sizes[i]) / static_cast<double>(input[form.axes[i]].value());
    bool smaller = form.policy == ResizePolicy::kNotLarger;
    if (!result || (smaller ? scale < *result : scale > *result)) result = scale;
  }
  return result.value_or(1);
}

bool all_known(const ResizeForm& form, const Shape& input) {
  return form.sizes && is_static(*form.sizes) &&
         std::all_of(form.axes.begin(), form.axes.end(), [&](size_t a) { return input[a].is_constant(); });
}

Dim extent_by_size(InferContext& context, const ResizeForm& form, size_t i) {
  const Shape& input = context.shape(0);
  if (form.policy != ResizePolicy::kStretch && all_known(form, input)) {
    double scale = kept_scale(form, input, static_shape(*form.sizes));
    double rounded = std::floor(scale * static_cast<double>(input[form.axes[i]].value()) + 0.5);
    if (!(rounded >= 0 && rounded < 0x1p62)) context.fail("sizes: expected positive numbers");
    return static_cast<int64_t>(rounded);
  }
  if (form.policy != ResizePolicy::kStretch || !form.sizes) return context.fresh_symbol("resize");
  const Dim& size = (*form.sizes)[i];
  if (size.is_constant() && size.value() < 0)
    context.fail("sizes: expected 0 or more, found {}", size.value());
  return size;
}

void infer_resize(InferContext& context) {
  if (context.dtype(0) == DType::kString) context.fail("input 0: expected numbers, found strings");
  check_attributes(context);
  check_inputs(context);
  ResizeForm form = form_of(context.node());
  Shape shape = context.shape(0);
  for (size_t i = 0; i < form.axes.size(); ++i) {
    const Dim& input = context.shape(0)[form.axes[i]];
    Dim extent = form.by_scales ? extent_by_scale(context, form, i) : extent_by_size(context, form, i);
    if (input == Dim(0) && extent.is_constant() && extent != Dim(0))
      context.fail("axis {} has no elements to make {} of", form.axes[i], extent.value());
    shape[form.axes[i]] = extent;
  }
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// ---- Lowering ---------------------------------------------------------------------------------------------

class ResizeLowering {
 public:
  // From the shape `input` to the shape `output`: those of the node, or of the one that it is the adjoint of.
  ResizeLowering(LowerContext& context, Shape input, Shape output)
      : context_(context),
        input_(std::move(input)),
        output_(std::move(output)),
        form_(form_of(context.node())),
        type_(coordinate_type(form_.filter)) {}

  void run() {
    bind_outputs();
    make_tables();
    if (tables_.empty()) return context_.alias_output(0, context_.input(0));
    BufferId from = context_.input(0);
    std::vector<std::vector<ResizeTable>> passes = passes_of(tables_);
    for (size_t i = 0; i < passes.size(); ++i) from = emit_pass(from, passes[i], i + 1 == passes.size());
  }

  // Input 0 is the cotangent of the output, output 0 that of the input.
  void run_adjoint() {
    make_tables();
    if (tables_.empty()) return context_.alias_output(0, context_.input(0));
    BufferId from = context_.input(0);
    for (size_t i = tables_.size(); i-- > 0;) from = emit_adjoint_pass(from, i);
    context_.map_output(
        [&](const Index& index) { return cast(context_.at(from, index), context_.output_type().dtype); });
  }

 private:
  void make_tables() {
    for (size_t i = 0; i < form_.axes.size(); ++i) {
      if (!is_identity(i)) tables_.push_back(table_of(i));
    }
  }

  const Dim& input_extent(size_t i) const { return input_[form_.axes[i]]; }
  const Dim& output_extent(size_t i) const { return output_[form_.axes[i]]; }
  Expr element(size_t input, size_t i) const {
    return context_.at_input(input, {integer(static_cast<int64_t>(i))});
  }
  bool crops() const { return form_.filter.coordinates == ResizeCoordinates::kTfCropAndResize; }
  bool keeps_ratio() const { return !form_.by_scales && form_.policy != ResizePolicy::kStretch; }

  // ---- Extents and scales

  Expr size(size_t i) const {
    return form_.sizes ? dim((*form_.sizes)[i]) : cast(element(kSizes, i), DType::kInt64);
  }
  Expr ratio(size_t i, DType type) const { return cast(size(i), type) / extent_as(input_extent(i), type); }
  // The scale that all axes have where the aspect ratio is kept.
  Expr kept_ratio(DType type) const {
    Expr result = ratio(0, type);
    for (size_t i = 1; i < form_.axes.size(); ++i) {
      bool smaller = form_.policy == ResizePolicy::kNotLarger;
      result = smaller ? min(result, ratio(i, type)) : max(result, ratio(i, type));
    }
    return result;
  }
  Expr given_scale(size_t i, DType type) const {
    if (form_.scales) return constant(type, (*form_.scales)[i]);
    return cast(cast(element(kScales, i), DType::kFloat), type);
  }
  Expr scale(size_t i, DType type) const {
    if (form_.by_scales) return given_scale(i, type);
    return keeps_ratio() ? kept_ratio(type) : ratio(i, type);
  }

  void bind_outputs() {
    if (form_.by_scales && !form_.scales) {
      auto is_positive = [&](const Index& index) {
        Expr value = cast(context_.at_input(kScales, index), DType::kFloat);
        return value > constant(DType::kFloat, 0) && value < constant(DType::kFloat, INFINITY);
      };
      check_all(context_, {Dim(static_cast<int64_t>(form_.axes.size()))},
                {is_positive, [](const Index& index) { return index[0]; },
                 "position of a scale that is not positive", "none"});
    }
    std::vector<RuntimeExtent> extents;
    for (size_t i = 0; i < form_.axes.size(); ++i) {
      if (auto extent = runtime_extent(i)) extents.push_back({form_.axes[i], *extent});
    }
    bind_extents(context_, 0, extents, "resized extent");
    for (size_t i = 0; i < form_.axes.size(); ++i) {
      auto low = lower_bound(input_extent(i));
      if (low && *low > 0) continue;
      // Nothing can be made of an empty axis.
      check_equal(context_, min(output_extent(i), Dim(1)) * (Dim(1) - min(input_extent(i), Dim(1))), 0,
                  "resizing an empty axis");
    }
  }
  // Nothing where inference knows it.
  std::optional<Expr> runtime_extent(size_t i) const {
    auto floored = [](const Expr& x) { return cast(unary(ExprOp::kFloor, x), DType::kInt64); };
    if (form_.by_scales) {
      if (form_.scales && scaled_extent(input_extent(i), (*form_.scales)[i])) return std::nullopt;
      return floored(extent_as(input_extent(i), DType::kFloat) * given_scale(i, DType::kFloat));
    }
    if (!keeps_ratio()) return form_.sizes ? std::nullopt : std::optional(size(i));
    if (all_known(form_, input_)) return std::nullopt;
    Expr scaled = extent_as(input_extent(i), DType::kDouble) * kept_ratio(DType::kDouble);
    return floored(scaled + constant(DType::kDouble, 0.5));
  }

  // ---- Tables

  bool is_identity(size_t i) const {
    if (crops()) return false;
    if (form_.by_scales) return form_.scales && (*form_.scales)[i] == 1;
    return !keeps_ratio() && input_extent(i) == output_extent(i);
  }

  ResizeTable table_of(size_t i) {
    ResizeAxis axis{.axis = form_.axes[i], .input = input_extent(i), .output = output_extent(i)};
    axis.scale = scale(i, type_);
    bool is_exact = !form_.by_scales && !keeps_ratio();
    axis.width = is_exact ? extent_as(axis.output, type_) : axis.scale * extent_as(axis.input, type_);
    if (form_.filter.mode != ResizeMode::kNearest) axis.taps = taps(i);
    if (crops()) {
      axis.roi_start = cast(element(kRoi, i), type_);
      axis.roi_end = cast(element(kRoi, i + form_.axes.size()), type_);
    }
    return make_resize_table(context_, axis, form_.filter, weight_type());
  }

  // Twice the radius of the filter, which antialiasing stretches where the axis shrinks.
  Dim taps(size_t i) {
    int64_t radius = filter_radius(form_.filter);
    if (!form_.filter.antialias) return 2 * radius;
    if (form_.scales) {
      double stretched = std::ceil(static_cast<double>(radius) / static_cast<double>((*form_.scales)[i]));
      return 2 * std::max(radius, static_cast<int64_t>(std::min(stretched, 0x1p31)));
    }
    if (!form_.by_scales && !keeps_ratio()) {
      return Dim(2) *
             max(Dim(radius), ceil_div(Dim(radius) * input_extent(i), max(output_extent(i), Dim(1))));
    }
    Expr stretched = constant(DType::kDouble, static_cast<double>(radius)) / scale(i, DType::kDouble);
    Expr count = max(integer(radius), cast(unary(ExprOp::kCeil, stretched), DType::kInt64));
    return Dim(2) * bind_number(context_, count, 0, INT32_MAX, "width of the filter");
  }

  // The type of weights and of values between two passes.
  DType weight_type() const {
    DType type = context_.input_type(0).dtype;
    bool wide = type == DType::kDouble || (is_integer(type) && bit_width(type) > 16);
    return wide ? DType::kDouble : DType::kFloat;
  }

  // ---- Passes

  // One pass where a few elements are blended into fewer, else one an axis, so that only that of the
  // innermost axis picks its elements one by one. Axes that shrink come first, outermost first; then those
  // that grow, innermost first: the passes that pick then make few elements.
  std::vector<std::vector<ResizeTable>> passes_of(const std::vector<ResizeTable>& tables) const {
    Dim blended = 1;
    bool any_grows = false;
    for (const ResizeTable& table : tables) {
      blended *= table.taps;
      any_grows = any_grows || grows(table);
    }
    const bool is_few = blended.is_constant() && blended.value() <= kMaxBlended;
    if (is_few && (!any_grows || form_.filter.mode == ResizeMode::kNearest)) return {tables};
    std::vector<std::vector<ResizeTable>> passes;
    for (const ResizeTable& table : tables) {
      if (!grows(table)) passes.push_back({table});
    }
    for (size_t i = tables.size(); i-- > 0;) {
      if (grows(tables[i])) passes.push_back({tables[i]});
    }
    return passes;
  }
  bool grows(const ResizeTable& table) const {
    const Dim &from = input_[table.axis], &to = output_[table.axis];
    return from.is_constant() && to.is_constant() && to.value() > from.value();
  }

  BufferId emit_pass(BufferId from, const std::vector<ResizeTable>& tables, bool last) {
    Shape shape = context_.program().buffer(from).shape;
    for (const ResizeTable& table : tables) shape[table.axis] = output_[table.axis];
    BufferId to = last ? context_.output() : context_.temp(weight_type(), shape, "resize.part");
    auto finish = [&](const Expr& value, const Index& index) {
      return last ? to_output(value, index) : value;
    };
    if (unrolls(tables)) {
      context_.map(to, [&](const Index& index) { return finish(blend(from, tables, 0, index), index); });
      return to;
    }
    std::vector<VarId> vars = loop_vars(context_, shape);
    Index index = index_of(vars);
    VarId sum = context_.fresh_var();
    VarId tap = context_.fresh_var();
    Block body = {let(sum, constant(weight_type(), 0))};
    body.push_back(for_range(tap, integer(0), dim(tables[0].taps),
                             {reduce_into(sum, Combiner::kSum, part(from, tables, 0, var(tap), index))}));
    body.push_back(store(to, index, finish(var(sum, weight_type()), index)));
    context_.loop_nest(nest(vars, shape, shape.size(), std::move(body)));
    return to;
  }
  static bool unrolls(const std::vector<ResizeTable>& tables) {
    return std::all_of(tables.begin(), tables.end(), [](const ResizeTable& table) {
      return table.taps.is_constant() && table.taps.value() <= kMaxUnrolledTaps;
    });
  }

  // The element of `from` at an index into the output of the pass, blended along the tables from `next` on.
  Expr blend(BufferId from, const std::vector<ResizeTable>& tables, size_t next, const Index& index) const {
    if (next == tables.size()) {
      Expr value = context_.at(from, index);
      return form_.filter.mode == ResizeMode::kNearest ? value : cast(value, weight_type());
    }
    Expr result = part(from, tables, next, integer(0), index);
    for (int64_t tap = 1; tap < tables[next].taps.value(); ++tap)
      result = result + part(from, tables, next, integer(tap), index);
    return result;
  }
  Expr part(BufferId from, const std::vector<ResizeTable>& tables, size_t next, const Expr& tap,
            const Index& index) const {
    const ResizeTable& table = tables[next];
    Index source = index;
    source[table.axis] = context_.at(table.index, {tap, index[table.axis]});
    Expr value = blend(from, tables, next + 1, source);
    if (table.weight == BufferId::kNone) return value;
    return context_.at(table.weight, {tap, index[table.axis]}) * value;
  }

  // Gives every element of `from` to those that it was blended from along one axis. What lies outside of the
  // input was made of none.
  BufferId emit_adjoint_pass(BufferId from, size_t number) {
    const ResizeTable& table = tables_[number];
    const Shape given = context_.program().buffer(from).shape;
    Shape shape = given;
    shape[table.axis] = input_[table.axis];
    BufferId to = context_.temp(weight_type(), shape, "resize.adjoint");
    context_.map(to, [&](const Index&) { return constant(weight_type(), 0); });
    std::vector<VarId> vars = loop_vars(context_, given);
    const Index index = index_of(vars);
    VarId tap = context_.fresh_var();
    Index target = index;
    target[table.axis] = context_.at(table.index, {var(tap), index[table.axis]});
    Expr value = cast(context_.at(from, index), weight_type());
    if (number + 1 == tables_.size() && crops())
      value = select(lies_inside(index), value, constant(weight_type(), 0));
    if (table.weight != BufferId::kNone)
      value = context_.at(table.weight, {var(tap), index[table.axis]}) * value;
    Block body = {for_range(tap, integer(0), dim(table.taps),
                            {Stmt{Scatter{to, std::move(target), Combiner::kSum, std::move(value)}}})};
    // Elements along the axis meet; the axes before it are apart.
    context_.loop_nest(nest(vars, given, table.axis, std::move(body)), "resize.adjoint");
    return to;
  }
  Expr lies_inside(const Index& index) const {
    Expr inside = boolean(true);
    for (const ResizeTable& table : tables_)
      inside = inside && context_.at(table.inside, {index[table.axis]});
    return inside;
  }

  // In the output's type; the extrapolation value outside of the input.
  Expr to_output(Expr value, const Index& index) const {
    DType type = context_.output_type().dtype;
    if (is_integer(type) && is_float(value.type())) value = unary(ExprOp::kRoundEven, value);
    if (value.type() != type) value = cast(value, type);
    if (!crops()) return value;
    double outside = context_.node().attribute<double>("extrapolation_value", 0);
    return select(lies_inside(index), value, cast(constant(DType::kFloat, outside), type));
  }

  LowerContext& context_;
  Shape input_, output_;
  ResizeForm form_;
  DType type_;
  std::vector<ResizeTable> tables_;
};

void lower_resize(LowerContext& context) {
  ResizeLowering(context, context.input_shape(0), context.output_shape()).run();
}

// ---- The adjoint ------------------------------------------------------------------------------------------

// The other inputs and the attributes are those of the Resize; `dims` has the extents of its input.
void infer_resize_gradient(InferContext& context) {
  Shape shape = dims_attribute(context.node());
  require_type(context, 0, TypeClass::kFloat);
  require_rank(context, 0, static_cast<int64_t>(shape.size()));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

void lower_resize_gradient(LowerContext& context) {
  ResizeLowering(context, context.output_shape(), context.input_shape(0)).run_adjoint();
}

// ---- Upgrades ---------------------------------------------------------------------------------------------

// What was not to choose before version 11.
Attributes attributes_of_version_10(const Node& node) {
  return {{"mode", text_attribute(node, "mode", "nearest")},
          {"coordinate_transformation_mode", std::string("asymmetric")},
          {"nearest_mode", std::string("downsample_ceil")}};
}

// Scales become the third input.
void upgrade_resize(Graph& graph, Node& node, int) {
  Value* result = insert_op(graph, node, "Resize", {node.input(0), nullptr, node.input(1)},
                            attributes_of_version_10(node));
  graph.replace_all_uses(node.output(0), result);
  graph.erase(&node);
}

// Upsample is a Resize. Its scales were attributes: of the last two axes, and then of all.
void upgrade_upsample(Graph& graph, Node& node, int) {
  std::vector<double> scales;
  if (node.has("height_scale"))
    scales = {1, 1, node.attribute<double>("height_scale"), node.attribute<double>("width_scale")};
  if (node.has("scales")) scales = node.attribute<std::vector<double>>("scales");
  Value* input = node.input(1);
  if (input == nullptr) {
    Tensor tensor(DType::kFloat, {static_cast<int64_t>(scales.size())});
    for (size_t i = 0; i < scales.size(); ++i) tensor.set_double(static_cast<int64_t>(i), scales[i]);
    input = graph.add_constant(graph.unique_name("scales"), std::move(tensor));
  }
  Attributes attributes = attributes_of_version_10(node);
  std::string& mode = std::get<std::string>(attributes["mode"]);
  if (mode == "bilinear") mode = "linear";
  Value* result = insert_op(graph, node, "Resize", {node.input(0), nullptr, input}, attributes);
  graph.replace_all_uses(node.output(0), result);
  graph.erase(&node);
}

}  // namespace

std::vector<OpDef> resize_records() {
  return {
      {.name = "Resize", .infer = infer_resize, .lower = lower_resize, .upgrades = {{11, upgrade_resize}}},
      {.name = "Upsample",
       .infer = infer_resize,
       .lower = lower_resize,
       .upgrades = {{10, upgrade_upsample}}},
      {.domain = "dlc",
       .name = "ResizeGradient",
       .infer = infer_resize_gradient,
       .lower = lower_resize_gradient},
  };
}

}  // namespace dlc::ir

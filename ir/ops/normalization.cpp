// Normalisations: rows of a tensor made to have mean 0 and variance 1, or norm 1.
#include "ir/ops/normalization.h"

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/row_statistics.h"

namespace dlc::ir {
namespace {

double epsilon_of(const LowerContext& context) { return context.node().attribute<double>("epsilon", 1e-5F); }

// ---- LayerNormalization, RMSNormalization -----------------------------------------------------------------

size_t first_axis(const InferContext& context) {
  int64_t axis = context.node().attribute<int64_t>("axis", -1);
  return static_cast<size_t>(context.normalize_axis(axis, context.rank(0)));
}

DType stash_type(const Node& node, DType type) {
  bool given = node.attribute<int64_t>("stash_type", 1) == static_cast<int64_t>(DType::kFloat);
  return given && type != DType::kDouble ? DType::kFloat : compute_type(type);
}

Shape statistics_shape(const Shape& shape, size_t axis) {
  Shape result = shape;
  for (size_t i = axis; i < shape.size(); ++i) result[i] = 1;
  return result;
}

void infer_row_norm(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  require_same_types(context, TypeClass::kFloat, 1);
  require_rank_at_least(context, 0, 1);
  size_t axis = first_axis(context);
  for (size_t i = 1; i < context.node().inputs().size(); ++i) {
    if (context.has_input(i))
      require_broadcasts_to(context, context.shape(i), context.shape(0), "scale and bias");
  }
  // RMSNormalization's scale has a type of its own, which is the result's.
  context.set_output(0, Type(context.dtype(1), context.shape(0)));
  DType statistics = stash_type(context.node(), context.dtype(0));
  // LayerNormalization's mean and inverse standard deviation.
  context.set_output(1, Type(statistics, statistics_shape(context.shape(0), axis)));
  context.set_output(2, Type(statistics, statistics_shape(context.shape(0), axis)));
}

// The axes from `axis` on are a row; scale and bias broadcast to the whole.
RowDomain trailing_rows(LowerContext& context, size_t axis) {
  const Shape& shape = context.input_shape(0);
  RowDomain rows;
  rows.outer.assign(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis));
  rows.inner.assign(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  rows.index = [](const Index& outer, const Index& inner) {
    Index index = outer;
    index.insert(index.end(), inner.begin(), inner.end());
    return index;
  };
  return rows;
}

void store_statistics(LowerContext& context, RowStatistics& kernel, size_t output, const Expr& value) {
  if (!context.has_output(output)) return;
  Index index = kernel.outer_index();
  index.resize(context.output_shape(output).size(), integer(0));
  kernel.add(store(context.output(output), index, cast(value, context.output_type(output).dtype)));
}

Expr scaled(LowerContext& context, const Expr& value, const Index& index) {
  const Shape& shape = context.input_shape(0);
  Expr result = value;
  if (context.has_input(1)) {
    result = result * cast(context.at_broadcast(context.input(1), index, shape), value.type());
  }
  if (context.has_input(2)) {
    result = result + cast(context.at_broadcast(context.input(2), index, shape), value.type());
  }
  return result;
}

void check_parameters(LowerContext& context) {
  for (size_t i = 1; i < context.node().inputs().size(); ++i) {
    if (context.has_input(i))
      check_broadcast(context, context.input_shape(i), context.input_shape(0), "parameter");
  }
}

void lower_layer_norm(LowerContext& context) {
  check_parameters(context);
  RowStatistics kernel(context, trailing_rows(context, first_axis(facts(context))));
  Expr mean = kernel.mean();
  Expr inverse = kernel.inverse_deviation(mean, epsilon_of(context));
  store_statistics(context, kernel, 1, mean);
  store_statistics(context, kernel, 2, inverse);
  kernel.write(
      [&](const Expr& x, const Index& index) { return scaled(context, (x - mean) * inverse, index); });
  kernel.finish();
}

void lower_rms_norm(LowerContext& context) {
  check_parameters(context);
  RowStatistics kernel(context, trailing_rows(context, first_axis(facts(context))));
  Expr square = kernel.mean_square();
  Expr inverse = kernel.inverse_root(square, epsilon_of(context));
  kernel.write([&](const Expr& x, const Index& index) { return scaled(context, x * inverse, index); });
  kernel.finish();
}

// ---- InstanceNormalization, GroupNormalization ------------------------------------------------------------

void require_channel_parameter(const InferContext& context, size_t input) {
  require_rank(context, input, 1);
  require_equal_extents(context, context.shape(input)[0], context.shape(0)[1],
                        "scale and bias are one a channel");
}

void infer_channel_norm(InferContext& context) {
  require_same_types(context, TypeClass::kFloat);
  require_rank_at_least(context, 0, 2);
  require_channel_parameter(context, 1);
  require_channel_parameter(context, 2);
  infer_same_as_input(context);
}

void infer_group_norm(InferContext& context) {
  infer_channel_norm(context);
  int64_t groups = context.node().attribute<int64_t>("num_groups");
  const Dim& channels = context.shape(0)[1];
  if (groups <= 0) context.fail("attribute 'num_groups': expected a positive number, found {}", groups);
  if (channels.is_constant() && channels.value() % groups != 0) {
    context.fail("attribute 'num_groups': {} does not divide the {} channels", groups, channels.value());
  }
}

// (x - mean) * inverse * scale[c] + bias[c]
Expr scaled_by_channel(LowerContext& context, const Expr& normal, const Expr& channel) {
  Expr scale = cast(context.at_input(1, {channel}), normal.type());
  Expr bias = cast(context.at_input(2, {channel}), normal.type());
  return normal * scale + bias;
}

// Rows of [groups of channels][channels of a group, spatial axes...], in one kernel.
void lower_grouped_rows(LowerContext& context, const Dim& groups, const Dim& channels) {
  const Shape& shape = context.input_shape(0);
  RowDomain rows;
  rows.outer = {shape[0], groups};
  rows.inner = {channels};
  rows.inner.insert(rows.inner.end(), shape.begin() + 2, shape.end());
  rows.index = [channels](const Index& outer, const Index& inner) {
    Index index = inner;
    index[0] = outer[1] * dim(channels) + inner[0];
    index.insert(index.begin(), outer[0]);
    return index;
  };
  RowStatistics kernel(context, std::move(rows));
  Expr mean = kernel.mean();
  Expr inverse = kernel.inverse_deviation(mean, epsilon_of(context));
  kernel.write([&](const Expr& x, const Index& index) {
    return scaled_by_channel(context, (x - mean) * inverse, index[1]);
  });
  kernel.finish();
}

// The same for images: sums run over the pixels of one line at a time with the channels side by side, so that
// they are as fast where channels are innermost as where they are not, and lines are tasks of their own.
class GroupedImage {
 public:
  GroupedImage(LowerContext& context, const Dim& groups, const Dim& channels)
      : context_(context),
        groups_(groups),
        channels_(channels),
        shape_(context.input_shape(0)),
        type_(compute_type(context.input_type(0).dtype)) {}

  void lower() {
    const Expr count = extent_as(channels_ * product(Shape(shape_.begin() + 2, shape_.end())), type_);
    const BufferId mean = group_sum(
        "mean", [](const Expr& x, const Index&) { return x; }, [&](const Expr& sum) { return sum / count; });
    auto deviation = [&](const Expr& x, const Index& channel) { return x - context_.at(mean, channel); };
    const BufferId inverse = group_sum(
        "deviation",
        [&](const Expr& x, const Index& channel) {
          const Expr d = deviation(x, channel);
          return d * d;
        },
        [&](const Expr& sum) {
          const Expr root = unary(ExprOp::kSqrt, sum / count + constant(type_, epsilon_of(context_)));
          return constant(type_, 1) / root;
        });
    context_.map_output([&](const Index& index) {
      const Index channel = {index[0], index[1]};
      const Expr normal =
          deviation(widen(context_.at_input(0, index)), channel) * context_.at(inverse, channel);
      return cast(scaled_by_channel(context_, normal, index[1]), context_.output_type().dtype);
    });
  }

 private:
  // [batch, channels], equal for the channels of a group: finish(sum over the group's elements of term(x,
  // [batch, channel])).
  BufferId group_sum(const char* name, const std::function<Expr(const Expr& x, const Index& channel)>& term,
                     const std::function<Expr(const Expr& sum)>& finish) {
    const Shape pixels(shape_.begin() + 3, shape_.end());
    const BufferId lines =
        context_.temp(type_, {shape_[0], shape_[2], shape_[1]}, std::string(name) + ".lines");
    context_.reduce(
        lines, pixels, Combiner::kSum, constant(type_, 0),
        [&](const Index& line, const Index& pixel) {
          Index index = {line[0], line[2], line[1]};
          index.insert(index.end(), pixel.begin(), pixel.end());
          return term(widen(context_.at_input(0, index)), {line[0], line[2]});
        },
        {}, std::string(name) + "_of_lines");
    const BufferId result = context_.temp(type_, {shape_[0], groups_}, name);
    context_.reduce(
        result, {shape_[2], channels_}, Combiner::kSum, constant(type_, 0),
        [&](const Index& group, const Index& inner) {
          return context_.at(lines, {group[0], inner[0], group[1] * dim(channels_) + inner[1]});
        },
        finish, name);
    if (groups_ == shape_[1]) return result;
    const BufferId spread = context_.temp(type_, {shape_[0], shape_[1]}, name);
    context_.map(
        spread,
        [&](const Index& channel) {
          return context_.at(result, {channel[0], binary(ExprOp::kFloorDiv, channel[1], dim(channels_))});
        },
        name);
    return spread;
  }

  LowerContext& context_;
  Dim groups_;
  Dim channels_;  // of a group
  Shape shape_;
  DType type_;
};

void lower_grouped(LowerContext& context, const Dim& groups) {
  const Shape& shape = context.input_shape(0);
  check_equal(context, context.input_shape(1)[0], shape[1], "scale");
  check_equal(context, context.input_shape(2)[0], shape[1], "bias");
  Dim channels = floor_div(shape[1], groups);
  check_equal(context, channels * groups, shape[1], "channels in whole groups");
  if (shape.size() < 4) return lower_grouped_rows(context, groups, channels);
  GroupedImage(context, groups, channels).lower();
}

void lower_instance_norm(LowerContext& context) { lower_grouped(context, context.input_shape(0)[1]); }

void lower_group_norm(LowerContext& context) {
  lower_grouped(context, context.node().attribute<int64_t>("num_groups"));
}

// Before version 21 scale and bias are one a group: each is repeated for the group's channels.
void parameters_per_channel(Graph& graph, Node& node, int) {
  int64_t groups = node.attribute<int64_t>("num_groups");
  Attributes second_axis = {{"start", int64_t{1}}, {"end", int64_t{2}}};
  Value* channels = insert_op(graph, node, "Shape", {node.input(0)}, second_axis);
  Value* groups_value = insert_ints(graph, {groups});
  Value* repeats = insert_op(graph, node, "Div", {channels, groups_value});
  Value* target = insert_op(graph, node, "Concat", {groups_value, repeats}, {{"axis", int64_t{0}}});
  for (size_t i = 1; i <= 2; ++i) {
    Value* column = insert_op(graph, node, "Unsqueeze", {node.input(i), insert_ints(graph, {1})});
    Value* repeated = insert_op(graph, node, "Expand", {column, target});
    node.set_input(i, insert_op(graph, node, "Reshape", {repeated, insert_ints(graph, {-1})}));
  }
}

// ---- MeanVarianceNormalization, LpNormalization -----------------------------------------------------------

std::vector<int64_t> variance_axes(const InferContext& context) {
  auto axes = context.node().attribute<std::vector<int64_t>>("axes", {0, 2, 3});
  return normalize_axes(context, axes, context.rank(0));
}

void infer_mean_variance(InferContext& context) {
  variance_axes(context);
  infer_same<TypeClass::kFloat>(context);
}

// The given axes are the row.
RowDomain rows_of_axes(const Shape& shape, const std::vector<int64_t>& axes) {
  RowDomain rows;
  for (size_t i = 0; i < shape.size(); ++i) {
    (contains(axes, static_cast<int64_t>(i)) ? rows.inner : rows.outer).push_back(shape[i]);
  }
  rows.index = [axes, rank = shape.size()](const Index& outer, const Index& inner) {
    Index index;
    size_t next_outer = 0;
    size_t next_inner = 0;
    for (size_t i = 0; i < rank; ++i) {
      bool in_row = contains(axes, static_cast<int64_t>(i));
      index.push_back(in_row ? inner[next_inner++] : outer[next_outer++]);
    }
    return index;
  };
  return rows;
}

// (x - mean) / (deviation + 1e-9), as the standard's function body has it.
void lower_mean_variance(LowerContext& context) {
  RowStatistics kernel(context, rows_of_axes(context.input_shape(0), variance_axes(facts(context))));
  Expr mean = kernel.mean();
  Expr deviation = unary(ExprOp::kSqrt, kernel.variance(mean));
  Expr one = constant(kernel.type(), 1);
  Expr inverse = kernel.define(one / (deviation + constant(kernel.type(), 1e-9)));
  kernel.write([&](const Expr& x, const Index&) { return (x - mean) * inverse; });
  kernel.finish();
}

// Before version 9 it was experimental: channels joined or not, the variance kept or not.
void upgrade_mean_variance(Graph& graph, Node& node, int) {
  bool joined = node.attribute<int64_t>("across_channels", 0) != 0;
  bool normalized = node.attribute<int64_t>("normalize_variance", 1) != 0;
  std::vector<int64_t> axes = joined ? std::vector<int64_t>{0, 1, 2, 3} : std::vector<int64_t>{0, 2, 3};
  node.erase_attribute("across_channels");
  node.erase_attribute("normalize_variance");
  if (normalized) return node.set_attribute("axes", axes);
  Value* mean = insert_op(graph, node, "ReduceMean", {node.input(0), insert_ints(graph, axes)});
  graph.replace_all_uses(node.output(0), insert_op(graph, node, "Sub", {node.input(0), mean}));
  graph.erase(&node);
}

void infer_lp_norm(InferContext& context) {
  int64_t p = context.node().attribute<int64_t>("p", 2);
  if (p != 1 && p != 2) context.fail("attribute 'p': expected 1 or 2, found {}", p);
  require_rank_at_least(context, 0, 1);
  context.normalize_axis(context.node().attribute<int64_t>("axis", -1), context.rank(0));
  infer_same<TypeClass::kFloat>(context);
}

// x / norm, and 0 where the norm is 0.
void lower_lp_norm(LowerContext& context) {
  int64_t axis = context.node().attribute<int64_t>("axis", -1);
  axis = facts(context).normalize_axis(axis, static_cast<int64_t>(context.input_shape(0).size()));
  RowStatistics kernel(context, rows_of_axes(context.input_shape(0), {axis}));
  bool absolute = context.node().attribute<int64_t>("p", 2) == 1;
  Expr sum = kernel.sum([&](const Expr& x) { return absolute ? unary(ExprOp::kAbs, x) : x * x; });
  Expr norm = kernel.define(absolute ? sum : unary(ExprOp::kSqrt, sum));
  Expr zero = constant(kernel.type(), 0);
  kernel.write([&](const Expr& x, const Index&) { return select(equal(norm, zero), zero, x / norm); });
  kernel.finish();
}

}  // namespace

void register_normalization(OpRegistry& registry) {
  registry.add({.name = "LayerNormalization", .infer = infer_row_norm, .lower = lower_layer_norm});
  registry.add({.name = "RMSNormalization", .infer = infer_row_norm, .lower = lower_rms_norm});
  registry.add({.name = "InstanceNormalization", .infer = infer_channel_norm, .lower = lower_instance_norm});
  registry.add({.name = "GroupNormalization",
                .infer = infer_group_norm,
                .lower = lower_group_norm,
                .upgrades = {{21, parameters_per_channel}}});
  registry.add({.name = "MeanVarianceNormalization",
                .infer = infer_mean_variance,
                .lower = lower_mean_variance,
                .upgrades = {{9, upgrade_mean_variance}}});
  registry.add({.name = "LpNormalization", .infer = infer_lp_norm, .lower = lower_lp_norm});
  register_batch_normalization(registry);
  register_lrn(registry);
}

}  // namespace dlc::ir

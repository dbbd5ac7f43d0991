// Normalisations. They are computed in 32 bits or more, whatever the element type.
#include <algorithm>

#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

double epsilon_of(const Node& node) { return node.attribute<double>("epsilon", 1e-5F); }

Term wide(const Term& x) { return x.cast(compute_type(x.dtype())); }

std::vector<int64_t> axes_from(size_t first, const Term& x) {
  std::vector<int64_t> axes;
  for (size_t i = first; i < x.shape().size(); ++i) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

// Rows of x, along the axes, made to have mean 0 and variance 1.
struct Normal {
  std::vector<int64_t> axes;
  Term x;        // (x - mean) * inverse
  Term inverse;  // of the standard deviation

  // The cotangent of what was normalised, from that of the result.
  Term pull_back(const Term& d) const { return inverse * (d - mean(d, axes) - x * mean(d * x, axes)); }
};

Normal normalized(const Term& x, std::vector<int64_t> axes, double epsilon) {
  Term difference = x - mean(x, axes);
  Term variance = mean(difference * difference, axes);
  Term inverse = 1 / sqrt(variance + epsilon);
  return {std::move(axes), difference * inverse, inverse};
}

void set_narrow(GradientContext& context, size_t i, const Term& d) {
  context.set(i, d.cast(context.input(i)->dtype()));
}

// ---- LayerNormalization, RMSNormalization -----------------------------------------------------------------

size_t first_axis(const GradientContext& context) {
  InferContext facts(context.node());
  return static_cast<size_t>(
      facts.normalize_axis(context.node().attribute<int64_t>("axis", -1), facts.rank(0)));
}

// Cotangents of scale and bias, and that of the normalised rows.
Term of_affine(GradientContext& context, const Term& normal, const Term& dy) {
  if (context.wants(1)) set_narrow(context, 1, dy * normal);
  if (context.wants(2)) set_narrow(context, 2, dy);
  return context.input(1) == nullptr ? dy : dy * input(context, 1).cast(dy.dtype());
}

void layer_norm_gradient(GradientContext& context) {
  Term mean_of_row(context.builder(), context.ensure_output(1));
  Term inverse(context.builder(), context.ensure_output(2));
  Term x = input(context, 0).cast(inverse.dtype());
  std::vector<int64_t> axes = axes_from(first_axis(context), x);
  Normal normal{axes, (x - mean_of_row) * inverse, inverse};
  Dim count = 1;
  for (int64_t axis : axes) count *= x.shape()[static_cast<size_t>(axis)];
  Term elements = extent(context.builder(), count, x.dtype());
  if (context.grad(0) != nullptr) {
    Term d = of_affine(context, normal.x, grad(context).cast(x.dtype()));
    set_narrow(context, 0, normal.pull_back(d));
  }
  if (context.grad(1) != nullptr) set_narrow(context, 0, expand(grad(context, 1) / elements, x.shape()));
  if (context.grad(2) != nullptr) {
    set_narrow(context, 0, -(grad(context, 2) * inverse * inverse * normal.x / elements));
  }
}

void rms_norm_gradient(GradientContext& context) {
  Term x = wide(input(context, 0));
  std::vector<int64_t> axes = axes_from(first_axis(context), x);
  Term inverse = 1 / sqrt(mean(x * x, axes) + epsilon_of(context.node()));
  Term normal = x * inverse;
  Term d = of_affine(context, normal, grad(context).cast(x.dtype()));
  set_narrow(context, 0, inverse * (d - normal * mean(d * normal, axes)));
}

// ---- InstanceNormalization, GroupNormalization ------------------------------------------------------------

// The channels as [groups, channels of a group]: x becomes [batch, groups, channels, spatial axes...].
void grouped_gradient(GradientContext& context, const Dim& groups) {
  Term x = wide(input(context, 0));
  const Shape whole = x.shape();
  Dim channels = floor_div(whole[1], groups);
  Shape split = whole;
  split[1] = channels;
  split.insert(split.begin() + 1, groups);
  Shape parameter(split.size(), 1);
  parameter[1] = groups;
  parameter[2] = channels;
  x = reshape(x, split);
  Term dy = reshape(grad(context).cast(x.dtype()), split);
  Normal normal = normalized(x, axes_from(2, x), epsilon_of(context.node()));
  Builder& builder = context.builder();
  auto set_parameter = [&](size_t i, const Term& d) {
    Term total(builder, sum_to(builder, d, parameter));
    set_narrow(context, i, reshape(total, context.input(i)->shape()));
  };
  if (context.wants(1)) set_parameter(1, dy * normal.x);
  if (context.wants(2)) set_parameter(2, dy);
  if (!context.wants(0)) return;
  Term scale = reshape(input(context, 1).cast(x.dtype()), parameter);
  set_narrow(context, 0, reshape(normal.pull_back(dy * scale), whole));
}

void instance_norm_gradient(GradientContext& context) {
  grouped_gradient(context, context.input(0)->shape()[1]);
}

void group_norm_gradient(GradientContext& context) {
  grouped_gradient(context, context.node().attribute<int64_t>("num_groups"));
}

// ---- BatchNormalization -----------------------------------------------------------------------------------

// One value a channel, shaped so that it broadcasts to x.
Term along_channels(const Term& parameter, const Term& x) {
  Shape column(std::max<size_t>(x.shape().size(), 2) - 1, 1);
  column[0] = parameter.shape()[0];
  return reshape(parameter.cast(x.dtype()), column);
}

std::vector<int64_t> batch_axes(const Term& x) {
  std::vector<int64_t> axes = all_axes(static_cast<int64_t>(x.shape().size()));
  if (axes.size() > 1) axes.erase(axes.begin() + 1);
  return axes;
}

void set_channels(GradientContext& context, size_t i, const Term& d) {
  if (context.wants(i)) set_narrow(context, i, reshape(d, context.input(i)->shape()));
}

// The statistics are inputs, and may be trained like everything else.
void frozen_batch_norm(GradientContext& context) {
  Term x = wide(input(context, 0));
  Term dy = grad(context).cast(x.dtype());
  Term inverse = 1 / sqrt(along_channels(input(context, 4), x) + epsilon_of(context.node()));
  Term factor = along_channels(input(context, 1), x) * inverse;
  Term normal = (x - along_channels(input(context, 3), x)) * inverse;
  std::vector<int64_t> axes = batch_axes(x);
  set_narrow(context, 0, dy * factor);
  set_channels(context, 1, sum(dy * normal, axes));
  set_channels(context, 2, sum(dy, axes));
  set_channels(context, 3, -sum(dy * factor, axes));
  set_channels(context, 4, -0.5 * sum(dy * normal * factor * inverse, axes));
}

// The running statistics mix the old ones with those of the batch.
void running_statistics(GradientContext& context, const Term& x, const std::vector<int64_t>& axes) {
  double momentum = context.node().attribute<double>("momentum", 0.9F);
  Dim count = 1;
  for (int64_t axis : axes) count *= x.shape()[static_cast<size_t>(axis)];
  Term share = (1 - momentum) / extent(context.builder(), count, x.dtype());
  for (size_t i : {1, 2}) {
    if (context.grad(i) == nullptr) continue;
    Term d = grad(context, i);
    context.set(i + 2, momentum * d);
    if (!context.wants(0)) continue;
    Term column = along_channels(d, x) * share;
    Term dx = i == 1 ? expand(column, x.shape()) : 2 * column * (x - mean(x, axes));
    set_narrow(context, 0, dx);
  }
}

void batch_norm_gradient(GradientContext& context) {
  bool training = context.node().attribute<int64_t>("training_mode", 0) != 0;
  if (!training) return frozen_batch_norm(context);
  Term x = wide(input(context, 0));
  std::vector<int64_t> axes = batch_axes(x);
  running_statistics(context, x, axes);
  if (context.grad(0) == nullptr) return;
  Term dy = grad(context).cast(x.dtype());
  Normal normal = normalized(x, axes, epsilon_of(context.node()));
  set_channels(context, 1, sum(dy * normal.x, axes));
  set_channels(context, 2, sum(dy, axes));
  if (context.wants(0)) {
    set_narrow(context, 0, normal.pull_back(dy) * along_channels(input(context, 1), x));
  }
}

// ---- MeanVarianceNormalization, LpNormalization, LRN ------------------------------------------------------

// y = (x - mean) / (deviation + 1e-9)
void mean_variance_gradient(GradientContext& context) {
  InferContext facts(context.node());
  auto axes = context.node().attribute<std::vector<int64_t>>("axes", {0, 2, 3});
  axes = normalize_axes(facts, axes, facts.rank(0));
  Term x = wide(input(context, 0));
  Term dy = grad(context).cast(x.dtype());
  Term difference = x - mean(x, axes);
  Term deviation = sqrt(mean(difference * difference, axes));
  Term factor = 1 / (deviation + 1e-9);
  Term slope = factor * factor * mean(dy * difference, axes) / where(equal(deviation, 0), 1, deviation);
  Term d = factor * dy - slope * difference;
  set_narrow(context, 0, d - mean(d, axes));
}

void lp_norm_gradient(GradientContext& context) {
  bool absolute = context.node().attribute<int64_t>("p", 2) == 1;
  std::vector<int64_t> axis = {context.node().attribute<int64_t>("axis", -1)};
  Term x = wide(input(context, 0));
  Term y = output(context).cast(x.dtype());
  Term dy = grad(context).cast(x.dtype());
  Term norm = absolute ? sum(abs(x), axis) : sqrt(sum(x * x, axis));
  Term slope = (absolute ? sign(x) : y) * sum(dy * y, axis);
  set_narrow(context, 0, where(equal(norm, 0), 0, (dy - slope) / where(equal(norm, 0), 1, norm)));
}

// The mean over a window of `size` channels, `before` of which lie in front; what is outside counts as zero.
Term channel_window(const Term& x, int64_t size, int64_t before) {
  const Shape whole = x.shape();
  Shape image = {whole[0], 1, whole[1], product(Shape(whole.begin() + 2, whole.end()))};
  Term averages = reshape(x, image).apply("AveragePool", {},
                                          {{"kernel_shape", std::vector<int64_t>{size, 1}},
                                           {"pads", std::vector<int64_t>{before, 0, size - 1 - before, 0}},
                                           {"count_include_pad", int64_t{1}}});
  return reshape(averages, whole);
}

// y = x * s^-beta with s = bias + alpha * mean over the window of x^2
void lrn_gradient(GradientContext& context) {
  const Node& node = context.node();
  int64_t size = node.attribute<int64_t>("size");
  int64_t before = (size - 1) / 2;
  double alpha = node.attribute<double>("alpha", 1e-4F);
  double beta = node.attribute<double>("beta", 0.75F);
  Term x = wide(input(context, 0));
  Term dy = grad(context).cast(x.dtype());
  Term base = node.attribute<double>("bias", 1.0F) + alpha * channel_window(x * x, size, before);
  Term power = pow(base, -beta);
  Term through_window = channel_window(dy * x * power / base, size, size - 1 - before);
  set_narrow(context, 0, dy * power - 2 * alpha * beta * x * through_window);
}

constexpr GradientRule kRules[] = {
    {"LayerNormalization", layer_norm_gradient},
    {"RMSNormalization", rms_norm_gradient},
    {"InstanceNormalization", instance_norm_gradient},
    {"GroupNormalization", group_norm_gradient},
    {"BatchNormalization", batch_norm_gradient},
    {"MeanVarianceNormalization", mean_variance_gradient},
    {"LpNormalization", lp_norm_gradient},
    {"LRN", lrn_gradient},
};

}  // namespace

std::span<const GradientRule> normalization_gradients() { return kRules; }

}  // namespace dlc::ir

#include "passes/training/optimizer.h"

#include "ir/ops/infer_util.h"
#include "ir/term.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Term;

// One parameter while it is updated.
struct Update {
  const OptimizerOptions& options;
  Term rate;  // of the parameter's type
  Term step;  // the number of the step, f64
  Term w;
  Term gradient;
  std::vector<Term> moments;
};

struct Result {
  Term parameter;
  std::vector<ir::Value*> moments;
};

// The gradient with decay as a part of it.
Term decayed_gradient(const Update& u) {
  if (u.options.weight_decay == 0) return u.gradient;
  return u.gradient + u.options.weight_decay * u.w;
}

// Decay beside the gradient: what the step starts from.
Term decayed_weights(const Update& u) {
  if (u.options.weight_decay == 0) return u.w;
  return u.w - (u.rate * u.options.weight_decay) * u.w;
}

Result sgd(const Update& u) {
  Term g = decayed_gradient(u);
  if (u.options.momentum == 0) return {u.w - u.rate * g, {}};
  Term velocity = u.options.momentum * u.moments[0] + g;
  Term direction = u.options.nesterov ? g + u.options.momentum * velocity : velocity;
  return {u.w - u.rate * direction, {velocity}};
}

// 1 - beta^step, computed in double: beta is close to 1.
Term bias_correction(const Update& u, double beta) {
  return (1 - pow(u.step.number(beta), u.step)).cast(u.w.dtype());
}

Result adam(const Update& u, const Term& start, const Term& g) {
  const OptimizerOptions& o = u.options;
  Term first = o.beta1 * u.moments[0] + (1 - o.beta1) * g;
  Term second = o.beta2 * u.moments[1] + (1 - o.beta2) * (g * g);
  Term rate = u.rate / bias_correction(u, o.beta1);
  Term scale = 1 / sqrt(bias_correction(u, o.beta2));
  return {start - rate * (first / (sqrt(second) * scale + o.epsilon)), {first, second}};
}

Result adagrad(const Update& u) {
  Term g = decayed_gradient(u);
  Term squares = u.moments[0] + g * g;
  return {u.w - u.rate * (g / (sqrt(squares) + u.options.epsilon)), {squares}};
}

Result lion(const Update& u) {
  const OptimizerOptions& o = u.options;
  Term direction = sign(o.beta1 * u.moments[0] + (1 - o.beta1) * u.gradient);
  Term moment = o.beta2 * u.moments[0] + (1 - o.beta2) * u.gradient;
  return {decayed_weights(u) - u.rate * direction, {moment}};
}

Result update(const Update& u) {
  switch (u.options.kind) {
    case OptimizerKind::kSgd:
      return sgd(u);
    case OptimizerKind::kAdam:
      return adam(u, u.w, decayed_gradient(u));
    case OptimizerKind::kAdamW:
      return adam(u, decayed_weights(u), u.gradient);
    case OptimizerKind::kAdagrad:
      return adagrad(u);
    case OptimizerKind::kLion:
      return lion(u);
  }
  return sgd(u);
}

Term scalar_of(Builder& builder, ir::Value* value, DType type) {
  return reshape(Term(builder, value), {}).cast(type);
}

}  // namespace

std::vector<std::string> moment_names(const OptimizerOptions& options) {
  switch (options.kind) {
    case OptimizerKind::kSgd:
      if (options.momentum == 0) return {};
      return {"momentum"};
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      return {"first_moment", "second_moment"};
    case OptimizerKind::kAdagrad:
      return {"squares"};
    case OptimizerKind::kLion:
      return {"momentum"};
  }
  return {};
}

// 16-bit parameters are updated in 32 bits.
UpdateNodes add_update(ir::Graph& graph, const OptimizerOptions& options, const StepScalars& scalars,
                       ir::Value* parameter, ir::Value* gradient, std::span<ir::Value* const> moments) {
  Builder builder(graph);
  OptimizerOptions own = options;
  if (parameter->shape().size() < 2) own.weight_decay = 0;
  DType stored = parameter->dtype();
  DType type = wide_type(stored);
  Update u{own,
           scalar_of(builder, scalars.rate, type),
           scalar_of(builder, scalars.step, DType::kDouble),
           Term(builder, parameter).cast(type),
           Term(builder, gradient).cast(type),
           {}};
  for (ir::Value* moment : moments) u.moments.emplace_back(builder, moment);
  Result result = update(u);
  return {result.parameter.cast(stored), std::move(result.moments)};
}

ir::Value* add_average(ir::Graph& graph, double decay, const StepScalars& scalars, ir::Value* average,
                       ir::Value* parameter) {
  Builder builder(graph);
  Term before(builder, average);
  Term step = scalar_of(builder, scalars.step, DType::kDouble);
  Term kept = ((1 + step) / (10 + step)).apply("Min", {step.number(decay)});
  Term share = (1 - kept).cast(before.dtype());
  return before + share * (Term(builder, parameter).cast(before.dtype()) - before);
}

ir::Value* add_norm(ir::Graph& graph, std::span<ir::Value* const> gradients) {
  Builder builder(graph);
  std::vector<ir::Value*> squares;
  for (ir::Value* gradient : gradients) {
    const std::vector<int64_t> axes = ir::all_axes(static_cast<int64_t>(gradient->shape().size()));
    Term wide = Term(builder, gradient).cast(DType::kFloat);
    squares.push_back(builder.reduce("ReduceSumSquare", wide, axes, false));
  }
  if (squares.empty()) return builder.scalar(DType::kFloat, 0);
  return sqrt(Term(builder, builder.op("Sum", squares)));
}

std::vector<ir::Value*> clip_values(ir::Graph& graph, std::span<ir::Value* const> gradients, double limit) {
  Builder builder(graph);
  std::vector<ir::Value*> result;
  for (ir::Value* value : gradients) {
    Term gradient(builder, value);
    result.push_back(gradient.apply("Clip", {gradient.number(-limit), gradient.number(limit)}));
  }
  return result;
}

// The small number keeps a gradient of zeros as it is.
std::vector<ir::Value*> clip_norm(ir::Graph& graph, std::span<ir::Value* const> gradients, ir::Value* norm,
                                  double limit) {
  Builder builder(graph);
  Term scale = limit / (Term(builder, norm) + 1e-6);
  scale = scale.apply("Min", {scale.number(1)});
  std::vector<ir::Value*> result;
  for (ir::Value* gradient : gradients) {
    result.push_back(Term(builder, gradient) * scale.cast(gradient->dtype()));
  }
  return result;
}

}  // namespace dlc::passes

// ai.onnx.preview.training: one step of an optimizer. Inputs are the rate R and the count of steps T, then
// the tensors X, their gradients G and the state of the optimizer, each for all tensors; outputs are the new
// X and the new state.
#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

constexpr size_t kFirstTensor = 2;

// Groups of inputs after R and T: X, G and `states` of state.
template <size_t kStates>
void infer_optimizer(InferContext& context) {
  const size_t tensors = context.node().inputs().size() - kFirstTensor;
  if (tensors == 0 || tensors % (kStates + 2) != 0)
    context.fail("expected R, T and a multiple of {} tensors, found {}", kStates + 2, tensors);
  const size_t count = tensors / (kStates + 2);
  for (size_t i = 0; i < 2; ++i) {
    if (!context.shape(i).empty())
      context.fail("input {}: expected a scalar, found rank {}", i, context.rank(i));
  }
  for (size_t i = 0; i < tensors; ++i) {
    const size_t x = kFirstTensor + i % count, other = kFirstTensor + i;
    require_type(context, other, TypeClass::kFloat);
    if (context.dtype(other) != context.dtype(x) || context.rank(other) != context.rank(x))
      context.fail("input {}: expected the type of input {}", other, x);
    for (size_t axis = 0; axis < context.shape(x).size(); ++axis)
      require_equal_extents(context, context.shape(other)[axis], context.shape(x)[axis],
                            "tensor and gradient");
  }
  if (context.node().outputs().size() != count * (kStates + 1))
    context.fail("expected {} outputs, found {}", count * (kStates + 1), context.node().outputs().size());
  // The new tensors, then the new states.
  for (size_t i = 0; i < count * (kStates + 1); ++i)
    context.set_output(i, context.input(kFirstTensor + i % count));
}

class Step {
 public:
  Step(Builder& builder, Node& node, size_t states)
      : b_(builder), node_(node), count_((node.inputs().size() - kFirstTensor) / (states + 2)) {}

  size_t count() const { return count_; }
  Value* x(size_t i) const { return input(0, i); }
  Value* state(size_t number, size_t i) const { return input(2 + number, i); }
  // With the gradient of norm_coefficient / 2 * |x|^2.
  Value* gradient(size_t i) {
    const auto norm = attribute("norm_coefficient", 0);
    return norm == 0 ? input(1, i) : b_.add(b_.mul(x(i), number(i, norm)), input(1, i));
  }
  double attribute(const char* name, double fallback) const {
    return node_.attribute<double>(name, fallback);
  }
  Value* number(size_t i, double value) { return b_.like(x(i), value); }
  // R and T in the type of tensor i.
  Value* rate(size_t i) { return b_.cast(node_.input(0), x(i)->dtype()); }
  Value* steps(size_t i) { return b_.cast(node_.input(1), x(i)->dtype()); }
  Value* is_first() { return b_.op("Equal", {node_.input(1), b_.like(node_.input(1), 0)}); }
  // group 0: the tensors
  void set(size_t group, size_t i, Value* value) {
    const size_t output = group * count_ + i;
    if (node_.output(output) != nullptr) b_.replace(node_, output, value);
  }

 private:
  Value* input(size_t group, size_t i) const { return node_.input(kFirstTensor + group * count_ + i); }

  Builder& b_;
  Node& node_;
  size_t count_;
};

bool expand_adagrad(Builder& b, Node& node) {
  Step step(b, node, 1);
  for (size_t i = 0; i < step.count(); ++i) {
    Value* slowed =
        b.add(b.mul(step.steps(i), step.number(i, step.attribute("decay_factor", 0))), step.number(i, 1));
    Value* rate = b.div(step.rate(i), slowed);
    Value* gradient = step.gradient(i);
    Value* squares = b.add(step.state(0, i), b.mul(gradient, gradient));
    Value* divisor = b.add(b.op("Sqrt", {squares}), step.number(i, step.attribute("epsilon", 0)));
    step.set(0, i, b.sub(step.x(i), b.div(b.mul(rate, gradient), divisor)));
    step.set(1, i, squares);
  }
  return true;
}

// state * decay + value * (1 - decay)
Value* moving_mean(Builder& b, Step& step, size_t i, Value* state, Value* value, double decay) {
  return b.add(b.mul(state, step.number(i, decay)), b.mul(value, step.number(i, 1 - decay)));
}

bool expand_adam(Builder& b, Node& node) {
  Step step(b, node, 2);
  const double alpha = step.attribute("alpha", 0.9F), beta = step.attribute("beta", 0.999F);
  for (size_t i = 0; i < step.count(); ++i) {
    Value* gradient = step.gradient(i);
    Value* mean = moving_mean(b, step, i, step.state(0, i), gradient, alpha);
    Value* squares = moving_mean(b, step, i, step.state(1, i), b.mul(gradient, gradient), beta);
    Value* divisor = b.add(b.op("Sqrt", {squares}), step.number(i, step.attribute("epsilon", 0)));
    const auto rest = [&](double decay) {
      return b.sub(step.number(i, 1), b.op("Pow", {step.number(i, decay), step.steps(i)}));
    };
    Value* corrected = b.div(b.mul(step.rate(i), b.op("Sqrt", {rest(beta)})), rest(alpha));
    Value* rate = b.op("Where", {step.is_first(), step.rate(i), corrected});
    Value* x = b.sub(step.x(i), b.div(b.mul(rate, mean), divisor));
    step.set(0, i, b.mul(x, step.number(i, 1 - step.attribute("norm_coefficient_post", 0))));
    step.set(1, i, mean);
    step.set(2, i, squares);
  }
  return true;
}

void infer_momentum(InferContext& context) {
  const auto mode = context.node().attribute<std::string>("mode");
  if (mode != "standard" && mode != "nesterov")
    context.fail("mode: expected standard or nesterov, found '{}'", mode);
  infer_optimizer<1>(context);
}

bool expand_momentum(Builder& b, Node& node) {
  Step step(b, node, 1);
  const bool is_nesterov = node.attribute<std::string>("mode") == "nesterov";
  for (size_t i = 0; i < step.count(); ++i) {
    Value* alpha = step.number(i, step.attribute("alpha", 0));
    Value* gradient = step.gradient(i);
    Value* beta =
        b.op("Where", {step.is_first(), step.number(i, 1), step.number(i, step.attribute("beta", 0))});
    Value* momentum = b.add(b.mul(alpha, step.state(0, i)), b.mul(beta, gradient));
    Value* direction = is_nesterov ? b.add(gradient, b.mul(alpha, momentum)) : momentum;
    step.set(0, i, b.sub(step.x(i), b.mul(step.rate(i), direction)));
    step.set(1, i, momentum);
  }
  return true;
}

}  // namespace

void register_training(OpRegistry& registry) {
  const std::string domain = "ai.onnx.preview.training";
  registry.add({.domain = domain, .name = "Adagrad", .infer = infer_optimizer<1>, .expand = expand_adagrad});
  registry.add({.domain = domain, .name = "Adam", .infer = infer_optimizer<2>, .expand = expand_adam});
  registry.add({.domain = domain, .name = "Momentum", .infer = infer_momentum, .expand = expand_momentum});
}

}  // namespace dlc::ir

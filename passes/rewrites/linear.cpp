#include "passes/rewrites/linear.h"

#include <algorithm>
#include <functional>

#include "ir/op.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/weights.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

// y = weights(x) + bias with constant weights (input 1) and a constant bias (input 2) or none.
struct Linear {
  Node* node = nullptr;
  int64_t channels = 0;                             // of the output
  size_t channel_axis = 0;                          // of the output
  std::function<int64_t(int64_t)> channel_of = {};  // output channel of an element of the weights
  bool takes_bias = true;
  std::vector<double> bias = {};  // per channel, zeros where there is none
};

const std::vector<int64_t>& weight_shape(const Node& node) { return node.input(1)->constant().shape(); }

int64_t product_from(const std::vector<int64_t>& shape, size_t first) {
  int64_t result = 1;
  for (size_t i = first; i < shape.size(); ++i) result *= shape[i];
  return result;
}

Linear conv(Node& node) {
  const auto& shape = weight_shape(node);  // [out, in / group, window...]
  int64_t per_channel = product_from(shape, 1);
  return {.node = &node, .channels = shape[0], .channel_axis = 1, .channel_of = [=](int64_t i) {
            return i / per_channel;
          }};
}

Linear conv_transpose(Node& node) {
  const auto& shape = weight_shape(node);  // [in, out / group, window...]
  int64_t group = node.attribute<int64_t>("group", 1);
  int64_t window = product_from(shape, 2);
  int64_t out = shape[1];
  int64_t in_per_group = shape[0] / group;
  return {.node = &node, .channels = out * group, .channel_axis = 1, .channel_of = [=](int64_t i) {
            int64_t input_channel = i / (out * window);
            return input_channel / in_per_group * out + i / window % out;
          }};
}

Linear product(Node& node, bool transposed) {
  const auto& shape = weight_shape(node);
  size_t axis = node.output()->shape().size() - 1;
  if (transposed) {
    return {
        .node = &node, .channels = shape[0], .channel_axis = axis, .channel_of = [k = shape[1]](int64_t i) {
          return i / k;
        }};
  }
  return {.node = &node, .channels = shape[1], .channel_axis = axis, .channel_of = [n = shape[1]](int64_t i) {
            return i % n;
          }};
}

std::optional<Linear> shape_of_weights(Node& node) {
  const Value* weights = node.input(1);
  if (weights == nullptr || !weights->is_constant() || !is_float(weights->dtype())) return std::nullopt;
  size_t rank = weights->constant().shape().size();
  if (is_op(node, "Conv") && rank >= 3) return conv(node);
  if (is_op(node, "ConvTranspose") && rank >= 3) return conv_transpose(node);
  if (rank != 2) return std::nullopt;
  if (is_op(node, "Gemm")) return product(node, !is_off(node, "transB"));
  if (!is_op(node, "MatMul")) return std::nullopt;
  Linear result = product(node, false);
  result.takes_bias = false;
  return result;
}

// The node behind a value that nothing else uses.
std::optional<Linear> linear(const Value* value) {
  if (value == nullptr || value->producer() == nullptr || !has_one_use(value)) return std::nullopt;
  Node& node = *value->producer();
  std::optional<Linear> result = shape_of_weights(node);
  if (!result || result->channels == 0) return std::nullopt;
  auto channels = static_cast<size_t>(result->channels);
  if (result->takes_bias && node.input(2) != nullptr) {
    bool is_gemm = is_op(node, "Gemm");
    if (is_gemm && node.attribute<double>("beta", 1) != 1) return std::nullopt;
    auto bias = along_axis(node.input(2), is_gemm ? 1 : 0, is_gemm ? 2 : 1, result->channels);
    if (!bias) return std::nullopt;
    result->bias = std::move(*bias);
  } else {
    result->bias.assign(channels, 0);
  }
  return result;
}

bool has_bias(const Linear& linear) { return linear.takes_bias && linear.node->input(2) != nullptr; }

// `root` becomes the linear node with these weights and bias.
void replace(Builder& builder, Node& root, const Linear& linear, Value* weights, bool with_bias,
             const std::vector<double>& bias) {
  Node& node = *linear.node;
  Builder named(builder.graph(), &root, &node);
  std::vector<Value*> inputs = {node.input(0), weights};
  if (with_bias) inputs.push_back(named.constant(vector_of(weights->dtype(), bias)));
  ir::Attributes attributes = node.attributes();
  if (with_bias && is_op(node, "Gemm")) attributes["beta"] = 1.0;
  builder.replace(root, 0, named.op(node.op().name, std::move(inputs), std::move(attributes)));
}

// The constant of a node with two operands that is one value per channel of the other operand's linear node.
struct Match {
  Linear linear;
  std::vector<double> constant;
  bool linear_first;
};
std::optional<Match> match(const Node& node) {
  for (size_t i = 0; i < 2; ++i) {
    std::optional<Linear> found = linear(node.input(i));
    if (!found || !same_shape(node.input(i), node.output())) continue;
    size_t rank = node.output()->shape().size();
    auto constant = along_axis(node.input(1 - i), found->channel_axis, rank, found->channels);
    if (constant) return Match{std::move(*found), std::move(*constant), i == 0};
  }
  return std::nullopt;
}

}  // namespace

bool fold_scale(Builder& builder, Node& node) {
  std::optional<Match> found = match(node);
  if (!found) return false;
  if (is_op(node, "Div")) {
    if (!found->linear_first) return false;
    for (double& factor : found->constant) {
      if (factor == 0) return false;
      factor = 1 / factor;
    }
  }
  const Linear& linear = found->linear;
  std::vector<double> bias = linear.bias;
  for (size_t i = 0; i < bias.size(); ++i) bias[i] *= found->constant[i];
  Value* weights =
      builder.constant(scaled(linear.node->input(1)->constant(), found->constant, linear.channel_of));
  replace(builder, node, linear, weights, has_bias(linear), bias);
  return true;
}

bool fold_shift(Builder& builder, Node& node) {
  std::optional<Match> found = match(node);
  if (!found || !found->linear.takes_bias) return false;
  bool subtract = is_op(node, "Sub");
  if (subtract && !found->linear_first) return false;
  std::vector<double> bias = found->linear.bias;
  for (size_t i = 0; i < bias.size(); ++i) bias[i] += subtract ? -found->constant[i] : found->constant[i];
  replace(builder, node, found->linear, found->linear.node->input(1), true, bias);
  return true;
}

bool fold_input_scale(Builder& builder, Node& node) {
  Node* scale = sole_producer(node.input(0), "Mul");
  const Value* weights = node.input(1);
  if (scale == nullptr || !weights->is_constant() || weights->constant().shape().size() < 3) return false;
  const auto& shape = weights->constant().shape();
  int64_t group = node.attribute<int64_t>("group", 1);
  int64_t in = shape[1];
  int64_t window = product_from(shape, 2);
  int64_t out_per_group = shape[0] / group;
  for (auto [x, constant] : both_orders(scale, "Mul")) {
    if (!same_shape(x, scale->output())) continue;
    auto factors = along_axis(constant, 1, x->shape().size(), in * group);
    if (!factors) continue;
    Tensor folded = scaled(weights->constant(), *factors, [=](int64_t i) {
      int64_t output_channel = i / (in * window);
      return output_channel / out_per_group * in + i / window % in;
    });
    node.set_input(0, x);
    node.set_input(1, builder.constant(std::move(folded)));
    return true;
  }
  return false;
}

}  // namespace dlc::passes

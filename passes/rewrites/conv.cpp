// Scales, shifts, normalisation and padding that become part of a convolution or a pooling.
#include <algorithm>
#include <cmath>

#include "ir/op.h"
#include "passes/rewrites/linear.h"
#include "passes/rewrites/match.h"
#include "passes/rewrites/rules.h"
#include "passes/rewrites/weights.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Value;

// Inference form with constant statistics: one multiplication and one addition per element, which then may
// become part of the weights before it.
bool split_batch_norm(Builder& builder, Node& node) {
  for (size_t i = 1; i < 5; ++i) {
    if (node.input(i) == nullptr || !node.input(i)->is_constant()) return false;
  }
  for (size_t i = 1; i < node.outputs().size(); ++i) {
    if (node.output(i) != nullptr && node.output(i)->has_uses()) return false;
  }
  if (!is_off(node, "training_mode") || !node.output()->has_uses() || node.input(0)->shape().size() < 2)
    return false;
  std::vector<double> scale = doubles(node.input(1)->constant());
  std::vector<double> shift = doubles(node.input(2)->constant());
  std::vector<double> mean = doubles(node.input(3)->constant());
  std::vector<double> variance = doubles(node.input(4)->constant());
  if (shift.size() != scale.size() || mean.size() != scale.size() || variance.size() != scale.size())
    return false;
  double epsilon = node.attribute<double>("epsilon", 1e-5);
  for (size_t i = 0; i < scale.size(); ++i) {
    scale[i] /= std::sqrt(variance[i] + epsilon);
    shift[i] -= mean[i] * scale[i];
  }
  Value* x = node.input(0);
  size_t trailing = x->shape().size() - 2;
  Value* scaled = builder.mul(x, builder.constant(column_of(x->dtype(), scale, trailing)));
  builder.replace(node, 0, builder.add(scaled, builder.constant(column_of(x->dtype(), shift, trailing))));
  return true;
}

// Full-rank begins and ends of a Pad with zeros; nothing for other modes, values and negative pads.
std::optional<std::vector<int64_t>> zero_pads(const Node& pad) {
  std::optional<std::vector<int64_t>> pads = constant_ints(pad, 1);
  bool zero = pad.input(2) == nullptr || is_splat(pad.input(2), 0);
  if (!pads || !zero || pad.attribute<std::string>("mode", "constant") != "constant") return std::nullopt;
  if (std::any_of(pads->begin(), pads->end(), [](int64_t n) { return n < 0; })) return std::nullopt;
  auto rank = static_cast<int64_t>(pad.input(0)->shape().size());
  if (pad.input(3) == nullptr) return pads;
  std::optional<std::vector<int64_t>> axes = constant_ints(pad, 3);
  if (!axes) return std::nullopt;
  std::vector<int64_t> result(static_cast<size_t>(2 * rank), 0);
  for (size_t i = 0; i < axes->size(); ++i) {
    int64_t axis = (*axes)[i] < 0 ? (*axes)[i] + rank : (*axes)[i];
    result[static_cast<size_t>(axis)] = (*pads)[i];
    result[static_cast<size_t>(axis + rank)] = (*pads)[i + axes->size()];
  }
  return result;
}

// What the window node pads and the Pad before it, together; nothing if that is no padding of spatial axes.
std::optional<std::vector<int64_t>> merged_pads(const Node& pad, const Node& window) {
  std::string mode = window.attribute<std::string>("auto_pad", "NOTSET");
  std::optional<std::vector<int64_t>> outer = zero_pads(pad);
  if (!outer || (mode != "NOTSET" && mode != "VALID")) return std::nullopt;
  size_t rank = outer->size() / 2;
  size_t spatial = rank - 2;
  if (rank < 3 || (*outer)[0] != 0 || (*outer)[1] != 0 || (*outer)[rank] != 0 || (*outer)[rank + 1] != 0) {
    return std::nullopt;
  }
  std::vector<int64_t> none(2 * spatial, 0);
  std::vector<int64_t> pads = mode == "VALID" ? none : window.attribute<std::vector<int64_t>>("pads", none);
  for (size_t i = 0; i < spatial; ++i) {
    pads[i] += (*outer)[2 + i];
    pads[spatial + i] += (*outer)[rank + 2 + i];
  }
  return pads;
}

void set_pads(Node& node, Value* x, std::vector<int64_t> pads) {
  node.set_input(0, x);
  node.set_attribute("pads", std::move(pads));
  node.set_attribute("auto_pad", std::string("NOTSET"));
}

bool fold_pad_into_conv(Builder&, Node& node) {
  Node* pad = producer(node.input(0), "Pad");
  std::optional<std::vector<int64_t>> pads = pad == nullptr ? std::nullopt : merged_pads(*pad, node);
  if (!pads) return false;
  set_pads(node, pad->input(0), std::move(*pads));
  return true;
}

bool has_pads(const Node& node) {
  std::vector<int64_t> pads = node.attribute<std::vector<int64_t>>("pads", {});
  return std::any_of(pads.begin(), pads.end(), [](int64_t n) { return n != 0; });
}

// The zeros count as elements of the average, so the pool must count its own padding too.
bool fold_pad_into_average(Builder&, Node& node) {
  Node* pad = producer(node.input(0), "Pad");
  if (pad == nullptr || !is_off(node, "ceil_mode")) return false;
  if (is_off(node, "count_include_pad") && has_pads(node)) return false;
  std::optional<std::vector<int64_t>> pads = merged_pads(*pad, node);
  if (!pads) return false;
  set_pads(node, pad->input(0), std::move(*pads));
  node.set_attribute("count_include_pad", int64_t{1});
  return true;
}

// After a Relu no element is less than the zeros, so they change no maximum of a window that holds an
// element, as every dense one does that is wider than the padding.
bool fold_pad_into_max(Builder&, Node& node) {
  Node* pad = producer(node.input(0), "Pad");
  bool has_indices = node.output(1) != nullptr && node.output(1)->has_uses();
  if (pad == nullptr || has_indices || !is_off(node, "ceil_mode") || !producer(pad->input(0), "Relu"))
    return false;
  auto dilations = node.attribute<std::vector<int64_t>>("dilations", {});
  if (std::any_of(dilations.begin(), dilations.end(), [](int64_t n) { return n != 1; })) return false;
  std::optional<std::vector<int64_t>> pads = merged_pads(*pad, node);
  if (!pads) return false;
  auto kernel = node.attribute<std::vector<int64_t>>("kernel_shape");
  for (size_t i = 0; i < pads->size(); ++i) {
    if ((*pads)[i] >= kernel[i % kernel.size()]) return false;
  }
  set_pads(node, pad->input(0), std::move(*pads));
  return true;
}

constexpr ir::Rule kRules[] = {
    {"split_batch_norm", "BatchNormalization", split_batch_norm},
    {"fold_scale_into_weights", "Mul", fold_scale},
    {"fold_scale_into_weights", "Div", fold_scale},
    {"fold_shift_into_bias", "Add", fold_shift},
    {"fold_shift_into_bias", "Sub", fold_shift},
    {"fold_input_scale", "Conv", fold_input_scale},
    {"fold_pad_into_conv", "Conv", fold_pad_into_conv},
    {"fold_pad_into_average", "AveragePool", fold_pad_into_average},
    {"fold_pad_into_max", "MaxPool", fold_pad_into_max},
};

}  // namespace

ir::RuleTable conv_rules() { return kRules; }

}  // namespace dlc::passes

// Convolutions of every kind of element: inference and the contraction over input channels and window taps.
#pragma once

#include <functional>

#include "ir/ops/contract.h"
#include "ir/ops/window.h"

namespace dlc::ir {

// Where a node has its data, [batch, channels, space...], and its weights, [output channels, channels of a
// group, window...].
struct ConvInputs {
  size_t x = 0;
  size_t w = 1;
};

int64_t groups_of(const Node& node);

// The output's shape; Error where attributes, ranks and extents do not fit.
Shape infer_convolution(const InferContext& context, const ConvInputs& inputs);
// Error unless the input, if it is there, has one element an output channel.
void require_channels(const InferContext& context, size_t input, const ConvInputs& inputs,
                      std::string_view what);

// What makes one kind of convolution of the contraction. Padding counts as the zero point of the data.
struct ConvForm {
  ConvInputs inputs = {};
  Expr x_zero_point = {};  // of the data; empty: 0
  std::function<Expr(const Expr& channel)> w_zero_point = {};
  // An element of the output from the sum and its output channel.
  std::function<Expr(const Expr& sum, const Expr& channel)> result = {};
};
void lower_convolution(LowerContext& context, const ConvForm& form);

OpDef causal_conv_record();

}  // namespace dlc::ir

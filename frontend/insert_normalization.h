// BatchNormalization put back into models whose exporter has folded it into convolutions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::frontend {

// A convolution of the main graph with no BatchNormalization behind it.
struct BareConvolution {
  std::string node;  // its name; may be empty
  std::string weight;
  std::string output;
};

// In the order of the model.
std::vector<BareConvolution> find_bare_convolutions(std::string_view model);

// What a channel of a value is like, over data.
struct ChannelStatistics {
  std::string value;         // what a node of the main graph gives
  std::vector<double> mean;  // one a channel, which are the second axis
  std::vector<double> variance;
};

// The model with a BatchNormalization behind each of these values, which leaves them as they are: its running
// statistics are those given, scale and bias undo it. The tensors have the value's name with the endings
// .bn_scale, .bn_bias, .bn_mean and .bn_variance. Error(kModel) where no node gives such a value.
std::string insert_normalization(std::string_view model, const std::vector<ChannelStatistics>& statistics);

}  // namespace dlc::frontend

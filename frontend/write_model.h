// Models written back as ONNX: with other weights, with another head.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace dlc::frontend {

// A model as the bytes of one file: tensors that lie in files beside it are put inside. Vectors that an
// exporter has stored once for several layers, with an Identity for each, become tensors of their own: they
// are equal by chance. Error(kIo, kModel).
std::string pack_model(const std::string& path);

// The names of the tensors that with_values() can change.
std::set<std::string> tensor_names(std::string_view model);

// The model with the given values in the places of initializers and constants of these names; nodes, names,
// metadata and all other tensors stay as they are. Error(kModel) naming a tensor that the model has not, or
// has with another type or shape.
std::string with_values(std::string_view model, const std::map<std::string, Tensor>& values);

// The linear layer in front of an output, behind which only shapes and activations follow.
struct Head {
  std::string node;  // for messages
  std::string weight;
  std::string bias;  // empty: it has none
  int64_t classes = 0;
  int64_t features = 0;  // that a class is computed of
};

// Error(kModel) naming the node where the output (empty: the first) does not come from such a layer.
Head find_head(std::string_view model, const std::string& output);

// The model with a head for so many classes. Its weights are random: `draw` gives numbers in [-1, 1), which
// are scaled by 1 / sqrt(features). Names stay, but for tensors that other nodes use as well.
std::string replace_head(std::string_view model, const std::string& output, int64_t classes,
                         const std::function<double()>& draw);

}  // namespace dlc::frontend

// What a training step is made of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dlc::passes {

enum class LossKind : uint8_t {
  kCrossEntropy,  // of logits with the numbers of the right classes
  kNll,           // of log-probabilities with the numbers of the right classes
  kBinary,        // cross-entropy of logits with probabilities in [0, 1]
  kMse,
  kL1,
  kHuber,
  kKl,  // of log-probabilities with target probabilities
};

struct LossOptions {
  LossKind kind = LossKind::kCrossEntropy;
  std::string output = "";                 // of the model; empty: the first
  double label_smoothing = 0;              // kCrossEntropy
  int64_t ignored_class = -100;            // kCrossEntropy, kNll: targets that do not count
  std::vector<double> class_weights = {};  // kCrossEntropy, kNll: one a class, or empty
  double delta = 1;                        // kHuber: where the square ends
};

enum class OptimizerKind : uint8_t { kSgd, kAdam, kAdamW, kAdagrad, kLion };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double momentum = 0;  // kSgd
  bool nesterov = false;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  // Of matrices and kernels; biases and scales (tensors of one axis) do not decay. Part of the gradient
  // (kSgd, kAdam, kAdagrad) or of the step (kAdamW, kLion).
  double weight_decay = 0;
};

struct ClipOptions {
  double norm = 0;   // of all gradients together; 0: none
  double value = 0;  // of each element; 0: none
};

enum class NormalizationMode : uint8_t {
  kFrozen,  // BatchNormalization keeps its statistics, as in inference
  kTrain,   // it takes those of the batch and moves the running ones
};

// What the backward pass may compute again instead of keeping it.
enum class Recompute : uint8_t {
  kNothing,
  kCheap,           // element by element, or moved: what passes over memory anyway
  kAllButProducts,  // everything but contractions, recurrent layers and control flow
  kThinProducts,    // and products that take no more than 4 multiplications for a byte that they save
  kProducts,        // the same with 32 multiplications
};

struct TrainingOptions {
  LossOptions loss = {};
  OptimizerOptions optimizer = {};
  ClipOptions clip = {};
  NormalizationMode normalization = NormalizationMode::kFrozen;
  double dropout = -1;     // the ratio of all Dropout nodes; negative: as the model has it
  int64_t accumulate = 1;  // batches whose gradients are averaged for one step
  std::map<std::string, double> rate_scales = {};  // factors of the learning rate, by the parameters' names
  // Moving averages of the parameters, which evaluation then uses: avg += (1 - d) (w - avg) after a step,
  // with d = min(average, (1 + step) / (10 + step)), so that a short run is not held at its start. 0: none.
  double average = 0;
  Recompute recompute = Recompute::kNothing;
  int64_t processes = 1;  // that train together, each with its share of every batch
};

// ---- Which parameters are trained
// --------------------------------------------------------------------------

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 8;  // the product is scaled by alpha / rank
};

struct AdapterChoice {
  LoraOptions options = {};
  std::vector<std::string> targets = {"*"};  // weights that get an adapter
  uint64_t seed = 0;                         // of their first matrices
};

struct RateScale {
  std::string pattern;
  double factor;
};

// Patterns ('*', '?') match the name of a parameter or of the node that uses it.
struct ParameterChoice {
  std::vector<std::string> freeze = {};
  std::vector<std::string> train = {};         // these alone; empty: all, or with adapters none
  std::optional<AdapterChoice> adapters = {};  // of weights that are neither frozen nor trained themselves
  std::vector<std::string> new_head = {};      // names that are trained whatever else is: random weights
  std::vector<RateScale> rate_scales = {};     // of several that match, the last counts
  std::string name_prefix = "";                // of the fields' names in messages, "--" for flags
};

}  // namespace dlc::passes

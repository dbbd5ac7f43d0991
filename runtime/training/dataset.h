// Data sets: numbered samples of tensors.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/tensor.h"
#include "runtime/training/augment.h"
#include "runtime/training/step.h"

namespace dlc::training {

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  // Writes the fields of a sample, dense, to their places in a batch. `key` decides augmentation; without one
  // there is none. May be called from several threads. False: the sample cannot be read and is to be left
  // out. Error(kData) naming the sample.
  virtual bool read(int64_t index, std::optional<uint64_t> key, std::span<void* const> places) const = 0;
  // A group that a split should keep its share of: the class of a sample, or 0.
  virtual int64_t group(int64_t) const { return 0; }
};

// What becomes of numbers on the way into a model's input.
struct Conversion {
  double range = 0;               // of bytes: what 255 becomes; 0: bytes stay numbers up to 255
  std::vector<double> mean = {};  // subtracted after that: none, one, or one a channel
  std::vector<double> std = {};   // and divided by
  double center = 0;  // of pictures in files: this share of the largest middle part with the input's aspect
                      // ratio is scaled to the input; 0: the whole picture is
  Augmentation augmentation = {};
};

// Arrays in memory, one a field, whose first axis counts the samples.
struct Column {
  Tensor data;
  Field field;  // with the batch as its first extent
  Conversion conversion = {};
};
// The last column is the target; samples of one class number each are grouped by it. Images of bytes in
// [height, width, channels] fit inputs of [channels, height, width]. Channels are the first axis of a sample.
// Error(kData) where a column does not fit its field, or the columns have different lengths, Error(kUsage)
// where a conversion does not fit.
std::unique_ptr<Dataset> make_array_dataset(std::vector<Column> columns);

// Samples by number; the rest of what it reads from.
struct Subset {
  std::vector<int64_t> indices;
};
struct Split {
  Subset training;
  Subset validation;
};
// The last samples of each group are held out.
Split split(const Dataset& data, double validation_share);
Subset all_of(const Dataset& data);

}  // namespace dlc::training

// The data set that a flag names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/training/dataset.h"

namespace dlc::tools {

struct DataOptions {
  training::Conversion conversion = {};
  int64_t classes = 0;     // class numbers are checked against it; 0: there are none
  int64_t ignored = -100;  // a class number that is none
  bool strict = false;     // a picture that cannot be read is an error
};

// "idx:IMAGES,LABELS", "npy:INPUT,...,TARGET", "npz:FILE" (arrays by the names of the inputs, and "target" or
// "label"), "folder:DIR". `fields` are those of the model's step, the target last. Error(kUsage, kData, kIo).
std::unique_ptr<training::Dataset> open_data(const std::string& text,
                                             const std::vector<training::Field>& fields,
                                             const DataOptions& options);

}  // namespace dlc::tools

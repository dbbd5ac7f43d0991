// The data set that a flag names.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/training/dataset.h"

namespace dlc::tools {

struct DataOptions {
  training::Conversion conversion = {};
  int64_t classes = 0;     // class numbers are checked against it; 0: there are none
  int64_t ignored = -100;  // a class number that is none
  bool strict = false;     // a picture that cannot be read is an error
  // Names of classes by number, as other data of the run have them; empty: they have only numbers.
  std::optional<std::vector<std::string>> class_names = {};
};

struct OpenedData {
  std::unique_ptr<training::Dataset> samples;
  std::vector<std::string> class_names = {};  // empty where classes have only numbers
};

// "idx:IMAGES,LABELS", "npy:INPUT,...,TARGET", "npz:FILE" or "safetensors:FILE" (arrays by the names of the
// inputs, and "target" or "label"), "csv:FILE,NAME=COLUMN/...", "jsonl:FILE,NAME=KEY/...,pad=NUMBER",
// "tokens:FILE,type=uint16,stride=COUNT", "folder:DIR". `fields` are those of the model's step, the target
// last. Error(kUsage, kData, kIo).
OpenedData open_data(const std::string& text, const std::vector<training::Field>& fields,
                     const DataOptions& options);

// The text with the paths in it made absolute.
std::string absolute_data(const std::string& text);

}  // namespace dlc::tools

// Rows of text as samples: CSV with a header, and JSON lines (an object a line).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/tensor.h"
#include "runtime/training/step.h"

namespace dlc::training {

struct TableOptions {
  // The columns, or keys of the objects, that make a field, by its name; '*' and '?' stand for any text and
  // any character. A field without them takes the column of its name; the target one of the usual names
  // (target, label, class, ...), a lone input all columns that are not the target.
  std::map<std::string, std::vector<std::string>> columns = {};
  // Whether targets are classes, for which texts stand as well. They get numbers in their order, or as
  // `classes` has them; if that is empty, all must be numbers.
  bool is_class = false;
  std::optional<std::vector<std::string>> classes = {};
  // JSON lines: lists that are too short for a field are filled up, the target's with `target_filling`.
  std::optional<double> filling = {};
  double target_filling = 0;
};

struct TableData {
  std::vector<Tensor> arrays;        // one a field, the target last
  std::vector<std::string> classes;  // names by number; empty where classes are numbers
};

// Error(kData) naming file, line and column, Error(kUsage) where columns and fields do not fit, Error(kIo).
TableData read_csv_samples(const std::string& path, const std::vector<Field>& fields,
                           const TableOptions& options);
TableData read_json_samples(const std::string& path, const std::vector<Field>& fields,
                            const TableOptions& options);

}  // namespace dlc::training

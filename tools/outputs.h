// What a run gave, for people and files.
#pragma once

#include <string>
#include <vector>

#include "runtime/program.h"

namespace dlc::tools {

// One line: name, type, shape, minimum, maximum, mean, first values. A line more for each of the first
// elements of what holds others.
std::string summarize(const std::string& name, const Value& value);

// Writes FOLDER/NAME.npy for every output; characters that file names do not have become '_'. Elements of a
// sequence or optional are NAME.0.npy and so on, a map is NAME.keys.npy and NAME.values.npy.
void write_outputs(const std::string& folder, const std::vector<runtime::ValueInfo>& infos,
                   const std::vector<Value>& outputs);

// The `count` likeliest classes along the last axis, a line each; `labels` may be empty. Scores that are no
// probabilities are turned into some by softmax.
std::string format_top(const Tensor& scores, int count, const std::vector<std::string>& labels);
std::vector<std::string> read_labels(const std::string& path);  // one a line

}  // namespace dlc::tools

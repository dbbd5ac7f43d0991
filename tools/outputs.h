// What a run gave, for people and files.
#pragma once

#include <string>
#include <vector>

#include "runtime/program.h"

namespace dlc::tools {

// One line: name, type, shape, minimum, maximum, mean, first values.
std::string summarize(const std::string& name, const Tensor& tensor);

// Writes FOLDER/NAME.npy for every output; characters that file names do not have become '_'.
void write_outputs(const std::string& folder, const std::vector<runtime::ValueInfo>& infos,
                   const std::vector<Tensor>& outputs);

// The `count` likeliest classes along the last axis, a line each; `labels` may be empty. Scores that are no
// probabilities are turned into some by softmax.
std::string format_top(const Tensor& scores, int count, const std::vector<std::string>& labels);
std::vector<std::string> read_labels(const std::string& path);  // one a line

}  // namespace dlc::tools

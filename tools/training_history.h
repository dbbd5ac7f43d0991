// What log.jsonl and metrics.csv of a run folder hold.
#pragma once

#include <string>
#include <string_view>

#include "runtime/training/checkpoint.h"

namespace dlc::tools {

// Takes away what lies behind the place of a run that goes on there: after a kill there are steps in the log
// that will be made again. Files that are not there stay so. Error(kIo).
void cut_history(const std::string& folder, const training::RunState& state);

// Loss, metrics, learning rate and norm of the gradient over the steps of a log.jsonl, as SVG.
std::string draw_history(std::string_view log);

}  // namespace dlc::tools

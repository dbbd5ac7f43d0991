// Compiles and runs one official case on guarded memory.
#pragma once

#include <string>

#include "tests/conformance/case_model.h"
#include "tests/conformance/excuses.h"

namespace dlc::test {

// Inputs, outputs and planned memory lie between unreadable pages: every data set runs once with memory that
// ends at one and once with memory that begins at one. Planned memory is filled with NaN before. Returns ""
// when the case passes, else why it does not.
std::string run_case(const OfficialCase& item, Mode mode, Excuse excuse);

}  // namespace dlc::test

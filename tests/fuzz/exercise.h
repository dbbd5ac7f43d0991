// What hostile files are put through. Each function returns "" where the outcome is legal (success, or an
// Error that is no bug of ours), else what is wrong with it.
#pragma once

#include <functional>
#include <string>

#include "tests/fuzz/random.h"

namespace dlc::test {

enum class Phase { kRead, kCompile, kRun, kDone };
using Enter = std::function<void(Phase)>;

// Reads, compiles and runs a model on random inputs between guard pages, twice. `enter` hears of every phase.
std::string exercise_model(const std::string& bytes, Random& random, const Enter& enter);

// Reads a file of a tensor, whose kind its extension says: .pb, .npy, .npz.
std::string exercise_tensor(const std::string& bytes, const std::string& extension);

}  // namespace dlc::test

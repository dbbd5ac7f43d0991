// Looks for mutants that break what must not break, in processes of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/fuzz/exercise.h"

namespace dlc::test {

struct Prey {
  std::string name;                          // of files that are kept
  std::function<std::string(Random&)> make;  // the bytes of a mutant
  std::function<std::string(const std::string& bytes, Random&, const Enter&)> exercise;
};

// Tries mutants until the time is over and adds a test failure for each that crashes, takes too long or much
// too much memory, or whose outcome is not legal. Their files are kept in the system's folder for temporary
// files.
//
//   DLC_FUZZ_SECONDS=N  for each test, instead of `seconds`
//   DLC_FUZZ_SEED=N     else 1
//   DLC_FUZZ_MUTANT=N   this one alone, in the process of the test
void hunt(const Prey& prey, int seconds);

}  // namespace dlc::test

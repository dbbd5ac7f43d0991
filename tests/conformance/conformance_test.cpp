// The official ONNX cases, each compiled and run in three forms (case_model.h), by shards that ctest runs at
// the same time. A case that crashes or hangs fails alone. excused.txt lists what may fail; what is listed
// there and passes is a failure too. DLC_CASES=PATTERN in the environment runs the cases of these names only.
#include <fnmatch.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "tests/conformance/case_model.h"
#include "tests/conformance/excuses.h"
#include "tests/conformance/run_case.h"
#include "tests/support/paths.h"
#include "tools/child_process.h"

namespace dlc::test {
namespace {

constexpr size_t kShards = 16;
constexpr int kSecondsPerCase = 120;

struct Shard {
  Mode mode;
  size_t index;
};

const Excuses& excuses() {
  static const Excuses result(source_dir() / "tests/conformance/excused.txt");
  return result;
}

bool is_selected(const OfficialCase& item) {
  const char* pattern = std::getenv("DLC_CASES");
  return pattern == nullptr || fnmatch(pattern, item.name.c_str(), 0) == 0;
}

bool is_runnable(const OfficialCase& item) {
  return std::all_of(item.operators.begin(), item.operators.end(), is_defined);
}

struct Counts {
  int cases = 0;
  int undefined = 0;  // with operators that dlc does not have
  int excused = 0;
};

void report(const OfficialCase& item, Mode mode, const std::string& fault) {
  if (excuses().find(item.name, mode) != Excuse::kFails) {
    EXPECT_TRUE(fault.empty()) << name(mode) << " " << item.name << ": " << fault;
  } else {
    EXPECT_FALSE(fault.empty()) << name(mode) << " " << item.name
                                << ": passes, but excused.txt says that it fails";
  }
}

class Conformance : public testing::TestWithParam<Shard> {};

TEST_P(Conformance, OfficialCasesPass) {
  const auto [mode, shard] = GetParam();
  std::vector<OfficialCase> selected;
  Counts counts;
  for (const OfficialCase& item : official_cases()) {
    // A case and its neighbours, which resemble it, go to different shards.
    if (!is_selected(item) || counts.cases++ % kShards != shard) continue;
    if (!is_runnable(item)) {
      ++counts.undefined;
      continue;
    }
    counts.excused += excuses().find(item.name, mode) == Excuse::kFails ? 1 : 0;
    selected.push_back(item);
  }
  tools::run_in_processes(
      selected.size(), 1, kSecondsPerCase,
      [&](size_t i) { return run_case(selected[i], mode, excuses().find(selected[i].name, mode)); },
      [&](size_t i, const std::string& fault) { report(selected[i], mode, fault); });
  std::cout << fmt::format("{}: {} cases run of {}, {} excused\n", name(mode), selected.size(),
                           selected.size() + static_cast<size_t>(counts.undefined), counts.excused);
}

std::vector<Shard> all_shards() {
  std::vector<Shard> shards;
  for (Mode mode : kModes) {
    for (size_t i = 0; i < kShards; ++i) shards.push_back({mode, i});
  }
  return shards;
}

INSTANTIATE_TEST_SUITE_P(Onnx, Conformance, testing::ValuesIn(all_shards()), [](const auto& info) {
  return fmt::format("{}_{}", name(info.param.mode), info.param.index);
});

TEST(Excuses, ConcernCasesThatExist) {
  const std::vector<OfficialCase> cases = official_cases();
  EXPECT_GT(cases.size(), 2000u);
  for (const std::string& line : excuses().without_case(cases)) ADD_FAILURE() << "no case for: " << line;
}

}  // namespace
}  // namespace dlc::test

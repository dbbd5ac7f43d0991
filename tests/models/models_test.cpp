// Whole models: their outputs against recorded ones, at every shape that was recorded, from one compilation;
// the same as a library; every intermediate value against reference compilation.
#include <gtest/gtest.h>

#include <map>

#include "frontend/read_model.h"
#include "runtime/error.h"
#include "tests/models/compiled_case.h"
#include "tests/models/model_case.h"
#include "tests/support/paths.h"
#include "tools/compare.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

// A comparison of outputs that hardly depend on the inputs proves nothing.
constexpr double kLeastDifference = 1e-2;

struct Run {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
};

std::vector<std::vector<int64_t>> shapes(const std::vector<Tensor>& tensors) {
  std::vector<std::vector<int64_t>> result;
  for (const Tensor& tensor : tensors) result.push_back(tensor.shape());
  return result;
}

// The runs of equal shapes among themselves, and with other inputs where these are too few or too similar.
void check_sensitivity(runtime::Context& context, const std::vector<Run>& runs) {
  double best = 0;
  for (size_t i = 1; i < runs.size(); ++i) {
    best = std::max(best, least_difference(runs[i].outputs, runs[0].outputs));
  }
  if (best < kLeastDifference) {
    best = least_difference(context.run(other_inputs(runs[0].inputs)), runs[0].outputs);
  }
  if (best < kLeastDifference) {
    fail(ErrorKind::kData, "outputs of different inputs differ by {:.3g} of their size only", best);
  }
}

void check(const std::string& fault) {
  if (!fault.empty()) fail(ErrorKind::kData, "{}", fault);
}

void check_set(const ModelCase& item, const runtime::Program& program, const fs::path& set,
               runtime::Context& context, runtime::Context& library, Run& run) {
  const auto bound = [&](const std::string& output) { return expectations().bound(item.name, output); };
  run.inputs = read_tensors(set, "input");
  run.outputs = context.run(run.inputs);
  check(distance_fault(program, run.outputs, read_tensors(set, "output"), bound));
  check(identity_fault(program, library.run(run.inputs), run.outputs));
}

void check_model(const ModelCase& item) {
  const CompiledCase compiled(item.folder / "model.onnx");
  runtime::Context context(compiled.program());
  runtime::Context library(compiled.library());
  std::map<std::vector<std::vector<int64_t>>, std::vector<Run>> runs;
  for (const fs::path& set : data_sets(item.folder)) {
    Run run;
    try {
      check_set(item, compiled.program(), set, context, library, run);
    } catch (Error& error) {
      throw error.add_context(set.filename().string());
    }
    runs[shapes(run.inputs)].push_back(std::move(run));
  }
  if (runs.empty()) fail(ErrorKind::kData, "no data set");
  for (const auto& [key, same] : runs) check_sensitivity(context, same);
}

void check_values(const ModelCase& item) {
  const std::string model = (item.folder / "model.onnx").string();
  tools::InputFlags flags;
  const auto graph = frontend::read_model(model);
  for (size_t i = 0; i < graph->inputs().size(); ++i) {
    flags.inputs.push_back(fmt::format("{}={}/test_data_set_0/input_{}.pb", graph->inputs()[i]->name(),
                                       item.folder.string(), i));
  }
  const double bound = expectations().inner_bound(item.name);
  const tools::Comparison comparison = tools::compare_model(model, flags, {}, 0, bound);
  const bool good = std::all_of(comparison.values.begin(), comparison.values.end(),
                                [&](const auto& value) { return tools::agrees(value, bound); });
  if (!good) fail(ErrorKind::kData, "{}", tools::format_comparison(comparison, false));
}

void expect_success(const ModelCase& item, void (*run)(const ModelCase&)) {
  if (!fs::exists(item.folder / "model.onnx")) {
    GTEST_SKIP() << "there is no " << (item.folder / "model.onnx").string();
  }
  const std::string fault = tools::fault_of([&] { run(item); });
  if (const std::string gap = expectations().fails(item.name); gap.empty()) {
    EXPECT_TRUE(fault.empty()) << fault;
  } else {
    EXPECT_FALSE(fault.empty()) << "runs, but expectations.txt says: " << gap;
  }
}

class Models : public testing::TestWithParam<ModelCase> {};

TEST_P(Models, GiveTheRecordedOutputsInProcessAndAsLibrary) { expect_success(GetParam(), check_model); }

class Values : public testing::TestWithParam<ModelCase> {};

TEST_P(Values, AgreeWithReferenceCompilation) { expect_success(GetParam(), check_values); }

// Reference compilation of large networks takes minutes.
std::vector<ModelCase> compared_networks() {
  return all_models() ? recorded_networks() : std::vector<ModelCase>();
}

std::string case_name(const testing::TestParamInfo<ModelCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Real, Models, testing::ValuesIn(real_models()), case_name);
INSTANTIATE_TEST_SUITE_P(Recorded, Models, testing::ValuesIn(recorded_networks()), case_name);
INSTANTIATE_TEST_SUITE_P(Real, Values, testing::ValuesIn(real_models()), case_name);
INSTANTIATE_TEST_SUITE_P(Recorded, Values, testing::ValuesIn(compared_networks()), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Models);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Values);

TEST(ModelsOfShared, AreThere) {
  if (!fs::is_directory(shared_dir() / "models"))
    GTEST_SKIP() << "there are no models in " << shared_dir().string();
  EXPECT_GE(real_models().size(), 18u);
}

TEST(Expectations, ConcernModelsThatExist) {
  if (!fs::is_directory(shared_dir() / "models"))
    GTEST_SKIP() << "there are no models in " << shared_dir().string();
  std::set<std::string> known;
  for (const ModelCase& item : real_models()) known.insert(item.name);
  for (const ModelCase& item : recorded_networks()) known.insert(item.name);
  for (const std::string& name : expectations().names()) EXPECT_TRUE(known.contains(name)) << name;
}

}  // namespace
}  // namespace dlc::test

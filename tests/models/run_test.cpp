// What every run of a model keeps to: the same bits with any number of threads and from several contexts at
// the same time, and no memory that was not there before.
#include <gtest/gtest.h>

#include <thread>

#include "tests/models/compiled_case.h"
#include "tests/models/count_allocations.h"
#include "tests/models/model_case.h"
#include "tests/support/paths.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

// A model of each kind: control flow and recurrence, transformer, symbolic shapes, convolutions, quantised.
constexpr const char* kNames[] = {"silero_vad",      "gtcrn_stream",  "tinybert",
                                  "yunet_n_dynamic", "basic_pitch",   "fastestdet",
                                  "winml_cifar_cnn", "micro_kws_qdq", "magika_v3_3"};

class Runs : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::filesystem::path folder = shared_dir() / "models" / GetParam();
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "there is no " << folder.string();
    compiled_ = std::make_unique<CompiledCase>(folder / "model.onnx");
    for (const std::filesystem::path& set : data_sets(folder)) {
      inputs_.push_back(read_tensors(set, "input"));
    }
    ASSERT_GE(inputs_.size(), 2u);
  }

  const runtime::Program& program() const { return compiled_->program(); }

  std::vector<Tensor> run(size_t set, int threads) const {
    return runtime::Context(program(), {.threads = threads}).run(inputs_[set]);
  }

  void expect_equal(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) const {
    EXPECT_EQ(identity_fault(program(), found, expected), "");
  }

  void expect_the_same_bits_with_any_number_of_threads() const;
  void expect_dependence_on_inputs_only() const;
  void expect_independent_contexts() const;
  void expect_no_new_memory_for_shapes_as_large_as_seen() const;

  std::unique_ptr<CompiledCase> compiled_;
  std::vector<std::vector<Tensor>> inputs_;
};

void Runs::expect_the_same_bits_with_any_number_of_threads() const {
  const std::vector<Tensor> expected = run(0, 1);
  for (const int threads : {2, 3, 4}) {
    SCOPED_TRACE(threads);
    expect_equal(run(0, threads), expected);
  }
}

// The second run of a context finds what the first one left.
void Runs::expect_dependence_on_inputs_only() const {
  runtime::Context context(program());
  const std::vector<Tensor> first = context.run(inputs_[0]);
  context.run(inputs_[1]);
  expect_equal(context.run(inputs_[0]), first);
}

void Runs::expect_independent_contexts() const {
  constexpr int kRuns = 4;
  for (const int threads : {1, 2}) {
    const std::vector<Tensor> expected[] = {run(0, threads), run(1, threads)};
    std::vector<std::vector<Tensor>> found[2];
    const auto work = [&](size_t set) {
      runtime::Context context(program(), {.threads = threads});
      for (int k = 0; k < kRuns; ++k) found[set].push_back(context.run(inputs_[set]));
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    for (const size_t set : {0, 1}) {
      for (const std::vector<Tensor>& outputs : found[set]) expect_equal(outputs, expected[set]);
    }
  }
}

int64_t allocations_of_run(runtime::Context& context, const std::vector<Tensor>& inputs, size_t outputs) {
  std::vector<dlc_tensor> in;
  for (const Tensor& input : inputs) in.push_back(runtime::border_tensor(input));
  std::vector<dlc_tensor> out(outputs);
  const int64_t before = allocation_count();
  context.run(in, out);
  return allocation_count() - before;
}

void Runs::expect_no_new_memory_for_shapes_as_large_as_seen() const {
  for (const runtime::Program* program : {&compiled_->program(), &compiled_->library()}) {
    runtime::Context context(*program);
    const size_t outputs = program->outputs().size();
    EXPECT_GT(allocations_of_run(context, inputs_[0], outputs), 0) << "the first run makes the arena";
    for (const std::vector<Tensor>& inputs : inputs_) {
      EXPECT_EQ(allocations_of_run(context, inputs, outputs), 0);
    }
  }
}

// One test, because compiling the model takes the most time.
TEST_P(Runs, KeepToTheirInputsAndMemory) {
  expect_the_same_bits_with_any_number_of_threads();
  expect_dependence_on_inputs_only();
  expect_independent_contexts();
  // Those of a sanitizer are not the program's.
  if (counts_allocations()) expect_no_new_memory_for_shapes_as_large_as_seen();
}

INSTANTIATE_TEST_SUITE_P(Real, Runs, testing::ValuesIn(kNames),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace dlc::test

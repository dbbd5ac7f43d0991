// A training step in a library does to the last bit what the stepper does with the programs in this process.
#include "codegen/compile_step.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstring>

#include "runtime/model/training.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/runtime/training/tiny_training.h"

namespace dlc::training {
namespace {

using passes::StepKind;

// The functions of the header of a library named "tiny".
class Library {
 public:
  explicit Library(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) ADD_FAILURE() << dlerror();
  }
  ~Library() { dlclose(handle_); }

  template <class F>
  F* function(const char* name) const {
    void* address = dlsym(handle_, name);
    EXPECT_NE(address, nullptr) << name;
    return reinterpret_cast<F*>(address);
  }

 private:
  void* handle_;
};

codegen::StepModel compiled(StepKind kind, const char* name) {
  return codegen::compile_step_to_object(tiny_graph(kind),
                                         {.name = codegen::step_program_name("tiny", name)});
}

codegen::StepLibrary tiny_library() {
  codegen::StepLibrary library{.name = "tiny",
                               .step = compiled(StepKind::kStep, "step"),
                               .accumulate = compiled(StepKind::kAccumulate, "accumulate"),
                               .evaluate = compiled(StepKind::kEvaluate, "evaluate"),
                               .batches_per_step = 2};
  library.initial = initial_states(library.step.layout, tiny_states());
  return library;
}

void expect_same_states(const Library& library, dlc_stepper* trainer, const Stepper& stepper) {
  auto* info = library.function<const dlc_training_state*(int32_t)>("tiny_state_info");
  auto* state = library.function<void*(dlc_stepper*, int32_t)>("tiny_state");
  std::map<std::string, Tensor> expected;
  for (const auto& [name, tensor] :
       stepper.states({StateRole::kParameter, StateRole::kStatistic, StateRole::kMoment,
                       StateRole::kAccumulator, StateRole::kAverage})) {
    expected[name] = tensor;
  }
  size_t count = 0;
  for (int32_t i = 0; info(i) != nullptr; ++i, ++count) {
    ASSERT_TRUE(expected.contains(info(i)->name)) << info(i)->name;
    const Tensor& tensor = expected.at(info(i)->name);
    ASSERT_EQ(info(i)->bytes, tensor.byte_size());
    EXPECT_EQ(std::memcmp(state(trainer, i), tensor.data(), static_cast<size_t>(info(i)->bytes)), 0)
        << info(i)->name;
  }
  EXPECT_EQ(count, expected.size());
  EXPECT_EQ(state(trainer, static_cast<int32_t>(count)), nullptr);
}

TEST(StepLibrary, TrainsAsInThisProcess) {
  const test::TemporaryFolder folder;
  codegen::write_step_library(tiny_library(), folder / "tiny.so", {});
  const Library library(folder / "tiny.so");
  dlc_stepper* trainer = nullptr;
  dlc_context_options one_thread = {};
  one_thread.struct_size = sizeof one_thread;
  one_thread.threads = 1;
  ASSERT_EQ(library.function<int32_t(const dlc_context_options*, dlc_stepper**)>("tiny_init")(&one_thread,
                                                                                              &trainer),
            0);
  Stepper stepper(tiny_programs(), tiny_states(), {.threads = 1});
  expect_same_states(library, trainer, stepper);

  auto* train = library.function<int32_t(dlc_stepper*, const void* const*, float, float*)>("tiny_train");
  auto* evaluate =
      library.function<int32_t(dlc_stepper*, const void* const*, float*, void**)>("tiny_evaluate");
  const std::unique_ptr<Dataset> data = tiny_data();
  const Subset all = all_of(*data);
  Loader loader(*data, all, stepper.fields(), {.batch = 8});
  loader.start(0);
  int64_t batches = 0;
  while (const Batch* batch = loader.next()) {
    const void* const fields[] = {batch->fields[0].data(), batch->fields[1].data(), batch->weights.data()};
    float results[2] = {};
    ASSERT_EQ(train(trainer, fields, 0.1F, results), 0);
    const StepResult expected = stepper.step(*batch, 0.1F);
    EXPECT_EQ(results[0], static_cast<float>(expected.loss));
    EXPECT_EQ(results[1], static_cast<float>(expected.gradient_norm));
    void* outputs[1] = {nullptr};
    ASSERT_EQ(evaluate(trainer, fields, results, outputs), 0);
    const EvaluationResult evaluation = stepper.evaluate(*batch);
    EXPECT_EQ(results[0], static_cast<float>(evaluation.loss));
    EXPECT_EQ(results[1], static_cast<float>(batch->count));
    EXPECT_EQ(std::memcmp(outputs[0], evaluation.outputs[0].data(),
                          static_cast<size_t>(evaluation.outputs[0].byte_size())),
              0);
    ++batches;
  }
  EXPECT_EQ(batches, 7);
  EXPECT_EQ(library.function<int64_t(const dlc_stepper*)>("tiny_batches")(trainer), batches);
  expect_same_states(library, trainer, stepper);
  library.function<void(dlc_stepper*)>("tiny_release")(trainer);
}

}  // namespace
}  // namespace dlc::training

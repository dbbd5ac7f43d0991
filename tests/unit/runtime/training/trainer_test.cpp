#include "runtime/training/trainer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/runtime/training/tiny_training.h"

namespace dlc::training {
namespace {

using dlc::test::TemporaryFolder;

constexpr std::initializer_list<StateRole> kAll = {StateRole::kParameter, StateRole::kStatistic,
                                                   StateRole::kMoment, StateRole::kAccumulator};

TrainerOptions options_of(const std::string& folder, int64_t epochs = 6) {
  return {.epochs = epochs,
          .rate = 0.2,
          .schedule = {.kind = ScheduleKind::kPlateau, .warmup = 4, .factor = 0.5, .patience = 0},
          .metrics = {"accuracy"},
          .folder = folder};
}

struct Result {
  std::vector<double> losses;
  std::vector<double> validation;
  std::vector<std::pair<std::string, Tensor>> states;
};

void expect_equal(const Result& found, const Result& expected) {
  EXPECT_EQ(found.losses, expected.losses);
  EXPECT_EQ(found.validation, expected.validation);
  ASSERT_EQ(found.states.size(), expected.states.size());
  for (size_t i = 0; i < expected.states.size(); ++i) {
    EXPECT_TRUE(identical(found.states[i].second, expected.states[i].second)) << expected.states[i].first;
  }
}

// Runs until `batches` batches have been seen, all runs together; -1: to the end.
TrainerEnd run(TinyRun& tiny, Result& result, int64_t batches = -1) {
  std::atomic<bool> stop = false;
  TrainerEvents events;
  events.on_step = [&](const StepEvent& event) {
    result.losses.push_back(event.loss);
    stop = static_cast<int64_t>(result.losses.size()) == batches;
  };
  events.on_epoch = [&](const EpochEvent& event) { result.validation.push_back(event.validation.loss); };
  const TrainerEnd end = tiny.trainer().run(events, stop);
  result.states = tiny.stepper().states(kAll);
  return end;
}

TEST(Trainer, LearnsAndCountsAlong) {
  TinyRun tiny(options_of("", 20));
  const Evaluation before = [&] {
    Evaluation start;
    std::atomic<bool> stop = false;
    std::vector<StepEvent> steps;
    std::vector<EpochEvent> epochs;
    EXPECT_EQ(tiny.trainer().run({.on_start = [&](const Evaluation& evaluation) { start = evaluation; },
                                  .on_step = [&](const StepEvent& event) { steps.push_back(event); },
                                  .on_epoch = [&](const EpochEvent& event) { epochs.push_back(event); }},
                                 stop),
              TrainerEnd::kDone);
    // Forty of the fifty samples train, in five batches; two batches make a step.
    EXPECT_EQ(steps.size(), 100U);
    EXPECT_EQ(steps.back().step, 50);
    EXPECT_EQ(steps[4].batch, 4);
    EXPECT_EQ(epochs.size(), 20U);
    EXPECT_EQ(epochs.back().validation.samples, 10);
    EXPECT_DOUBLE_EQ(epochs.back().validation.metrics.at("accuracy"), 1);
    EXPECT_LT(epochs.back().validation.loss, 0.3);
    double mean = 0;
    for (size_t i = 0; i < 5; ++i) mean += steps[i].loss / 5;
    EXPECT_NEAR(epochs[0].training_loss, mean, 1e-12);
    EXPECT_EQ(steps[0].rate, 0.2 / 4);
    return start;
  }();
  EXPECT_GT(before.loss, 0.5);
}

// An interruption at any batch, of an epoch and of a step, leaves no trace in the numbers.
TEST(Trainer, ResumesBitForBit) {
  Result whole;
  TinyRun uninterrupted(options_of(""));
  EXPECT_EQ(run(uninterrupted, whole), TrainerEnd::kDone);
  ASSERT_EQ(whole.losses.size(), 30U);
  for (int64_t at : {1, 2, 5, 13, 29, 30}) {
    SCOPED_TRACE(at);
    const TemporaryFolder folder;
    Result parts;
    TinyRun first(options_of(folder.path().string()));
    EXPECT_EQ(run(first, parts, at), TrainerEnd::kInterrupted);
    TinyRun second(options_of(folder.path().string()));
    second.trainer().resume(read_checkpoint(folder.path().string(), "last"));
    EXPECT_EQ(run(second, parts), TrainerEnd::kDone);
    expect_equal(parts, whole);
  }
}

// As after kill -9: what a checkpoint in the middle of an epoch holds is enough.
TEST(Trainer, ResumesFromACheckpointOfTheMiddle) {
  Result whole;
  const TemporaryFolder folder;
  TrainerOptions options = options_of(folder.path().string());
  options.checkpoint_every = 3;
  options.keep = 100;
  TinyRun uninterrupted(options);
  run(uninterrupted, whole);
  for (const char* name : {"step-3", "step-6", "step-9"}) {
    SCOPED_TRACE(name);
    const Checkpoint checkpoint = read_checkpoint(folder.path().string(), name);
    TinyRun rest(options_of(""));
    rest.trainer().resume(checkpoint);
    Result result;
    run(rest, result);
    const auto seen = static_cast<ptrdiff_t>(checkpoint.run.batches);
    result.losses.insert(result.losses.begin(), whole.losses.begin(), whole.losses.begin() + seen);
    result.validation.insert(result.validation.begin(), whole.validation.begin(),
                             whole.validation.begin() + static_cast<ptrdiff_t>(checkpoint.run.epoch));
    expect_equal(result, whole);
  }
}

TEST(Trainer, RefusesCheckpointsOfOtherModels) {
  const TemporaryFolder folder;
  Result result;
  TinyRun tiny(options_of(folder.path().string(), 1));
  run(tiny, result);
  Checkpoint checkpoint = read_checkpoint(folder.path().string(), "last");
  TinyRun other(options_of(""));
  other.trainer().set_model_hash("another");
  EXPECT_THROW(other.trainer().resume(checkpoint), Error);
  checkpoint.optimizer.pop_back();
  TinyRun same(options_of(""));
  EXPECT_THROW(same.trainer().resume(checkpoint), Error);
}

TEST(Trainer, EndsEarlyWhereNothingGetsBetter) {
  TrainerOptions options = options_of("", 50);
  options.rate = 1e-30;
  options.schedule = {};
  options.patience = 3;
  // Running statistics move on by themselves; accuracy does not.
  options.decides = "accuracy";
  TinyRun tiny(options);
  Result result;
  EXPECT_EQ(run(tiny, result), TrainerEnd::kEarly);
  EXPECT_LT(result.validation.size(), 50U);
  EXPECT_GE(result.validation.size(), 4U);
}

TEST(Trainer, KeepsTheBestCheckpoint) {
  const TemporaryFolder folder;
  TrainerOptions options = options_of(folder.path().string(), 8);
  options.rate = 0.5;
  TinyRun tiny(options);
  std::vector<std::pair<double, int64_t>> epochs;
  std::atomic<bool> stop = false;
  tiny.trainer().run(
      {.on_epoch = [&](const EpochEvent& e) { epochs.emplace_back(e.validation.loss, e.step); }}, stop);
  const RunState best = read_checkpoint(folder.path().string(), "best").run;
  const auto expected = *std::min_element(epochs.begin(), epochs.end());
  EXPECT_EQ(best.best, expected.first);
  EXPECT_EQ(best.steps, expected.second);
  EXPECT_EQ(read_checkpoint(folder.path().string(), "last").run.steps, epochs.back().second);
}

std::string error_of(TinyRun& tiny) {
  try {
    Result result;
    run(tiny, result);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
}

TEST(Trainer, StopsAtNumbersThatAreNotFinite) {
  const TemporaryFolder folder;
  TinyRun data(options_of(folder.path().string()), true);
  const std::string of_data = error_of(data);
  EXPECT_NE(of_data.find("the loss is nan"), std::string::npos) << of_data;
  EXPECT_NE(of_data.find("'x' of the batch"), std::string::npos) << of_data;
  TrainerOptions options = options_of(folder.path().string());
  options.rate = 1e38;
  options.schedule = {};
  TinyRun rate(options);
  const std::string of_rate = error_of(rate);
  EXPECT_NE(of_rate.find("' after the step"), std::string::npos) << of_rate;
  EXPECT_TRUE(of_rate.starts_with("step ") && of_rate.find("last checkpoint is kept") != std::string::npos);
}

// Checkpoints of large models are written from where the states are.
TEST(Stepper, ShowsStatesWithoutCopies) {
  const Stepper stepper(tiny_programs(), tiny_states(), {.threads = 1});
  const auto first = stepper.states(kAll);
  const auto second = stepper.states(kAll);
  ASSERT_FALSE(first.empty());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].second.data(), second[i].second.data());
}

TEST(Stepper, GivesTheSameForAnyNumberOfThreads) {
  auto data = tiny_data();
  const Subset all = all_of(*data);
  std::vector<std::vector<std::pair<std::string, Tensor>>> results;
  for (int threads : {1, 2, 3}) {
    Loader loader(*data, all, tiny_programs().step->layout.fields, {.batch = 8});
    Stepper stepper(tiny_programs(), tiny_states(), {.threads = threads});
    loader.start(0);
    while (const Batch* batch = loader.next()) stepper.step(*batch, 0.1);
    results.push_back(stepper.states(kAll));
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_TRUE(identical(results[0][i].second, results[1][i].second)) << results[0][i].first;
    EXPECT_TRUE(identical(results[0][i].second, results[2][i].second)) << results[0][i].first;
  }
}

TEST(Stepper, RefusesStatesThatDoNotFit) {
  std::map<std::string, Tensor> states = tiny_states();
  states["w1"] = Tensor(DType::kFloat, {4, 2});
  EXPECT_THROW(Stepper(tiny_programs(), states, {}), Error);
  states.erase("w1");
  EXPECT_THROW(Stepper(tiny_programs(), states, {}), Error);
}

}  // namespace
}  // namespace dlc::training

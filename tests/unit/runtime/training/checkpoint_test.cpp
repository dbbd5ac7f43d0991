#include "runtime/training/checkpoint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tests/support/temporary_folder.h"

namespace dlc::training {
namespace {

namespace fs = std::filesystem;
using dlc::test::TemporaryFolder;

Tensor filled(int64_t size, double value) {
  Tensor result(DType::kFloat, {size});
  for (int64_t i = 0; i < size; ++i) result.set_double(i, value);
  return result;
}

Checkpoint checkpoint(int64_t steps, int64_t size = 3) {
  Checkpoint result;
  result.run.epoch = 2;
  result.run.batch = 5;
  result.run.steps = steps;
  result.run.batches = 2 * steps;
  result.run.best = 0.1 + static_cast<double>(steps) / 3;
  result.run.best_step = 3;
  result.run.worse_epochs = 1;
  result.run.epoch_loss = 1e-300;
  result.run.schedule = {.scale = 0.25, .best = 1.0 / 3, .waited = 2};
  result.run.model_hash = "abc";
  result.model = {{"w", filled(size, static_cast<double>(steps))}, {"b", filled(1, -1)}};
  result.optimizer = {{"w.momentum", filled(size, 0.5)}};
  result.averages = {{"w", filled(size, 0.25)}};
  return result;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> result;
  for (const auto& entry : fs::directory_iterator(folder)) result.push_back(entry.path().filename().string());
  std::sort(result.begin(), result.end());
  return result;
}

std::string error_of(const std::string& folder, const std::string& name) {
  try {
    read_checkpoint(folder, name);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Checkpoint, GivesBackEveryBit) {
  const TemporaryFolder folder;
  const std::string run = folder.path().string();
  const Checkpoint saved = checkpoint(7);
  EXPECT_FALSE(has_checkpoint(run, "last"));
  write_checkpoint(run, saved, {"last", "best"}, 2);
  EXPECT_TRUE(has_checkpoint(run, "last"));
  for (const char* name : {"last", "best", "step-7"}) {
    const Checkpoint read = read_checkpoint(run, name);
    EXPECT_EQ(read.run.epoch, 2);
    EXPECT_EQ(read.run.batch, 5);
    EXPECT_EQ(read.run.steps, 7);
    EXPECT_EQ(read.run.batches, 14);
    EXPECT_EQ(read.run.best, saved.run.best);
    EXPECT_EQ(read.run.best_step, 3);
    EXPECT_EQ(read.run.worse_epochs, 1);
    EXPECT_EQ(read.run.epoch_loss, 1e-300);
    EXPECT_EQ(read.run.schedule.scale, 0.25);
    EXPECT_EQ(read.run.schedule.best, 1.0 / 3);
    EXPECT_EQ(read.run.schedule.waited, 2);
    EXPECT_EQ(read.run.model_hash, "abc");
    ASSERT_EQ(read.model.size(), 2U);
    EXPECT_EQ(read.model[0].first, "w");
    EXPECT_TRUE(identical(read.model[0].second, saved.model[0].second));
    EXPECT_TRUE(identical(read.model[1].second, saved.model[1].second));
    ASSERT_EQ(read.optimizer.size(), 1U);
    EXPECT_TRUE(identical(read.optimizer[0].second, saved.optimizer[0].second));
    ASSERT_EQ(read.averages.size(), 1U);
    EXPECT_TRUE(identical(read.averages[0].second, saved.averages[0].second));
    EXPECT_TRUE(identical(states_of(read).at("w.average"), saved.averages[0].second));
  }
  Checkpoint plain = saved;
  plain.averages.clear();
  write_checkpoint(run, plain, {"last"}, 2);
  EXPECT_TRUE(read_checkpoint(run, "last").averages.empty());
}

TEST(Checkpoint, KeepsTheLatestAndTheBest) {
  const TemporaryFolder folder;
  const std::string run = folder.path().string();
  write_checkpoint(run, checkpoint(1), {"last", "best"}, 2);
  for (int64_t step : {9, 10, 11, 100}) write_checkpoint(run, checkpoint(step), {"last"}, 2);
  EXPECT_EQ(names_in(folder / "ckpt"),
            (std::vector<std::string>{"best", "last", "step-1", "step-100", "step-11"}));
  EXPECT_EQ(read_checkpoint(run, "last").run.steps, 100);
  EXPECT_EQ(read_checkpoint(run, "best").run.steps, 1);
}

// The folder that links name is never taken away under them.
TEST(Checkpoint, WritesTheSameStepAgain) {
  const TemporaryFolder folder;
  const std::string run = folder.path().string();
  for (int i = 0; i < 4; ++i) {
    Checkpoint again = checkpoint(5);
    again.run.batch = i;
    write_checkpoint(run, again, {"last"}, 1);
    EXPECT_EQ(read_checkpoint(run, "last").run.batch, i);
  }
  EXPECT_EQ(names_in(folder / "ckpt").size(), 2U);
}

TEST(Checkpoint, RemovesWhatAKilledRunHasLeft) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "ckpt/.writing-step-3");
  data::write_file(folder / "ckpt/.writing-step-3/model.safetensors", "half");
  EXPECT_FALSE(has_checkpoint(folder.path().string(), "last"));
  write_checkpoint(folder.path().string(), checkpoint(4), {"last"}, 2);
  EXPECT_EQ(names_in(folder / "ckpt"), (std::vector<std::string>{"last", "step-4"}));
}

// A process that writes checkpoints without end is killed; the last one is whole each time.
TEST(Checkpoint, SurvivesKillAtAnyMoment) {
  const TemporaryFolder folder;
  const std::string run = folder.path().string();
  constexpr int64_t kSize = 20000;
  int64_t steps = 0;
  for (int round = 0; round < 25; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t step = steps + 1;; ++step)
        write_checkpoint(run, checkpoint(step, kSize), {"last", "best"}, 1);
    }
    usleep(static_cast<useconds_t>(3000 + 1700 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    if (!has_checkpoint(run, "last")) continue;
    const Checkpoint read = read_checkpoint(run, "last");
    ASSERT_GE(read.run.steps, steps) << "round " << round;
    steps = read.run.steps;
    ASSERT_EQ(read.model[0].second.size(), kSize);
    for (int64_t i = 0; i < kSize; ++i)
      ASSERT_EQ(read.model[0].second.get_double(i), static_cast<double>(steps));
  }
  EXPECT_GT(steps, 0);
}

// A limit on the sizes of files stands for a disk that is full.
TEST(Checkpoint, KeepsTheOneBeforeWhereTheDiskIsFull) {
  const TemporaryFolder folder;
  const std::string run = folder.path().string();
  write_checkpoint(run, checkpoint(1), {"last"}, 2);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_checkpoint(run, checkpoint(2, 100000), {"last"}, 2);
      _exit(1);
    } catch (const Error& error) {
      _exit(error.kind() == ErrorKind::kIo ? 0 : 2);
    }
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "expected Error(kIo)";
  EXPECT_EQ(names_in(folder / "ckpt"), (std::vector<std::string>{"last", "step-1"}));
  EXPECT_EQ(read_checkpoint(run, "last").run.steps, 1);
}

TEST(Checkpoint, RefusesDamagedFiles) {
  const TemporaryFolder folder;
  const std::string run = folder.path().string();
  EXPECT_NE(error_of(run, "last").find("there is no checkpoint 'last'"), std::string::npos);
  write_checkpoint(run, checkpoint(1), {"last"}, 2);
  const std::string state = folder / "ckpt/step-1/state.json";
  const std::string text = data::read_file(state);
  for (const char* damaged : {"", "{", "[]", "{\"epoch\": 1}", "null"}) {
    data::write_file(state, damaged);
    EXPECT_NE(error_of(run, "last").find("state.json"), std::string::npos) << damaged;
  }
  std::string negative = text;
  negative.replace(negative.find("\"batch\": 5"), 10, "\"batch\": -5");
  data::write_file(state, negative);
  EXPECT_NE(error_of(run, "last").find("a count is negative"), std::string::npos);
  data::write_file(state, text);
  EXPECT_EQ(error_of(run, "last"), "");
  const std::string model = folder / "ckpt/step-1/model.safetensors";
  const std::string bytes = data::read_file(model);
  data::write_file(model, bytes.substr(0, bytes.size() / 2));
  EXPECT_NE(error_of(run, "last").find("model.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace dlc::training

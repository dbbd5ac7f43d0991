// dlc-train in several processes, as mpirun starts them.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/training/random.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Four classes of 8x8 pictures: one quadrant is bright. Their number is no multiple of a batch.
void write_data(const TemporaryFolder& folder) {
  constexpr int64_t kSamples = 77;
  Tensor images(DType::kFloat, {kSamples, 1, 8, 8});
  Tensor labels(DType::kInt64, {kSamples});
  training::Random random(5);
  for (int64_t i = 0; i < kSamples; ++i) {
    const auto label = static_cast<int64_t>(random.below(4));
    labels.set_int(i, label);
    for (int64_t pixel = 0; pixel < 64; ++pixel) {
      const bool is_bright = pixel / 32 == label / 2 && pixel % 8 / 4 == label % 2;
      images.set_double(i * 64 + pixel, 0.5 * random.unit() + (is_bright ? 0.5 : 0));
    }
  }
  data::write_file(folder / "x.npy", data::format_npy(images));
  data::write_file(folder / "y.npy", data::format_npy(labels));
}

std::vector<std::string> fit(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> result = {"fit",         digits_model(),      "--data",      "npy:x.npy,y.npy",
                                     "--head",      "replace:classes=4", "--val-split", "0.25",
                                     "--metrics",   "accuracy",          "--threads",   "1",
                                     "--optimizer", "adamw,lr=3e-3",     "--out",       out};
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

std::string train_program() { return program("dlc-train").string(); }

// Runs as root and on fewer processors than there are processes, which mpirun wants to be told.
ProcessResult run_processes(int count, std::vector<std::string> command, const TemporaryFolder& folder) {
  std::vector<std::string> all = {
      "env", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "mpirun", "--oversubscribe",
      "-n",  std::to_string(count)};
  all.insert(all.end(), command.begin(), command.end());
  return run_process(all, {.folder = folder.path(), .timeout_seconds = 240});
}

ProcessResult train_together(int count, std::vector<std::string> arguments, const TemporaryFolder& folder) {
  arguments.insert(arguments.begin(), train_program());
  arguments.insert(arguments.end(), {"--distributed", "mpi"});
  return run_processes(count, std::move(arguments), folder);
}

// The losses of all steps and epochs that a run has written.
std::vector<double> losses(const TemporaryFolder& folder, const std::string& run) {
  std::istringstream lines(read_text(folder / (run + "/log.jsonl")));
  std::vector<double> result;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    for (const char* key : {"loss", "validation_loss", "validation_accuracy"}) {
      if (json.contains(key)) result.push_back(json[key]);
    }
  }
  return result;
}

struct TogetherCase {
  const char* name;
  int processes;
  std::vector<std::string> flags;
};

void PrintTo(const TogetherCase& item, std::ostream* stream) { *stream << item.name; }

class TrainTogether : public testing::TestWithParam<TogetherCase> {};

TEST_P(TrainTogether, HasTheLossesOfOneProcess) {
  const TemporaryFolder folder;
  write_data(folder);
  const TogetherCase& item = GetParam();
  const ProcessResult alone = run_tool("dlc-train", fit("alone", item.flags), {.folder = folder.path()});
  ASSERT_EQ(alone.code, 0) << alone.err;
  const ProcessResult together = train_together(item.processes, fit("together", item.flags), folder);
  ASSERT_EQ(together.code, 0) << together.err;
  const std::string plan = fmt::format("of 16 for {} processes", item.processes);
  EXPECT_TRUE(together.out.find(plan) != std::string::npos) << together.out;
  // The first process alone speaks.
  EXPECT_EQ(together.out.find("done after"), together.out.rfind("done after"));
  const std::vector<double> expected = losses(folder, "alone");
  const std::vector<double> found = losses(folder, "together");
  ASSERT_EQ(found.size(), expected.size());
  ASSERT_GE(found.size(), 8U);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5 * expected[i]) << i;
  EXPECT_LT(found.back(), 1.01) << "an accuracy";
}

INSTANTIATE_TEST_SUITE_P(All, TrainTogether,
                         testing::Values(TogetherCase{"two",
                                                      2,
                                                      {"--batch", "16", "--epochs", "3", "--input",
                                                       "default,flip,crop=1", "--accumulate", "2",
                                                       "--clip-norm", "1"}},
                                         TogetherCase{"four",
                                                      4,
                                                      {"--batch", "16", "--epochs", "3", "--loss",
                                                       "cross-entropy,ignore=2,class-weights=1/2/1/3"}},
                                         TogetherCase{"features",
                                                      2,
                                                      {"--batch", "16", "--epochs", "3", "--freeze",
                                                       "filters*,hidden*", "--ema", "0.9"}}),
                         [](const auto& info) { return std::string(info.param.name); });

// A run goes on with another number of processes where it stood.
TEST(TrainMpi, ResumesTogether) {
  const TemporaryFolder folder;
  write_data(folder);
  const ProcessResult whole =
      run_tool("dlc-train", fit("whole", {"--batch", "16", "--epochs", "4"}), {.folder = folder.path()});
  ASSERT_EQ(whole.code, 0) << whole.err;
  const ProcessResult begun = train_together(2, fit("run", {"--batch", "16", "--epochs", "2"}), folder);
  ASSERT_EQ(begun.code, 0) << begun.err;
  std::string flags = read_text(folder / "run/run.toml");
  flags.replace(flags.find("epochs = 2"), 10, "epochs = 4");
  data::write_file(folder / "run/run.toml", flags);
  const ProcessResult resumed = run_processes(4, {train_program(), "resume", "run"}, folder);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  const std::vector<double> expected = losses(folder, "whole");
  const std::vector<double> found = losses(folder, "run");
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5 * expected[i]) << i;
}

bool wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + 120s;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(20ms);
  return condition();
}

TEST(TrainMpi, NamesAProcessThatDies) {
  const TemporaryFolder folder;
  write_data(folder);
  std::vector<std::string> command = {"sh", "-c", "echo $$ > process.$OMPI_COMM_WORLD_RANK; exec \"$@\"",
                                      "sh", train_program()};
  for (const std::string& argument :
       fit("run", {"--batch", "15", "--epochs", "1000000", "--distributed", "mpi"}))
    command.push_back(argument);
  auto result = std::async(std::launch::async, [&] { return run_processes(3, command, folder); });
  const bool runs = wait_until([&] {
    return fs::exists(folder / "run/metrics.csv") && read_text(folder / "run/metrics.csv").size() > 200;
  });
  EXPECT_TRUE(runs);
  ::kill(std::stoi(read_text(folder / "process.1")), SIGKILL);
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult ended = result.get();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
  EXPECT_NE(ended.code, 0);
  EXPECT_TRUE(matches(ended.err, "dlc-train: error: process 0: process 1 has ended")) << ended.err;
  EXPECT_TRUE(matches(ended.err, "dlc-train: error: process 2: process 1 has ended")) << ended.err;
  EXPECT_TRUE(fs::exists(folder / "run/ckpt/last/state.json"));
}

// Only the first process writes; it fails where its checkpoints should go.
TEST(TrainMpi, TellsTheOthersOfAFailure) {
  const TemporaryFolder folder;
  write_data(folder);
  fs::create_directory(folder / "run");
  data::write_file(folder / "run/ckpt", "a file in the way");
  const ProcessResult result = train_together(2, fit("run", {"--batch", "16", "--epochs", "2"}), folder);
  EXPECT_NE(result.code, 0);
  EXPECT_TRUE(matches(result.err, "error: process 0: .*ckpt")) << result.err;
  EXPECT_TRUE(matches(result.err, "error: process 1: process 0 has failed: .*ckpt")) << result.err;
}

TEST(TrainMpi, RefusesRunsThatDiffer) {
  const TemporaryFolder folder;
  write_data(folder);
  std::vector<std::string> command = {"sh", "-c", "exec \"$@\" --seed $OMPI_COMM_WORLD_RANK", "sh",
                                      train_program()};
  for (const std::string& argument : fit("run", {"--batch", "16", "--distributed", "mpi"}))
    command.push_back(argument);
  const ProcessResult result = run_processes(2, command, folder);
  EXPECT_NE(result.code, 0);
  EXPECT_TRUE(matches(result.err, "process 1 was started with another model or other flags than process 0"))
      << result.err;
}

TEST(TrainMpi, RefusesABatchThatDoesNotFallApart) {
  const TemporaryFolder folder;
  write_data(folder);
  const ProcessResult result = train_together(3, fit("run", {"--batch", "16"}), folder);
  EXPECT_NE(result.code, 0);
  EXPECT_TRUE(matches(result.err, "--batch: expected a multiple of the 3 processes, found 16")) << result.err;
}

}  // namespace
}  // namespace dlc::test

// dlc-train as a user calls it: on the digits model, with four patterns to learn instead.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <regex>

#include "runtime/data/files.h"
#include "runtime/training/random.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

ProcessResult train(const std::vector<std::string>& arguments, const ProcessOptions& options = {}) {
  return run_tool("dlc-train", arguments, options);
}

// IDX files of 8x8 pictures in which one quadrant is bright, and its number.
void write_patterns(const TemporaryFolder& folder, int64_t samples, int64_t classes = 4) {
  auto header = [](char rank, std::initializer_list<int64_t> shape) {
    std::string text{'\0', '\0', '\x08', rank};
    for (int64_t extent : shape)
      text += {'\0', '\0', static_cast<char>(extent / 256), static_cast<char>(extent % 256)};
    return text;
  };
  std::string images = header(3, {samples, 8, 8});
  std::string labels = header(1, {samples});
  training::Random random(17);
  for (int64_t i = 0; i < samples; ++i) {
    const auto label = static_cast<int64_t>(random.below(static_cast<uint64_t>(classes)));
    labels += static_cast<char>(label);
    for (int64_t pixel = 0; pixel < 64; ++pixel) {
      const bool bright = pixel / 32 == label / 2 && pixel % 8 / 4 == label % 2;
      images += static_cast<char>(random.below(120) + (bright ? 120 : 0));
    }
  }
  data::write_file(folder / "images", images);
  data::write_file(folder / "labels", labels);
}

const std::string kData = "idx:images,labels";

std::vector<std::string> fit_arguments(const std::string& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> result = {"fit",         digits_model(),
                                     "--data",      kData,
                                     "--head",      "replace:classes=4",
                                     "--batch",     "16",
                                     "--val-split", "0.25",
                                     "--metrics",   "accuracy",
                                     "--out",       out,
                                     "--threads",   "1",
                                     "--optimizer", "adamw,lr=5e-3"};
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

double number_after(const std::string& text, const std::string& key) {
  const size_t at = text.rfind(key);
  if (at == std::string::npos) return -1;
  return std::stod(text.substr(at + key.size()));
}

// The loss of the model as a run finds it.
double start_of(const ProcessResult& result) {
  return number_after(result.out, "at the start             validation ");
}

// What a run begins with is the model as it was, and what it ends with has the new nodes.
TEST(DlcTrain, InsertsNormalization) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult plain = train(fit_arguments("plain", {"--epochs", "1"}), here);
  const ProcessResult result =
      train(fit_arguments("run", {"--epochs", "3", "--bn", "train,insert=conv*"}), here);
  ASSERT_EQ(plain.code, 0) << plain.err;
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "12724 of 12756 parameters are trained")) << result.out;
  EXPECT_NEAR(start_of(result), start_of(plain), 2e-5);
  EXPECT_GE(number_after(result.out, "accuracy "), 0.95) << result.out;
  const ProcessResult exported = train({"export", "run", "-o", "tuned.onnx"}, here);
  ASSERT_EQ(exported.code, 0) << exported.err;
  const ProcessResult inspected = train({"inspect", "tuned.onnx"}, here);
  EXPECT_TRUE(matches(inspected.out, "maps\\.bn_variance +f32\\[16\\].*\\(statistic\\)")) << inspected.out;
  const ProcessResult resumed = train({"resume", "run"}, here);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

// Dropout that is added acts in training alone.
TEST(DlcTrain, AddsDropout) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult plain = train(fit_arguments("plain", {"--epochs", "1"}), here);
  const ProcessResult result =
      train(fit_arguments("run", {"--epochs", "1", "--add-dropout", "hidden*=0.5"}), here);
  ASSERT_EQ(plain.code, 0) << plain.err;
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(start_of(result), start_of(plain));
  EXPECT_NE(number_after(result.out, "  loss "), number_after(plain.out, "  loss "));
  const ProcessResult exported = train({"export", "run", "-o", "tuned.onnx"}, here);
  ASSERT_EQ(exported.code, 0) << exported.err;
}

TEST(DlcTrain, FitsEvaluatesAndExports) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult result = train(fit_arguments("run", {"--epochs", "4"}), here);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "12692 of 12692 parameters are trained, in 6 tensors\n")) << result.out;
  EXPECT_TRUE(matches(result.out, "180 samples in 12 batches of 16, 60 to validate\n")) << result.out;
  EXPECT_TRUE(matches(result.out, "epoch   4  loss 0\\.\\d+  validation 0\\.\\d+  accuracy ")) << result.out;
  EXPECT_GE(number_after(result.out, "accuracy "), 0.95) << result.out;
  for (const char* name : {"run.toml", "model.onnx", "log.jsonl", "metrics.csv", "curves.svg",
                           "ckpt/last/state.json", "ckpt/best/model.safetensors"}) {
    EXPECT_TRUE(fs::exists(folder.path() / "run" / name)) << name;
  }
  EXPECT_TRUE(matches(read_text(folder / "run/log.jsonl"), "\"step\":48,\"epoch\":4,\"batch\":12,\"loss\":"));
  EXPECT_TRUE(matches(read_text(folder / "run/metrics.csv"),
                      "^epoch,step,training_loss,.*validation_accuracy\n1,12,"));

  EXPECT_TRUE(std::any_of(fs::directory_iterator(folder / "run"), {}, [](const fs::directory_entry& entry) {
    return matches(entry.path().filename().string(), "^events\\.out\\.tfevents\\.");
  }));

  const ProcessResult evaluated = train({"eval", "run", "--best"}, here);
  EXPECT_TRUE(matches(evaluated.out, "accuracy \\S+  \\(60 samples\\)\n")) << evaluated.out << evaluated.err;
  EXPECT_GE(number_after(evaluated.out, "accuracy "), 0.95);
  const ProcessResult all = train({"eval", "run", "--data", kData, "--json"}, here);
  EXPECT_TRUE(matches(all.out, "^\\{\"loss\":0\\.\\d+,\"samples\":240,\"accuracy\":(1\\.0|0\\.9)"))
      << all.out << all.err;

  ASSERT_EQ(train({"export", "run", "-o", "tuned.onnx"}, here).code, 0);
  const ProcessResult run = run_tool("dlc-run", {"tuned.onnx", "--input", digit_picture(0)}, here);
  EXPECT_TRUE(matches(run.out, "probabilities.*\\[1, 4\\]")) << run.out << run.err;
}

TEST(DlcTrain, PlansWithoutWriting) {
  const TemporaryFolder folder;
  write_patterns(folder, 64);
  const ProcessResult result = train(fit_arguments("run", {"--dry-run"}), {.folder = folder.path()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "a step needs .* beside that\nabout .* ms a batch, .* s an epoch"))
      << result.out;
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"images", "labels"}));
}

TEST(DlcTrain, TakesARunFileAgain) {
  const TemporaryFolder folder;
  write_patterns(folder, 64);
  const ProcessOptions here{.folder = folder.path()};
  ASSERT_EQ(train(fit_arguments("a"), here).code, 0);
  const ProcessResult again = train({"fit", digits_model(), "--config", "a/run.toml", "--out", "b"}, here);
  ASSERT_EQ(again.code, 0) << again.err;
  train({"export", "a", "-o", "a.onnx"}, here);
  train({"export", "b", "-o", "b.onnx"}, here);
  EXPECT_EQ(read_text(folder / "a.onnx"), read_text(folder / "b.onnx"));
  data::write_file(folder / "wrong.toml", read_text(folder / "a/run.toml") + "epoch = 3\n");
  const ProcessResult wrong = train({"fit", digits_model(), "--config", "wrong.toml", "--out", "c"}, here);
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(matches(wrong.err, "epoch.*did you mean 'epochs'")) << wrong.err;
}

// Waits until the run has made so many steps, then sends the signal; the exit code is that of dlc-train.
ProcessResult interrupt(const std::vector<std::string>& arguments, const std::string& signal, int steps,
                        const TemporaryFolder& folder) {
  std::string script = fmt::format("'{}'", program("dlc-train").string());
  for (const std::string& argument : arguments) script += fmt::format(" '{}'", argument);
  script += fmt::format(
      " & for i in $(seq 6000); do [ $(cat run/log.jsonl 2>/dev/null | wc -l) -ge {} ] && break; sleep 0.01; "
      "done; "
      "kill -{} $!; wait $!",
      steps, signal);
  return run_process({"bash", "-c", script}, {.folder = folder.path()});
}

// A log without what the clock says.
std::string without_times(const std::string& log) {
  return std::regex_replace(log, std::regex("\"(samples_per_second|seconds)\":[^,}]*"), "");
}

// The model of the run in "run" is that of one with the same flags that nothing stopped, and so are its logs.
void expect_equals_whole_run(const TemporaryFolder& folder, const std::vector<std::string>& flags) {
  const ProcessOptions here{.folder = folder.path()};
  ASSERT_EQ(train(fit_arguments("whole", flags), here).code, 0);
  train({"export", "run", "-o", "resumed.onnx"}, here);
  train({"export", "whole", "-o", "whole.onnx"}, here);
  EXPECT_EQ(read_text(folder / "resumed.onnx"), read_text(folder / "whole.onnx"));
  EXPECT_EQ(without_times(read_text(folder / "run/log.jsonl")),
            without_times(read_text(folder / "whole/log.jsonl")));
  const std::string table = read_text(folder / "run/metrics.csv");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 41) << "a header and an epoch each";
}

// An interrupted run and what resumes it end where the other one does, to the last bit.
TEST(DlcTrain, ResumesAfterAnInterruption) {
  const TemporaryFolder folder;
  write_patterns(folder, 480);
  const ProcessOptions here{.folder = folder.path()};
  const std::vector<std::string> more = {
      "--epochs", "40", "--input", "default,flip,crop=1", "--schedule", "cosine,warmup=5%"};
  const ProcessResult first = interrupt(fit_arguments("run", more), "INT", 100, folder);
  EXPECT_EQ(first.code, 130) << first.err << first.out;
  EXPECT_TRUE(matches(first.out, "interrupted at step \\d+; dlc-train resume goes on\n$")) << first.out;
  const ProcessResult second = train({"resume", "run"}, here);
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_TRUE(matches(second.out, "going on with epoch \\d+, batch \\d+\n")) << second.out;
  expect_equals_whole_run(folder, more);
}

TEST(DlcTrain, ResumesAfterBeingKilled) {
  const TemporaryFolder folder;
  write_patterns(folder, 480);
  const ProcessOptions here{.folder = folder.path()};
  const std::vector<std::string> more = {"--epochs", "40", "--checkpoint-every", "7"};
  const ProcessResult first = interrupt(fit_arguments("run", more), "KILL", 100, folder);
  EXPECT_EQ(first.code, 128 + 9) << first.err;
  ASSERT_EQ(train({"resume", "run"}, here).code, 0);
  expect_equals_whole_run(folder, more);
}

TEST(DlcTrain, LeavesFrozenParametersAlone) {
  const TemporaryFolder folder;
  write_patterns(folder, 64);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult result = train(fit_arguments("run", {"--freeze", "filters*,hidden*"}), here);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "196 of 12692 parameters are trained, in 2 tensors\n")) << result.out;
  const std::string state = read_text(folder / "run/ckpt/last/model.safetensors");
  EXPECT_TRUE(matches(state, "output_weight") && !matches(state, "filters")) << state.substr(0, 300);
}

TEST(DlcTrain, TrainsANewHeadWhateverIsFrozen) {
  const TemporaryFolder folder;
  write_patterns(folder, 64);
  const ProcessOptions here{.folder = folder.path()};
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--freeze", "*"}, {"--train", "output_bias"}}) {
    std::vector<std::string> more = {"--dry-run"};
    more.insert(more.end(), flags.begin(), flags.end());
    const ProcessResult result = train(fit_arguments("run", more), here);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(matches(result.out, "196 of 12692 parameters are trained, in 2 tensors\n")) << result.out;
  }
}

TEST(DlcTrain, LearnsWithProductsInBfloat16) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult plain = train(fit_arguments("plain", {"--epochs", "8"}), here);
  const ProcessResult result = train(fit_arguments("run", {"--epochs", "8", "--precision", "bf16"}), here);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_GE(number_after(result.out, "accuracy "), 0.95) << result.out;
  EXPECT_NE(read_text(folder / "run/ckpt/last/model.safetensors"),
            read_text(folder / "plain/ckpt/last/model.safetensors"))
      << "nothing was rounded";
  EXPECT_TRUE(matches(read_text(folder / "run/run.toml"), "precision = \"bf16\""));
  EXPECT_EQ(train({"eval", "run"}, here).code, 0);
}

// Features of the frozen part that are computed once change nothing of what is learnt.
TEST(DlcTrain, ComputesTheFrozenPartOnce) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const std::vector<std::string> flags = {"--freeze", "filters*,hidden*", "--epochs", "8"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return more;
  };
  const ProcessResult cached = train(fit_arguments("cached", flags), here);
  ASSERT_EQ(cached.code, 0) << cached.err;
  EXPECT_TRUE(matches(
      cached.out,
      "\\d+ of \\d+ nodes are frozen and run once a sample; features take 192 B each, 46\\.1 kB in all\n"))
      << cached.out;
  const ProcessResult whole = train(fit_arguments("whole", with({"--cache-features", "0"})), here);
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_FALSE(matches(whole.out, "frozen")) << whole.out;
  const double loss = number_after(whole.out, "validation ");
  EXPECT_NEAR(number_after(cached.out, "validation "), loss, 1e-4 * loss);
  EXPECT_NEAR(number_after(train({"eval", "cached"}, here).out, "loss "), loss, 1e-4 * loss);
  const ProcessResult moved =
      train(fit_arguments("moved", with({"--input", "default,crop=1", "--dry-run"})), here);
  EXPECT_TRUE(matches(moved.out, "the frozen part runs in every step: samples are augmented\n")) << moved.out;
  const ProcessResult resumed = train({"resume", "cached"}, here);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

TEST(DlcTrain, ComputesAgainWhatMemoryDoesNotHold) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  // A batch that needs megabytes.
  const std::vector<std::string> fit = {"fit", digits_model(), "--data", kData, "--batch", "200"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), fit.begin(), fit.end());
    return train(more, here);
  };
  const ProcessResult plain = with({"--dry-run"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_TRUE(matches(plain.out, "a step takes \\S+ [kM]B; \\S+ [kM]B wait for the backward pass\n"))
      << plain.out;
  const ProcessResult tight = with({"--max-memory", "1"});
  EXPECT_EQ(tight.code, 2);
  EXPECT_TRUE(matches(tight.err,
                      "--max-memory 1: a step takes \\S+ [kM]B even where .* a smaller --batch takes less"))
      << tight.err;
}

TEST(DlcTrain, InspectsAndChecksGradients) {
  const ProcessResult inspected = train({"inspect", digits_model()});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_TRUE(matches(inspected.out, "hidden_weight +f32\\[256, 48\\] +12288  Gemm 'hidden'"))
      << inspected.out;
  EXPECT_TRUE(matches(inspected.out,
                      "head    Gemm 'output': 10 classes of 48 features, weight 'output_weight', "
                      "bias 'output_bias'\n"))
      << inspected.out;
  const ProcessResult checked = train({"grad-check", digits_model(), "--batch", "4"});
  EXPECT_EQ(checked.code, 0) << checked.out << checked.err;
  EXPECT_TRUE(matches(checked.out, "6 of 6 parameters agree\n$")) << checked.out;
  const ProcessResult timed = train({"bench", digits_model(), "--seconds", "0.05", "--json"});
  EXPECT_TRUE(matches(timed.out, "\"median_ms\": ?[0-9.]+")) << timed.out << timed.err;
}

TEST(DlcTrain, LearnsFromFoldersAndLeavesOutBrokenPictures) {
  const TemporaryFolder folder;
  const ProcessOptions here{.folder = folder.path()};
  for (int digit = 0; digit < 4; ++digit) {
    const std::string name = fmt::format("data/{}", digit < 2 ? "low" : "high");
    fs::create_directories(folder / name);
    fs::copy(digit_picture(digit), folder / fmt::format("{}/{}.png", name, digit));
  }
  data::write_file(folder / "data/low/broken.png", "no picture");
  std::vector<std::string> arguments = {
      "fit", digits_model(), "--data", "folder:data", "--head", "replace:classes=2", "--batch",
      "5",   "--epochs",     "40",     "--out",       "run"};
  const ProcessResult result = train(arguments, here);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "1 picture could not be read and was left out")) << result.out;
  const ProcessResult evaluated =
      train({"eval", "run", "--data", "folder:data", "--metrics", "accuracy"}, here);
  EXPECT_EQ(number_after(evaluated.out, "accuracy "), 1) << evaluated.out << evaluated.err;
  arguments.push_back("--strict");
  arguments[11] = "strict";
  const ProcessResult strict = train(arguments, here);
  EXPECT_EQ(strict.code, 1);
  EXPECT_TRUE(matches(strict.err, "broken\\.png")) << strict.err;
}

// The loss of a model before any step, as fit tells it.
double starting_loss(const std::string& model, const ProcessOptions& here) {
  const ProcessResult result =
      train({"fit", model, "--data", kData, "--val-split", "0.25", "--batch", "16", "--threads", "1"}, here);
  const size_t at = result.out.find("at the start");
  EXPECT_NE(at, std::string::npos) << result.out << result.err;
  return at == std::string::npos
             ? -1
             : number_after(result.out.substr(at, result.out.find('\n', at) - at), "validation ");
}

// What the adapters have learnt is the same beside the weights, merged into them, and as a file of its own.
TEST(DlcTrain, TrainsAdaptersAndMergesThem) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult result = train(fit_arguments("run", {"--epochs", "6", "--lora", "r=2,alpha=4"}), here);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "of 13\\d+ parameters are trained, in 6 tensors\n")) << result.out;
  EXPECT_GE(number_after(result.out, "accuracy "), 0.9) << result.out;
  const std::string state = read_text(folder / "run/ckpt/last/model.safetensors");
  EXPECT_TRUE(matches(state, "hidden_weight\\.lora_A") && matches(state, "\"output_weight\""))
      << state.substr(0, 600);
  EXPECT_FALSE(matches(state, "\"hidden_weight\"")) << "a frozen weight is no state";

  ASSERT_EQ(train({"export", "run", "-o", "tuned.onnx"}, here).code, 0);
  const double expected = number_after(train({"eval", "run"}, here).out, "loss ");
  EXPECT_NEAR(starting_loss("tuned.onnx", here), expected, 1e-4 * expected);
  EXPECT_GT(std::abs(starting_loss("run/model.onnx", here) - expected), 0.1);

  ASSERT_EQ(train({"export", "run", "--adapter", "-o", "adapter.safetensors"}, here).code, 0);
  const std::vector<std::string> merge = {"merge", "run/model.onnx", "--adapter", "adapter.safetensors",
                                          "-o",    "merged.onnx"};
  const ProcessResult merged = train(merge, here);
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_EQ(read_text(folder / "merged.onnx"), read_text(folder / "tuned.onnx"));

  const ProcessResult resumed = train({"resume", "run"}, here);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

// Averages are what validation looks at and export writes; the parameters behind them are there, too.
TEST(DlcTrain, AveragesParameters) {
  const TemporaryFolder folder;
  write_patterns(folder, 240);
  const ProcessOptions here{.folder = folder.path()};
  const ProcessResult result =
      train(fit_arguments("run", {"--epochs", "3", "--ema", "0.97", "--lr-scale", "*=0.5,hidden*=2"}), here);
  ASSERT_EQ(result.code, 0) << result.err;
  const double validated = number_after(result.out, "validation ");
  const double averaged = number_after(train({"eval", "run"}, here).out, "loss ");
  const double raw = number_after(train({"eval", "run", "--raw"}, here).out, "loss ");
  EXPECT_NEAR(validated, averaged, 1e-5);
  EXPECT_GT(std::abs(raw - averaged), 1e-3);
  ASSERT_EQ(train({"export", "run", "-o", "averaged.onnx"}, here).code, 0);
  ASSERT_EQ(train({"export", "run", "--raw", "-o", "raw.onnx"}, here).code, 0);
  EXPECT_NEAR(starting_loss("averaged.onnx", here), averaged, 1e-4 * averaged);
  EXPECT_NEAR(starting_loss("raw.onnx", here), raw, 1e-4 * raw);
}

struct FaultCase {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  std::string pattern;
};

void PrintTo(const FaultCase& item, std::ostream* stream) { *stream << item.name; }

class DlcTrainFault : public testing::TestWithParam<FaultCase> {};

TEST_P(DlcTrainFault, IsToldInOneLine) {
  const TemporaryFolder folder;
  write_patterns(folder, 32, 5);
  const ProcessResult result = train(GetParam().arguments, {.folder = folder.path()});
  EXPECT_EQ(result.code, GetParam().code) << result.err;
  EXPECT_TRUE(matches(result.err, "^dlc-train: error: [^\n]+\n$")) << result.err;
  EXPECT_TRUE(matches(result.err, GetParam().pattern)) << result.err << "expected: " << GetParam().pattern;
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"images", "labels"})) << "nothing is left behind";
}

std::vector<std::string> fit(const std::vector<std::string>& more) {
  std::vector<std::string> result = {"fit", digits_model(), "--data", kData, "--out", "run"};
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    All, DlcTrainFault,
    testing::Values(
        FaultCase{"no_command", {}, 2, "subcommand|command"},
        FaultCase{"unknown_flag", fit({"--epoch", "3"}), 2, "--epoch"},
        FaultCase{
            "missing_model", {"fit", "nowhere.onnx", "--data", kData}, 1, "nowhere\\.onnx.*No such file"},
        FaultCase{"no_data", {"fit", digits_model()}, 2, "--data is missing"},
        FaultCase{
            "data_kind", {"fit", digits_model(), "--data", "zip:a"}, 2, "there is no 'zip'; there are idx:"},
        FaultCase{"data_files",
                  {"fit", digits_model(), "--data", "idx:images"},
                  2,
                  "expected 2 files, for image, target"},
        FaultCase{"missing_file",
                  {"fit", digits_model(), "--data", "idx:images,nothing"},
                  1,
                  "nothing.*No such file"},
        FaultCase{"no_idx",
                  {"fit", digits_model(), "--data", "idx:images," + digit_labels()},
                  1,
                  "labels\\.txt.*no IDX"},
        FaultCase{"label", fit({"--head", "replace:classes=4"}), 1,
                  "sample \\d+: the class is 4, the model has classes 0 to 3"},
        FaultCase{"samples",
                  {"fit", digits_model(), "--data", "idx:labels,labels"},
                  1,
                  "'image': the samples are \\[\\]"},
        FaultCase{"loss", fit({"--loss", "hinge"}), 2,
                  "--loss: there is no 'hinge'; there are cross-entropy"},
        FaultCase{"loss_key", fit({"--loss", "mse,delta=1"}), 2, "'mse' takes no keys, found 'delta'"},
        FaultCase{"optimizer_key", fit({"--optimizer", "sgd,beta=1"}), 2,
                  "'sgd' has no key 'beta'; it has lr"},
        FaultCase{"optimizer_number", fit({"--optimizer", "sgd,lr=fast"}), 2,
                  "expected a number, found 'fast'"},
        FaultCase{"rate", fit({"--optimizer", "sgd,lr=0"}), 2, "lr: expected a positive number"},
        FaultCase{"schedule", fit({"--schedule", "stairs"}), 2, "--schedule: there is no 'stairs'"},
        FaultCase{"metric", fit({"--metrics", "auc"}), 2, "there is no metric 'auc'"},
        FaultCase{"metric_of_values", fit({"--metrics", "mae"}), 2, "'mae' is of values"},
        FaultCase{"keep_best", fit({"--keep-best", "accuracy"}), 2, "'accuracy' is not among --metrics"},
        FaultCase{"freeze", fit({"--freeze", "layer*"}), 2, "--freeze: no parameter matches 'layer\\*'"},
        FaultCase{"precision", fit({"--precision", "bfloat16"}), 2, "did you mean 'bf16'"},
        FaultCase{"freeze_all", fit({"--freeze", "*"}), 2, "no parameter is left to train"},
        FaultCase{"rate_scale", fit({"--lr-scale", "hidden*"}), 2,
                  "expected PATTERN=FACTOR, found 'hidden\\*'"},
        FaultCase{"rate_scale_sign", fit({"--lr-scale", "hidden*=-1"}), 2, "expected a positive factor"},
        FaultCase{"rate_scale_of_nothing", fit({"--freeze", "hidden*", "--lr-scale", "hidden*=2"}), 2,
                  "--lr-scale: no parameter matches 'hidden\\*'"},
        FaultCase{"dropout_ratio", fit({"--add-dropout", "hidden=1.5"}), 2,
                  "--add-dropout: 'hidden': expected a ratio between 0 and 1, found 1.5"},
        FaultCase{"dropout_of_nothing", fit({"--add-dropout", "nothing*=0.5"}), 2,
                  "--add-dropout: no node matches 'nothing\\*'"},
        FaultCase{"bn_frozen", fit({"--bn", "frozen,insert=*"}), 2, "'frozen' takes no keys, found 'insert'"},
        FaultCase{"bn_of_nothing", fit({"--head", "replace:classes=5", "--bn", "train,insert=nothing*"}), 2,
                  "no convolution without BatchNormalization matches 'nothing\\*'"},
        FaultCase{"average", fit({"--ema", "1"}), 2, "--ema: expected a share in"},
        FaultCase{"lora_key", fit({"--lora", "rank=4"}), 2,
                  "'lora' has no key 'rank'; it has r, target, alpha"},
        FaultCase{"lora_rank", fit({"--lora", "r=0"}), 2, "--lora: r: expected a whole number"},
        FaultCase{"lora_target", fit({"--lora", "r=4,target=bias*"}), 2,
                  "no weight .* matches 'bias\\*'; there are: filters"},
        FaultCase{"adapter_of_nothing",
                  {"merge", digits_model(), "--adapter", "labels", "-o", "x.onnx"},
                  1,
                  "labels"},
        FaultCase{"head", fit({"--head", "classes=3"}), 2, "expected replace:classes=COUNT"},
        FaultCase{"head_key", fit({"--head", "replace:class=3"}), 2, "no key 'class'"},
        FaultCase{"output", fit({"--output", "logits"}), 2, "no output 'logits'"},
        FaultCase{"split", fit({"--val-split", "1.5"}), 2, "--val-split: expected a share in"},
        FaultCase{"batch", fit({"--batch", "0"}), 2, "--batch: expected 1 or more"},
        FaultCase{"mean", fit({"--input", "default,mean=1/2/3"}), 2,
                  "mean: expected 1 or 1 numbers, found 3"},
        FaultCase{"resume_nothing", {"resume", "run"}, 1, "run"},
        FaultCase{"export_nothing", {"export", "run", "-o", "x.onnx"}, 1, "no checkpoint 'last'"},
        FaultCase{"diverges",
                  {"fit", digits_model(), "--data", kData, "--optimizer", "sgd,lr=1e30", "--epochs", "5"},
                  1,
                  "step \\d+: the loss is"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(DlcTrain, RunsTheExample) {
  const TemporaryFolder folder;
  const std::string bin = program("dlc-train").parent_path().string();
  const std::string script = (source_dir() / "examples/fine_tune/fine_tune.sh").string();
  const ProcessResult result = run_process(
      {"bash", "-c", fmt::format("PATH='{}':$PATH '{}' out", bin, script)}, {.folder = folder.path()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "98 of 12594 parameters are trained, in 2 tensors")) << result.out;
  EXPECT_EQ(number_after(result.out, "accuracy "), 1) << result.out;
  EXPECT_TRUE(fs::exists(folder.path() / "out/parity.onnx"));
}

TEST(DlcTrain, DoesNotOverwriteARun) {
  const TemporaryFolder folder;
  write_patterns(folder, 32);
  const ProcessOptions here{.folder = folder.path()};
  ASSERT_EQ(train(fit_arguments("run"), here).code, 0);
  const ProcessResult again = train(fit_arguments("run"), here);
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(matches(again.err, "there is a run already; dlc-train resume goes on with it")) << again.err;
}

TEST(DlcTrain, RefusesTheCheckpointOfAnotherModel) {
  const TemporaryFolder folder;
  write_patterns(folder, 32);
  const ProcessOptions here{.folder = folder.path()};
  ASSERT_EQ(train(fit_arguments("run"), here).code, 0);
  fs::copy_file(digits_model(), folder / "run/model.onnx", fs::copy_options::overwrite_existing);
  const ProcessResult resumed = train({"resume", "run"}, here);
  EXPECT_EQ(resumed.code, 1);
  EXPECT_TRUE(matches(resumed.err, "belongs to another model|classes")) << resumed.err;
}

}  // namespace
}  // namespace dlc::test

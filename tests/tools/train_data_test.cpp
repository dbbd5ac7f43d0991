// dlc-train with data of every kind, as a user calls it.
#include <fmt/format.h>

#include <filesystem>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/data/safetensors.h"
#include "runtime/training/random.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

// A bright quadrant of 8x8 pixels, and its number, as rows of numbers.
struct Patterns {
  std::vector<std::vector<int>> pixels;
  std::vector<int> quadrants;
};

Patterns patterns(int count, uint64_t seed = 23) {
  Patterns result;
  training::Random random(seed);
  for (int i = 0; i < count; ++i) {
    const int quadrant = i < 4 ? i : static_cast<int>(random.below(4));
    std::vector<int>& pixels = result.pixels.emplace_back();
    for (int pixel = 0; pixel < 64; ++pixel) {
      const bool bright = pixel / 32 == quadrant / 2 && pixel % 8 / 4 == quadrant % 2;
      pixels.push_back(static_cast<int>(random.below(8)) + (bright ? 8 : 0));
    }
    result.quadrants.push_back(quadrant);
  }
  return result;
}

const char* const kNames[] = {"north-west", "north-east", "south-west", "south, \"east\""};

std::string csv_of(const Patterns& data, bool by_name) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += fmt::format("p{},", i);
  text += "where\n";
  for (size_t i = 0; i < data.pixels.size(); ++i) {
    const int quadrant = data.quadrants[i];
    std::string label = std::to_string(quadrant);
    if (by_name) label = quadrant == 3 ? "\"south, \"\"east\"\"\"" : kNames[quadrant];
    text += fmt::format("{},{}\n", fmt::join(data.pixels[i], ","), label);
  }
  return text;
}

std::string json_of(const Patterns& data) {
  std::string text;
  for (size_t i = 0; i < data.pixels.size(); ++i) {
    text += fmt::format("{{\"image\": [[{}]], \"label\": {}}}\n", fmt::join(data.pixels[i], ", "),
                        data.quadrants[i]);
  }
  return text;
}

class DlcTrainData : public testing::Test {
 protected:
  ProcessResult train(const std::vector<std::string>& arguments) {
    return run_tool("dlc-train", arguments, {.folder = folder_.path()});
  }
  // Trains the digits model with four classes.
  ProcessResult fit(const std::string& data, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"fit",         digits_model(),
                                          "--data",      data,
                                          "--head",      "replace:classes=4",
                                          "--batch",     "16",
                                          "--epochs",    "6",
                                          "--metrics",   "accuracy",
                                          "--out",       "run",
                                          "--optimizer", "adamw,lr=5e-3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return train(arguments);
  }
  void expect_learnt(const ProcessResult& result, const std::string& data) {
    ASSERT_EQ(result.code, 0) << result.err;
    const ProcessResult evaluated = train({"eval", "run", "--data", data});
    EXPECT_TRUE(matches(evaluated.out, "accuracy (1\\.0|0\\.9)")) << evaluated.out << evaluated.err;
  }

  TemporaryFolder folder_;
};

TEST_F(DlcTrainData, LearnsFromCsvWithNamedClasses) {
  data::write_file(folder_ / "a.csv", csv_of(patterns(160), true));
  const std::string data = "csv:a.csv,target=where";
  const ProcessResult result = fit(data, {"--val-split", "0.25"});
  expect_learnt(result, data);
  EXPECT_EQ(read_text(folder_ / "run/classes.txt"), "north-east\nnorth-west\nsouth, \"east\"\nsouth-west\n");
  // Classes keep their numbers in data that have not all of them.
  Patterns last = patterns(4);
  for (std::vector<int>* pixels : {&last.pixels[0], &last.pixels[1], &last.pixels[2]})
    *pixels = last.pixels[3];
  last.quadrants = {3, 3, 3, 3};
  data::write_file(folder_ / "b.csv", csv_of(last, true));
  const ProcessResult some = train({"eval", "run", "--data", "csv:b.csv,target=where"});
  EXPECT_TRUE(matches(some.out, "accuracy 1\\.0+ +\\(4 samples\\)")) << some.out << some.err;
  data::write_file(folder_ / "c.csv", csv_of(patterns(4), false));
  const ProcessResult other = train({"eval", "run", "--data", "csv:c.csv,target=where"});
  EXPECT_EQ(other.code, 1);
  EXPECT_TRUE(matches(other.err, "c\\.csv: line 2: column 65 \\('where'\\): the class '0' is none of"))
      << other.err;
  const ProcessResult resumed = train({"resume", "run"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

TEST_F(DlcTrainData, LearnsFromJsonLines) {
  data::write_file(folder_ / "a.jsonl", json_of(patterns(160)));
  expect_learnt(fit("jsonl:a.jsonl"), "jsonl:a.jsonl");
  EXPECT_FALSE(fs::exists(folder_.path() / "run/classes.txt"));
}

TEST_F(DlcTrainData, LearnsFromSafetensors) {
  const Patterns source = patterns(160);
  Tensor images(DType::kFloat, {160, 64});
  Tensor labels(DType::kInt32, {160});
  for (int64_t i = 0; i < 160; ++i) {
    labels.set_int(i, source.quadrants[static_cast<size_t>(i)]);
    for (int64_t k = 0; k < 64; ++k)
      images.set_double(i * 64 + k, source.pixels[static_cast<size_t>(i)][static_cast<size_t>(k)]);
  }
  data::write_file(folder_ / "a.safetensors",
                   data::format_safetensors({{{"image", images}, {"labels", labels}}, {}}));
  expect_learnt(fit("safetensors:a.safetensors"), "safetensors:a.safetensors");
}

// Of the sequence 0 1 2 ... 15 0 1 ... every next token can be known.
TEST_F(DlcTrainData, LearnsNextTokens) {
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += {static_cast<char>(i % 16), '\0'};
  data::write_file(folder_ / "ids.bin", bytes);
  const std::string model = (source_dir() / "tests/tools/models/next_token.onnx").string();
  const std::vector<std::string> arguments = {
      "fit",   model,       "--data",   "tokens:ids.bin", "--shape",       "input_ids=?x10", "--epochs",
      "8",     "--metrics", "accuracy", "--optimizer",    "adamw,lr=0.05", "--val-split",    "0.1",
      "--out", "run"};
  const ProcessResult result = train(arguments);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "179 samples in 6 batches of 32, 20 to validate")) << result.out;
  EXPECT_TRUE(matches(result.out, "epoch   8 .* accuracy 1\\.0")) << result.out;
  data::write_file(folder_ / "wrong.bin", std::string("\x01\x00\x10\x00", 4) + std::string(60, '\0'));
  const ProcessResult wrong = train({"eval", "run", "--data", "tokens:wrong.bin"});
  EXPECT_TRUE(matches(wrong.err, "wrong\\.bin: token 1: the id is 16, the model has ids 0 to 15"))
      << wrong.err;
  std::vector<std::string> open = arguments;
  open[5] = "input_ids=?x?";
  open.back() = "other";
  EXPECT_TRUE(matches(train(open).err, "sequence")) << train(open).err;
}

TEST_F(DlcTrainData, IsToldWhatIsWrong) {
  data::write_file(folder_ / "a.csv", csv_of(patterns(8), true));
  struct Case {
    const char* data;
    int code;
    const char* pattern;
  };
  const Case cases[] = {
      {"csv:a.csv", 2, "which column is the target\\? Say target=COLUMN; there are p0, p1, "},
      {"csv:a.csv,target=were", 2, "there is no column 'were' for 'target'"},
      {"csv:a.csv,target=where,header=0", 2, "has no key 'header'; it has image, target"},
      {"csv:a.csv,target=p0", 1, "line 2: column 65 \\('where'\\): expected a number, found 'north-west'"},
      {"csv:b.csv", 1, "b\\.csv: cannot be opened: No such file"},
      {"jsonl:a.csv", 1, "a\\.csv: line 1: column 1: is no JSON"},
      {"tokens:a.csv", 2, "a\\.csv: token ids are \\[batch, length\\]"},
      {"tokens:a.csv,type=text", 2, "type: there is no 'text'; there are uint16"},
      {"tokens:a.csv,stride=1.5", 2, "stride: expected a whole number, found '1.5'"},
      {"safetensors:a.csv", 1, "a\\.csv: is no safetensors file"},
  };
  for (const Case& item : cases) {
    const ProcessResult result = fit(item.data);
    EXPECT_EQ(result.code, item.code) << item.data << ": " << result.err;
    EXPECT_TRUE(matches(result.err, "^dlc-train: error: [^\n]+\n$")) << result.err;
    EXPECT_TRUE(matches(result.err, item.pattern)) << result.err;
  }
}

}  // namespace
}  // namespace dlc::test

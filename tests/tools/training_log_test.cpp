// The files in which a run tells how it went.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "runtime/data/files.h"
#include "tests/tools/tools.h"
#include "tools/event_file.h"
#include "tools/svg_plot.h"
#include "tools/training_history.h"

namespace dlc::tools {
namespace {

using test::matches;
using test::read_text;
using test::TemporaryFolder;

TEST(Crc32c, GivesThePublishedSums) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AA);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46DD794E);
}

// The record of an event file that TensorFlow's own writer begins with.
TEST(FormatRecord, FramesAsTensorFlowDoes) {
  const std::string event(
      "\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0d"
      "brain.Event:2",
      24);
  const std::string record = format_record(event);
  ASSERT_EQ(record.size(), 8 + 4 + event.size() + 4);
  const unsigned char head[] = {24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22};
  EXPECT_EQ(std::memcmp(record.data(), head, sizeof head), 0);
  EXPECT_EQ(record.substr(12, event.size()), event);
}

TEST(EventFile, StartsANewFileEachTime) {
  const TemporaryFolder folder;
  {
    EventFile first(folder.path().string(), 1);
    first.add(1, {{"loss", 0.5}});
    EventFile second(folder.path().string(), 1);
  }
  const std::vector<std::string> names = folder.names();
  ASSERT_EQ(names.size(), 2U);
  for (const std::string& name : names)
    EXPECT_TRUE(matches(name, "^events\\.out\\.tfevents\\.\\d{10}\\.\\d\\.dlc$"));
  const std::string text = read_text(folder / names[0]);
  EXPECT_TRUE(matches(text, "brain\\.Event:2")) << "the version";
  EXPECT_TRUE(matches(text, "loss"));
}

const char* const kLog =
    "{\"step\":1,\"epoch\":1,\"batch\":1,\"loss\":4.0,\"rate\":0.1,\"gradient_norm\":2}\n"
    "{\"step\":2,\"epoch\":1,\"batch\":2,\"loss\":2.0,\"rate\":0.1,\"gradient_norm\":1}\n"
    "{\"epoch\":1,\"step\":2,\"training_loss\":3.0,\"validation_loss\":2.5,\"validation_accuracy\":0.5}\n"
    "{\"step\":3,\"epoch\":2,\"batch\":1,\"loss\":1.0,\"rate\":0.1,\"gradient_norm\":1}\n"
    "{\"step\":4,\"epoch\":2,\"batch\":2,\"loss\":0.5,\"rate\":0.1,\"gradient_norm\":1}\n"
    "{\"epoch\":2,\"step\":4,\"training_loss\":0.75,\"validation_loss\":0.5,\"validation_accuracy\":1}\n";
const char* const kTable = "epoch,step,training_loss\n1,2,3.0\n2,4,0.75\n";

struct CutCase {
  training::RunState state;
  int lines;  // of the log that stay
  int rows;   // of the table, with its header
};

TEST(CutHistory, KeepsWhatLiesBeforeThePlaceOfTheRun) {
  const CutCase cases[] = {
      {{.epoch = 0, .batch = 0}, 0, 0}, {{.epoch = 0, .batch = 1}, 1, 0}, {{.epoch = 0, .batch = 2}, 2, 0},
      {{.epoch = 1, .batch = 0}, 3, 2}, {{.epoch = 1, .batch = 1}, 4, 2}, {{.epoch = 2, .batch = 0}, 6, 3},
  };
  for (const CutCase& item : cases) {
    SCOPED_TRACE(fmt::format("epoch {}, batch {}", item.state.epoch, item.state.batch));
    const TemporaryFolder folder;
    data::write_file(folder / "log.jsonl", std::string(kLog) + "{\"step\":5,\"epo");
    data::write_file(folder / "metrics.csv", kTable);
    cut_history(folder.path().string(), item.state);
    const std::string log = read_text(folder / "log.jsonl");
    const std::string table = read_text(folder / "metrics.csv");
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), item.lines) << log;
    EXPECT_TRUE(std::string(kLog).starts_with(log));
    EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), item.rows) << table;
    EXPECT_TRUE(std::string(kTable).starts_with(table));
  }
}

TEST(DrawHistory, DrawsAPanelForEachKindOfNumber) {
  const std::string svg = draw_history(kLog);
  for (const char* text : {"<svg ", ">loss<", ">training, by step<", ">validation<", ">accuracy<",
                           ">learning rate<", ">norm of the gradient<", "</svg>\n"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(svg.find("errors of the validation data"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  for (const char* log : {"", "no json\n", "{\"step\":1,\"epoch\":1,\"batch\":1,\"loss\":null}\n"}) {
    EXPECT_TRUE(draw_history(log).ends_with("</svg>\n")) << log;
  }
}

// Where the numbers lie, by the marks of the points.
TEST(PlotSvg, PutsPointsInTheirPlaces) {
  const std::string svg = plot_svg({{"a & b", {{"c", {{0, 0}, {5, 10}, {10, NAN}, {20, 5}}}}}}, "x");
  EXPECT_NE(svg.find("a &amp; b"), std::string::npos);
  // The plot is 630 wide from 70 and 200 high from 34.
  EXPECT_NE(svg.find("cx=\"70.0\" cy=\"234.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("cx=\"227.5\" cy=\"34.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("cx=\"700.0\" cy=\"134.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("d=\"M70.0 234.0L227.5 34.0M700.0 134.0\""), std::string::npos)
      << "a gap at NaN: " << svg;
  const std::string flat = plot_svg({{"flat", {{"c", {{1, 3}}}}}, {"empty", {}}}, "x");
  EXPECT_EQ(flat.find("nan"), std::string::npos);
  EXPECT_EQ(flat.find("empty"), std::string::npos);
  const std::string logarithmic = plot_svg({{"", {{"c", {{0, 0.001}, {1, 1}, {2, 1000}}}}, true}}, "x");
  EXPECT_NE(logarithmic.find("cx=\"385.0\" cy=\"134.0\""), std::string::npos) << logarithmic;
}

}  // namespace
}  // namespace dlc::tools

#include "runtime/training/metrics.h"

#include <gtest/gtest.h>

#include "runtime/error.h"

namespace dlc::training {
namespace {

Tensor floats(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::kFloat, shape, values);
}

Batch batch_of(const Tensor& target, const std::vector<float>& weights) {
  return {{target},
          floats({static_cast<int64_t>(weights.size())}, weights),
          static_cast<int64_t>(weights.size())};
}

Tensor classes(const std::vector<int64_t>& shape, const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>(DType::kInt64, shape, values);
}

// Best classes 1, 0, 2, 0; right ones 1, 2, 2, 1; the last sample does not count.
TEST(Metrics, CountClasses) {
  Metrics metrics({"accuracy", "top1", "top2", "f1"});
  metrics.add(floats({4, 3}, {0, 5, 1, 3, 1, 2, 0, 1, 2, 9, 0, 0}),
              batch_of(classes({4}, {1, 2, 2, 1}), {1, 1, 1, 0}));
  const std::map<std::string, double> results = metrics.results();
  EXPECT_DOUBLE_EQ(results.at("accuracy"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(results.at("top1"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(results.at("top2"), 1);
  // F1 = 2 right / (predicted + actual): 0 of (1 + 0), 2 of (1 + 1), 2 of (1 + 2).
  EXPECT_DOUBLE_EQ(results.at("f1"), (0 + 1 + 2.0 / 3) / 3);
}

// What is counted of two parts, added up, is that of the whole.
TEST(Metrics, AddUpOverParts) {
  const std::vector<std::string> names = {"accuracy", "top2", "f1"};
  const Tensor scores = floats({4, 3}, {0, 5, 1, 3, 1, 2, 0, 1, 2, 9, 0, 0});
  Metrics whole(names);
  whole.add(scores, batch_of(classes({4}, {1, 2, 2, 1}), {1, 1, 1, 1}));
  std::vector<double> sums;
  for (const std::vector<float>& weights : {std::vector<float>{1, 0, 0, 1}, {0, 1, 1, 0}}) {
    Metrics part(names);
    part.add(scores, batch_of(classes({4}, {1, 2, 2, 1}), weights));
    const std::vector<double> counts = part.counts();
    sums.resize(counts.size());
    for (size_t i = 0; i < counts.size(); ++i) sums[i] += counts[i];
  }
  Metrics together(names);
  together.add(scores, batch_of(classes({4}, {1, 2, 2, 1}), {0, 0, 0, 0}));
  together.set_counts(sums);
  EXPECT_EQ(together.results(), whole.results());
}

TEST(Metrics, CollectOverBatchesAndIgnoreClassesThatAreNone) {
  Metrics metrics({"accuracy"});
  metrics.add(floats({2, 2}, {1, 0, 1, 0}), batch_of(classes({2}, {0, -100}), {1, 1}));
  metrics.add(floats({2, 2}, {1, 0, 1, 0}), batch_of(classes({2}, {1, 1}), {1, 1}));
  EXPECT_DOUBLE_EQ(metrics.results().at("accuracy"), 1.0 / 3);
}

// Classes are the second axis of maps and the last of sequences.
TEST(Metrics, KnowMapsAndSequences) {
  Metrics maps({"accuracy"});
  maps.add(floats({1, 2, 1, 3}, {1, 0, 0, 0, 1, 1}), batch_of(classes({1, 1, 3}, {0, 1, 0}), {1}));
  EXPECT_DOUBLE_EQ(maps.results().at("accuracy"), 2.0 / 3);
  Metrics sequences({"accuracy"});
  sequences.add(floats({1, 3, 2}, {1, 0, 0, 1, 0, 1}), batch_of(classes({1, 3}, {0, 1, 0}), {1}));
  EXPECT_DOUBLE_EQ(sequences.results().at("accuracy"), 2.0 / 3);
}

TEST(Metrics, MeasureValues) {
  Metrics metrics({"mae", "mse"});
  metrics.add(floats({2, 2}, {1, 2, 3, 4}), batch_of(floats({2, 2}, {1, 4, 0, 0}), {1, 0}));
  EXPECT_DOUBLE_EQ(metrics.results().at("mae"), 1);
  EXPECT_DOUBLE_EQ(metrics.results().at("mse"), 2);
}

TEST(Metrics, AreNothingWhereNothingCounts) {
  Metrics metrics({"accuracy", "mae"});
  metrics.add(floats({1, 2}, {1, 2}), batch_of(classes({1}, {0}), {0}));
  EXPECT_TRUE(metrics.results().empty());
}

TEST(Metrics, RefuseUnknownNames) {
  for (const char* name : {"topx", "top", "top0", "top-1", "auc", ""}) {
    EXPECT_THROW(Metrics(std::vector<std::string>{name}), Error) << name;
  }
  EXPECT_TRUE(Metrics::is_gain("accuracy") && Metrics::is_gain("top5") && Metrics::is_gain("f1"));
  EXPECT_FALSE(Metrics::is_gain("mae") || Metrics::is_gain("mse") || Metrics::is_gain("loss"));
}

}  // namespace
}  // namespace dlc::training

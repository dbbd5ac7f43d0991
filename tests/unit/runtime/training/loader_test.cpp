#include "runtime/training/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "runtime/error.h"
#include "tests/support/error_text.h"

namespace dlc::training {
namespace {

// Sample i is the number i and its key; some samples cannot be read, one is a fault.
class Numbers : public Dataset {
 public:
  explicit Numbers(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  bool read(int64_t index, std::optional<uint64_t> key, std::span<void* const> places) const override {
    ++reads;
    if (index == faulty) fail(ErrorKind::kData, "sample {} is damaged", index);
    *static_cast<int64_t*>(places[0]) = index;
    *static_cast<uint64_t*>(places[1]) = key.value_or(0);
    return index != unreadable;
  }

  mutable std::atomic<int64_t> reads = 0;
  int64_t faulty = -1;
  int64_t unreadable = -1;

 private:
  int64_t size_;
};

std::vector<Field> fields(int64_t batch) {
  return {{"x", DType::kInt64, {batch}}, {"key", DType::kUint64, {batch}}};
}

struct Seen {
  std::vector<int64_t> samples;  // of weight 1
  std::vector<uint64_t> keys;
  std::vector<int64_t> counts;  // of the batches

  bool operator==(const Seen&) const = default;
};

Seen read_epoch(Loader& loader, int64_t epoch, int64_t first = 0) {
  Seen seen;
  loader.start(epoch, first);
  while (const Batch* batch = loader.next()) {
    seen.counts.push_back(batch->count);
    for (int64_t i = 0; i < batch->weights.size(); ++i) {
      EXPECT_EQ(batch->weights.get_double(i) == 0, i >= batch->count);
      if (i >= batch->count) continue;
      seen.samples.push_back(batch->fields[0].get_int(i));
      seen.keys.push_back(batch->fields[1].as<uint64_t>()[i]);
    }
  }
  return seen;
}

// Three loaders with a part of every batch of six each see together what one sees of whole batches.
TEST(Loader, GivesPartsOfBatches) {
  const Numbers data(23);
  const Subset all = all_of(data);
  Loader whole(data, all, fields(6), {.batch = 6, .seed = 7});
  const Seen expected = read_epoch(whole, 2);
  std::vector<Seen> parts;
  for (int64_t part = 0; part < 3; ++part) {
    Loader loader(data, all, fields(2), {.batch = 2, .part = part, .parts = 3, .seed = 7});
    EXPECT_EQ(loader.batches(), whole.batches());
    parts.push_back(read_epoch(loader, 2));
  }
  EXPECT_EQ(parts[1].counts, (std::vector<int64_t>{2, 2, 2, 2}));
  EXPECT_EQ(parts[2].counts, (std::vector<int64_t>{2, 2, 2, 1}));
  Seen found;
  for (size_t batch = 0; batch < 4; ++batch) {
    for (const Seen& part : parts) {
      for (int64_t i = 0; i < part.counts[batch]; ++i) {
        found.samples.push_back(part.samples[2 * batch + static_cast<size_t>(i)]);
        found.keys.push_back(part.keys[2 * batch + static_cast<size_t>(i)]);
      }
    }
  }
  EXPECT_EQ(found.samples, expected.samples);
  EXPECT_EQ(found.keys, expected.keys);
}

// Parts of a last batch that have no samples are there, and count nothing.
TEST(Loader, GivesEmptyParts) {
  const Numbers data(5);
  const Subset all = all_of(data);
  Loader loader(data, all, fields(2), {.batch = 2, .part = 1, .parts = 2, .shuffle = false});
  EXPECT_EQ(read_epoch(loader, 0).counts, (std::vector<int64_t>{2, 0}));
}

TEST(Loader, GivesEverySampleOnceInAnOrderOfSeedAndEpoch) {
  const Numbers data(23);
  const Subset all = all_of(data);
  Loader loader(data, all, fields(5), {.batch = 5, .seed = 7});
  EXPECT_EQ(loader.batches(), 5);
  const Seen first = read_epoch(loader, 0);
  EXPECT_EQ(first.counts, (std::vector<int64_t>{5, 5, 5, 5, 3}));
  EXPECT_EQ(std::set<int64_t>(first.samples.begin(), first.samples.end()).size(), 23U);
  EXPECT_FALSE(std::is_sorted(first.samples.begin(), first.samples.end()));
  const Seen second = read_epoch(loader, 1);
  EXPECT_NE(second.samples, first.samples);
  EXPECT_EQ(std::set<int64_t>(second.samples.begin(), second.samples.end()).size(), 23U);
  EXPECT_EQ(read_epoch(loader, 0), first);
  Loader other(data, all, fields(5), {.batch = 5, .seed = 8});
  EXPECT_NE(read_epoch(other, 0).samples, first.samples);
}

TEST(Loader, GivesTheSameForAnyNumberOfThreads) {
  const Numbers data(100);
  const Subset all = all_of(data);
  Loader one(data, all, fields(8), {.batch = 8, .seed = 3});
  const Seen expected = read_epoch(one, 2);
  for (int threads : {2, 5}) {
    for (int ahead : {0, 1, 7}) {
      Loader many(data, all, fields(8), {.batch = 8, .seed = 3, .threads = threads, .ahead = ahead});
      EXPECT_EQ(read_epoch(many, 2), expected);
    }
  }
}

// As after an interruption.
TEST(Loader, StartsInTheMiddleOfAnEpoch) {
  const Numbers data(30);
  const Subset all = all_of(data);
  Loader loader(data, all, fields(4), {.batch = 4});
  const Seen whole = read_epoch(loader, 3);
  const Seen rest = read_epoch(loader, 3, 5);
  EXPECT_EQ(rest.samples, std::vector<int64_t>(whole.samples.begin() + 20, whole.samples.end()));
  EXPECT_EQ(rest.keys, std::vector<uint64_t>(whole.keys.begin() + 20, whole.keys.end()));
  EXPECT_TRUE(read_epoch(loader, 3, loader.batches()).samples.empty());
  loader.start(0);
  loader.next();
  EXPECT_EQ(read_epoch(loader, 3), whole) << "an epoch that was left";
}

TEST(Loader, KeepsOrderAndSubsetWhereAsked) {
  const Numbers data(10);
  const Subset some{{9, 4, 2}};
  Loader loader(data, some, fields(2), {.batch = 2, .shuffle = false});
  EXPECT_EQ(read_epoch(loader, 5).samples, some.indices);
  const Subset none;
  Loader empty(data, none, fields(2), {.batch = 2});
  EXPECT_EQ(empty.batches(), 0);
  empty.start(0);
  EXPECT_EQ(empty.next(), nullptr);
}

TEST(Loader, GivesNoKeysWhereNothingIsToBeAugmented) {
  const Numbers data(10);
  const Subset all = all_of(data);
  Loader loader(data, all, fields(5), {.batch = 5, .augment = false});
  EXPECT_EQ(read_epoch(loader, 2).keys, std::vector<uint64_t>(10, 0));
}

TEST(Loader, ReadsNoFurtherAheadThanAsked) {
  const Numbers data(1000);
  const Subset all = all_of(data);
  Loader loader(data, all, fields(10), {.batch = 10, .threads = 4, .ahead = 2});
  loader.start(0);
  for (int64_t given = 1; given <= 5; ++given) {
    loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_LE(data.reads, (given + 3) * 10);
  }
}

TEST(Loader, KeepsABatchUntilTheNextIsAskedFor) {
  const Numbers data(100);
  const Subset all = all_of(data);
  Loader loader(data, all, fields(10), {.batch = 10, .shuffle = false, .threads = 3});
  loader.start(0);
  for (int64_t first = 0; const Batch* batch = loader.next(); first += 10) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (int64_t i = 0; i < 10; ++i) ASSERT_EQ(batch->fields[0].get_int(i), first + i);
  }
}

TEST(Loader, ThrowsWhatAThreadFailedWith) {
  Numbers data(20);
  data.faulty = 13;
  const Subset all = all_of(data);
  Loader loader(data, all, fields(5), {.batch = 5, .shuffle = false});
  loader.start(0);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_THROW(loader.next(), Error);
}

TEST(Loader, ChecksClasses) {
  const Numbers data(6);
  const Subset all = all_of(data);
  const std::vector<Field> pair = {{"key", DType::kInt64, {2}}, {"target", DType::kInt64, {2}}};
  // The number of a sample comes first in Numbers; here its key, which is 0, is the class.
  Loader good(data, all, pair, {.batch = 2, .augment = false, .classes = 1});
  EXPECT_EQ(read_epoch(good, 0).samples.size(), 6U);
  Loader bad(data, all, pair, {.batch = 2, .classes = 5});
  bad.start(0);
  EXPECT_NE(test::message_of([&] { bad.next(); }).find("the model has classes 0 to 4"), std::string::npos);
}

TEST(Loader, GivesUnreadableSamplesNoWeightAndCountsThem) {
  Numbers data(7);
  data.unreadable = 4;
  const Subset all = all_of(data);
  Loader loader(data, all, fields(4), {.batch = 4, .shuffle = false});
  loader.start(0);
  const std::vector<double> weights = {1, 1, 1, 1, 0, 1, 1, 0};  // the last one fills the batch up
  for (size_t at = 0; const Batch* batch = loader.next();) {
    for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(batch->weights.get_double(i), weights[at++]);
    if (at == 8) EXPECT_EQ(batch->fields[0].get_int(0), 0) << "nothing of sample 4 is left";
  }
  EXPECT_EQ(loader.skipped(), 1);
}

}  // namespace
}  // namespace dlc::training

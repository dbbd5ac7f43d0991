// Batches of a data set, in an order that seed and epoch decide, made ready by threads ahead of their use.
#pragma once

#include <memory>
#include <vector>

#include "runtime/tensor.h"
#include "runtime/training/dataset.h"

namespace dlc::training {

// As programs take it. A last batch with too few samples is filled up with samples of weight 0, and one that
// cannot be read has that weight, too.
struct Batch {
  std::vector<Tensor> fields;
  Tensor weights;     // f32
  int64_t count = 0;  // samples that are no filling
};

struct LoaderOptions {
  int64_t batch = 32;
  // Of every batch, which is `parts` times as large, the loader reads the part of this number.
  int64_t part = 0;
  int64_t parts = 1;
  bool shuffle = true;
  bool augment = true;
  uint64_t seed = 0;
  int threads = 1;
  int ahead = 3;  // batches that wait
  // Where the last field holds class numbers, how many classes there are, and a number that is none. Others
  // are an Error(kData) of next().
  int64_t classes = 0;
  int64_t ignored_class = -100;
};

class Loader {
 public:
  // Data and subset outlive it. `fields` are those of the data set's samples, with the batch.
  Loader(const Dataset& data, const Subset& subset, std::vector<Field> fields, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t batches() const;  // of an epoch
  int64_t skipped() const;  // samples that could not be read since start()
  // The batches of an epoch from number `first` on; earlier requests end.
  void start(int64_t epoch, int64_t first = 0);
  // The next one, null at the end of the epoch; valid until the next call. What a thread failed with is
  // thrown here.
  const Batch* next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dlc::training

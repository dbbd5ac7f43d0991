#include "runtime/training/feature_cache.h"

#include <cstring>

#include "runtime/error.h"
#include "runtime/training/loader.h"

namespace dlc::training {
namespace {

class CachedFeatures : public Dataset {
 public:
  CachedFeatures(int64_t size, const Subset& subset, const std::vector<Field>& fields)
      : rows_(static_cast<size_t>(size), kAbsent) {
    for (size_t i = 0; i < subset.indices.size(); ++i) {
      rows_[static_cast<size_t>(subset.indices[i])] = static_cast<int64_t>(i);
    }
    for (const Field& field : fields) {
      std::vector<int64_t> shape = field.shape;
      shape[0] = static_cast<int64_t>(subset.indices.size());
      columns_.emplace_back(field.dtype, std::move(shape));
      row_bytes_.push_back(columns_.back().byte_size() / std::max<int64_t>(columns_.back().shape()[0], 1));
    }
  }

  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }

  bool read(int64_t index, std::optional<uint64_t>, std::span<void* const> places) const override {
    const int64_t row = rows_[static_cast<size_t>(index)];
    if (row == kAbsent) return false;
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::memcpy(places[i], columns_[i].as<char>() + row * row_bytes_[i],
                  static_cast<size_t>(row_bytes_[i]));
    }
    return true;
  }

  // Samples of the subset, from number `first` on.
  void set(size_t column, int64_t first, int64_t count, const void* data) {
    std::memcpy(columns_[column].mutable_as<char>() + first * row_bytes_[column], data,
                static_cast<size_t>(count * row_bytes_[column]));
  }
  void set_absent(int64_t index) { rows_[static_cast<size_t>(index)] = kAbsent; }

 private:
  static constexpr int64_t kAbsent = -1;
  std::vector<int64_t> rows_;  // of the columns, for each sample
  std::vector<Tensor> columns_;
  std::vector<int64_t> row_bytes_;
};

}  // namespace

std::unique_ptr<Dataset> cache_features(const Dataset& data, const Subset& subset,
                                        const FeatureProgram& program, const FeatureOptions& options) {
  const int64_t batch_size = program.fields.front().shape.front();
  const size_t outputs = program.features.size() - 1;
  auto result = std::make_unique<CachedFeatures>(data.size(), subset, program.features);
  runtime::Context context(program.program, options.context);
  Loader loader(data, subset, program.fields,
                {.batch = batch_size, .shuffle = false, .threads = options.loader_threads});
  loader.start(0);
  for (int64_t number = 0; const Batch* batch = loader.next(); ++number) {
    std::vector<Tensor> results = context.run({batch->fields.begin(), batch->fields.end() - 1});
    results.push_back(batch->fields.back());
    const int64_t first = number * batch_size;
    for (size_t i = 0; i <= outputs; ++i) result->set(i, first, batch->count, results[i].data());
    for (int64_t i = 0; i < batch->count; ++i) {
      if (batch->weights.get_double(i) == 0)
        result->set_absent(subset.indices[static_cast<size_t>(first + i)]);
    }
    if (options.on_batch) options.on_batch(number + 1, loader.batches());
  }
  return result;
}

}  // namespace dlc::training

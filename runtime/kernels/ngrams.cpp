// TfIdfVectorizer: how often n-grams occur.
#include <cstring>

#include "runtime/format/ngrams.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

namespace {

// The n-grams of one length.
class Grams {
 public:
  explicit Grams(const int64_t* at)
      : length(at[0]), rows_(at + 3), table_(rows_ + at[1] * (at[0] + 1)), size_(at[2]) {}

  const int64_t length;  // n

  // The column of items[0], items[step], ..., or -1.
  int64_t column(const int64_t* items, int64_t step) const {
    const auto mask = static_cast<uint64_t>(size_ - 1);
    for (uint64_t slot = dlc::hash_items(items, length, step) & mask; table_[slot] >= 0;
         slot = (slot + 1) & mask) {
      const int64_t* row = rows_ + table_[slot] * (length + 1);
      int64_t i = 0;
      while (i < length && row[i] == items[i * step]) ++i;
      if (i == length) return row[length];
    }
    return -1;
  }
  const int64_t* end() const { return table_ + size_; }

 private:
  const int64_t* rows_;
  const int64_t* table_;
  int64_t size_;
};

void count_grams(const Grams& grams, const int64_t* items, int64_t length, int64_t most_skipped,
                 float* counts) {
  for (int64_t skipped = 0; skipped <= most_skipped; ++skipped) {
    const int64_t step = skipped + 1;
    // A later `step` reaches further; none of it fits any more.
    if ((grams.length - 1) > 0 && step > (length - 1) / (grams.length - 1)) return;
    const int64_t reach = (grams.length - 1) * step;
    for (int64_t i = 0; i + reach < length; ++i) {
      const int64_t column = grams.column(items + i, step);
      if (column >= 0) counts[column] += 1;
    }
    if (grams.length == 1) return;  // one item skips nothing
  }
}

}  // namespace

extern "C" int32_t dlc_ngrams(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                              const int64_t* params) {
  const int64_t lengths = params[0];
  const int64_t most_skipped = params[1];
  const int64_t rows = params[2];
  const int64_t columns = params[3];
  const int64_t length = params[4];
  const int64_t* items = static_cast<const int64_t*>(inputs[0].data);
  float* counts = static_cast<float*>(outputs[0].data);
  std::memset(counts, 0, static_cast<size_t>(rows * columns) * sizeof(float));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t* at = static_cast<const int64_t*>(inputs[1].data);
    for (int64_t i = 0; i < lengths; ++i) {
      const Grams grams(at);
      at = grams.end();
      count_grams(grams, items + row * length, length, most_skipped, counts + row * columns);
    }
  }
  return DLC_OK;
}

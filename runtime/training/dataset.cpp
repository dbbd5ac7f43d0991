#include "runtime/training/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/error.h"

namespace dlc::training {
namespace {

int64_t product(std::span<const int64_t> shape) {
  int64_t result = 1;
  for (int64_t extent : shape) result *= extent;
  return result;
}

std::string text_of(std::span<const int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// A column, checked, with what its conversion needs.
class Reader {
 public:
  explicit Reader(Column column) : column_(std::move(column)) {
    const std::vector<int64_t>& shape = column_.data.shape();
    if (shape.empty())
      fail(ErrorKind::kData, "'{}': a data set needs an axis of samples", column_.field.name);
    sample_.assign(shape.begin() + 1, shape.end());
    wanted_.assign(column_.field.shape.begin() + 1, column_.field.shape.end());
    elements_ = product(wanted_);
    settle_layout();
    settle_conversion();
  }

  const Column& column() const { return column_; }
  int64_t samples() const { return column_.data.shape()[0]; }

  void read(int64_t index, std::optional<uint64_t> key, void* place) const {
    if (is_float(column_.field.dtype)) return convert(index, key, place);
    Tensor target(column_.field.dtype, wanted_, place, nullptr);
    for (int64_t i = 0; i < elements_; ++i) {
      target.set_int(i, column_.data.get_int(index * elements_ + source(i)));
    }
  }

 private:
  // Equal shapes, equal numbers of elements in another shape, or images with their channels last.
  void settle_layout() {
    const bool same = sample_ == wanted_ || product(sample_) == elements_;
    transposed_ = sample_.size() == 3 && wanted_.size() == 3 && sample_ != wanted_ &&
                  std::vector<int64_t>{sample_[2], sample_[0], sample_[1]} == wanted_;
    if (!same && !transposed_) {
      fail(ErrorKind::kData, "'{}': the samples are {}, the model takes {}", column_.field.name,
           text_of(sample_), text_of(wanted_));
    }
    if (is_float(column_.data.dtype()) && !is_float(column_.field.dtype)) {
      fail(ErrorKind::kData, "'{}': the samples are {}, the model takes {}", column_.field.name,
           name(column_.data.dtype()), name(column_.field.dtype));
    }
  }

  void settle_conversion() {
    const Conversion& conversion = column_.conversion;
    channels_ = wanted_.empty() ? 1 : wanted_[0];
    const std::vector<double> mean = spread(conversion.mean, 0, "mean");
    const std::vector<double> std = spread(conversion.std, 1, "std");
    const bool scales = column_.data.dtype() == DType::kUint8 && conversion.range != 0;
    const double scale = scales ? conversion.range / 255 : 1;
    for (size_t c = 0; c < mean.size(); ++c) {
      if (std[c] == 0) fail(ErrorKind::kUsage, "std: expected numbers other than 0");
      factors_.push_back(scale / std[c]);
      offsets_.push_back(-mean[c] / std[c]);
    }
    if (conversion.center != 0 || conversion.augmentation.zoom != 0) {
      fail(ErrorKind::kUsage, "center and zoom are for pictures in folders");
    }
    if (augments()) image_ = ImageShape::of(wanted_);
  }

  bool augments() const {
    return column_.conversion.augmentation.flip || column_.conversion.augmentation.crop > 0;
  }

  std::vector<double> spread(const std::vector<double>& values, double neutral, const char* what) const {
    const auto channels = static_cast<size_t>(channels_);
    if (values.empty()) return std::vector<double>(channels, neutral);
    if (values.size() == 1) return std::vector<double>(channels, values[0]);
    if (values.size() != channels) {
      fail(ErrorKind::kUsage, "{}: expected 1 or {} numbers, found {}", what, channels, values.size());
    }
    return values;
  }

  // The element of the stored sample behind one of the wanted sample.
  int64_t source(int64_t element) const {
    if (!transposed_) return element;
    const int64_t plane = wanted_[1] * wanted_[2];
    return element % plane * wanted_[0] + element / plane;
  }

  void convert(int64_t index, std::optional<uint64_t> key, void* place) const {
    if (column_.field.dtype == DType::kFloat) {
      const std::span<float> image(static_cast<float*>(place), static_cast<size_t>(elements_));
      return convert_to(index, key, image);
    }
    std::vector<float> image(static_cast<size_t>(elements_));
    convert_to(index, key, image);
    Tensor target(column_.field.dtype, wanted_, place, nullptr);
    for (int64_t i = 0; i < elements_; ++i) target.set_double(i, image[static_cast<size_t>(i)]);
  }

  void convert_to(int64_t index, std::optional<uint64_t> key, std::span<float> image) const {
    switch (column_.data.dtype()) {
      case DType::kUint8:
        fill(image, [data = column_.data.as<uint8_t>() + index * elements_](int64_t i) { return data[i]; });
        break;
      case DType::kFloat:
        fill(image, [data = column_.data.as<float>() + index * elements_](int64_t i) { return data[i]; });
        break;
      default:
        fill(image, [&](int64_t i) { return column_.data.get_double(index * elements_ + i); });
        break;
    }
    if (key && augments()) augment(image, image_, column_.conversion.augmentation, *key);
  }

  template <class At>
  void fill(std::span<float> image, const At& at) const {
    const int64_t places = channels_ == 0 ? 0 : elements_ / channels_;
    for (int64_t c = 0; c < channels_; ++c) {
      const double factor = factors_[static_cast<size_t>(c)];
      const double offset = offsets_[static_cast<size_t>(c)];
      for (int64_t i = c * places; i < (c + 1) * places; ++i) {
        const double value = static_cast<double>(at(source(i)));
        image[static_cast<size_t>(i)] = static_cast<float>(value * factor + offset);
      }
    }
  }

  Column column_;
  std::vector<int64_t> sample_;
  std::vector<int64_t> wanted_;
  int64_t elements_ = 0;
  bool transposed_ = false;
  int64_t channels_ = 1;
  std::vector<double> factors_;  // a channel
  std::vector<double> offsets_;
  ImageShape image_;
};

class ArrayDataset : public Dataset {
 public:
  explicit ArrayDataset(std::vector<Column> columns) {
    for (Column& column : columns) readers_.emplace_back(std::move(column));
    for (const Reader& reader : readers_) {
      if (reader.samples() == size()) continue;
      fail(ErrorKind::kData, "'{}' has {} samples, '{}' has {}", readers_.front().column().field.name, size(),
           reader.column().field.name, reader.samples());
    }
  }

  int64_t size() const override { return readers_.empty() ? 0 : readers_.front().samples(); }

  bool read(int64_t index, std::optional<uint64_t> key, std::span<void* const> places) const override {
    for (size_t i = 0; i < readers_.size(); ++i) readers_[i].read(index, key, places[i]);
    return true;
  }

  int64_t group(int64_t index) const override {
    const Column& target = readers_.back().column();
    const bool is_class = !is_float(target.field.dtype) && target.data.size() == size();
    return is_class ? target.data.get_int(index) : 0;
  }

 private:
  std::vector<Reader> readers_;
};

}  // namespace

std::unique_ptr<Dataset> make_array_dataset(std::vector<Column> columns) {
  return std::make_unique<ArrayDataset>(std::move(columns));
}

Split split(const Dataset& data, double validation_share) {
  std::map<int64_t, std::vector<int64_t>> groups;
  for (int64_t i = 0; i < data.size(); ++i) groups[data.group(i)].push_back(i);
  Split result;
  for (const auto& [group, members] : groups) {
    auto held_out = static_cast<size_t>(std::llround(static_cast<double>(members.size()) * validation_share));
    for (size_t i = 0; i < members.size(); ++i) {
      (i + held_out < members.size() ? result.training : result.validation).indices.push_back(members[i]);
    }
  }
  return result;
}

Subset all_of(const Dataset& data) {
  Subset result;
  for (int64_t i = 0; i < data.size(); ++i) result.indices.push_back(i);
  return result;
}

}  // namespace dlc::training

#include "runtime/training/token_data.h"

#include <fmt/ranges.h>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/error.h"

namespace dlc::training {
namespace {

// What an input of a language model is filled with.
enum class Content : uint8_t { kIds, kOnes, kZeros, kPositions, kNext };

Content content_of(const std::string& name) {
  if (name == "attention_mask") return Content::kOnes;
  if (name == "token_type_ids") return Content::kZeros;
  if (name == "position_ids") return Content::kPositions;
  return Content::kIds;
}

class TokenDataset : public Dataset {
 public:
  TokenDataset(Tensor ids, std::vector<Field> fields, const TokenOptions& options)
      : ids_(std::move(ids)), fields_(std::move(fields)) {
    const Field* taker = nullptr;
    for (size_t i = 0; i < fields_.size(); ++i) {
      const Field& field = fields_[i];
      const bool is_target = i + 1 == fields_.size();
      const bool fits = field.shape.size() == 2 && !(is_target && is_float(field.dtype));
      if (!fits) {
        fail(ErrorKind::kUsage, "token ids are [batch, length] and so are their targets; '{}' is {}[{}]",
             field.name, name(field.dtype), fmt::join(field.shape, ", "));
      }
      contents_.push_back(is_target ? Content::kNext : content_of(field.name));
      if (contents_.back() != Content::kIds) continue;
      if (taker != nullptr) {
        fail(ErrorKind::kUsage, "only one input takes token ids; the model has '{}' and '{}'", taker->name,
             field.name);
      }
      taker = &field;
    }
    length_ = fields_.back().shape[1];
    if (taker == nullptr || taker->shape[1] != length_) {
      fail(ErrorKind::kUsage, "no input takes token ids of [batch, {}], as many as the targets", length_);
    }
    stride_ = options.stride == 0 ? length_ : options.stride;
    if (stride_ < 1) fail(ErrorKind::kUsage, "stride: expected 1 or more, found {}", options.stride);
    if (ids_.size() <= length_) {
      fail(ErrorKind::kData, "has {} token ids; a sample needs {}", ids_.size(), length_ + 1);
    }
    check_ids(options.vocabulary);
  }

  int64_t size() const override { return (ids_.size() - length_ - 1) / stride_ + 1; }

  bool read(int64_t index, std::optional<uint64_t>, std::span<void* const> places) const override {
    const int64_t first = index * stride_;
    for (size_t k = 0; k < fields_.size(); ++k) {
      Tensor sample(fields_[k].dtype, {length_}, places[k], nullptr);
      for (int64_t i = 0; i < length_; ++i) set(sample, i, value(contents_[k], first, i));
    }
    return true;
  }

 private:
  void check_ids(int64_t vocabulary) const {
    if (vocabulary == 0) return;
    for (int64_t i = 0; i < ids_.size(); ++i) {
      const int64_t id = ids_.get_int(i);
      if (id >= 0 && id < vocabulary) continue;
      fail(ErrorKind::kData, "token {}: the id is {}, the model has ids 0 to {}", i, id, vocabulary - 1);
    }
  }

  int64_t value(Content content, int64_t first, int64_t i) const {
    switch (content) {
      case Content::kIds:
        return ids_.get_int(first + i);
      case Content::kNext:
        return ids_.get_int(first + i + 1);
      case Content::kOnes:
        return 1;
      case Content::kZeros:
        return 0;
      case Content::kPositions:
        return i;
    }
    return 0;
  }

  static void set(Tensor& tensor, int64_t index, int64_t value) {
    if (is_float(tensor.dtype())) {
      tensor.set_double(index, static_cast<double>(value));
    } else {
      tensor.set_int(index, value);
    }
  }

  Tensor ids_;
  std::vector<Field> fields_;
  std::vector<Content> contents_;
  int64_t length_ = 0;
  int64_t stride_ = 0;
};

Tensor read_ids(const std::string& path, DType type) {
  if (path.ends_with(".npy")) {
    Tensor ids = data::read_npy(path);
    if (!is_integer(ids.dtype())) {
      fail(ErrorKind::kData, "{}: expected integers, found {}", path, name(ids.dtype()));
    }
    return ids;
  }
  const data::FileView file = data::map_file(path);
  const int64_t width = bit_width(type) / 8;
  const auto bytes = static_cast<int64_t>(file.bytes.size());
  if (bytes % width != 0) {
    fail(ErrorKind::kData, "{}: has {} bytes, which are no whole number of {}", path, bytes, name(type));
  }
  return {type, {bytes / width}, file.bytes.data(), file.owner};
}

}  // namespace

std::unique_ptr<Dataset> open_tokens(const std::string& path, const std::vector<Field>& fields,
                                     const TokenOptions& options) {
  Tensor ids = read_ids(path, options.type);
  try {
    return std::make_unique<TokenDataset>(std::move(ids), fields, options);
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

}  // namespace dlc::training

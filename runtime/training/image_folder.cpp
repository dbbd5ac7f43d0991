#include "runtime/training/image_folder.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "runtime/data/image.h"
#include "runtime/error.h"

namespace dlc::training {
namespace {

namespace fs = std::filesystem;

struct Picture {
  std::string path;
  int64_t number;  // of its class
};

class FolderDataset : public Dataset {
 public:
  FolderDataset(std::vector<Picture> pictures, const std::vector<Field>& fields, const Conversion& conversion,
                bool strict)
      : pictures_(std::move(pictures)), augmentation_(conversion.augmentation), strict_(strict) {
    const std::vector<int64_t>& shape = fields[0].shape;
    const bool first = shape.size() == 4 && (shape[1] == 3 || shape[1] == 1);
    const bool last = shape.size() == 4 && (shape[3] == 3 || shape[3] == 1);
    const Field& target = fields.back();
    if (fields.size() != 2 || fields[0].dtype != DType::kFloat || (!first && !last)) {
      fail(ErrorKind::kData,
           "pictures fit a model with one input of f32[batch, 1 or 3, height, width] or f32[batch, height, "
           "width, 1 or 3], found {}[{}]",
           name(fields[0].dtype), fmt::join(shape, ", "));
    }
    if (target.dtype != DType::kInt64 || target.shape.size() != 1) {
      fail(ErrorKind::kUsage, "pictures in folders have a class each; the loss takes {}[{}] as its target",
           name(target.dtype), fmt::join(target.shape, ", "));
    }
    options_.layout = first ? data::Layout::kNchw : data::Layout::kNhwc;
    options_.height = first ? shape[2] : shape[1];
    options_.width = first ? shape[3] : shape[2];
    options_.color = (first ? shape[1] : shape[3]) == 1 ? data::Color::kGray : data::Color::kRgb;
    options_.range = conversion.range == 0 ? 255 : conversion.range;
    options_.mean = conversion.mean;
    options_.std = conversion.std;
    shape_ = ImageShape::of(std::span(shape).subspan(1));
  }

  int64_t size() const override { return static_cast<int64_t>(pictures_.size()); }
  int64_t group(int64_t index) const override { return pictures_[static_cast<size_t>(index)].number; }

  bool read(int64_t index, uint64_t key, std::span<void* const> places) const override {
    const Picture& picture = pictures_[static_cast<size_t>(index)];
    try {
      Tensor image = data::image_tensor(data::read_image(picture.path), options_);
      const std::span<float> pixels(image.mutable_as<float>(), static_cast<size_t>(image.size()));
      augment(pixels, shape_, augmentation_, key);
      std::memcpy(places[0], image.data(), static_cast<size_t>(image.byte_size()));
    } catch (const Error& error) {
      if (strict_ || error.kind() == ErrorKind::kUsage) throw;
      return false;
    }
    std::memcpy(places[1], &picture.number, sizeof picture.number);
    return true;
  }

 private:
  std::vector<Picture> pictures_;
  Augmentation augmentation_;
  data::ImageOptions options_;
  ImageShape shape_;
  bool strict_;
};

std::vector<std::string> sorted_entries(const std::string& path, bool folders) {
  std::vector<std::string> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    bool fits = folders ? entry.is_directory() : data::is_image_file(entry.path().string());
    if (fits) result.push_back(entry.path().string());
  }
  if (error) fail(ErrorKind::kIo, "{}: {}", path, error.message());
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace

ImageFolder open_image_folder(const std::string& path, const std::vector<Field>& fields,
                              const Conversion& conversion, bool strict) {
  ImageFolder result;
  std::vector<Picture> pictures;
  for (const std::string& folder : sorted_entries(path, true)) {
    std::vector<std::string> files = sorted_entries(folder, false);
    if (files.empty()) fail(ErrorKind::kData, "{}: the class has no pictures", folder);
    for (std::string& file : files) {
      pictures.push_back({std::move(file), static_cast<int64_t>(result.classes.size())});
    }
    result.classes.push_back(fs::path(folder).filename().string());
  }
  if (pictures.empty()) fail(ErrorKind::kData, "{}: expected a folder for each class, found none", path);
  result.data = std::make_unique<FolderDataset>(std::move(pictures), fields, conversion, strict);
  return result;
}

}  // namespace dlc::training

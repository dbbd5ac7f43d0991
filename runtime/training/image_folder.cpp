#include "runtime/training/image_folder.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/ranges.h>

#include "runtime/data/image.h"
#include "runtime/error.h"
#include "runtime/training/random.h"

namespace dlc::training {
namespace {

namespace fs = std::filesystem;

struct Picture {
  std::string path;
  int64_t number;  // of its class
};

class FolderDataset : public Dataset {
 public:
  FolderDataset(std::vector<Picture> pictures, const std::vector<Field>& fields,
                const ImageFolderOptions& options)
      : pictures_(std::move(pictures)), conversion_(options.conversion), strict_(options.strict) {
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
    options_.range = conversion_.range == 0 ? 255 : conversion_.range;
    options_.mean = conversion_.mean;
    options_.std = conversion_.std;
    check_share("center", conversion_.center);
    check_share("zoom", conversion_.augmentation.zoom);
    shape_ = ImageShape::of(std::span(shape).subspan(1));
  }

  int64_t size() const override { return static_cast<int64_t>(pictures_.size()); }
  int64_t group(int64_t index) const override { return pictures_[static_cast<size_t>(index)].number; }

  bool read(int64_t index, std::optional<uint64_t> key, std::span<void* const> places) const override {
    const Picture& picture = pictures_[static_cast<size_t>(index)];
    try {
      Tensor image = data::image_tensor(part_of(data::read_image(picture.path), key), options_);
      const std::span<float> pixels(image.mutable_as<float>(), static_cast<size_t>(image.size()));
      if (key) augment(pixels, shape_, conversion_.augmentation, *key);
      std::memcpy(places[0], image.data(), static_cast<size_t>(image.byte_size()));
    } catch (const Error& error) {
      if (strict_ || error.kind() == ErrorKind::kUsage) throw;
      return false;
    }
    std::memcpy(places[1], &picture.number, sizeof picture.number);
    return true;
  }

 private:
  static void check_share(const char* what, double share) {
    if (share >= 0 && share <= 1) return;
    fail(ErrorKind::kUsage, "{}: expected a share in [0, 1], found {}", what, share);
  }

  data::Image part_of(data::Image image, std::optional<uint64_t> key) const {
    const double ratio = static_cast<double>(options_.width) / static_cast<double>(options_.height);
    const double zoom = conversion_.augmentation.zoom;
    if (key && zoom > 0) {
      // The key itself decides about flips and moves.
      return cut(image, random_part_of(image.width, image.height, ratio, zoom, mixed(*key, 1)));
    }
    if (conversion_.center == 0) return image;
    return cut(image, middle_of(image.width, image.height, ratio, conversion_.center));
  }

  static data::Image cut(const data::Image& image, const Box& box) {
    data::Image part{.width = box.width, .height = box.height, .pixels = {}};
    for (int64_t y = box.y; y < box.y + box.height; ++y) {
      const auto row = image.pixels.begin() + (y * image.width + box.x) * 3;
      part.pixels.insert(part.pixels.end(), row, row + box.width * 3);
    }
    return part;
  }

  std::vector<Picture> pictures_;
  Conversion conversion_;
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

// Of a folder; `known` may grow where it is not given from outside.
int64_t number_of_class(const std::string& folder, const std::vector<std::string>& given,
                        std::vector<std::string>& known) {
  const std::string name = fs::path(folder).filename().string();
  if (given.empty()) {
    known.push_back(name);
    return std::ssize(known) - 1;
  }
  const auto it = std::find(given.begin(), given.end(), name);
  if (it != given.end()) return it - given.begin();
  fail(ErrorKind::kData, "{}: the class is none of the training data, which have {}", folder,
       fmt::join(given, ", "));
}

}  // namespace

ImageFolder open_image_folder(const std::string& path, const std::vector<Field>& fields,
                              const ImageFolderOptions& options) {
  ImageFolder result{.data = {}, .classes = options.classes};
  std::vector<Picture> pictures;
  for (const std::string& folder : sorted_entries(path, true)) {
    std::vector<std::string> files = sorted_entries(folder, false);
    if (files.empty()) fail(ErrorKind::kData, "{}: the class has no pictures", folder);
    const int64_t number = number_of_class(folder, options.classes, result.classes);
    for (std::string& file : files) pictures.push_back({std::move(file), number});
  }
  if (pictures.empty()) fail(ErrorKind::kData, "{}: expected a folder for each class, found none", path);
  result.data = std::make_unique<FolderDataset>(std::move(pictures), fields, options);
  return result;
}

}  // namespace dlc::training

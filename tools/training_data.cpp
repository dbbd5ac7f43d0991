#include "tools/training_data.h"

#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/data/idx.h"
#include "runtime/data/npy.h"
#include "runtime/data/npz.h"
#include "runtime/error.h"
#include "runtime/training/image_folder.h"
#include "tools/spec.h"

namespace dlc::tools {
namespace {

using training::Column;
using training::Field;

constexpr std::string_view kKinds = "idx:IMAGES,LABELS, npy:INPUT,TARGET, npz:FILE, folder:DIR";

// One file a field, the target last.
std::vector<Tensor> read_files(const std::vector<std::string>& paths, const std::vector<Field>& fields,
                               Tensor (*read)(const std::string&)) {
  if (paths.size() != fields.size()) {
    std::vector<std::string> names;
    for (const Field& field : fields) names.push_back(field.name);
    fail(ErrorKind::kUsage, "--data: expected {} files, for {}; found {}", fields.size(),
         fmt::join(names, ", "), paths.size());
  }
  std::vector<Tensor> arrays;
  for (const std::string& path : paths) arrays.push_back(read(path));
  return arrays;
}

const Tensor* find_target(const std::map<std::string, Tensor>& arrays) {
  for (const char* name : {"target", "targets", "label", "labels", "y"}) {
    if (auto it = arrays.find(name); it != arrays.end()) return &it->second;
  }
  return nullptr;
}

std::vector<Tensor> read_archive(const std::string& path, const std::vector<Field>& fields) {
  std::map<std::string, Tensor> arrays = data::read_npz(path);
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  std::vector<Tensor> result;
  for (size_t i = 0; i < fields.size(); ++i) {
    auto it = arrays.find(fields[i].name);
    const Tensor* array = it == arrays.end() ? nullptr : &it->second;
    bool is_target = i + 1 == fields.size();
    if (array == nullptr && is_target) array = find_target(arrays);
    // With one input its name does not matter.
    if (array == nullptr && !is_target && fields.size() == 2) {
      for (const auto& [name, other] : arrays) {
        if (&other != find_target(arrays)) array = &other;
      }
    }
    if (array == nullptr) {
      fail(ErrorKind::kData, "{}: there is no array '{}'; there are {}", path, fields[i].name,
           fmt::join(names, ", "));
    }
    result.push_back(*array);
  }
  return result;
}

void check_classes(const Tensor& target, const DataOptions& options) {
  if (options.classes == 0) return;
  const int64_t samples = target.rank() == 0 ? 1 : target.shape()[0];
  const int64_t places = std::max<int64_t>(target.size() / std::max<int64_t>(samples, 1), 1);
  for (int64_t i = 0; i < target.size(); ++i) {
    const int64_t label = target.get_int(i);
    if (label == options.ignored || (label >= 0 && label < options.classes)) continue;
    fail(ErrorKind::kData, "sample {}: the class is {}, the model has classes 0 to {}", i / places, label,
         options.classes - 1);
  }
}

}  // namespace

std::unique_ptr<training::Dataset> open_data(const std::string& text, const std::vector<Field>& fields,
                                             const DataOptions& options) {
  size_t colon = text.find(':');
  if (colon == std::string::npos) {
    fail(ErrorKind::kUsage, "--data: expected {}; found '{}'", kKinds, text);
  }
  std::string kind = text.substr(0, colon);
  std::string rest = text.substr(colon + 1);
  if (kind == "folder") {
    training::ImageFolder folder =
        training::open_image_folder(rest, fields, options.conversion, options.strict);
    if (options.classes != 0 && static_cast<int64_t>(folder.classes.size()) > options.classes) {
      fail(ErrorKind::kData, "{}: has {} classes, the model {}; --head replace:classes={} gives it as many",
           rest, folder.classes.size(), options.classes, folder.classes.size());
    }
    return std::move(folder.data);
  }
  std::vector<Tensor> arrays;
  if (kind == "idx") {
    arrays = read_files(split_text(rest, ','), fields, data::read_idx);
  } else if (kind == "npy") {
    arrays = read_files(split_text(rest, ','), fields, data::read_npy);
  } else if (kind == "npz") {
    arrays = read_archive(rest, fields);
  } else {
    fail(ErrorKind::kUsage, "--data: there is no '{}'; there are {}", kind, kKinds);
  }
  if (!is_float(fields.back().dtype)) check_classes(arrays.back(), options);
  std::vector<Column> columns;
  for (size_t i = 0; i < fields.size(); ++i) {
    bool is_target = i + 1 == fields.size();
    columns.push_back(
        {std::move(arrays[i]), fields[i], is_target ? training::Conversion() : options.conversion});
  }
  return training::make_array_dataset(std::move(columns));
}

}  // namespace dlc::tools

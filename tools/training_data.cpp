#include "tools/training_data.h"

#include <filesystem>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/data/idx.h"
#include "runtime/data/npy.h"
#include "runtime/data/npz.h"
#include "runtime/data/safetensors.h"
#include "runtime/error.h"
#include "runtime/training/image_folder.h"
#include "runtime/training/table_data.h"
#include "runtime/training/token_data.h"
#include "tools/spec.h"

namespace dlc::tools {
namespace {

using training::Column;
using training::Field;

constexpr std::string_view kKinds =
    "idx:IMAGES,LABELS, npy:INPUT,TARGET, npz:FILE, safetensors:FILE, csv:FILE, jsonl:FILE, tokens:FILE, "
    "folder:DIR";

// What --data says, and what it is for.
struct Request {
  std::string kind;
  std::string rest;  // behind the colon
  const std::vector<Field>& fields;
  const DataOptions& options;

  Spec spec() const { return {"--data", rest}; }
};

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

std::vector<Tensor> pick_arrays(const std::string& path, const std::map<std::string, Tensor>& arrays,
                                const std::vector<Field>& fields) {
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

void check_class_count(const std::string& path, const std::vector<std::string>& names,
                       const DataOptions& options) {
  if (options.classes == 0 || std::ssize(names) <= options.classes) return;
  fail(ErrorKind::kData, "{}: has {} classes, the model {}; --head replace:classes={} gives it as many", path,
       names.size(), options.classes, names.size());
}

OpenedData from_arrays(std::vector<Tensor> arrays, const Request& request) {
  const std::vector<Field>& fields = request.fields;
  if (!is_float(fields.back().dtype)) check_classes(arrays.back(), request.options);
  std::vector<Column> columns;
  for (size_t i = 0; i < fields.size(); ++i) {
    const bool is_target = i + 1 == fields.size();
    columns.push_back(
        {std::move(arrays[i]), fields[i], is_target ? training::Conversion() : request.options.conversion});
  }
  return {training::make_array_dataset(std::move(columns))};
}

// ---- Kinds of data ----------------------------------------------------------------------------------------

OpenedData open_idx(const Request& request) {
  return from_arrays(read_files(split_text(request.rest, ','), request.fields, data::read_idx), request);
}

OpenedData open_npy(const Request& request) {
  return from_arrays(read_files(split_text(request.rest, ','), request.fields, data::read_npy), request);
}

OpenedData open_npz(const Request& request) {
  return from_arrays(pick_arrays(request.rest, data::read_npz(request.rest), request.fields), request);
}

OpenedData open_safetensors(const Request& request) {
  const data::TensorFile file = data::read_safetensors(request.rest);
  const std::map<std::string, Tensor> arrays(file.tensors.begin(), file.tensors.end());
  return from_arrays(pick_arrays(request.rest, arrays, request.fields), request);
}

// CSV or JSON lines.
OpenedData open_table(const Request& request) {
  Spec spec = request.spec();
  training::TableOptions options{.is_class = request.options.classes != 0,
                                 .classes = request.options.class_names,
                                 .target_filling = static_cast<double>(request.options.ignored)};
  for (const Field& field : request.fields) {
    const std::string columns = spec.text(field.name);
    if (!columns.empty()) options.columns[field.name] = split_text(columns, '/');
  }
  const bool is_csv = request.kind == "csv";
  if (!is_csv) {
    const std::string pad = spec.text("pad");
    if (!pad.empty()) options.filling = parse_number("--data: pad", pad);
  }
  spec.finish();
  const auto read = is_csv ? training::read_csv_samples : training::read_json_samples;
  training::TableData table = read(spec.name(), request.fields, options);
  check_class_count(spec.name(), table.classes, request.options);
  OpenedData result = from_arrays(std::move(table.arrays), request);
  result.class_names = std::move(table.classes);
  return result;
}

OpenedData open_token_file(const Request& request) {
  constexpr std::pair<const char*, DType> kTypes[] = {{"uint16", DType::kUint16},
                                                      {"int16", DType::kInt16},
                                                      {"uint32", DType::kUint32},
                                                      {"int32", DType::kInt32},
                                                      {"int64", DType::kInt64}};
  Spec spec = request.spec();
  training::TokenOptions options{.vocabulary = request.options.classes};
  const std::string type = spec.text("type");
  bool is_known = type.empty();
  for (const auto& [name, dtype] : kTypes) {
    if (type != name) continue;
    options.type = dtype;
    is_known = true;
  }
  if (!is_known) {
    fail(ErrorKind::kUsage, "--data: type: there is no '{}'; there are uint16, int16, uint32, int32, int64",
         type);
  }
  options.stride = spec.count("stride", 0);
  spec.finish();
  return {training::open_tokens(spec.name(), request.fields, options)};
}

OpenedData open_folder(const Request& request) {
  training::ImageFolderOptions options{.conversion = request.options.conversion,
                                       .strict = request.options.strict};
  if (request.options.class_names) options.classes = *request.options.class_names;
  training::ImageFolder folder = training::open_image_folder(request.rest, request.fields, options);
  check_class_count(request.rest, folder.classes, request.options);
  return {std::move(folder.data), std::move(folder.classes)};
}

struct Kind {
  std::string_view name;
  bool has_files;  // separated by commas; else one path, and keys behind it
  OpenedData (*open)(const Request&);
};

constexpr Kind kAll[] = {
    {"idx", true, open_idx},
    {"npy", true, open_npy},
    {"npz", false, open_npz},
    {"safetensors", false, open_safetensors},
    {"csv", false, open_table},
    {"jsonl", false, open_table},
    {"tokens", false, open_token_file},
    {"folder", false, open_folder},
};

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : kAll) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace

OpenedData open_data(const std::string& text, const std::vector<Field>& fields, const DataOptions& options) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) {
    fail(ErrorKind::kUsage, "--data: expected {}; found '{}'", kKinds, text);
  }
  const Request request{text.substr(0, colon), text.substr(colon + 1), fields, options};
  const Kind* kind = find_kind(request.kind);
  if (kind == nullptr) {
    fail(ErrorKind::kUsage, "--data: there is no '{}'; there are {}", request.kind, kKinds);
  }
  return kind->open(request);
}

std::string absolute_data(const std::string& text) {
  const size_t colon = text.find(':');
  const Kind* kind = colon == std::string::npos ? nullptr : find_kind(text.substr(0, colon));
  if (kind == nullptr) return text;
  std::vector<std::string> parts = split_text(text.substr(colon + 1), ',');
  for (size_t i = 0; i < (kind->has_files ? parts.size() : 1); ++i) {
    parts[i] = std::filesystem::absolute(parts[i]).lexically_normal().string();
  }
  return fmt::format("{}:{}", kind->name, fmt::join(parts, ","));
}

}  // namespace dlc::tools

#include "runtime/training/table_data.h"

#include <algorithm>
#include <set>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/data/csv.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/glob.h"
#include "runtime/training/sample_builder.h"

namespace dlc::training {
namespace {

using Json = nlohmann::ordered_json;

// The names that people give the column of what is to be learnt.
constexpr std::string_view kTargetNames[] = {"target", "targets", "label", "labels", "class", "y"};

// Which columns of a table make which field.
class Selection {
 public:
  Selection(std::string path, std::vector<std::string> columns, const std::vector<Field>& fields,
            const TableOptions& options)
      : path_(std::move(path)), columns_(std::move(columns)), fields_(fields), options_(options) {
    for (const auto& [name, patterns] : options.columns) check_field(name);
    of_field_.resize(fields.size());
    const size_t target = fields.size() - 1;
    of_field_[target] = select_target();
    for (size_t i = 0; i < target; ++i) of_field_[i] = select_input(fields[i]);
  }

  const std::vector<std::string>& columns() const { return columns_; }
  const std::vector<std::vector<size_t>>& of_field() const { return of_field_; }

 private:
  void check_field(const std::string& name) const {
    std::vector<std::string> names;
    for (const Field& field : fields_) names.push_back(field.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    fail(ErrorKind::kUsage, "--data: there is no '{}' to give columns to; there are {}", name,
         fmt::join(names, ", "));
  }

  std::string all_columns() const {
    constexpr size_t kShown = 20;
    const size_t shown = std::min(columns_.size(), kShown);
    return fmt::format("{}{}",
                       fmt::join(columns_.begin(), columns_.begin() + static_cast<ptrdiff_t>(shown), ", "),
                       shown < columns_.size() ? ", ..." : "");
  }

  // Columns that the options name; empty where they name none.
  std::vector<size_t> chosen(const std::string& field) const {
    std::vector<size_t> result;
    auto it = options_.columns.find(field);
    if (it == options_.columns.end()) return result;
    for (const std::string& pattern : it->second) {
      const size_t before = result.size();
      for (size_t c = 0; c < columns_.size(); ++c) {
        if (matches(pattern, columns_[c])) result.push_back(c);
      }
      if (result.size() > before) continue;
      fail(ErrorKind::kUsage, "{}: there is no column '{}' for '{}'; there are {}", path_, pattern, field,
           all_columns());
    }
    return result;
  }

  std::vector<size_t> named(std::string_view name) const {
    auto it = std::find(columns_.begin(), columns_.end(), name);
    if (it == columns_.end()) return {};
    return {static_cast<size_t>(it - columns_.begin())};
  }

  std::vector<size_t> select_target() const {
    std::vector<size_t> result = chosen(fields_.back().name);
    for (std::string_view name : kTargetNames) {
      if (result.empty()) result = named(name);
    }
    if (!result.empty()) return result;
    fail(ErrorKind::kUsage, "{}: which column is the target? Say {}=COLUMN; there are {}", path_,
         fields_.back().name, all_columns());
  }

  std::vector<size_t> select_input(const Field& field) const {
    std::vector<size_t> result = chosen(field.name);
    if (result.empty()) result = named(field.name);
    if (result.empty() && fields_.size() == 2) {
      const std::vector<size_t>& target = of_field_.back();
      for (size_t c = 0; c < columns_.size(); ++c) {
        if (std::find(target.begin(), target.end(), c) == target.end()) result.push_back(c);
      }
    }
    if (!result.empty()) return result;
    fail(ErrorKind::kUsage, "{}: which columns are '{}'? Say {}=COLUMN/COLUMN...; there are {}", path_,
         field.name, field.name, all_columns());
  }

  std::string path_;
  std::vector<std::string> columns_;
  const std::vector<Field>& fields_;
  const TableOptions& options_;
  std::vector<std::vector<size_t>> of_field_;
};

std::vector<SampleBuilder> make_builders(const std::vector<Field>& fields, const TableOptions& options) {
  std::vector<SampleBuilder> result;
  for (size_t i = 0; i < fields.size(); ++i) {
    const bool is_target = i + 1 == fields.size();
    SampleBuilderOptions chosen{.filling = options.filling};
    if (is_target) {
      chosen.is_class = options.is_class && fields[i].shape.size() == 1;
      chosen.classes = options.classes;
      if (options.filling) chosen.filling = options.target_filling;
    }
    result.emplace_back(fields[i], std::move(chosen));
  }
  return result;
}

TableData finish(std::vector<SampleBuilder>& builders) {
  TableData result;
  for (SampleBuilder& builder : builders) result.arrays.push_back(builder.finish());
  result.classes = builders.back().classes();
  return result;
}

// ---- CSV --------------------------------------------------------------------------------------------------

void check_columns(const Selection& selection, const std::vector<SampleBuilder>& builders) {
  for (size_t i = 0; i < builders.size(); ++i) {
    const std::vector<size_t>& chosen = selection.of_field()[i];
    if (std::ssize(chosen) == builders[i].elements()) continue;
    std::vector<std::string_view> names;
    for (size_t c : chosen) names.emplace_back(selection.columns()[c]);
    if (names.size() > 20) names.resize(20);
    fail(ErrorKind::kUsage, "'{}' takes {} numbers a sample, but has {} columns: {}{}",
         builders[i].field().name, builders[i].elements(), chosen.size(), fmt::join(names, ", "),
         names.size() < chosen.size() ? ", ..." : "");
  }
}

void add_row(const data::CsvReader& reader, const Selection& selection,
             std::vector<SampleBuilder>& builders) {
  const std::span<const std::string_view> cells = reader.cells();
  if (cells.size() != selection.columns().size()) {
    fail(ErrorKind::kData, "line {}: expected {} cells, found {}", reader.line(), selection.columns().size(),
         cells.size());
  }
  for (size_t i = 0; i < builders.size(); ++i) {
    for (size_t column : selection.of_field()[i]) {
      try {
        builders[i].add(cells[column]);
      } catch (Error& error) {
        throw error.add_context(
            fmt::format("line {}: column {} ('{}')", reader.line(), column + 1, selection.columns()[column]));
      }
    }
    builders[i].end_sample();
  }
}

// ---- JSON lines -------------------------------------------------------------------------------------------

void add_value(const Json& value, SampleBuilder& builder, int depth = 0) {
  constexpr int kMaxDepth = 32;
  if (value.is_number()) return builder.add(value.get<double>());
  if (value.is_boolean()) return builder.add(value.get<bool>() ? 1.0 : 0.0);
  if (value.is_string()) return builder.add(value.get_ref<const std::string&>());
  if (!value.is_array() || depth > kMaxDepth) {
    fail(ErrorKind::kData, "expected a number, a text or a list of them, found {}",
         value.is_array() ? "lists in too many lists" : value.type_name());
  }
  for (const Json& part : value) add_value(part, builder, depth + 1);
}

void add_object(const Json& object, const Selection& selection, std::vector<SampleBuilder>& builders) {
  for (size_t i = 0; i < builders.size(); ++i) {
    const std::vector<size_t>& chosen = selection.of_field()[i];
    const std::string& first = selection.columns()[chosen.front()];
    try {
      for (size_t column : chosen) {
        auto it = object.find(selection.columns()[column]);
        if (it == object.end()) {
          fail(ErrorKind::kData, "there is no '{}'", selection.columns()[column]);
        }
        add_value(*it, builders[i]);
      }
      builders[i].end_sample();
    } catch (Error& error) {
      throw error.add_context(fmt::format("'{}'", first));
    }
  }
}

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> result;
  for (const auto& [key, value] : object.items()) result.push_back(key);
  return result;
}

Json parse_object(std::string_view line) {
  try {
    Json object = Json::parse(line);
    if (!object.is_object()) fail(ErrorKind::kData, "expected a JSON object, found {}", object.type_name());
    return object;
  } catch (const Json::parse_error& error) {
    fail(ErrorKind::kData, "column {}: is no JSON: {}", error.byte, error.what());
  } catch (const Json::exception& error) {
    fail(ErrorKind::kData, "{}", error.what());
  }
}

}  // namespace

TableData read_csv_samples(const std::string& path, const std::vector<Field>& fields,
                           const TableOptions& options) {
  const data::FileView file = data::map_file(path);
  std::vector<SampleBuilder> builders = make_builders(fields, options);
  try {
    data::CsvReader reader(file.bytes);
    if (!reader.next()) fail(ErrorKind::kData, "is empty; expected a line with the names of the columns");
    const std::vector<std::string> columns(reader.cells().begin(), reader.cells().end());
    const Selection selection(path, columns, fields, options);
    check_columns(selection, builders);
    while (reader.next()) add_row(reader, selection, builders);
  } catch (Error& error) {
    if (error.kind() == ErrorKind::kUsage) throw;
    throw error.add_context(path);
  }
  return finish(builders);
}

TableData read_json_samples(const std::string& path, const std::vector<Field>& fields,
                            const TableOptions& options) {
  const data::FileView file = data::map_file(path);
  std::vector<SampleBuilder> builders = make_builders(fields, options);
  std::optional<Selection> selection;
  std::string_view rest = file.bytes;
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    const std::string_view text = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      const Json object = parse_object(text);
      if (!selection) selection.emplace(path, keys_of(object), fields, options);
      add_object(object, *selection, builders);
    } catch (Error& error) {
      if (error.kind() == ErrorKind::kUsage) throw;
      throw error.add_context(fmt::format("{}: line {}", path, line));
    }
  }
  return finish(builders);
}

}  // namespace dlc::training

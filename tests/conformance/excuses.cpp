#include "tests/conformance/excuses.h"

#include <fnmatch.h>

#include <algorithm>
#include <sstream>

#include "runtime/error.h"
#include "tests/support/line_file.h"

namespace dlc::test {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

std::vector<Mode> read_modes(const std::string& text) {
  std::vector<Mode> modes;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    size_t before = modes.size();
    for (Mode mode : kModes) {
      if (word == "*" || word == name(mode)) modes.push_back(mode);
    }
    if (modes.size() == before) fail(ErrorKind::kData, "'{}' is no mode", word);
  }
  return modes;
}

}  // namespace

Excuses::Line Excuses::parse(const std::string& text) {
  std::istringstream words(text);
  std::string kind, modes, pattern, reason;
  words >> kind >> modes >> pattern >> reason;
  if (kind != "fails" && kind != "values")
    fail(ErrorKind::kData, "expected fails or values, found '{}'", kind);
  if (reason.empty()) fail(ErrorKind::kData, "no reason is given");
  return {text, kind == "fails" ? Excuse::kFails : Excuse::kValues, read_modes(modes), pattern};
}

Excuses::Excuses(const std::filesystem::path& path) {
  for_each_line(path, [this](const std::string& text) { lines_.push_back(parse(text)); });
}

Excuse Excuses::find(const std::string& name, Mode mode) const {
  for (const Line& line : lines_) {
    bool in_mode = std::find(line.modes.begin(), line.modes.end(), mode) != line.modes.end();
    if (in_mode && matches(line.pattern, name)) return line.excuse;
  }
  return Excuse::kNone;
}

std::vector<std::string> Excuses::without_case(const std::vector<OfficialCase>& cases) const {
  std::vector<std::string> result;
  for (const Line& line : lines_) {
    bool found = std::any_of(cases.begin(), cases.end(),
                             [&](const OfficialCase& item) { return matches(line.pattern, item.name); });
    if (!found) result.push_back(line.text);
  }
  return result;
}

}  // namespace dlc::test

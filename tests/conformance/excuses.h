// What is excused from the official cases, and why: tests/conformance/excused.txt.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/conformance/case_model.h"

namespace dlc::test {

enum class Excuse {
  kNone,
  kFails,   // the case must fail
  kValues,  // the standard leaves the values open: only types and shapes are compared
};

class Excuses {
 public:
  // Lines "fails|values MODE CASE REASON...", where MODE may be several, joined by commas, or * for all, and
  // CASE a pattern for fnmatch(). # begins a comment. Error(kData) naming the line.
  explicit Excuses(const std::filesystem::path& path);

  Excuse find(const std::string& name, Mode mode) const;
  // Lines that concern none of the cases.
  std::vector<std::string> without_case(const std::vector<OfficialCase>& cases) const;

 private:
  struct Line {
    std::string text;
    Excuse excuse;
    std::vector<Mode> modes;
    std::string pattern;
  };
  static Line parse(const std::string& text);
  std::vector<Line> lines_;
};

}  // namespace dlc::test

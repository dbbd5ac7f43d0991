// One test a bad model of import_errors.txt.
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/error.h"
#include "tests/support/paths.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

struct Case {
  std::string name;
  std::string expected;
  std::string model;
};

std::vector<Case> read_cases() {
  std::ifstream file(source_dir() / "tests/unit/frontend/import_errors.txt");
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("== ")) {
      cases.push_back({line.substr(3), "", ""});
    } else if (line.starts_with("expect: ")) {
      cases.back().expected = line.substr(8);
    } else if (!cases.empty()) {
      cases.back().model += line + "\n";
    }
  }
  return cases;
}

TEST(ImportErrors, SayWhatIsWrong) {
  const std::vector<Case> cases = read_cases();
  ASSERT_GT(cases.size(), 20u);
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.name);
    ASSERT_FALSE(bad.expected.empty());
    const std::string text = error_of_text(bad.model);
    EXPECT_NE(text.find(bad.expected), std::string::npos)
        << "  found: " << text << "\n  expected: " << bad.expected;
  }
}

}  // namespace
}  // namespace dlc::test

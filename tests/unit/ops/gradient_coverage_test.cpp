#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "ir/op.h"
#include "tests/support/paths.h"

namespace dlc::test {
namespace {

// Every operator has a rule, a definition that has one, or stands in the list with a reason.
TEST(GradientRules, CoverTheRegistry) {
  std::map<std::string, std::string> excluded;
  std::ifstream list(source_dir() / "tests/numeric/without_gradient.txt");
  for (std::string line; std::getline(list, line);) {
    size_t split = line.find(": ");
    if (line.starts_with('#') || line.empty()) continue;
    ASSERT_NE(split, std::string::npos) << line;
    excluded[line.substr(0, split)] = line.substr(split + 2);
  }
  for (const ir::OpDef* op : ir::OpRegistry::global().all()) {
    std::string name = op->domain.empty() ? op->name : op->domain + "." + op->name;
    bool has_gradient =
        op->gradient != nullptr || op->unfold != nullptr || (op->expand != nullptr && op->lower == nullptr);
    bool listed = excluded.erase(name) > 0;
    EXPECT_NE(has_gradient, listed) << name << (listed ? " is listed and has a rule" : " has no rule");
  }
  for (const auto& [name, reason] : excluded) ADD_FAILURE() << name << " is listed and does not exist";
}

}  // namespace
}  // namespace dlc::test

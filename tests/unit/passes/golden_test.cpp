// Before/after cases of graph passes: tests/golden/<pass>/<subject>.ir. A file holds cases,
//
//   === what the case shows
//   graph ... (before)
//   ---
//   graph ... (after), or "unchanged"
//
// and a case passes when the graph after the pass is structurally equal to the second one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "ir/equal.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/passes.h"
#include "tests/support/paths.h"

namespace dlc::passes {
namespace {

const std::map<std::string, GraphPass>& golden_passes() {
  static const std::map<std::string, GraphPass> passes = {
      {"eliminate", eliminate},
      {"fold_constants", fold_constants},
      {"simplify", simplify},
      {"raise_idioms", raise_idioms},
      {"expand_composites", expand_composites},
      {"raise_integers", raise_integers},
  };
  return passes;
}

struct Case {
  std::string pass;
  std::string file;
  std::string title;
  std::string before;
  std::string after;
};

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(" \n");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \n") + 1 - begin);
}

std::vector<Case> read_cases(const std::string& pass, const std::filesystem::path& path) {
  std::vector<Case> cases;
  std::ifstream stream(path);
  bool is_after = false;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("=== ")) {
      cases.push_back({pass, path.filename().string(), line.substr(4), "", ""});
      is_after = false;
    } else if (line == "---") {
      is_after = true;
    } else if (!cases.empty()) {
      (is_after ? cases.back().after : cases.back().before) += line + "\n";
    }
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& [pass, run] : golden_passes()) {
    for (const auto& entry :
         std::filesystem::directory_iterator(test::source_dir() / "tests/golden" / pass)) {
      for (Case& item : read_cases(pass, entry.path())) cases.push_back(std::move(item));
    }
  }
  return cases;
}

void run_case(const Case& item) {
  SCOPED_TRACE(fmt::format("{}/{}: {}", item.pass, item.file, item.title));
  bool unchanged = trimmed(item.after) == "unchanged";
  auto graph = ir::parse_graph(item.before);
  auto expected = ir::parse_graph(unchanged ? item.before : item.after);
  Options options;
  ir::RewriteCounter counter;
  PassContext context{options, counter};
  const GraphPass run = golden_passes().at(item.pass);
  run(*graph, context);
  ir::verify(*graph, ir::GraphStage::kImported);
  std::string difference;
  const ir::PrintOptions all{.max_elements = 64};
  EXPECT_TRUE(ir::equal(*expected, *graph, &difference)) << difference << "\n--- expected\n"
                                                         << ir::to_text(*expected, all) << "--- found\n"
                                                         << ir::to_text(*graph, all);
  // A pass is idempotent.
  std::string once = ir::to_text(*graph, all);
  run(*graph, context);
  EXPECT_EQ(ir::to_text(*graph, all), once);
}

TEST(Golden, PassesRewriteAsWritten) {
  std::vector<Case> cases = all_cases();
  EXPECT_GT(cases.size(), 20u);
  for (const Case& item : cases) {
    try {
      run_case(item);
    } catch (const std::exception& error) {
      ADD_FAILURE() << item.pass << "/" << item.file << ": " << item.title << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace dlc::passes

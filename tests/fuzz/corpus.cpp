#include "tests/fuzz/corpus.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "runtime/data/files.h"
#include "tests/support/paths.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

// The official cases that are known not to compile: their mutants would find the same again and again.
std::set<std::string> known_gaps() {
  std::set<std::string> names;
  std::istringstream lines(data::read_file((source_dir() / "tests/conformance/excused.txt").string()));
  for (std::string line; std::getline(lines, line);) {
    std::string kind, mode, name;
    std::istringstream(line) >> kind >> mode >> name;
    if (kind == "fails") names.insert(name);
  }
  return names;
}

void add_folder(const fs::path& root, std::vector<SeedModel>& corpus) {
  constexpr uintmax_t kLargest = 64 << 10;
  if (!fs::is_directory(root)) return;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(root)) {
    const fs::path file = entry.path() / "model.onnx";
    if (fs::is_regular_file(file) && fs::file_size(file) <= kLargest) files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  const std::set<std::string> gaps = known_gaps();
  for (const fs::path& file : files) {
    const std::string name = file.parent_path().filename().string();
    if (gaps.contains(name) || gaps.contains("test_" + name)) continue;
    corpus.push_back({name, data::read_file(file.string())});
  }
}

}  // namespace

std::vector<SeedModel> read_corpus() {
  std::vector<SeedModel> corpus;
  corpus.push_back({"digits", data::read_file((source_dir() / "examples/digits/digits.onnx").string())});
  add_folder(onnx_cases_dir() / "node", corpus);
  add_folder(onnx_cases_dir() / "simple", corpus);
  add_folder(fs::path(DLC_TEST_ERROR_CASES) / "good", corpus);
  add_folder(fs::path(DLC_TEST_ERROR_CASES) / "bad", corpus);
  add_folder(fs::path(DLC_TEST_ERROR_CASES) / "bad_data", corpus);
  return corpus;
}

}  // namespace dlc::test

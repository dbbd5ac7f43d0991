#include "tests/fuzz/corpus.h"

#include <filesystem>

#include "runtime/data/files.h"
#include "tests/conformance/excuses.h"
#include "tests/support/paths.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

void add_folder(const fs::path& root, const Excuses& excuses, std::vector<SeedModel>& corpus) {
  constexpr uintmax_t kLargest = 64 << 10;
  if (!fs::is_directory(root)) return;
  for (const fs::path folder : tools::find_cases({root.string()})) {
    const std::string name = folder.filename().string();
    // Mutants of a case that is known not to compile would find the same again and again.
    if (excuses.find(name, Mode::kStatic) == Excuse::kFails) continue;
    if (fs::file_size(folder / "model.onnx") > kLargest) continue;
    corpus.push_back({name, data::read_file((folder / "model.onnx").string())});
  }
}

}  // namespace

std::vector<SeedModel> read_corpus() {
  const Excuses excuses(source_dir() / "tests/conformance/excused.txt");
  std::vector<SeedModel> corpus;
  corpus.push_back({"digits", data::read_file((source_dir() / "examples/digits/digits.onnx").string())});
  add_folder(onnx_cases_dir() / "node", excuses, corpus);
  add_folder(onnx_cases_dir() / "simple", excuses, corpus);
  add_folder(fs::path(DLC_TEST_ERROR_CASES) / "good", excuses, corpus);
  add_folder(fs::path(DLC_TEST_ERROR_CASES) / "bad", excuses, corpus);
  add_folder(fs::path(DLC_TEST_ERROR_CASES) / "bad_data", excuses, corpus);
  return corpus;
}

}  // namespace dlc::test

#include "tests/conformance/run_case.h"

#include <optional>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/error.h"
#include "tests/support/guarded_run.h"
#include "tools/difference.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

void compare(const runtime::Program& program, const std::vector<Value>& outputs,
             const std::vector<Value>& expected, const tools::Tolerance& tolerance, Excuse excuse) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (excuse == Excuse::kValues && describe(outputs[i]) == describe(expected[i])) continue;
    if (auto difference = tools::first_difference(outputs[i], expected[i], tolerance)) {
      fail(ErrorKind::kData, "output '{}' {}", program.outputs()[i].name, *difference);
    }
  }
}

void run_set(const OfficialCase& item, const runtime::Program& program, const fs::path& set, Mode mode,
             Excuse excuse) {
  std::vector<Value> all = tools::read_values(set, "input", input_kinds(item.folder));
  std::vector<Value> inputs;
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_kept(item.folder, mode, i)) inputs.push_back(all[i]);
  }
  const std::vector<Value> expected = tools::read_values(set, "output", tools::kinds_of(program.outputs()));
  if (inputs.size() != program.inputs().size() || expected.size() != program.outputs().size()) {
    fail(ErrorKind::kData, "expected {} inputs and {} outputs, found {} and {}", program.inputs().size(),
         program.outputs().size(), inputs.size(), expected.size());
  }
  for (Guard guard : {Guard::kEnd, Guard::kBegin}) {
    const std::vector<Value> outputs = run_guarded(program, inputs, expected, guard);
    compare(program, outputs, expected, tools::tolerance_of(item.folder, {}), excuse);
  }
}

runtime::Program compile(const OfficialCase& item, Mode mode, const fs::path& set) {
  const auto graph = frontend::parse_model(model_bytes(item.folder, mode, set), item.folder.string());
  codegen::CompileOptions options;
  return codegen::compile(*graph, options);
}

void run_sets(const OfficialCase& item, Mode mode, Excuse excuse) {
  const std::vector<fs::path> sets = data_sets(item.folder);
  if (sets.empty()) fail(ErrorKind::kData, "no data set");
  std::optional<runtime::Program> program;
  for (const fs::path& set : sets) {
    if (!program || mode == Mode::kConstant) program = compile(item, mode, set);
    run_set(item, *program, set, mode, excuse);
  }
}

}  // namespace

std::string run_case(const OfficialCase& item, Mode mode, Excuse excuse) {
  return tools::fault_of([&] { run_sets(item, mode, excuse); });
}

}  // namespace dlc::test

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ir/op.h"
#include "tests/support/paths.h"
#include "tests/unit/frontend/model_text.h"
#include "tests/unit/ops/case_file.h"

namespace dlc::test {
namespace {

// The oldest opset of ai.onnx that dlc promises to read.
constexpr int kFirstOpset = 7;

// Two forms of one computation.
struct Pair {
  onnx::ModelProto old_model;
  int64_t old_opset = 0;
  int64_t new_opset = 0;
};

int64_t opset_of(const onnx::ModelProto& model) {
  for (const auto& import : model.opset_import())
    if (import.domain().empty()) return import.version();
  return 0;
}

bool expect_the_same(const OperatorCase& a, const OperatorCase& b) {
  if (a.outputs.size() != b.outputs.size()) return false;
  for (size_t i = 0; i < a.outputs.size(); ++i)
    if (tools::first_difference(a.outputs[i], b.outputs[i], {0, 0})) return false;
  return true;
}

// Of cases/upgrades.txt: cases that follow each other and expect the same values.
std::vector<Pair> pairs() {
  const auto cases = read_operator_cases(source_dir() / "tests/unit/ops/cases/upgrades.txt");
  std::vector<Pair> result;
  for (size_t i = 0; i + 1 < cases.size(); ++i) {
    if (!expect_the_same(cases[i], cases[i + 1])) continue;
    onnx::ModelProto a = model_from_text(cases[i].model), b = model_from_text(cases[i + 1].model);
    if (opset_of(a) > opset_of(b)) std::swap(a, b);
    result.push_back({a, opset_of(a), opset_of(b)});
  }
  return result;
}

bool has_operator(const onnx::ModelProto& model, const std::string& name) {
  return std::any_of(model.graph().node().begin(), model.graph().node().end(),
                     [&](const auto& node) { return node.op_type() == name; });
}

TEST(UpgradeSteps, AreTestedInBothForms) {
  const std::vector<Pair> tested = pairs();
  for (const ir::OpDef* op : ir::OpRegistry::global().all()) {
    for (const ir::UpgradeStep& step : op->upgrades) {
      if (step.to_version <= kFirstOpset) continue;
      const bool found = std::any_of(tested.begin(), tested.end(), [&](const Pair& pair) {
        return pair.old_opset < step.to_version && pair.new_opset >= step.to_version &&
               has_operator(pair.old_model, op->name);
      });
      EXPECT_TRUE(found) << op->name << " of opset " << step.to_version
                         << ": cases/upgrades.txt has no pair of cases before and after";
    }
  }
}

}  // namespace
}  // namespace dlc::test

#include "tools/list_operators.h"

#include <fmt/format.h>

#include "ir/op.h"

namespace dlc::tools {

std::string format_operators() {
  std::string text = fmt::format("{:<16} {:<32} {:<6} {:<6} {:<8} {}\n", "domain", "operator", "lower",
                                 "expand", "gradient", "upgrades to opset");
  size_t count = 0;
  for (const ir::OpDef* op : ir::OpRegistry::global().all()) {
    if (op->domain == "dlc") continue;  // internal
    std::vector<int> versions;
    for (const ir::UpgradeStep& step : op->upgrades) versions.push_back(step.to_version);
    const auto mark = [](bool has) { return has ? "yes" : "-"; };
    text += fmt::format("{:<16} {:<32} {:<6} {:<6} {:<8} {}\n", op->domain.empty() ? "ai.onnx" : op->domain,
                        op->name, mark(op->lower != nullptr), mark(op->expand != nullptr),
                        mark(op->gradient != nullptr), fmt::join(versions, ", "));
    ++count;
  }
  return text +
         fmt::format("{} operators; others are taken apart where ONNX defines them as functions\n", count);
}

}  // namespace dlc::tools

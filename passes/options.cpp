#include "passes/options.h"

#include "runtime/error.h"

namespace dlc::passes {

Precision parse_precision(const std::string& name) {
  if (name == "fp32") return Precision::kFloat32;
  if (name == "bf16") return Precision::kBfloat16;
  const bool means_bfloat16 = name.find('b') != std::string::npos || name.find("16") != std::string::npos;
  fail(ErrorKind::kUsage, "unknown precision '{}', expected fp32 or bf16; did you mean '{}'?", name,
       means_bfloat16 ? "bf16" : "fp32");
}

}  // namespace dlc::passes

#include "codegen/emit_program.h"

#include "codegen/emit_bind.h"
#include "codegen/emit_descriptor.h"
#include "codegen/emit_run.h"
#include "runtime/error.h"

namespace dlc::codegen {

void emit_program(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info) {
  check(module.getDataLayout().getPointerSizeInBits(0) == 64, "models are compiled for 64-bit machines");
  DimsTable table(parts.program);
  RunEmitter run(module, parts, info, table);
  RunLayout layout = run.emit();
  int32_t arena_slot = table.reserve();
  llvm::Function* bind = emit_bind(module, parts, info, table, layout, arena_slot);
  llvm::GlobalVariable* descriptor =
      emit_descriptor(module, parts, info, table, layout, {bind, run.function(), arena_slot});
  emit_header_functions(module, info, descriptor);
}

std::string descriptor_symbol(const std::string& model_name) { return model_name + "_descriptor"; }

std::string constants_symbol(const std::string& model_name) { return model_name + "_constants"; }

std::string c_identifier(std::string_view text) {
  std::string name;
  for (char c : text) {
    bool is_digit = c >= '0' && c <= '9';
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_digit && name.empty()) name += "m";
    name += is_digit || is_letter ? c : '_';
  }
  return name.empty() ? "model" : name;
}

}  // namespace dlc::codegen

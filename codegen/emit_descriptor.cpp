#include "codegen/emit_descriptor.h"

#include <algorithm>
#include <functional>

#include "codegen/emit_data.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

class DescriptorEmitter : DataEmitter {
 public:
  DescriptorEmitter(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info,
                    const DimsTable& table, const RunLayout& layout)
      : DataEmitter(module), parts_(parts), info_(info), table_(table), layout_(layout) {}

  llvm::GlobalVariable* emit(const DescriptorParts& functions) {
    std::vector<const ir::Buffer*> inputs = border(ir::BufferKind::kInput);
    std::vector<const ir::Buffer*> outputs = border(ir::BufferKind::kOutput);
    check(outputs.size() == layout_.outputs.size(), "every output has a buffer");
    std::vector<llvm::Constant*> fields = {i64(static_cast<int64_t>(DLC_MODEL_MAGIC)),
                                           i32(DLC_ABI_VERSION),
                                           i32(sizeof(dlc_model)),
                                           text(info_.name),
                                           text(info_.build),
                                           text(info_.content_hash),
                                           i64(static_cast<int64_t>(info_.cpu_features)),
                                           i32(inputs.size()),
                                           i32(outputs.size()),
                                           i32(table_.input_symbols().size()),
                                           i32(static_cast<size_t>(table_.size())),
                                           i32(static_cast<size_t>(functions.arena_slot)),
                                           i32(layout_.kernels.size()),
                                           i32(static_cast<size_t>(parts_.plan.dynamic_buffers)),
                                           i64(layout_.scratch_bytes),
                                           i64(parts_.plan.state_bytes),
                                           values(inputs),
                                           values(outputs),
                                           symbols(),
                                           output_shape_slots(),
                                           kernels(),
                                           constants(),
                                           i64(parts_.constants.size()),
                                           functions.bind,
                                           functions.run,
                                           external("dlc_model_runtime"),
                                           in_place(outputs.size())};
    llvm::Constant* data = llvm::ConstantStruct::getAnon(fields);
    check(size_of(data) == sizeof(dlc_model), "the descriptor's layout is that of dlc_model");
    return define(data, descriptor_symbol(info_.name), llvm::GlobalValue::ExternalLinkage);
  }

 private:
  std::vector<const ir::Buffer*> border(ir::BufferKind kind) {
    std::vector<const ir::Buffer*> found;
    for (const ir::Buffer& buffer : parts_.program.buffers) {
      if (buffer.kind == kind && !buffer.view) found.push_back(&buffer);
    }
    std::sort(found.begin(), found.end(),
              [](const ir::Buffer* a, const ir::Buffer* b) { return a->border_index < b->border_index; });
    for (size_t i = 0; i < found.size(); ++i) {
      check(found[i]->border_index == static_cast<int>(i), "inputs and outputs are numbered without gaps");
    }
    return found;
  }

  llvm::Constant* values(const std::vector<const ir::Buffer*>& buffers) {
    std::vector<llvm::Constant*> rows;
    for (const ir::Buffer* buffer : buffers) {
      const ir::Type type = buffer->border_type.value_or(ir::Type(buffer->dtype, buffer->shape));
      bool is_input = buffer->kind == ir::BufferKind::kInput;
      rows.push_back(
          value_info(buffer->name, type, [&](const Dim& extent) { return extent_code(extent, is_input); }));
    }
    return array(rows, "values");
  }

  // A dlc_value_info.
  llvm::Constant* value_info(const std::string& name, const ir::Type& type,
                             const std::function<int64_t(const Dim&)>& code) {
    std::vector<llvm::Constant*> dims, texts;
    for (const Dim& extent : type.tensor.shape) {
      dims.push_back(i64(code(extent)));
      texts.push_back(text(extent == Dim(ir::kAnyExtent) ? "?" : extent.to_string()));
    }
    bool has_rank = type.tensor.ranks == ir::Ranks::kOne;
    DType dtype = type.kind == ir::TypeKind::kMap ? type.key : type.tensor.dtype;
    llvm::Constant* element = null();
    if (!type.is_tensor()) {
      auto held_code = [](const Dim& extent) { return extent.value(); };
      element = define(value_info("", *type.element, held_code), "element");
    }
    return llvm::ConstantStruct::getAnon({text(name), i8(static_cast<uint8_t>(dtype)),
                                          i32_or_none(has_rank ? static_cast<int32_t>(dims.size()) : -1),
                                          array(dims, "dims"), array(texts, "texts"),
                                          i32(static_cast<size_t>(kind_number(type.kind))), element});
  }

  static dlc_kind kind_number(ir::TypeKind kind) {
    switch (kind) {
      case ir::TypeKind::kTensor:
        return DLC_TENSOR;
      case ir::TypeKind::kSequence:
        return DLC_SEQUENCE;
      case ir::TypeKind::kOptional:
        return DLC_OPTIONAL;
      case ir::TypeKind::kMap:
        return DLC_MAP;
    }
    return DLC_TENSOR;
  }

  // What dlc_value_info says of an extent. For an output only symbols of inputs have a number; the others are
  // known by their text and, after a run, by output_shape_dims.
  int64_t extent_code(const Dim& extent, bool is_input) {
    if (extent.is_constant()) return extent.value();
    if (is_input) return -1 - table_.input_symbol(extent);
    if (extent.is_symbol()) return -1 - table_.symbol_slot(extent.symbol_name());
    return -1 - int64_t{table_.size()};
  }

  llvm::Constant* in_place(size_t outputs) {
    if (info_.in_place.empty()) return null();
    check(info_.in_place.size() == outputs, "an entry for each output");
    std::vector<llvm::Constant*> inputs;
    for (int input : info_.in_place) inputs.push_back(i32_or_none(input));
    return array(inputs, "in_place");
  }

  llvm::Constant* symbols() {
    std::vector<llvm::Constant*> names;
    for (const std::string& symbol : table_.input_symbols()) names.push_back(text(symbol));
    return array(names, "symbols");
  }

  llvm::Constant* output_shape_slots() {
    std::vector<llvm::Constant*> slots;
    for (const RunLayout::Output& output : layout_.outputs) {
      for (size_t i = 0; i < parts_.program.buffer(output.buffer).shape.size(); ++i) {
        slots.push_back(i32(static_cast<size_t>(output.extents.base) + i));
      }
    }
    return array(slots, "output_shape_dims");
  }

  llvm::Constant* kernels() {
    std::vector<llvm::Constant*> rows;
    for (const RunLayout::KernelRow& row : layout_.kernels) {
      rows.push_back(llvm::ConstantStruct::getAnon(
          {text(row.name), text(row.origin), i32_or_none(row.flops_slot), i32_or_none(row.bytes_slot)}));
    }
    return array(rows, "kernels");
  }

  llvm::Constant* constants() {
    bool is_elsewhere = info_.constants_in_file || parts_.constants.size() == 0;
    if (is_elsewhere) return null();
    return external(constants_symbol(info_.name));
  }

  const ProgramParts& parts_;
  const ModelInfo& info_;
  const DimsTable& table_;
  const RunLayout& layout_;
};

constexpr Forward kForwards[] = {
    {"init", "dlc_context_create", 'i', "pp", true},
    {"run", "dlc_context_run_flat", 'i', "pppp", false},
    {"run_tensors", "dlc_context_run", 'i', "ppp", false},
    {"output_shape", "dlc_context_output_shape", 'p', "pi", false},
    {"arena_bytes", "dlc_model_arena_bytes", 'l', "p", true},
    {"error", "dlc_context_error", 'p', "p", false},
    {"status_text", "dlc_status_text", 'p', "i", false},
    {"release", "dlc_context_release", 'v', "p", false},
};

}  // namespace

llvm::GlobalVariable* emit_descriptor(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info,
                                      const DimsTable& table, const RunLayout& layout,
                                      const DescriptorParts& functions) {
  return DescriptorEmitter(module, parts, info, table, layout).emit(functions);
}

void emit_header_functions(llvm::Module& module, const ModelInfo& info, llvm::GlobalVariable* descriptor) {
  for (const Forward& forward : kForwards) {
    emit_forward(module, info.name + "_" + forward.suffix, forward, descriptor);
  }
}

std::vector<std::string> header_symbols(const std::string& model_name) {
  std::vector<std::string> names;
  for (const Forward& forward : kForwards) names.push_back(model_name + "_" + forward.suffix);
  return names;
}

}  // namespace dlc::codegen

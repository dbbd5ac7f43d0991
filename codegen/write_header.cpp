#include "codegen/write_header.h"

#include <algorithm>

#include "codegen/c_names.h"
#include "codegen/dims_table.h"
#include "runtime/error.h"

extern "C" {
extern const char dlc_model_types_begin[];
extern const char dlc_model_types_end[];
}

namespace dlc::codegen {
namespace {

// The part of runtime/model/types.h that headers of models repeat.
std::string value_types() {
  constexpr std::string_view kBegin = "#ifndef DLC_VALUE_TYPES\n", kEnd = "#endif /* DLC_VALUE_TYPES */\n";
  const std::string_view text(dlc_model_types_begin, dlc_model_types_end);
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  check(begin < end && end != text.npos, "the marks of what values are");
  return std::string(text.substr(begin, end + kEnd.size() - begin));
}

const char* border_c_type(const ir::Buffer& buffer) {
  if (!buffer.border_type) return c_type(buffer.dtype);
  return buffer.border_type->is_tensor() ? "dlc_string" : "dlc_value";
}

class HeaderWriter {
 public:
  HeaderWriter(const ir::Program& program, const ModelInfo& info)
      : info_(info), macro_(upper(info.name)), symbols_(DimsTable(program).input_symbols()) {
    for (const ir::Buffer& buffer : program.buffers) {
      if (buffer.view) continue;
      if (buffer.kind == ir::BufferKind::kInput) inputs_.push_back(&buffer);
      if (buffer.kind == ir::BufferKind::kOutput) outputs_.push_back(&buffer);
    }
    auto by_border = [](const ir::Buffer* a, const ir::Buffer* b) {
      return a->border_index < b->border_index;
    };
    std::sort(inputs_.begin(), inputs_.end(), by_border);
    std::sort(outputs_.begin(), outputs_.end(), by_border);
  }

  std::string write() {
    begin();
    write_value_types();
    write_dims();
    write_values("inputs", inputs_, "const ");
    write_values("outputs", outputs_, "");
    write_functions();
    text_ += fmt::format("#ifdef __cplusplus\n}}\n#endif\n#endif /* {}_MODEL_H_ */\n", macro_);
    return text_;
  }

 private:
  void begin() {
    text_ += fmt::format(
        R"(/* {0}: a compiled model ({1}).
 *
 * {0}_init() makes a model in memory, {0}_run() computes, {0}_release() ends it. One model in memory belongs to
 * one thread at a time; several may run at the same time. Data is dense and row-major. */
#ifndef {2}_MODEL_H_
#define {2}_MODEL_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

)",
        info_.name, comment_text(info_.build), macro_);
  }

  // Only models whose border has more than numbers need them.
  void write_value_types() {
    bool needed = false;
    for (const auto* buffers : {&inputs_, &outputs_}) {
      for (const ir::Buffer* buffer : *buffers) needed = needed || buffer->border_type;
    }
    if (needed) text_ += value_types() + "\n";
  }

  void write_dims() {
    if (symbols_.empty()) {
      text_ += fmt::format("/* All shapes are fixed: pass NULL. */\ntypedef void {}_dims;\n\n", info_.name);
      return;
    }
    text_ += "/* Extents that the caller chooses. */\ntypedef struct " + info_.name + "_dims {\n";
    for (const std::string& name : field_names(symbols_)) text_ += fmt::format("  int64_t {};\n", name);
    text_ += fmt::format("}} {}_dims;\n\n", info_.name);
  }

  void write_values(const char* what, const std::vector<const ir::Buffer*>& buffers, const char* qualifier) {
    std::vector<std::string> texts;
    for (const ir::Buffer* buffer : buffers) texts.push_back(buffer->name);
    std::vector<std::string> names = field_names(texts);
    for (size_t i = 0; i < buffers.size(); ++i) write_extents(upper(names[i]), *buffers[i]);
    text_ += fmt::format("typedef struct {}_{} {{\n", info_.name, what);
    for (size_t i = 0; i < buffers.size(); ++i) {
      const ir::Buffer& buffer = *buffers[i];
      std::string type = std::string(onnx_name(buffer.dtype)) + ir::to_string(buffer.shape);
      if (buffer.border_type) type = ir::to_string(*buffer.border_type);
      text_ += fmt::format("  {}{}* {}; /* {} */\n", qualifier, border_c_type(buffer), names[i],
                           comment_text(type));
    }
    if (buffers.empty()) text_ += "  const void* none;\n";
    text_ += fmt::format("}} {}_{};\n\n", info_.name, what);
  }

  // The extents that are fixed, and the size where all are.
  void write_extents(const std::string& name, const ir::Buffer& buffer) {
    for (size_t axis = 0; axis < buffer.shape.size(); ++axis) {
      if (!buffer.shape[axis].is_constant()) continue;
      text_ += fmt::format("#define {}_{}_DIM{} {}\n", macro_, name, axis, buffer.shape[axis].value());
    }
    if (ir::is_static(buffer.shape)) {
      text_ += fmt::format("#define {}_{}_SIZE {}\n", macro_, name, ir::product(buffer.shape).value());
    }
  }

  void write_functions() {
    const std::string weights_field =
        info_.constants_in_file
            ? "  const char* weights_file; /* the path of the file with the weights: needed */\n"
            : "";
    text_ += fmt::format(
        R"(typedef struct {0}_model {0}_model; /* a model in memory */

/* All zero but struct_size: the defaults. */
typedef struct {0}_options {{
  uint32_t struct_size; /* sizeof({0}_options) */
  int32_t threads;      /* 0: as many as the process may use */
{1}}} {0}_options;

/* These return 0, or a status whose text is {0}_status_text(); after a run, {0}_error() says more. */
int32_t {0}_init(const {0}_options* options, {0}_model** model); /* options may be NULL */
/* Outputs that are NULL are set to memory of the model, valid until the next run; so are dlc_values always. */
int32_t {0}_run({0}_model* model, const {0}_dims* dims, const {0}_inputs* inputs, {0}_outputs* outputs);
/* The same for arrays of DLTensor (dlpack.h), which may have strides; an output's data may be NULL. */
int32_t {0}_run_tensors({0}_model* model, const void* inputs, void* outputs);
/* The extents of an output (by position) of the last run. */
const int64_t* {0}_output_shape(const {0}_model* model, int32_t output);
/* Bytes of memory for intermediate values with these dims; -1 where they are impossible. */
int64_t {0}_arena_bytes(const {0}_dims* dims);
const char* {0}_error(const {0}_model* model);
const char* {0}_status_text(int32_t status);
void {0}_release({0}_model* model);

)",
        info_.name, weights_field);
  }

  const ModelInfo& info_;
  std::string macro_;
  std::vector<std::string> symbols_;
  std::vector<const ir::Buffer*> inputs_;
  std::vector<const ir::Buffer*> outputs_;
  std::string text_;
};

}  // namespace

std::string write_header(const ir::Program& program, const ModelInfo& info) {
  return HeaderWriter(program, info).write();
}

}  // namespace dlc::codegen

#include "api/dlc_c.h"

#include <optional>

#include "api/c_border.h"
#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "ir/clone.h"
#include "runtime/error.h"
#include "runtime/model/element.h"
#include "runtime/output_file.h"
#include "runtime/program.h"
#include "runtime/version.h"

using dlc::api::complete;
using dlc::api::guarded;
using dlc::api::require;
using dlc::api::text_or_empty;

struct dlc_graph {
  std::unique_ptr<dlc::ir::Graph> graph;
};

struct dlc_program {
  dlc::runtime::Program program;
};

struct dlc_session {
  dlc::runtime::Program program;
  dlc::runtime::Context context;
};

namespace {

dlc::frontend::ReadOptions read_options(const dlc_read_options* given) {
  const dlc_read_options options = complete(given);
  dlc::frontend::ReadOptions result;
  for (int32_t i = 0; i < options.num_shapes; ++i) {
    const dlc_input_shape& shape = options.shapes[i];
    result.input_shapes[text_or_empty(shape.input)] = {shape.dims, shape.dims + shape.rank};
  }
  return result;
}

dlc::codegen::CompileOptions compile_options(const dlc_compile_options* given) {
  const dlc_compile_options options = complete(given);
  dlc::codegen::CompileOptions result;
  result.passes.exact = options.exact != 0;
  result.profile = options.profile != 0;
  if (options.cpu != nullptr) result.cpu = options.cpu;
  if (options.precision != nullptr) result.passes.precision = dlc::passes::parse_precision(options.precision);
  result.name = text_or_empty(options.name);
  result.weights_file = text_or_empty(options.weights_file);
  if (options.max_iterations < 0) {
    dlc::fail(dlc::ErrorKind::kUsage, "max_iterations: expected a positive number, found {}",
              options.max_iterations);
  }
  if (options.max_iterations > 0) result.passes.max_iterations = options.max_iterations;
  return result;
}

using Writer = void (*)(dlc::codegen::CompiledModel, const std::string&, const dlc::codegen::CompileOptions&);

int32_t write(const dlc_graph* graph, const dlc_compile_options* given, const char* path, const char* header,
              Writer writer) {
  return guarded([&] {
    require(graph, "graph");
    require(path, "path");
    const dlc::codegen::CompileOptions options = compile_options(given);
    std::optional<dlc::OutputFile> header_file;
    if (header != nullptr) header_file.emplace(header);
    dlc::codegen::CompiledModel model =
        dlc::codegen::compile_to_object(dlc::ir::clone(*graph->graph), options);
    if (header_file) header_file->write(model.header);
    writer(std::move(model), path, options);
    if (header_file) header_file->commit();
  });
}

}  // namespace

extern "C" {

const char* dlc_version(void) { return dlc::version(); }

const char* dlc_last_error(void) { return dlc::api::last_error(); }

int32_t dlc_read_model(const char* path, const dlc_read_options* options, dlc_graph** graph) {
  return guarded([&] {
    require(graph, "graph");
    *graph = nullptr;
    require(path, "path");
    *graph = new dlc_graph{dlc::frontend::read_model(path, read_options(options))};
  });
}

void dlc_graph_release(dlc_graph* graph) { delete graph; }

int32_t dlc_compile(const dlc_graph* graph, const dlc_compile_options* options, dlc_program** program) {
  return guarded([&] {
    require(program, "program");
    *program = nullptr;
    require(graph, "graph");
    *program =
        new dlc_program{dlc::codegen::compile(*dlc::ir::clone(*graph->graph), compile_options(options))};
  });
}

int32_t dlc_write_shared_library(const dlc_graph* graph, const dlc_compile_options* options, const char* path,
                                 const char* header) {
  return write(graph, options, path, header, dlc::codegen::write_shared_library);
}

int32_t dlc_write_archive(const dlc_graph* graph, const dlc_compile_options* options, const char* path,
                          const char* header) {
  return write(graph, options, path, header, dlc::codegen::write_archive);
}

int32_t dlc_load_library(const char* path, const char* weights_file, dlc_program** program) {
  return guarded([&] {
    require(program, "program");
    *program = nullptr;
    require(path, "path");
    *program = new dlc_program{dlc::runtime::load_library(path, text_or_empty(weights_file))};
  });
}

void dlc_program_release(dlc_program* program) { delete program; }

int32_t dlc_num_inputs(const dlc_program* program) { return program->program.model().num_inputs; }
int32_t dlc_num_outputs(const dlc_program* program) { return program->program.model().num_outputs; }

const dlc_value_info* dlc_input(const dlc_program* program, int32_t index) {
  const dlc_model& model = program->program.model();
  return index >= 0 && index < model.num_inputs ? &model.inputs[index] : nullptr;
}

const dlc_value_info* dlc_output(const dlc_program* program, int32_t index) {
  const dlc_model& model = program->program.model();
  return index >= 0 && index < model.num_outputs ? &model.outputs[index] : nullptr;
}

int32_t dlc_session_create(const dlc_program* program, const dlc_session_options* options,
                           dlc_session** session) {
  return guarded([&] {
    require(session, "session");
    *session = nullptr;
    require(program, "program");
    const dlc_session_options chosen = complete(options);
    *session = new dlc_session{program->program,
                               dlc::runtime::Context(program->program, {.threads = chosen.threads})};
  });
}

void dlc_session_release(dlc_session* session) { delete session; }

dlc_tensor dlc_make_tensor(void* data, uint8_t dtype, int32_t rank, int64_t* shape) {
  return dlc::model::dense_tensor(data, dlc::model::element_type(dtype), rank, shape);
}

dlc_tensor dlc_make_value(dlc_value* value) {
  return dlc::model::dense_tensor(value, dlc::model::kValueElement, 0, nullptr);
}

int32_t dlc_run(dlc_session* session, const dlc_tensor* inputs, dlc_tensor* outputs) {
  return guarded(
      [&] {
        require(session, "session");
        if (session->program.inputs().size() > 0) require(inputs, "inputs");
        if (session->program.outputs().size() > 0) require(outputs, "outputs");
        session->context.run(inputs, outputs);
      },
      DLC_OUT_OF_MEMORY);
}

}  // extern "C"

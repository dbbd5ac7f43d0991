/* The library for C programs: read a model, compile it, run it.
 *
 *   dlc_graph* graph;
 *   dlc_program* program;
 *   dlc_session* session;
 *   if (dlc_read_model("model.onnx", NULL, &graph) == DLC_OK &&
 *       dlc_compile(graph, NULL, &program) == DLC_OK &&
 *       dlc_session_create(program, NULL, &session) == DLC_OK &&
 *       dlc_run(session, inputs, outputs) == DLC_OK) ...
 *
 * Functions that can fail return a dlc_status; dlc_last_error() then says more. What is made is released by
 * the function of that name, which takes null; a result is null where making it failed. Options may be null
 * and are all zero but struct_size by default. Nothing throws, prints or exits. */
#ifndef DLC_API_DLC_C_H_
#define DLC_API_DLC_C_H_

#include <stdint.h>

#include "runtime/model/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A model as it was read. Belongs to one thread at a time. */
typedef struct dlc_graph dlc_graph;
/* A compiled model. Never changes; any number of threads may use it. */
typedef struct dlc_program dlc_program;
/* What one run needs: memory and threads. Belongs to one thread at a time; keeps its program alive. */
typedef struct dlc_session dlc_session;

const char* dlc_version(void); /* "0.1.0" */
/* What went wrong in the last call of this thread that failed; valid until the next that fails. */
const char* dlc_last_error(void);

/* Extents that replace symbolic ones of an input: faster code. */
typedef struct dlc_input_shape {
  const char* input; /* null: the first */
  int32_t rank;
  const int64_t* dims; /* -1 leaves one open */
} dlc_input_shape;

typedef struct dlc_read_options {
  uint32_t struct_size;
  int32_t num_shapes;
  const dlc_input_shape* shapes;
} dlc_read_options;

int32_t dlc_read_model(const char* path, const dlc_read_options* options, dlc_graph** graph);
void dlc_graph_release(dlc_graph* graph);

typedef struct dlc_compile_options {
  uint32_t struct_size;
  int32_t exact;            /* not 0: no algorithms that round differently (Winograd) */
  int32_t profile;          /* not 0: kernels can be timed */
  const char* cpu;          /* "native" (null), "x86-64-v3", "x86-64-v4", ... */
  const char* name;         /* of the model in a library; null: the graph's */
  const char* weights_file; /* dlc_write_*: where the weights go; null: into the library */
} dlc_compile_options;

/* The graph stays as it is. */
int32_t dlc_compile(const dlc_graph* graph, const dlc_compile_options* options, dlc_program** program);
/* Writes a shared library, or a static one, and its C header unless `header` is null. */
int32_t dlc_write_shared_library(const dlc_graph* graph, const dlc_compile_options* options, const char* path,
                                 const char* header);
int32_t dlc_write_archive(const dlc_graph* graph, const dlc_compile_options* options, const char* path,
                          const char* header);
/* A shared library that was written before. `weights_file` is null for one that carries its weights. */
int32_t dlc_load_library(const char* path, const char* weights_file, dlc_program** program);
void dlc_program_release(dlc_program* program);

int32_t dlc_num_inputs(const dlc_program* program);
int32_t dlc_num_outputs(const dlc_program* program);
/* Null for an index that is too large. */
const dlc_value_info* dlc_input(const dlc_program* program, int32_t index);
const dlc_value_info* dlc_output(const dlc_program* program, int32_t index);

typedef struct dlc_session_options {
  uint32_t struct_size;
  int32_t threads; /* 0: as many as the process may use */
} dlc_session_options;

int32_t dlc_session_create(const dlc_program* program, const dlc_session_options* options,
                           dlc_session** session);
void dlc_session_release(dlc_session* session);

/* A dense tensor over memory of the caller; the shape is not copied. `dtype`: a number of ONNX's
 * TensorProto.DataType, as in dlc_value_info. */
dlc_tensor dlc_make_tensor(void* data, uint8_t dtype, int32_t rank, int64_t* shape);

/* A value that is no tensor in the place of one: a sequence, an optional or a map. `value` and all that it
 * points to are the caller's until dlc_run() returns. */
dlc_tensor dlc_make_value(dlc_value* value);

/* Inputs and outputs in the program's order. Elements of a tensor of strings (dtype 8) are dlc_strings of
 * UTF-8. Outputs that are no tensors get data that points to a dlc_value, whatever it was before. An output
 * whose data is null gets memory of the session, valid until the next run; one with data must have the
 * extents of the result, or, where these depend on data, room for it. After the run, ndim and shape say what
 * an output holds; a null shape is replaced. */
int32_t dlc_run(dlc_session* session, const dlc_tensor* inputs, dlc_tensor* outputs);

#ifdef __cplusplus
}
#endif
#endif /* DLC_API_DLC_C_H_ */

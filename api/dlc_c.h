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
  int64_t max_iterations;   /* a Loop that takes more fails the run; 0: 100 million */
  const char* precision;    /* of the factors of large products: "fp32" (null), "bf16" */
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

/* ---- Training: from one ONNX file to another, on samples that a function of the caller gives ----
 *
 *   dlc_trainer* trainer;
 *   dlc_dataset data = {sizeof data, 1000, read_sample, NULL};
 *   dlc_fit_options options = {.struct_size = sizeof options, .epochs = 5, .rate = 1e-3};
 *   if (dlc_trainer_create("model.onnx", NULL, &trainer) == DLC_OK &&
 *       dlc_trainer_fit(trainer, &data, NULL, &options) == DLC_OK &&
 *       dlc_trainer_save(trainer, "tuned.onnx") == DLC_OK) ... */

/* A model with the compiled step that trains it. Belongs to one thread at a time. */
typedef struct dlc_trainer dlc_trainer;

enum {
  DLC_LOSS_CROSS_ENTROPY = 0, /* of class numbers */
  DLC_LOSS_NLL = 1,           /* of class numbers, where the model gives log-probabilities */
  DLC_LOSS_BINARY = 2,        /* of probabilities; the model gives logits */
  DLC_LOSS_MSE = 3,
  DLC_LOSS_L1 = 4,
  DLC_LOSS_HUBER = 5,
  DLC_LOSS_KL = 6
};
enum {
  DLC_OPTIMIZER_ADAMW = 0,
  DLC_OPTIMIZER_SGD = 1,
  DLC_OPTIMIZER_ADAM = 2,
  DLC_OPTIMIZER_ADAGRAD = 3,
  DLC_OPTIMIZER_LION = 4
};
enum {
  DLC_SCHEDULE_CONSTANT = 0,
  DLC_SCHEDULE_STEP = 1,
  DLC_SCHEDULE_LINEAR = 2,
  DLC_SCHEDULE_COSINE = 3,
  DLC_SCHEDULE_ONE_CYCLE = 4,
  DLC_SCHEDULE_PLATEAU = 5
};

typedef struct dlc_training_options {
  uint32_t struct_size;
  int32_t loss;
  int32_t optimizer;
  int32_t threads;      /* 0: as many as the process may use */
  int64_t batch;        /* 0: 32 */
  int64_t head_classes; /* of a new head in front of the first output; 0: the model keeps its own */
  uint64_t seed;        /* of the new head's weights */
  double weight_decay;
  double momentum;    /* of DLC_OPTIMIZER_SGD */
  double clip_norm;   /* 0: none */
  const char* freeze; /* patterns of parameters, separated by commas, that stay as they are; null: none */
  const char* train;  /* patterns of those that alone are trained; null: all */
  const char* cpu;    /* null: "native" */
  int32_t num_shapes;
  const dlc_input_shape* shapes;
  int32_t lora_rank; /* of adapters, which alone are trained then beside `train` and a new head; 0: none */
  double lora_alpha; /* they are scaled by alpha / rank; 0: the rank */
  const char* lora_targets; /* patterns of the weights that get one; null: all that can */
  const char* rate_scales;  /* "PATTERN=FACTOR,...": parameters that learn faster or slower; null: none */
  double average;           /* 0.999: what is evaluated and saved are moving averages; 0: none */
} dlc_training_options;

int32_t dlc_trainer_create(const char* model, const dlc_training_options* options, dlc_trainer** trainer);
void dlc_trainer_release(dlc_trainer* trainer);

/* What a sample consists of: the model's inputs, then the target. `dims` begins with the batch. */
typedef struct dlc_field {
  const char* name;
  uint8_t dtype; /* as in dlc_value_info */
  int32_t rank;
  const int64_t* dims;
} dlc_field;

int32_t dlc_trainer_num_fields(const dlc_trainer* trainer);
/* Fills `field`, which points to memory of the trainer. */
int32_t dlc_trainer_field(const dlc_trainer* trainer, int32_t index, dlc_field* field);

/* Samples by number. `read` writes a sample, dense, to a place for each field, and returns 0; anything else
 * leaves the sample out. It is called by several threads at once where `loader_threads` is more than 1. */
typedef struct dlc_dataset {
  uint32_t struct_size;
  int64_t size;
  int32_t (*read)(void* user, int64_t index, void* const* places);
  void* user;
} dlc_dataset;

typedef struct dlc_epoch {
  int64_t epoch; /* from 0 */
  int64_t step;
  double training_loss;
  double validation_loss; /* NaN without validation data */
} dlc_epoch;

typedef struct dlc_fit_options {
  uint32_t struct_size;
  int32_t schedule;
  int32_t loader_threads; /* 0: 1 */
  int64_t epochs;         /* 0: 1 */
  double rate;            /* 0: 1e-3 */
  double warmup;          /* of the steps: below 1 a share, else a number */
  uint64_t seed;          /* of the order */
  const char* folder;     /* for checkpoints; null: none */
  /* After each epoch. Anything but 0 ends the training. */
  int32_t (*on_epoch)(void* user, const dlc_epoch* epoch);
  void* user;
} dlc_fit_options;

/* `validation` may be null. */
int32_t dlc_trainer_fit(dlc_trainer* trainer, const dlc_dataset* data, const dlc_dataset* validation,
                        const dlc_fit_options* options);

/* The loss and, unless `metric` is null, one of "accuracy", "top5", "f1", "mae", "mse". */
int32_t dlc_trainer_evaluate(dlc_trainer* trainer, const dlc_dataset* data, const char* metric, double* loss,
                             double* value);

/* Writes the model as ONNX with the parameters as they are now, or their averages; adapters are merged. */
int32_t dlc_trainer_save(const dlc_trainer* trainer, const char* path);

#ifdef __cplusplus
}
#endif
#endif /* DLC_API_DLC_C_H_ */

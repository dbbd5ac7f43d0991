/* Contexts: running a compiled model from C. These functions are in every compiled model (as its `runtime`)
 * and in libdlc; the functions of a generated header forward to them.
 *
 * A model is immutable; a context belongs to one thread at a time; several contexts of one model run at the
 * same time. Nothing throws, prints or exits. */
#ifndef DLC_RUNTIME_MODEL_API_H_
#define DLC_RUNTIME_MODEL_API_H_

#include "runtime/model/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a context gets its memory from. */
typedef struct dlc_allocator {
  void* user;
  void* (*allocate)(void* user, size_t bytes, size_t alignment); /* null: no memory */
  void (*release)(void* user, void* memory, size_t bytes);
} dlc_allocator;

/* Threads that a program lends to a context. `run` calls task(argument, worker) for worker 0 and for any of
 * the workers 1 to workers - 1, each at most once and at the same time where it can, and returns when all
 * have returned. */
typedef void (*dlc_worker_fn)(void* argument, int32_t worker);
typedef struct dlc_executor {
  void* user;
  int32_t threads;
  void (*run)(void* user, dlc_worker_fn task, void* argument, int32_t workers);
} dlc_executor;

/* Where parts of a run go that other processes have as well, and come from again. Both return a dlc_status;
 * `fault` says what was wrong. Parts are given in the order of their numbers. */
typedef struct dlc_exchange {
  void* user;
  int32_t (*give)(void* user, int64_t place, const void* data, int64_t count, uint8_t dtype);
  int32_t (*take)(void* user, int64_t place, void* data, int64_t count, uint8_t dtype);
  const char* (*fault)(void* user);
} dlc_exchange;

/* All zero but struct_size: the defaults. */
typedef struct dlc_context_options {
  uint32_t struct_size;
  int32_t threads;                /* 0: as many as the process may use */
  const char* constants_file;     /* for a model whose constants are in a file: its path, */
  const char* constants;          /* or what is in it, which must outlive the context */
  const dlc_allocator* allocator; /* null: malloc */
  const dlc_executor* executor;   /* null: threads of the context's own, started when first needed */
  const dlc_exchange* exchange;   /* null: a program that exchanges something cannot run */
} dlc_context_options;

typedef struct dlc_kernel_time {
  int64_t start_ns;    /* of the first call, since the start of the run */
  int64_t duration_ns; /* of all calls */
  int64_t calls;
  int64_t flops; /* of one call; -1: unknown */
  int64_t bytes;
} dlc_kernel_time;

/* `options` may be null. What its allocator, executor and exchange point to is copied. */
int32_t dlc_context_create(const dlc_model* model, const dlc_context_options* options, dlc_context** context);
void dlc_context_release(dlc_context* context);

/* `inputs` and `outputs` in the model's order. An output with null data gets memory of the context, valid
 * until the next run or release. An output with data must have the extents of the result; where these depend
 * on data, its extents say how many elements fit. After the run, ndim and shape say what an output holds; a
 * null shape is replaced by one that the context owns. An output that is no tensor takes no memory: its data
 * is replaced by a dlc_value, whatever it was. */
int32_t dlc_context_run(dlc_context* context, const dlc_tensor* inputs, dlc_tensor* outputs);
/* The same for dense tensors at plain pointers; `symbols` in the model's order. Null outputs are replaced. */
int32_t dlc_context_run_flat(dlc_context* context, const int64_t* symbols, const void* const* inputs,
                             void** outputs);
/* Extents of an output of the last run; valid until the next. */
const int64_t* dlc_context_output_shape(const dlc_context* context, int32_t output);

/* What went wrong in the last run; "" if nothing. */
const char* dlc_context_error(const dlc_context* context);
const char* dlc_status_text(int32_t status);
/* Bytes of planned memory that a run with these symbols needs; -1 where the symbols are impossible. */
int64_t dlc_model_arena_bytes(const dlc_model* model, const int64_t* symbols);
int64_t dlc_context_memory_bytes(const dlc_context* context); /* all memory that the context holds */
int32_t dlc_context_threads(const dlc_context* context);
/* Of kernel `index` in the last run; calls is 0 where it did not run or the model has no profile. */
dlc_kernel_time dlc_context_kernel_time(const dlc_context* context, int32_t index);

/* How many threads this process may use: affinity and cgroup quota. */
int32_t dlc_usable_threads(void);
/* Bits of dlc_cpu_feature that this machine and its system have. */
uint64_t dlc_machine_features(void);

/* The functions above that a loaded model is driven by. */
struct dlc_runtime {
  uint32_t abi_version;
  uint32_t struct_size;
  int32_t (*create)(const dlc_model* model, const dlc_context_options* options, dlc_context** context);
  void (*release)(dlc_context* context);
  int32_t (*run)(dlc_context* context, const dlc_tensor* inputs, dlc_tensor* outputs);
  const char* (*error)(const dlc_context* context);
  const int64_t* (*output_shape)(const dlc_context* context, int32_t output);
  int64_t (*arena_bytes)(const dlc_model* model, const int64_t* symbols);
  int64_t (*memory_bytes)(const dlc_context* context);
  int32_t (*threads)(const dlc_context* context);
  dlc_kernel_time (*kernel_time)(const dlc_context* context, int32_t index);
};
extern const dlc_runtime dlc_model_runtime;

#ifdef __cplusplus
}
#endif
#endif /* DLC_RUNTIME_MODEL_API_H_ */

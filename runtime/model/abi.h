/* The border of a compiled model: what its library exports and what its code and the model runtime agree on.
 *
 * C99. Every change of a struct or of a meaning raises DLC_ABI_VERSION. */
#ifndef DLC_RUNTIME_MODEL_ABI_H_
#define DLC_RUNTIME_MODEL_ABI_H_

#include <stddef.h>
#include <stdint.h>

#include "runtime/model/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DLC_ABI_VERSION 4u
#define DLC_MODEL_MAGIC 0x314c444f4d434c44ull /* "DLCMODL1" */

typedef struct dlc_context dlc_context;
typedef struct dlc_runtime dlc_runtime; /* runtime/model/api.h */

/* What code may need of a CPU beyond the base of its architecture. The x86 levels are those of the psABI. */
typedef enum dlc_cpu_feature {
  DLC_CPU_X86_V2 = 1 << 0,
  DLC_CPU_X86_V3 = 1 << 1, /* AVX2, FMA, F16C, BMI */
  DLC_CPU_X86_V4 = 1 << 2, /* AVX-512 F, BW, CD, DQ, VL */
  DLC_CPU_AVX_VNNI = 1 << 3,
  DLC_CPU_AVX512_VNNI = 1 << 4,
  DLC_CPU_AVX512_BF16 = 1 << 5,
  DLC_CPU_AVX512_FP16 = 1 << 6,
  DLC_CPU_AMX_INT8 = 1 << 7,
  DLC_CPU_AMX_BF16 = 1 << 8,
  DLC_CPU_ARM_DOTPROD = 1 << 16,
  DLC_CPU_ARM_FP16 = 1 << 17,
  DLC_CPU_ARM_BF16 = 1 << 18,
  DLC_CPU_ARM_I8MM = 1 << 19
} dlc_cpu_feature;

/* State of one run, handed to generated code. The runtime owns every array. */
typedef struct dlc_frame {
  int64_t* dims; /* table of run-time integers: first the symbols bound by inputs, then what bind() derives */
  void** inputs; /* data of the inputs, dense row-major */
  void** outputs; /* data of the outputs */
  char* arena;    /* planned memory, 64-byte aligned; size: dims[arena_dim] after bind() */
  char* state;    /* memory that persists between runs of one context */
  const char* constants;
  dlc_context* context;
} dlc_frame;

/* A task range of one kernel. `scratch` is memory of the calling worker. */
typedef void (*dlc_kernel_fn)(void* const* buffers, const int64_t* dims, int64_t begin, int64_t end,
                              void* scratch);

/* What is known of one kernel call, for profiles. flops and bytes are values at dims slots (or -1: unknown).
 */
typedef struct dlc_kernel_info {
  const char* name;
  const char* origin;
  int32_t flops_dim;
  int32_t bytes_dim;
} dlc_kernel_info;

typedef struct dlc_model {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t struct_size;
  const char* name;
  const char* build;        /* version and options of the compiler */
  const char* content_hash; /* hex */
  uint64_t cpu_features;    /* bits of dlc_cpu_feature that the code needs */
  int32_t num_inputs;
  int32_t num_outputs;
  int32_t num_symbols; /* bound by inputs: the first slots of dims */
  int32_t num_dims;    /* slots of dims in all */
  int32_t arena_dim;   /* slot that holds the arena's bytes after bind() */
  int32_t num_kernels;
  int32_t num_dynamic;   /* slots of dlc_dynamic_buffer */
  int64_t scratch_bytes; /* per worker */
  int64_t state_bytes;
  const dlc_value_info* inputs;
  const dlc_value_info* outputs;
  const char* const* symbols;
  const int32_t* output_shape_dims; /* slots of the extents of all outputs, one after the other; an extent
                                       that depends on data is -1 after bind() */
  const dlc_kernel_info* kernels;
  const char* constants; /* null: in a file beside the library */
  uint64_t constants_size;
  /* From the bound symbols to all slots that do not depend on data. Returns a dlc_status. */
  int32_t (*bind)(dlc_frame* frame);
  int32_t (*run)(dlc_frame* frame);
  const dlc_runtime* runtime; /* the model runtime that is linked to this model */
  const int32_t* in_place;    /* by output: an input whose memory the caller may give it, -1: none of them;
                                 null: none anywhere */
} dlc_model;

/* Services of the model runtime (runtime/model/) that generated code calls. */

/* Runs fn over [0, count) in pieces, on the context's pool if work (an estimate in nanoseconds) pays for it.
 */
void dlc_parallel_for(dlc_frame* frame, dlc_kernel_fn fn, void* const* buffers, const int64_t* dims,
                      int64_t count, int64_t work);
/* Memory of one buffer whose size is known only during the run; it grows and is kept between runs. Null: no
 * memory. */
void* dlc_dynamic_buffer(dlc_frame* frame, int32_t slot, int64_t bytes);
/* Memory of output `index` whose extents (dims slots output_shape_dims) are now known. Null: no memory, or
 * the caller's is too small; the fault is recorded. */
void* dlc_output_buffer(dlc_frame* frame, int32_t index);
/* Records a fault; returns `status`. `format` may hold up to two %lld. */
int32_t dlc_fail(dlc_frame* frame, int32_t status, const char* format, int64_t a, int64_t b);
/* Puts `origin`, the node that was running, in front of the recorded fault; returns `status`. */
int32_t dlc_fail_in(dlc_frame* frame, int32_t status, const char* origin);
/* Profiling: kernel `index` is about to start / has ended. Called only in code compiled with profiling on. */
void dlc_kernel_begin(dlc_frame* frame, int32_t index);
void dlc_kernel_end(dlc_frame* frame, int32_t index);

/* A runtime kernel (runtime/kernels/): what is not an index expression. Inputs and outputs are dense
 * row-major. For an output whose extents the callee decides, data is null on entry and the callee sets `dims`
 * and obtains data by dlc_call_output(). Returns a dlc_status; text by dlc_fail(). */
typedef struct dlc_call_tensor {
  void* data; /* null: absent input, or output to be made by the callee */
  int64_t* dims;
  int32_t rank;
  uint8_t dtype;
  int32_t slot; /* of dlc_dynamic_buffer; -1 - i: output i of the model */
} dlc_call_tensor;
typedef int32_t (*dlc_call_fn)(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                               const int64_t* params);
/* Memory of product(dims) elements for `output`. Null: no memory; the fault is recorded. */
void* dlc_call_output(dlc_frame* frame, dlc_call_tensor* output);

#ifdef __cplusplus
}
#endif
#endif /* DLC_RUNTIME_MODEL_ABI_H_ */

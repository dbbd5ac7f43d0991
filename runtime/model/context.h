// The state of one context. This code is part of every compiled model: it uses libc only, no exceptions, no
// C++ library, no thread_local.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/model/api.h"
#include "runtime/model/pool.h"
#include "runtime/model/weights.h"

namespace dlc::model {

inline constexpr size_t kAlignment = 64;

// Memory that grows and never shrinks.
struct Block {
  void* data = nullptr;
  size_t capacity = 0;
};

struct InputState {
  Block copy;  // dense copy of a strided or misaligned input
};

struct OutputState {
  Block block;                   // where the caller gave no memory, or memory that cannot be written in place
  int64_t* shape = nullptr;      // rank extents
  int64_t caller_elements = -1;  // how many fit into the caller's memory; -1: none given
  void* caller_data = nullptr;   // written in place
  bool copy_out = false;         // block holds the result, to be copied to the caller's strided memory
};

// Memory of values that are no tensors (values.h), in chunks: its header takes the first 64 bytes of a chunk.
struct ValueChunk {
  ValueChunk* older;
  size_t capacity;
  int64_t used;
};
struct ValuePool {
  ValueChunk* newest;
  int64_t bytes;  // of all chunks without headers
};

struct KernelState {
  int64_t start_ns;
  int64_t duration_ns;
  int64_t calls;
  int64_t begun_ns;
};

// Where one worker of a region stands in its part of the tasks. Alone on its cache line.
struct alignas(kAlignment) Cursor {
  std::atomic<int64_t> next;
  int64_t end;
};

}  // namespace dlc::model

struct dlc_context {
  const dlc_model* model;
  dlc_frame frame;
  dlc_allocator allocator;
  dlc_executor executor;
  dlc_exchange exchange;
  dlc::model::Pool* pool;             // null where the caller lends threads
  dlc::model::MappedWeights weights;  // of a file
  int32_t threads;
  int64_t memory_bytes;
  dlc::model::Block arena;
  dlc::model::Block state;
  dlc::model::Block scratch;
  dlc::model::ValuePool values;
  size_t scratch_stride;
  dlc::model::Cursor* cursors;  // one for each thread
  dlc::model::InputState* inputs;
  dlc::model::OutputState* outputs;
  dlc::model::Block* dynamic;
  dlc::model::KernelState* kernels;
  int64_t* extents;          // what InputState and OutputState point into
  dlc_tensor* flat_tensors;  // for dlc_context_run_flat
  int64_t* flat_extents;
  dlc_tensor* caller_outputs;  // during a run
  int64_t run_start_ns;
  char error[1024];
};

namespace dlc::model {

// Makes `block` hold at least `bytes`; its old content is lost. False (with a recorded fault): no memory.
bool grow(dlc_context* context, Block& block, size_t bytes, const char* what);
void release(dlc_context* context, Block& block);

// Records a printf-style fault and returns `status`.
[[gnu::format(printf, 3, 4)]] int32_t fault(dlc_context* context, int32_t status, const char* format, ...);

// Checks the inputs against the model, binds the symbols and fills frame.inputs. Returns a dlc_status.
int32_t bind_inputs(dlc_context* context, const dlc_tensor* inputs);

// Fills frame.outputs, null where extents depend on data. Returns a dlc_status.
int32_t prepare_outputs(dlc_context* context, dlc_tensor* outputs);
// Memory of output `index` whose extents are in its shape slots. Null: recorded fault.
void* resolve_output(dlc_context* context, int32_t index);
// Tells the caller shapes and memory, copies what could not be written in place. Returns a dlc_status.
int32_t finish_outputs(dlc_context* context, dlc_tensor* outputs);

// Forgets the values of the run before, keeps the memory.
void reset_values(dlc_context* context);
void release_values(dlc_context* context);

// Number of elements; -1 where it overflows or an extent is negative.
int64_t element_count(int32_t rank, const int64_t* extents);
// Bytes of `count` elements; -1 where that overflows.
int64_t element_bytes(uint8_t dtype, int64_t count);

int64_t now_ns();

}  // namespace dlc::model

// Creation, running and release of contexts.

#include "runtime/model/context.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/model/value_border.h"

namespace dlc::model {
namespace {

void* default_allocate(void*, size_t bytes, size_t alignment) {
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}

void default_release(void*, void* memory, size_t) { free(memory); }

// An array of zero bytes, never null for lack of elements.
template <class T>
T* make_array(int64_t count) {
  return static_cast<T*>(calloc(static_cast<size_t>(count) + 1, sizeof(T)));
}

int64_t total_rank(int32_t count, const dlc_value_info* values) {
  int64_t rank = 0;
  for (int32_t i = 0; i < count; ++i) rank += values[i].rank;
  return rank;
}

// The arrays whose size the model alone decides.
bool make_tables(dlc_context* context) {
  const dlc_model* model = context->model;
  int64_t output_rank = total_rank(model->num_outputs, model->outputs);
  context->frame.dims = make_array<int64_t>(model->num_dims);
  context->frame.inputs = make_array<void*>(model->num_inputs);
  context->frame.outputs = make_array<void*>(model->num_outputs);
  context->inputs = make_array<InputState>(model->num_inputs);
  context->outputs = make_array<OutputState>(model->num_outputs);
  context->dynamic = make_array<Block>(model->num_dynamic);
  context->kernels = make_array<KernelState>(model->num_kernels);
  context->extents = make_array<int64_t>(output_rank);
  context->flat_tensors = make_array<dlc_tensor>(model->num_inputs + model->num_outputs);
  context->flat_extents = make_array<int64_t>(total_rank(model->num_inputs, model->inputs));
  if (context->frame.dims == nullptr || context->frame.inputs == nullptr ||
      context->frame.outputs == nullptr || context->inputs == nullptr || context->outputs == nullptr ||
      context->dynamic == nullptr || context->kernels == nullptr || context->extents == nullptr ||
      context->flat_tensors == nullptr || context->flat_extents == nullptr) {
    return false;
  }
  int64_t* extents = context->extents;
  for (int32_t i = 0; i < model->num_outputs; ++i) {
    context->outputs[i].shape = extents;
    extents += model->outputs[i].rank;
  }
  return true;
}

bool make_threads(dlc_context* context, const dlc_context_options& options) {
  if (options.executor != nullptr) {
    context->executor = *options.executor;
    context->threads = options.executor->threads;
    if (options.threads > 0 && options.threads < context->threads) context->threads = options.threads;
  } else {
    context->threads = options.threads > 0 ? options.threads : dlc_usable_threads();
  }
  constexpr int32_t kMaxThreads = 1024;
  if (context->threads < 1) context->threads = 1;
  if (context->threads > kMaxThreads) context->threads = kMaxThreads;
  if (options.executor == nullptr) {
    context->pool = create_pool(context->threads);
    context->executor = {context->pool, context->threads, run_on_pool};
    if (context->pool == nullptr) return false;
  }
  void* cursors = nullptr;
  size_t bytes = static_cast<size_t>(context->threads) * sizeof(Cursor);
  if (posix_memalign(&cursors, alignof(Cursor), bytes) != 0) return false;
  context->cursors = static_cast<Cursor*>(cursors);
  for (int32_t i = 0; i < context->threads; ++i) new (&context->cursors[i]) Cursor{};
  return true;
}

bool make_memory(dlc_context* context) {
  const dlc_model* model = context->model;
  size_t scratch = static_cast<size_t>(model->scratch_bytes);
  // Workers never share a cache line of scratch, nor the one before it that the CPU may fetch along.
  context->scratch_stride = (scratch + 2 * kAlignment - 1) / kAlignment * kAlignment;
  size_t scratch_total = context->scratch_stride * static_cast<size_t>(context->threads);
  if (!grow(context, context->scratch, scratch == 0 ? 0 : scratch_total, "scratch memory")) return false;
  if (!grow(context, context->state, static_cast<size_t>(model->state_bytes), "state")) return false;
  memset(context->state.data, 0, static_cast<size_t>(model->state_bytes));
  context->frame.state = static_cast<char*>(context->state.data);
  return true;
}

int32_t check_model(const dlc_model* model) {
  if (model == nullptr || model->magic != DLC_MODEL_MAGIC) return DLC_INVALID_INPUT;
  if (model->abi_version != DLC_ABI_VERSION || model->struct_size != sizeof(dlc_model))
    return DLC_UNSUPPORTED;
  if ((model->cpu_features & ~dlc_machine_features()) != 0) return DLC_UNSUPPORTED;
  return DLC_OK;
}

int32_t find_constants(dlc_context* context, const dlc_context_options& options) {
  const dlc_model* model = context->model;
  context->frame.constants = options.constants != nullptr ? options.constants : model->constants;
  if (context->frame.constants != nullptr || model->constants_size == 0) return DLC_OK;
  if (options.constants_file == nullptr ||
      map_weights(options.constants_file, model->content_hash, model->constants_size, &context->weights) !=
          WeightsFault::kNone) {
    return DLC_INVALID_WEIGHTS;
  }
  context->frame.constants = context->weights.constants();
  return DLC_OK;
}

int32_t prepare(dlc_context* context) {
  int32_t status = context->model->bind(&context->frame);
  if (status != DLC_OK) return status;
  int64_t bytes = context->frame.dims[context->model->arena_dim];
  if (bytes < 0) return fault(context, DLC_INVALID_INPUT, "the memory for these shapes overflows");
  if (!grow(context, context->arena, static_cast<size_t>(bytes), "intermediate values"))
    return DLC_OUT_OF_MEMORY;
  context->frame.arena = static_cast<char*>(context->arena.data);
  return DLC_OK;
}

}  // namespace
}  // namespace dlc::model

using namespace dlc::model;

extern "C" {

int32_t dlc_context_create(const dlc_model* model, const dlc_context_options* options, dlc_context** result) {
  *result = nullptr;
  int32_t status = check_model(model);
  if (status != DLC_OK) return status;
  dlc_context_options chosen = {};
  if (options != nullptr) {
    if (options->struct_size == 0) return DLC_INVALID_ARGUMENT;
    memcpy(&chosen, options, options->struct_size < sizeof chosen ? options->struct_size : sizeof chosen);
  }
  dlc_context* context = make_array<dlc_context>(0);
  if (context == nullptr) return DLC_OUT_OF_MEMORY;
  context->model = model;
  context->frame.context = context;
  context->allocator = {nullptr, default_allocate, default_release};
  if (chosen.allocator != nullptr) context->allocator = *chosen.allocator;
  if (chosen.exchange != nullptr) context->exchange = *chosen.exchange;
  status = find_constants(context, chosen);
  if (status == DLC_OK && !(make_tables(context) && make_threads(context, chosen) && make_memory(context)))
    status = DLC_OUT_OF_MEMORY;
  if (status != DLC_OK) {
    dlc_context_release(context);
    return status;
  }
  *result = context;
  return DLC_OK;
}

void dlc_context_release(dlc_context* context) {
  if (context == nullptr) return;
  const dlc_model* model = context->model;
  destroy_pool(context->pool);
  for (int32_t i = 0; context->inputs != nullptr && i < model->num_inputs; ++i) {
    release(context, context->inputs[i].copy);
  }
  for (int32_t i = 0; context->outputs != nullptr && i < model->num_outputs; ++i) {
    release(context, context->outputs[i].block);
  }
  for (int32_t i = 0; context->dynamic != nullptr && i < model->num_dynamic; ++i)
    release(context, context->dynamic[i]);
  release(context, context->arena);
  release(context, context->state);
  release(context, context->scratch);
  release_values(context);
  unmap_weights(context->weights);
  void* arrays[] = {context->frame.dims,   context->frame.inputs, context->frame.outputs, context->inputs,
                    context->outputs,      context->dynamic,      context->kernels,       context->extents,
                    context->flat_tensors, context->flat_extents, context->cursors,       context};
  for (void* array : arrays) free(array);
}

int32_t dlc_context_run(dlc_context* context, const dlc_tensor* inputs, dlc_tensor* outputs) {
  const dlc_model* model = context->model;
  context->error[0] = '\0';
  reset_values(context);
  if (model->num_kernels > 0)
    memset(context->kernels, 0, static_cast<size_t>(model->num_kernels) * sizeof(KernelState));
  context->run_start_ns = model->num_kernels > 0 ? now_ns() : 0;
  int32_t status = bind_inputs(context, inputs);
  if (status == DLC_OK) status = prepare(context);
  if (status == DLC_OK) status = prepare_outputs(context, outputs);
  if (status == DLC_OK) status = model->run(&context->frame);
  if (status == DLC_OK) status = finish_outputs(context, outputs);
  if (status != DLC_OK && context->error[0] == '\0') fault(context, status, "%s", dlc_status_text(status));
  return status;
}

int32_t dlc_context_run_flat(dlc_context* context, const int64_t* symbols, const void* const* inputs,
                             void** outputs) {
  const dlc_model* model = context->model;
  dlc_tensor* tensor = context->flat_tensors;
  int64_t* extents = context->flat_extents;
  for (int32_t i = 0; i < model->num_inputs; ++i, ++tensor) {
    const dlc_value_info& info = model->inputs[i];
    *tensor = dense_tensor(const_cast<void*>(inputs[i]), border_element(info), info.rank, extents);
    for (int32_t j = 0; j < info.rank; ++j)
      *extents++ = info.dims[j] >= 0 ? info.dims[j] : symbols[-1 - info.dims[j]];
  }
  dlc_tensor* output_tensors = tensor;
  for (int32_t i = 0; i < model->num_outputs; ++i) {
    const dlc_value_info& info = model->outputs[i];
    // The context's own extents: the caller vouches for its memory.
    output_tensors[i] = dense_tensor(outputs[i], border_element(info), info.rank, context->outputs[i].shape);
  }
  int32_t status = dlc_context_run(context, context->flat_tensors, output_tensors);
  for (int32_t i = 0; status == DLC_OK && i < model->num_outputs; ++i) outputs[i] = output_tensors[i].data;
  return status;
}

int64_t dlc_model_arena_bytes(const dlc_model* model, const int64_t* symbols) {
  dlc_frame frame = {};
  frame.dims = make_array<int64_t>(model->num_dims);
  if (frame.dims == nullptr) return -1;
  for (int32_t i = 0; i < model->num_symbols; ++i) frame.dims[i] = symbols[i];
  int64_t bytes = model->bind(&frame) == DLC_OK ? frame.dims[model->arena_dim] : -1;
  free(frame.dims);
  return bytes;
}

int64_t dlc_context_memory_bytes(const dlc_context* context) { return context->memory_bytes; }
int32_t dlc_context_threads(const dlc_context* context) { return context->threads; }

const dlc_runtime dlc_model_runtime = {
    DLC_ABI_VERSION,          sizeof(dlc_runtime), dlc_context_create,       dlc_context_release,
    dlc_context_run,          dlc_context_error,   dlc_context_output_shape, dlc_model_arena_bytes,
    dlc_context_memory_bytes, dlc_context_threads, dlc_context_kernel_time,
};

}  // extern "C"

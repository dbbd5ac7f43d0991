#include "tests/unit/runtime/model/test_model.h"

namespace dlc::test {
namespace {

enum Slot : int32_t { kBatch, kColumns, kArena, kRows, kCount, kSlots };

int32_t bind(dlc_frame* frame) {
  frame->dims[kColumns] = 3;
  if (__builtin_mul_overflow(frame->dims[kBatch], 12, &frame->dims[kArena])) return DLC_INVALID_INPUT;
  frame->dims[kRows] = -1;
  frame->dims[kCount] = frame->dims[kBatch] * 3;
  return DLC_OK;
}

void add_rows(void* const* buffers, const int64_t*, int64_t begin, int64_t end, void*) {
  const float* a = static_cast<const float*>(buffers[0]);
  const float* b = static_cast<const float*>(buffers[1]);
  for (int64_t i = begin * 3; i < end * 3; ++i) static_cast<float*>(buffers[2])[i] = a[i] + b[i];
}

int32_t run(dlc_frame* frame) {
  const float* a = static_cast<const float*>(frame->inputs[0]);
  int64_t batch = frame->dims[kBatch];
  if (batch > 0 && a[0] == -1000.0f)
    return dlc_fail(frame, DLC_INVALID_INPUT, "expected %lld, found %lld", 7, -1000);
  void* buffers[] = {frame->inputs[0], frame->inputs[1], frame->outputs[0]};
  dlc_kernel_begin(frame, 0);
  dlc_parallel_for(frame, add_rows, buffers, nullptr, batch, batch * 1000);
  dlc_kernel_end(frame, 0);
  dlc_call_tensor twice = {nullptr, &frame->dims[kRows], 1, 1, -2};
  int64_t rows = 0;
  for (int64_t i = 0; i < batch; ++i) rows += a[i * 3] > 0 ? 1 : 0;
  frame->dims[kRows] = rows;
  float* out = static_cast<float*>(dlc_call_output(frame, &twice));
  if (out == nullptr) return DLC_INVALID_INPUT;
  for (int64_t i = 0; i < batch; ++i) {
    if (a[i * 3] > 0) *out++ = 2 * a[i * 3];
  }
  return DLC_OK;
}

constexpr int64_t kInputDims[] = {-1, 3};
constexpr int64_t kTwiceDims[] = {-1 - kRows};
constexpr const char* kTexts[] = {"batch", "3"};
constexpr const char* kTwiceTexts[] = {"rows"};
constexpr dlc_value_info kInputs[] = {{"a", 1, 2, kInputDims, kTexts, DLC_TENSOR, nullptr},
                                      {"b", 1, 2, kInputDims, kTexts, DLC_TENSOR, nullptr}};
constexpr dlc_value_info kOutputs[] = {{"sum", 1, 2, kInputDims, kTexts, DLC_TENSOR, nullptr},
                                       {"twice", 1, 1, kTwiceDims, kTwiceTexts, DLC_TENSOR, nullptr}};
constexpr const char* kSymbols[] = {"batch"};
constexpr int32_t kShapeDims[] = {kBatch, kColumns, kRows};
constexpr dlc_kernel_info kKernels[] = {{"add", "Add 'sum'", kCount, -1}};

}  // namespace

const dlc_model& sum_model() {
  static const dlc_model model = {.magic = DLC_MODEL_MAGIC,
                                  .abi_version = DLC_ABI_VERSION,
                                  .struct_size = sizeof(dlc_model),
                                  .name = "sum",
                                  .build = "test",
                                  .content_hash = "0",
                                  .cpu_features = 0,
                                  .num_inputs = 2,
                                  .num_outputs = 2,
                                  .num_symbols = 1,
                                  .num_dims = kSlots,
                                  .arena_dim = kArena,
                                  .num_kernels = 1,
                                  .num_dynamic = 0,
                                  .scratch_bytes = 100,
                                  .state_bytes = 0,
                                  .inputs = kInputs,
                                  .outputs = kOutputs,
                                  .symbols = kSymbols,
                                  .output_shape_dims = kShapeDims,
                                  .kernels = kKernels,
                                  .constants = nullptr,
                                  .constants_size = 0,
                                  .bind = bind,
                                  .run = run,
                                  .runtime = &dlc_model_runtime,
                                  .in_place = nullptr};
  return model;
}

}  // namespace dlc::test

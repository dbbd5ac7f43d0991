// Times of kernels, for models compiled with profiling.

#include <ctime>

#include "runtime/model/context.h"

namespace dlc::model {

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

}  // namespace dlc::model

extern "C" {

void dlc_kernel_begin(dlc_frame* frame, int32_t index) {
  frame->context->kernels[index].begun_ns = dlc::model::now_ns();
}

void dlc_kernel_end(dlc_frame* frame, int32_t index) {
  int64_t end = dlc::model::now_ns();
  dlc::model::KernelState& kernel = frame->context->kernels[index];
  if (kernel.calls == 0) kernel.start_ns = kernel.begun_ns - frame->context->run_start_ns;
  kernel.duration_ns += end - kernel.begun_ns;
  ++kernel.calls;
}

dlc_kernel_time dlc_context_kernel_time(const dlc_context* context, int32_t index) {
  const dlc_kernel_info& info = context->model->kernels[index];
  const dlc::model::KernelState& kernel = context->kernels[index];
  int64_t flops = info.flops_dim < 0 ? -1 : context->frame.dims[info.flops_dim];
  int64_t bytes = info.bytes_dim < 0 ? -1 : context->frame.dims[info.bytes_dim];
  return {kernel.start_ns, kernel.duration_ns, kernel.calls, flops, bytes};
}

}  // extern "C"

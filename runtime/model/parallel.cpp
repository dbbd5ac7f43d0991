// dlc_parallel_for: tasks of one kernel on the context's threads.
//
// A kernel's result does not depend on which worker runs which range, so ranges may follow the number of
// threads and the moment. Every worker starts with a part of its own, the same in every kernel of equal
// extent, so that what one kernel leaves in a core's cache the next finds there; then it helps the others.

#include "runtime/model/context.h"

namespace dlc::model {
namespace {

// A worker that is woken should get at least so much to do.
constexpr int64_t kMinWorkerNs = 3000;
constexpr int64_t kMinPieceNs = 2000;
constexpr int64_t kPiecesPerWorker = 4;

struct Region {
  dlc_context* context;
  dlc_kernel_fn fn;
  void* const* buffers;
  const int64_t* dims;
  int64_t piece;
  int32_t workers;
};

void* scratch_of(dlc_context* context, int32_t worker) {
  return static_cast<char*>(context->scratch.data) + static_cast<size_t>(worker) * context->scratch_stride;
}

void run_part(const Region& region, Cursor& cursor, void* scratch) {
  for (;;) {
    int64_t begin = cursor.next.fetch_add(region.piece, std::memory_order_relaxed);
    if (begin >= cursor.end) return;
    int64_t end = cursor.end - begin < region.piece ? cursor.end : begin + region.piece;
    region.fn(region.buffers, region.dims, begin, end, scratch);
  }
}

void run_worker(void* argument, int32_t worker) {
  const Region& region = *static_cast<const Region*>(argument);
  void* scratch = scratch_of(region.context, worker);
  for (int32_t i = 0; i < region.workers; ++i) {
    run_part(region, region.context->cursors[(worker + i) % region.workers], scratch);
  }
}

int32_t useful_workers(const dlc_context* context, int64_t count, int64_t work) {
  int64_t workers = work / kMinWorkerNs;
  if (workers > count) workers = count;
  return workers < context->threads ? static_cast<int32_t>(workers) : context->threads;
}

}  // namespace
}  // namespace dlc::model

extern "C" void dlc_parallel_for(dlc_frame* frame, dlc_kernel_fn fn, void* const* buffers,
                                 const int64_t* dims, int64_t count, int64_t work) {
  using namespace dlc::model;
  dlc_context* context = frame->context;
  if (count <= 0) return;
  int32_t workers = useful_workers(context, count, work);
  if (workers <= 1) return fn(buffers, dims, 0, count, context->scratch.data);
  int64_t pieces = work / kMinPieceNs;
  if (pieces > workers * kPiecesPerWorker) pieces = workers * kPiecesPerWorker;
  if (pieces > count) pieces = count;
  Region region{context, fn, buffers, dims, (count + pieces - 1) / pieces, workers};
  for (int32_t w = 0; w < workers; ++w) {
    context->cursors[w].next.store(count / workers * w + (count % workers) * w / workers,
                                   std::memory_order_relaxed);
    context->cursors[w].end = count / workers * (w + 1) + (count % workers) * (w + 1) / workers;
  }
  context->executor.run(context->executor.user, run_worker, &region, workers);
}

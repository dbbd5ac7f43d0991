#include <algorithm>

#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/selection.h"

namespace dlc::kernels {
namespace {

constexpr int64_t kMaxTasks = 32;
constexpr int64_t kMaxPacked = int64_t{1} << 32;

struct Job {
  const char* data;
  char* values;
  int64_t* places;
  int64_t outer, extent, inner, k;
  bool largest;
  KeyFormat format;
  int64_t tasks;
  char* memory;  // of task t: memory + t * task_bytes
  int64_t task_bytes;
};

bool is_float(const Job& job) { return job.format.kind == KeyKind::kFloat && job.format.bytes == 4; }
bool is_packed(const Job& job) { return job.format.bytes <= 4 && job.extent < kMaxPacked; }

// Row r is (r / inner, r % inner).
const char* element(const Job& job, int64_t row, int64_t i) {
  return job.data + ((row / job.inner * job.extent + i) * job.inner + row % job.inner) * job.format.bytes;
}

// The candidates of a row, the best k of them first.
template <class C>
void select_keys(const Job& job, int64_t row, C* candidates) {
  const uint64_t flip = !job.largest ? 0 : ~uint64_t{0} >> (64 - 8 * job.format.bytes);
  for (int64_t i = 0; i < job.extent; ++i)
    put(candidates[i], ordered_key(element(job, row, i), job.format) ^ flip, i);
  sort_best(candidates, candidates + job.extent, job.extent, job.k);
}

void select_floats(const Job& job, int64_t row, PackedCandidate* candidates) {
  const auto* data = reinterpret_cast<const float*>(element(job, row, 0));
  if (job.inner > 1) {
    auto* column = reinterpret_cast<float*>(candidates + 2 * job.extent);
    for (int64_t i = 0; i < job.extent; ++i) column[i] = data[i * job.inner];
    data = column;
  }
  select_best(data, job.extent, job.k, job.largest, candidates, candidates + job.extent);
}

template <class C>
void store_row(const Job& job, int64_t row, const C* candidates) {
  const int64_t to = row / job.inner * job.k * job.inner + row % job.inner;
  for (int64_t i = 0; i < job.k; ++i) {
    const int64_t place = place_of(candidates[i]);
    job.places[to + i * job.inner] = place;
    std::memcpy(job.values + (to + i * job.inner) * job.format.bytes, element(job, row, place),
                static_cast<size_t>(job.format.bytes));
  }
}

void run_row(const Job& job, int64_t row, char* memory) {
  if (is_packed(job)) {
    auto* candidates = reinterpret_cast<PackedCandidate*>(memory);
    is_float(job) ? select_floats(job, row, candidates) : select_keys(job, row, candidates);
    store_row(job, row, candidates);
  } else {
    auto* candidates = reinterpret_cast<Candidate*>(memory);
    select_keys(job, row, candidates);
    store_row(job, row, candidates);
  }
}

void run_tasks(void* const* buffers, const int64_t*, int64_t begin, int64_t end, void*) {
  const Job& job = *static_cast<const Job*>(buffers[0]);
  const int64_t rows = job.outer * job.inner;
  for (int64_t task = begin; task < end; ++task) {
    for (int64_t row = rows * task / job.tasks; row < rows * (task + 1) / job.tasks; ++row)
      run_row(job, row, job.memory + task * job.task_bytes);
  }
}

// Bytes of scratch memory that a row needs: its candidates twice, and a copy of a strided row of floats.
int64_t row_bytes(const Job& job) {
  const int64_t size = is_packed(job) ? sizeof(PackedCandidate) : sizeof(Candidate);
  return (2 * size + (job.inner > 1 ? sizeof(float) : 0)) * job.extent;
}

}  // namespace
}  // namespace dlc::kernels

extern "C" int32_t dlc_top_k(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params) {
  using namespace dlc::kernels;
  Job job{};
  job.outer = params[0];
  job.extent = params[1];
  job.inner = params[2];
  job.k = params[3];
  job.largest = params[4] != 0;
  job.format = key_format(inputs[0].dtype);
  if (job.format.bytes == 0) return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", inputs[0].dtype, 0);
  if (job.k > job.extent)
    return dlc_fail(frame, DLC_INVALID_INPUT, "k is %lld, but the axis has %lld", job.k, job.extent);
  job.data = static_cast<const char*>(inputs[0].data);
  job.values = static_cast<char*>(outputs[0].data);
  job.places = static_cast<int64_t*>(outputs[1].data);
  const int64_t rows = job.outer * job.inner;
  job.tasks = std::clamp<int64_t>(rows, 1, kMaxTasks);
  job.task_bytes = (row_bytes(job) + 63) / 64 * 64;
  outputs[2].dims[0] = job.tasks * job.task_bytes / 8;
  job.memory = static_cast<char*>(dlc_call_output(frame, &outputs[2]));
  if (job.memory == nullptr) return DLC_OUT_OF_MEMORY;
  if (job.k == 0) return DLC_OK;
  void* buffers[] = {&job};
  const double work = static_cast<double>(rows) * static_cast<double>(job.extent);
  dlc_parallel_for(frame, run_tasks, buffers, nullptr, job.tasks, bounded_work(work));
  return DLC_OK;
}

#include <algorithm>

#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/selection.h"

namespace dlc::kernels {
namespace {

constexpr int64_t kMaxTasks = 32;
constexpr int64_t kColumns = 16;
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

bool is_packed(const Job& job) { return job.format.bytes <= 4 && job.extent < kMaxPacked; }

// Row r is (r / inner, r % inner).
const char* element(const Job& job, int64_t row, int64_t i) {
  return job.data + ((row / job.inner * job.extent + i) * job.inner + row % job.inner) * job.format.bytes;
}

// Columns of elements that are side by side, made rows.
template <class T>
void copy_columns(const char* from, int64_t columns, int64_t step, int64_t count, char* to) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t c = 0; c < columns; ++c)
      std::memcpy(to + (c * count + i) * kSize, from + (i * step + c) * kSize, sizeof(T));
  }
}

// Rows [row, row + rows) of one outer element, each dense.
const char* dense_rows(const Job& job, int64_t row, int64_t rows, char* memory) {
  const char* from = element(job, row, 0);
  if (job.inner == 1) return from;
  switch (job.format.bytes) {
    case 1:
      copy_columns<uint8_t>(from, rows, job.inner, job.extent, memory);
      break;
    case 2:
      copy_columns<uint16_t>(from, rows, job.inner, job.extent, memory);
      break;
    case 4:
      copy_columns<uint32_t>(from, rows, job.inner, job.extent, memory);
      break;
    default:
      copy_columns<uint64_t>(from, rows, job.inner, job.extent, memory);
  }
  return memory;
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

// The rows that are made dense together.
int64_t group_of(const Job& job) { return std::min(job.inner, kColumns); }

template <class C>
void run_rows(const Job& job, int64_t row, int64_t rows, char* memory) {
  auto* candidates = reinterpret_cast<C*>(memory);
  C* spare = candidates + job.extent;
  const char* data = dense_rows(job, row, rows, reinterpret_cast<char*>(spare + job.extent));
  for (int64_t i = 0; i < rows; ++i) {
    select_best(data + i * job.extent * job.format.bytes, job.format, job.extent, job.k, job.largest,
                candidates, spare);
    store_row(job, row + i, candidates);
  }
}

void run_tasks(void* const* buffers, const int64_t*, int64_t begin, int64_t end, void*) {
  const Job& job = *static_cast<const Job*>(buffers[0]);
  const int64_t rows = job.outer * job.inner;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t stop = rows * (task + 1) / job.tasks;
    char* memory = job.memory + task * job.task_bytes;
    for (int64_t row = rows * task / job.tasks; row < stop;) {
      const int64_t count = std::min({group_of(job), stop - row, job.inner - row % job.inner});
      is_packed(job) ? run_rows<PackedCandidate>(job, row, count, memory)
                     : run_rows<Candidate>(job, row, count, memory);
      row += count;
    }
  }
}

// Bytes of scratch memory of a task: the candidates of a row twice, and copies of strided rows.
int64_t task_bytes(const Job& job) {
  const int64_t size = is_packed(job) ? sizeof(PackedCandidate) : sizeof(Candidate);
  return (2 * size + (job.inner > 1 ? group_of(job) * job.format.bytes : 0)) * job.extent;
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
  job.task_bytes = (task_bytes(job) + 63) / 64 * 64;
  outputs[2].dims[0] = job.tasks * job.task_bytes / 8;
  job.memory = static_cast<char*>(dlc_call_output(frame, &outputs[2]));
  if (job.memory == nullptr) return DLC_OUT_OF_MEMORY;
  if (job.k == 0) return DLC_OK;
  void* buffers[] = {&job};
  const double work = static_cast<double>(rows) * static_cast<double>(job.extent);
  dlc_parallel_for(frame, run_tasks, buffers, nullptr, job.tasks, bounded_work(work));
  return DLC_OK;
}

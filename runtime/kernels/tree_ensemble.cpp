// Ensembles of decision trees. Eight walks go side by side without a branch: of
// eight rows through one tree, or, where there are fewer rows, of one row
// through eight trees. The sums do not depend on which it is.
#include <utility>

#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"

namespace dlc::kernels {
namespace {

constexpr int kWalks = 8;
constexpr int64_t kBlockRows = kWalks;  // that go through all trees of a task,
                                        // so that they stay in the cache
constexpr int64_t kMaxTasks = 64;
constexpr uint8_t kDoubleType = 11;  // of ONNX's TensorProto.DataType

// A leaf has an infinite threshold and is its own left child.
template <class T>
struct Record {
  T threshold;
  uint32_t offset;  // of the feature in a row, in bytes
  int32_t left;
};

struct Tree {
  int32_t root;
  int32_t depth;
  int32_t target;
};

enum Aggregate : int64_t { kSum = 0, kMin = 1, kMax = 2 };

struct Job {
  const void* input;
  const void* records;
  const uint8_t* nan_right;
  const Tree* trees;
  const int32_t* features;
  const double* values;
  const int32_t* leaves;
  const int32_t* targets;
  const double* weights;
  const double* base;
  void* output;
  int64_t rows, columns, target_count, tree_count, feature_count, aggregate;
  double scale;
  char* memory;
  int64_t task_bytes, tasks, chunks;
  double* partial;  // [chunks, rows, targets], where there is more than one chunk
};

template <class Use, int... kIndex>
[[gnu::always_inline]] inline void unroll(const Use& use, std::integer_sequence<int, kIndex...>) {
  (use(std::integral_constant<int, kIndex>{}), ...);
}
template <class Use>
[[gnu::always_inline]] inline void for_each_walk(const Use& use) {
  unroll(use, std::make_integer_sequence<int, kWalks>{});
}

template <class T>
struct Forest {
  const Record<T>* records;
  const uint8_t* nan_right;
};

// Feature f lies f * kStride elements behind `x`.
template <bool kHasNan, int kStride, class T>
[[gnu::always_inline]] inline int32_t step(const Forest<T>& forest, const T* x, int32_t at) {
  const Record<T>& record = forest.records[at];
  T value;
  __builtin_memcpy(&value, reinterpret_cast<const char*>(x) + size_t{record.offset} * kStride, sizeof(T));
  bool right = value > record.threshold;
  if constexpr (kHasNan) right = right | ((value != value) & (forest.nan_right[at] != 0));
  return record.left + static_cast<int32_t>(right);
}

// Eight walks of at most `depth` steps. Those through one tree have rows of
// their own, side by side.
template <bool kHasNan, int kStride, class T>
[[gnu::always_inline]] inline void walk(const Forest<T>& forest, const T* x, int32_t depth,
                                        int32_t (&at)[kWalks]) {
  int32_t now[kWalks];
  for_each_walk([&](auto i) { now[i] = at[i]; });
  for (int32_t level = 0; level < depth; level += 2) {
    int32_t moved = 0;
    for_each_walk([&](auto i) {
      const T* own = kStride == 1 ? x : x + i;
      const int32_t middle = step<kHasNan, kStride>(forest, own, now[i]);
      const int32_t next = step<kHasNan, kStride>(forest, own, middle);
      moved |= next ^ middle;
      now[i] = next;
    });
    if (moved == 0) break;  // all are at leaves
  }
  for_each_walk([&](auto i) { at[i] = now[i]; });
}

double combine(int64_t aggregate, double a, double b) {
  if (aggregate == kSum) return a + b;
  return aggregate == kMin ? (b < a ? b : a) : (b > a ? b : a);
}
double neutral(int64_t aggregate) {
  return aggregate == kSum ? 0 : aggregate == kMin ? __builtin_inf() : -__builtin_inf();
}

void add_leaf(const Job& job, const Tree& tree, int32_t record, double* totals) {
  if (tree.target >= 0) {
    totals[tree.target] = combine(job.aggregate, totals[tree.target], job.values[record]);
    return;
  }
  for (int32_t k = job.leaves[record]; k < job.leaves[record + 1]; ++k)
    totals[job.targets[k]] = combine(job.aggregate, totals[job.targets[k]], job.weights[k]);
}

struct Range {
  int64_t begin, end;
};
Range part_of(int64_t count, int64_t part, int64_t parts) {
  return {count / parts * part + (count % parts) * part / parts,
          count / parts * (part + 1) + (count % parts) * (part + 1) / parts};
}

// One task: its share of the rows, through one chunk of the trees.
template <class T>
class Task {
 public:
  Task(const Job& job, char* memory)
      : job_(job),
        forest_{static_cast<const Record<T>*>(job.records), job.nan_right},
        totals_(reinterpret_cast<double*>(memory)),
        x_(reinterpret_cast<T*>(memory +
                                kBlockRows * job.target_count * static_cast<int64_t>(sizeof(double)))) {}

  void run(int64_t first, int64_t count, Range trees) {
    const int64_t size = count * job_.target_count;
    for (int64_t i = 0; i < size; ++i) totals_[i] = neutral(job_.aggregate);
    const int64_t whole = count / kWalks * kWalks;
    // A group with some rows to spare walks with copies of the last.
    const int64_t grouped = count - whole >= kWalks / 2 ? count : whole;
    if (grouped > 0) run_groups(first, grouped, trees);
    for (int64_t row = grouped; row < count; ++row) run_row(first + row, row, trees);
  }
  const double* totals() const { return totals_; }

 private:
  const T* input_row(int64_t row) const { return static_cast<const T*>(job_.input) + row * job_.columns; }

  // Feature f of row r at x[(r / 8 * features + f) * 8 + r % 8].
  bool gather_groups(int64_t first, int64_t count) {
    bool has_nan = false;
    const int64_t padded = (count + kWalks - 1) / kWalks * kWalks;
    for (int64_t r = 0; r < padded; ++r) {
      const T* from = input_row(first + (r < count ? r : count - 1));
      T* to = x_ + r / kWalks * job_.feature_count * kWalks + r % kWalks;
      for (int64_t f = 0; f < job_.feature_count; ++f) {
        const T value = from[job_.features[f]];
        has_nan |= value != value;
        to[f * kWalks] = value;
      }
    }
    return has_nan;
  }

  void run_groups(int64_t first, int64_t count, Range trees) {
    gather_groups(first, count) ? walk_groups<true>(count, trees) : walk_groups<false>(count, trees);
  }
  template <bool kHasNan>
  void walk_groups(int64_t count, Range trees) {
    for (int64_t t = trees.begin; t < trees.end; ++t) {
      const Tree tree = job_.trees[t];
      for (int64_t r = 0; r < count; r += kWalks) {
        int32_t at[kWalks];
        for (int32_t& record : at) record = tree.root;
        walk<kHasNan, kWalks>(forest_, x_ + r * job_.feature_count, tree.depth, at);
        const int64_t walks = count - r < kWalks ? count - r : kWalks;
        for (int64_t i = 0; i < walks; ++i)
          add_leaf(job_, tree, at[i], totals_ + (r + i) * job_.target_count);
      }
    }
  }

  void run_row(int64_t row, int64_t place, Range trees) {
    bool has_nan = false;
    const T* from = input_row(row);
    for (int64_t f = 0; f < job_.feature_count; ++f) {
      x_[f] = from[job_.features[f]];
      has_nan |= x_[f] != x_[f];
    }
    has_nan ? walk_row<true>(place, trees) : walk_row<false>(place, trees);
  }
  template <bool kHasNan>
  void walk_row(int64_t place, Range trees) {
    for (int64_t t = trees.begin; t < trees.end; t += kWalks) {
      const int64_t walks = trees.end - t < kWalks ? trees.end - t : kWalks;
      int32_t at[kWalks];
      for (int i = 0; i < kWalks; ++i) at[i] = job_.trees[i < walks ? t + i : t].root;
      // The deepest is the last.
      walk<kHasNan, 1>(forest_, x_, job_.trees[t + walks - 1].depth, at);
      for (int64_t i = 0; i < walks; ++i)
        add_leaf(job_, job_.trees[t + i], at[i], totals_ + place * job_.target_count);
    }
  }

  const Job& job_;
  Forest<T> forest_;
  double* totals_;  // [rows of a block, targets]
  T* x_;
};

// A target that no leaf has given a value is zero.
double finished(const Job& job, double total, int64_t target) {
  if (job.aggregate != kSum && total == neutral(job.aggregate)) total = 0;
  return total * job.scale + job.base[target];
}

template <class T>
void finish(const Job& job, const double* totals, int64_t first, int64_t count) {
  T* to = static_cast<T*>(job.output) + first * job.target_count;
  for (int64_t i = 0; i < count * job.target_count; ++i)
    to[i] = static_cast<T>(finished(job, totals[i], i % job.target_count));
}

template <class T>
void run_task(const Job& job, int64_t task) {
  Task<T> worker(job, job.memory + task * job.task_bytes);
  const int64_t chunk = task % job.chunks;
  const Range trees = part_of(job.tree_count, chunk, job.chunks);
  const int64_t blocks = (job.rows + kBlockRows - 1) / kBlockRows;
  const Range own = part_of(blocks, task / job.chunks, job.tasks / job.chunks);
  for (int64_t block = own.begin; block < own.end; ++block) {
    const int64_t first = block * kBlockRows;
    const int64_t count = job.rows - first < kBlockRows ? job.rows - first : kBlockRows;
    worker.run(first, count, trees);
    if (job.chunks == 1) {
      finish<T>(job, worker.totals(), first, count);
      continue;
    }
    double* to = job.partial + (chunk * job.rows + first) * job.target_count;
    for (int64_t i = 0; i < count * job.target_count; ++i) to[i] = worker.totals()[i];
  }
}

template <class T>
void merge_chunks(const Job& job) {
  const int64_t size = job.rows * job.target_count;
  for (int64_t i = 0; i < size; ++i) {
    double total = job.partial[i];
    for (int64_t chunk = 1; chunk < job.chunks; ++chunk)
      total = combine(job.aggregate, total, job.partial[chunk * size + i]);
    static_cast<T*>(job.output)[i] = static_cast<T>(finished(job, total, i % job.target_count));
  }
}

template <class T>
void run_tasks(void* const* buffers, const int64_t*, int64_t begin, int64_t end, void*) {
  const Job& job = *static_cast<const Job*>(buffers[0]);
  for (int64_t task = begin; task < end; ++task) run_task<T>(job, task);
}

// About so many nanoseconds for a walk through a tree.
int64_t walk_cost(const Job& job) { return job.tree_count > 0 ? 2 + job.trees[job.tree_count / 2].depth : 1; }

// Work is split by blocks of rows, and where these are few by trees.
void split(Job& job) {
  constexpr int64_t kTaskNs = 20000, kFewBlocks = 4, kMaxChunks = 8;
  const int64_t blocks = (job.rows + kBlockRows - 1) / kBlockRows;
  const int64_t parts = blocks < kMaxTasks ? blocks : kMaxTasks;
  int64_t chunks = blocks >= kFewBlocks ? 1 : job.rows * job.tree_count * walk_cost(job) / kTaskNs;
  if (chunks > kMaxChunks) chunks = kMaxChunks;
  if (chunks > job.tree_count) chunks = job.tree_count;
  job.chunks = chunks < 1 ? 1 : chunks;
  job.tasks = parts * job.chunks;
}

template <class T>
int32_t run(dlc_frame* frame, Job& job, dlc_call_tensor* scratch) {
  if (job.rows == 0) return DLC_OK;
  split(job);
  const int64_t bytes = kBlockRows * (job.target_count * static_cast<int64_t>(sizeof(double)) +
                                      job.feature_count * static_cast<int64_t>(sizeof(T)));
  job.task_bytes = (bytes + 63) / 64 * 64;
  const int64_t partial = job.chunks > 1 ? job.chunks * job.rows * job.target_count : 0;
  scratch->dims[0] = job.tasks * job.task_bytes / 8 + partial;
  job.memory = static_cast<char*>(dlc_call_output(frame, scratch));
  if (job.memory == nullptr) return DLC_OUT_OF_MEMORY;
  job.partial = reinterpret_cast<double*>(job.memory + job.tasks * job.task_bytes);
  void* buffers[] = {&job};
  const double work = static_cast<double>(job.rows) * static_cast<double>(job.tree_count) *
                      static_cast<double>(walk_cost(job));
  dlc_parallel_for(frame, run_tasks<T>, buffers, nullptr, job.tasks, bounded_work(work));
  if (job.chunks > 1) merge_chunks<T>(job);
  return DLC_OK;
}

}  // namespace
}  // namespace dlc::kernels

extern "C" int32_t dlc_tree_ensemble(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                     const int64_t* params) {
  using namespace dlc::kernels;
  Job job{};
  job.input = inputs[0].data;
  job.records = inputs[1].data;
  job.nan_right = static_cast<const uint8_t*>(inputs[2].data);
  job.trees = static_cast<const Tree*>(inputs[3].data);
  job.features = static_cast<const int32_t*>(inputs[4].data);
  job.values = static_cast<const double*>(inputs[5].data);
  job.leaves = static_cast<const int32_t*>(inputs[6].data);
  job.targets = static_cast<const int32_t*>(inputs[7].data);
  job.weights = static_cast<const double*>(inputs[8].data);
  job.base = static_cast<const double*>(inputs[9].data);
  job.output = outputs[0].data;
  job.rows = params[0];
  job.columns = params[1];
  job.target_count = params[2];
  job.tree_count = params[3];
  job.feature_count = params[4];
  job.aggregate = params[5];
  job.scale = params[6] != 0 ? 1.0 / static_cast<double>(job.tree_count) : 1.0;
  if (params[7] > job.columns) {
    return dlc_fail(frame, DLC_INVALID_INPUT, "the trees test feature %lld, but the input has %lld",
                    params[7] - 1, job.columns);
  }
  return inputs[0].dtype == kDoubleType ? run<double>(frame, job, &outputs[1])
                                        : run<float>(frame, job, &outputs[1]);
}

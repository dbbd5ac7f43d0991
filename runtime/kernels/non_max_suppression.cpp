// Boxes are taken by falling score, sorted only as far as they are needed; those that are kept lie in
// columns, so that a vector compares one box with many.
#include <algorithm>

#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/selection.h"

namespace dlc::kernels {
namespace {

constexpr int64_t kMaxTasks = 16;
constexpr int64_t kMaxBoxes = int64_t{1} << 31;
constexpr int64_t kMinSorted = 64;

struct Thresholds {
  int64_t most = 0;
  float iou = 0;
  bool has_score = false;
  float score = 0;
};

Thresholds thresholds_of(const dlc_call_tensor* inputs) {
  Thresholds result;
  if (inputs[2].data != nullptr)
    result.most = std::max<int64_t>(0, *static_cast<const int64_t*>(inputs[2].data));
  if (inputs[3].data != nullptr) result.iou = *static_cast<const float*>(inputs[3].data);
  result.has_score = inputs[4].data != nullptr;
  if (result.has_score) result.score = *static_cast<const float*>(inputs[4].data);
  return result;
}

// A group is a class of an element of the batch.
struct Job {
  const float* boxes;
  const float* scores;
  int64_t groups, classes, count;
  bool centered;
  Thresholds limits;
  int64_t* chosen;  // [groups, most]
  int64_t* kept;    // [groups]
  int64_t tasks;
  char* memory;  // of task t: memory + t * task_bytes
  int64_t task_bytes;
};

Box corners(const float* box, bool centered) {
  if (centered) {
    return {box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

int64_t padded(int64_t boxes) { return (boxes + kBoxBlock - 1) / kBoxBlock * kBoxBlock; }

// The boxes that are kept, in columns.
class KeptBoxes {
 public:
  KeptBoxes(float* memory, int64_t most) : memory_(memory), stride_(padded(most)) {}

  bool overlap(const Box& box, float limit) const {
    const BoxColumns columns = {column(0), column(1), column(2), column(3), column(4), padded(count_)};
    return selection_code().overlaps_any(box, columns, limit);
  }
  void add(const Box& box) {
    if (count_ % kBoxBlock == 0) {
      for (int i = 0; i < 5; ++i) std::fill_n(column(i) + count_, kBoxBlock, 0.0F);
    }
    const float numbers[] = {box.y0, box.x0, box.y1, box.x1, box.area()};
    for (int i = 0; i < 5; ++i) column(i)[count_] = numbers[i];
    ++count_;
  }
  int64_t count() const { return count_; }

 private:
  float* column(int i) const { return memory_ + i * stride_; }

  float* memory_;
  int64_t stride_;
  int64_t count_ = 0;
};

class Suppression {
 public:
  Suppression(const Job& job, char* memory)
      : job_(job),
        candidates_(reinterpret_cast<PackedCandidate*>(memory)),
        columns_(reinterpret_cast<float*>(candidates_ + 2 * job.count)) {}

  static int64_t bytes(const Job& job) {
    return 2 * job.count * static_cast<int64_t>(sizeof(PackedCandidate)) +
           5 * padded(job.limits.most) * static_cast<int64_t>(sizeof(float));
  }

  void run(int64_t group) {
    const float* boxes = job_.boxes + group / job_.classes * job_.count * 4;
    const float* scores = job_.scores + group * job_.count;
    int64_t* chosen = job_.chosen + group * job_.limits.most;
    KeptBoxes kept(columns_, job_.limits.most);
    // Most models keep a few of many boxes.
    int64_t sorted = std::min(job_.count, std::max(kMinSorted, 2 * job_.limits.most));
    for (int64_t next = 0; next < job_.count && kept.count() < job_.limits.most; sorted = job_.count) {
      select_best(reinterpret_cast<const char*>(scores), {KeyKind::kFloat, 4}, job_.count, sorted, true,
                  candidates_, candidates_ + job_.count);
      for (; next < sorted && kept.count() < job_.limits.most; ++next) {
        const int64_t place = place_of(candidates_[next]);
        if (job_.limits.has_score && !(scores[place] > job_.limits.score)) {
          if (scores[place] == scores[place]) next = job_.count - 1;  // none that follows is greater
          continue;
        }
        const Box box = corners(boxes + place * 4, job_.centered);
        if (box.area() > 0 && kept.overlap(box, job_.limits.iou)) continue;
        chosen[kept.count()] = place;
        kept.add(box);
      }
    }
    job_.kept[group] = kept.count();
  }

 private:
  const Job& job_;
  PackedCandidate* candidates_;  // and as many to spare
  float* columns_;
};

void run_tasks(void* const* buffers, const int64_t*, int64_t begin, int64_t end, void*) {
  const Job& job = *static_cast<const Job*>(buffers[0]);
  for (int64_t task = begin; task < end; ++task) {
    Suppression suppression(job, job.memory + task * job.task_bytes);
    for (int64_t group = job.groups * task / job.tasks; group < job.groups * (task + 1) / job.tasks; ++group)
      suppression.run(group);
  }
}

void write_result(const Job& job, int64_t* to) {
  for (int64_t group = 0; group < job.groups; ++group) {
    for (int64_t k = 0; k < job.kept[group]; ++k) {
      *to++ = group / job.classes;
      *to++ = group % job.classes;
      *to++ = job.chosen[group * job.limits.most + k];
    }
  }
}

}  // namespace
}  // namespace dlc::kernels

extern "C" int32_t dlc_non_max_suppression(dlc_frame* frame, dlc_call_tensor* inputs,
                                           dlc_call_tensor* outputs, const int64_t* params) {
  using namespace dlc::kernels;
  Job job{};
  job.boxes = static_cast<const float*>(inputs[0].data);
  job.scores = static_cast<const float*>(inputs[1].data);
  job.groups = inputs[1].dims[0] * inputs[1].dims[1];
  job.classes = inputs[1].dims[1];
  job.count = inputs[1].dims[2];
  job.centered = params[0] != 0;
  job.limits = thresholds_of(inputs);
  job.limits.most = std::min(job.limits.most, job.count);
  if (job.count >= kMaxBoxes)
    return dlc_fail(frame, DLC_UNSUPPORTED, "%lld boxes; expected fewer than %lld", job.count, kMaxBoxes);
  job.tasks = std::clamp<int64_t>(job.groups, 1, kMaxTasks);
  job.task_bytes = (Suppression::bytes(job) + 63) / 64 * 64;
  outputs[1].dims[0] = job.tasks * job.task_bytes / 8 + job.groups * (job.limits.most + 1);
  job.memory = static_cast<char*>(dlc_call_output(frame, &outputs[1]));
  if (job.memory == nullptr) return DLC_OUT_OF_MEMORY;
  job.kept = reinterpret_cast<int64_t*>(job.memory + job.tasks * job.task_bytes);
  job.chosen = job.kept + job.groups;
  void* buffers[] = {&job};
  const double work = static_cast<double>(job.groups) * static_cast<double>(job.count) * 2;
  dlc_parallel_for(frame, run_tasks, buffers, nullptr, job.groups == 0 ? 0 : job.tasks, bounded_work(work));
  int64_t total = 0;
  for (int64_t group = 0; group < job.groups; ++group) total += job.kept[group];
  outputs[0].dims[0] = total;
  outputs[0].dims[1] = 3;
  int64_t* result = static_cast<int64_t*>(dlc_call_output(frame, &outputs[0]));
  if (result == nullptr) return DLC_OUT_OF_MEMORY;
  write_result(job, result);
  return DLC_OK;
}

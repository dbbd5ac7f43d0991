#include <algorithm>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/ordered_key.h"

namespace {

struct Box {
  float y0, x0, y1, x1;
};

Box corners(const float* box, bool centered) {
  if (centered) {
    return {box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

bool overlaps(const Box& a, const Box& b, float threshold) {
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(width > 0) || !(height > 0)) return false;
  const float area_a = (a.x1 - a.x0) * (a.y1 - a.y0);
  const float area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
  const float shared = width * height;
  const float all = area_a + area_b - shared;
  if (!(shared > 0) || !(area_a > 0) || !(area_b > 0) || !(all > 0)) return false;
  return shared / all > threshold;
}

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

// Chooses boxes of one class into `chosen`; returns their number. `order` is scratch of as many elements as
// boxes.
int64_t suppress(const float* boxes, const float* scores, int64_t count, bool centered,
                 const Thresholds& limits, int64_t* order, int64_t* chosen) {
  int64_t candidates = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!limits.has_score || scores[i] > limits.score) order[candidates++] = i;
  }
  // Keys, unlike floats, are totally ordered.
  const auto key = [scores](int64_t i) {
    const auto* score = reinterpret_cast<const char*>(scores + i);
    return dlc::kernels::ordered_key(score, {dlc::kernels::KeyKind::kFloat, 4});
  };
  std::sort(order, order + candidates,
            [key](int64_t a, int64_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
  int64_t kept = 0;
  for (int64_t c = 0; c < candidates && kept < limits.most; ++c) {
    const Box box = corners(boxes + order[c] * 4, centered);
    bool suppressed = false;
    for (int64_t k = 0; k < kept && !suppressed; ++k) {
      suppressed = overlaps(box, corners(boxes + chosen[k] * 4, centered), limits.iou);
    }
    if (!suppressed) chosen[kept++] = order[c];
  }
  return kept;
}

}  // namespace

extern "C" int32_t dlc_non_max_suppression(dlc_frame* frame, dlc_call_tensor* inputs,
                                           dlc_call_tensor* outputs, const int64_t* params) {
  const bool centered = params[0] != 0;
  const int64_t batches = inputs[1].dims[0], classes = inputs[1].dims[1], count = inputs[1].dims[2];
  const float* boxes = static_cast<const float*>(inputs[0].data);
  const float* scores = static_cast<const float*>(inputs[1].data);
  const Thresholds limits = thresholds_of(inputs);
  int64_t* order = static_cast<int64_t*>(outputs[1].data);
  int64_t* chosen = order + count;
  int64_t* kept = chosen + batches * classes * count;
  int64_t total = 0;
  for (int64_t group = 0; group < batches * classes; ++group) {
    kept[group] = suppress(boxes + group / classes * count * 4, scores + group * count, count, centered,
                           limits, order, chosen + group * count);
    total += kept[group];
  }
  outputs[0].dims[0] = total;
  outputs[0].dims[1] = 3;
  int64_t* result = static_cast<int64_t*>(dlc_call_output(frame, &outputs[0]));
  if (result == nullptr) return DLC_OUT_OF_MEMORY;
  for (int64_t group = 0; group < batches * classes; ++group) {
    for (int64_t k = 0; k < kept[group]; ++k) {
      *result++ = group / classes;
      *result++ = group % classes;
      *result++ = chosen[group * count + k];
    }
  }
  return DLC_OK;
}

// NonMaxSuppression against its definition: every box is compared with every one that was kept before.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "codegen/compile.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

struct Settings {
  int64_t batches, classes, boxes;
  int64_t most;
  float iou, score;
  bool centered;
};

struct Corners {
  double y0, x0, y1, x1;
};

Corners corners_of(const Tensor& boxes, int64_t box, bool centered) {
  auto at = [&](int64_t i) { return boxes.get_double(box * 4 + i); };
  if (centered) return {at(1) - at(3) / 2, at(0) - at(2) / 2, at(1) + at(3) / 2, at(0) + at(2) / 2};
  return {std::min(at(0), at(2)), std::min(at(1), at(3)), std::max(at(0), at(2)), std::max(at(1), at(3))};
}

double overlap(const Corners& a, const Corners& b) {
  const double height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  const double width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (height <= 0 || width <= 0) return 0;
  const double shared = height * width;
  return shared / ((a.y1 - a.y0) * (a.x1 - a.x0) + (b.y1 - b.y0) * (b.x1 - b.x0) - shared);
}

std::vector<int64_t> chosen_by_definition(const Settings& s, const Tensor& boxes, const Tensor& scores) {
  std::vector<int64_t> result;
  for (int64_t group = 0; group < s.batches * s.classes; ++group) {
    auto score = [&](int64_t i) { return scores.get_double(group * s.boxes + i); };
    std::vector<int64_t> order(static_cast<size_t>(s.boxes)), kept;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score(a) > score(b); });
    const int64_t first = group / s.classes * s.boxes;
    for (const int64_t i : order) {
      if (static_cast<int64_t>(kept.size()) == s.most || score(i) <= static_cast<double>(s.score)) break;
      const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](int64_t other) {
        return overlap(corners_of(boxes, first + i, s.centered),
                       corners_of(boxes, first + other, s.centered)) > static_cast<double>(s.iou);
      });
      if (!suppressed) kept.push_back(i);
    }
    for (const int64_t i : kept) result.insert(result.end(), {group / s.classes, group % s.classes, i});
  }
  return result;
}

// Whole numbers, so that every area is exact.
Tensor random_boxes(const Settings& s, std::mt19937& random) {
  Tensor boxes(DType::kFloat, {s.batches, s.boxes, 4});
  std::uniform_int_distribution<int> place(0, 300), size(2, 80);
  for (int64_t i = 0; i < s.batches * s.boxes; ++i) {
    const int y = place(random), x = place(random), height = 2 * size(random), width = 2 * size(random);
    const double corners[] = {double(y), double(x), double(y + height), double(x + width)};
    const double centre[] = {double(x), double(y), double(width), double(height)};
    for (int64_t k = 0; k < 4; ++k) boxes.set_double(i * 4 + k, s.centered ? centre[k] : corners[k]);
  }
  return boxes;
}

void check(const Settings& s) {
  SCOPED_TRACE(fmt::format("{} x {} x {} boxes, at most {}, {}, {}", s.batches, s.classes, s.boxes, s.most,
                           s.iou, s.score));
  const std::string text =
      "<ir_version: 9, opset_import: [\"\" : 20]>\ng (float[B,N,4] boxes, float[B,C,N] scores, int64[1] "
      "most, "
      "float[1] iou, float[1] score) => (int64[n,3] y) { y = NonMaxSuppression<center_point_box = " +
      std::string(s.centered ? "1" : "0") + ">(boxes, scores, most, iou, score) }";
  auto graph = graph_from_text(text);
  runtime::Program program = codegen::compile(*graph, {});
  runtime::Context context(program, {.threads = 2});
  const unsigned seed = 5;
  std::mt19937 random(seed);
  const Tensor boxes = random_boxes(s, random);
  Tensor scores(DType::kFloat, {s.batches, s.classes, s.boxes});
  std::uniform_int_distribution<int> score(0, 5000);  // some are equal
  for (int64_t i = 0; i < scores.size(); ++i) scores.set_double(i, score(random) / 5000.0);
  const Tensor found =
      context.run({boxes, scores, Tensor::of<int64_t>(DType::kInt64, {1}, std::vector<int64_t>{s.most}),
                   Tensor::of<float>(DType::kFloat, {1}, std::vector<float>{s.iou}),
                   Tensor::of<float>(DType::kFloat, {1}, std::vector<float>{s.score})})[0];
  const std::vector<int64_t> expected = chosen_by_definition(s, boxes, scores);
  ASSERT_EQ(found.size(), static_cast<int64_t>(expected.size()));
  for (int64_t i = 0; i < found.size(); ++i) ASSERT_EQ(found.get_int(i), expected[static_cast<size_t>(i)]);
}

TEST(NonMaxSuppression, ChoosesByDefinition) {
  for (const int64_t boxes : {1, 15, 16, 17, 100, 700}) {
    check({2, 3, boxes, boxes, 0.5F, 0.1F, false});
    check({1, 2, boxes, 5, 0.3F, 0.0F, true});
  }
}

// More are suppressed than were sorted at first.
TEST(NonMaxSuppression, GoesOnBehindTheFirstBoxes) {
  check({1, 1, 6000, 100, 0.02F, 0.0F, false});
  check({1, 1, 6000, 6000, 0.2F, 0.05F, false});
}

TEST(NonMaxSuppression, ChoosesNoneWhereNoneMayBe) {
  check({1, 2, 50, 0, 0.5F, 0.0F, false});
  check({1, 2, 50, 10, 0.5F, 2.0F, false});
}

}  // namespace
}  // namespace dlc::test

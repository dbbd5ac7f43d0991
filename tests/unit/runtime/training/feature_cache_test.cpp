#include "runtime/training/feature_cache.h"

#include <gtest/gtest.h>

#include "codegen/compile.h"
#include "ir/op.h"
#include "ir/text.h"

namespace dlc::training {
namespace {

// Sample i has the input (i, 1) and the target 10 i; one cannot be read.
class Numbers : public Dataset {
 public:
  int64_t size() const override { return 11; }
  bool read(int64_t index, std::optional<uint64_t>, std::span<void* const> places) const override {
    auto* x = static_cast<float*>(places[0]);
    x[0] = static_cast<float>(index);
    x[1] = 1;
    *static_cast<int64_t*>(places[1]) = 10 * index;
    return index != 4;
  }
};

TEST(FeatureCache, HoldsWhatTheProgramMakesOfTheSubset) {
  auto graph = ir::parse_graph(R"(graph g(%x: f32[3, 2]) {
  %w = const f32[2, 3] {1, 2, 3, 100, 200, 300}
  %y = MatMul(%x, %w)
  %z = Neg(%x)
  return %y, %z
}
)");
  const Field target{"target", DType::kInt64, {3}};
  const FeatureProgram program{codegen::compile(*graph, {}),
                               {{"x", DType::kFloat, {3, 2}}, target},
                               {{"y", DType::kFloat, {3, 3}}, {"z", DType::kFloat, {3, 2}}, target}};
  const Subset subset{{9, 4, 0, 7}};
  std::vector<int64_t> told;
  const FeatureOptions options{.context = {.threads = 1},
                               .on_batch = [&](int64_t batch, int64_t) { told.push_back(batch); }};
  std::unique_ptr<Dataset> cached;
  {
    const Numbers data;
    cached = cache_features(data, subset, program, options);
  }
  EXPECT_EQ(told, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(cached->size(), 11);
  for (int64_t i = 0; i < 11; ++i) {
    float y[3] = {}, z[2] = {};
    int64_t label = -1;
    void* const places[] = {y, z, &label};
    const bool is_there = i == 0 || i == 7 || i == 9;
    ASSERT_EQ(cached->read(i, 0, places), is_there) << i;
    if (!is_there) continue;
    for (int64_t k = 0; k < 3; ++k) {
      EXPECT_EQ(y[k], static_cast<float>((k + 1) * i + 100 * (k + 1))) << i;
    }
    EXPECT_EQ(z[0], static_cast<float>(-i));
    EXPECT_EQ(label, 10 * i);
  }
}

}  // namespace
}  // namespace dlc::training

#include "passes/plan_memory.h"

#include <random>

#include <gtest/gtest.h>

#include "passes/liveness.h"

namespace dlc::passes {
namespace {

using ir::BufferId;
using ir::Dim;

class PlanMemory : public testing::Test {
 protected:
  BufferId temp(ir::Shape shape, DType type = DType::kFloat) {
    return program_.add_buffer(
        {.name = "t", .kind = ir::BufferKind::kTemp, .dtype = type, .shape = std::move(shape)});
  }
  BufferId slice(BufferId base, ir::Shape shape) {
    size_t rank = shape.size();
    ir::View view{.base = base,
                  .kind = ir::ViewKind::kSlice,
                  .start = std::vector<Dim>(rank, 0),
                  .step = std::vector<Dim>(rank, 1)};
    return program_.add_buffer({.name = "v",
                                .kind = ir::BufferKind::kTemp,
                                .dtype = DType::kFloat,
                                .shape = std::move(shape),
                                .view = view});
  }
  // A kernel that reads and writes whole buffers; what it computes does not matter here.
  static ir::Step step(std::vector<BufferId> inputs, std::vector<BufferId> outputs) {
    return {ir::KernelStep{{"k", "k", ir::Call{"f", std::move(inputs), std::move(outputs), {}}}}};
  }
  void add(std::vector<BufferId> inputs, std::vector<BufferId> outputs) {
    program_.main.steps.push_back(step(std::move(inputs), std::move(outputs)));
  }
  const Placement& at(const MemoryPlan& plan, BufferId id) { return plan.of[static_cast<size_t>(id)]; }

  ir::Program program_;
};

TEST_F(PlanMemory, ReusesTheMemoryOfDeadBuffers) {
  BufferId a = temp({100}), b = temp({100}), c = temp({100}), d = temp({100});
  add({}, {a});
  add({a}, {b});
  add({b}, {c});
  add({c}, {d});
  add({d}, {});
  MemoryPlan plan = plan_memory(program_);
  EXPECT_EQ(plan.fixed_bytes, 2 * 448);
  EXPECT_NE(at(plan, a).offset, at(plan, b).offset);
  EXPECT_EQ(at(plan, a).offset, at(plan, c).offset);
  EXPECT_TRUE(plan.slots.empty());
}

TEST_F(PlanMemory, GivesNothingToViewsAndUnusedBuffers) {
  BufferId a = temp({4, 4}), v = slice(a, {2, 4}), unused = temp({1000}), b = temp({4});
  add({}, {a});
  add({}, {b});
  add({b}, {});
  add({v}, {});
  MemoryPlan plan = plan_memory(program_);
  EXPECT_EQ(at(plan, v).place, Place::kNone);
  EXPECT_EQ(at(plan, unused).place, Place::kNone);
  EXPECT_NE(at(plan, a).offset, at(plan, b).offset) << "a use of a view keeps its root alive";
}

TEST_F(PlanMemory, KeepsWhatALoopTouchesForTheWholeLoop) {
  BufferId before = temp({16}), carried = temp({16}), local = temp({16}), after = temp({16});
  add({}, {before});
  ir::RepeatStep loop{"t", 5, {}};
  loop.body.steps.push_back(step({before}, {local}));
  loop.body.steps.push_back(step({local}, {carried}));
  program_.main.steps.push_back({loop});
  add({carried}, {after});
  add({after}, {});
  MemoryPlan plan = plan_memory(program_);
  EXPECT_EQ(plan.fixed_bytes, 3 * 64);
  EXPECT_NE(at(plan, before).offset, at(plan, carried).offset);
  EXPECT_NE(at(plan, before).offset, at(plan, local).offset);
  EXPECT_NE(at(plan, carried).offset, at(plan, after).offset);
}

TEST_F(PlanMemory, SharesMemoryBetweenTheBranchesOfAnIf) {
  BufferId condition = temp({}, DType::kBool), x = temp({64}), y = temp({64}), out = temp({64});
  add({}, {condition});
  ir::IfStep branch{condition, {}, {}};
  branch.then_region.steps = {step({}, {x}), step({x}, {out})};
  branch.else_region.steps = {step({}, {y}), step({y}, {out})};
  program_.main.steps.push_back({branch});
  add({out}, {});
  MemoryPlan plan = plan_memory(program_);
  EXPECT_EQ(at(plan, x).offset, at(plan, y).offset);
  EXPECT_NE(at(plan, x).offset, at(plan, out).offset);
}

TEST_F(PlanMemory, PutsSymbolicBuffersIntoSlots) {
  Dim n = Dim::symbol("n"), m = Dim::symbol("m");
  BufferId a = temp({n, 3}), b = temp({m}), c = temp({n, 2}), d = temp({10});
  add({}, {a});
  add({a}, {b, d});
  add({b}, {c});
  add({c, d}, {});
  MemoryPlan plan = plan_memory(program_);
  ASSERT_EQ(plan.slots.size(), 2u);
  EXPECT_EQ(at(plan, a).place, Place::kSlot);
  EXPECT_EQ(at(plan, a).index, at(plan, c).index);
  EXPECT_NE(at(plan, a).index, at(plan, b).index);
  EXPECT_EQ(plan.slots[static_cast<size_t>(at(plan, a).index)], (std::vector<Dim>{n * 12, n * 8}));
  EXPECT_EQ(at(plan, d).place, Place::kFixed);
  EXPECT_EQ(plan.fixed_bytes, 64);
}

TEST_F(PlanMemory, MakesBuffersOfDataDependentSizeDynamic) {
  BufferId indices = temp({3, Dim::symbol("count")}, DType::kInt64), flag = temp({}, DType::kInt64);
  ir::Call call{"nonzero", {}, {indices}, {}, {{0, 1, "count"}}};
  program_.main.steps.push_back({ir::KernelStep{{"nonzero", "NonZero", call}}});
  add({}, {flag});
  program_.main.steps.push_back(
      {ir::BindStep{.symbol = "rows", .buffer = flag, .index = {}, .what = "rows"}});
  BufferId rows = temp({Dim::symbol("rows")});
  add({indices}, {rows});
  MemoryPlan plan = plan_memory(program_);
  EXPECT_EQ(at(plan, indices).place, Place::kDynamic);
  EXPECT_EQ(at(plan, rows).place, Place::kDynamic);
  EXPECT_NE(at(plan, rows).index, at(plan, indices).index);
  EXPECT_EQ(plan.dynamic_buffers, 2);
  EXPECT_EQ(late_symbols(program_), (std::set<std::string>{"count", "rows"}));
}

TEST_F(PlanMemory, CountsPackedElements) {
  EXPECT_EQ(buffer_bytes(program_.buffer(temp({3, 3}, DType::kInt4))), Dim(5));
  EXPECT_EQ(buffer_bytes(program_.buffer(temp({3}, DType::kBool))), Dim(3));
  EXPECT_EQ(buffer_bytes(program_.buffer(temp({Dim::symbol("n")}, DType::kInt64))), Dim::symbol("n") * 8);
}

TEST_F(PlanMemory, NeverOverlapsLiveBuffers) {
  const uint32_t seed = 20240;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 30; ++round) {
    program_ = {};
    std::vector<BufferId> all;
    for (int i = 0; i < 60; ++i) {
      std::vector<BufferId> inputs;
      for (int k = 0; k < 3 && !all.empty(); ++k)
        inputs.push_back(all[all.size() - 1 - random() % std::min<size_t>(all.size(), 9)]);
      all.push_back(temp({static_cast<int64_t>(random() % 1000)}));
      add(inputs, {all.back()});
    }
    MemoryPlan plan = plan_memory(program_);
    std::vector<LiveRange> ranges = live_ranges(program_);
    int64_t live_peak = 0;
    for (size_t i = 0; i < plan.of.size(); ++i) {
      int64_t i_end = plan.of[i].offset + buffer_bytes(program_.buffers[i]).value();
      EXPECT_EQ(plan.of[i].offset % kArenaAlignment, 0);
      EXPECT_LE(i_end, plan.fixed_bytes);
      int64_t live = 0;
      for (size_t j = 0; j < plan.of.size(); ++j) {
        int64_t j_end = plan.of[j].offset + buffer_bytes(program_.buffers[j]).value();
        bool disjoint = i_end <= plan.of[j].offset || j_end <= plan.of[i].offset;
        ASSERT_TRUE(i == j || disjoint || !ranges[i].overlaps(ranges[j])) << i << " " << j;
        if (ranges[j].first <= ranges[i].first && ranges[i].first <= ranges[j].last)
          live += j_end - plan.of[j].offset + 63;
      }
      live_peak = std::max(live_peak, live);
    }
    EXPECT_LE(plan.fixed_bytes, live_peak * 2) << "sharing keeps the arena near what is live at once";
  }
}

}  // namespace
}  // namespace dlc::passes

#include "passes/liveness.h"

#include <algorithm>
#include <type_traits>

namespace dlc::passes {
namespace {

class Walker {
 public:
  explicit Walker(const ir::Program& program) : program_(program), ranges_(program.buffers.size()) {}

  std::vector<LiveRange> walk() {
    walk(program_.main);
    return std::move(ranges_);
  }

 private:
  void touch(ir::BufferId id) {
    if (id == ir::BufferId::kNone) return;
    ir::BufferId root = ir::root_of(program_, id);
    if (loop_depth_ > 0) in_loop_.push_back(root);
    extend(root, position_);
  }

  void extend(ir::BufferId root, int position) {
    LiveRange& range = ranges_[static_cast<size_t>(root)];
    range = range.empty() ? LiveRange{position, position}
                          : LiveRange{std::min(range.first, position), std::max(range.last, position)};
  }

  void walk(const ir::Region& region) {
    for (const ir::Step& step : region.steps) {
      ++position_;
      std::visit([&](const auto& node) { visit(node); }, step.node);
    }
  }

  void visit(const ir::KernelStep& step) {
    for (ir::BufferId id : ir::reads(step.kernel)) touch(id);
    for (ir::BufferId id : ir::writes(step.kernel)) touch(id);
  }
  void visit(const ir::BindStep& step) { touch(step.buffer); }
  void visit(const ir::SetStep&) {}
  void visit(const ir::CheckStep&) {}
  void visit(const ir::IfStep& step) {
    touch(step.condition);
    walk(step.then_region);
    walk(step.else_region);
  }
  void visit(const ir::RepeatStep& step) {
    walk_loop([&] { walk(step.body); });
  }
  void visit(const ir::WhileStep& step) {
    walk_loop([&] {
      touch(step.condition);
      walk(step.body);
    });
  }

  template <class Body>
  void walk_loop(const Body& body) {
    int begin = position_;
    size_t first = in_loop_.size();
    ++loop_depth_;
    body();
    --loop_depth_;
    ++position_;
    for (size_t i = first; i < in_loop_.size(); ++i) {
      extend(in_loop_[i], begin);
      extend(in_loop_[i], position_);
    }
    if (loop_depth_ == 0) in_loop_.clear();
  }

  const ir::Program& program_;
  std::vector<LiveRange> ranges_;
  std::vector<ir::BufferId> in_loop_;
  int loop_depth_ = 0;
  int position_ = 0;
};

}  // namespace

std::vector<LiveRange> live_ranges(const ir::Program& program) { return Walker(program).walk(); }

}  // namespace dlc::passes

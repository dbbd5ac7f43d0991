#include "passes/order_steps.h"

#include <algorithm>
#include <set>

#include "passes/plan_memory.h"

namespace dlc::passes {
namespace {

using ir::BufferId;

// Temporaries of a kernel that may be held longer for it: scalars that all updates share, such as corrections
// of an optimizer's bias.
constexpr int64_t kFewBytes = 1024;

// Times as many bytes of temporaries a kernel reads than it writes where it is worth to hold the latter for
// giving the former back: partial sums of a gradient's norm.
constexpr int64_t kManyTimes = 16;

class StepOrder {
 public:
  StepOrder(ir::Program& program, const Options& options) : program_(program) {
    std::vector<BufferId> inputs(program.buffers.size(), BufferId::kNone);
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      const ir::Buffer& buffer = program.buffers[i];
      if (buffer.view || buffer.kind != ir::BufferKind::kInput) continue;
      inputs.at(static_cast<size_t>(buffer.border_index)) = static_cast<BufferId>(i);
    }
    for (const ir::Buffer& buffer : program.buffers) {
      const bool is_output = !buffer.view && buffer.kind == ir::BufferKind::kOutput;
      const auto output = static_cast<size_t>(buffer.border_index);
      const bool is_wanted = is_output && output < options.in_place.size() && options.in_place[output] >= 0;
      replaced_.push_back(is_wanted ? inputs.at(static_cast<size_t>(options.in_place[output]))
                                    : BufferId::kNone);
    }
  }

  void run() {
    std::vector<ir::Step>& steps = program_.main.steps;
    for (size_t i = 0; i < steps.size(); ++i) {
      uses_.push_back(uses_of(steps[i]));
      if (uses_[i].may_move) move(i, earliest(i));
    }
    // Backwards, so that no step is met twice.
    for (size_t i = steps.size(); i-- > 0;) {
      if (uses_[i].may_move && !uses_[i].replaces.empty()) move(i, behind_readers(i));
    }
  }

 private:
  struct Uses {
    bool is_kernel = false;
    bool may_move = false;
    std::set<BufferId> reads = {};  // roots
    std::set<BufferId> writes = {};
    std::set<BufferId> replaces = {};  // inputs that are changed by what is written, if all goes well
  };

  Uses uses_of(const ir::Step& step) const {
    const auto* kernel = std::get_if<ir::KernelStep>(&step.node);
    if (kernel == nullptr) return {};
    Uses uses{.is_kernel = true};
    for (BufferId id : ir::reads(kernel->kernel)) uses.reads.insert(ir::root_of(program_, id));
    for (BufferId id : ir::writes(kernel->kernel)) uses.writes.insert(ir::root_of(program_, id));
    for (BufferId id : uses.writes) {
      const BufferId input = replaced_[static_cast<size_t>(id)];
      if (input != BufferId::kNone) uses.replaces.insert(input);
    }
    // Calls of the runtime may have effects that no buffer shows.
    uses.may_move = !std::holds_alternative<ir::Call>(kernel->kernel.body) && costs_nothing_early(uses);
    return uses;
  }

  void move(size_t from, size_t to) {
    const auto rotate = [&](auto begin) {
      const auto at = [&](size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
      if (to < from) std::rotate(at(to), at(from), at(from + 1));
      if (to > from) std::rotate(at(from), at(from + 1), at(to + 1));
    };
    rotate(program_.main.steps.begin());
    rotate(uses_.begin());
  }

  size_t earliest(size_t i) const {
    size_t place = i;
    while (place > 0 && !must_follow(uses_[i], uses_[place - 1])) --place;
    // What has moved to the same place stays in its order.
    while (place < i && uses_[place].may_move) ++place;
    return place;
  }

  // The place of the last reader of an input that step i replaces, where it may go there: the update of a
  // moment stands before that of the parameter, which reads the moment, too.
  size_t behind_readers(size_t i) const {
    size_t place = i;
    for (size_t k = i + 1; k < uses_.size() && !must_follow(uses_[k], uses_[i]); ++k) {
      if (!uses_[k].is_kernel) break;
      if (meet(uses_[i].replaces, uses_[k].reads)) place = k;
    }
    return place;
  }

  // Whether what it costs to hold the temporaries that are written for longer is little beside what is given
  // back earlier.
  bool costs_nothing_early(const Uses& uses) const {
    int64_t written = 0;
    for (BufferId id : uses.writes) {
      const ir::Buffer& buffer = program_.buffer(id);
      if (!ir::is_static(buffer.shape)) return false;
      if (buffer.kind == ir::BufferKind::kOutput) continue;
      if (buffer.kind != ir::BufferKind::kTemp) return false;
      written += buffer_bytes(buffer).value();
    }
    if (written <= kFewBytes) return true;
    int64_t read = 0;
    for (BufferId id : uses.reads) {
      const ir::Buffer& buffer = program_.buffer(id);
      if (buffer.kind != ir::BufferKind::kTemp || !ir::is_static(buffer.shape)) continue;
      read += buffer_bytes(buffer).value();
    }
    return written <= read / kManyTimes;
  }

  static bool meet(const std::set<BufferId>& a, const std::set<BufferId>& b) {
    return std::any_of(a.begin(), a.end(), [&](BufferId id) { return b.contains(id); });
  }

  static bool must_follow(const Uses& later, const Uses& earlier) {
    return !earlier.is_kernel || meet(later.reads, earlier.writes) || meet(later.writes, earlier.reads) ||
           meet(later.writes, earlier.writes) || meet(later.replaces, earlier.reads);
  }

  ir::Program& program_;
  std::vector<BufferId> replaced_;  // by output's buffer: the input that it is wanted in the place of
  std::vector<Uses> uses_;          // of the steps that are ordered
};

}  // namespace

void order_steps(ir::Program& program, const Options& options) { StepOrder(program, options).run(); }

}  // namespace dlc::passes

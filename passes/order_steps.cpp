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
    std::vector<ir::Step> ordered;
    for (ir::Step& step : program_.main.steps) {
      uses_.push_back(uses_of(step));
      size_t place = ordered.size();
      if (uses_.back().may_move) {
        while (place > 0 && !must_follow(uses_.back(), uses_[place - 1])) --place;
      }
      ordered.insert(ordered.begin() + static_cast<std::ptrdiff_t>(place), std::move(step));
      std::rotate(uses_.begin() + static_cast<std::ptrdiff_t>(place), uses_.end() - 1, uses_.end());
    }
    program_.main.steps = std::move(ordered);
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
    uses.may_move =
        !std::holds_alternative<ir::Call>(kernel->kernel.body) &&
        std::all_of(uses.writes.begin(), uses.writes.end(), [&](BufferId id) { return is_free(id); });
    return uses;
  }

  // Whether it costs no memory to write the buffer early.
  bool is_free(BufferId root) const {
    const ir::Buffer& buffer = program_.buffer(root);
    if (buffer.kind == ir::BufferKind::kOutput) return ir::is_static(buffer.shape);
    if (buffer.kind != ir::BufferKind::kTemp) return false;
    const ir::Dim bytes = buffer_bytes(buffer);
    return bytes.is_constant() && bytes.value() <= kFewBytes;
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

// The blocks of a matrix product around its register tiles.
//
// A task is a block of rows and a block of panels of one batch element. Inside, panels run outermost, so that
// a panel of B stays in the first caches while the rows of the block, which fit the second-level cache, pass
// by.
#include <algorithm>
#include <set>

#include "codegen/emit_kernel.h"
#include "codegen/emit_tile.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

Dim count(const std::vector<ir::ContractionAxis>& axes) {
  Dim total = 1;
  for (const ir::ContractionAxis& axis : axes) total *= axis.extent;
  return total;
}

// So many tiles are worth having inside of the kernel. Where extents are known only during the run there are
// dozens, and LLVM takes twice as long for one large function as for small ones.
constexpr size_t kMaxInlinedTiles = 6;

class GemmEmitter {
 public:
  GemmEmitter(KernelEmitter& emitter, const TileProblem& problem)
      : emitter_(emitter),
        builder_(emitter.builder),
        problem_(problem),
        plan_(problem.plan),
        function_(emitter.builder.GetInsertBlock()->getParent()) {}

  void run() {
    const Dim rows = count(problem_.form.m);
    const Dim panels = ir::ceil_div(problem_.form.n.extent, Dim(kPanel));
    const Dim row_blocks = ir::ceil_div(rows, Dim(plan_.block_rows));
    const Dim panel_blocks = ir::ceil_div(panels, Dim(plan_.block_panels));
    const Dim batch = count(problem_.form.batch);
    KernelSignature& signature = emitter_.signature;
    signature.task_count = batch * row_blocks * panel_blocks;
    const Dim depth = count(problem_.form.windows) * problem_.form.k.extent;
    signature.work =
        ir::floor_div(batch * rows * panels * depth, Dim(4 * problem_.contraction.schedule.group)) + Dim(1);
    fill_padding();
    constant_rows_ = rows.constant();
    constant_panels_ = panels.constant();
    if (problem_.form.n.extent.is_constant()) {
      last_columns_ = static_cast<int>((problem_.form.n.extent.value() + kPanel - 1) % kPanel) + 1;
    }

    emit_for(builder_, function_->getArg(2), function_->getArg(3), emitter_.index(1), "task",
             [&](llvm::Value* task) {
               std::vector<llvm::Value*> at = unflatten(emitter_, task, {batch, panel_blocks, row_blocks});
               llvm::Value* row = builder_.CreateMul(at[2], emitter_.index(plan_.block_rows));
               llvm::Value* panel = builder_.CreateMul(at[1], emitter_.index(plan_.block_panels));
               llvm::Value* row_end = emitter_.smaller(
                   builder_.CreateAdd(row, emitter_.index(plan_.block_rows)), emitter_.dim(rows));
               llvm::Value* panel_end = emitter_.smaller(
                   builder_.CreateAdd(panel, emitter_.index(plan_.block_panels)), emitter_.dim(panels));
               block(at[0], row, row_end, panel, panel_end);
             });
    if (tiles_.size() <= kMaxInlinedTiles) return;
    for (llvm::Function* function : tiles_) function->addFnAttr(llvm::Attribute::NoInline);
  }

 private:
  // Bytes that stand for padding and that only the run knows.
  void fill_padding() {
    const ir::Operand& a = problem_.contraction.a;
    if (!has_padding_in_scratch(a)) return;
    const int64_t bytes = byte_size(a.zero_point.type(), problem_.form.k.extent.value());
    emitter_.signature.scratch_bytes = std::max(emitter_.signature.scratch_bytes, bytes);
    builder_.CreateMemSet(function_->getArg(4), emitter_.emit_scalar(a.zero_point),
                          static_cast<uint64_t>(bytes), llvm::Align(1));
  }

  void block(llvm::Value* batch, llvm::Value* row, llvm::Value* row_end, llvm::Value* panel,
             llvm::Value* panel_end) {
    llvm::Value* step = emitter_.index(plan_.rows);
    llvm::Value* left = builder_.CreateSRem(builder_.CreateSub(row_end, row), step);
    llvm::Value* whole_end = builder_.CreateSub(row_end, left);
    over_panels(panel, panel_end, plan_.panels, [&](llvm::Value* j, int panels, Last last) {
      emit_for(builder_, row, whole_end, step, "rows",
               [&](llvm::Value* i) { tile(plan_.rows, panels, last, batch, i, j); });
    });
    for (int rows = 1; rows < plan_.rows; ++rows) {
      // Blocks are multiples of the tile, so only the very last one has rows left, and their number may be
      // known.
      if (constant_rows_ && *constant_rows_ % plan_.rows != rows) continue;
      emit_if(builder_, builder_.CreateICmpEQ(left, emitter_.index(rows)), "rest", [&] {
        over_panels(panel, panel_end, plan_.panels_for(rows), [&](llvm::Value* j, int panels, Last last) {
          tile(rows, panels, last, batch, whole_end, j);
        });
      });
    }
  }

  // Whether a tile holds the last panel.
  enum class Last { kNo, kMaybe, kYes };
  using TileBody = std::function<void(llvm::Value* panel, int panels, Last last)>;

  // Groups of `group` panels, then what is left: at once, where its number is known, else one by one.
  void over_panels(llvm::Value* begin, llvm::Value* end, int group, const TileBody& body) {
    // Then only the very last block has panels left.
    const bool aligned =
        constant_panels_ && (plan_.block_panels % group == 0 || *constant_panels_ <= plan_.block_panels);
    const int rest = aligned ? static_cast<int>(*constant_panels_ % group) : 0;
    Last last = Last::kMaybe;
    if (aligned && rest > 0) last = Last::kNo;
    if (constant_panels_ == group) last = Last::kYes;
    llvm::Value* left = builder_.CreateSRem(builder_.CreateSub(end, begin), emitter_.index(group));
    llvm::Value* whole_end = builder_.CreateSub(end, left);
    emit_for(builder_, begin, whole_end, emitter_.index(group), "panels",
             [&](llvm::Value* j) { body(j, group, last); });
    if (rest > 0) {
      emit_if(builder_, builder_.CreateICmpNE(left, emitter_.index(0)), "rest",
              [&] { body(whole_end, rest, Last::kYes); });
    } else if (!aligned && group > 1) {
      emit_for(builder_, whole_end, end, emitter_.index(1), "panel",
               [&](llvm::Value* j) { body(j, 1, Last::kMaybe); });
    }
  }

  void tile(int rows, int panels, Last last, llvm::Value* batch, llvm::Value* row, llvm::Value* panel) {
    auto call = [&](int last_columns) {
      llvm::Function* function = emit_tile(problem_, rows, panels, last_columns);
      tiles_.insert(function);
      builder_.CreateCall(
          function, {function_->getArg(0), function_->getArg(1), function_->getArg(4), batch, row, panel});
    };
    if (last == Last::kNo || last_columns_ > kPanel / 2) return call(kPanel);
    if (last == Last::kYes) return call(last_columns_);
    llvm::Value* end = builder_.CreateAdd(panel, emitter_.index(panels));
    llvm::Value* is_last = builder_.CreateICmpEQ(end, emitter_.index(*constant_panels_));
    emit_if(builder_, is_last, "last", [&] { call(last_columns_); });
    emit_if(builder_, builder_.CreateNot(is_last), "inner", [&] { call(kPanel); });
  }

  KernelEmitter& emitter_;
  llvm::IRBuilder<>& builder_;
  const TileProblem& problem_;
  const GemmPlan& plan_;
  llvm::Function* function_;
  std::optional<int64_t> constant_rows_;
  std::optional<int64_t> constant_panels_;
  int last_columns_ = kPanel;  // of the last panel, where N is known
  std::set<llvm::Function*> tiles_;
};

}  // namespace

void emit_gemm(KernelEmitter& emitter, const ir::Contraction& contraction, const std::string& name) {
  std::optional<passes::GemmForm> form = passes::gemm_form(emitter.program, contraction);
  check(form.has_value(), "a contraction with the form of a matrix product");
  const GemmPlan plan = plan_gemm(emitter.target, emitter.program, contraction, *form);
  llvm::Module& module = *emitter.builder.GetInsertBlock()->getModule();
  const TileProblem problem{module,      emitter.program, emitter.target, emitter.signature,
                            contraction, *form,           plan,           name};
  GemmEmitter(emitter, problem).run();
}

}  // namespace dlc::codegen

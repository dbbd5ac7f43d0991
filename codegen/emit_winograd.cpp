// Convolutions by minimal filtering. A task is a block of output tiles and a share of the columns: it
// transforms the tiles' input, then for some panels of columns after the other multiplies and transforms
// back. Transformed input and product lie in the worker's scratch memory and stay in the second-level cache.
#include <algorithm>

#include "codegen/emit_kernel.h"
#include "codegen/emit_tile.h"
#include "passes/schedule/winograd_stages.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::ContractionAxis;
using ir::Dim;
using passes::WinogradForm;

namespace {

constexpr int64_t kUnknownTiles = 1024;
constexpr double kCacheShare = 0.6;         // of the second-level cache: transformed input and product
constexpr double kCacheShareRounded = 0.8;  // with the tiles rounded up to whole register tiles
constexpr int64_t kWantedTasks = 4;
constexpr double kRepeatedInput =
    0.035;  // of the time: transforming the input once more for a share of the columns

int64_t product_of(const std::vector<ContractionAxis>& axes) {
  int64_t product = 1;
  for (const ContractionAxis& axis : axes) product *= axis.extent.value();
  return product;
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The tiles of the run that the work is shared out for: those of one image, where their number is not known.
int64_t likely_tiles(const WinogradForm& form, int64_t m) {
  const Dim all = passes::winograd_tiles(form, m);
  if (all.is_constant()) return std::max<int64_t>(1, all.value());
  WinogradForm image = form;
  for (ContractionAxis& axis : image.images) {
    if (!axis.extent.is_constant()) axis.extent = 1;
  }
  const Dim tiles = passes::winograd_tiles(image, m);
  return tiles.is_constant() ? std::max<int64_t>(1, tiles.value()) : kUnknownTiles;
}

// How the work is cut into tasks and register tiles.
struct WinogradPlan {
  int lanes = 16;
  int vectors = 1;
  int64_t size = 6;           // of a transformed tile along one axis
  int64_t rows = 1;           // of the product, for one block of tiles
  bool whole_blocks = true;   // all tiles of a block are multiplied, be there fewer or not
  int64_t panels = 1;         // of all columns
  int64_t share = 1;          // panels of one task
  int last_columns = kPanel;  // of the last panel
  int ahead = 1;              // panels of the next element's weights that one register tile fetches
  int64_t element_bytes = 0;  // of the weights of one element and panel
  TileShape tile;
  passes::WinogradBlocking blocking;
};

WinogradPlan plan_winograd(const Target& target, const ir::Program& program, const ir::Contraction& c,
                           const WinogradForm& form) {
  WinogradPlan plan;
  plan.lanes = std::min(kPanel, target.vector_bits / 32);
  plan.vectors = kPanel / plan.lanes;
  plan.size = c.schedule.winograd_tile + form.taps - 1;
  plan.panels = ceil_div(form.n.extent.value(), kPanel);
  const auto last = static_cast<int>((form.n.extent.value() - 1) % kPanel + 1);
  if (last <= kPanel / 2) plan.last_columns = last;
  int64_t frames = 1;
  for (size_t axis : form.frame_axes) frames *= program.buffer(c.a.buffer).shape[axis].value();
  const int64_t depth = product_of(form.depth);
  const Dim tiles = passes::winograd_tiles(form, c.schedule.winograd_tile);
  const int64_t likely = likely_tiles(form, c.schedule.winograd_tile);

  const int64_t k = form.k.extent.value();
  const int64_t columns = std::min<int64_t>(4, plan.panels) * kPanel;
  const int64_t tile_bytes = plan.size * plan.size * 4 * (frames * k + depth * columns);
  const auto tiles_in = [&](double share) {
    const auto bytes = static_cast<int64_t>(share * static_cast<double>(target.l2_bytes));
    return std::max<int64_t>(1, bytes / tile_bytes);
  };
  const int64_t all = tiles.is_constant() ? likely : kUnknownTiles;
  const int64_t fitting = ceil_div(all, ceil_div(all, tiles_in(kCacheShare)));
  plan.tile = choose_tile(target, plan.vectors, fitting * depth, plan.panels, 8);
  plan.blocking.tiles = fitting;
  plan.whole_blocks = depth > 1 || (tiles.is_constant() && all % fitting == 0);
  if (!plan.whole_blocks) {
    const int64_t rows = plan.tile.rows, less = fitting / rows * rows, more = ceil_div(fitting, rows) * rows;
    plan.blocking.tiles = less == 0 || more <= tiles_in(kCacheShareRounded) ? more : less;
  }
  const int64_t blocks = ceil_div(likely, plan.blocking.tiles);
  plan.rows = plan.blocking.tiles * depth;
  plan.blocking.columns = plan.tile.panels * kPanel;
  plan.ahead = static_cast<int>(ceil_div(plan.tile.panels, ceil_div(plan.rows, plan.tile.rows)));
  plan.element_bytes = product_of(form.windows) * k * kPanel * 4;

  const double repeated =
      14.0 * static_cast<double>(frames) /
      static_cast<double>(plan.size * plan.size * product_of(form.windows) * depth * plan.panels);
  int64_t shares = 1;
  while (blocks * shares < kWantedTasks && shares * 2 * plan.tile.panels <= plan.panels &&
         static_cast<double>(2 * shares - 1) * repeated <= kRepeatedInput) {
    shares *= 2;
  }
  plan.share = ceil_div(ceil_div(plan.panels, shares), plan.tile.panels) * plan.tile.panels;
  return plan;
}

class BlockEmitter {
 public:
  BlockEmitter(KernelEmitter& emitter, const passes::WinogradStages& stages, const WinogradPlan& plan,
               const TileProblem& product, llvm::Function* function)
      : emitter_(emitter),
        builder_(emitter.builder),
        stages_(stages),
        plan_(plan),
        product_(product),
        function_(function) {}

  void run() {
    emitter_.vars[stages_.block] = function_->getArg(3);
    tiles_ = emitter_.emit_scalar(stages_.tiles);
    emitter_.emit(stages_.input);
    llvm::Value* first = builder_.CreateMul(function_->getArg(4), emitter_.index(plan_.share));
    llvm::Value* end = emitter_.smaller(builder_.CreateAdd(first, emitter_.index(plan_.share)),
                                        emitter_.index(plan_.panels));
    emit_for(builder_, first, end, emitter_.index(plan_.tile.panels), "columns", [&](llvm::Value* panel) {
      llvm::Value* column = builder_.CreateMul(panel, emitter_.index(kPanel));
      const Dim& n = product_.form.n.extent;
      llvm::Value* left = builder_.CreateSub(emitter_.dim(n), column);
      emitter_.vars[stages_.column] = column;
      emitter_.vars[stages_.width] = emitter_.smaller(left, emitter_.index(plan_.blocking.columns));
      multiply(panel, column);
      emitter_.emit(stages_.output);
    });
  }

 private:
  // All elements of the transformed tiles, for the panels from `panel` on.
  void multiply(llvm::Value* panel, llvm::Value* column) {
    const auto rest = static_cast<int>(plan_.panels % plan_.tile.panels);
    const int last = rest > 0 ? rest : plan_.tile.panels;
    llvm::Value* is_last = builder_.CreateICmpEQ(panel, emitter_.index(plan_.panels - last));
    emit_for(builder_, emitter_.index(0), emitter_.index(plan_.size * plan_.size), emitter_.index(1),
             "element", [&](llvm::Value* element) {
               if (rest == 0 && plan_.last_columns == kPanel) {
                 multiply_rows({element, panel, column, plan_.tile.panels, kPanel});
                 return;
               }
               emit_if(builder_, is_last, "last", [&] {
                 multiply_rows({element, panel, column, last, plan_.last_columns});
               });
               if (last == plan_.panels) return;
               emit_if(builder_, builder_.CreateNot(is_last), "inner", [&] {
                 multiply_rows({element, panel, column, plan_.tile.panels, kPanel});
               });
             });
  }

  // Of one element of the transformed tiles, the columns of some panels.
  struct Part {
    llvm::Value* element;
    llvm::Value* panel;
    llvm::Value* column;
    int panels;
    int last_columns;
  };

  void multiply_rows(const Part& part) {
    const int rows = plan_.tile.rows;
    if (plan_.whole_blocks) {
      const int64_t rest = plan_.rows % rows;
      llvm::Value* whole = emitter_.index(plan_.rows - rest);
      multiply_whole(part, whole);
      if (rest > 0) multiply_tile(part, whole, static_cast<int>(rest));
      return;
    }
    llvm::Value* rest = builder_.CreateURem(tiles_, emitter_.index(rows));
    llvm::Value* whole = builder_.CreateSub(tiles_, rest);
    multiply_whole(part, whole);
    // Half a register tile, or a whole one: rows beyond the block's last tile are computed for nothing.
    const int half = std::max(1, rows / 2);
    llvm::Value* many = builder_.CreateICmpUGT(rest, emitter_.index(half));
    emit_if(builder_, many, "most", [&] { multiply_tile(part, whole, rows); });
    llvm::Value* few =
        builder_.CreateAnd(builder_.CreateNot(many), builder_.CreateICmpUGT(rest, emitter_.index(0)));
    emit_if(builder_, few, "half", [&] { multiply_tile(part, whole, half); });
  }

  void multiply_whole(const Part& part, llvm::Value* end) {
    emit_for(builder_, emitter_.index(0), end, emitter_.index(plan_.tile.rows), "rows",
             [&](llvm::Value* row) { multiply_tile(part, row, plan_.tile.rows); });
  }

  void multiply_tile(const Part& part, llvm::Value* row, int rows) {
    llvm::Function* callee = emit_tile(product_, rows, part.panels, part.last_columns);
    builder_.CreateCall(callee, {function_->getArg(0), function_->getArg(1), function_->getArg(2),
                                 part.element, row, part.panel, part.column, ahead(part.element, row)});
  }

  // While the tiles of one element use its weights over and over, each fetches a part of the next element's.
  llvm::Value* ahead(llvm::Value* element, llvm::Value* row) {
    const int64_t elements = plan_.size * plan_.size;
    const int64_t group_bytes = plan_.tile.panels * elements * plan_.element_bytes;
    llvm::Value* last = builder_.CreateICmpEQ(element, emitter_.index(elements - 1));
    llvm::Value* next =
        builder_.CreateSelect(last, emitter_.index(group_bytes - (elements - 1) * plan_.element_bytes),
                              emitter_.index(plan_.element_bytes));
    llvm::Value* tile = builder_.CreateUDiv(row, emitter_.index(plan_.tile.rows));
    llvm::Value* panel = builder_.CreateMul(tile, emitter_.index(plan_.ahead));
    llvm::Value* distance =
        builder_.CreateAdd(next, builder_.CreateMul(panel, emitter_.index(elements * plan_.element_bytes)));
    llvm::Value* done = builder_.CreateICmpSGE(panel, emitter_.index(plan_.tile.panels));
    return builder_.CreateSelect(done, emitter_.index(0), distance);
  }

  KernelEmitter& emitter_;
  llvm::IRBuilder<>& builder_;
  const passes::WinogradStages& stages_;
  const WinogradPlan& plan_;
  const TileProblem& product_;
  llvm::Function* function_;      // (buffers, dims, scratch, block, share of the columns)
  llvm::Value* tiles_ = nullptr;  // of the block
};

int64_t bytes_of(const ir::Program& program, ir::BufferId id) {
  const int64_t bytes = ir::product(program.buffer(id).shape).value() * 4;
  return (bytes + 63) / 64 * 64;
}

}  // namespace

void emit_winograd(KernelEmitter& emitter, const ir::Contraction& contraction, const std::string& name) {
  std::optional<WinogradForm> form = passes::winograd_form(emitter.program, contraction);
  check(form.has_value(), "a contraction with the form of a convolution with three or five taps");
  const WinogradPlan plan = plan_winograd(emitter.target, emitter.program, contraction, *form);
  const Dim blocks = ir::ceil_div(passes::winograd_tiles(*form, contraction.schedule.winograd_tile),
                                  Dim(plan.blocking.tiles));
  const int64_t shares = ceil_div(plan.panels, plan.share);

  // The program with the two buffers in scratch memory.
  ir::Program program;
  program.buffers = emitter.program.buffers;
  program.symbols = emitter.program.symbols;
  program.next_var = emitter.program.next_var;
  const passes::WinogradStages stages =
      passes::winograd_stages(program, contraction, *form, plan.blocking, emitter.target.has_fma);
  std::optional<passes::GemmForm> product_form = passes::gemm_form(program, stages.product);
  check(product_form.has_value(), "a stage with the form of a matrix product");
  GemmPlan gemm;
  gemm.lanes = plan.lanes;
  gemm.vectors = plan.vectors;
  KernelSignature& signature = emitter.signature;
  llvm::Module& module = *emitter.builder.GetInsertBlock()->getModule();
  TileProblem product{module, program, emitter.target, signature, stages.product, *product_form, gemm, name};
  product.arguments = {stages.column};
  product.ahead = plan.ahead;
  product.scratch = {{stages.v, 0}, {stages.m, bytes_of(program, stages.v)}};
  signature.scratch_bytes = bytes_of(program, stages.v) + bytes_of(program, stages.m);
  signature.task_count = blocks * Dim(shares);
  signature.work = signature.task_count * Dim(plan.size * plan.size * plan.rows * plan.share *
                                              product_of(form->windows) * form->k.extent.value() / 4) +
                   Dim(1);

  llvm::Function* block = make_tile_function(module, emitter.target, name + ".block", 2, 1);
  KernelEmitter block_emitter(block, program, emitter.target, signature);
  block_emitter.use_scratch(block->getArg(2), product.scratch);
  BlockEmitter(block_emitter, stages, plan, product, block).run();
  block_emitter.builder.CreateRetVoid();

  llvm::Function* function = emitter.builder.GetInsertBlock()->getParent();
  emit_for(emitter.builder, function->getArg(2), function->getArg(3), emitter.index(1), "task",
           [&](llvm::Value* task) {
             std::vector<llvm::Value*> at = unflatten(emitter, task, {blocks, Dim(shares)});
             emitter.builder.CreateCall(
                 block, {function->getArg(0), function->getArg(1), function->getArg(4), at[0], at[1]});
           });
}

}  // namespace dlc::codegen

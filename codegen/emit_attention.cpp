// Attention in one kernel.
//
// A task is a chunk of rows of one batch element. It goes through the keys block by block: the keys of a
// block are packed into panels, then for a few rows at a time the products with all of them, the weights and
// the weighted values are computed while the scores stay in the first cache. Running maxima and sums make the
// results of several blocks one softmax; a single block, the usual case, is exact in the plain sense. A few
// rows (decoding) are taken one by one, with the keys where they are.
#include <llvm/IR/Intrinsics.h>

#include <limits>

#include "codegen/attention_part.h"
#include "codegen/emit_kernel.h"
#include "codegen/gemm_plan.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

Dim count(const std::vector<ir::LoopAxis>& axes) {
  Dim total = 1;
  for (const ir::LoopAxis& axis : axes) total *= axis.extent;
  return total;
}

struct Range {
  llvm::Value* begin;
  llvm::Value* end;
};

class AttentionEmitter {
 public:
  AttentionEmitter(KernelEmitter& emitter, const AttentionProblem& problem)
      : emitter_(emitter),
        builder_(emitter.builder),
        p_(problem),
        a_(problem.attention),
        plan_(problem.plan),
        function_(emitter.builder.GetInsertBlock()->getParent()) {}

  void run() {
    const Dim rows = count(a_.rows), batch = count(a_.batch);
    const Dim chunks = ir::ceil_div(rows, Dim(plan_.chunk_rows));
    KernelSignature& signature = emitter_.signature;
    signature.task_count = batch * chunks;
    const Dim products = a_.key.extent * (a_.depth.extent + a_.column.extent);
    signature.work = ir::floor_div(batch * rows * products, Dim(48)) + Dim(1);
    signature.scratch_bytes = plan_.scratch_bytes;
    emit_for(builder_, function_->getArg(2), function_->getArg(3), index(1), "task", [&](llvm::Value* task) {
      const std::vector<llvm::Value*> at = unflatten(emitter_, task, {batch, chunks});
      batch_ = at[0];
      llvm::Value* begin = builder_.CreateMul(at[1], index(plan_.chunk_rows));
      chunk_ = {begin,
                emitter_.smaller(builder_.CreateAdd(begin, index(plan_.chunk_rows)), emitter_.dim(rows))};
      chunk(rows);
    });
  }

 private:
  llvm::Value* index(int64_t value) { return emitter_.index(value); }
  llvm::Value* larger(llvm::Value* a, llvm::Value* b) {
    return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b);
  }

  // Scratch memory: a part, at the place of an element.
  llvm::Value* scratch(int64_t part, llvm::Value* element) {
    llvm::Value* base =
        builder_.CreateConstGEP1_64(builder_.getInt8Ty(), function_->getArg(4), static_cast<uint64_t>(part));
    return builder_.CreateGEP(emitter_.scalar_type(a_.accumulator_type), base, element);
  }
  llvm::Value* scratch(int64_t part) { return scratch(part, index(0)); }
  llvm::Value* in_chunk(llvm::Value* row) { return builder_.CreateSub(row, chunk_.begin); }
  llvm::Value* results_of(llvm::Value* row) {
    return scratch(plan_.results, builder_.CreateMul(in_chunk(row), index(plan_.columns)));
  }

  void call(llvm::Function* part, std::vector<llvm::Value*> arguments) {
    arguments.insert(arguments.begin(), {function_->getArg(0), function_->getArg(1)});
    builder_.CreateCall(part, arguments);
  }

  void chunk(const Dim& rows) {
    start();
    if (!plan_.one_by_one) {
      in_tiles();
    } else if (!plan_.in_tiles) {
      one_by_one();
    } else {
      llvm::Value* few = builder_.CreateICmpSLE(emitter_.dim(rows), index(kFewRows));
      emit_if(builder_, few, "few", [&] { one_by_one(); });
      emit_if(builder_, builder_.CreateNot(few), "many", [&] { in_tiles(); });
    }
    call(attention_finish(p_), {scratch(plan_.results), scratch(plan_.sums), batch_, chunk_.begin,
                                builder_.CreateSub(chunk_.end, chunk_.begin)});
  }

  // Nothing summed so far.
  void start() {
    llvm::Type* type = emitter_.scalar_type(a_.accumulator_type);
    llvm::Value* zero = llvm::ConstantFP::get(type, 0);
    llvm::Value* lowest = llvm::ConstantFP::get(type, -std::numeric_limits<double>::infinity());
    llvm::Value* rows = builder_.CreateSub(chunk_.end, chunk_.begin);
    emit_for(builder_, index(0), rows, index(1), "row", [&](llvm::Value* r) {
      builder_.CreateStore(lowest, scratch(plan_.maxima, r));
      builder_.CreateStore(zero, scratch(plan_.sums, r));
    });
    llvm::Value* bytes = builder_.CreateMul(rows, index(plan_.columns * bit_width(a_.accumulator_type) / 8));
    builder_.CreateMemSet(scratch(plan_.results), builder_.getInt8(0), bytes, llvm::Align(64));
  }

  // ---- Keys ----

  // The keys that some of the rows [begin, end) see, of [0, number of keys).
  Range seen_keys(llvm::Value* begin, llvm::Value* end) {
    llvm::Value* all = emitter_.dim(a_.key.extent);
    Range keys{index(0), all};
    if (!a_.first_key && !a_.last_key) return keys;
    llvm::AllocaInst* first = emitter_.slot(builder_.getInt64Ty(), "first");
    llvm::AllocaInst* last = emitter_.slot(builder_.getInt64Ty(), "last");
    builder_.CreateStore(a_.first_key ? all : index(0), first);
    builder_.CreateStore(a_.last_key ? index(0) : all, last);
    bind(a_.batch, batch_);
    emit_for(builder_, begin, end, index(1), "bound", [&](llvm::Value* row) {
      bind(a_.rows, row);
      auto note = [&](const ir::Expr& bound, llvm::AllocaInst* slot, bool is_first) {
        if (!bound) return;
        llvm::Value* old = builder_.CreateLoad(builder_.getInt64Ty(), slot);
        llvm::Value* value = emitter_.emit_scalar(bound);
        builder_.CreateStore(is_first ? emitter_.smaller(old, value) : larger(old, value), slot);
      };
      note(a_.first_key, first, true);
      note(a_.last_key, last, false);
    });
    keys.begin = larger(keys.begin, builder_.CreateLoad(builder_.getInt64Ty(), first));
    keys.end = emitter_.smaller(keys.end, builder_.CreateLoad(builder_.getInt64Ty(), last));
    return keys;
  }

  void bind(const std::vector<ir::LoopAxis>& axes, llvm::Value* flat) {
    std::vector<Dim> extents;
    for (const ir::LoopAxis& axis : axes) extents.push_back(axis.extent);
    const std::vector<llvm::Value*> at = unflatten(emitter_, flat, extents);
    for (size_t i = 0; i < axes.size(); ++i) emitter_.vars[axes[i].var] = at[i];
  }

  // Blocks of the keys that the chunk sees.
  void over_blocks(const std::function<void(Range block)>& body) {
    const Range keys = seen_keys(chunk_.begin, chunk_.end);
    const int64_t step = plan_.key_block;
    llvm::Value* first = builder_.CreateMul(builder_.CreateSDiv(keys.begin, index(step)), index(step));
    emit_for(builder_, first, keys.end, index(step), "block", [&](llvm::Value* begin) {
      body({begin, emitter_.smaller(builder_.CreateAdd(begin, index(step)), keys.end)});
    });
  }

  // ---- Rows ----

  void in_tiles() {
    over_blocks([&](Range block) {
      call(attention_pack(p_),
           {scratch(plan_.packed_keys), batch_, block.begin, builder_.CreateSub(block.end, block.begin)});
      llvm::Value* row = chunk_.begin;
      for (int rows = plan_.rows; rows > 0; rows = rows > 4 ? 4 : rows / 2) {
        llvm::Value* left = builder_.CreateSub(chunk_.end, row);
        llvm::Value* whole = builder_.CreateSub(chunk_.end, builder_.CreateSRem(left, index(rows)));
        emit_for(builder_, row, whole, index(rows), "rows",
                 [&](llvm::Value* first) { tile(first, rows, block); });
        row = whole;
      }
    });
  }

  // The keys of a block that rows see: from a panel's beginning.
  Range keys_of_tile(llvm::Value* row, int rows, Range block) {
    if (!a_.first_key && !a_.last_key) return block;
    Range keys = seen_keys(row, builder_.CreateAdd(row, index(rows)));
    llvm::Value* skipped = larger(builder_.CreateSub(keys.begin, block.begin), index(0));
    skipped = builder_.CreateAnd(skipped, index(-kPanel));
    return {builder_.CreateAdd(block.begin, skipped), emitter_.smaller(keys.end, block.end)};
  }

  void tile(llvm::Value* row, int rows, Range block) {
    const Range keys = keys_of_tile(row, rows, block);
    emit_if(builder_, builder_.CreateICmpSLT(keys.begin, keys.end), "seen", [&] {
      auto panel = [&](llvm::Value* key) {
        return builder_.CreateSDiv(builder_.CreateSub(key, block.begin), index(kPanel));
      };
      llvm::Value* panels_end = panel(builder_.CreateAdd(keys.end, index(kPanel - 1)));
      call(attention_products(p_, rows),
           {scratch(plan_.packed_keys), scratch(plan_.scores), batch_, row, panel(keys.begin), panels_end});
      rest_of_tile(row, rows, block.begin, keys);
    });
  }

  void rest_of_tile(llvm::Value* row, int rows, llvm::Value* block, Range keys) {
    call(attention_weights(p_),
         {scratch(plan_.scores), scratch(plan_.maxima, in_chunk(row)), scratch(plan_.sums, in_chunk(row)),
          scratch(plan_.corrections), batch_, row, index(rows), block, keys.begin, keys.end});
    call(attention_values(p_, rows), {scratch(plan_.scores), results_of(row), scratch(plan_.corrections),
                                      batch_, block, keys.begin, keys.end});
  }

  void one_by_one() {
    emit_for(builder_, chunk_.begin, chunk_.end, index(1), "row", [&](llvm::Value* row) {
      over_blocks([&](Range block) {
        const Range keys = keys_of_tile(row, 1, block);
        emit_if(builder_, builder_.CreateICmpSLT(keys.begin, keys.end), "seen", [&] {
          call(attention_dots(p_),
               {scratch(plan_.query), scratch(plan_.scores), batch_, row, block.begin, keys.begin, keys.end});
          rest_of_tile(row, 1, block.begin, keys);
        });
      });
    });
  }

  KernelEmitter& emitter_;
  llvm::IRBuilder<>& builder_;
  const AttentionProblem& p_;
  const ir::Attention& a_;
  const AttentionPlan& plan_;
  llvm::Function* function_;
  llvm::Value* batch_ = nullptr;  // the element of the task
  Range chunk_{};                 // its rows
};

}  // namespace

void emit_attention(KernelEmitter& emitter, const ir::Attention& attention, const std::string& name) {
  const AttentionPlan plan = plan_attention(emitter.target, emitter.program, attention);
  llvm::Module& module = *emitter.builder.GetInsertBlock()->getModule();
  const AttentionProblem problem{module, emitter.program, emitter.target, emitter.signature, attention, plan,
                                 name};
  AttentionEmitter(emitter, problem).run();
}

}  // namespace dlc::codegen

// Statements and loops.
#include "codegen/emit_transposed.h"
#include "codegen/vector_width.h"
#include "ir/kernel/lower.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::Block;
using ir::Combiner;
using ir::Expr;
using ir::VarId;

// An accumulator outside of a vector loop that the loop reduces into: partial results per lane, in several
// independent vectors so that the latency of the combiner overlaps.
struct KernelEmitter::VectorReduction {
  VarId var;
  Combiner combiner;
  DType type;
  std::vector<llvm::Value*> partials;
};

namespace {

constexpr int kReductionUnroll = 4;

void collect_reduces(const Block& block, std::vector<const ir::Reduce*>& out) {
  for (const ir::Stmt& stmt : block) {
    if (auto* reduce = std::get_if<ir::Reduce>(&stmt.node)) out.push_back(reduce);
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) collect_reduces(loop->body, out);
    if (auto* conditional = std::get_if<ir::If>(&stmt.node)) collect_reduces(conditional->then_body, out);
  }
}

// The vector loop that is all there is inside of loops around it, if it does nothing but reduce: the lanes'
// partial results then live through all of these loops.
const ir::For* sole_vector_loop(const ir::For& loop) {
  if (loop.body.size() != 1) return nullptr;
  auto* inner = std::get_if<ir::For>(&loop.body[0].node);
  if (inner == nullptr) return nullptr;
  if (inner->kind != ir::LoopKind::kVector) return sole_vector_loop(*inner);
  const bool reduces = inner->body.size() == 1 && std::holds_alternative<ir::Reduce>(inner->body[0].node);
  return reduces ? inner : nullptr;
}

}  // namespace

void KernelEmitter::find_mutable(const Block& block) {
  for (const ir::Stmt& stmt : block) {
    if (auto* reduce = std::get_if<ir::Reduce>(&stmt.node)) mutable_.insert(reduce->var);
    if (auto* assign = std::get_if<ir::Assign>(&stmt.node)) mutable_.insert(assign->var);
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) find_mutable(loop->body);
    if (auto* conditional = std::get_if<ir::If>(&stmt.node)) find_mutable(conditional->then_body);
  }
}

void KernelEmitter::emit(const Block& block) {
  find_mutable(block);
  for (const ir::Stmt& stmt : block) {
    std::visit([&](const auto& node) { emit_stmt(node); }, stmt.node);
  }
}

void KernelEmitter::emit_stmt(const ir::For& loop) {
  if (loop.kind == ir::LoopKind::kVector && lanes.width == 1) {
    emit_vector_loop(loop);
    return;
  }
  if (lanes.width == 1) {
    if (std::optional<TransposedNest> nest = transposed_nest(loop)) {
      emit_transposed(*nest);
      return;
    }
  }
  const ir::For* vector =
      lanes.width == 1 && shared_reductions_ == nullptr ? sole_vector_loop(loop) : nullptr;
  if (vector == nullptr) {
    emit_serial_loop(loop);
    return;
  }
  const std::vector<VectorReduction> reductions = start_reductions(*vector);
  shared_reductions_ = &reductions;
  emit_serial_loop(loop);
  shared_reductions_ = nullptr;
  for (const VectorReduction& reduction : reductions) finish_reduction(reduction);
}

void KernelEmitter::emit_stmt(const ir::Store& stmt) { store(stmt.buffer, stmt.index, emit(stmt.value)); }

void KernelEmitter::emit_stmt(const ir::Let& let) {
  if (!mutable_.contains(let.var)) {
    vars[let.var] = emit(let.value);
    return;
  }
  llvm::Value* value = emit_vector(let.value);
  llvm::AllocaInst* memory = slot(value->getType(), "let");
  builder.CreateStore(value, memory);
  slots[let.var] = memory;
}

void KernelEmitter::emit_stmt(const ir::Reduce& reduce) {
  auto partial = partials_.find(reduce.var);
  const bool across_lanes = lanes.width > 1 && partial != partials_.end();
  auto* memory = llvm::cast<llvm::AllocaInst>(across_lanes ? partial->second : slots.at(reduce.var));
  llvm::Value* value = emit(reduce.value);
  if (memory->getAllocatedType()->isVectorTy()) value = broadcast(value);
  check(value->getType() == memory->getAllocatedType(), "a reduction into an accumulator of its own width");
  if (across_lanes && lanes.mask) {
    // Inactive lanes of the last vector contribute nothing.
    value = builder.CreateSelect(lanes.mask, value,
                                 emit_vector(ir::neutral(reduce.combiner, reduce.value.type())));
  }
  llvm::Value* old = builder.CreateLoad(memory->getAllocatedType(), memory);
  builder.CreateStore(combine(reduce.combiner, old, value, reduce.value.type()), memory);
}

void KernelEmitter::emit_stmt(const ir::Assign& assign) {
  auto* memory = llvm::cast<llvm::AllocaInst>(slots.at(assign.var));
  llvm::Value* value = emit(assign.value);
  if (memory->getAllocatedType()->isVectorTy()) value = broadcast(value);
  builder.CreateStore(value, memory);
}

void KernelEmitter::emit_stmt(const ir::If& conditional) {
  llvm::Value* condition = emit(conditional.condition);
  if (!condition->getType()->isVectorTy()) {
    emit_if(builder, condition, "if", [&] { emit(conditional.then_body); });
    return;
  }
  Lanes saved = lanes;
  lanes.mask = lanes.mask ? builder.CreateAnd(lanes.mask, condition) : condition;
  emit(conditional.then_body);
  lanes = saved;
}

void KernelEmitter::emit_stmt(const ir::Scatter& scatter) {
  check(lanes.width == 1, "scattered updates run in one lane");
  const DType type = scatter.value.type();
  llvm::Value* old = emit_scalar(ir::load(scatter.buffer, type, scatter.index));
  store(scatter.buffer, scatter.index, combine(scatter.combiner, old, emit_scalar(scatter.value), type));
}

llvm::Value* KernelEmitter::combine(Combiner combiner, llvm::Value* a, llvm::Value* b, DType type) {
  // A pair of temporary variables lets the combiner share the emission of ordinary expressions.
  const VarId x{-2}, y{-3};
  vars[x] = a;
  vars[y] = b;
  Memo memo;
  llvm::Value* result = emit_node(ir::combine(combiner, ir::var(x, type), ir::var(y, type)), nullptr, memo);
  vars.erase(x);
  vars.erase(y);
  return result;
}

// Halves the vector until one lane is left: a fixed order for every machine of one vector width.
llvm::Value* KernelEmitter::reduce_lanes(Combiner combiner, llvm::Value* vector, DType type) {
  int width = static_cast<int>(llvm::cast<llvm::FixedVectorType>(vector->getType())->getNumElements());
  while (width > 1) {
    width /= 2;
    std::vector<int> low, high;
    for (int i = 0; i < width; ++i) {
      low.push_back(i);
      high.push_back(width + i);
    }
    vector = combine(combiner, builder.CreateShuffleVector(vector, low),
                     builder.CreateShuffleVector(vector, high), type);
  }
  return builder.CreateExtractElement(vector, uint64_t{0});
}

void KernelEmitter::finish_reduction(const VectorReduction& reduction) {
  auto read = [&](llvm::Value* memory) {
    return builder.CreateLoad(llvm::cast<llvm::AllocaInst>(memory)->getAllocatedType(), memory);
  };
  std::vector<llvm::Value*> values;
  for (llvm::Value* partial : reduction.partials) values.push_back(read(partial));
  while (values.size() > 1) {
    std::vector<llvm::Value*> next;
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      next.push_back(combine(reduction.combiner, values[i], values[i + 1], reduction.type));
    }
    if (values.size() % 2) next.push_back(values.back());
    values = next;
  }
  llvm::Value* total = reduce_lanes(reduction.combiner, values[0], reduction.type);
  llvm::Value* memory = slots.at(reduction.var);
  builder.CreateStore(combine(reduction.combiner, read(memory), total, reduction.type), memory);
}

// The body with the loop variable at base, base + 1, ... in `width` lanes.
void KernelEmitter::emit_in_lanes(const ir::For& loop, llvm::Value* base, int width, llvm::Value* mask) {
  if (width > 1 && mask == nullptr && emit_interleaved(loop, base, width)) return;
  lanes = {loop.var, width, base, mask};
  emit(loop.body);
  lanes = {};
}

// What is left after the last whole vector: one masked vector where masks are cheap for all element types of
// the loop, else one element at a time.
void KernelEmitter::emit_vector_tail(const ir::For& loop, llvm::Value* begin, llvm::Value* end, int width) {
  if (!masked_tail(loop, target)) {
    emit_for(builder, begin, end, index(1), "tail",
             [&](llvm::Value* i) { emit_in_lanes(loop, i, 1, nullptr); });
    return;
  }
  emit_if(builder, builder.CreateICmpSLT(begin, end), "tail", [&] {
    llvm::Value* left = builder.CreateTrunc(builder.CreateSub(end, begin), builder.getInt32Ty());
    auto* type = llvm::FixedVectorType::get(builder.getInt32Ty(), static_cast<unsigned>(width));
    llvm::Value* lane = builder.CreateStepVector(type);
    llvm::Value* mask =
        builder.CreateICmpSLT(lane, builder.CreateVectorSplat(static_cast<unsigned>(width), left));
    emit_in_lanes(loop, begin, width, mask);
  });
}

std::vector<KernelEmitter::VectorReduction> KernelEmitter::start_reductions(const ir::For& loop) {
  const int width = vector_width(loop, target);
  std::vector<VectorReduction> reductions;
  std::vector<const ir::Reduce*> reduces;
  collect_reduces(loop.body, reduces);
  for (const ir::Reduce* reduce : reduces) {
    if (!slots.contains(reduce->var)) continue;  // an accumulator of the body: one per lane anyway
    bool known = false;
    for (const VectorReduction& reduction : reductions) known |= reduction.var == reduce->var;
    if (!known) reductions.push_back({reduce->var, reduce->combiner, reduce->value.type(), {}});
  }
  for (VectorReduction& reduction : reductions) {
    Expr neutral = ir::neutral(reduction.combiner, reduction.type);
    auto* type = llvm::FixedVectorType::get(scalar_type(reduction.type), static_cast<unsigned>(width));
    for (int u = 0; u < kReductionUnroll; ++u) {
      reduction.partials.push_back(slot(type, "partial"));
      builder.CreateStore(builder.CreateVectorSplat(static_cast<unsigned>(width), emit_scalar(neutral)),
                          reduction.partials.back());
    }
  }
  return reductions;
}

void KernelEmitter::emit_vectors(const ir::For& loop, const std::vector<VectorReduction>& reductions) {
  const int width = vector_width(loop, target);
  const int unroll = reductions.empty() ? 1 : kReductionUnroll;
  llvm::Value* end = emit_scalar(loop.end);
  auto use_partials = [&](int u) {
    for (const VectorReduction& r : reductions) partials_[r.var] = r.partials[static_cast<size_t>(u)];
  };

  llvm::Value* at = emit_scalar(loop.begin);
  for (int vectors : {unroll, 1}) {
    if (vectors == 1 && unroll > 1) use_partials(0);
    llvm::Value* step = index(static_cast<int64_t>(width) * vectors);
    llvm::Value* count = builder.CreateSub(end, at);
    llvm::Value* whole = builder.CreateSub(count, builder.CreateSRem(count, step));
    llvm::Value* positive = builder.CreateBinaryIntrinsic(llvm::Intrinsic::smax, whole, index(0));
    llvm::Value* stop = builder.CreateAdd(at, positive);
    emit_for(builder, at, stop, step, "vector", [&](llvm::Value* i) {
      for (int u = 0; u < vectors; ++u) {
        use_partials(u);
        emit_in_lanes(loop, builder.CreateAdd(i, index(static_cast<int64_t>(u) * width)), width, nullptr);
      }
    });
    at = stop;
    if (unroll == 1) break;
  }
  use_partials(0);
  emit_vector_tail(loop, at, end, width);
  for (const VectorReduction& reduction : reductions) partials_.erase(reduction.var);
}

void KernelEmitter::emit_vector_loop(const ir::For& loop) {
  if (shared_reductions_ != nullptr) {
    emit_vectors(loop, *shared_reductions_);
    return;
  }
  const std::vector<VectorReduction> reductions = start_reductions(loop);
  emit_vectors(loop, reductions);
  for (const VectorReduction& reduction : reductions) finish_reduction(reduction);
}

void KernelEmitter::emit_serial_loop(const ir::For& loop) {
  emit_for(builder, emit_scalar(loop.begin), emit_scalar(loop.end), index(1), "loop", [&](llvm::Value* i) {
    vars[loop.var] = i;
    emit(loop.body);
    vars.erase(loop.var);
  });
}

}  // namespace dlc::codegen

// Products of queries and keys: packing, register tiles, dot products.
#include <llvm/IR/Module.h>

#include <algorithm>

#include "codegen/accumulate.h"
#include "codegen/attention_part.h"
#include "codegen/gemm_plan.h"
#include "passes/schedule/attention_form.h"

namespace dlc::codegen {

namespace {

using Vectors = std::vector<llvm::Value*>;

// Of two vectors: the lanes l of a with bit `step` of l clear, and lane l - step of b where it is set; or
// with `second` lane l + step of a where it is clear, and those of b where it is set.
llvm::Value* interleave(llvm::IRBuilder<>& builder, llvm::Value* a, llvm::Value* b, int lanes, int step,
                        bool second) {
  std::vector<int> mask;
  for (int lane = 0; lane < lanes; ++lane) {
    const bool from_b = (lane & step) != 0;
    if (!second) mask.push_back(from_b ? lanes + lane - step : lane);
    if (second) mask.push_back(from_b ? lanes + lane : lane + step);
  }
  return builder.CreateShuffleVector(a, b, mask);
}

// As many vectors as lanes: element j of vector i becomes element i of vector j.
void transpose(llvm::IRBuilder<>& builder, Vectors& vectors) {
  const int lanes = static_cast<int>(vectors.size());
  for (int step = 1; step < lanes; step *= 2) {
    for (int i = 0; i < lanes; ++i) {
      if (i & step) continue;
      llvm::Value *&a = vectors[static_cast<size_t>(i)], *&b = vectors[static_cast<size_t>(i + step)];
      llvm::Value* first = interleave(builder, a, b, lanes, step, false);
      b = interleave(builder, a, b, lanes, step, true);
      a = first;
    }
  }
}

// As many vectors as lanes: element i of the result is the sum of the elements of vector i.
llvm::Value* sum_each(llvm::IRBuilder<>& builder, Vectors vectors) {
  const int lanes = static_cast<int>(vectors.size());
  for (int step = 1; step < lanes; step *= 2) {
    Vectors sums;
    for (size_t i = 0; i < vectors.size(); i += 2) {
      llvm::Value* first = interleave(builder, vectors[i], vectors[i + 1], lanes, step, false);
      llvm::Value* second = interleave(builder, vectors[i], vectors[i + 1], lanes, step, true);
      sums.push_back(builder.CreateFAdd(first, second));
    }
    vectors = std::move(sums);
  }
  return vectors[0];
}

class Pack : public AttentionPart {
 public:
  explicit Pack(const AttentionProblem& problem)
      : AttentionPart(problem, "pack", 1, 3), depth_(a_.depth.extent.value()) {
    at_batch(number(0));
  }

  llvm::Function* run() {
    const bool rows = passes::keys_are_rows(p_.program, a_);
    llvm::Value* panels = builder_.CreateSDiv(add(number(2), kPanel - 1), index(kPanel));
    emit_for(builder_, index(0), panels, index(1), "panel", [&](llvm::Value* panel) {
      for (int column = 0; column < kPanel; column += plan_.lanes) {
        llvm::Value* first = add(mul(panel, kPanel), column);
        llvm::Value* to = scratch_at(pointer(0), add(mul(panel, depth_ * kPanel), column));
        rows ? transposed(first, to) : gathered(first, to);
      }
    });
    return finish();
  }

 private:
  // Lanes keys from `first` on; beyond the last one it is repeated.
  void transposed(llvm::Value* first, llvm::Value* to) {
    llvm::Value* last = add(number(2), -1);
    Vectors rows;
    for (int i = 0; i < plan_.lanes; ++i) {
      llvm::Value* key = add(number(1), smaller(add(first, i), last));
      rows.push_back(address(a_.k, a_.key, key, a_.depth, index(0)));
    }
    const int64_t whole = depth_ / plan_.lanes * plan_.lanes;
    emit_for(builder_, index(0), index(whole), index(plan_.lanes), "depth",
             [&](llvm::Value* d) { block(rows, d, plan_.lanes, to); });
    if (whole < depth_) block(rows, index(whole), depth_ - whole, to);
  }

  void block(const Vectors& rows, llvm::Value* d, int64_t count, llvm::Value* to) {
    const DType type = type_of(a_.k);
    Vectors vectors;
    for (llvm::Value* row : rows) {
      vectors.push_back(load_operand(element_at(row, type, d), type, plan_.lanes, count));
    }
    transpose(builder_, vectors);
    llvm::Value* at = scratch_at(to, mul(d, kPanel));
    for (int64_t i = 0; i < std::min<int64_t>(count, plan_.lanes); ++i) {
      store(vectors[static_cast<size_t>(i)], scratch_at(at, i * kPanel));
    }
  }

  void gathered(llvm::Value* first, llvm::Value* to) {
    llvm::Value* mask = lanes_below(emitter_, builder_.CreateSub(number(2), first), plan_.lanes);
    emit_for(builder_, index(0), index(depth_), index(1), "depth", [&](llvm::Value* d) {
      emitter_.vars[a_.depth.var] = d;
      emitter_.lanes = {a_.key.var, plan_.lanes, add(number(1), first), mask};
      llvm::Value* keys = emitter_.emit_vector(ir::load(a_.k.buffer, type_of(a_.k), a_.k.index));
      keys = emitter_.convert(keys, type_of(a_.k), a_.accumulator_type);
      emitter_.lanes = {};
      store(keys, scratch_at(to, mul(d, kPanel)));
    });
  }

  int64_t depth_;
};

class Products : public AttentionPart {
 public:
  Products(const AttentionProblem& problem, int rows)
      : AttentionPart(problem, "products" + std::to_string(rows), 2, 4),
        rows_(rows),
        vectors_(kPanel / plan_.lanes),
        depth_(a_.depth.extent.value()) {
    at_batch(number(0));
    for (int r = 0; r < rows; ++r) {
      at_row(add(number(1), r));
      queries_.push_back(address(a_.q, a_.depth, index(0), a_.key, index(0)));
    }
  }

  llvm::Function* run() {
    // The narrowest group with enough accumulators to hide the latency of the additions.
    const int group = std::clamp(16 / (rows_ * vectors_), 1, 4);
    llvm::Value* count = builder_.CreateSub(number(3), number(2));
    llvm::Value* whole = builder_.CreateSub(number(3), builder_.CreateSRem(count, index(group)));
    emit_for(builder_, number(2), whole, index(group), "panels",
             [&](llvm::Value* panel) { tile(panel, group); });
    if (group > 1) {
      emit_for(builder_, whole, number(3), index(1), "panel", [&](llvm::Value* panel) { tile(panel, 1); });
    }
    return finish();
  }

 private:
  void tile(llvm::Value* panel, int panels) {
    const int width = panels * vectors_;
    std::vector<llvm::AllocaInst*> sums;
    for (int i = 0; i < rows_ * width; ++i) {
      sums.push_back(emitter_.slot(vector_, "sum"));
      builder_.CreateStore(llvm::Constant::getNullValue(vector_), sums.back());
    }
    const DType type = type_of(a_.q);
    llvm::Value* step = stride(a_.q, a_.depth);
    llvm::Value* keys = scratch_at(pointer(0), mul(panel, depth_ * kPanel));
    emit_for(builder_, index(0), index(depth_), index(1), "depth", [&](llvm::Value* d) {
      Vectors columns;
      for (int i = 0; i < width; ++i) {
        const int64_t place = i / vectors_ * depth_ * kPanel + i % vectors_ * plan_.lanes;
        columns.push_back(load_vector(scratch_at(scratch_at(keys, mul(d, kPanel)), place)));
      }
      llvm::Value* offset = builder_.CreateMul(d, step);
      for (int r = 0; r < rows_; ++r) {
        llvm::Value* q = load_splat(element_at(queries_[static_cast<size_t>(r)], type, offset), type);
        for (int i = 0; i < width; ++i) {
          llvm::AllocaInst* sum = sums[static_cast<size_t>(r * width + i)];
          builder_.CreateStore(
              multiply_add(emitter_, q, columns[static_cast<size_t>(i)], builder_.CreateLoad(vector_, sum)),
              sum);
        }
      }
    });
    llvm::Value* to = scratch_at(pointer(1), mul(panel, kPanel));
    for (int r = 0; r < rows_; ++r) {
      for (int i = 0; i < width; ++i) {
        store(builder_.CreateLoad(vector_, sums[static_cast<size_t>(r * width + i)]),
              scratch_at(to, r * plan_.score_stride + i * plan_.lanes));
      }
    }
  }

  int rows_;
  int vectors_;  // of a panel
  int64_t depth_;
  Vectors queries_;
};

class Dots : public AttentionPart {
 public:
  explicit Dots(const AttentionProblem& problem) : AttentionPart(problem, "dots", 2, 5) {}

  llvm::Function* run() {
    at_batch(number(0));
    copy_query();
    emit_for(builder_, number(3), number(4), index(plan_.lanes), "keys",
             [&](llvm::Value* key) { group(key); });
    return finish();
  }

 private:
  // The query as whole vectors, contiguous and in the accumulator's type.
  void copy_query() {
    at_row(number(1));
    const int64_t depth = a_.depth.extent.value();
    for (int64_t d = 0; d < depth; d += plan_.lanes) {
      emitter_.lanes = {a_.depth.var, plan_.lanes, index(d)};
      if (depth - d < plan_.lanes) emitter_.lanes.mask = lanes_below(emitter_, index(depth - d), plan_.lanes);
      llvm::Value* part = emitter_.emit_vector(ir::load(a_.q.buffer, type_of(a_.q), a_.q.index));
      part = emitter_.convert(part, type_of(a_.q), a_.accumulator_type);
      if (emitter_.lanes.mask) {
        part = builder_.CreateSelect(emitter_.lanes.mask, part, llvm::Constant::getNullValue(vector_));
      }
      emitter_.lanes = {};
      store(part, scratch_at(pointer(0), d));
    }
  }

  // Scores of as many keys as there are lanes.
  void group(llvm::Value* key) {
    llvm::Value* last = add(number(4), -1);
    Vectors keys;
    std::vector<llvm::AllocaInst*> sums;
    for (int i = 0; i < plan_.lanes; ++i) {
      keys.push_back(address(a_.k, a_.key, smaller(add(key, i), last), a_.depth, index(0)));
      sums.push_back(emitter_.slot(vector_, "sum"));
      builder_.CreateStore(llvm::Constant::getNullValue(vector_), sums.back());
    }
    const int64_t depth = a_.depth.extent.value();
    const int64_t whole = depth / plan_.lanes * plan_.lanes;
    emit_for(builder_, index(0), index(whole), index(plan_.lanes), "depth",
             [&](llvm::Value* d) { multiply(keys, sums, d, plan_.lanes); });
    if (whole < depth) multiply(keys, sums, index(whole), depth - whole);
    Vectors totals;
    for (llvm::AllocaInst* sum : sums) totals.push_back(builder_.CreateLoad(vector_, sum));
    store(sum_each(builder_, std::move(totals)), scratch_at(pointer(1), builder_.CreateSub(key, number(2))));
  }

  void multiply(const Vectors& keys, const std::vector<llvm::AllocaInst*>& sums, llvm::Value* d,
                int64_t count) {
    const DType type = type_of(a_.k);
    llvm::Value* query = load_vector(scratch_at(pointer(0), d));
    for (size_t i = 0; i < keys.size(); ++i) {
      llvm::Value* key = load_operand(element_at(keys[i], type, d), type, plan_.lanes, count);
      builder_.CreateStore(multiply_add(emitter_, key, query, builder_.CreateLoad(vector_, sums[i])),
                           sums[i]);
    }
  }
};

}  // namespace

llvm::Function* attention_pack(const AttentionProblem& problem) {
  if (auto* known = problem.module.getFunction(problem.name + ".pack")) return known;
  return Pack(problem).run();
}

llvm::Function* attention_products(const AttentionProblem& problem, int rows) {
  if (auto* known = problem.module.getFunction(problem.name + ".products" + std::to_string(rows)))
    return known;
  return Products(problem, rows).run();
}

llvm::Function* attention_dots(const AttentionProblem& problem) {
  if (auto* known = problem.module.getFunction(problem.name + ".dots")) return known;
  return Dots(problem).run();
}

}  // namespace dlc::codegen

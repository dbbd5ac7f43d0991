// Scores, weights, results: what happens to rows of an attention between and behind its products.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <limits>

#include "codegen/accumulate.h"
#include "codegen/attention_part.h"
#include "ir/kernel/expand_attention.h"
#include "passes/expand_math.h"

namespace dlc::codegen {

using ir::Expr;
using ir::VarId;

namespace {

constexpr VarId kArgument{-5};  // of a mathematical function

llvm::Value* larger(llvm::IRBuilder<>& builder, llvm::Value* a, llvm::Value* b) {
  return builder.CreateSelect(builder.CreateFCmpOGT(a, b), a, b);
}

class Weights : public AttentionPart {
 public:
  explicit Weights(const AttentionProblem& problem) : AttentionPart(problem, "weights", 4, 6) {
    const Expr x = ir::var(kArgument, a_.accumulator_type);
    exponential_ = passes::exp_of_nonpositive(x);
    score_ = a_.score;
    if (const Expr condition = ir::key_condition(a_)) {
      score_ = ir::select(condition, score_, ir::no_score(a_));
    }
    lowest_ = number_of(-std::numeric_limits<double>::infinity());
  }

  llvm::Function* run() {
    at_batch(number(0));
    llvm::Value* first = builder_.CreateSub(number(4), number(3));
    first_ = builder_.CreateAnd(first, index(-static_cast<int64_t>(plan_.lanes)));
    last_ = builder_.CreateSub(number(5), number(3));
    emit_for(builder_, index(0), number(2), index(1), "row", [&](llvm::Value* r) { row(r); });
    return finish();
  }

 private:
  void row(llvm::Value* r) {
    at_row(add(number(1), r));
    llvm::Value* scores = scratch_at(pointer(0), mul(r, plan_.score_stride));
    llvm::Value* block_maximum = write_scores(scores);
    llvm::Value* old = load_scalar(scratch_at(pointer(1), r));
    llvm::Value* maximum = larger(builder_, block_maximum, old);
    // Without a score so far, differences to the maximum are as good as differences to 0.
    llvm::Value* none = builder_.CreateFCmpOEQ(maximum, lowest_);
    llvm::Value* shift = builder_.CreateSelect(none, number_of(0), maximum);
    llvm::Value* correction = exponential(builder_.CreateFSub(old, shift));
    llvm::Value* sum = write_weights(scores, splat(shift));
    llvm::Value* place = scratch_at(pointer(2), r);
    builder_.CreateStore(maximum, scratch_at(pointer(1), r));
    builder_.CreateStore(correction, scratch_at(pointer(3), r));
    builder_.CreateStore(builder_.CreateFAdd(builder_.CreateFMul(load_scalar(place), correction), sum),
                         place);
  }

  llvm::Value* exponential(llvm::Value* x) {
    emitter_.vars[kArgument] = x;
    llvm::Value* value = emitter_.emit(exponential_);
    emitter_.vars.erase(kArgument);
    return value;
  }

  llvm::Value* exponential_lanes(llvm::Value* x) {
    emitter_.lanes = {a_.key.var, plan_.lanes, index(0)};
    llvm::Value* value = exponential(x);
    emitter_.lanes = {};
    return value;
  }

  // Vectors of a row, `unroll` at a time, then one by one.
  void over_vectors(llvm::Value* end, int unroll, const std::function<void(llvm::Value* at, int i)>& body) {
    llvm::Value* at = first_;
    for (int count : {unroll, 1}) {
      const int64_t step = static_cast<int64_t>(count) * plan_.lanes;
      llvm::Value* span = builder_.CreateSub(end, at);
      llvm::Value* stop = add(at, builder_.CreateSub(span, builder_.CreateSRem(span, index(step))));
      emit_for(builder_, at, stop, index(step), "vector", [&](llvm::Value* k) {
        for (int i = 0; i < count; ++i) body(add(k, i * plan_.lanes), i);
      });
      at = stop;
    }
  }

  // The scores in place of the products; gives their maximum. In the last vector, lanes beyond the keys hold
  // the lowest score.
  llvm::Value* write_scores(llvm::Value* scores) {
    constexpr int kUnroll = 2;
    llvm::AllocaInst* maxima[kUnroll];
    for (llvm::AllocaInst*& slot : maxima) {
      slot = emitter_.slot(vector_, "maximum");
      builder_.CreateStore(splat(lowest_), slot);
    }
    auto update = [&](llvm::Value* k, int i, llvm::Value* mask) {
      llvm::Value* place = scratch_at(scores, k);
      emitter_.lanes = {a_.key.var, plan_.lanes, add(k, number(3)), mask};
      emitter_.vars[a_.product] = load_vector(place);
      llvm::Value* score = emitter_.emit_vector(score_);
      emitter_.lanes = {};
      emitter_.vars.erase(a_.product);
      if (mask) score = builder_.CreateSelect(mask, score, splat(lowest_));
      store(score, place);
      llvm::Value* maximum = builder_.CreateLoad(vector_, maxima[i]);
      builder_.CreateStore(larger(builder_, score, maximum), maxima[i]);
    };
    llvm::Value* left = builder_.CreateAnd(last_, index(plan_.lanes - 1));
    llvm::Value* whole = builder_.CreateSub(last_, left);
    over_vectors(whole, kUnroll, [&](llvm::Value* k, int i) { update(k, i, nullptr); });
    emit_if(builder_, builder_.CreateICmpSGT(left, index(0)), "rest",
            [&] { update(whole, 0, lanes_below(emitter_, left, plan_.lanes)); });
    llvm::Value* maximum =
        larger(builder_, builder_.CreateLoad(vector_, maxima[0]), builder_.CreateLoad(vector_, maxima[1]));
    return reduce(maximum, [&](llvm::Value* a, llvm::Value* b) { return larger(builder_, a, b); });
  }

  // The weights in place of the scores; gives their sum.
  llvm::Value* write_weights(llvm::Value* scores, llvm::Value* shift) {
    constexpr int kUnroll = 4;
    llvm::AllocaInst* sums[kUnroll];
    for (llvm::AllocaInst*& slot : sums) {
      slot = emitter_.slot(vector_, "sum");
      builder_.CreateStore(llvm::Constant::getNullValue(vector_), slot);
    }
    llvm::Value* end =
        builder_.CreateAnd(add(last_, plan_.lanes - 1), index(-static_cast<int64_t>(plan_.lanes)));
    over_vectors(end, kUnroll, [&](llvm::Value* k, int i) {
      llvm::Value* place = scratch_at(scores, k);
      llvm::Value* weight = exponential_lanes(builder_.CreateFSub(load_vector(place), shift));
      store(weight, place);
      builder_.CreateStore(builder_.CreateFAdd(builder_.CreateLoad(vector_, sums[i]), weight), sums[i]);
    });
    auto plus = [&](llvm::Value* a, llvm::Value* b) { return builder_.CreateFAdd(a, b); };
    llvm::Value* parts[kUnroll];
    for (int i = 0; i < kUnroll; ++i) parts[i] = builder_.CreateLoad(vector_, sums[i]);
    return reduce(plus(plus(parts[0], parts[1]), plus(parts[2], parts[3])), plus);
  }

  // Halves the vector until one lane is left.
  template <class Combine>
  llvm::Value* reduce(llvm::Value* vector, const Combine& combine) {
    for (int width = plan_.lanes / 2; width > 0; width /= 2) {
      std::vector<int> low, high;
      for (int i = 0; i < width; ++i) {
        low.push_back(i);
        high.push_back(width + i);
      }
      vector = combine(builder_.CreateShuffleVector(vector, low), builder_.CreateShuffleVector(vector, high));
    }
    return builder_.CreateExtractElement(vector, uint64_t{0});
  }

  Expr exponential_;
  Expr score_;
  llvm::Value* lowest_;
  llvm::Value* first_ = nullptr;  // of the keys of a row of scores, a multiple of the lanes
  llvm::Value* last_ = nullptr;
};

class Values : public AttentionPart {
 public:
  Values(const AttentionProblem& problem, int rows)
      : AttentionPart(problem, "values" + std::to_string(rows), 3, 4), rows_(rows) {
    at_batch(number(0));
  }

  llvm::Function* run() {
    const int most = std::max(1, std::min(rows_ == 1 ? 8 : 4, 16 / rows_));
    const int total = static_cast<int>(plan_.columns) / plan_.lanes;
    for (int done = 0; done < total;) {
      const int vectors = std::min(most, total - done);
      // Few accumulators do not hide the latency of the additions: several keys at a time do.
      const int keys = std::clamp(8 / (rows_ * vectors), 1, 4);
      columns(done, vectors, keys);
      done += vectors;
    }
    return finish();
  }

 private:
  void columns(int first, int vectors, int keys) {
    llvm::Value* results = scratch_at(pointer(1), int64_t{first} * plan_.lanes);
    std::vector<std::vector<llvm::AllocaInst*>> sums(static_cast<size_t>(keys));
    for (int r = 0; r < rows_; ++r) {
      llvm::Value* correction = splat(load_scalar(scratch_at(pointer(2), r)));
      for (int v = 0; v < vectors; ++v) {
        for (size_t k = 0; k < sums.size(); ++k) {
          sums[k].push_back(emitter_.slot(vector_, "sum"));
          llvm::Value* before = llvm::Constant::getNullValue(vector_);
          if (k == 0) before = builder_.CreateFMul(load_vector(scratch_at(results, place(r, v))), correction);
          builder_.CreateStore(before, sums[k].back());
        }
      }
    }
    llvm::Value* count = builder_.CreateSub(number(3), number(2));
    llvm::Value* whole = builder_.CreateSub(number(3), builder_.CreateSRem(count, index(keys)));
    llvm::Value* column = index(int64_t{first} * plan_.lanes);
    emit_for(builder_, number(2), whole, index(keys), "keys", [&](llvm::Value* key) {
      for (int k = 0; k < keys; ++k) multiply(add(key, k), column, vectors, sums[static_cast<size_t>(k)]);
    });
    if (keys > 1) {
      emit_for(builder_, whole, number(3), index(1), "key",
               [&](llvm::Value* key) { multiply(key, column, vectors, sums[0]); });
    }
    for (int r = 0; r < rows_; ++r) {
      for (int v = 0; v < vectors; ++v) {
        llvm::Value* total = nullptr;
        for (const auto& part : sums) {
          llvm::Value* sum = builder_.CreateLoad(vector_, part[static_cast<size_t>(r * vectors + v)]);
          total = total ? builder_.CreateFAdd(total, sum) : sum;
        }
        store(total, scratch_at(results, place(r, v)));
      }
    }
  }

  int64_t place(int row, int vector) const { return row * plan_.columns + int64_t{vector} * plan_.lanes; }

  void multiply(llvm::Value* key, llvm::Value* column, int vectors,
                const std::vector<llvm::AllocaInst*>& sums) {
    const DType type = type_of(a_.v);
    llvm::Value* row = address(a_.v, a_.key, key, a_.column, column);
    const int64_t first = llvm::cast<llvm::ConstantInt>(column)->getSExtValue();
    std::vector<llvm::Value*> values;
    for (int v = 0; v < vectors; ++v) {
      const int64_t offset = int64_t{v} * plan_.lanes;
      values.push_back(load_operand(element_at(row, type, index(offset)), type, plan_.lanes,
                                    a_.column.extent.value() - first - offset));
    }
    llvm::Value* weights = scratch_at(pointer(0), builder_.CreateSub(key, number(1)));
    for (int r = 0; r < rows_; ++r) {
      llvm::Value* weight = load_splat(scratch_at(weights, r * plan_.score_stride), a_.accumulator_type);
      for (int v = 0; v < vectors; ++v) {
        llvm::AllocaInst* sum = sums[static_cast<size_t>(r * vectors + v)];
        builder_.CreateStore(
            multiply_add(emitter_, weight, values[static_cast<size_t>(v)], builder_.CreateLoad(vector_, sum)),
            sum);
      }
    }
  }

  int rows_;
};

class Finish : public AttentionPart {
 public:
  explicit Finish(const AttentionProblem& problem) : AttentionPart(problem, "finish", 2, 3) {}

  llvm::Function* run() {
    at_batch(number(0));
    emit_for(builder_, index(0), number(2), index(1), "row", [&](llvm::Value* r) {
      at_row(add(number(1), r));
      llvm::Value* sum = load_scalar(scratch_at(pointer(1), r));
      llvm::Value* factor = splat(builder_.CreateFDiv(number_of(1), sum));
      llvm::Value* zero = splat_condition(is_zero(sum));
      llvm::Value* results = scratch_at(pointer(0), mul(r, plan_.columns));
      const int64_t columns = a_.column.extent.value();
      const int64_t whole = columns / plan_.lanes * plan_.lanes;
      emit_for(builder_, index(0), index(whole), index(plan_.lanes), "column",
               [&](llvm::Value* c) { write(results, c, factor, zero, nullptr); });
      if (whole < columns) {
        write(results, index(whole), factor, zero,
              lanes_below(emitter_, index(columns - whole), plan_.lanes));
      }
    });
    return finish();
  }

 private:
  // Whether the row gives zeros whatever its results are.
  llvm::Value* is_zero(llvm::Value* sum) {
    switch (a_.guard) {
      case ir::RowGuard::kNone:
        break;
      case ir::RowGuard::kNoKeys:
        return builder_.CreateFCmpOEQ(sum, number_of(0));
      case ir::RowGuard::kNotANumber:
        return builder_.CreateNot(builder_.CreateFCmpOGT(sum, number_of(0)));
    }
    // A product over no keys at all.
    return builder_.CreateICmpEQ(emitter_.dim(a_.key.extent), index(0));
  }

  llvm::Value* splat_condition(llvm::Value* condition) {
    return builder_.CreateVectorSplat(static_cast<unsigned>(plan_.lanes), condition);
  }

  void write(llvm::Value* results, llvm::Value* column, llvm::Value* factor, llvm::Value* zero,
             llvm::Value* mask) {
    llvm::Value* result = builder_.CreateFMul(load_vector(scratch_at(results, column)), factor);
    emitter_.lanes = {a_.column.var, plan_.lanes, column, mask};
    emitter_.vars[a_.result] = builder_.CreateSelect(zero, llvm::Constant::getNullValue(vector_), result);
    emitter_.store(a_.out.buffer, a_.out.index, emitter_.emit_vector(a_.epilogue));
    emitter_.lanes = {};
  }
};

}  // namespace

llvm::Function* attention_weights(const AttentionProblem& problem) {
  if (auto* known = problem.module.getFunction(problem.name + ".weights")) return known;
  return Weights(problem).run();
}

llvm::Function* attention_values(const AttentionProblem& problem, int rows) {
  if (auto* known = problem.module.getFunction(problem.name + ".values" + std::to_string(rows))) return known;
  return Values(problem, rows).run();
}

llvm::Function* attention_finish(const AttentionProblem& problem) {
  if (auto* known = problem.module.getFunction(problem.name + ".finish")) return known;
  return Finish(problem).run();
}

}  // namespace dlc::codegen

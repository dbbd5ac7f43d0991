// Generated attention kernels against what they stand for (a contraction, a softmax and a contraction in the
// interpreter, summed in double): odd sizes, several blocks of keys, symbolic extents, layouts, masks, types.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "passes/choose_schedules.h"
#include "tests/unit/codegen/kernel_runner.h"

namespace dlc {
namespace {

using ir::Dim;
using ir::Expr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

enum class Storage { kHeadsOutside, kHeadsInside, kKeysTransposed };
enum class Mask { kNone, kKeys, kFull, kBool };

struct Sizes {
  int64_t batch = 2, heads = 2, queries = 5, keys = 7, depth = 8, columns = 8;
  int64_t group = 1;  // query heads that share a key
  bool symbolic = false;
  Storage storage = Storage::kHeadsInside;
  Mask mask = Mask::kNone;
  bool causal = false;
  int64_t window = -1;
  ir::RowGuard guard = ir::RowGuard::kNone;
  DType type = DType::kFloat;
};

std::string describe(const Sizes& s) {
  return fmt::format(
      "batch {} heads {}x{} queries {} keys {} depth {} columns {} symbolic {} storage {} mask {} causal {} "
      "window {} {}",
      s.batch, s.heads, s.group, s.queries, s.keys, s.depth, s.columns, s.symbolic,
      static_cast<int>(s.storage), static_cast<int>(s.mask), s.causal, s.window, name(s.type));
}

class Model {
 public:
  explicit Model(const Sizes& sizes) : s_(sizes) {
    queries_ = extent("queries", s_.queries);
    keys_ = extent("keys", s_.keys);
    batch_ = axis(extent("batch", s_.batch));
    head_ = axis(s_.heads);
    group_ = axis(s_.group);
    row_ = axis(queries_);
    a_.batch = {batch_, head_};
    a_.rows = {group_, row_};
    a_.key = axis(keys_);
    a_.depth = axis(s_.depth);
    a_.column = axis(s_.columns);
    a_.q = {input(DType(s_.type), {batch_.extent, s_.heads, s_.group, queries_, s_.depth}),
            {v(batch_), v(head_), v(group_), v(row_), v(a_.depth)}};
    a_.k = keyed(a_.depth, s_.storage == Storage::kKeysTransposed);
    a_.v = keyed(a_.column, false);
    score();
    a_.guard = s_.guard;
    a_.result = p_.fresh_var();
    a_.epilogue = ir::cast(ir::var(a_.result, a_.accumulator_type), s_.type);
    ir::Buffer out;
    out.kind = ir::BufferKind::kOutput;
    out.dtype = s_.type;
    out.shape = {batch_.extent, queries_, s_.heads, s_.group, s_.columns};
    out.border_index = 0;
    a_.out = {p_.add_buffer(out), {v(batch_), v(row_), v(head_), v(group_), v(a_.column)}};
    p_.main.steps.push_back({ir::KernelStep{ir::Kernel{"attention", "test", a_}}});
  }

  ir::Program& program() { return p_; }
  std::vector<Tensor>& inputs() { return inputs_; }
  const std::map<std::string, int64_t>& symbols() const { return symbols_; }

 private:
  Dim extent(const std::string& name, int64_t value) {
    if (!s_.symbolic) return value;
    symbols_[name] = value;
    p_.symbols[name].from_input = true;
    return Dim::symbol(name);
  }
  ir::LoopAxis axis(const Dim& extent) { return {p_.fresh_var(), extent}; }
  static Expr v(const ir::LoopAxis& axis) { return ir::var(axis.var); }

  ir::BufferId input(DType type, const ir::Shape& shape) {
    ir::Buffer buffer;
    buffer.kind = ir::BufferKind::kInput;
    buffer.dtype = type;
    buffer.shape = shape;
    buffer.border_index = static_cast<int>(inputs_.size());
    std::vector<int64_t> extents;
    for (const Dim& dim : shape)
      extents.push_back(dim.evaluate([&](const std::string& name) { return symbols_.at(name); }));
    const Tensor floats = test::random_floats(extents, static_cast<uint32_t>(inputs_.size() + 1));
    Tensor tensor(type, extents);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if (type == DType::kBool) tensor.set_int(i, floats.get_double(i) > -0.5);
      if (type != DType::kBool) tensor.set_double(i, 2 * floats.get_double(i));
    }
    inputs_.push_back(std::move(tensor));
    return p_.add_buffer(std::move(buffer));
  }

  // Keys or values: as [batch, keys, heads, size] a projection leaves them, or with heads outside.
  ir::Element keyed(const ir::LoopAxis& size, bool transposed) {
    if (transposed) {
      return {input(s_.type, {batch_.extent, s_.heads, size.extent, keys_}),
              {v(batch_), v(head_), v(size), v(a_.key)}};
    }
    if (s_.storage == Storage::kHeadsInside) {
      return {input(s_.type, {batch_.extent, keys_, s_.heads, size.extent}),
              {v(batch_), v(a_.key), v(head_), v(size)}};
    }
    return {input(s_.type, {batch_.extent, s_.heads, keys_, size.extent}),
            {v(batch_), v(head_), v(a_.key), v(size)}};
  }

  void score() {
    a_.accumulator_type = s_.type == DType::kDouble ? DType::kDouble : DType::kFloat;
    a_.product = p_.fresh_var();
    const DType type = a_.accumulator_type;
    a_.score = ir::var(a_.product, type) * ir::constant(type, 0.5);
    if (s_.mask == Mask::kKeys) {
      a_.score = a_.score + ir::load(input(type, {batch_.extent, keys_}), type, {v(batch_), v(a_.key)});
    } else if (s_.mask == Mask::kFull) {
      a_.score =
          a_.score + ir::load(input(type, {s_.heads, queries_, keys_}), type, {v(head_), v(row_), v(a_.key)});
    } else if (s_.mask == Mask::kBool) {
      const Expr seen = ir::load(input(DType::kBool, {queries_, keys_}), DType::kBool, {v(row_), v(a_.key)});
      a_.score = ir::select(seen, a_.score, ir::constant(type, -kInfinity));
    }
    const Expr position = v(row_) + ir::dim(keys_ - queries_);
    if (s_.causal) a_.last_key = position + ir::integer(1);
    if (s_.window >= 0) a_.first_key = position - ir::integer(s_.window);
  }

  Sizes s_;
  ir::Program p_;
  ir::Attention a_;
  ir::LoopAxis batch_, head_, group_, row_;
  Dim queries_, keys_;
  std::vector<Tensor> inputs_;
  std::map<std::string, int64_t> symbols_;
};

void check(const Sizes& sizes, double tolerance = 3e-6) {
  Model model(sizes);
  const Tensor expected = ir::interpret(model.program(), model.inputs(), {.double_accumulation = true})[0];
  passes::choose_schedules(model.program(), {});
  ASSERT_EQ(model.program().main.steps.size(), 1u) << "it is not fused";
  // Buffers end at unreadable pages, or begin at them.
  test::Guard guard = test::Guard::kEnd;
  for (const codegen::Target& target : test::executable_targets()) {
    const Tensor found =
        test::run_kernels(model.program(), target, model.inputs(), model.symbols(), guard)[0];
    EXPECT_LE(test::relative_difference(found, expected), tolerance)
        << describe(sizes) << " on " << target.cpu;
    guard = guard == test::Guard::kEnd ? test::Guard::kBegin : test::Guard::kEnd;
  }
}

struct Lengths {
  int64_t queries, keys;
};

TEST(Attention, HandlesTailsOfQueriesAndKeys) {
  for (const auto& [queries, keys] :
       std::vector<Lengths>{{1, 1}, {1, 33}, {2, 7}, {4, 16}, {5, 33}, {7, 1}, {8, 16}, {13, 33}, {14, 7}}) {
    check({.batch = 1, .queries = queries, .keys = keys});
  }
  for (int64_t length : {63, 64, 65}) check({.queries = length, .keys = length, .depth = 16});
}

TEST(Attention, HandlesHeadSizes) {
  for (int64_t size : {1, 3, 8, 24, 32, 64, 80}) {
    for (int64_t queries : {1, 9}) {
      check({.heads = 1, .queries = queries, .keys = 21, .depth = size, .columns = size});
    }
  }
  check({.queries = 6, .keys = 5, .depth = 8, .columns = 40});
}

TEST(Attention, TakesSymbolicLengths) {
  for (const auto& [queries, keys] :
       std::vector<Lengths>{{0, 20}, {1, 0}, {1, 20}, {3, 1}, {5, 20}, {17, 0}, {140, 20}}) {
    check({.batch = 1,
           .queries = queries,
           .keys = keys,
           .symbolic = true,
           .mask = Mask::kFull,
           .guard = ir::RowGuard::kNoKeys});
  }
  check({.batch = 1, .queries = 2, .keys = 0, .symbolic = true});
  check({.batch = 1, .queries = 9, .keys = 0, .symbolic = true});
}

TEST(Attention, JoinsBlocksOfKeys) {
  for (int64_t queries : {1, 10}) {
    check({.batch = 1, .heads = 1, .queries = queries, .keys = 2500, .symbolic = true});
    check({.batch = 1, .heads = 1, .queries = queries, .keys = 1025, .depth = 4, .mask = Mask::kFull});
  }
}

TEST(Attention, ReadsKeysAsTheyAreStored) {
  for (Storage storage : {Storage::kHeadsOutside, Storage::kHeadsInside, Storage::kKeysTransposed}) {
    for (int64_t queries : {1, 6}) {
      check({.queries = queries, .keys = 19, .depth = 20, .symbolic = queries == 1, .storage = storage});
    }
  }
}

TEST(Attention, MasksKeys) {
  for (Mask mask : {Mask::kKeys, Mask::kFull, Mask::kBool}) {
    for (int64_t queries : {2, 11}) check({.queries = queries, .keys = 37, .mask = mask});
  }
}

TEST(Attention, SharesKeysAmongHeads) {
  check({.queries = 1, .keys = 20, .group = 3});
  check({.queries = 3, .keys = 20, .group = 2, .causal = true});
  check({.queries = 3, .keys = 20, .group = 4, .symbolic = true, .mask = Mask::kFull});
}

TEST(Attention, LeavesOutKeysBeyondTheBounds) {
  for (int64_t queries : {1, 9, 40}) {
    check({.queries = queries, .keys = 40, .causal = true});
    check({.queries = queries, .keys = 40, .symbolic = true, .causal = true, .window = 3});
    check({.queries = queries, .keys = 40, .window = 18});
  }
  check({.batch = 1, .heads = 1, .queries = 3, .keys = 2100, .causal = true, .window = 5});
  // Queries before all keys see none.
  check({.queries = 20, .keys = 4, .causal = true, .guard = ir::RowGuard::kNoKeys});
  check({.queries = 20, .keys = 4, .causal = true, .guard = ir::RowGuard::kNotANumber});
  check({.queries = 20, .keys = 4, .causal = true});
}

TEST(Attention, GuardsRowsWithoutKeysOrNumbers) {
  for (ir::RowGuard guard : {ir::RowGuard::kNone, ir::RowGuard::kNoKeys, ir::RowGuard::kNotANumber}) {
    for (float fill : {-kInfinity, kInfinity, std::nanf("")}) {
      Model model({.batch = 1, .queries = 6, .keys = 18, .mask = Mask::kFull, .guard = guard});
      Tensor& mask = model.inputs().back();
      for (int64_t key = 0; key < 18; ++key) mask.mutable_as<float>()[2 * 18 + key] = fill;
      const Tensor expected = ir::interpret(model.program(), model.inputs())[0];
      passes::choose_schedules(model.program(), {});
      for (const codegen::Target& target : test::executable_targets()) {
        const Tensor found = test::run_kernels(model.program(), target, model.inputs())[0];
        EXPECT_LE(test::relative_difference(found, expected), 3e-6)
            << "guard " << static_cast<int>(guard) << " fill " << fill << " on " << target.cpu;
      }
    }
  }
}

TEST(Attention, ComputesInEveryFloatType) {
  for (int64_t queries : {1, 7}) {
    check({.queries = queries, .keys = 19, .depth = 12, .type = DType::kDouble}, 1e-14);
    check({.queries = queries, .keys = 19, .depth = 12, .type = DType::kFloat16}, 1e-3);
  }
}

TEST(Attention, HandlesLargeSizes) {
  check(
      {.batch = 1, .heads = 1, .queries = 384, .keys = 384, .depth = 64, .columns = 64, .mask = Mask::kKeys});
}

}  // namespace
}  // namespace dlc

#include "passes/schedule/long_sums.h"

#include <algorithm>
#include <optional>

#include "ir/kernel/lower.h"
#include "passes/schedule/access.h"

namespace dlc::passes {

using ir::Block;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::For;
using ir::LoopKind;
using ir::Reduce;
using ir::Stmt;
using ir::VarId;

namespace {

constexpr int64_t kLong = 1024;  // numbers in one accumulator
constexpr int64_t kPart = 256;   // numbers in a partial sum, or a few more
// The same of vector loops, whose lanes are accumulators of their own.
constexpr int64_t kLongVector = 32768;
constexpr int64_t kVectorPart = 8192;

// A loop around a sum of `count` numbers; nothing where it is unknown.
std::optional<int64_t> count_of(const For& loop) {
  std::optional<Dim> extent = extent_of(loop);
  if (!extent || !extent->is_constant()) return std::nullopt;
  int64_t inner = 1;
  for (const Stmt& stmt : loop.body) {
    auto* child = std::get_if<For>(&stmt.node);
    if (child == nullptr) continue;
    std::optional<int64_t> count = count_of(*child);
    if (!count) return std::nullopt;
    inner = std::max(inner, *count);
  }
  int64_t total;
  return __builtin_mul_overflow(inner, extent->value(), &total) ? std::nullopt : std::optional(total);
}

bool adds_to(const Stmt& stmt, VarId sum) {
  bool found = false;
  ir::for_each_stmt(Block{stmt}, [&](const Stmt& inner) {
    auto* reduce = std::get_if<Reduce>(&inner.node);
    found = found || (reduce != nullptr && reduce->var == sum && reduce->combiner == ir::Combiner::kSum);
  });
  return found;
}

// Whether the block uses the sum in another way than adding to it.
bool uses_otherwise(const Block& block, VarId sum) {
  bool found = false;
  ir::visit_exprs(block, [&](const Expr& e) { found = found || ir::uses_var(e, sum); });
  ir::for_each_stmt(block, [&](const Stmt& stmt) {
    if (auto* reduce = std::get_if<Reduce>(&stmt.node))
      found = found || (reduce->var == sum && reduce->combiner != ir::Combiner::kSum);
    if (auto* assign = std::get_if<ir::Assign>(&stmt.node)) found = found || assign->var == sum;
  });
  return found;
}

class Splitter {
 public:
  explicit Splitter(ir::Program& variables) : variables_(variables) {}

  void split(Block& block) {
    for (size_t i = 0; i < block.size(); ++i) {
      if (auto* loop = std::get_if<For>(&block[i].node)) split(loop->body);
      if (auto* branch = std::get_if<ir::If>(&block[i].node)) split(branch->then_body);
      auto* let = std::get_if<ir::Let>(&block[i].node);
      if (let == nullptr || let->value.type() != DType::kFloat) continue;
      const VarId sum = let->var;
      for (size_t j = i + 1; j < block.size(); ++j) {
        auto* loop = std::get_if<For>(&block[j].node);
        if (loop != nullptr && adds_to(block[j], sum) && !uses_otherwise(loop->body, sum))
          split_loop(*loop, sum);
      }
    }
  }

 private:
  // Makes what `loop` adds to `sum` partial sums, of no more numbers than a few times kPart.
  void split_loop(For& loop, VarId sum) {
    std::optional<int64_t> count = count_of(loop);
    if (loop.kind == LoopKind::kVector) {
      if (count && *count > kLongVector) cut(loop, sum, kVectorPart);
      return;
    }
    if (count && *count <= kLong) return;
    bool has_rest = false;  // numbers that are not in a partial sum of an inner loop
    int64_t inner = 1;
    for (size_t i = 0; i < loop.body.size(); ++i) {
      if (!adds_to(loop.body[i], sum)) continue;
      auto* child = std::get_if<For>(&loop.body[i].node);
      std::optional<int64_t> numbers = child != nullptr ? count_of(*child) : 1;
      if (child != nullptr && child->kind == LoopKind::kVector) {
        split_loop(*child, sum);
        continue;
      }
      if (!numbers || *numbers >= kPart) {
        i += add_in_parts(loop.body, i, sum);
      } else {
        has_rest = true;
        inner = std::max(inner, *numbers);
      }
    }
    if (has_rest) cut(loop, sum, std::max<int64_t>(1, kPart / inner));
  }

  // Replaces the loop at block[i] by one into a partial sum of its own. Returns the number of statements
  // more.
  size_t add_in_parts(Block& block, size_t i, VarId sum) {
    const VarId part = variables_.fresh_var();
    For& loop = std::get<For>(block[i].node);
    rename(loop.body, sum, part);
    split_loop(loop, part);
    const auto at = block.begin() + static_cast<std::ptrdiff_t>(i);
    block.insert(at + 1, ir::reduce_into(sum, ir::Combiner::kSum, ir::var(part, DType::kFloat)));
    block.insert(block.begin() + static_cast<std::ptrdiff_t>(i), ir::let(part, ir::real(0)));
    return 2;
  }

  static void rename(Block& block, VarId from, VarId to) {
    ir::for_each_stmt(block, [&](Stmt& stmt) {
      if (auto* reduce = std::get_if<Reduce>(&stmt.node); reduce != nullptr && reduce->var == from)
        reduce->var = to;
    });
  }

  // for i in 0..n becomes chunks of `length` steps, each with a partial sum.
  void cut(For& loop, VarId sum, int64_t length) {
    std::optional<Dim> extent = extent_of(loop);
    if (!extent || loop.kind == LoopKind::kParallel) return;
    const VarId chunk = variables_.fresh_var(), part = variables_.fresh_var();
    rename(loop.body, sum, part);
    const Expr begin = ir::var(chunk) * ir::integer(length);
    For inner{.var = loop.var, .begin = begin, .end = {}, .kind = loop.kind, .body = std::move(loop.body)};
    loop.kind = LoopKind::kSerial;
    inner.end = ir::min(begin + ir::integer(length), ir::dim(*extent));
    loop.var = chunk;
    loop.end = ir::dim(ir::ceil_div(*extent, Dim(length)));
    loop.body = {ir::let(part, ir::real(0)),
                 {std::move(inner)},
                 ir::reduce_into(sum, ir::Combiner::kSum, ir::var(part, DType::kFloat))};
  }

  ir::Program& variables_;
};

}  // namespace

void split_long_sums(Block& block, ir::Program& variables) { Splitter(variables).split(block); }

}  // namespace dlc::passes

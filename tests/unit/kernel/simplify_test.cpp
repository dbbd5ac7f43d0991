#include "ir/kernel/simplify.h"

#include <gtest/gtest.h>

#include <random>

#include "ir/kernel/scalar_code.h"
#include "ir/kernel/text.h"

namespace dlc::ir {
namespace {

// v0 in [0, 8), v1 in [0, 64), v2 in [0, n), v3 in [0, n * 4); bool v4; u8 v5.
VarRanges ranges() {
  const Dim n = Dim::symbol("n");
  const auto up_to = [](const Dim& extent) { return Interval{Dim(0), extent - 1}; };
  return {{VarId(0), up_to(8)}, {VarId(1), up_to(64)}, {VarId(2), up_to(n)}, {VarId(3), up_to(n * 4)}};
}

Expr parse(std::string_view text) {
  const std::string program = R"(program "p"
    %0 = output bool[] "sink"
    %1 = input f32[4] "x"
    %2 = input u8[4] "u"
    %3 = input i32[4] "i"
    %4 = input f16[4] "h"
    kernel "k" "" {
      for v0 in 0..8 { for v1 in 0..64 { for v2 in 0..{n} { for v3 in 0..{4*n} {
        let v9 = )" + std::string(text) +
                              "}}}}}";
  Program parsed = parse_program(program);
  Expr result;
  for_each_stmt(std::get<LoopNest>(std::get<KernelStep>(parsed.main.steps[0].node).kernel.body).body,
                [&](Stmt& stmt) {
                  if (auto* let = std::get_if<Let>(&stmt.node)) result = let->value;
                });
  return result;
}

std::string simplified(std::string_view text) { return to_string(simplify(parse(text), ranges())); }

struct Case {
  std::string_view before;
  std::string_view after;
};

TEST(Simplify, KnownForms) {
  const Case cases[] = {
      // sums
      {"v1 + v0 * 3 - v1 + 2 - {n}", "v0 * 3 + {-n + 2}"},
      {"(v0 + 1) * 4 - 4", "v0 * 4"},
      {"3 - v0", "v0 * -1 + 3"},
      // division
      {"floordiv(v0 * 64 + v1, 64)", "v0"},
      {"mod(v0 * 64 + v1, 64)", "v1"},
      {"floordiv(v0 * 64 + v1, 16)", "v0 * 4 + floordiv(v1, 16)"},
      {"mod(v0 * 64 + v1, 16)", "mod(v1, 16)"},
      {"floordiv(v1 * 4 + 6, 8)", "floordiv(v1 + 1, 2)"},
      {"mod(v1 * 4 + 6, 8)", "mod(v1 + 1, 2) * 4 + 2"},
      {"floordiv(floordiv(v1, 4), 8)", "floordiv(v1, 32)"},
      {"mod(mod(v1, 32), 4)", "mod(v1, 4)"},
      {"floordiv(v1, 16) * 16 + mod(v1, 16)", "v1"},
      {"v0 * 64 + floordiv(v1, 16) * 32 + mod(v1, 16) * 2", "v0 * 64 + v1 * 2"},
      {"floordiv(v0 * {n} + v2, {n})", "v0"},
      {"mod(v0 * {n} + v2, {n})", "v2"},
      {"floordiv(v0 - 8, 8)", "-1"},
      {"v1 / 64", "0"},
      {"truncmod(v1, 128)", "v1"},
      {"(v1 - 70) / 3", "(v1 - 70) / 3"},
      {"floordiv(v3, {n})", "floordiv(v3, {n})"},
      // ranges
      {"select(v2 < {n}, v2, 0)", "v2"},
      {"select(v2 >= {n}, v2, 0)", "0"},
      {"select({n} == 1, 0, v2)", "select({n} == 1, 0, v2)"},
      {"select(and(v0 >= 0, v0 < 4), 1, 2)", "select(v0 < 4, 1, 2)"},
      {"min(v0, 7)", "v0"},
      {"max(v0 - 3, -3)", "v0 - 3"},
      {"min(v2, {n})", "v2"},
      {"min(max(v0, 3), 5)", "min(max(v0, 3), 5)"},
      {"select(not(v0 < 3), 1, 2)", "select(v0 < 3, 2, 1)"},
      {"i64(%2[0]) < 256", "true"},
      // casts
      {"i64(i32(%2[0]))", "i64(%2[0])"},
      {"f16(f32(%4[0]))", "%4[0]"},
      {"i8(f32(%2[0]))", "i8(f32(%2[0]))"},
      {"f32(f16(%1[0]))", "f32(f16(%1[0]))"},
      // floats
      {"%1[v0 + 0] * 1.0 - 0.0", "%1[v0]"},
      {"%1[0] + 0.0", "%1[0] + 0.0"},
      {"%1[0] / 8.0", "%1[0] * 0.125"},
      {"%1[0] / 3.0", "%1[0] / 3.0"},
      {"pow(%1[0], 2.0)", "%1[0] * %1[0]"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(simplified(c.before), c.after) << c.before;
    EXPECT_EQ(simplified(c.after), c.after) << "not idempotent";
  }
}

TEST(Simplify, DropsBranchesOfConstantCondition) {
  Program program = parse_program(R"(program "p"
    %0 = output f32[8] "y"
    kernel "k" "" {
      for v0 in 0..8 {
        if v0 < 8 { %0[v0] = 1.0 }
        if v0 > 8 { %0[v0] = 2.0 }
        if v0 > 4 { %0[v0] = 3.0 }
      }
    })");
  Kernel& kernel = std::get<KernelStep>(program.main.steps[0].node).kernel;
  simplify(kernel);
  EXPECT_EQ(to_text(kernel), R"(kernel "k" "" {
  for v0 in 0..8 {
    %0[v0] = 1.0
    if v0 > 4 {
      %0[v0] = 3.0
    }
  }
}
)");
}

// A random index expression of v0 .. v3 and n.
Expr random_index(std::mt19937& random, int depth) {
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  if (depth == 0 || pick(6) == 0) {
    const int leaf = pick(6);
    if (leaf < 4) return var(VarId(leaf));
    return leaf == 4 ? dim(Dim::symbol("n") * Dim(1 + pick(3))) : integer(pick(40) - 12);
  }
  const Expr a = random_index(random, depth - 1), b = random_index(random, depth - 1);
  const Expr positive = pick(3) == 0 ? dim(Dim::symbol("n") * Dim(1 + pick(3))) : integer(1 + pick(70));
  switch (pick(9)) {
    case 0:
    case 1:
      return a + b;
    case 2:
      return a - b;
    case 3:
      return a * integer(pick(20) - 6);
    case 4:
      return binary(ExprOp::kFloorDiv, a, positive);
    case 5:
      return binary(ExprOp::kMod, a, positive);
    case 6:
      return binary(pick(2) == 0 ? ExprOp::kDiv : ExprOp::kTruncMod, a, positive);
    case 7:
      return pick(2) == 0 ? min(a, b) : max(a, b);
    default:
      return select(binary(static_cast<ExprOp>(static_cast<int>(ExprOp::kEq) + pick(6)), a, b), a, b);
  }
}

int64_t evaluate(const Expr& e, const std::vector<int64_t>& vars, int64_t n) {
  ScalarCode code;
  const CodeRange range = code.compile(e);
  std::vector<int32_t> places;
  for (int v = 0; v < 4; ++v) places.push_back(code.register_of(VarId(v)));
  std::vector<Scalar> registers = code.initial_registers();
  for (size_t v = 0; v < 4; ++v) registers[static_cast<size_t>(places[v])].integer = vars[v];
  for (const auto& [dim, place] : code.dims()) {
    registers[static_cast<size_t>(place)].integer = dim.evaluate([n](const std::string&) { return n; });
  }
  code.run(range, registers, {});
  return registers[static_cast<size_t>(range.result)].integer;
}

TEST(Simplify, KeepsTheValuesOfRandomIndices) {
  const uint32_t seed = 20240611;
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 3000; ++round) {
    const Expr e = random_index(random, 4);
    const Expr s = simplify(e, ranges());
    ASSERT_TRUE(same(simplify(s, ranges()), s)) << "seed " << seed << ": " << to_string(e) << " -> "
                                                << to_string(s) << " -> " << to_string(simplify(s, ranges()));
    for (int sample = 0; sample < 4; ++sample) {
      const int64_t n = 1 + random() % 9;
      const std::vector<int64_t> vars = {static_cast<int64_t>(random() % 8),
                                         static_cast<int64_t>(random() % 64),
                                         static_cast<int64_t>(random() % static_cast<uint64_t>(n)),
                                         static_cast<int64_t>(random() % static_cast<uint64_t>(4 * n))};
      ASSERT_EQ(evaluate(e, vars, n), evaluate(s, vars, n))
          << "seed " << seed << ", n " << n << ": " << to_string(e) << " -> " << to_string(s);
    }
  }
}

TEST(Simplify, RulesHaveNames) {
  for (const SimplifyRule& rule : simplify_rules()) EXPECT_FALSE(rule.name.empty());
}

}  // namespace
}  // namespace dlc::ir

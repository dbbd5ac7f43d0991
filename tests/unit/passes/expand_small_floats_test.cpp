// Conversions in integer arithmetic against the formats' own encoder and decoder, bit by bit.
#include "passes/expand_small_floats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "runtime/small_floats.h"

namespace dlc {
namespace {

using ir::Expr;
using ir::ExprOp;

constexpr DType kSmallFloats[] = {DType::kFloat16,        DType::kBfloat16,   DType::kFloat8E4M3FN,
                                  DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2, DType::kFloat8E5M2FNUZ,
                                  DType::kFloat8E8M0,     DType::kFloat4E2M1};

// No small float takes part in anything but loads, selections and bit patterns.
bool is_expanded(const Expr& e) {
  bool result = true;
  const auto is_small = [](DType type) { return is_float(type) && bit_width(type) < 32; };
  ir::visit(e, [&](const ir::ExprNode& node) {
    const bool moves = node.op == ExprOp::kLoad || node.op == ExprOp::kSelect || node.op == ExprOp::kBitcast;
    if (node.args.empty() || moves) return;
    result = result && !is_small(node.type) && !is_small(node.args.back().type());
  });
  return result;
}

// out[i] = f(in[i]), with f expanded.
template <class F>
Tensor evaluate(const Tensor& in, DType out_type, F f) {
  ir::Program p;
  const ir::Shape shape = {in.size()};
  const ir::BufferId a = p.add_buffer(
      {.name = "x", .kind = ir::BufferKind::kInput, .dtype = in.dtype(), .shape = shape, .border_index = 0});
  const ir::BufferId b = p.add_buffer(
      {.name = "x", .kind = ir::BufferKind::kOutput, .dtype = out_type, .shape = shape, .border_index = 0});
  const ir::VarId v = p.fresh_var();
  const Expr value = passes::expand_small_floats(f(ir::load(a, in.dtype(), {ir::var(v)})), {});
  EXPECT_TRUE(is_expanded(value)) << ir::to_string(value);
  ir::LoopNest nest{ir::nest({v}, shape, 1, {ir::store(b, {ir::var(v)}, value)})};
  p.main.steps.push_back({ir::KernelStep{ir::Kernel{"f", "", nest}}});
  return ir::interpret(p, {in})[0];
}

Tensor all_codes(DType type) {
  const int64_t count = int64_t{1} << bit_width(type);
  Tensor codes(type, {count});
  for (int64_t i = 0; i < count; ++i) {
    if (bit_width(type) == 16) codes.mutable_as<uint16_t>()[i] = static_cast<uint16_t>(i);
    if (bit_width(type) == 8) codes.mutable_as<uint8_t>()[i] = static_cast<uint8_t>(i);
    if (bit_width(type) == 4) codes.mutable_as<uint8_t>()[i / 2] |= static_cast<uint8_t>(i << (i % 2 * 4));
  }
  return codes;
}

// NaN has many codes.
bool same_number(DType type, uint16_t a, uint16_t b) {
  return a == b || (std::isnan(decode_small_float(type, a)) && std::isnan(decode_small_float(type, b)));
}

uint16_t code_at(const Tensor& tensor, int64_t i) {
  if (bit_width(tensor.dtype()) == 16) return tensor.as<uint16_t>()[i];
  if (bit_width(tensor.dtype()) == 8) return tensor.as<uint8_t>()[i];
  return static_cast<uint16_t>((tensor.as<uint8_t>()[i / 2] >> (i % 2 * 4)) & 15);
}

TEST(ExpandSmallFloats, DecodesEveryCode) {
  for (DType type : kSmallFloats) {
    const Tensor codes = all_codes(type);
    for (DType wide : {DType::kFloat, DType::kDouble}) {
      const Tensor values = evaluate(codes, wide, [&](const Expr& x) { return ir::cast(x, wide); });
      for (int64_t i = 0; i < codes.size(); ++i) {
        const double expected = decode_small_float(type, static_cast<uint16_t>(i));
        const double found = values.get_double(i);
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(found)) << name(type) << " " << i;
        } else {
          EXPECT_EQ(found, expected) << name(type) << " " << i;
          EXPECT_EQ(std::signbit(found), std::signbit(expected)) << name(type) << " " << i;
        }
      }
    }
  }
}

// Every code, every middle between two codes, and their neighbours, of both signs; what is special; noise.
std::vector<double> hard_values(DType type) {
  std::vector<double> values = {0.0, -0.0, INFINITY, -INFINITY, 5e-324, 1e-310, 1e300, -1e300, 1e-46, 3e38};
  const int sign = 1 << (bit_width(type) - 1);
  const int codes = type == DType::kFloat8E8M0 ? 255 : sign;
  for (int code = 0; code < codes; ++code) {
    const double low = decode_small_float(type, static_cast<uint16_t>(code));
    const double high =
        code + 1 < codes ? decode_small_float(type, static_cast<uint16_t>(code + 1)) : 2 * low;
    if (!std::isfinite(low)) continue;
    for (double value : {low, (low + (std::isfinite(high) ? high : 2 * low)) / 2}) {
      for (double near : {value, std::nextafter(value, 0.0), std::nextafter(value, HUGE_VAL),
                          static_cast<double>(std::nextafter(static_cast<float>(value), 0.0f)),
                          static_cast<double>(std::nextafter(static_cast<float>(value), HUGE_VALF))}) {
        values.push_back(near);
        values.push_back(-near);
      }
    }
  }
  std::mt19937_64 generator(11);
  for (int i = 0; i < 2000; ++i) values.push_back(std::bit_cast<double>(generator()));
  std::normal_distribution<double> normal(0, 100);
  for (int i = 0; i < 2000; ++i) values.push_back(normal(generator));
  return values;
}

TEST(ExpandSmallFloats, EncodesInOneRounding) {
  for (DType type : kSmallFloats) {
    const std::vector<double> values = hard_values(type);
    for (DType wide : {DType::kFloat, DType::kDouble}) {
      Tensor x(wide, {static_cast<int64_t>(values.size())});
      for (int64_t i = 0; i < x.size(); ++i) x.set_double(i, values[static_cast<size_t>(i)]);
      const Tensor codes = evaluate(x, type, [&](const Expr& e) { return ir::cast(e, type); });
      for (int64_t i = 0; i < x.size(); ++i) {
        const double value = x.get_double(i);
        EXPECT_TRUE(same_number(type, code_at(codes, i), encode_small_float(type, value)))
            << name(wide) << " " << value << " to " << name(type) << " (seed 11)";
      }
    }
  }
}

TEST(ExpandSmallFloats, ConvertsIntegersWithoutADoubleRounding) {
  for (DType type : kSmallFloats) {
    Tensor x(DType::kInt32, {4096});
    std::mt19937 generator(12);
    for (int64_t i = 0; i < x.size(); ++i) {
      x.mutable_as<int32_t>()[i] = static_cast<int32_t>(generator()) >> (generator() % 31);
    }
    const Tensor codes = evaluate(x, type, [&](const Expr& e) { return ir::cast(e, type); });
    for (int64_t i = 0; i < x.size(); ++i) {
      EXPECT_TRUE(same_number(type, code_at(codes, i), encode_small_float(type, x.get_double(i))))
          << x.get_int(i) << " to " << name(type) << " (seed 12)";
    }
  }
}

TEST(ExpandSmallFloats, ComputesInFloat32) {
  const Tensor codes = all_codes(DType::kFloat16);
  const Tensor sums = evaluate(codes, DType::kFloat16, [](const Expr& x) {
    return ir::max(x + ir::real(1, DType::kFloat16), ir::real(0, DType::kFloat16));
  });
  for (int64_t i = 0; i < codes.size(); ++i) {
    const double x = codes.get_double(i);
    if (std::isnan(x)) continue;
    EXPECT_EQ(code_at(sums, i), encode_small_float(DType::kFloat16, std::max(x + 1, 0.0))) << x;
  }
}

}  // namespace
}  // namespace dlc

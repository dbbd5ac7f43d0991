// Minimal filtering F(m, 3): m neighbouring outputs of a window of three taps from m + 2 multiplications.
//
// y = A' ((G g) * (B' d)) with m + 2 inputs d and three taps g (Lavin and Gray 2015; matrices by the
// construction of Toom and Cook). The points are 0, infinity and pairs p, -p, which share most of their
// arithmetic: 0, 1, -1 for m = 2; 0, 1/sqrt(2), -1/sqrt(2), sqrt(2), -sqrt(2) for m = 4, whose error is that
// of the direct sum, while the customary 0, 1, -1, 2, -2 has ten times as much.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "ir/kernel/expr.h"

namespace dlc::passes {

// How expressions are put together.
struct Arithmetic {
  std::function<ir::Expr(const ir::Expr&)> bind;  // gives an intermediate value a name
  bool has_fma = true;

  ir::Expr multiply_add(const ir::Expr& value, double factor, const ir::Expr& sum) const;
};

struct WinogradTransform {
  std::vector<double> points;  // the positive one of every pair
  // Of the polynomials prod (x^2 - q^2) over all points q but one, and over all of them (last): coefficients
  // of x^0, x^2, ...
  std::vector<std::vector<double>> even = {};

  int outputs() const { return 2 * static_cast<int>(points.size()); }  // m
  int size() const { return outputs() + 2; }

  // The elements of a transformed vector are ordered: point 0, each pair p, -p, infinity.
  std::vector<double> weights(const std::array<double, 3>& taps) const;  // G g
  // B' d and A' x.
  std::vector<ir::Expr> input(std::span<const ir::Expr> d, const Arithmetic& arithmetic) const;
  std::vector<ir::Expr> output(std::span<const ir::Expr> x, const Arithmetic& arithmetic) const;
};

// m is 2 or 4.
WinogradTransform winograd_transform(int m);

}  // namespace dlc::passes

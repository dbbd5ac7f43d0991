// Minimal filtering F(m, r): m neighbouring outputs of a window of r taps from m + r - 1 multiplications.
//
// y = A' ((G g) * (B' d)) with m + r - 1 inputs d and r taps g (Lavin and Gray 2015; matrices by the
// construction of Toom and Cook). The points are 0, infinity and pairs p, -p, which share most of their
// arithmetic: 0, 1, -1 for four multiplications; 0, 1/sqrt(2), -1/sqrt(2), sqrt(2), -sqrt(2) for six, whose
// error is that of the direct sum, while the customary 0, 1, -1, 2, -2 has ten times as much.
#pragma once

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
  int taps = 3;                     // r
  std::vector<double> points = {};  // the positive one of every pair
  // Of the polynomials prod (x^2 - q^2) over all points q but one, and over all of them (last): coefficients
  // of x^0, x^2, ...
  std::vector<std::vector<double>> even = {};

  int size() const { return 2 * static_cast<int>(points.size()) + 2; }
  int outputs() const { return size() - taps + 1; }  // m

  // The elements of a transformed vector are ordered: point 0, each pair p, -p, infinity.
  std::vector<double> weights(std::span<const double> g) const;  // G g
  std::vector<ir::Expr> weights(std::span<const ir::Expr> g, const Arithmetic& arithmetic) const;
  // B' d and A' x.
  std::vector<ir::Expr> input(std::span<const ir::Expr> d, const Arithmetic& arithmetic) const;
  std::vector<ir::Expr> output(std::span<const ir::Expr> x, const Arithmetic& arithmetic) const;
};

// F(2, 3), F(4, 3) or F(2, 5).
WinogradTransform winograd_transform(int m, int taps);

}  // namespace dlc::passes

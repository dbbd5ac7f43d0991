#include "passes/schedule/winograd_transform.h"

#include <cmath>

#include "runtime/error.h"

namespace dlc::passes {

using ir::Expr;

namespace {

// prod (y - q^2) over the points but the one numbered `skipped`: coefficients of y^0, y^1, ...
std::vector<double> product_of_squares(const std::vector<double>& points, size_t skipped) {
  std::vector<double> polynomial = {1};
  for (size_t i = 0; i < points.size(); ++i) {
    if (i == skipped) continue;
    std::vector<double> longer(polynomial.size() + 1, 0);
    for (size_t k = 0; k < polynomial.size(); ++k) {
      longer[k + 1] += polynomial[k];
      longer[k] -= polynomial[k] * points[i] * points[i];
    }
    polynomial = std::move(longer);
  }
  return polynomial;
}

double evaluate(const std::vector<double>& polynomial, double y) {
  double value = 0;
  for (size_t k = polynomial.size(); k-- > 0;) value = value * y + polynomial[k];
  return value;
}

// sum of polynomial[k] * d[first + 2 k]; the leading coefficient is 1.
Expr filtered(const std::vector<double>& polynomial, std::span<const Expr> d, size_t first,
              const Arithmetic& arithmetic) {
  Expr sum = d[first + 2 * (polynomial.size() - 1)];
  for (size_t k = polynomial.size() - 1; k-- > 0;) {
    sum = arithmetic.bind(arithmetic.multiply_add(d[first + 2 * k], polynomial[k], sum));
  }
  return sum;
}

}  // namespace

Expr Arithmetic::multiply_add(const Expr& value, double factor, const Expr& sum) const {
  const auto rounded = static_cast<float>(factor);
  if (rounded == 1) return sum + value;
  if (rounded == -1) return sum - value;
  const Expr constant = ir::real(factor, value.type());
  if (has_fma) return ir::make(ir::ExprOp::kFma, value.type(), {value, constant, sum});
  return sum + value * constant;
}

std::vector<double> WinogradTransform::weights(std::span<const double> g) const {
  const std::vector<double> polynomial(g.begin(), g.end());
  std::vector<double> result = {g[0] / even.back()[0]};
  for (size_t i = 0; i < points.size(); ++i) {
    const double p = points[i];
    const double factor = 2 * p * p * evaluate(even[i], p * p);
    result.push_back(evaluate(polynomial, p) / factor);
    result.push_back(evaluate(polynomial, -p) / factor);
  }
  result.push_back(g.back());
  return result;
}

std::vector<Expr> WinogradTransform::weights(std::span<const Expr> g, const Arithmetic& arithmetic) const {
  // The factors are those of the constants: G of each unit vector.
  std::vector<std::vector<double>> columns;
  for (size_t tap = 0; tap < g.size(); ++tap) {
    std::vector<double> unit(g.size(), 0);
    unit[tap] = 1;
    columns.push_back(weights(unit));
  }
  // A pair p, -p shares what even and what odd taps give.
  auto part = [&](size_t row, size_t first) {
    Expr sum = g[first] * ir::real(columns[first][row], g[first].type());
    for (size_t tap = first + 2; tap < g.size(); tap += 2) {
      sum = arithmetic.multiply_add(g[tap], columns[tap][row], sum);
    }
    return arithmetic.bind(sum);
  };
  std::vector<Expr> result = {arithmetic.bind(g[0] * ir::real(columns[0][0], g[0].type()))};
  for (size_t i = 0; i < points.size(); ++i) {
    const Expr even_taps = part(1 + 2 * i, 0), odd_taps = part(1 + 2 * i, 1);
    result.push_back(arithmetic.bind(even_taps + odd_taps));
    result.push_back(arithmetic.bind(even_taps - odd_taps));
  }
  result.push_back(g.back());
  return result;
}

std::vector<Expr> WinogradTransform::input(std::span<const Expr> d, const Arithmetic& arithmetic) const {
  std::vector<Expr> result = {filtered(even.back(), d, 0, arithmetic)};
  for (size_t i = 0; i < points.size(); ++i) {
    const Expr symmetric = filtered(even[i], d, 2, arithmetic);
    const Expr odd = filtered(even[i], d, 1, arithmetic);
    result.push_back(arithmetic.bind(arithmetic.multiply_add(odd, points[i], symmetric)));
    result.push_back(arithmetic.bind(arithmetic.multiply_add(odd, -points[i], symmetric)));
  }
  result.push_back(filtered(even.back(), d, 1, arithmetic));
  return result;
}

std::vector<Expr> WinogradTransform::output(std::span<const Expr> x, const Arithmetic& arithmetic) const {
  std::vector<Expr> sums, differences;
  for (size_t i = 0; i < points.size(); ++i) {
    sums.push_back(arithmetic.bind(x[1 + 2 * i] + x[2 + 2 * i]));
    differences.push_back(arithmetic.bind(x[1 + 2 * i] - x[2 + 2 * i]));
  }
  std::vector<Expr> result;
  for (int k = 0; k < outputs(); ++k) {
    Expr sum;
    if (k == 0) sum = x.front();
    if (k == outputs() - 1) sum = x.back();
    for (size_t i = 0; i < points.size(); ++i) {
      const Expr& term = k % 2 ? differences[i] : sums[i];
      const double factor = std::pow(points[i], k);
      if (sum) {
        sum = arithmetic.multiply_add(term, factor, sum);
      } else {
        sum = static_cast<float>(factor) == 1 ? term : term * ir::real(factor, term.type());
      }
    }
    result.push_back(arithmetic.bind(sum));
  }
  return result;
}

WinogradTransform winograd_transform(int m, int taps) {
  const int size = m + taps - 1;
  check((taps == 3 || taps == 5) && (size == 4 || size == 6), "F(2, 3), F(4, 3) or F(2, 5)");
  WinogradTransform transform;
  transform.taps = taps;
  transform.points = size == 4 ? std::vector<double>{1} : std::vector<double>{std::sqrt(0.5), std::sqrt(2.0)};
  for (size_t i = 0; i <= transform.points.size(); ++i) {
    transform.even.push_back(product_of_squares(transform.points, i));
  }
  return transform;
}

}  // namespace dlc::passes

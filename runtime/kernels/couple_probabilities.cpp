#include "runtime/kernels/kernels.h"

namespace {

constexpr int kMaxRounds = 100;

double size_of(double x) { return x < 0 ? -x : x; }

// One row: p minimises the sum over the pairs of (r[j][i] p[i] - r[i][j] p[j])^2. `q` is the matrix of that
// form, `qp` its product with p.
void couple(int64_t n, const float* shares, float* result, double* q, double* qp, double* p) {
  const auto share = [&](int64_t i, int64_t j) {
    const auto pair = [&](int64_t a, int64_t b) { return a * n - a * (a + 1) / 2 + b - a - 1; };
    return i < j ? static_cast<double>(shares[pair(i, j)]) : 1.0 - static_cast<double>(shares[pair(j, i)]);
  };
  for (int64_t i = 0; i < n; ++i) {
    p[i] = 1.0 / static_cast<double>(n);
    q[i * n + i] = 0;
    for (int64_t j = 0; j < n; ++j) {
      if (j == i) continue;
      q[i * n + i] += share(j, i) * share(j, i);
      q[i * n + j] = -share(j, i) * share(i, j);
    }
  }
  const double enough = 0.005 / static_cast<double>(n);
  for (int round = 0; round < kMaxRounds; ++round) {
    double total = 0, worst = 0;
    for (int64_t i = 0; i < n; ++i) {
      qp[i] = 0;
      for (int64_t j = 0; j < n; ++j) qp[i] += q[i * n + j] * p[j];
      total += p[i] * qp[i];
    }
    for (int64_t i = 0; i < n; ++i) {
      if (size_of(qp[i] - total) > worst) worst = size_of(qp[i] - total);
    }
    if (worst < enough) break;
    for (int64_t i = 0; i < n; ++i) {
      const double change = (total - qp[i]) / q[i * n + i], scale = 1 + change;
      p[i] += change;
      total = (total + change * (change * q[i * n + i] + 2 * qp[i])) / scale / scale;
      for (int64_t j = 0; j < n; ++j) {
        qp[j] = (qp[j] + change * q[i * n + j]) / scale;
        p[j] /= scale;
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) result[i] = static_cast<float>(p[i]);
}

}  // namespace

extern "C" int32_t dlc_couple_probabilities(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                            const int64_t* params) {
  const int64_t rows = params[0], classes = params[1], pairs = classes * (classes - 1) / 2;
  const float* shares = static_cast<const float*>(inputs[0].data);
  float* result = static_cast<float*>(outputs[0].data);
  double* q = static_cast<double*>(outputs[1].data);
  for (int64_t row = 0; row < rows; ++row) {
    couple(classes, shares + row * pairs, result + row * classes, q, q + classes * classes,
           q + classes * classes + classes);
  }
  return DLC_OK;
}

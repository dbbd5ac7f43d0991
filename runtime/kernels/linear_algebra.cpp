// Determinants and inverses of square matrices by elimination with partial pivoting.
#include "runtime/kernels/kernels.h"

namespace {

constexpr uint8_t kDoubleType = 11;  // of ONNX's TensorProto.DataType

double size_of(double x) { return x < 0 ? -x : x; }

void swap_rows(double* a, int64_t width, int64_t i, int64_t k) {
  for (int64_t j = 0; j < width; ++j) {
    const double held = a[i * width + j];
    a[i * width + j] = a[k * width + j];
    a[k * width + j] = held;
  }
}

// The row from `first` on with the greatest element in the column.
int64_t pivot_row(const double* a, int64_t n, int64_t width, int64_t first) {
  int64_t best = first;
  for (int64_t i = first + 1; i < n; ++i) {
    if (size_of(a[i * width + first]) > size_of(a[best * width + first])) best = i;
  }
  return best;
}

// Row i -= factor * row k, from a column on.
void subtract_row(double* a, int64_t width, int64_t i, int64_t k, int64_t begin) {
  const double factor = a[i * width + begin] / a[k * width + begin];
  for (int64_t j = begin; j < width; ++j) a[i * width + j] -= factor * a[k * width + j];
}

double determinant(double* a, int64_t n) {
  double result = 1;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t pivot = pivot_row(a, n, n, k);
    if (a[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      swap_rows(a, n, pivot, k);
      result = -result;
    }
    result *= a[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) subtract_row(a, n, i, k, k);
  }
  return result;
}

// `a` is [n, 2 n]: the matrix and beside it the unit matrix, which becomes the inverse. False for a singular
// matrix.
bool invert(double* a, int64_t n) {
  const int64_t width = 2 * n;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t pivot = pivot_row(a, n, width, k);
    if (a[pivot * width + k] == 0) return false;
    if (pivot != k) swap_rows(a, width, pivot, k);
    for (int64_t i = 0; i < n; ++i) {
      if (i != k) subtract_row(a, width, i, k, k);
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    const double pivot = a[i * width + i];
    for (int64_t j = n; j < width; ++j) a[i * width + j] /= pivot;
  }
  return true;
}

struct Matrices {
  int64_t count;
  int64_t n;
  double* work;
};

template <class T>
void run_det(const T* from, T* to, const Matrices& m) {
  for (int64_t b = 0; b < m.count; ++b) {
    for (int64_t i = 0; i < m.n * m.n; ++i) m.work[i] = static_cast<double>(from[b * m.n * m.n + i]);
    to[b] = static_cast<T>(determinant(m.work, m.n));
  }
}

template <class T>
int64_t run_inverse(const T* from, T* to, const Matrices& m) {
  const int64_t width = 2 * m.n;
  for (int64_t b = 0; b < m.count; ++b, from += m.n * m.n, to += m.n * m.n) {
    for (int64_t i = 0; i < m.n; ++i) {
      for (int64_t j = 0; j < m.n; ++j) {
        m.work[i * width + j] = static_cast<double>(from[i * m.n + j]);
        m.work[i * width + m.n + j] = i == j ? 1 : 0;
      }
    }
    if (!invert(m.work, m.n)) return b;
    for (int64_t i = 0; i < m.n; ++i) {
      for (int64_t j = 0; j < m.n; ++j) to[i * m.n + j] = static_cast<T>(m.work[i * width + m.n + j]);
    }
  }
  return -1;
}

Matrices matrices_of(dlc_call_tensor* outputs, const int64_t* params) {
  return {params[0], params[1], static_cast<double*>(outputs[1].data)};
}

}  // namespace

extern "C" int32_t dlc_det(dlc_frame*, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                           const int64_t* params) {
  const Matrices m = matrices_of(outputs, params);
  if (inputs[0].dtype == kDoubleType) {
    run_det(static_cast<const double*>(inputs[0].data), static_cast<double*>(outputs[0].data), m);
  } else {
    run_det(static_cast<const float*>(inputs[0].data), static_cast<float*>(outputs[0].data), m);
  }
  return DLC_OK;
}

extern "C" int32_t dlc_inverse(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                               const int64_t* params) {
  const Matrices m = matrices_of(outputs, params);
  const int64_t singular =
      inputs[0].dtype == kDoubleType
          ? run_inverse(static_cast<const double*>(inputs[0].data), static_cast<double*>(outputs[0].data), m)
          : run_inverse(static_cast<const float*>(inputs[0].data), static_cast<float*>(outputs[0].data), m);
  if (singular >= 0) return dlc_fail(frame, DLC_INVALID_INPUT, "matrix %lld has no inverse", singular, 0);
  return DLC_OK;
}

// Stockham's algorithm, which needs no reordering. Real and imaginary parts lie apart, so that a vector holds
// one part of as many transforms, or of neighbouring elements of one.
#pragma once

#include <xsimd/xsimd.hpp>

#include <cstdint>
#include <cstring>
#include <utility>

#include "runtime/kernels/fft.h"

namespace dlc::kernels::DLC_ISA {
namespace {

// ---- Vectors ----------------------------------------------------------------------------------------------

template <class T>
using Vector = xsimd::batch<T>;

// f(0), f(1), ... f(N - 1), without a loop: the arrays that f indexes can be registers once all
// is inlined, for which the functions that use it are flat.
template <int N, class F>
inline void unrolled(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (f(I), ...); }
  (std::make_integer_sequence<int, N>{});
}

// A batch, or one number for what is left over.
template <class V>
struct Lanes {
  using Element = typename V::value_type;
  static constexpr int64_t kCount = static_cast<int64_t>(V::size);
  static V load(const Element* p) { return V::load_unaligned(p); }
  static void store(Element* p, const V& v) { v.store_unaligned(p); }
};
template <>
struct Lanes<float> {
  using Element = float;
  static constexpr int64_t kCount = 1;
  static float load(const float* p) { return *p; }
  static void store(float* p, float v) { *p = v; }
};
template <>
struct Lanes<double> {
  using Element = double;
  static constexpr int64_t kCount = 1;
  static double load(const double* p) { return *p; }
  static void store(double* p, double v) { *p = v; }
};

template <class R, size_t... I>
R zip_low(R a, R b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * sizeof...(I) + I / 2)...);
}
template <class R, size_t... I>
R zip_high(R a, R b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * sizeof...(I) + sizeof...(I) / 2 + I / 2)...);
}
// a[0] b[0] a[1] b[1] ... in two vectors.
template <class V>
std::pair<V, V> zip(const V& a, const V& b) {
  using Register = typename V::register_type;
  using Order = std::make_index_sequence<V::size>;
  const Register x = a, y = b;
  return {V(zip_low(x, y, Order{})), V(zip_high(x, y, Order{}))};
}
// Element i of vector k becomes element k * N + i of all of them in a row, for a power of two N: N vectors
// interleaved; of N = lanes, the transpose.
template <int N, int kDone = 1, class V>
inline void interleave(V* x) {
  if constexpr (kDone < N) {
    V next[N];
    unrolled<N / 2>([&](int i) {
      const std::pair<V, V> both = zip(x[i], x[i + N / 2]);
      next[2 * i] = both.first;
      next[2 * i + 1] = both.second;
    });
    unrolled<N>([&](int i) { x[i] = next[i]; });
    interleave<N, 2 * kDone>(x);
  }
}

template <class V>
struct Complex {
  V re, im;
};
template <class V>
Complex<V> operator+(const Complex<V>& a, const Complex<V>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <class V>
Complex<V> operator-(const Complex<V>& a, const Complex<V>& b) {
  return {a.re - b.re, a.im - b.im};
}
template <class V>
Complex<V> operator*(const Complex<V>& a, const Complex<V>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class V>
Complex<V> scaled(const Complex<V>& a, double factor) {
  const V f(static_cast<typename Lanes<V>::Element>(factor));
  return {a.re * f, a.im * f};
}
// -i * a
template <class V>
Complex<V> turned(const Complex<V>& a) {
  return {a.im, -a.re};
}

// ---- Butterflies: x[q] = sum over p of x[p] * exp(-2 pi i p q / R)
// -----------------------------------------

template <int R>
struct Butterfly;  // 0: any odd radix

template <>
struct Butterfly<2> {
  template <class V>
  static void apply(Complex<V>* x) {
    const Complex<V> a = x[0], b = x[1];
    x[0] = a + b;
    x[1] = a - b;
  }
};

template <>
struct Butterfly<3> {
  template <class V>
  static void apply(Complex<V>* x) {
    const Complex<V> sum = x[1] + x[2];
    const Complex<V> side = scaled(turned(x[1] - x[2]), 0.86602540378443864676);
    const Complex<V> middle = x[0] - scaled(sum, 0.5);
    x[0] = x[0] + sum;
    x[1] = middle + side;
    x[2] = middle - side;
  }
};

template <>
struct Butterfly<4> {
  template <class V>
  static void apply(Complex<V>* x) {
    const Complex<V> a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = turned(x[1] - x[3]);
    x[0] = a + c;
    x[1] = b + d;
    x[2] = a - c;
    x[3] = b - d;
  }
};

template <>
struct Butterfly<5> {
  template <class V>
  static void apply(Complex<V>* x) {
    constexpr double kCos1 = 0.30901699437494742410, kCos2 = -0.80901699437494742410;
    constexpr double kSin1 = 0.95105651629515357212, kSin2 = 0.58778525229247312917;
    const Complex<V> t1 = x[1] + x[4], t2 = x[2] + x[3], d1 = x[1] - x[4], d2 = x[2] - x[3];
    const Complex<V> a = x[0] + scaled(t1, kCos1) + scaled(t2, kCos2);
    const Complex<V> b = x[0] + scaled(t1, kCos2) + scaled(t2, kCos1);
    const Complex<V> u = turned(scaled(d1, kSin1) + scaled(d2, kSin2));
    const Complex<V> v = turned(scaled(d1, kSin2) - scaled(d2, kSin1));
    x[0] = x[0] + t1 + t2;
    x[1] = a + u;
    x[2] = b + v;
    x[3] = b - v;
    x[4] = a - u;
  }
};

template <>
struct Butterfly<8> {
  template <class V>
  static void apply(Complex<V>* x) {
    constexpr double kHalfRoot = 0.70710678118654752440;
    Complex<V> even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
    Butterfly<4>::apply(even);
    Butterfly<4>::apply(odd);
    odd[1] = scaled(odd[1] + turned(odd[1]), kHalfRoot);
    odd[2] = turned(odd[2]);
    odd[3] = scaled(turned(odd[3]) - odd[3], kHalfRoot);
    unrolled<4>([&](int q) {
      x[q] = even[q] + odd[q];
      x[q + 4] = even[q] - odd[q];
    });
  }
};

template <class V>
void any_butterfly(Complex<V>* x, int radix, const typename Lanes<V>::Element* roots) {
  Complex<V> sum[kMaxFftRadix / 2 + 1], difference[kMaxFftRadix / 2 + 1];
  const int half = radix / 2;
  Complex<V> total = x[0];
  for (int p = 1; p <= half; ++p) {
    sum[p] = x[p] + x[radix - p];
    difference[p] = turned(x[p] - x[radix - p]);
    total = total + sum[p];
  }
  const Complex<V> first = x[0];
  x[0] = total;
  for (int q = 1; q <= half; ++q) {
    Complex<V> a = first, b = {V(0), V(0)};
    for (int p = 1; p <= half; ++p) {
      const int at = p * q % radix;
      const V cosine(roots[at]), sine(roots[radix + at]);
      a = {a.re + sum[p].re * cosine, a.im + sum[p].im * cosine};
      b = {b.re + difference[p].re * sine, b.im + difference[p].im * sine};
    }
    x[q] = a + b;
    x[radix - q] = a - b;
  }
}

// ---- Stages -----------------------------------------------------------------------------------------------

template <class T>
struct Arrays {
  T* re;
  T* im;
};

// f(p) for every p below the radix.
template <int R, class F>
inline void for_radix(const FftStage& stage, const F& f) {
  if constexpr (R > 0) {
    unrolled<R>(f);
  } else {
    for (int p = 0; p < stage.radix; ++p) f(p);
  }
}

template <int R, class V>
inline void butterfly(Complex<V>* x, const FftStage& stage) {
  using T = typename Lanes<V>::Element;
  if constexpr (R == 0) {
    any_butterfly(x, stage.radix, static_cast<const T*>(stage.radix_roots));
  } else {
    Butterfly<R>::apply(x);
  }
}

// The elements at [begin, end) of every group of `width` neighbours: one twiddle for all.
template <int R, class V, class T>
[[gnu::flatten]] void group_pass(const FftStage& stage, int64_t width, int64_t j, int64_t begin, int64_t end,
                                 const Arrays<T>& in, const Arrays<T>& out) {
  const int radix = R == 0 ? stage.radix : R;
  const T* cosines = static_cast<const T*>(stage.twiddles) + j;
  const T* sines = cosines + (radix - 1) * stage.rest;
  const int64_t step = stage.rest * width;
  Complex<V> x[R == 0 ? kMaxFftRadix : R];
  for (int64_t k = begin; k + Lanes<V>::kCount <= end; k += Lanes<V>::kCount) {
    for_radix<R>(stage, [&](int p) {
      const int64_t at = p * step + j * width + k;
      x[p] = {Lanes<V>::load(in.re + at), Lanes<V>::load(in.im + at)};
    });
    butterfly<R>(x, stage);
    for_radix<R>(stage, [&](int q) {
      if (q > 0 && stage.rest > 1) {
        const int64_t at = (q - 1) * stage.rest;
        x[q] = x[q] * Complex<V>{V(cosines[at]), V(sines[at])};
      }
      const int64_t to = (j * radix + q) * width + k;
      Lanes<V>::store(out.re + to, x[q].re);
      Lanes<V>::store(out.im + to, x[q].im);
    });
  }
}

// Lanes t, t + 1, ... of outputs q of a narrow stage, which go to out[(j * radix + q) * done + k], t = j *
// done + k.
template <int R, class V, class T>
void scatter(const FftStage& stage, int64_t t, V* part, T* out) {
  constexpr int64_t kCount = Lanes<V>::kCount;
  const int radix = R == 0 ? stage.radix : R;
  if constexpr (kCount > 1 && (R == 2 || R == 4 || R == 8)) {
    if (stage.done == 1) {
      interleave<R>(part);
      for (int q = 0; q < R; ++q) Lanes<V>::store(out + t * R + q * kCount, part[q]);
      return;
    }
  }
  T values[kCount];
  for (int q = 0; q < radix; ++q) {
    Lanes<V>::store(values, part[q]);
    if (kCount > 8 && stage.done == 8) {
      for (int64_t lane = 0; lane < kCount; lane += 8)
        std::memcpy(out + ((t + lane) / 8 * radix + q) * 8, values + lane, 8 * sizeof(T));
      continue;
    }
    int64_t j = t / stage.done, k = t % stage.done;
    for (int64_t lane = 0; lane < kCount; ++lane) {
      out[(j * radix + q) * stage.done + k] = values[lane];
      if (++k == stage.done) {
        k = 0;
        ++j;
      }
    }
  }
}

// Groups that are narrower than a vector: its lanes are neighbours of several groups, with twiddles of their
// own.
template <int R, class V, class T>
[[gnu::flatten]] void narrow_pass(const FftStage& stage, int64_t begin, int64_t end, const Arrays<T>& in,
                                  const Arrays<T>& out) {
  const int radix = R == 0 ? stage.radix : R;
  const int64_t count = stage.rest * stage.done;
  const T* cosines = static_cast<const T*>(stage.twiddles);
  const T* sines = cosines + (radix - 1) * count;
  Complex<V> x[R == 0 ? kMaxFftRadix : R];
  V re[R == 0 ? kMaxFftRadix : R], im[R == 0 ? kMaxFftRadix : R];
  for (int64_t t = begin; t + Lanes<V>::kCount <= end; t += Lanes<V>::kCount) {
    for_radix<R>(stage, [&](int p) {
      x[p] = {Lanes<V>::load(in.re + p * count + t), Lanes<V>::load(in.im + p * count + t)};
    });
    butterfly<R>(x, stage);
    for_radix<R>(stage, [&](int q) {
      if (q > 0 && stage.rest > 1) {
        const int64_t at = (q - 1) * count + t;
        x[q] = x[q] * Complex<V>{Lanes<V>::load(cosines + at), Lanes<V>::load(sines + at)};
      }
      re[q] = x[q].re;
      im[q] = x[q].im;
    });
    scatter<R>(stage, t, re, out.re);
    scatter<R>(stage, t, im, out.im);
  }
}

template <int R, class T>
void run_stage(const FftStage& stage, int64_t lanes, const Arrays<T>& in, const Arrays<T>& out) {
  constexpr int64_t kWidth = Lanes<Vector<T>>::kCount;
  const int64_t width = stage.done * lanes;
  if (width < kWidth) {
    const int64_t count = stage.rest * stage.done, whole = count - count % kWidth;
    narrow_pass<R, Vector<T>>(stage, 0, whole, in, out);
    narrow_pass<R, T>(stage, whole, count, in, out);
    return;
  }
  const int64_t whole = width - width % kWidth;
  for (int64_t j = 0; j < stage.rest; ++j) {
    group_pass<R, Vector<T>>(stage, width, j, 0, whole, in, out);
    group_pass<R, T>(stage, width, j, whole, width, in, out);
  }
}

// Returns which of the two holds the result.
template <class T>
Arrays<T> transform(const FftPlan& plan, Arrays<T> data, Arrays<T> work) {
  for (int32_t s = 0; s < plan.stages; ++s) {
    const FftStage& stage = plan.stage[s];
    switch (stage.radix) {
      case 2:
        run_stage<2>(stage, plan.lanes, data, work);
        break;
      case 3:
        run_stage<3>(stage, plan.lanes, data, work);
        break;
      case 4:
        run_stage<4>(stage, plan.lanes, data, work);
        break;
      case 5:
        run_stage<5>(stage, plan.lanes, data, work);
        break;
      case 8:
        run_stage<8>(stage, plan.lanes, data, work);
        break;
      default:
        run_stage<0>(stage, plan.lanes, data, work);
    }
    const Arrays<T> last = data;
    data = work;
    work = last;
  }
  return data;
}

}  // namespace
}  // namespace dlc::kernels::DLC_ISA

// Fourier transforms of rows: as many at a time as a vector has lanes, or one.
#include "runtime/kernels/simd/fft_stages.h"

namespace dlc::kernels::DLC_ISA {
namespace {

// Complex numbers in a row of the input or output: number k has its parts at k * step and k * step + second.
struct Pairs {
  int64_t step;
  int64_t second;  // 0: there is no second part
};

// V: a vector, whose lanes are rows; or one number.
template <class V>
class RowTransform {
  using T = typename Lanes<V>::Element;
  static constexpr int kLanes = static_cast<int>(Lanes<V>::kCount);
  static constexpr int kBlock = kLanes / 2;  // pairs in a vector of a row

 public:
  RowTransform(const FftJob& job, char* memory) : job_(job), roots_(static_cast<const T*>(job.roots)) {
    const int64_t count = job.plan.length * kLanes;
    T* next = reinterpret_cast<T*>(memory);
    data_ = {next, next + count};
    work_ = {next + 2 * count, next + 3 * count};
    if (job.inverse) scale_ = static_cast<T>(1.0 / static_cast<double>(job.core));
  }

  // Rows [first, first + lanes), those beyond the last left out.
  void run(int64_t first) {
    const int64_t left = job_.rows - first;
    rows_ = left < kLanes ? left : kLanes;
    for (int64_t lane = 0; lane < rows_; ++lane) {
      const int64_t outer = (first + lane) / job_.inner, inner = (first + lane) % job_.inner;
      in_[lane] =
          static_cast<const T*>(job_.input) + (outer * job_.in_length * job_.inner + inner) * job_.in_parts;
      out_[lane] =
          static_cast<T*>(job_.output) + (outer * job_.out_length * job_.inner + inner) * job_.out_parts;
    }
    load();
    // The inverse is the forward transform with real and imaginary parts exchanged.
    const bool swapped = job_.inverse;
    const Arrays<T> in = swapped ? Arrays<T>{data_.im, data_.re} : data_;
    const Arrays<T> work = swapped ? Arrays<T>{work_.im, work_.re} : work_;
    const Arrays<T> out = job_.chirp == nullptr ? transform(job_.plan, in, work) : convolve(in, work);
    result_ = swapped ? Arrays<T>{out.im, out.re} : out;
    store();
  }

 private:
  static Complex<V> get(const Arrays<T>& arrays, int64_t k) {
    return {Lanes<V>::load(arrays.re + k * kLanes), Lanes<V>::load(arrays.im + k * kLanes)};
  }
  static void put(const Arrays<T>& arrays, int64_t k, const Complex<V>& value) {
    Lanes<V>::store(arrays.re + k * kLanes, value.re);
    Lanes<V>::store(arrays.im + k * kLanes, value.im);
  }
  static Complex<V> conjugate(const Complex<V>& a) { return {a.re, -a.im}; }
  Complex<V> root(int64_t k) const { return {V(roots_[2 * k]), V(roots_[2 * k + 1])}; }
  Complex<V> scaled_result(int64_t k) const {
    const Complex<V> value = get(result_, k);
    return {value.re * V(scale_), value.im * V(scale_)};
  }

  // ---- Input

  void load() {
    const int64_t core = job_.core, given = job_.in_length;
    const Pairs numbers = {job_.inner * job_.in_parts, job_.in_parts - 1};
    switch (job_.form) {
      case FftForm::kComplex:
        read(numbers, given < core ? given : core);
        break;
      case FftForm::kHalfReal: {
        const int64_t elements = given < job_.length ? given : job_.length;
        read({2 * job_.inner, job_.inner}, elements / 2);
        // A last element without a partner.
        for (int64_t lane = 0; elements % 2 == 1 && lane < rows_; ++lane)
          data_.re[elements / 2 * kLanes + lane] = in_[lane][(elements - 1) * job_.inner];
        break;
      }
      case FftForm::kHalfHermitian:
        read(numbers, given < core ? given : core);
        fold(numbers);
        break;
      case FftForm::kWholeHermitian:
        read(numbers, given < core / 2 + 1 ? given : core / 2 + 1);
        put(data_, 0, {get(data_, 0).re, V(T(0))});
        for (int64_t k = 1; 2 * k < core; ++k) put(data_, core - k, conjugate(get(data_, k)));
        break;
    }
  }

  // data[k] = number k of every row, for k < count; 0 for the others.
  void read(const Pairs& pairs, int64_t count) {
    int64_t k = 0;
    if (kBlock > 0 && rows_ == kLanes && pairs.step == 2 && pairs.second == 1) {
      for (; k + kBlock <= count; k += kBlock) read_block(k);
    }
    // In short runs, so that what is written stays near.
    for (; k < count; k += 16) {
      const int64_t end = k + 16 < count ? k + 16 : count;
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        for (int64_t i = k; i < end; ++i) {
          const bool present = lane < rows_;
          data_.re[i * kLanes + lane] = present ? in_[lane][i * pairs.step] : T(0);
          data_.im[i * kLanes + lane] =
              present && pairs.second != 0 ? in_[lane][i * pairs.step + pairs.second] : T(0);
        }
      }
    }
    for (int64_t i = count; i < job_.core; ++i) put(data_, i, {V(T(0)), V(T(0))});
  }
  [[gnu::flatten]] void read_block(int64_t k) {
    if constexpr (kLanes > 1) {
      V x[kLanes];
      unrolled<kLanes>([&](int lane) { x[lane] = Lanes<V>::load(in_[lane] + 2 * k); });
      interleave<kLanes>(x);
      unrolled<kBlock>([&](int i) { put(data_, k + i, {x[2 * i], x[2 * i + 1]}); });
    }
  }

  // From one half of the spectrum of real numbers to that of half as many complex ones. Both ends are real.
  [[gnu::flatten]] void fold(const Pairs& pairs) {
    const int64_t half = job_.core;
    T last[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane)
      last[lane] = half < job_.in_length && lane < rows_ ? in_[lane][half * pairs.step] : T(0);
    const V zero(T(0));
    const Complex<V> front = {get(data_, 0).re, zero}, back = {Lanes<V>::load(last), zero};
    put(data_, 0, folded(front, back, 0));
    for (int64_t k = 1; 2 * k <= half; ++k) {
      const Complex<V> a = get(data_, k), b = get(data_, half - k);
      put(data_, k, folded(a, b, k));
      put(data_, half - k, folded(b, a, half - k));
    }
  }
  // Number k from numbers k and half - k.
  Complex<V> folded(const Complex<V>& a, const Complex<V>& b, int64_t k) const {
    const Complex<V> sum = scaled(a + conjugate(b), 0.5);
    const Complex<V> difference = scaled(a - conjugate(b), 0.5) * conjugate(root(k));
    return {sum.re - difference.im, sum.im + difference.re};
  }

  // ---- Output

  void store() {
    const int64_t core = job_.core;
    const Pairs numbers = {job_.inner * job_.out_parts, job_.out_parts - 1};
    switch (job_.form) {
      case FftForm::kComplex:
      case FftForm::kWholeHermitian:
        write(numbers, 0, job_.out_length, [&](int64_t k) { return scaled_result(k); });
        break;
      case FftForm::kHalfHermitian:
        write({2 * job_.inner, job_.inner}, 0, core, [&](int64_t k) { return scaled_result(k); });
        break;
      case FftForm::kHalfReal: {
        const Complex<V> middle = unfold();
        const int64_t length = job_.out_length;
        write(numbers, 0, length < core ? length : core, [&](int64_t k) { return get(result_, k); });
        write(numbers, core, length < core + 1 ? length : core + 1, [&](int64_t) { return middle; });
        write(numbers, core + 1, length, [&](int64_t k) { return conjugate(get(result_, job_.length - k)); });
        break;
      }
    }
  }

  // The spectrum of a real signal from that of its even and odd elements as complex numbers: elements below
  // the half in place; returns that at the half.
  [[gnu::flatten]] Complex<V> unfold() {
    const int64_t half = job_.core;
    const Complex<V> first = get(result_, 0);
    const V zero(T(0));
    put(result_, 0, {first.re + first.im, zero});
    for (int64_t k = 1; 2 * k <= half; ++k) {
      const Complex<V> a = get(result_, k), b = get(result_, half - k);
      const Complex<V> sum = scaled(a + conjugate(b), 0.5);
      const Complex<V> side = turned(scaled(a - conjugate(b), 0.5) * root(k));
      put(result_, k, sum + side);
      put(result_, half - k, conjugate(sum - side));
    }
    return {first.re - first.im, zero};
  }

  // Number k of every row = value(k), for begin <= k < end.
  template <class Value>
  void write(const Pairs& pairs, int64_t begin, int64_t end, const Value& value) {
    int64_t k = begin;
    if (kBlock > 0 && rows_ == kLanes && pairs.step == 2 && pairs.second == 1) {
      for (; k + kBlock <= end; k += kBlock) write_block(k, value);
    }
    for (; k < end; ++k) {
      const Complex<V> number = value(k);
      T re[kLanes], im[kLanes];
      Lanes<V>::store(re, number.re);
      Lanes<V>::store(im, number.im);
      for (int64_t lane = 0; lane < rows_; ++lane) {
        out_[lane][k * pairs.step] = re[lane];
        if (pairs.second != 0) out_[lane][k * pairs.step + pairs.second] = im[lane];
      }
    }
  }
  template <class Value>
  [[gnu::flatten]] void write_block(int64_t k, const Value& value) {
    if constexpr (kLanes > 1) {
      V x[kLanes];
      unrolled<kBlock>([&](int i) {
        const Complex<V> number = value(k + i);
        x[2 * i] = number.re;
        x[2 * i + 1] = number.im;
      });
      interleave<kLanes>(x);
      unrolled<kLanes>([&](int lane) { Lanes<V>::store(out_[lane] + 2 * k, x[lane]); });
    }
  }

  // ---- Bluestein's algorithm: the transform as a convolution with a chirp; of one row

  Arrays<T> convolve(const Arrays<T>& in, const Arrays<T>& work) const {
    const T* chirp = static_cast<const T*>(job_.chirp);
    const T* filter = static_cast<const T*>(job_.filter);
    const int64_t count = job_.plan.length;
    multiply(in, chirp, job_.core);
    for (int64_t k = job_.core; k < count; ++k) in.re[k] = in.im[k] = T(0);
    const Arrays<T> spectrum = transform(job_.plan, in, work);
    multiply(spectrum, filter, count);
    const Arrays<T> other = spectrum.re == in.re ? work : in;
    const Arrays<T> back =
        transform(job_.plan, Arrays<T>{spectrum.im, spectrum.re}, Arrays<T>{other.im, other.re});
    const Arrays<T> result = {back.im, back.re};
    multiply(result, chirp, job_.core);
    return result;
  }
  static void multiply(const Arrays<T>& a, const T* pairs, int64_t count) {
    for (int64_t k = 0; k < count; ++k) {
      const Complex<T> value = Complex<T>{a.re[k], a.im[k]} * Complex<T>{pairs[2 * k], pairs[2 * k + 1]};
      a.re[k] = value.re;
      a.im[k] = value.im;
    }
  }

  const FftJob& job_;
  const T* roots_;
  T scale_ = T(1);
  int64_t rows_ = 0;
  const T* in_[kLanes];
  T* out_[kLanes];
  Arrays<T> data_, work_, result_;
};

template <class V>
void run_task(const FftJob& job, int64_t task) {
  const int64_t groups = (job.rows + job.plan.lanes - 1) / job.plan.lanes;
  RowTransform<V> rows(job, job.memory + task * job.task_bytes);
  for (int64_t group = groups * task / job.tasks; group < groups * (task + 1) / job.tasks; ++group)
    rows.run(group * job.plan.lanes);
}

template <class T>
void run_tasks(const FftJob& job, int64_t begin, int64_t end) {
  for (int64_t task = begin; task < end; ++task) {
    job.plan.lanes > 1 ? run_task<Vector<T>>(job, task) : run_task<T>(job, task);
  }
}

template <class T>
void transform_in_place(const FftPlan& plan, void* re, void* im, void* work_re, void* work_im) {
  const Arrays<T> data = {static_cast<T*>(re), static_cast<T*>(im)};
  const Arrays<T> result =
      transform(plan, data, Arrays<T>{static_cast<T*>(work_re), static_cast<T*>(work_im)});
  if (result.re == data.re) return;
  for (int64_t k = 0; k < plan.length; ++k) {
    data.re[k] = result.re[k];
    data.im[k] = result.im[k];
  }
}

template <class T>
constexpr FftCode kCode = {Lanes<Vector<T>>::kCount, run_tasks<T>, transform_in_place<T>};

}  // namespace

const FftCode& fft_code(bool is_double);
const FftCode& fft_code(bool is_double) { return is_double ? kCode<double> : kCode<float>; }

}  // namespace dlc::kernels::DLC_ISA

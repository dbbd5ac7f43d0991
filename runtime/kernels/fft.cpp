// Fourier transforms of any length: the plan, its tables, and the choice of the code for this machine.
#include "runtime/kernels/fft.h"

#include <cmath>
#include <cstddef>

#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"
#include "runtime/model/api.h"

namespace dlc::kernels {

#if defined(__x86_64__)
namespace v2 {
const FftCode& fft_code(bool is_double);
}
namespace v3 {
const FftCode& fft_code(bool is_double);
}
namespace v4 {
const FftCode& fft_code(bool is_double);
}
#else
namespace baseline {
const FftCode& fft_code(bool is_double);
}
#endif

namespace {

constexpr int64_t kMaxLength = int64_t{1} << 40;
constexpr int64_t kMaxTasks = 16;
constexpr int64_t kCacheBytes = 256 << 10;           // of the arrays of several transforms at a time
constexpr uint8_t kFloatType = 1, kDoubleType = 11;  // of ONNX's TensorProto.DataType

const FftCode& code_for_machine(bool is_double) {
#if defined(__x86_64__)
  const uint64_t features = dlc_machine_features();
  if ((features & DLC_CPU_X86_V4) != 0) return v4::fft_code(is_double);
  if ((features & DLC_CPU_X86_V3) != 0) return v3::fft_code(is_double);
  return v2::fft_code(is_double);
#else
  return baseline::fft_code(is_double);
#endif
}

struct Root {
  double re, im;
};

// exp(-2 pi i k / n) for 0 <= k < n, from an angle of at most an eighth of a turn.
Root unit_root(int64_t k, int64_t n) {
  int64_t eighths = 8 * k;  // of 1/n of a turn
  const bool lower = eighths > 4 * n;
  if (lower) eighths = 8 * n - eighths;
  const bool left = eighths > 2 * n;
  if (left) eighths = 4 * n - eighths;
  const bool steep = eighths > n;
  if (steep) eighths = 2 * n - eighths;
  const double angle = M_PI / 4 * (static_cast<double>(eighths) / static_cast<double>(n));
  double cosine = std::cos(angle), sine = std::sin(angle);
  if (steep) {
    const double other = cosine;
    cosine = sine;
    sine = other;
  }
  return {left ? -cosine : cosine, lower ? sine : -sine};
}

// ---- Plans ------------------------------------------------------------------------------------------------

void add_stage(FftPlan& plan, int32_t radix) { plan.stage[plan.stages++].radix = radix; }

// False where the length has a prime factor above kMaxFftRadix.
bool factorize(FftPlan& plan, int64_t length) {
  plan.length = length;
  int64_t rest = length;
  int twos = 0;
  for (; rest % 2 == 0; rest /= 2) ++twos;
  // No 2 where two 4 do instead of an 8 and a 2.
  while (twos >= 3 && twos != 4) {
    add_stage(plan, 8);
    twos -= 3;
  }
  for (; twos >= 2; twos -= 2) add_stage(plan, 4);
  if (twos == 1) add_stage(plan, 2);
  for (int32_t radix = 3; radix <= kMaxFftRadix; radix += 2) {
    for (; rest % radix == 0; rest /= radix) add_stage(plan, radix);
  }
  int64_t done = 1;
  for (int32_t s = 0; s < plan.stages; ++s) {
    FftStage& stage = plan.stage[s];
    stage.done = done;
    done *= stage.radix;
    stage.rest = plan.length / done;
  }
  return rest == 1;
}

bool has_code(int32_t radix) { return radix <= 5 || radix == 8; }
bool is_narrow(const FftPlan& plan, const FftStage& stage, int64_t vector) {
  return stage.done * plan.lanes < vector;
}
int64_t twiddle_count(const FftPlan& plan, const FftStage& stage, int64_t vector) {
  return is_narrow(plan, stage, vector) ? stage.rest * stage.done : stage.rest;
}

// ---- Memory -----------------------------------------------------------------------------------------------

// Hands out parts of one block; with a null block it only counts.
class Layout {
 public:
  explicit Layout(char* base) : base_(base) {}
  void* take(int64_t bytes) {
    void* part = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (bytes + 63) / 64 * 64;
    return part;
  }
  int64_t used() const { return used_; }

 private:
  char* base_;
  int64_t used_ = 0;
};

// ---- Tables -----------------------------------------------------------------------------------------------

template <class T>
class Tables {
 public:
  Tables(FftJob& job, const FftCode& code) : job_(job), code_(code) {}

  // Places all tables; fills them unless the layout only counts.
  void place(Layout& layout, bool fill) {
    if (job_.roots == nullptr || own_roots_) place_roots(layout, fill);
    for (int32_t s = 0; s < job_.plan.stages; ++s) place_stage(job_.plan.stage[s], layout, fill);
    if (is_convolution()) place_convolution(layout, fill);
    const int64_t array = job_.plan.length * job_.plan.lanes * static_cast<int64_t>(sizeof(T));
    job_.task_bytes = (4 * array + 63) / 64 * 64;
    job_.memory = static_cast<char*>(layout.take(job_.tasks * job_.task_bytes));
    // The filter is transformed in the memory of the tasks, which is made by now.
    if (is_convolution() && fill) fill_filter();
  }

 private:
  bool is_convolution() const { return job_.plan.length != job_.core; }

  static void put(T* pairs, int64_t k, const Root& root) {
    pairs[2 * k] = static_cast<T>(root.re);
    pairs[2 * k + 1] = static_cast<T>(root.im);
  }

  void place_roots(Layout& layout, bool fill) {
    own_roots_ = true;
    T* roots = static_cast<T*>(layout.take(2 * job_.length * static_cast<int64_t>(sizeof(T))));
    if (!fill) return;
    for (int64_t k = 0; k < job_.length; ++k) put(roots, k, unit_root(k, job_.length));
    job_.roots = roots;
  }

  // The roots of the plan's length: those of the job where they have them, computed where it is a
  // convolution.
  template <class Use>
  void get_root(int64_t k, int64_t stride, const Use& use) const {
    if (is_convolution()) return use(unit_root(k, job_.plan.length));
    const T* root = static_cast<const T*>(job_.roots) + 2 * k * stride;
    use(Root{root[0], root[1]});
  }

  void place_stage(FftStage& stage, Layout& layout, bool fill) {
    const int64_t count = twiddle_count(job_.plan, stage, code_.lanes), rows = stage.radix - 1;
    T* twiddles = static_cast<T*>(layout.take(2 * rows * count * static_cast<int64_t>(sizeof(T))));
    T* roots = nullptr;
    if (!has_code(stage.radix))
      roots = static_cast<T*>(layout.take(2 * stage.radix * static_cast<int64_t>(sizeof(T))));
    if (!fill) return;
    stage.twiddles = twiddles;
    stage.radix_roots = roots;
    const int64_t repeat = count / stage.rest, stride = job_.length / job_.core;
    for (int64_t q = 1; q < stage.radix; ++q) {
      T* at = twiddles + (q - 1) * count;
      for (int64_t j = 0; j < stage.rest; ++j) {
        get_root(j * q * stage.done, stride, [&](const Root& root) {
          for (int64_t i = 0; i < repeat; ++i, ++at) {
            at[0] = static_cast<T>(root.re);
            at[rows * count] = static_cast<T>(root.im);
          }
        });
      }
    }
    for (int64_t p = 0; roots != nullptr && p < stage.radix; ++p) {
      const Root root = unit_root(p, stage.radix);
      roots[p] = static_cast<T>(root.re);
      roots[stage.radix + p] = static_cast<T>(-root.im);
    }
  }

  void place_convolution(Layout& layout, bool fill) {
    chirp_ = static_cast<T*>(layout.take(2 * job_.core * static_cast<int64_t>(sizeof(T))));
    filter_ = static_cast<T*>(layout.take(2 * job_.plan.length * static_cast<int64_t>(sizeof(T))));
    if (!fill) return;
    const int64_t turn = 2 * job_.core;
    int64_t square = 0;  // k * k modulo a turn
    for (int64_t k = 0; k < job_.core; ++k) {
      put(chirp_, k, unit_root(square, turn));
      square = (square + 2 * k + 1) % turn;
    }
    job_.chirp = chirp_;
    job_.filter = filter_;
  }

  // The spectrum of the conjugate chirp, which is even, with the factor of the inverse transform.
  void fill_filter() {
    const int64_t count = job_.plan.length;
    T* re = reinterpret_cast<T*>(job_.memory);
    T* im = re + count;
    for (int64_t k = 0; k < count; ++k) re[k] = im[k] = T(0);
    for (int64_t k = 0; k < job_.core; ++k) {
      const int64_t mirror = k == 0 ? 0 : count - k;
      re[k] = re[mirror] = chirp_[2 * k];
      im[k] = im[mirror] = -chirp_[2 * k + 1];
    }
    code_.transform(job_.plan, re, im, im + count, im + 2 * count);
    const double factor = 1.0 / static_cast<double>(count);
    for (int64_t k = 0; k < count; ++k) {
      filter_[2 * k] = static_cast<T>(re[k] * factor);
      filter_[2 * k + 1] = static_cast<T>(im[k] * factor);
    }
  }

  FftJob& job_;
  const FftCode& code_;
  bool own_roots_ = false;
  T* chirp_ = nullptr;
  T* filter_ = nullptr;
};

// ---- Calls ------------------------------------------------------------------------------------------------

FftForm form_of(const FftJob& job) {
  const bool is_even = job.length % 2 == 0;
  if (!job.inverse && job.in_parts == 1 && is_even) return FftForm::kHalfReal;
  if (job.out_parts == 2) return FftForm::kComplex;
  return is_even ? FftForm::kHalfHermitian : FftForm::kWholeHermitian;
}

void make_plan(FftJob& job, const FftCode& code, int64_t element) {
  job.form = form_of(job);
  const bool is_half = job.form == FftForm::kHalfReal || job.form == FftForm::kHalfHermitian;
  job.core = is_half ? job.length / 2 : job.length;
  if (!factorize(job.plan, job.core)) {
    int64_t count = 1;
    while (count < 2 * job.core - 1) count *= 2;
    job.plan = FftPlan{};
    factorize(job.plan, count);
  } else if (job.rows >= code.lanes && 4 * job.core * code.lanes * element <= kCacheBytes) {
    job.plan.lanes = code.lanes;
  }
  const int64_t groups = (job.rows + job.plan.lanes - 1) / job.plan.lanes;
  job.tasks = groups < 1 ? 1 : groups < kMaxTasks ? groups : kMaxTasks;
}

struct Region {
  const FftJob* job;
  const FftCode* code;
};

void run_region(void* const* buffers, const int64_t*, int64_t begin, int64_t end, void*) {
  const Region& region = *static_cast<const Region*>(buffers[0]);
  region.code->run(*region.job, begin, end);
}

template <class T>
int32_t run_job(dlc_frame* frame, FftJob& job, const FftCode& code, dlc_call_tensor* scratch) {
  make_plan(job, code, sizeof(T));
  Tables<T> tables(job, code);
  Layout sizes(nullptr);
  tables.place(sizes, false);
  scratch->dims[0] = (sizes.used() + 7) / 8;
  char* memory = static_cast<char*>(dlc_call_output(frame, scratch));
  if (memory == nullptr) return DLC_OUT_OF_MEMORY;
  Layout layout(memory);
  tables.place(layout, true);
  Region region{&job, &code};
  void* buffers[] = {&region};
  // About a nanosecond an element and pass.
  const double work = static_cast<double>(job.rows) * static_cast<double>(job.plan.length) *
                      (4 + static_cast<double>(job.plan.stages));
  dlc_parallel_for(frame, run_region, buffers, nullptr, job.tasks, bounded_work(work));
  return DLC_OK;
}

}  // namespace
}  // namespace dlc::kernels

extern "C" int32_t dlc_fft(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                           const int64_t* params) {
  using namespace dlc::kernels;
  FftJob job{};
  job.input = inputs[0].data;
  job.output = outputs[0].data;
  job.in_length = params[1];
  job.inner = params[2];
  job.in_parts = params[3];
  job.length = params[4];
  job.out_length = params[5];
  job.out_parts = params[6];
  job.inverse = params[7] != 0;
  job.rows = params[0] * job.inner;
  job.roots = inputs[1].data;
  if (job.length < 1 || job.length > kMaxLength)
    return dlc_fail(frame, DLC_INVALID_INPUT, "a Fourier transform of length %lld", job.length, 0);
  if (job.in_parts != 1 && job.in_parts != 2) {
    return dlc_fail(frame, DLC_INVALID_INPUT,
                    "a Fourier transform of numbers of %lld parts; expected 1 (real) or 2 (complex)",
                    job.in_parts, 0);
  }
  const uint8_t type = inputs[0].dtype;
  if (type == kDoubleType) return run_job<double>(frame, job, code_for_machine(true), &outputs[1]);
  if (type == kFloatType) return run_job<float>(frame, job, code_for_machine(false), &outputs[1]);
  return dlc_fail(frame, DLC_UNSUPPORTED, "a Fourier transform of element type %lld", type, 0);
}

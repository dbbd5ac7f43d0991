// What the plan of a Fourier transform (fft.cpp) tells the code that runs it (simd/fft.cpp, once per ISA).
#pragma once

#include <cstdint>

namespace dlc::kernels {

constexpr int kMaxFftStages = 48;
constexpr int kMaxFftRadix = 31;  // of a stage; lengths with a larger prime factor are done as convolutions

// One pass of Stockham's algorithm, radix * rest * done = length: out[j, q, k] = root(j * q) * sum over p of
// in[p, j, k] * root_of_radix(p * q) for j < rest, p and q < radix, k < done. Arrays have `lanes` elements,
// of as many transforms, at every such place.
struct FftStage {
  int32_t radix;
  int64_t rest;
  int64_t done;
  // Real parts [radix - 1][count] of the twiddles, then the imaginary ones: count is rest, or rest * done
  // where the lanes of a vector are several j.
  const void* twiddles;
  const void* radix_roots;  // [radix] cosines and [radix] sines of 2 pi p / radix, of radices without code
};

struct FftPlan {
  int64_t length = 0;
  int64_t lanes = 1;
  int32_t stages = 0;
  FftStage stage[kMaxFftStages];
};

// How a row becomes the input of the complex transform, and its output a row.
enum class FftForm : uint8_t {
  kComplex,         // plain
  kHalfReal,        // real input of even length as complex numbers of half the length
  kHalfHermitian,   // the inverse of that: one-sided input, real output
  kWholeHermitian,  // the same for an odd length
};

// Rows of [outer, length, inner, parts] tensors, dense; row r is (r / inner, r % inner).
struct FftJob {
  const void* input;
  void* output;
  int64_t rows, inner;
  int64_t in_length, in_parts;  // parts: 1 for real numbers, 2 for complex ones
  int64_t out_length, out_parts;
  int64_t length;  // of the transform: shorter rows end in zeros, longer ones are cut
  bool inverse;
  FftForm form;
  int64_t core;       // length of the complex transform: length or half of it
  FftPlan plan;       // of length `core`, or longer for a convolution
  const void* roots;  // exp(-2 pi i k / length), k < length, pairs
  // Where the length is a convolution's: pairs exp(-pi i k^2 / core), k < core, and the transformed filter.
  const void* chirp;
  const void* filter;
  int64_t tasks;
  char* memory;  // of task t: memory + t * task_bytes
  int64_t task_bytes;
};

// Of one ISA and element type.
struct FftCode {
  int64_t lanes;  // of a vector
  // Runs tasks [begin, end).
  void (*run)(const FftJob& job, int64_t begin, int64_t end);
  // Transforms re and im of plan.length elements in place, with work space of as many; for plans of 1 lane.
  void (*transform)(const FftPlan& plan, void* re, void* im, void* work_re, void* work_im);
};

}  // namespace dlc::kernels

// Runtime kernels: what no index expression says, because a result's extents or positions depend on data.
//
// Every kernel has the signature dlc_call_fn (runtime/model/abi.h). Inputs are dense row-major. Outputs
// marked (!) get their extents and memory from the kernel; the others are made by the caller. Kernels take
// all memory that they need as outputs; the last one is then scratch memory of int64 elements. They compile
// without exceptions, RTTI and libstdc++, and are deterministic: equal elements keep the order of their
// positions.
#pragma once

#include "runtime/model/abi.h"

extern "C" {

// The k largest (smallest) elements along an axis, best first; NaN is greater than every number.
// inputs:  data, seen as [outer, extent, inner], of any numeric type
// outputs: values [outer, k, inner], indices int64 [outer, k, inner], scratch [2 * extent]
// params:  outer, extent, inner, k, largest (0 or 1)
int32_t dlc_top_k(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs, const int64_t* params);

// Positions of the elements that are not zero, in row-major order.
// inputs:  data; outputs: indices int64 [rank, n] (!)
int32_t dlc_nonzero(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                    const int64_t* params);

// The slices of an axis whose condition is true.
// inputs:  data, condition bool [m]; outputs: the slices (!)
// params:  axis, or -1: data counts as a vector
int32_t dlc_compress(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                     const int64_t* params);

// Distinct slices of an axis.
// inputs:  data of n slices
// outputs: distinct slices, u of them (!), position of the first of each int64 [u] (!), number of the
// distinct slice of
//          every slice int64 [n], number of equal slices int64 [u] (!), scratch [4 * n]
// params:  axis, or -1: every element of data is a slice; sorted (1: ascending, 0: in order of first
// occurrence)
int32_t dlc_unique(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                   const int64_t* params);

// Greedy suppression of boxes that overlap a box of greater score.
// inputs:  boxes float [batch, s, 4], scores float [batch, classes, s], most boxes of a class int64 (absent:
// 0),
//          IoU threshold float (absent: 0), score threshold float (absent: none)
// outputs: (batch, class, box) int64 [n, 3] (!), scratch [s * (1 + batch * classes) + batch * classes]
// params:  boxes are centre and size (1) or two corners (0)
int32_t dlc_non_max_suppression(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                const int64_t* params);

// Elements of two or four bits, packed as ONNX stores them.
// inputs:  the elements, one a byte
// outputs: the same elements, of their own type
// params:  bits of an element
int32_t dlc_pack(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs, const int64_t* params);

// The discrete Fourier transform of every row, of any length.
// inputs:  rows float or double, seen as [outer, length, inner, parts], parts: 1 (real) or 2 (complex);
//          roots exp(-2 pi i k / n) of the same type [n, 2], or absent: they are computed
// outputs: rows [outer, output length, inner, output parts], scratch (!)
// params:  outer, length, inner, parts, n, output length, output parts, inverse (1: divided by n).
//          Output parts 1 of an inverse: the rows are one half of the spectrum of real numbers
int32_t dlc_fft(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs, const int64_t* params);

}  // extern "C"

namespace dlc::kernels {

// Every kernel by its symbol, for callers that do not link the name itself.
struct KernelSymbol {
  const char* name;
  dlc_call_fn function;
};
inline constexpr KernelSymbol kKernels[] = {
    {"dlc_top_k", dlc_top_k},
    {"dlc_nonzero", dlc_nonzero},
    {"dlc_compress", dlc_compress},
    {"dlc_unique", dlc_unique},
    {"dlc_non_max_suppression", dlc_non_max_suppression},
    {"dlc_pack", dlc_pack},
    {"dlc_fft", dlc_fft},
};

}  // namespace dlc::kernels

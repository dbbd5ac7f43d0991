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
// outputs: values [outer, k, inner], indices int64 [outer, k, inner], scratch (!)
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
// outputs: (batch, class, box) int64 [n, 3] (!), scratch (!)
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

// ---- Strings, sequences, optionals and maps (runtime/model/values.h); handles are int64 of rank 0

// inputs:  packed strings (runtime/format/strings.h), bytes; outputs: handles
int32_t dlc_string_constants(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);
// inputs:  two tensors of strings of one shape; outputs: bool, true where they are equal
int32_t dlc_string_equal(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                         const int64_t* params);
// inputs:  two tensors of strings of one shape; outputs: one behind the other
int32_t dlc_string_concat(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                          const int64_t* params);
// Equal strings have one rank, which is that of their bytes among the different strings.
// inputs:  n strings
// outputs: ranks int64, scratch [7 * n + 2]
int32_t dlc_string_rank(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                        const int64_t* params);
// inputs:  strings; packed strings, where each begins int64, hash table of their numbers int64 (a power of
// two, -1: free)
// outputs: for each its number among the packed strings, or -1
int32_t dlc_string_find(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                        const int64_t* params);
// inputs:  strings, one packed delimiter (empty: runs of white space)
// outputs: parts [..., most parts of a string] (!), filled up with empty strings; numbers of parts int64
// params:  how often to split at most, negative: everywhere
int32_t dlc_string_split(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                         const int64_t* params);
// Leaves out words, then changes the case of letters.
// inputs:  strings [n] or [1, n], packed words; outputs: strings [m] or [1, m] (!), scratch [n]
// params:  case (0: as it is, 1: lower, 2: upper), words differ in case (1) or not (0), number of words
int32_t dlc_string_normalize(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);
// inputs:  strings; outputs: float, double, int64 or uint64
int32_t dlc_string_to_number(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);
// inputs:  float, double, int64, uint64 or bool; outputs: strings
int32_t dlc_number_to_string(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);
// inputs:  strings, a program (runtime/format/regex_program.h), int64; outputs: bool, true where all of a
// string matches
int32_t dlc_regex_full_match(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);
// How often sequences of items occur in rows.
// inputs:  items int64 [rows, length], tables of n-grams (runtime/format/ngrams.h) int64
// outputs: counts float [rows, columns]
// params:  number of lengths n, most items left out between two of an n-gram, rows, columns, length
int32_t dlc_ngrams(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                   const int64_t* params);
// inputs:  a handle of keys [count], values [rows, count]; outputs: the sequence of one map a row
// params:  rows, count, element type of the values
int32_t dlc_zip_maps(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                     const int64_t* params);

// inputs:  a tensor; outputs: a handle of a copy
// params:  element type, number of ONNX TensorProto.DataType (strings are handles)
int32_t dlc_value_pack(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                       const int64_t* params);
// inputs:  a handle of a tensor; outputs: the tensor (!, or made by the caller where all extents are known)
// params:  for each axis its extent, or -1: any
int32_t dlc_value_unpack(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                         const int64_t* params);

// inputs:  handles; outputs: the sequence of them
// params:  number of inputs
int32_t dlc_sequence_construct(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                               const int64_t* params);
// Positions are int32 or int64 and count from the end where they are negative.
// inputs:  sequence, element, position (absent: behind the last); outputs: sequence
int32_t dlc_sequence_insert(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                            const int64_t* params);
// inputs:  sequence, position (absent: the last); outputs: sequence
int32_t dlc_sequence_erase(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                           const int64_t* params);
// inputs:  sequence, position; outputs: element
int32_t dlc_sequence_at(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                        const int64_t* params);
// inputs:  sequence or optional; outputs: number of its elements int64 []
int32_t dlc_sequence_length(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                            const int64_t* params);
// inputs:  optional; outputs: its element
int32_t dlc_optional_element(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);
// inputs:  data; split (int32 or int64): lengths of the parts, their common length (rank 0), or absent: 1
// outputs: sequence of parts of an axis
// params:  axis, parts keep the axis (1) or lose it (0), element type
int32_t dlc_sequence_split(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                           const int64_t* params);
// inputs:  sequence of tensors; outputs: the tensor (!, or made by the caller where all extents are known)
// params:  axis, the axis is a new one (1) or one of the elements' (0), element type, then for each axis of
// the result its extent or -1: any
int32_t dlc_sequence_concat(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                            const int64_t* params);

// The scores of an ensemble of decision trees for every row. Records of nodes are {threshold, number of the
// tested feature times the size of an element, left child}; a walk goes to the child on the right where the
// feature is above the threshold. Leaves have an infinite threshold and are their own left child.
// inputs:  rows float or double [n, columns]; records of the same type of threshold; of every record whether
//          NaN goes right uint8; trees int32 [trees, 3]: root, depth, target of all leaves or -1; the column
//          of every tested feature int32; of every record its only weight double, and the begin of its
//          weights int32 (one more); the target int32 and value double of every weight; what is added to
//          every target double [targets]
// outputs: scores [n, targets], scratch (!)
// params:  n, columns, targets, trees, tested features, aggregate (0 sum, 1 least, 2 greatest), average (1:
//          divided by the number of trees), columns that there must be
int32_t dlc_tree_ensemble(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                          const int64_t* params);

// Probabilities of classes from those of each pair of them (Wu, Lin and Weng's second method).
// inputs:  of every pair (0, 1), (0, 2), ... the share of the first class float [n, pairs]
// outputs: probabilities float [n, classes], scratch [classes * (classes + 2)]
// params:  n, classes
int32_t dlc_couple_probabilities(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                 const int64_t* params);

// Determinants of square matrices.
// inputs:  matrices float or double [count, n, n]
// outputs: determinants of the same type [count], scratch [n * n]
// params:  count, n
int32_t dlc_det(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs, const int64_t* params);

// Inverses of square matrices; a singular one fails the run.
// inputs:  matrices float or double [count, n, n]
// outputs: matrices of the same type [count, n, n], scratch [2 * n * n]
// params:  count, n
int32_t dlc_inverse(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                    const int64_t* params);

// Numbers in [0, 1) in the order in which NumPy's RandomState(seed) draws them.
// outputs: numbers double, count of them
// params:  count, seed (its low 32 bits count)
int32_t dlc_mersenne_twister(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                             const int64_t* params);

// A picture as bytes of pixels. The codecs are a library of their own, loaded by the first call.
// inputs:  the bytes of a file uint8 [size]
// outputs: pixels uint8 [height, width, channels] (!)
// params:  0 RGB, 1 BGR, 2 grey
int32_t dlc_image_decoder(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                          const int64_t* params);

// Hands a tensor to the context's exchange, as the part of a number.
// inputs:  the tensor, and what the one before gave (absent: it is the first)
// outputs: int32, for the order alone
// params:  number of the part
int32_t dlc_exchange_give(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                          const int64_t* params);

// Waits for a part, which may have been given as another tensor of as many elements.
// inputs:  what the part of this number gave, or a later one
// outputs: the tensor
// params:  number of the part
int32_t dlc_exchange_take(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                          const int64_t* params);

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
    {"dlc_string_constants", dlc_string_constants},
    {"dlc_string_equal", dlc_string_equal},
    {"dlc_string_concat", dlc_string_concat},
    {"dlc_string_rank", dlc_string_rank},
    {"dlc_string_find", dlc_string_find},
    {"dlc_string_split", dlc_string_split},
    {"dlc_string_normalize", dlc_string_normalize},
    {"dlc_string_to_number", dlc_string_to_number},
    {"dlc_number_to_string", dlc_number_to_string},
    {"dlc_regex_full_match", dlc_regex_full_match},
    {"dlc_ngrams", dlc_ngrams},
    {"dlc_zip_maps", dlc_zip_maps},
    {"dlc_value_pack", dlc_value_pack},
    {"dlc_value_unpack", dlc_value_unpack},
    {"dlc_sequence_construct", dlc_sequence_construct},
    {"dlc_sequence_insert", dlc_sequence_insert},
    {"dlc_sequence_erase", dlc_sequence_erase},
    {"dlc_sequence_at", dlc_sequence_at},
    {"dlc_sequence_length", dlc_sequence_length},
    {"dlc_optional_element", dlc_optional_element},
    {"dlc_sequence_split", dlc_sequence_split},
    {"dlc_sequence_concat", dlc_sequence_concat},
    {"dlc_tree_ensemble", dlc_tree_ensemble},
    {"dlc_couple_probabilities", dlc_couple_probabilities},
    {"dlc_det", dlc_det},
    {"dlc_inverse", dlc_inverse},
    {"dlc_mersenne_twister", dlc_mersenne_twister},
    {"dlc_image_decoder", dlc_image_decoder},
    {"dlc_exchange_give", dlc_exchange_give},
    {"dlc_exchange_take", dlc_exchange_take},
};

}  // namespace dlc::kernels

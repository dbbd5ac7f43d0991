// The text form of Kernel IR. It round-trips: parse_program(to_text(p)) prints as to_text(p).
//
//   program "mlp"
//   symbol batch input
//   %0 = input f32[batch, 784] "x"
//   %1 = constant f32[3] {0.5, 1, -2} "w"
//   %2 = temp f32[batch, 3] order(1, 0) "h"
//   %3 = permute(1, 0) %2 f32[3, batch] "t"        views: reshape, permute, slice(start:step, ...), expand
//   kernel "relu" "Relu 'r1'" {
//     parallel v0 in 0..{batch} {
//       for v1 in 0..3 {
//         let v2 = %0[v0, v1] + 1.0
//         reduce v2 max 0.0
//         %2[v0, v1] = select(v2 < {batch}, v2, f32(5:i32))
//       }
//     }
//   }
//   contraction "matmul" "MatMul 'm'" {
//     m v0 in {batch}
//     k v1 in 784
//     a = %0[v0, v1] padded zero_point 3:u8
//     b = %4[v1]
//     sum f32 v2
//     row_sum v6                                   may be absent
//     %5[v0] = max(v2, 0.0)
//     schedule gemm panel 16 packed winograd 4 group 4
//   }
//   attention "attention" "Attention 'a'" {
//     batch v0 in {batch}
//     row v1 in {queries}
//     key v2 in {keys}
//     depth v3 in 64
//     column v4 in 64
//     q = %0[v0, v1, v3]
//     k = %1[v0, v2, v3]
//     v = %2[v0, v2, v4]
//     product f32 v5
//     score v5 * 0.125 + %3[v1, v2]
//     first max(v1 - 8, 0)                         "first" and "last" may be absent
//     last v1 + 1
//     guard no_keys
//     result v6
//     %4[v0, v1, v4] = v6
//   }
//   call "topk" "TopK 't'" dlc_topk(%0, none) -> (%1) params(3, {batch}) binds(0.1 n)
//   bind n = %6[0] in 0..10 "what"              and, optionally, "expected"
//   set n = {2*m}
//   check {n} == 4 "message"
//   if %7 { ... } else { ... }
//   repeat i in {n} { ... }
//   while %7 counter i trip {n} { ... }
//
// Integers are i64 and floats f32 unless a type follows; {...} is a Dim. A constant of more than 16 elements
// is written as #hash of its bytes.
#pragma once

#include <functional>
#include <string>

#include "ir/kernel/kernel.h"

namespace dlc::ir {

std::string to_text(const Program& program);
std::string to_text(const Kernel& kernel);

// Stands in for the constants that the text names by hash.
using ConstantOfHash =
    std::function<Tensor(const std::string& hash, DType type, const std::vector<int64_t>& shape)>;

// Error(kUsage) naming the line, what was expected and what was found. Without `constants`, a hash is an
// error.
Program parse_program(std::string_view text, const ConstantOfHash& constants = {});

}  // namespace dlc::ir

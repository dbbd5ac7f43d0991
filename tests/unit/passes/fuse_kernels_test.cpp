// Fusion on programs in text form: which kernels are left, and that they compute what the old ones did.
#include "passes/fusion/fuse_kernels.h"

#include <gtest/gtest.h>

#include <random>

#include "ir/kernel/interpret.h"
#include "ir/kernel/text.h"
#include "ir/kernel/verify.h"

namespace dlc::passes {
namespace {

std::vector<std::string> kernel_names(const ir::Program& program) {
  std::vector<std::string> names;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    if (const auto* kernel = std::get_if<ir::KernelStep>(&step.node)) names.push_back(kernel->kernel.name);
  });
  return names;
}

std::vector<Tensor> random_inputs(const ir::Program& program) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  std::vector<Tensor> inputs;
  for (const ir::Buffer& buffer : program.buffers) {
    if (buffer.kind != ir::BufferKind::kInput) continue;
    Tensor tensor(buffer.dtype, ir::static_shape(buffer.shape));
    for (int64_t i = 0; i < tensor.size(); ++i) tensor.set_double(i, normal(random));
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

using Names = std::vector<std::string>;

// The names of the kernels that `pass` leaves; what they compute is compared with what the program computed.
Names after(void (*pass)(ir::Program&, const Options&), const std::string& text) {
  ir::Program program = ir::parse_program(text);
  ir::verify(program);
  const std::vector<Tensor> inputs = random_inputs(program);
  const std::vector<Tensor> expected = ir::interpret(program, inputs);
  pass(program, {});
  ir::verify(program);
  const std::vector<Tensor> found = ir::interpret(program, inputs);
  EXPECT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    for (int64_t k = 0; k < expected[i].size(); ++k) {
      EXPECT_EQ(found[i].get_double(k), expected[i].get_double(k)) << "output " << i << " at " << k;
    }
  }
  return kernel_names(program);
}

constexpr const char* kProduct = R"(program "p"
%0 = input f32[4, 6] at 0 "x"
%1 = input f32[6, 8] at 1 "w"
%2 = input f32[4, 8] at 2 "r"
%3 = output f32[4, 8] at 0 "y"
%4 = temp f32[4, 8] "product"
%5 = temp f32[4, 8] "sum"
%6 = temp f32[4, 8] "gate"
contraction "matmul" "m" {
  m v0 in 4
  n v1 in 8
  k v2 in 6
  a = %0[v0, v2]
  b = %1[v2, v1]
  sum f32 v3
  %4[v0, v1] = v3
  schedule naive panel 16
}
kernel "add" "a" {
  parallel v4 in 0..4 {
    for v5 in 0..8 {
      %5[v4, v5] = %4[v4, v5] + %2[v4, v5]
    }
  }
}
)";

TEST(FuseKernels, MovesElementwiseReadersIntoTheEpilogue) {
  EXPECT_EQ(after(fuse_kernels, std::string(kProduct) + R"(kernel "relu" "r" {
  parallel v6 in 0..4 {
    for v7 in 0..8 {
      %3[v6, v7] = max(%5[v6, v7], 0.0)
    }
  }
}
)"),
            Names({"matmul+add+relu"}));
}

// x * sigmoid(x): the product has two readers until they are one.
TEST(FuseKernels, MergesReadersOfOneValueFirst) {
  EXPECT_EQ(after(fuse_kernels, std::string(kProduct) + R"(kernel "sigmoid" "s" {
  parallel v6 in 0..4 {
    for v7 in 0..8 {
      %6[v6, v7] = 1.0 / (exp(0.0 - %5[v6, v7]) + 1.0)
    }
  }
}
kernel "mul" "g" {
  parallel v8 in 0..4 {
    for v9 in 0..8 {
      %3[v8, v9] = %5[v8, v9] * %6[v8, v9]
    }
  }
}
)"),
            Names({"matmul+add+sigmoid+mul"}));
}

// The reader sees the product as [2, 2, 8]: its residual is seen in the product's shape instead.
TEST(FuseKernels, LooksThroughReshapes) {
  EXPECT_EQ(after(fuse_kernels, R"(program "p"
%0 = input f32[4, 6] at 0 "x"
%1 = input f32[6, 8] at 1 "w"
%2 = input f32[2, 2, 8] at 2 "r"
%3 = output f32[2, 2, 8] at 0 "y"
%4 = temp f32[4, 8] "product"
%5 = reshape %4 f32[2, 2, 8] "reshaped"
contraction "matmul" "m" {
  m v0 in 4
  n v1 in 8
  k v2 in 6
  a = %0[v0, v2]
  b = %1[v2, v1]
  sum f32 v3
  %4[v0, v1] = v3
  schedule naive panel 16
}
kernel "add" "a" {
  parallel v4 in 0..2 {
    parallel v5 in 0..2 {
      for v6 in 0..8 {
        %3[v4, v5, v6] = %5[v4, v5, v6] + %2[v4, v5, v6]
      }
    }
  }
}
)"),
            Names({"matmul+add"}));
}

TEST(FuseKernels, KeepsWhatIsAnOutputOrHasOtherReaders) {
  EXPECT_EQ(after(fuse_kernels, R"(program "p"
%0 = input f32[4, 6] at 0 "x"
%1 = output f32[4, 6] at 0 "y"
%2 = output f32[4] at 1 "z"
%3 = temp f32[4, 6] "e"
kernel "exp" "e" {
  parallel v0 in 0..4 {
    for v1 in 0..6 {
      %3[v0, v1] = exp(%0[v0, v1])
    }
  }
}
kernel "abs" "n" {
  parallel v2 in 0..4 {
    for v3 in 0..6 {
      %1[v2, v3] = abs(%3[v2, v3])
    }
  }
}
kernel "sum" "s" {
  parallel v4 in 0..4 {
    let v5 = 0.0
    for v6 in 0..6 {
      reduce v5 sum %3[v4, v6]
    }
    %2[v4] = v5
  }
}
)"),
            Names({"exp", "abs", "sum"}));
}

// An exponential is not computed once for every column that a row statistic is broadcast to, a sum is.
TEST(FuseKernels, ComputesOnlyCheapElementsSeveralTimes) {
  const auto program = [](const std::string& value) {
    return R"(program "p"
%0 = input f32[4, 1] at 0 "x"
%1 = input f32[4, 6] at 1 "y"
%2 = output f32[4, 6] at 0 "z"
%3 = temp f32[4, 1] "t"
kernel "first" "f" {
  parallel v0 in 0..4 {
    %3[v0, 0] = )" +
           value + R"(
  }
}
kernel "mul" "m" {
  parallel v1 in 0..4 {
    for v2 in 0..6 {
      %2[v1, v2] = %1[v1, v2] * %3[v1, 0]
    }
  }
}
)";
  };
  EXPECT_EQ(after(fuse_kernels, program("exp(%0[v0, 0])")), Names({"first", "mul"}));
  EXPECT_EQ(after(fuse_kernels, program("%0[v0, 0] + 2.0")), Names({"first+mul"}));
}

// The copy overwrites what the first kernel reads.
TEST(FuseKernels, KeepsTheOrderOfWritesAndReads) {
  EXPECT_EQ(after(fuse_kernels, R"(program "p"
%0 = input f32[4] at 0 "x"
%1 = output f32[4] at 0 "y"
%2 = temp f32[4] "state"
%3 = temp f32[4] "t"
kernel "init" "i" {
  parallel v0 in 0..4 {
    %2[v0] = %0[v0]
  }
}
kernel "double" "d" {
  parallel v1 in 0..4 {
    %3[v1] = %2[v1] + %2[v1]
  }
}
kernel "clear" "c" {
  parallel v2 in 0..4 {
    %2[v2] = 0.0
  }
}
kernel "add" "a" {
  parallel v3 in 0..4 {
    %1[v3] = %3[v3] + %2[v3]
  }
}
)"),
            Names({"init", "double", "clear", "add"}));
}

TEST(ElideCopies, WritesPartsOfAConcatenationInPlace) {
  EXPECT_EQ(after(elide_copies, R"(program "p"
%0 = input f32[2, 3] at 0 "x"
%1 = input f32[2, 5] at 1 "y"
%2 = output f32[2, 8] at 0 "z"
%3 = temp f32[2, 3] "a"
%4 = temp f32[2, 5] "b"
%5 = slice(0:1, 0:1) %2 f32[2, 3] "first"
%6 = slice(0:1, 3:1) %2 f32[2, 5] "second"
kernel "exp" "e" {
  parallel v0 in 0..2 {
    for v1 in 0..3 {
      %3[v0, v1] = exp(%0[v0, v1])
    }
  }
}
kernel "abs" "n" {
  parallel v2 in 0..2 {
    for v3 in 0..5 {
      %4[v2, v3] = abs(%1[v2, v3])
    }
  }
}
kernel "concat" "c" {
  parallel v4 in 0..2 {
    for v5 in 0..3 {
      %5[v4, v5] = %3[v4, v5]
    }
  }
}
kernel "concat" "c" {
  parallel v6 in 0..2 {
    for v7 in 0..5 {
      %6[v6, v7] = %4[v6, v7]
    }
  }
}
)"),
            Names({"exp", "abs"}));
}

TEST(ElideCopies, TransposesInTheStore) {
  EXPECT_EQ(after(elide_copies, R"(program "p"
%0 = input f32[2, 3] at 0 "x"
%1 = output f32[3, 2] at 0 "y"
%2 = temp f32[2, 3] "t"
kernel "exp" "e" {
  parallel v0 in 0..2 {
    for v1 in 0..3 {
      %2[v0, v1] = exp(%0[v0, v1])
    }
  }
}
kernel "copy" "c" {
  parallel v2 in 0..3 {
    for v3 in 0..2 {
      %1[v2, v3] = %2[v3, v2]
    }
  }
}
)"),
            Names({"exp"}));
}

// A scatter changes the copy; the source is still read as it was.
TEST(ElideCopies, KeepsACopyThatIsChangedLater) {
  EXPECT_EQ(after(elide_copies, R"(program "p"
%0 = input f32[4] at 0 "x"
%1 = output f32[4] at 0 "changed"
%2 = output f32[4] at 1 "kept"
%3 = temp f32[4] "t"
kernel "exp" "e" {
  parallel v0 in 0..4 {
    %3[v0] = exp(%0[v0])
  }
}
kernel "copy" "c" {
  parallel v1 in 0..4 {
    %1[v1] = %3[v1]
  }
}
kernel "set" "s" {
  %1[2] = 5.0
}
kernel "abs" "n" {
  parallel v2 in 0..4 {
    %2[v2] = abs(%3[v2])
  }
}
)"),
            Names({"exp", "copy", "set", "abs"}));
}

}  // namespace
}  // namespace dlc::passes

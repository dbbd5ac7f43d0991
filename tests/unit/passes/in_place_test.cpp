#include "passes/in_place.h"

#include <gtest/gtest.h>

#include "ir/kernel/text.h"

namespace dlc::passes {
namespace {

// Whether output 0 may be given the memory of input 0 in a program with these kernels.
bool may_share(const std::string& kernels, const std::string& output = "f32[8, 4]") {
  const ir::Program program = ir::parse_program(R"(program "step"
%0 = input f32[8, 4] at 0 "w"
%1 = input f32[8, 4] at 1 "g"
%2 = output )" + output + R"( at 0 "next"
%3 = output f32[8, 4] at 1 "other"
)" + kernels);
  return in_place_outputs(program, {0, -1})[0] == 0;
}

constexpr const char* kUpdate = R"(kernel "sub" "Sub" {
  parallel v0 in 0..8 {
    vector v1 in 0..4 {
      %2[v0, v1] = %0[v0, v1] - %1[v0, v1]
    }
  }
}
)";
constexpr const char* kReader = R"(kernel "neg" "Neg" {
  parallel v2 in 0..8 {
    vector v3 in 0..4 {
      %3[v2, v3] = neg(%0[v2, v3])
    }
  }
}
)";

TEST(InPlace, TakesWhatIsReadOnlyToBeReplaced) {
  EXPECT_TRUE(may_share(kUpdate));
  EXPECT_TRUE(may_share(std::string(kReader) + kUpdate));
}

// A long vector is cut into tasks.
TEST(InPlace, TakesChunksOfOneVector) {
  const ir::Program program = ir::parse_program(R"(program "step"
%0 = input f32[9000] at 0 "w"
%1 = output f32[9000] at 0 "next"
kernel "neg" "Neg" {
  parallel v0 in 0..2 {
    vector v1 in v0 * 8192..min(v0 * 8192 + 8192, 9000) {
      %1[v1] = neg(%0[v1])
    }
  }
}
)");
  EXPECT_EQ(in_place_outputs(program, {0}), std::vector<int>{0});
}

TEST(InPlace, LeavesWhatIsReadLater) { EXPECT_FALSE(may_share(std::string(kUpdate) + kReader)); }

TEST(InPlace, LeavesOtherElementsOfOneKernel) {
  EXPECT_FALSE(may_share(R"(kernel "shift" "Slice" {
  parallel v0 in 0..8 {
    vector v1 in 0..4 {
      %2[v0, v1] = %0[7 - v0, v1]
    }
  }
}
)"));
  // Each row is summed while the rows before it are written.
  EXPECT_FALSE(may_share(R"(kernel "sum" "ReduceSum" {
  parallel v0 in 0..8 {
    parallel v1 in 0..4 {
      let v4 = 0.0
      for v5 in 0..4 {
        reduce v4 sum %0[v0, v5]
      }
      %2[v0, v1] = v4
    }
  }
}
)"));
}

TEST(InPlace, LeavesWhatIsWrittenRepeatedly) {
  EXPECT_FALSE(may_share(R"(kernel "repeat" "Sub" {
  parallel v0 in 0..8 {
    parallel v1 in 0..4 {
      for v6 in 0..3 {
        %2[v0, v1] = %0[v0, v1] - %1[v0, v1]
      }
    }
  }
}
)"));
}

TEST(InPlace, LeavesOtherShapes) {
  EXPECT_FALSE(may_share(R"(kernel "row" "Slice" {
  vector v1 in 0..4 {
    %2[v1] = %1[0, v1]
  }
}
)",
                         "f32[4]"));
}

// What memory temporaries have in a program of a producer, the kernel under test and a consumer of %3.
struct Temporaries {
  bool share;
  LiveRange first;
};
Temporaries temporaries(const std::string& body, const std::string& behind = "") {
  const ir::Program program = ir::parse_program(R"(program "step"
%0 = input f32[8, 4] at 0 "x"
%1 = output f32[8, 4] at 0 "y"
%2 = temp f32[8, 4] "a"
%3 = temp f32[8, 4] "b"
kernel "make" "Neg" {
  parallel v0 in 0..8 {
    vector v1 in 0..4 {
      %2[v0, v1] = neg(%0[v0, v1])
    }
  }
}
kernel "k" "K" {
  parallel v0 in 0..8 {
    vector v1 in 0..4 {
)" + body + R"(
    }
  }
}
kernel "use" "Neg" {
  parallel v0 in 0..8 {
    vector v1 in 0..4 {
      %1[v0, v1] = neg(%3[v0, v1])
    }
  }
}
)" + behind);
  std::vector<LiveRange> ranges = live_ranges(program);
  const std::vector<ir::BufferId> first = shared_temporaries(program, ranges);
  return {first[3] == first[2], ranges[2]};
}

TEST(SharedTemporaries, TakeThePlaceOfWhatEndsWithThem) {
  const Temporaries found = temporaries("      %3[v0, v1] = %2[v0, v1] * %2[v0, v1]");
  EXPECT_TRUE(found.share);
  EXPECT_EQ(found.first.first, 1);
  EXPECT_EQ(found.first.last, 3);
}

TEST(SharedTemporaries, LeaveOtherElementsAlone) {
  EXPECT_FALSE(temporaries("      %3[v0, v1] = %2[v0, v1] * %2[v0, 0]").share);
}

TEST(SharedTemporaries, LeaveWhatIsReadLater) {
  EXPECT_FALSE(temporaries("      %3[v0, v1] = neg(%2[v0, v1])", R"(kernel "late" "Neg" {
  parallel v0 in 0..8 {
    vector v1 in 0..4 {
      %1[v0, v1] = neg(%2[v0, v1])
    }
  }
}
)")
                   .share);
}

// A result that nobody reads would be written over one that somebody does.
TEST(SharedTemporaries, LeaveOutWhatIsNotRead) {
  const ir::Program program = ir::parse_program(R"(program "step"
%0 = input f32[8] at 0 "x"
%1 = output f32[8] at 0 "y"
%2 = temp f32[8] "a"
%3 = temp f32[8] "unread"
%4 = temp f32[8] "b"
kernel "make" "Neg" {
  vector v0 in 0..8 {
    %2[v0] = neg(%0[v0])
  }
}
kernel "two" "Two" {
  vector v0 in 0..8 {
    let v1 = %2[v0]
    %3[v0] = exp(v1)
    %4[v0] = neg(v1)
  }
}
kernel "use" "Neg" {
  vector v0 in 0..8 {
    %1[v0] = neg(%4[v0])
  }
}
)");
  std::vector<LiveRange> ranges = live_ranges(program);
  const std::vector<ir::BufferId> first = shared_temporaries(program, ranges);
  EXPECT_EQ(first[3], static_cast<ir::BufferId>(3));
  EXPECT_EQ(first[4], static_cast<ir::BufferId>(2));
}

// Where the store does not need the load, code for separate buffers may turn them round.
TEST(SharedTemporaries, StayApartWhereTheStoreDoesNotWaitForTheLoad) {
  EXPECT_FALSE(temporaries("      %3[v0, v1] = %0[v0, v1]\n      %1[v0, v1] = neg(%2[v0, v1])").share);
  EXPECT_TRUE(temporaries("      let v5 = neg(%2[v0, v1])\n      %3[v0, v1] = exp(v5)").share);
}

}  // namespace
}  // namespace dlc::passes

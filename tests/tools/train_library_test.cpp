// What dlc-train compile writes, in a C program.
#include <fmt/format.h>

#include <sstream>

#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

void compile_parity(const TemporaryFolder& folder) {
  const ProcessResult result = run_tool(
      "dlc-train", {"compile", digits_model(), "--head", "replace:classes=2", "--freeze", "filters*,hidden*",
                    "--batch", "10", "-o", folder / "libparity.so", "--header", folder / "parity.h"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "libparity\\.so: 6 states of ")) << result.out;
}

TEST(TrainingLibrary, TrainsInAStrictC99Program) {
  const TemporaryFolder folder;
  compile_parity(folder);
  const std::string source = (source_dir() / "examples/training_library/main.c").string();
  const ProcessResult built = run_process({"cc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror",
                                           "-I" + folder.path().string(), source, folder / "libparity.so",
                                           "-Wl,-rpath," + folder.path().string(), "-o", folder / "program"});
  ASSERT_EQ(built.code, 0) << built.err;
  const ProcessResult ran = run_process({folder / "program"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(matches(ran.out,
                      "^before: loss [0-9.]+, [0-8] of 10 right\n"
                      "after 200 steps: loss 0\\.0[0-9]+, 10 of 10 right; output_weight went from"))
      << ran.out;
}

TEST(TrainingLibrary, NeedsLibcAndLibmOnlyAndExportsItsHeader) {
  const TemporaryFolder folder;
  compile_parity(folder);
  const ProcessResult needed = run_process({"ldd", folder / "libparity.so"});
  std::istringstream libraries(needed.out);
  for (std::string line; std::getline(libraries, line);) {
    EXPECT_TRUE(matches(line, "libc\\.so|libm\\.so|ld-linux|linux-vdso")) << line;
  }
  const std::string header = read_text(folder / "parity.h");
  const ProcessResult symbols = run_process({"nm", "-D", "--defined-only", folder / "libparity.so"});
  std::istringstream lines(symbols.out);
  int functions = 0;
  for (std::string line; std::getline(lines, line); ++functions) {
    EXPECT_TRUE(matches(header, "\\b" + line.substr(line.rfind(' ') + 1) + "\\(")) << line;
  }
  EXPECT_EQ(functions, 10);
}

TEST(TrainingLibrary, LeavesNothingWhereItFails) {
  const TemporaryFolder folder;
  const ProcessResult result = run_tool("dlc-train", {"compile", digits_model(), "--freeze", "*", "-o",
                                                      folder / "a.so", "--header", folder / "a.h"});
  expect_fault(result, 2, "no parameter is left to train");
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace dlc::test

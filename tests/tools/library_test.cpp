// What dlc-compile writes, in C and C++ programs.
#include <fmt/format.h>

#include "runtime/data/files.h"
#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

std::string c_program() { return (source_dir() / "examples/compiled_library/main.c").string(); }

std::string test_program(const char* name) { return (source_dir() / "tests/tools/programs" / name).string(); }

// Builds a program in the folder and runs it; "" where that fails, which fails the test.
std::string build_and_run(const TemporaryFolder& folder, std::vector<std::string> command) {
  command.insert(command.end(), {"-I" + folder.path().string(), "-o", folder / "program", "-lm"});
  const ProcessResult built = run_process(command, {.folder = folder.path()});
  EXPECT_EQ(built.code, 0) << built.err;
  EXPECT_EQ(built.err, "");
  if (built.code != 0) return "";
  const ProcessResult ran = run_process({folder / "program"}, {.folder = folder.path()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  return ran.out;
}

constexpr const char* kThree = "^class 3, probability 0\\.9";

TEST(CompiledLibrary, NeedsLibcAndLibmOnly) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so");
  const ProcessResult result = run_process({"ldd", folder / "m.so"});
  ASSERT_EQ(result.code, 0) << result.err;
  std::string others;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    if (!matches(line, "libc\\.so|libm\\.so|ld-linux|linux-vdso")) others += line + "\n";
  }
  EXPECT_EQ(others, "");
  EXPECT_TRUE(matches(result.out, "libc\\.so")) << result.out;
}

TEST(CompiledLibrary, ExportsWhatItsHeaderDeclares) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so", {"--header", folder / "m.h"});
  const std::string header = read_text(folder / "m.h");
  const ProcessResult result = run_process({"nm", "-D", "--defined-only", folder / "m.so"});
  std::istringstream lines(result.out);
  int functions = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(line.rfind(' ') + 1);
    if (name == "dlc_model_descriptor") continue;
    EXPECT_TRUE(matches(header, "\\b" + name + "\\(")) << name;
    ++functions;
  }
  EXPECT_EQ(functions, 8);
}

TEST(CompiledLibrary, LinksIntoAStrictC99Program) {
  const TemporaryFolder folder;
  compile_digits(folder / "libdigits.so", {"--header", folder / "digits.h"});
  EXPECT_TRUE(matches(build_and_run(folder, {"cc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror",
                                             c_program(), folder / "libdigits.so", "-Wl,-rpath,$ORIGIN"}),
                      kThree));
}

TEST(CompiledLibrary, HasAHeaderForCxx) {
  const TemporaryFolder folder;
  compile_digits(folder / "libdigits.so", {"--header", folder / "digits.h"});
  data::write_file(
      folder / "main.cpp",
      "#include \"digits.h\"\n"
      "int main() { digits_model* m; int s = digits_init(nullptr, &m); digits_release(m); return s; }\n");
  EXPECT_EQ(build_and_run(folder, {"c++", "-Wall", "-Wextra", "-pedantic", "-Werror", folder / "main.cpp",
                                   folder / "libdigits.so", "-Wl,-rpath,$ORIGIN"}),
            "");
}

TEST(CompiledArchive, IsAllThatAProgramNeeds) {
  const TemporaryFolder folder;
  compile_digits(folder / "libdigits.a", {"--header", folder / "digits.h"});
  EXPECT_TRUE(matches(build_and_run(folder, {"cc", "-Wall", "-Werror", c_program(), folder / "libdigits.a"}),
                      kThree));
}

TEST(CompiledArchive, DefinesNamesOfItsModelOnly) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.a", {"--name", "some_model"});
  const ProcessResult result =
      run_process({"nm", "--defined-only", "--extern-only", "--format=posix", folder / "m.a"});
  std::istringstream lines(result.out);
  int symbols = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.ends_with(':')) continue;
    EXPECT_TRUE(line.starts_with("some_model_")) << line;
    ++symbols;
  }
  EXPECT_GE(symbols, 8);
}

TEST(CompiledArchive, LinksBesideAnother) {
  const TemporaryFolder folder;
  compile_digits(folder / "one.a", {"--header", folder / "one.h"});
  compile_digits(folder / "two.a", {"--header", folder / "two.h", "--cpu", "x86-64-v2"});
  EXPECT_EQ(build_and_run(folder, {"cc", test_program("two_models.c"), folder / "one.a", folder / "two.a"}),
            "equal\n");
}

TEST(CompiledObject, LinksWithTheRuntimeArchive) {
  const TemporaryFolder folder;
  compile_digits(folder / "digits.o", {"--header", folder / "digits.h"});
  EXPECT_TRUE(matches(build_and_run(folder, {"cc", c_program(), folder / "digits.o",
                                             std::string(DLC_TEST_BINARY_DIR) + "/libdlcrt.a"}),
                      kThree));
}

TEST(CompiledLibrary, TakesStringsAndSequencesInC) {
  const TemporaryFolder folder;
  const auto compile = [&](const char* item, const std::string& name) {
    const std::string model = (onnx_cases_dir() / "node" / item / "model.onnx").string();
    const ProcessResult result =
        run_tool("dlc-compile", {model, "-q", "-o", folder / ("lib" + name + ".so"), "--name", name,
                                 "--header", folder / (name + ".h")});
    EXPECT_EQ(result.code, 0) << result.err;
  };
  compile("test_string_concat", "words");
  compile("test_sequence_insert_at_front", "insert");
  const ProcessResult libraries = run_process({"ldd", folder / "libwords.so"});
  EXPECT_FALSE(matches(libraries.out, "libstdc")) << libraries.out;
  const std::string out = build_and_run(
      folder, {"cc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", test_program("values.c"),
               folder / "libwords.so", folder / "libinsert.so", "-Wl,-rpath,$ORIGIN"});
  EXPECT_EQ(out,
            "good morning, night\n"
            "input 'x': string 0 is not UTF-8\n"
            "7 8 9 | 1 2 | 3 | SequenceInsert (output 'output_sequence'): position 5 in a sequence of 2 "
            "elements\n");
}

// What a header says of strings and other values is what dlc's own headers say.
TEST(CompiledLibrary, SaysOfValuesWhatTheApiSays) {
  const TemporaryFolder folder;
  const std::string model = (onnx_cases_dir() / "node/test_string_concat/model.onnx").string();
  ASSERT_EQ(run_tool("dlc-compile", {model, "-q", "-o", folder / "m.so", "--header", folder / "m.h"}).code,
            0);
  const std::string types = read_text((source_dir() / "runtime/model/types.h").string());
  const size_t begin = types.find("#ifndef DLC_VALUE_TYPES"),
               end = types.find("#endif /* DLC_VALUE_TYPES */");
  ASSERT_NE(end, std::string::npos);
  EXPECT_NE(read_text(folder / "m.h").find(types.substr(begin, end - begin)), std::string::npos);
}

TEST(CompiledLibrary, TakesItsWeightsFromAFile) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so", {"--weights", folder / "m.bin", "--header", folder / "m.h"});
  EXPECT_GT(read_text(folder / "m.bin").size(), 50'000U);
  const std::string picture = digit_picture(8);
  const ProcessResult good =
      run_tool("dlc-run", {folder / "m.so", "-q", "--weights", folder / "m.bin", "-i", picture});
  EXPECT_EQ(good.out, run_tool("dlc-run", {digits_model(), "-q", "-i", picture}).out);
  const auto expect = [&](const std::vector<std::string>& flags, int code, const std::string& pattern) {
    std::vector<std::string> arguments = {folder / "m.so", "-q"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    expect_fault(run_tool("dlc-run", arguments), code, pattern);
  };
  expect({}, 2, "weights of this model are in a file of their own.*--weights");
  expect({"--weights", "nowhere.bin"}, 1, "cannot read the weights file 'nowhere\\.bin'.*No such file");
  data::write_file(folder / "cut.bin", read_text(folder / "m.bin").substr(0, 1000));
  expect({"--weights", folder / "cut.bin"}, 1, "cut\\.bin' is cut off: expected \\d+ bytes");
  expect({"--weights", picture}, 1, "is no weights file");
  compile_digits(folder / "other.so", {"--weights", folder / "other.bin", "--cpu", "x86-64-v2"});
  expect({"--weights", folder / "other.bin"}, 1, "belongs to another model");
}

TEST(CompiledLibrary, TakesItsWeightsFromAFileInC) {
  const TemporaryFolder folder;
  compile_digits(folder / "digits.a", {"--weights", folder / "digits.bin", "--header", folder / "digits.h"});
  EXPECT_EQ(build_and_run(folder, {"cc", test_program("weights_file.c"), folder / "digits.a"}),
            "the file of the weights is missing, cut off or belongs to another model\n1.000\n");
}

}  // namespace
}  // namespace dlc::test

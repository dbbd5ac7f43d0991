// dlc-compile as a user calls it.
#include <fmt/format.h>

#include "tests/tools/tools.h"

namespace dlc::test {
namespace {

ProcessResult compile(const std::vector<std::string>& arguments, const ProcessOptions& options = {}) {
  return run_tool("dlc-compile", arguments, options);
}

struct FormCase {
  std::string file;
  std::vector<std::string> flags;
  std::string start;               // of what is written
  std::vector<std::string> parts;  // found in it
};

class DlcCompileForm : public testing::TestWithParam<FormCase> {};

TEST_P(DlcCompileForm, IsWritten) {
  const TemporaryFolder folder;
  const FormCase& form = GetParam();
  compile_digits(folder / form.file, form.flags);
  EXPECT_EQ(folder.names(), std::vector<std::string>{form.file});
  const std::string text = read_text(folder / form.file);
  EXPECT_TRUE(text.starts_with(form.start)) << text.substr(0, 300);
  for (const std::string& part : form.parts) EXPECT_NE(text.find(part), std::string::npos) << part;
}

constexpr const char* kElf =
    "\x7f"
    "ELF";
constexpr const char* kArchive = "!<arch>\n";

INSTANTIATE_TEST_SUITE_P(
    All, DlcCompileForm,
    testing::Values(FormCase{"m.so", {}, kElf, {"m_init"}}, FormCase{"m.a", {}, kArchive, {"m_init"}},
                    FormCase{"m.o", {}, kElf, {"m_init"}},
                    FormCase{"m.ll", {}, "", {"target triple = ", "@m_init("}},
                    FormCase{"m.s", {}, "", {".globl\tm_init"}},
                    FormCase{"so_by_flag", {"--emit", "so"}, kElf, {}},
                    FormCase{"archive_by_flag", {"--emit", "archive"}, kArchive, {}},
                    FormCase{"m.txt", {"--emit", "graph"}, "symbol batch", {" = Conv(%image, "}},
                    FormCase{"m.txt", {"--emit", "kernels"}, "program ", {"input f32[batch, 1, 8, 8]"}},
                    FormCase{"m.txt", {"--stop-after", "eliminate"}, "symbol batch", {" = Conv("}}),
    [](const auto& info) {
      std::string name = info.param.file;
      for (const std::string& flag : info.param.flags) name += flag;
      std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
      return name;
    });

TEST(DlcCompile, ChecksAModel) {
  const ProcessResult good = compile({"--check", digits_model()});
  EXPECT_EQ(good.code, 0);
  EXPECT_TRUE(matches(good.out, "^[^\n]*digits.onnx: found nothing that would not compile\n$")) << good.out;
  const ProcessResult writes = compile({"--check", digits_model(), "-o", "x.so"});
  expect_fault(writes, 2, "--check writes nothing");
}

TEST(DlcCompile, ExplainsTheChoiceOfKernels) {
  const TemporaryFolder folder;
  const ProcessResult result = compile({digits_model(), "-q", "--explain"}, {.folder = folder.path()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(matches(result.out, "f32 contraction, register tiles, packed weights\n")) << result.out;
  expect_fault(compile({"--explain", "--emit", "graph", digits_model()}), 2, "--explain goes with --emit so");
}

TEST(DlcCompile, NamesTheOutputAfterTheModel) {
  const TemporaryFolder folder;
  ASSERT_EQ(compile({digits_model()}, {.folder = folder.path()}).code, 0);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"digits.so"});
}

TEST(DlcCompile, WritesTextToStandardOutput) {
  const TemporaryFolder folder;
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--emit", "kernels", "-o", "-"}, {"--stop-after", "choose_layouts"}}) {
    std::vector<std::string> arguments = {digits_model()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProcessResult result = compile(arguments, {.folder = folder.path()});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(result.out.starts_with("program ")) << result.out.substr(0, 100);
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{});
}

TEST(DlcCompile, SummarizesInOneLineAndIsSilentElsewhere) {
  const TemporaryFolder folder;
  const ProcessResult result = compile({digits_model(), "-o", folder / "m.so"});
  EXPECT_TRUE(matches(result.out,
                      "m\\.so: \\d+ operators, \\d+ kernels \\(\\d+ distinct\\), weights .*kB, arena "
                      "by shape, .* s\n$"))
      << result.out;
  EXPECT_EQ(result.err, "");
  const ProcessResult fixed = compile({digits_model(), "-o", folder / "m.so", "--shape", "image=3x1x8x8"});
  EXPECT_TRUE(matches(fixed.out, "arena \\d+")) << fixed.out;
  EXPECT_EQ(compile({digits_model(), "-o", folder / "m.so", "--quiet"}).out, "");
}

TEST(DlcCompile, ShowsProgressOnATerminal) {
  const TemporaryFolder folder;
  const std::vector<std::string> arguments = {digits_model(), "-o", folder / "m.so"};
  const ProcessResult result = compile(arguments, {.terminal = true});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(matches(result.err, "\\[1/\\d+\\]")) << result.err;
  EXPECT_TRUE(matches(result.err, "machine_code")) << result.err;
  EXPECT_TRUE(result.err.ends_with("\r\x1b[K")) << "the line is gone at the end";
}

struct FaultCase {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  std::string pattern;
};

class DlcCompileFault : public testing::TestWithParam<FaultCase> {};

// None of these leaves a file behind.
TEST_P(DlcCompileFault, IsToldInOneLine) {
  const TemporaryFolder folder;
  expect_fault(compile(GetParam().arguments, {.folder = folder.path()}), GetParam().code, GetParam().pattern);
  EXPECT_EQ(folder.names(), std::vector<std::string>{});
}

const std::string kModel = digits_model();

INSTANTIATE_TEST_SUITE_P(
    All, DlcCompileFault,
    testing::Values(
        FaultCase{"no_model", {}, 2, "MODEL is required; dlc-compile --help"},
        FaultCase{"unknown_flag", {kModel, "--frobnicate"}, 2, "--frobnicate"},
        FaultCase{"two_models", {kModel, "other.onnx"}, 2, "other\\.onnx"},
        FaultCase{"missing_model", {"nowhere.onnx"}, 1, "nowhere\\.onnx: .*No such file"},
        FaultCase{"folder_as_model", {"/tmp"}, 1, "/tmp: is not a file"},
        FaultCase{"text_as_model", {digit_labels()}, 1, "labels\\.txt: is not an ONNX model"},
        FaultCase{
            "missing_folder", {kModel, "-o", "nowhere/m.so"}, 1, "cannot write 'nowhere/m\\.so'.*No such"},
        FaultCase{
            "output_is_folder", {kModel, "-o", "/tmp"}, 1, "cannot write '/tmp': it is no regular file"},
        FaultCase{"header_folder", {kModel, "--header", "nowhere/m.h"}, 1, "cannot write 'nowhere/m\\.h'"},
        FaultCase{
            "weights_folder", {kModel, "--weights", "nowhere/m.bin"}, 1, "cannot write 'nowhere/m\\.bin'"},
        FaultCase{"same_file", {kModel, "-o", "m.so", "--header", "m.so"}, 2, "'m\\.so' is named for two"},
        FaultCase{"form", {kModel, "--emit", "elf"}, 2, "--emit.*elf.*\\{so,archive,obj"},
        FaultCase{"precision",
                  {kModel, "--precision", "bfloat"},
                  2,
                  "unknown precision 'bfloat'.*did you mean 'bf16'"},
        FaultCase{"cpu", {kModel, "--cpu", "z80"}, 2, "unknown CPU 'z80'.*expected native"},
        FaultCase{"cpu_of_32_bits", {kModel, "--cpu", "pentium"}, 2, "unknown CPU 'pentium'.*32 bits"},
        FaultCase{"shape_name", {kModel, "--shape", "imag=1x1x8x8"}, 2, "'imag'.*did you mean 'image'"},
        FaultCase{"shape_rank", {kModel, "--shape", "1x64"}, 2, "2 dims for input 'image', which has 4"},
        FaultCase{"shape_fixed", {kModel, "--shape", "1x3x8x8"}, 2, "gives 3 for dim 1 .* fixes to 1"},
        FaultCase{
            "shape_text", {kModel, "--shape", "1xtwo"}, 2, "'1xtwo' is no shape; expected dims such as"},
        FaultCase{"shape_twice", {kModel, "--shape", "1x1x8x8", "--shape", "2x1x8x8"}, 2, "given twice"},
        FaultCase{"binary_to_stdout", {kModel, "-o", "-"}, 2, "does not go to standard output"},
        FaultCase{
            "header_of_text", {kModel, "--emit", "asm", "--header", "m.h"}, 2, "--header and --weights go"},
        FaultCase{"library_of_other_machine", {kModel, "--cpu", "aarch64"}, 2, "--emit obj"},
        FaultCase{"dump_unknown",
                  {kModel, "--dump-after", "nothing"},
                  2,
                  "no pass 'nothing'; passes are .*simplify"},
        FaultCase{"disable_needed", {kModel, "--disable-pass", "lower_to_kernels"}, 2, "cannot be disabled"},
        FaultCase{"stop_with_code",
                  {kModel, "--stop-after", "simplify", "-o", "m.so"},
                  2,
                  "--stop-after goes with"},
        FaultCase{"iterations", {kModel, "--max-iterations", "0"}, 2, "at least 1, found '0'"},
        FaultCase{"limit", {kModel, "--rewrite-limit", "-1"}, 2, "at least 0, found '-1'"}),
    [](const auto& info) { return info.param.name; });

TEST(DlcCompile, KeepsAnOldOutputWhenItFails) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so");
  const std::string before = read_text(folder / "m.so");
  expect_fault(compile({digit_labels(), "-o", folder / "m.so"}), 1, "not an ONNX model");
  EXPECT_EQ(read_text(folder / "m.so"), before);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"m.so"});
}

TEST(DlcCompile, IsReproducible) {
  const TemporaryFolder folder;
  for (const std::string ending : {".so", ".a", ".o"}) {
    compile_digits(folder / ("first" + ending), {"--name", "digits"});
    compile_digits(folder / ("second" + ending), {"--name", "digits"});
    if (ending == ".so") continue;  // holds its own file's name
    EXPECT_EQ(read_text(folder / ("first" + ending)), read_text(folder / ("second" + ending))) << ending;
  }
}

TEST(DlcCompile, HelpsAndTellsItsVersion) {
  for (const char* tool : {"dlc-compile", "dlc-run"}) {
    const ProcessResult help = run_tool(tool, {"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_TRUE(matches(help.out, fmt::format("Usage: {} ", tool))) << help.out;
    EXPECT_TRUE(matches(help.out, "Examples:")) << help.out;
    EXPECT_TRUE(matches(help.out, "Exit code: 0 ")) << help.out;
    EXPECT_FALSE(matches(help.out, "[^\n]{125}")) << "every line fits a window";
    const ProcessResult version = run_tool(tool, {"--version"});
    EXPECT_EQ(version.code, 0);
    EXPECT_TRUE(matches(version.out, fmt::format("^{} \\d+\\.\\d+\\.\\d+\n$", tool))) << version.out;
  }
}

TEST(DlcCompile, DumpsPassesToFiles) {
  const TemporaryFolder folder;
  compile_digits(folder / "m.so", {"--dump-after", "all", "--dump-dir", folder / "dumps", "--verify"});
  const ProcessResult list = run_process({"ls", folder / "dumps"});
  EXPECT_TRUE(matches(list.out, "00_eliminate\\.txt\n[^]*lower_to_kernels\\.txt")) << list.out;
}

}  // namespace
}  // namespace dlc::test

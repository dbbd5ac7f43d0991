// Libraries that are not what they should be, and machines that are not enough.
#include <cstring>

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/cpu.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/program.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

std::string digits_path() { return (source_dir() / "examples/digits/digits.onnx").string(); }

codegen::CompiledModel compiled_digits(const codegen::CompileOptions& options = {}) {
  return codegen::compile_to_object(*frontend::read_model(digits_path()), options);
}

template <class Work>
std::string message_of(ErrorKind kind, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    return error.what();
  }
  return "there is no error";
}

class BadLibrary : public testing::Test {
 protected:
  void SetUp() override { codegen::write_shared_library(compiled_digits(), file_, {}); }

  // Changes the descriptor in the file.
  template <class T>
  void patch(size_t offset, T value) {
    std::string bytes = data::read_file(file_);
    // The magic number alone is in the code as well.
    dlc_model begin = {};
    begin.magic = DLC_MODEL_MAGIC;
    begin.abi_version = DLC_ABI_VERSION;
    begin.struct_size = sizeof begin;
    const size_t at =
        bytes.find(std::string(reinterpret_cast<const char*>(&begin), offsetof(dlc_model, name)));
    ASSERT_NE(at, std::string::npos);
    std::memcpy(&bytes[at + offset], &value, sizeof value);
    data::write_file(file_, bytes);
  }

  std::string load_error(ErrorKind kind) const {
    return message_of(kind, [&] { runtime::load_library(file_); });
  }
  void expect(ErrorKind kind, const std::string& text) const {
    const std::string message = load_error(kind);
    EXPECT_NE(message.find(text), std::string::npos) << message;
    EXPECT_NE(message.find("m.so"), std::string::npos) << message;
  }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "m.so";
};

TEST_F(BadLibrary, IsLoadedWhenItIsNot) { EXPECT_EQ(runtime::load_library(file_).name(), "digits"); }

TEST_F(BadLibrary, HasAnotherBorder) {
  patch(offsetof(dlc_model, abi_version), DLC_ABI_VERSION + 1);
  expect(ErrorKind::kModel, "compiled for version");
}

TEST_F(BadLibrary, HasAnotherSizeOfDescriptor) {
  patch(offsetof(dlc_model, struct_size), uint32_t{8});
  expect(ErrorKind::kModel, "compile it again");
}

TEST_F(BadLibrary, NeedsAnotherCpu) {
  uint64_t absent = ~runtime::cpu_features() & (DLC_CPU_ARM_I8MM | DLC_CPU_X86_V4 | DLC_CPU_AMX_BF16);
  patch(offsetof(dlc_model, cpu_features), absent);
  expect(ErrorKind::kResource, "which this machine lacks");
}

TEST_F(BadLibrary, IsNoModel) {
  patch(0, uint64_t{1});
  expect(ErrorKind::kModel, "no compiled model");
  data::write_file(file_, data::read_file(program("dlc-run").string()));
  expect(ErrorKind::kModel, "cannot load");
  data::write_file(file_,
                   "\x7f"
                   "ELF and then something else entirely, long enough to be a header, surely so.");
  expect(ErrorKind::kModel, "is no shared library");
  data::write_file(file_, "");
  expect(ErrorKind::kModel, "is no shared library");
}

// A library of others that is present everywhere.
TEST(ForeignLibrary, IsNoModel) {
  const std::string message =
      message_of(ErrorKind::kModel, [] { runtime::load_library("/lib64/ld-linux-x86-64.so.2"); });
  EXPECT_NE(message.find("no compiled model of dlc"), std::string::npos) << message;
}

TEST_F(BadLibrary, IsForAnotherMachine) {
  std::string bytes = data::read_file(file_);
  const Elf64_Half machine = EM_RISCV;
  std::memcpy(&bytes[offsetof(Elf64_Ehdr, e_machine)], &machine, sizeof machine);
  data::write_file(file_, bytes);
  expect(ErrorKind::kModel, "is for another machine, expected");
}

// At every length: a message, no crash. The loader itself dies of files that end inside of a segment.
TEST_F(BadLibrary, IsCutOff) {
  const std::string bytes = data::read_file(file_);
  for (size_t part = 0; part < 40; ++part) {
    data::write_file(file_, bytes.substr(0, bytes.size() * part / 40));
    expect(ErrorKind::kModel, part == 0 ? "is no shared library" : "is cut off");
  }
  data::write_file(file_, bytes.substr(0, bytes.size() - 1));
  expect(ErrorKind::kModel, "is cut off");
}

TEST_F(BadLibrary, IsMissing) {
  file_ = folder_ / "m.so.old";
  expect(ErrorKind::kIo, "No such file");
}

TEST(Output, ThatCannotBeWrittenIsNamed) {
  const codegen::CompiledModel model = compiled_digits();
  const TemporaryFolder folder;
  using Writer = void (*)(codegen::CompiledModel, const std::string&, const codegen::CompileOptions&);
  for (const Writer writer : {codegen::write_shared_library, codegen::write_archive, codegen::write_object}) {
    const std::string message = message_of(ErrorKind::kIo, [&] { writer(model, folder / "nowhere/m", {}); });
    EXPECT_NE(message.find("nowhere/m'"), std::string::npos) << message;
    const std::string taken = message_of(ErrorKind::kIo, [&] { writer(model, folder.path().string(), {}); });
    EXPECT_NE(taken.find("no regular file"), std::string::npos) << taken;
  }
  const std::string weights = message_of(ErrorKind::kIo, [&] {
    codegen::write_shared_library(model, folder / "m.so", {.weights_file = folder / "nowhere/w"});
  });
  EXPECT_NE(weights.find("nowhere/w'"), std::string::npos) << weights;
  EXPECT_EQ(folder.names(), std::vector<std::string>{});
}

// The address space of this process alone is limited, which AddressSanitizer cannot live with.
TEST(Memory, ThatIsNotThereIsAnError) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer reserves address space";
#endif
  const runtime::Program program = codegen::compile(*frontend::read_model(digits_path()), {});
  runtime::Context context(program, {.threads = 1});
  const Tensor input(DType::kFloat, {1 << 17, 1, 8, 8});
  rlimit before = {};
  getrlimit(RLIMIT_DATA, &before);
  const rlimit tight = {uint64_t{1} << 27, before.rlim_max};
  setrlimit(RLIMIT_DATA, &tight);
  const std::string message = message_of(ErrorKind::kResource, [&] { context.run({input}); });
  setrlimit(RLIMIT_DATA, &before);
  EXPECT_NE(message.find("no memory for intermediate values"), std::string::npos) << message;
  EXPECT_EQ(context.run({Tensor(DType::kFloat, {2, 1, 8, 8})}).size(), 1U)
      << "the context is as good as before";
}

}  // namespace
}  // namespace dlc::test

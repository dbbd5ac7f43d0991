#include "codegen/link.h"

#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <span>

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/ranges.h>
#include <lld/Common/Driver.h>
#include <llvm/ObjCopy/CommonConfig.h>
#include <llvm/ObjCopy/ELF/ELFConfig.h>
#include <llvm/ObjCopy/ELF/ELFObjcopy.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/constants_object.h"
#include "codegen/emit_program.h"
#include "codegen/system_library.h"
#include "runtime/cpu.h"
#include "runtime/error.h"
#include "runtime/output_file.h"

LLD_HAS_DRIVER(elf)

extern "C" {
extern const char dlc_runtime_archive_begin[];
extern const char dlc_runtime_archive_end[];
}

namespace dlc::codegen {
namespace {

// A file without a name, for inputs of the linker.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("dlc", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail(ErrorKind::kResource, "no memory for a file to link: {}", std::strerror(errno));
  }
  explicit MemoryFile(std::string_view bytes) : MemoryFile() { write(bytes); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(ErrorKind::kResource, "no memory for a file to link: {}", std::strerror(errno));
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }

 private:
  int descriptor_;
};

// The constants' symbol is defined even where a model has none.
void write_constants(const LinkInput& input, const std::function<void(std::string_view)>& write) {
  std::string_view data;
  if (input.constants.defined()) {
    data = {input.constants.as<char>(), static_cast<size_t>(input.constants.byte_size())};
  }
  write_constants_object(data, constants_symbol(input.name), elf_machine(input.objects.front()), write);
}

// The linker maps the file and the library: a third copy of the constants would be one too many.
void move_constants(LinkInput& input, MemoryFile& file) {
  write_constants(input, [&](std::string_view bytes) { file.write(bytes); });
  input.constants = Tensor();
}

std::list<MemoryFile> object_files(const LinkInput& input) {
  std::list<MemoryFile> files;
  for (const std::string& object : input.objects) files.emplace_back(object);
  return files;
}

// LLD keeps its state in globals: one link at a time.
void run_linker(const std::vector<std::string>& arguments, const std::list<MemoryFile>& objects) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<const char*> pointers = {"ld.lld"};
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  std::vector<std::string> paths;
  for (const MemoryFile& object : objects) paths.push_back(object.path());
  for (const std::string& path : paths) pointers.push_back(path.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0) fail(ErrorKind::kInternal, "linking the model: {}", messages);
}

std::string export_list(const std::vector<std::string>& symbols) {
  return fmt::format("{{ global: {}; local: *; }};", fmt::join(symbols, "; "));
}

constexpr const char* kDescriptor = "dlc_model_descriptor";

template <class T>
T expect(llvm::Expected<T> value) {
  if (!value) fail(ErrorKind::kInternal, "linking the model: {}", llvm::toString(value.takeError()));
  return std::move(*value);
}

// The object with every hidden symbol made local, so that nothing else can meet it.
llvm::SmallVector<char, 0> localize_hidden(const std::string& path) {
  auto binary = expect(llvm::object::createBinary(path));
  auto* object = llvm::dyn_cast<llvm::object::ELFObjectFileBase>(binary.getBinary());
  check(object != nullptr, "a linked object is an ELF file");
  llvm::objcopy::CommonConfig common;
  llvm::objcopy::ELFConfig elf;
  elf.LocalizeHidden = true;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (llvm::Error error = llvm::objcopy::elf::executeObjcopyOnBinary(common, elf, *object, stream)) {
    fail(ErrorKind::kInternal, "linking the model: {}", llvm::toString(std::move(error)));
  }
  return bytes;
}

llvm::NewArchiveMember archive_member(llvm::StringRef bytes, const std::string& name) {
  llvm::NewArchiveMember member(llvm::MemoryBufferRef(bytes, name));
  member.ModTime = {};  // equal inputs give equal archives
  return member;
}

void check_host(const LinkInput& input) {
  if (elf_machine(input.objects.front()) != host_elf_machine()) {
    fail(ErrorKind::kUsage,
         "a library is linked on the machine that it is for: write an object (--emit obj) and link it there");
  }
}

std::string thread_flag() { return fmt::format("--threads={}", runtime::usable_threads()); }

// A shared library of several models' objects and constants, which exports these symbols alone.
void link_library(std::span<LinkInput> parts, const std::vector<std::string>& exports,
                  const std::vector<std::string>& flags, const std::string& path) {
  OutputFile output(path);
  std::list<MemoryFile> files;
  for (LinkInput& part : parts) {
    check_host(part);
    for (const std::string& object : part.objects) files.emplace_back(object);
    move_constants(part, files.emplace_back());
  }
  MemoryFile archive(runtime_archive()), script(export_list(exports));
  std::vector<std::string> arguments = {"-shared",
                                        "-o",
                                        output.temporary_path(),
                                        "--hash-style=gnu",
                                        "--gc-sections",
                                        "--no-undefined",
                                        "--as-needed",
                                        "-z",
                                        "now",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "noexecstack",
                                        thread_flag(),
                                        "--soname=" + path.substr(path.rfind('/') + 1),
                                        "--version-script=" + script.path(),
                                        archive.path(),
                                        system_library_path("libm.so.6"),
                                        system_library_path("libc.so.6")};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  run_linker(arguments, files);
  output.commit(0777);
}

}  // namespace

std::string_view runtime_archive() {
  return {dlc_runtime_archive_begin,
          static_cast<size_t>(dlc_runtime_archive_end - dlc_runtime_archive_begin)};
}

void link_shared_library(LinkInput input, const std::string& path) {
  std::vector<std::string> exports = header_symbols(input.name);
  exports.emplace_back(kDescriptor);
  const std::string descriptor = fmt::format("--defsym={}={}", kDescriptor, descriptor_symbol(input.name));
  link_library({&input, 1}, exports, {descriptor}, path);
}

void link_parts(std::vector<LinkInput> parts, const std::vector<std::string>& exports,
                const std::string& path) {
  link_library(parts, exports, {}, path);
}

void link_object(LinkInput input, const std::string& path) {
  OutputFile output(path);
  MemoryFile constants;
  move_constants(input, constants);
  run_linker({"-r", "-o", output.temporary_path(), thread_flag(), constants.path()}, object_files(input));
  output.commit();
}

void link_archive(LinkInput input, const std::string& path) {
  check_host(input);
  OutputFile output(path), linked(path);
  MemoryFile archive(runtime_archive());
  run_linker({"-r", "-o", linked.temporary_path(), thread_flag(), archive.path()}, object_files(input));
  const llvm::SmallVector<char, 0> code = localize_hidden(linked.temporary_path());
  std::string constants;
  write_constants(input, [&](std::string_view bytes) { constants += bytes; });
  const std::string code_name = input.name + ".o", constants_name = input.name + "_constants.o";
  const llvm::NewArchiveMember members[] = {archive_member({code.data(), code.size()}, code_name),
                                            archive_member(constants, constants_name)};
  auto bytes = expect(llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab,
                                                 llvm::object::Archive::K_GNU, true, false));
  output.write({bytes->getBufferStart(), bytes->getBufferSize()});
  output.commit();
}

}  // namespace dlc::codegen

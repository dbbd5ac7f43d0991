#include "codegen/constants_object.h"

#include <array>
#include <cstring>

#include <llvm/BinaryFormat/ELF.h>

#include "runtime/error.h"

namespace dlc::codegen {
namespace {

namespace elf = llvm::ELF;

constexpr uint64_t kAlignment = 64;
constexpr std::string_view kSectionNames("\0.rodata.dlc_constants\0.symtab\0.strtab\0.note.GNU-stack\0", 55);

enum Section : uint16_t { kNull, kData, kSymbols, kStrings, kStack, kSections };

uint32_t section_name(std::string_view name) { return static_cast<uint32_t>(kSectionNames.find(name)); }

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

elf::Elf64_Ehdr file_header(uint16_t machine, uint64_t section_headers) {
  elf::Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, elf::ElfMagic, 4);
  header.e_ident[elf::EI_CLASS] = elf::ELFCLASS64;
  header.e_ident[elf::EI_DATA] = elf::ELFDATA2LSB;
  header.e_ident[elf::EI_VERSION] = elf::EV_CURRENT;
  header.e_type = elf::ET_REL;
  header.e_machine = machine;
  header.e_version = elf::EV_CURRENT;
  header.e_ehsize = sizeof(elf::Elf64_Ehdr);
  header.e_shoff = section_headers;
  header.e_shentsize = sizeof(elf::Elf64_Shdr);
  header.e_shnum = kSections;
  header.e_shstrndx = kStrings;
  return header;
}

elf::Elf64_Shdr section(std::string_view name, uint32_t type, uint64_t offset, uint64_t size,
                        uint64_t alignment) {
  elf::Elf64_Shdr header = {};
  header.sh_name = section_name(name);
  header.sh_type = type;
  header.sh_offset = offset;
  header.sh_size = size;
  header.sh_addralign = alignment;
  return header;
}

}  // namespace

void write_constants_object(std::string_view data, const std::string& symbol, uint16_t machine,
                            const std::function<void(std::string_view)>& write) {
  // The section names serve as string table of the symbol as well, which follows them.
  std::string strings(kSectionNames);
  std::array<elf::Elf64_Sym, 2> symbols = {};
  symbols[1].st_name = static_cast<uint32_t>(strings.size());
  symbols[1].setBindingAndType(elf::STB_GLOBAL, elf::STT_OBJECT);
  symbols[1].st_other = elf::STV_HIDDEN;
  symbols[1].st_shndx = kData;
  symbols[1].st_size = data.size();
  strings += symbol + '\0';
  strings.resize((strings.size() + 7) / 8 * 8);

  uint64_t symbols_at = kAlignment + (data.size() + 7) / 8 * 8;
  uint64_t strings_at = symbols_at + sizeof symbols;
  uint64_t headers_at = strings_at + strings.size();
  std::array<elf::Elf64_Shdr, kSections> sections = {};
  sections[kData] = section(".rodata.dlc_constants", elf::SHT_PROGBITS, kAlignment, data.size(), kAlignment);
  sections[kData].sh_flags = elf::SHF_ALLOC;
  sections[kSymbols] = section(".symtab", elf::SHT_SYMTAB, symbols_at, sizeof symbols, 8);
  sections[kSymbols].sh_link = kStrings;
  sections[kSymbols].sh_info = 1;  // the first global symbol
  sections[kSymbols].sh_entsize = sizeof(elf::Elf64_Sym);
  sections[kStrings] = section(".strtab", elf::SHT_STRTAB, strings_at, strings.size(), 1);
  sections[kStack] = section(".note.GNU-stack", elf::SHT_PROGBITS, strings_at, 0, 1);

  write(bytes_of(file_header(machine, headers_at)));
  static_assert(sizeof(elf::Elf64_Ehdr) == kAlignment, "the data follows the header, aligned");
  write(data);
  write(std::string(symbols_at - kAlignment - data.size(), '\0'));
  write(bytes_of(symbols));
  write(strings);
  write(bytes_of(sections));
}

uint16_t elf_machine(std::string_view object) {
  elf::Elf64_Ehdr header = {};
  check(object.size() >= sizeof header, "an object has an ELF header");
  std::memcpy(&header, object.data(), sizeof header);
  check(std::memcmp(header.e_ident, elf::ElfMagic, 4) == 0, "an object is an ELF file");
  return header.e_machine;
}

uint16_t host_elf_machine() {
#if defined(__x86_64__)
  return elf::EM_X86_64;
#elif defined(__aarch64__)
  return elf::EM_AARCH64;
#endif
}

}  // namespace dlc::codegen

// An ELF object that holds nothing but constants.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dlc::codegen {

// Calls `write` with consecutive pieces of a relocatable object that defines the read-only, 64-byte aligned
// symbol `symbol` with the bytes `data`. `machine` is ELF's e_machine. The data is passed on as it is, not
// copied.
void write_constants_object(std::string_view data, const std::string& symbol, uint16_t machine,
                            const std::function<void(std::string_view)>& write);

// e_machine of an ELF object; Error(kInternal) if it is none.
uint16_t elf_machine(std::string_view object);
uint16_t host_elf_machine();

}  // namespace dlc::codegen

// Target: the CPU that code is generated for, as the generators need to see it.
#pragma once

#include <memory>
#include <string>

namespace llvm {
class TargetMachine;
}

namespace dlc::codegen {

enum class Isa : uint8_t { kX86V2, kX86V3, kX86V4, kNeon };

struct Target {
  std::string triple;
  std::string cpu;       // LLVM's name: "x86-64-v3", "znver4"
  std::string features;  // LLVM's feature string
  Isa isa = Isa::kX86V3;
  int vector_bits = 256;
  int vector_registers = 16;
  bool has_fma = true;
  bool has_masks = false;  // AVX-512 style predicates: masked loads and stores are as fast as plain ones
  bool has_f16 = false;    // converts float16 from and to float32
  bool has_vnni = false;
  bool has_bf16 = false;
  int64_t l1_bytes = 32 << 10;
  int64_t l2_bytes = 512 << 10;

  int float_lanes() const { return vector_bits / 32; }
  // "native", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64", or a CPU name of LLVM. Error(kUsage) if
  // unknown.
  static Target parse(const std::string& cpu);
  std::unique_ptr<llvm::TargetMachine> make_machine() const;
};

}  // namespace dlc::codegen

// ConstantPool: where the constants of a program lie in its read-only data.
#pragma once

#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::codegen {

// Constants start at multiples of 64 bytes; equal bytes are stored once.
class ConstantPool {
 public:
  // Of the constant root buffers that steps of the program use.
  explicit ConstantPool(ir::Program& program);

  int64_t offset(ir::BufferId root) const;  // requires a constant of this pool
  int64_t size() const { return size_; }
  // The bytes of all constants, in the storage order of their buffers. Called once: the program gives its own
  // up, so that there are never two of each.
  Tensor take_bytes();

 private:
  ir::Program& program_;
  std::vector<int64_t> offsets_;        // by BufferId; -1: not in the pool
  std::vector<ir::BufferId> distinct_;  // those whose bytes are written
  int64_t size_ = 0;
};

// The elements of `tensor` (row-major) stored with the logical axes in `order`, outermost first. Empty: as
// they are.
void copy_in_order(const Tensor& tensor, const std::vector<int>& order, void* out);

}  // namespace dlc::codegen

#include "codegen/constant_pool.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

#include "passes/liveness.h"
#include "runtime/error.h"

namespace dlc::codegen {
namespace {

constexpr int64_t kAlignment = 64;

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.byte_size())};
}

bool is_row_major(const std::vector<int>& order) { return std::is_sorted(order.begin(), order.end()); }

// Bytes and the order they are stored in: what decides whether two constants are one.
struct Key {
  std::string_view bytes;
  std::vector<int> order;
  std::vector<int64_t> shape;
  friend bool operator<(const Key& a, const Key& b) {
    if (a.bytes.size() != b.bytes.size()) return a.bytes.size() < b.bytes.size();
    if (a.order != b.order) return a.order < b.order;
    if (!a.order.empty() && a.shape != b.shape) return a.shape < b.shape;
    // The same storage needs no look at its bytes.
    return a.bytes.data() != b.bytes.data() && a.bytes < b.bytes;
  }
};

Key key_of(const ir::Buffer& buffer) {
  return {bytes_of(buffer.constant), is_row_major(buffer.order) ? std::vector<int>{} : buffer.order,
          buffer.constant.shape()};
}

}  // namespace

ConstantPool::ConstantPool(ir::Program& program) : program_(program), offsets_(program.buffers.size(), -1) {
  std::vector<passes::LiveRange> ranges = passes::live_ranges(program);
  std::map<Key, int64_t> known;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const ir::Buffer& buffer = program.buffers[i];
    if (buffer.kind != ir::BufferKind::kConstant || buffer.view || ranges[i].empty()) continue;
    check(buffer.constant.dtype() != DType::kString, "strings are no constants of kernels");
    auto [it, inserted] = known.try_emplace(key_of(buffer), size_);
    offsets_[i] = it->second;
    if (!inserted) continue;
    distinct_.push_back(static_cast<ir::BufferId>(i));
    size_ += (buffer.constant.byte_size() + kAlignment - 1) / kAlignment * kAlignment;
  }
}

int64_t ConstantPool::offset(ir::BufferId root) const {
  int64_t offset = offsets_[static_cast<size_t>(root)];
  check(offset >= 0, "a constant that steps use is in the pool");
  return offset;
}

Tensor ConstantPool::take_bytes() {
  Tensor result(DType::kUint8, {size_});
  for (size_t i = 0; i < program_.buffers.size(); ++i) {
    // Also of those that no step uses, and of equal ones.
    const Tensor constant = std::exchange(program_.buffers[i].constant, Tensor());
    if (!std::binary_search(distinct_.begin(), distinct_.end(), static_cast<ir::BufferId>(i))) continue;
    copy_in_order(constant, program_.buffers[i].order, result.mutable_as<char>() + offsets_[i]);
  }
  return result;
}

void copy_in_order(const Tensor& tensor, const std::vector<int>& order, void* out) {
  if (is_row_major(order) || tensor.size() == 0) {
    if (tensor.byte_size() > 0) std::memcpy(out, tensor.data(), static_cast<size_t>(tensor.byte_size()));
    return;
  }
  check(bit_width(tensor.dtype()) >= 8, "packed elements keep their row-major order");
  size_t element = static_cast<size_t>(bit_width(tensor.dtype()) / 8);
  size_t rank = order.size();
  std::vector<size_t> strides(rank, element);  // of the tensor, in bytes
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * static_cast<size_t>(tensor.shape()[i]);
  std::vector<size_t> index(rank, 0);
  const char* from = tensor.as<char>();
  char* to = static_cast<char*>(out);
  for (int64_t n = tensor.size(); n > 0; --n, to += element) {
    std::memcpy(to, from, element);
    for (size_t level = rank; level-- > 0;) {
      auto axis = static_cast<size_t>(order[level]);
      from += strides[axis];
      if (++index[axis] < static_cast<size_t>(tensor.shape()[axis])) break;
      from -= strides[axis] * index[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace dlc::codegen

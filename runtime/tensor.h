// Tensor: an owning, dense, row-major array. Copies share their storage; storage is written only while it is
// being filled by its creator.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/dtype.h"

namespace dlc {

class Tensor {
 public:
  Tensor() = default;

  // Zero-filled, 64-byte aligned storage. Throws Error(kResource) when the size overflows or memory is short.
  Tensor(DType type, std::vector<int64_t> shape);

  // Wraps memory that `owner` keeps alive (a mapped file, a protobuf string). `data` holds exactly the bytes
  // of the dense row-major tensor and need not be aligned.
  Tensor(DType type, std::vector<int64_t> shape, const void* data, std::shared_ptr<const void> owner);

  template <class T>
  static Tensor of(DType type, std::vector<int64_t> shape, std::span<const T> values);
  static Tensor scalar(DType type, double value);            // any numeric type, rank 0
  static Tensor from_ints(std::span<const int64_t> values);  // int64, rank 1
  static Tensor from_strings(std::vector<int64_t> shape, std::vector<std::string> values);

  bool defined() const { return type_ != DType::kUndefined; }
  DType dtype() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t size() const;       // number of elements; 1 for rank 0
  int64_t byte_size() const;  // 0 for strings

  const void* data() const { return data_; }
  void* mutable_data() { return const_cast<void*>(data_); }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }
  template <class T>
  T* mutable_as() {
    return static_cast<T*>(mutable_data());
  }
  const std::vector<std::string>& strings() const { return *strings_; }

  // Element `index` (row-major) converted; exact where the target type can hold it. Not for strings.
  double get_double(int64_t index) const;
  int64_t get_int(int64_t index) const;
  void set_double(int64_t index, double value);
  void set_int(int64_t index, int64_t value);

  // All elements as integers; for shapes, axes, pads. Throws Error(kModel) for non-integer types.
  std::vector<int64_t> to_ints() const;

  // The same storage under another shape of equal size.
  Tensor reshaped(std::vector<int64_t> shape) const;

 private:
  DType type_ = DType::kUndefined;
  std::vector<int64_t> shape_;
  const void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const std::vector<std::string>> strings_;
};

template <class T>
Tensor Tensor::of(DType type, std::vector<int64_t> shape, std::span<const T> values) {
  Tensor result(type, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) result.mutable_as<T>()[i] = values[i];
  return result;
}

// Bytes equal, shape and type equal.
bool identical(const Tensor& a, const Tensor& b);

}  // namespace dlc

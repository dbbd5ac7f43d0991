#include "runtime/tensor.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "runtime/error.h"
#include "runtime/small_floats.h"

namespace dlc {
namespace {

[[noreturn]] void fail_overflow(const std::vector<int64_t>& shape) {
  fail(ErrorKind::kResource, "the size of a tensor of shape [{}] overflows", fmt::join(shape, ", "));
}

int64_t checked_size(const std::vector<int64_t>& shape) {
  int64_t size = 1;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0) fail(ErrorKind::kData, "a tensor cannot have the extent {}", extent);
    empty = empty || extent == 0;
    if (!empty && __builtin_mul_overflow(size, extent, &size)) fail_overflow(shape);
  }
  return empty ? 0 : size;
}

int64_t checked_bytes(DType type, const std::vector<int64_t>& shape) {
  int64_t size = checked_size(shape);
  if (size > std::numeric_limits<int64_t>::max() / 16) {
    fail_overflow(shape);
  }
  return byte_size(type, size);
}

int packed_element(const void* data, int64_t index, int bits) {
  int per_byte = 8 / bits;
  int shift = static_cast<int>(index % per_byte) * bits;
  return (static_cast<const uint8_t*>(data)[index / per_byte] >> shift) & ((1 << bits) - 1);
}

void set_packed_element(void* data, int64_t index, int bits, int value) {
  int per_byte = 8 / bits;
  int shift = static_cast<int>(index % per_byte) * bits;
  int mask = ((1 << bits) - 1) << shift;
  uint8_t& byte = static_cast<uint8_t*>(data)[index / per_byte];
  byte = static_cast<uint8_t>((byte & ~mask) | ((value << shift) & mask));
}

int sign_extend(int value, int bits) { return value >= (1 << (bits - 1)) ? value - (1 << bits) : value; }

// Calls f with a value-initialised object of the C++ type that holds one element; false for packed,
// small-float, string and complex types.
template <class F>
bool with_type(DType type, F&& f) {
  switch (type) {
    case DType::kFloat:
      f(float{});
      return true;
    case DType::kDouble:
      f(double{});
      return true;
    case DType::kUint8:
      f(uint8_t{});
      return true;
    case DType::kInt8:
      f(int8_t{});
      return true;
    case DType::kUint16:
      f(uint16_t{});
      return true;
    case DType::kInt16:
      f(int16_t{});
      return true;
    case DType::kUint32:
      f(uint32_t{});
      return true;
    case DType::kInt32:
      f(int32_t{});
      return true;
    case DType::kUint64:
      f(uint64_t{});
      return true;
    case DType::kInt64:
      f(int64_t{});
      return true;
    case DType::kBool:
      f(bool{});
      return true;
    default:
      return false;
  }
}

template <class T>
T read(const void* data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void write(void* data, int64_t index, T value) {
  std::memcpy(static_cast<char*>(data) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

[[noreturn]] void fail_conversion(DType type) {
  fail(ErrorKind::kData, "elements of type {} cannot be converted to numbers", onnx_name(type));
}

bool is_packed(DType type) { return (is_integer(type) || is_float(type)) && bit_width(type) < 8; }
bool is_small_float(DType type) { return is_float(type) && bit_width(type) <= 16; }

// The code of an element of a small float.
uint16_t float_code(const void* data, DType type, int64_t index) {
  if (bit_width(type) < 8) return static_cast<uint16_t>(packed_element(data, index, bit_width(type)));
  return bit_width(type) == 8 ? read<uint8_t>(data, index) : read<uint16_t>(data, index);
}

void set_float_code(void* data, DType type, int64_t index, uint16_t code) {
  if (bit_width(type) < 8) return set_packed_element(data, index, bit_width(type), code);
  if (bit_width(type) == 8) return write<uint8_t>(data, index, static_cast<uint8_t>(code));
  write<uint16_t>(data, index, code);
}

}  // namespace

Tensor::Tensor(DType type, std::vector<int64_t> shape) : type_(type), shape_(std::move(shape)) {
  int64_t bytes = checked_bytes(type_, shape_);
  if (type_ == DType::kString) {
    strings_ = std::make_shared<const std::vector<std::string>>(static_cast<size_t>(checked_size(shape_)));
    return;
  }
  // Aligned by hand: calloc() does not touch large memory that is zero already.
  constexpr size_t kAlignment = 64;
  void* base = std::calloc(static_cast<size_t>(bytes) + 2 * kAlignment, 1);
  if (base == nullptr) fail(ErrorKind::kResource, "no memory for a tensor of {} bytes", bytes);
  owner_ = std::shared_ptr<void>(base, std::free);
  void* data = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(base) + kAlignment - 1) &
                                       ~uintptr_t{kAlignment - 1});
  data_ = data;
}

Tensor::Tensor(DType type, std::vector<int64_t> shape, const void* data, std::shared_ptr<const void> owner)
    : type_(type), shape_(std::move(shape)), data_(data), owner_(std::move(owner)) {
  checked_bytes(type_, shape_);
}

Tensor Tensor::scalar(DType type, double value) {
  Tensor result(type, {});
  result.set_double(0, value);
  return result;
}

Tensor Tensor::from_ints(std::span<const int64_t> values) {
  return of<int64_t>(DType::kInt64, {static_cast<int64_t>(values.size())}, values);
}

Tensor Tensor::from_strings(std::vector<int64_t> shape, std::vector<std::string> values) {
  Tensor result(DType::kString, std::move(shape));
  check(static_cast<int64_t>(values.size()) == result.size(), "one string for each element");
  result.strings_ = std::make_shared<const std::vector<std::string>>(std::move(values));
  return result;
}

int64_t Tensor::size() const {
  int64_t size = 1;
  for (int64_t extent : shape_) {
    if (extent == 0) return 0;
  }
  for (int64_t extent : shape_) size *= extent;
  return size;
}

int64_t Tensor::byte_size() const { return dlc::byte_size(type_, size()); }

double Tensor::get_double(int64_t index) const {
  double result = 0;
  if (with_type(type_, [&]<class T>(T) { result = static_cast<double>(read<T>(data_, index)); }))
    return result;
  if (is_small_float(type_)) return decode_small_float(type_, float_code(data_, type_, index));
  if (is_packed(type_)) return static_cast<double>(get_int(index));
  fail_conversion(type_);
}

int64_t Tensor::get_int(int64_t index) const {
  int64_t result = 0;
  if (with_type(type_, [&]<class T>(T) { result = static_cast<int64_t>(read<T>(data_, index)); }))
    return result;
  if (is_packed(type_) && is_integer(type_)) {
    int bits = bit_width(type_);
    int value = packed_element(data_, index, bits);
    return is_signed(type_) ? sign_extend(value, bits) : value;
  }
  return static_cast<int64_t>(get_double(index));
}

void Tensor::set_double(int64_t index, double value) {
  if (with_type(type_, [&]<class T>(T) { write<T>(mutable_data(), index, static_cast<T>(value)); })) return;
  if (is_small_float(type_)) {
    return set_float_code(mutable_data(), type_, index, encode_small_float(type_, value));
  }
  if (is_packed(type_)) return set_int(index, static_cast<int64_t>(value));
  fail_conversion(type_);
}

void Tensor::set_int(int64_t index, int64_t value) {
  if (with_type(type_, [&]<class T>(T) { write<T>(mutable_data(), index, static_cast<T>(value)); })) return;
  if (is_packed(type_) && is_integer(type_)) {
    return set_packed_element(mutable_data(), index, bit_width(type_), static_cast<int>(value));
  }
  set_double(index, static_cast<double>(value));
}

std::vector<int64_t> Tensor::to_ints() const {
  if (!is_integer(type_) && type_ != DType::kBool) {
    fail(ErrorKind::kModel, "expected a tensor of integers, found {}", onnx_name(type_));
  }
  std::vector<int64_t> result(static_cast<size_t>(size()));
  for (size_t i = 0; i < result.size(); ++i) result[i] = get_int(static_cast<int64_t>(i));
  return result;
}

Tensor Tensor::reshaped(std::vector<int64_t> shape) const {
  check(checked_size(shape) == size(), "a reshape keeps the number of elements");
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

bool identical(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (a.dtype() == DType::kString) return a.strings() == b.strings();
  int64_t bytes = a.defined() ? a.byte_size() : 0;
  return bytes == 0 || std::memcmp(a.data(), b.data(), static_cast<size_t>(bytes)) == 0;
}

}  // namespace dlc

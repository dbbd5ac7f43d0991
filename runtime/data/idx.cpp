#include "runtime/data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "runtime/data/files.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

DType type_of(uint8_t code) {
  switch (code) {
    case 0x08:
      return DType::kUint8;
    case 0x09:
      return DType::kInt8;
    case 0x0B:
      return DType::kInt16;
    case 0x0C:
      return DType::kInt32;
    case 0x0D:
      return DType::kFloat;
    case 0x0E:
      return DType::kDouble;
    default:
      fail(ErrorKind::kData, "is no IDX file: unknown element type 0x{:02x}", code);
  }
}

uint32_t big_endian(std::string_view bytes, size_t position) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[position + i]);
  return value;
}

// Elements are big-endian.
void copy_elements(std::string_view from, size_t width, char* to) {
  for (size_t i = 0; i < from.size(); i += width) {
    for (size_t k = 0; k < width; ++k) to[i + k] = from[i + width - 1 - k];
  }
}

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, int64_t max_bytes) {
  constexpr int kGzip = 16;
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + kGzip) != Z_OK) fail(ErrorKind::kResource, "zlib cannot start");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::string result;
  std::vector<char> piece(size_t{1} << 18);
  size_t position = 0;
  while (position < bytes.size()) {
    // zlib counts in 32 bits.
    const size_t given = std::min(bytes.size() - position, size_t{1} << 30);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + position));
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END)
      fail(ErrorKind::kData, "is damaged: gzip cannot decompress it");
    position += given - stream.avail_in;
    result.append(piece.data(), piece.size() - stream.avail_out);
    if (static_cast<int64_t>(result.size()) > max_bytes) {
      fail(ErrorKind::kResource, "has more than {} bytes when decompressed", max_bytes);
    }
    // A file may hold several streams, one behind the other.
    if (status == Z_STREAM_END) {
      if (position == bytes.size()) return result;
      inflateReset(&stream);
    }
  }
  fail(ErrorKind::kData, "is truncated: its compressed data has no end");
}

Tensor parse_idx(std::string_view bytes) {
  std::string plain;
  if (is_gzip(bytes)) {
    plain = gunzip(bytes);
    bytes = plain;
  }
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0) fail(ErrorKind::kData, "is no IDX file");
  const DType type = type_of(static_cast<uint8_t>(bytes[2]));
  const auto rank = static_cast<size_t>(static_cast<uint8_t>(bytes[3]));
  const size_t header = 4 + 4 * rank;
  if (bytes.size() < header) fail(ErrorKind::kData, "is truncated: its header has {} extents", rank);
  std::vector<int64_t> shape;
  for (size_t i = 0; i < rank; ++i) shape.push_back(big_endian(bytes, 4 + 4 * i));
  // No file holds more elements than it has bytes.
  uint64_t elements = 1;
  for (int64_t extent : shape) {
    elements *= static_cast<uint64_t>(extent);
    if (elements > bytes.size()) fail(ErrorKind::kData, "is truncated: {} bytes", bytes.size());
  }
  Tensor result(type, shape);
  const std::string_view elements_bytes = bytes.substr(header);
  if (static_cast<int64_t>(elements_bytes.size()) != result.byte_size()) {
    fail(ErrorKind::kData, "has {} bytes of elements, expected {}", elements_bytes.size(),
         result.byte_size());
  }
  copy_elements(elements_bytes, static_cast<size_t>(bit_width(type) / 8), result.mutable_as<char>());
  return result;
}

Tensor read_idx(const std::string& path) {
  const std::string bytes = read_file(path);
  try {
    return parse_idx(bytes);
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

}  // namespace dlc::data

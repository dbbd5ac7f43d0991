#include "runtime/data/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "runtime/data/files.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

[[noreturn]] void fail_header(std::string_view text) {
  fail(ErrorKind::kData, "is no .npy file of an array: header '{}'", text.substr(0, 200));
}

// What follows `'key':` in the Python dictionary of the header.
std::string_view after_key(std::string_view text, std::string_view key) {
  const size_t found = text.find(fmt::format("'{}':", key));
  if (found == std::string_view::npos) fail_header(text);
  std::string_view rest = text.substr(found + key.size() + 3);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return rest;
}

std::vector<int64_t> parse_shape(std::string_view text) {
  if (text.empty() || text.front() != '(') fail_header(text);
  text = text.substr(1, text.find(')') - 1);
  std::vector<int64_t> shape;
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == ',' || text.front() == 'L') {
      text.remove_prefix(1);
      continue;
    }
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 0) fail_header(text);
    shape.push_back(extent);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return shape;
}

Header parse_header(std::string_view text) {
  Header header;
  const std::string_view descr = after_key(text, "descr");
  if (descr.empty() || descr.front() != '\'')
    fail(ErrorKind::kData, "holds records; expected one element type");
  header.descr = descr.substr(1, descr.find('\'', 1) - 1);
  if (header.descr.empty()) fail(ErrorKind::kData, "has no element type");
  header.fortran_order = after_key(text, "fortran_order").starts_with("True");
  header.shape = parse_shape(after_key(text, "shape"));
  return header;
}

struct TypeName {
  std::string_view code;  // without byte order
  DType type;
};
constexpr TypeName kTypes[] = {
    {"f4", DType::kFloat},     {"f8", DType::kDouble},      {"f2", DType::kFloat16}, {"i1", DType::kInt8},
    {"i2", DType::kInt16},     {"i4", DType::kInt32},       {"i8", DType::kInt64},   {"u1", DType::kUint8},
    {"u2", DType::kUint16},    {"u4", DType::kUint32},      {"u8", DType::kUint64},  {"b1", DType::kBool},
    {"c8", DType::kComplex64}, {"c16", DType::kComplex128},
};

std::optional<DType> find_type(std::string_view code) {
  for (const TypeName& name : kTypes) {
    if (name.code == code) return name.type;
  }
  return std::nullopt;
}

void swap_bytes(char* data, size_t bytes, size_t width) {
  for (size_t i = 0; i + width <= bytes; i += width) std::reverse(data + i, data + i + width);
}

// Column-major storage to row-major.
Tensor transposed(const Tensor& stored, const std::vector<int64_t>& shape) {
  Tensor result(stored.dtype(), shape);
  const size_t width = static_cast<size_t>(bit_width(stored.dtype())) / 8;
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t from = 0;
    for (size_t axis = shape.size(); axis-- > 0;) from = from * shape[axis] + index[axis];
    std::memcpy(result.mutable_as<char>() + static_cast<size_t>(i) * width,
                stored.as<char>() + static_cast<size_t>(from) * width, width);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xf0 | ((code >> 18) & 7));
    out += static_cast<char>(0x80 | ((code >> 12) & 63));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

// "U5": UTF-32 of 5 characters; "S5": 5 bytes; both filled up with zeros.
Tensor parse_strings(const Header& header, std::string_view body, int64_t count, bool swapped) {
  const bool wide = header.descr[1] == 'U';
  int64_t length = 0;
  std::from_chars(header.descr.data() + 2, header.descr.data() + header.descr.size(), length);
  const int64_t width = length * (wide ? 4 : 1);
  if (length < 0 || length > (1 << 24) || (width > 0 && count > static_cast<int64_t>(body.size()) / width)) {
    fail(ErrorKind::kData, "is truncated");
  }
  std::vector<std::string> values;
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view item = body.substr(static_cast<size_t>(i * width), static_cast<size_t>(width));
    std::string text;
    for (size_t k = 0; wide && k + 4 <= item.size(); k += 4) {
      uint32_t code = 0;
      std::memcpy(&code, item.data() + k, 4);
      if (swapped) code = __builtin_bswap32(code);
      if (code != 0) append_utf8(text, code);
    }
    if (!wide) text = item.substr(0, item.find_last_not_of('\0') + 1);
    values.push_back(std::move(text));
  }
  if (header.fortran_order && header.shape.size() > 1) {
    fail(ErrorKind::kData, "holds strings in Fortran order, which is not supported");
  }
  return Tensor::from_strings(header.shape, std::move(values));
}

int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(count, extent, &count)) fail(ErrorKind::kData, "shape overflows");
  }
  return count;
}

Tensor parse_body(const Header& header, std::string_view body) {
  const char order = header.descr.empty() ? '?' : header.descr[0];
  const int64_t count = count_of(header.shape);
  if (header.descr.size() > 2 && (header.descr[1] == 'U' || header.descr[1] == 'S')) {
    return parse_strings(header, body, count, order == '>');
  }
  const std::optional<DType> type = find_type(std::string_view(header.descr).substr(1));
  if (!type || (order != '<' && order != '>' && order != '|' && order != '=')) {
    fail(ErrorKind::kData, "has the element type '{}', which is not supported", header.descr);
  }
  const int64_t width = bit_width(*type) / 8;
  if (count > static_cast<int64_t>(body.size()) / width) {
    fail(ErrorKind::kData, "is truncated: [{}] of {} needs {} bytes, found {}", fmt::join(header.shape, ", "),
         onnx_name(*type), count * width, body.size());
  }
  Tensor stored(*type, header.shape);
  const size_t bytes = static_cast<size_t>(stored.byte_size());
  if (bytes > 0) std::memcpy(stored.mutable_data(), body.data(), bytes);
  const bool is_complex = *type == DType::kComplex64 || *type == DType::kComplex128;
  if (order == '>')
    swap_bytes(stored.mutable_as<char>(), bytes, static_cast<size_t>(is_complex ? width / 2 : width));
  return header.fortran_order && header.shape.size() > 1 ? transposed(stored, header.shape) : stored;
}

}  // namespace

Tensor parse_npy(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < 12) fail(ErrorKind::kData, "is no .npy file");
  const int major = static_cast<unsigned char>(bytes[6]);
  size_t length = 0;
  const size_t start = major == 1 ? 10 : 12;
  std::memcpy(&length, bytes.data() + 8, major == 1 ? 2 : 4);
  if (major < 1 || major > 3 || length > bytes.size() - start)
    fail(ErrorKind::kData, "is no .npy file, or truncated");
  return parse_body(parse_header(bytes.substr(start, length)), bytes.substr(start + length));
}

Tensor read_npy(const std::string& path) {
  try {
    return parse_npy(read_file(path));
  } catch (Error& error) {
    if (error.kind() == ErrorKind::kData) error.add_context(path);
    throw;
  }
}

namespace {

std::string_view numpy_code(DType type) {
  for (const TypeName& name : kTypes) {
    if (name.type == type) return name.code;
  }
  return "";
}

// The type that stands in for one that NumPy lacks.
DType substitute(DType type) {
  if (is_float(type)) return DType::kFloat;
  return is_signed(type) ? DType::kInt8 : DType::kUint8;
}

Tensor converted(const Tensor& tensor) {
  Tensor result(substitute(tensor.dtype()), tensor.shape());
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (is_float(tensor.dtype())) {
      result.set_double(i, tensor.get_double(i));
    } else {
      result.set_int(i, tensor.get_int(i));
    }
  }
  return result;
}

std::string header_text(std::string_view descr, const std::vector<int64_t>& shape) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  // The whole header is padded to a multiple of 64 and ends with a line break.
  text.append(63 - (kMagic.size() + 4 + text.size()) % 64, ' ');
  text += '\n';
  std::string result(kMagic);
  result += {'\x01', '\x00', static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  return result + text;
}

std::string format_strings(const Tensor& tensor) {
  size_t width = 1;
  for (const std::string& value : tensor.strings()) width = std::max(width, value.size());
  std::string result = header_text(fmt::format("|S{}", width), tensor.shape());
  for (std::string value : tensor.strings()) {
    value.resize(width);
    result += value;
  }
  return result;
}

}  // namespace

std::string format_npy(const Tensor& tensor) {
  if (tensor.dtype() == DType::kString) return format_strings(tensor);
  const std::string_view code = numpy_code(tensor.dtype());
  if (code.empty()) return format_npy(converted(tensor));
  const char order = bit_width(tensor.dtype()) == 8 ? '|' : '<';
  std::string result = header_text(fmt::format("{}{}", order, code), tensor.shape());
  result.append(tensor.as<char>(), static_cast<size_t>(tensor.byte_size()));
  return result;
}

void write_npy(const std::string& path, const Tensor& tensor) { write_file(path, format_npy(tensor)); }

}  // namespace dlc::data

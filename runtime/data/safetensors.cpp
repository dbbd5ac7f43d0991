#include "runtime/data/safetensors.h"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/output_file.h"

namespace dlc::data {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kAlignment = 8;  // of the first tensor, by spaces behind the header

struct TypeName {
  const char* name;
  DType type;
};
constexpr TypeName kTypes[] = {
    {"BOOL", DType::kBool},  {"U8", DType::kUint8},    {"I8", DType::kInt8},       {"I16", DType::kInt16},
    {"U16", DType::kUint16}, {"F16", DType::kFloat16}, {"BF16", DType::kBfloat16}, {"I32", DType::kInt32},
    {"U32", DType::kUint32}, {"F32", DType::kFloat},   {"F64", DType::kDouble},    {"I64", DType::kInt64},
    {"U64", DType::kUint64},
};

DType type_of(const std::string& text) {
  for (const TypeName& row : kTypes) {
    if (text == row.name) return row.type;
  }
  fail(ErrorKind::kData, "unknown element type '{}'", text);
}

const char* name_of(DType type) {
  for (const TypeName& row : kTypes) {
    if (type == row.type) return row.name;
  }
  fail(ErrorKind::kUsage, "safetensors files cannot hold {}", name(type));
}

struct Entry {
  std::string name;
  DType type;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

uint64_t byte_count(DType type, const std::vector<int64_t>& shape, uint64_t limit) {
  uint64_t count = static_cast<uint64_t>(bit_width(type) / 8);
  for (int64_t extent : shape) {
    uint64_t product = 0;
    bool overflows = __builtin_mul_overflow(count, static_cast<uint64_t>(extent), &product);
    if (extent < 0 || overflows || product > limit) fail(ErrorKind::kData, "its shape does not fit the file");
    count = product;
  }
  return count;
}

Entry read_entry(const std::string& name, const Json& value, uint64_t data_bytes) {
  try {
    Entry entry{name, type_of(value.at("dtype").get<std::string>()),
                value.at("shape").get<std::vector<int64_t>>(), 0, 0};
    auto offsets = value.at("data_offsets").get<std::vector<uint64_t>>();
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_bytes) {
      fail(ErrorKind::kData, "its bytes lie outside of the file");
    }
    entry.begin = offsets[0];
    entry.end = offsets[1];
    uint64_t bytes = byte_count(entry.type, entry.shape, data_bytes);
    if (bytes != entry.end - entry.begin) {
      fail(ErrorKind::kData, "its shape needs {} bytes, it has {}", bytes, entry.end - entry.begin);
    }
    return entry;
  } catch (Error& error) {
    throw error.add_context("tensor '" + name + "'");
  } catch (const Json::exception& error) {
    fail(ErrorKind::kData, "tensor '{}': {}", name, error.what());
  }
}

// The tensors fill the file without gap or overlap.
void check_places(const std::vector<Entry>& entries, uint64_t data_bytes) {
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      fail(ErrorKind::kData, "tensor '{}' begins at byte {}, expected {}", entry.name, entry.begin, position);
    }
    position = entry.end;
  }
  if (position != data_bytes) {
    fail(ErrorKind::kData, "has {} bytes of tensors, expected {}", data_bytes, position);
  }
}

Json parse_header(std::string_view text) {
  Json header = Json::parse(text, nullptr, false);
  if (!header.is_object()) fail(ErrorKind::kData, "the header is no JSON object");
  return header;
}

std::string dump(const Json& header) {
  try {
    return header.dump();
  } catch (const Json::exception& error) {
    fail(ErrorKind::kUsage, "safetensors files hold names of UTF-8 only: {}", error.what());
  }
}

// Everything in front of the bytes of the tensors, which follow in their order.
std::string format_header(const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  uint64_t position = 0;
  for (const auto& [name, tensor] : file.tensors) {
    auto bytes = static_cast<uint64_t>(tensor.byte_size());
    header[name] = {{"dtype", name_of(tensor.dtype())},
                    {"shape", tensor.shape()},
                    {"data_offsets", {position, position + bytes}}};
    position += bytes;
  }
  std::string text = dump(header);
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text;
}

std::string_view bytes_of(const Tensor& tensor) {
  return {tensor.as<char>(), static_cast<size_t>(tensor.byte_size())};
}

void read_metadata(const Json& value, std::map<std::string, std::string>& metadata) {
  if (!value.is_object()) fail(ErrorKind::kData, "the metadata is no JSON object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) fail(ErrorKind::kData, "metadata '{}' is no text", key);
    metadata[key] = text.get<std::string>();
  }
}

}  // namespace

TensorFile parse_safetensors(std::string_view bytes) {
  uint64_t size = 0;
  if (bytes.size() < sizeof size) fail(ErrorKind::kData, "is no safetensors file, or truncated");
  std::memcpy(&size, bytes.data(), sizeof size);
  if (size > kMaxHeader || size > bytes.size() - sizeof size) {
    fail(ErrorKind::kData, "is no safetensors file, or truncated: a header of {} bytes", size);
  }
  Json header = parse_header(bytes.substr(sizeof size, size));
  std::string_view data = bytes.substr(sizeof size + size);
  std::vector<Entry> entries;
  TensorFile result;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      read_metadata(value, result.metadata);
    } else {
      entries.push_back(read_entry(name, value, data.size()));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_places(entries, data.size());
  for (Entry& entry : entries) {
    Tensor tensor(entry.type, std::move(entry.shape));
    if (tensor.byte_size() > 0) {
      std::memcpy(tensor.mutable_data(), data.data() + entry.begin, static_cast<size_t>(tensor.byte_size()));
    }
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return result;
}

TensorFile read_safetensors(const std::string& path) {
  const FileView file = map_file(path);
  try {
    return parse_safetensors(file.bytes);
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

std::string format_safetensors(const TensorFile& file) {
  std::string result = format_header(file);
  for (const auto& [name, tensor] : file.tensors) result += bytes_of(tensor);
  return result;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  OutputFile output(path);
  output.write(format_header(file));
  for (const auto& [name, tensor] : file.tensors) output.write(bytes_of(tensor));
  output.commit();
}

}  // namespace dlc::data

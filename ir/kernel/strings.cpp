#include "ir/kernel/strings.h"

#include "runtime/format/strings.h"

namespace dlc::ir {
namespace {

void append(std::string& bytes, const std::string& text) {
  const auto size = static_cast<int64_t>(text.size());
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += text;
  bytes.append(static_cast<size_t>(packed_bytes(size)) - sizeof size - text.size(), '\0');
}

Tensor bytes_tensor(const std::string& bytes) {
  return Tensor::of<char>(DType::kUint8, {static_cast<int64_t>(bytes.size())}, bytes);
}

}  // namespace

Tensor packed_strings(const std::vector<std::string>& strings) {
  std::string bytes;
  for (const std::string& text : strings) append(bytes, text);
  return bytes_tensor(bytes);
}

StringTable make_string_table(const std::vector<std::string>& strings) {
  size_t size = 2;
  while (size < 2 * strings.size()) size *= 2;
  std::vector<int64_t> table(size, -1), offsets;
  std::string bytes;
  for (size_t i = 0; i < strings.size(); ++i) {
    offsets.push_back(static_cast<int64_t>(bytes.size()));
    append(bytes, strings[i]);
    const auto length = static_cast<int64_t>(strings[i].size());
    size_t place = hash_text(strings[i].data(), length) & (size - 1);
    while (table[place] >= 0 && strings[static_cast<size_t>(table[place])] != strings[i])
      place = (place + 1) & (size - 1);
    if (table[place] < 0) table[place] = static_cast<int64_t>(i);
  }
  return {bytes_tensor(bytes), Tensor::from_ints(offsets), Tensor::from_ints(table)};
}

}  // namespace dlc::ir

#include "runtime/data/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

constexpr uint32_t kEndRecord = 0x06054b50;
constexpr uint32_t kEnd64Record = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr uint32_t kCentralEntry = 0x02014b50;
constexpr uint32_t kLocalEntry = 0x04034b50;
constexpr uint64_t kMaxArrayBytes = uint64_t{8} << 30;

// Little-endian numbers at checked positions.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T at(uint64_t position) const {
    T value;
    std::memcpy(&value, slice(position, sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view slice(uint64_t position, uint64_t size) const {
    if (position > bytes_.size() || size > bytes_.size() - position) fail(ErrorKind::kData, "is truncated");
    return bytes_.substr(position, size);
  }

 private:
  std::string_view bytes_;
};

struct Entry {
  std::string name;
  int method = 0;  // 0: stored, 8: deflated
  uint64_t compressed = 0;
  uint64_t size = 0;
  uint64_t position = 0;  // of the local header
  uint32_t checksum = 0;
};

struct Directory {
  uint64_t position = 0;
  uint64_t entries = 0;
};

Directory find_directory(std::string_view bytes) {
  const Reader reader(bytes);
  constexpr uint64_t kEndSize = 22;
  constexpr uint64_t kLongestComment = 65535;
  if (bytes.size() < kEndSize) fail(ErrorKind::kData, "is no .npz file");
  const uint64_t last = bytes.size() - kEndSize;
  for (uint64_t back = 0; back <= std::min(last, kLongestComment); ++back) {
    const uint64_t end = last - back;
    if (reader.at<uint32_t>(end) != kEndRecord) continue;
    if (end >= 20 && reader.at<uint32_t>(end - 20) == kEnd64Locator) {
      const auto end64 = reader.at<uint64_t>(end - 12);
      if (reader.at<uint32_t>(end64) != kEnd64Record) break;
      return {reader.at<uint64_t>(end64 + 48), reader.at<uint64_t>(end64 + 32)};
    }
    return {reader.at<uint32_t>(end + 16), reader.at<uint16_t>(end + 10)};
  }
  fail(ErrorKind::kData, "is no .npz file");
}

// Sizes and positions that do not fit in 32 bits are in an extra field, in this order.
void read_zip64(const Reader& reader, uint64_t position, uint64_t length, Entry& entry) {
  const uint64_t end = position + length;
  while (position + 4 <= end) {
    const auto id = reader.at<uint16_t>(position);
    const auto size = reader.at<uint16_t>(position + 2);
    uint64_t field = position + 4;
    if (id == 1) {
      for (uint64_t* value : {&entry.size, &entry.compressed, &entry.position}) {
        if (*value != UINT32_MAX) continue;
        *value = reader.at<uint64_t>(field);
        field += 8;
      }
    }
    position += 4 + uint64_t{size};
  }
}

std::vector<Entry> read_directory(std::string_view bytes) {
  const Reader reader(bytes);
  const Directory directory = find_directory(bytes);
  std::vector<Entry> entries;
  uint64_t position = directory.position;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (reader.at<uint32_t>(position) != kCentralEntry) fail(ErrorKind::kData, "is no .npz file");
    Entry entry;
    entry.method = reader.at<uint16_t>(position + 10);
    entry.checksum = reader.at<uint32_t>(position + 16);
    entry.compressed = reader.at<uint32_t>(position + 20);
    entry.size = reader.at<uint32_t>(position + 24);
    entry.position = reader.at<uint32_t>(position + 42);
    const uint64_t name = reader.at<uint16_t>(position + 28);
    const uint64_t extra = reader.at<uint16_t>(position + 30);
    const uint64_t comment = reader.at<uint16_t>(position + 32);
    entry.name = reader.slice(position + 46, name);
    read_zip64(reader, position + 46 + name, extra, entry);
    entries.push_back(std::move(entry));
    position += 46 + name + extra + comment;
  }
  return entries;
}

std::string inflate_bytes(std::string_view compressed, uint64_t size) {
  std::string result(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail(ErrorKind::kResource, "zlib cannot start");
  // zlib counts in 32 bits.
  constexpr uint64_t kPiece = 1u << 30;
  uint64_t in = 0;
  uint64_t out = 0;
  int status = Z_OK;
  while (status == Z_OK && (out < size || in < compressed.size())) {
    const uint64_t give = std::min(kPiece, compressed.size() - in);
    const uint64_t take = std::min(kPiece, size - out);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data() + in));
    stream.avail_in = static_cast<uInt>(give);
    stream.next_out = reinterpret_cast<Bytef*>(result.data() + out);
    stream.avail_out = static_cast<uInt>(take);
    status = inflate(&stream, Z_NO_FLUSH);
    if (stream.avail_in == give && stream.avail_out == take) break;
    in += give - stream.avail_in;
    out += take - stream.avail_out;
  }
  inflateEnd(&stream);
  if (out != size || (status != Z_STREAM_END && status != Z_OK)) fail(ErrorKind::kData, "is damaged");
  return result;
}

std::string extract(std::string_view bytes, const Entry& entry) {
  const Reader reader(bytes);
  if (reader.at<uint32_t>(entry.position) != kLocalEntry) fail(ErrorKind::kData, "is damaged");
  const uint64_t name = reader.at<uint16_t>(entry.position + 26);
  const uint64_t extra = reader.at<uint16_t>(entry.position + 28);
  const std::string_view stored = reader.slice(entry.position + 30 + name + extra, entry.compressed);
  // Deflate shrinks data at most about a thousandfold.
  if (entry.size > kMaxArrayBytes || entry.size / 1100 > stored.size()) fail(ErrorKind::kData, "is damaged");
  std::string result;
  if (entry.method == 0) {
    result = stored;
  } else if (entry.method == 8) {
    result = inflate_bytes(stored, entry.size);
  } else {
    fail(ErrorKind::kData, "'{}' is compressed by method {}, which is not supported", entry.name,
         entry.method);
  }
  uLong checksum = crc32_z(0, nullptr, 0);
  checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(result.data()), result.size());
  if (checksum != entry.checksum) fail(ErrorKind::kData, "'{}' is damaged", entry.name);
  return result;
}

}  // namespace

std::map<std::string, Tensor> parse_npz(std::string_view bytes) {
  std::map<std::string, Tensor> arrays;
  for (const Entry& entry : read_directory(bytes)) {
    if (!entry.name.ends_with(".npy")) continue;
    try {
      arrays[entry.name.substr(0, entry.name.size() - 4)] = parse_npy(extract(bytes, entry));
    } catch (Error& error) {
      throw error.add_context(entry.name);
    }
  }
  return arrays;
}

std::map<std::string, Tensor> read_npz(const std::string& path) {
  const std::string bytes = read_file(path);
  try {
    return parse_npz(bytes);
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

}  // namespace dlc::data

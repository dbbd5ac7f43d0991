// Pictures that are stored as they are: BMP and PNM.
#include <algorithm>
#include <cstring>

#include "runtime/data/image_codecs.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

// ---- BMP --------------------------------------------------------------------------------------------------

class BmpReader {
 public:
  explicit BmpReader(std::string_view bytes) : bytes_(bytes) {}

  Image read() {
    const uint32_t pixels = u32(10), header = u32(14);
    if (header < 40)
      fail(ErrorKind::kData, "is a BMP picture with a header of {} bytes; expected 40 or more", header);
    const auto width = static_cast<int32_t>(u32(18)), height = static_cast<int32_t>(u32(22));
    depth_ = u16(28);
    const uint32_t compression = u32(30);
    if (compression != 0 && !(compression == 3 && depth_ == 32))
      fail(ErrorKind::kData, "is a compressed BMP picture (method {}), which is not supported", compression);
    if (depth_ != 1 && depth_ != 4 && depth_ != 8 && depth_ != 24 && depth_ != 32)
      fail(ErrorKind::kData, "is a BMP picture of {} bits a pixel; expected 1, 4, 8, 24 or 32", depth_);
    palette_ = size_t{14} + header;
    palette_size_ = u32(46) != 0 ? u32(46) : uint32_t{1} << std::min<uint32_t>(depth_, 8);
    Image image = new_image(width, height < 0 ? -int64_t{height} : height);
    const int64_t stride = (image.width * depth_ + 31) / 32 * 4;
    for (int64_t y = 0; y < image.height; ++y) {
      // Rows go from the bottom up, unless the height is negative.
      const int64_t row = height < 0 ? y : image.height - 1 - y;
      for (int64_t x = 0; x < image.width; ++x)
        read_pixel(pixels + static_cast<size_t>(row * stride), x,
                   &image.pixels[static_cast<size_t>((y * image.width + x) * 3)]);
    }
    return image;
  }

 private:
  uint8_t u8(size_t at) const {
    if (at >= bytes_.size()) fail(ErrorKind::kData, "is a truncated BMP picture");
    return static_cast<uint8_t>(bytes_[at]);
  }
  uint16_t u16(size_t at) const { return static_cast<uint16_t>(u8(at) | u8(at + 1) << 8); }
  uint32_t u32(size_t at) const { return u16(at) | static_cast<uint32_t>(u16(at + 2)) << 16; }

  void read_pixel(size_t row, int64_t x, uint8_t* rgb) const {
    size_t at = row + static_cast<size_t>(x * depth_ / 8);
    if (depth_ < 24) {
      const int shift = static_cast<int>(8 - depth_ - x * depth_ % 8);
      const uint32_t index = (u8(at) >> shift) & ((uint32_t{1} << depth_) - 1);
      if (index >= palette_size_)
        fail(ErrorKind::kData, "is a BMP picture with color {} of {}", index, palette_size_);
      at = palette_ + size_t{4} * index;
    }
    for (size_t c = 0; c < 3; ++c) rgb[c] = u8(at + 2 - c);
  }

  std::string_view bytes_;
  int64_t depth_ = 0;
  size_t palette_ = 0;
  uint32_t palette_size_ = 0;
};

// ---- PNM --------------------------------------------------------------------------------------------------

class PnmReader {
 public:
  explicit PnmReader(std::string_view bytes) : bytes_(bytes) {}

  Image read() {
    const int kind = bytes_[1] - '0';
    at_ = 2;
    const int64_t width = number(), height = number();
    const bool is_bitmap = kind == 1 || kind == 4;
    most_ = is_bitmap ? 1 : number();
    if (most_ < 1 || most_ > 65535) fail(ErrorKind::kData, "is a PNM picture with values up to {}", most_);
    Image image = new_image(width, height);
    const bool is_text = kind <= 3, is_color = kind == 3 || kind == 6;
    if (!is_text) ++at_;  // one blank after the header
    for (int64_t y = 0; y < height; ++y) {
      bit_ = 0;
      for (int64_t x = 0; x < width; ++x) {
        uint8_t* rgb = &image.pixels[static_cast<size_t>((y * width + x) * 3)];
        for (int c = 0; c < (is_color ? 3 : 1); ++c) rgb[c] = sample(is_text, is_bitmap);
        if (!is_color) rgb[1] = rgb[2] = rgb[0];
      }
      if (bit_ != 0) ++at_;
    }
    return image;
  }

 private:
  uint8_t byte() {
    if (at_ >= bytes_.size()) fail(ErrorKind::kData, "is a truncated PNM picture");
    return static_cast<uint8_t>(bytes_[at_++]);
  }

  void skip_blanks() {
    for (; at_ < bytes_.size(); ++at_) {
      if (bytes_[at_] == '#') at_ = std::min(bytes_.find('\n', at_), bytes_.size() - 1);
      if (std::strchr(" \t\r\n", bytes_[at_]) == nullptr) return;
    }
  }

  int64_t number() {
    skip_blanks();
    int64_t value = -1;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; ++at_) {
      value = std::max<int64_t>(value, 0) * 10 + (bytes_[at_] - '0');
      if (value > INT32_MAX) break;
    }
    if (value < 0 || value > INT32_MAX) fail(ErrorKind::kData, "is a damaged PNM picture");
    return value;
  }

  // Of a bitmap, 1 is black.
  uint8_t sample(bool is_text, bool is_bitmap) {
    if (is_bitmap && is_text) {
      skip_blanks();
      return byte() == '1' ? 0 : 255;
    }
    if (is_bitmap) {
      const uint8_t bits = byte();
      const bool is_black = ((bits >> (7 - bit_)) & 1) != 0;
      bit_ = (bit_ + 1) % 8;
      if (bit_ != 0) --at_;
      return is_black ? 0 : 255;
    }
    int64_t value = is_text ? number() : byte();
    if (!is_text && most_ > 255) value = value << 8 | byte();
    return static_cast<uint8_t>((std::min(value, most_) * 255 + most_ / 2) / most_);
  }

  std::string_view bytes_;
  size_t at_ = 0;
  int64_t most_ = 0;
  int bit_ = 0;
};

}  // namespace

bool is_bmp(std::string_view bytes) { return bytes.starts_with("BM"); }
bool is_pnm(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         std::strchr(" \t\r\n#", bytes[2]) != nullptr;
}
Image decode_bmp(std::string_view bytes) { return BmpReader(bytes).read(); }
Image decode_pnm(std::string_view bytes) { return PnmReader(bytes).read(); }

}  // namespace dlc::data

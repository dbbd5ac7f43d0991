#include <webp/decode.h>

#include "runtime/data/image_codecs.h"
#include "runtime/error.h"

namespace dlc::data {

bool is_webp(std::string_view bytes) {
  return bytes.size() > 12 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP";
}

Image decode_webp(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  int width = 0, height = 0;
  if (WebPGetInfo(data, bytes.size(), &width, &height) == 0)
    fail(ErrorKind::kData, "is a damaged WebP picture");
  Image image = new_image(width, height);
  if (WebPDecodeRGBInto(data, bytes.size(), image.pixels.data(), image.pixels.size(), width * 3) == nullptr)
    fail(ErrorKind::kData, "is a damaged WebP picture");
  return image;
}

}  // namespace dlc::data

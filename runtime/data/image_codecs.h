// The formats of pictures. Compiled models decode by libdlc_codecs (decode_picture.h), which is these files.
#pragma once

#include <string_view>

#include "runtime/data/image.h"

namespace dlc::data {

constexpr int64_t kMaxImagePixels = int64_t{1} << 28;
// With pixels of zero. Error(kData) for extents that are not positive or too large.
Image new_image(int64_t width, int64_t height);

bool is_png(std::string_view bytes);
bool is_jpeg(std::string_view bytes);
bool is_jpeg2000(std::string_view bytes);
bool is_bmp(std::string_view bytes);
bool is_pnm(std::string_view bytes);
bool is_tiff(std::string_view bytes);
bool is_webp(std::string_view bytes);

// All: Error(kData).
Image decode_png(std::string_view bytes);
Image decode_jpeg(std::string_view bytes);
Image decode_jpeg2000(std::string_view bytes);
Image decode_bmp(std::string_view bytes);
Image decode_pnm(std::string_view bytes);
Image decode_tiff(std::string_view bytes);
Image decode_webp(std::string_view bytes);

}  // namespace dlc::data

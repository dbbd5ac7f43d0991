// PNG and JPEG, by libpng and libjpeg-turbo.
#pragma once

#include <string_view>

#include "runtime/data/image.h"

namespace dlc::data {

constexpr int64_t kMaxImagePixels = int64_t{1} << 28;

bool is_png(std::string_view bytes);
bool is_jpeg(std::string_view bytes);
Image decode_png(std::string_view bytes);   // Error(kData)
Image decode_jpeg(std::string_view bytes);  // Error(kData)

}  // namespace dlc::data

#include "runtime/data/decode_picture.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "runtime/data/image_codecs.h"

extern "C" [[gnu::visibility("default")]] void dlc_picture_decode(const void* bytes, int64_t size,
                                                                  dlc_picture* picture) {
  *picture = {};
  try {
    const dlc::data::Image image =
        dlc::data::decode_image({static_cast<const char*>(bytes), static_cast<size_t>(size)});
    picture->pixels = static_cast<uint8_t*>(std::malloc(image.pixels.size()));
    if (picture->pixels == nullptr) throw std::bad_alloc();
    std::memcpy(picture->pixels, image.pixels.data(), image.pixels.size());
    picture->width = image.width;
    picture->height = image.height;
  } catch (const std::exception& error) {
    std::snprintf(picture->message, sizeof(picture->message), "%s", error.what());
  }
}

extern "C" [[gnu::visibility("default")]] void dlc_picture_free(dlc_picture* picture) {
  std::free(picture->pixels);
  picture->pixels = nullptr;
}

// Decoding for compiled models, by a C interface: what libdlc_codecs exports. A model that decodes pictures
// loads that library when it first needs it.
#pragma once

#include <stdint.h>

extern "C" {

struct dlc_picture {
  int64_t width;
  int64_t height;
  uint8_t* pixels;  // RGB, row by row; null: `message` says why
  char message[200];
};

// Fills the picture; it is to be freed in any case.
void dlc_picture_decode(const void* bytes, int64_t size, dlc_picture* picture);
void dlc_picture_free(dlc_picture* picture);

}  // extern "C"

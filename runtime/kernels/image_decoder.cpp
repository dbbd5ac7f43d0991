// Pictures are decoded by libdlc_codecs, which is loaded when a model first needs it: models that decode none
// need no library but libc.
#include <dlfcn.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/load_beside.h"

namespace {

// As runtime/data/decode_picture.h says.
struct Picture {
  int64_t width;
  int64_t height;
  uint8_t* pixels;
  char message[200];
};
using DecodeFn = void (*)(const void* bytes, int64_t size, Picture* picture);
using FreeFn = void (*)(Picture* picture);

constexpr const char* kLibrary = "libdlc_codecs.so.0";
enum Color : int64_t { kRgb = 0, kBgr = 1, kGray = 2 };

// Null: they are not there. Two threads may both find them, and get the same.
void* load_codecs() {
  static void* loaded = nullptr;
  void* library = __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);
  if (library != nullptr) return library;
  library = dlc::kernels::load_beside(kLibrary);
  __atomic_store_n(&loaded, library, __ATOMIC_RELEASE);
  return library;
}

// The luma of ITU-R BT.601 in fixed point.
uint8_t gray(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

void store(const Picture& picture, int64_t color, uint8_t* to) {
  const int64_t pixels = picture.width * picture.height;
  for (int64_t i = 0; i < pixels; ++i) {
    const uint8_t* rgb = picture.pixels + 3 * i;
    if (color == kGray) {
      to[i] = gray(rgb);
      continue;
    }
    for (int c = 0; c < 3; ++c) to[3 * i + c] = rgb[color == kBgr ? 2 - c : c];
  }
}

}  // namespace

extern "C" int32_t dlc_image_decoder(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                     const int64_t* params) {
  void* library = load_codecs();
  if (library == nullptr)
    return dlc_fail(frame, DLC_UNSUPPORTED, "libdlc_codecs.so.%lld, which decodes pictures, cannot be loaded",
                    0, 0);
  const auto decode = reinterpret_cast<DecodeFn>(dlsym(library, "dlc_picture_decode"));
  const auto release = reinterpret_cast<FreeFn>(dlsym(library, "dlc_picture_free"));
  if (decode == nullptr || release == nullptr)
    return dlc_fail(frame, DLC_UNSUPPORTED, "libdlc_codecs.so.%lld is of another version", 0, 0);
  Picture picture;
  decode(inputs[0].data, inputs[0].dims[0], &picture);
  if (picture.pixels == nullptr)
    return dlc_fail(frame, DLC_INVALID_INPUT, "the %lld bytes are no picture that can be decoded",
                    inputs[0].dims[0], 0);
  outputs[0].dims[0] = picture.height;
  outputs[0].dims[1] = picture.width;
  outputs[0].dims[2] = params[0] == kGray ? 1 : 3;
  uint8_t* result = static_cast<uint8_t*>(dlc_call_output(frame, &outputs[0]));
  if (result != nullptr) store(picture, params[0], result);
  release(&picture);
  return result == nullptr ? DLC_OUT_OF_MEMORY : DLC_OK;
}

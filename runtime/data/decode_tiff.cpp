#include <algorithm>
#include <cstring>
#include <memory>

#include <tiffio.h>

#include "runtime/data/image_codecs.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

// A file in memory, as libtiff wants to see it.
struct Memory {
  std::string_view bytes;
  uint64_t at = 0;
};

tmsize_t read_memory(thandle_t handle, void* to, tmsize_t count) {
  auto& memory = *static_cast<Memory*>(handle);
  const uint64_t left = memory.at < memory.bytes.size() ? memory.bytes.size() - memory.at : 0;
  const uint64_t taken = std::min(left, static_cast<uint64_t>(std::max<tmsize_t>(count, 0)));
  if (taken > 0) std::memcpy(to, memory.bytes.data() + memory.at, taken);
  memory.at += taken;
  return static_cast<tmsize_t>(taken);
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek_memory(thandle_t handle, toff_t offset, int whence) {
  auto& memory = *static_cast<Memory*>(handle);
  const uint64_t base = whence == SEEK_CUR ? memory.at : whence == SEEK_END ? memory.bytes.size() : 0;
  return memory.at = base + offset;
}
int close_nothing(thandle_t) { return 0; }
toff_t size_of_memory(thandle_t handle) { return static_cast<Memory*>(handle)->bytes.size(); }
int map_nothing(thandle_t, void**, toff_t*) { return 0; }
void unmap_nothing(thandle_t, void*, toff_t) {}

}  // namespace

bool is_tiff(std::string_view bytes) {
  using std::literals::operator""sv;
  return bytes.starts_with("II*\0"sv) || bytes.starts_with("MM\0*"sv);
}

Image decode_tiff(std::string_view bytes) {
  // Faults are told by return values.
  TIFFSetErrorHandler(nullptr);
  TIFFSetWarningHandler(nullptr);
  Memory memory{bytes};
  const std::unique_ptr<TIFF, void (*)(TIFF*)> tiff(
      TIFFClientOpen("picture", "rm", &memory, read_memory, write_nothing, seek_memory, close_nothing,
                     size_of_memory, map_nothing, unmap_nothing),
      [](TIFF* open) {
        if (open != nullptr) TIFFClose(open);
      });
  uint32_t width = 0, height = 0;
  if (tiff == nullptr || TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width) == 0 ||
      TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height) == 0)
    fail(ErrorKind::kData, "is a damaged TIFF picture");
  Image image = new_image(width, height);
  std::vector<uint32_t> raster(image.pixels.size() / 3);
  if (TIFFReadRGBAImageOriented(tiff.get(), width, height, raster.data(), ORIENTATION_TOPLEFT, 1) == 0)
    fail(ErrorKind::kData, "is a damaged TIFF picture");
  for (size_t i = 0; i < raster.size(); ++i) {
    image.pixels[3 * i] = static_cast<uint8_t>(TIFFGetR(raster[i]));
    image.pixels[3 * i + 1] = static_cast<uint8_t>(TIFFGetG(raster[i]));
    image.pixels[3 * i + 2] = static_cast<uint8_t>(TIFFGetB(raster[i]));
  }
  return image;
}

}  // namespace dlc::data

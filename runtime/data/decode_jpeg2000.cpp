#include <algorithm>
#include <cstring>
#include <memory>

#include <openjpeg.h>

#include "runtime/data/image_codecs.h"
#include "runtime/error.h"

namespace dlc::data {
namespace {

using std::literals::operator""sv;
constexpr std::string_view kBoxes = "\0\0\0\x0cjP  \r\n\x87\n"sv;
constexpr std::string_view kCodestream = "\xff\x4f\xff\x51"sv;

struct Memory {
  std::string_view bytes;
  size_t at = 0;
};

OPJ_SIZE_T read_memory(void* to, OPJ_SIZE_T count, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  const size_t taken = std::min<size_t>(count, memory.bytes.size() - memory.at);
  if (taken == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(to, memory.bytes.data() + memory.at, taken);
  memory.at += taken;
  return taken;
}
OPJ_OFF_T skip_memory(OPJ_OFF_T count, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  if (count < 0 || static_cast<uint64_t>(count) > memory.bytes.size() - memory.at) return -1;
  memory.at += static_cast<size_t>(count);
  return count;
}
OPJ_BOOL seek_memory(OPJ_OFF_T position, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  if (position < 0 || static_cast<uint64_t>(position) > memory.bytes.size()) return OPJ_FALSE;
  memory.at = static_cast<size_t>(position);
  return OPJ_TRUE;
}

// The library's handles of streams and codecs are both void*.
struct ReleaseStream {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct ReleaseCodec {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct ReleaseImage {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};
using Stream = std::unique_ptr<opj_stream_t, ReleaseStream>;
using Codec = std::unique_ptr<opj_codec_t, ReleaseCodec>;
using Decoded = std::unique_ptr<opj_image_t, ReleaseImage>;

Stream open_stream(Memory& memory) {
  Stream stream(opj_stream_default_create(OPJ_TRUE));
  opj_stream_set_user_data(stream.get(), &memory, nullptr);
  opj_stream_set_user_data_length(stream.get(), memory.bytes.size());
  opj_stream_set_read_function(stream.get(), read_memory);
  opj_stream_set_skip_function(stream.get(), skip_memory);
  opj_stream_set_seek_function(stream.get(), seek_memory);
  return stream;
}

// The sample as a byte.
int32_t sample_of(const opj_image_comp_t& component, int64_t x, int64_t y, const opj_image_t& image) {
  const int64_t column =
      std::min<int64_t>(x * component.w / std::max(1U, image.x1 - image.x0), component.w - 1);
  const int64_t row = std::min<int64_t>(y * component.h / std::max(1U, image.y1 - image.y0), component.h - 1);
  int64_t value = component.data[row * component.w + column];
  const int bits = static_cast<int>(component.prec);
  if (component.sgnd != 0) value += int64_t{1} << (bits - 1);
  value = bits > 8 ? value >> (bits - 8) : bits < 8 ? value * 255 / ((int64_t{1} << bits) - 1) : value;
  return static_cast<int32_t>(std::clamp<int64_t>(value, 0, 255));
}

uint8_t to_byte(double value) { return static_cast<uint8_t>(std::clamp(value + 0.5, 0.0, 255.0)); }

void from_ycc(uint8_t* rgb) {
  const double y = rgb[0], cb = rgb[1] - 128.0, cr = rgb[2] - 128.0;
  rgb[0] = to_byte(y + 1.402 * cr);
  rgb[1] = to_byte(y - 0.344136 * cb - 0.714136 * cr);
  rgb[2] = to_byte(y + 1.772 * cb);
}

}  // namespace

bool is_jpeg2000(std::string_view bytes) {
  return bytes.starts_with(kBoxes) || bytes.starts_with(kCodestream);
}

Image decode_jpeg2000(std::string_view bytes) {
  const char* damaged = "is a damaged JPEG 2000 picture";
  Memory memory{bytes};
  const Stream stream = open_stream(memory);
  const Codec codec(opj_create_decompress(bytes.starts_with(kBoxes) ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K));
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* header = nullptr;
  const bool is_read = opj_setup_decoder(codec.get(), &parameters) != OPJ_FALSE &&
                       opj_read_header(stream.get(), codec.get(), &header) != OPJ_FALSE;
  const Decoded decoded(header);
  if (!is_read || decoded->x1 <= decoded->x0 || decoded->y1 <= decoded->y0)
    fail(ErrorKind::kData, "{}", damaged);
  Image image = new_image(decoded->x1 - decoded->x0, decoded->y1 - decoded->y0);
  if (opj_decode(codec.get(), stream.get(), decoded.get()) == OPJ_FALSE)
    fail(ErrorKind::kData, "{}", damaged);
  const bool is_color = decoded->numcomps >= 3;
  for (uint32_t c = 0; c < decoded->numcomps; ++c) {
    if (decoded->comps[c].data == nullptr || decoded->comps[c].w < 1 || decoded->comps[c].h < 1)
      fail(ErrorKind::kData, "{}", damaged);
  }
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      uint8_t* rgb = &image.pixels[static_cast<size_t>((y * image.width + x) * 3)];
      for (int c = 0; c < 3; ++c)
        rgb[c] = static_cast<uint8_t>(sample_of(decoded->comps[is_color ? c : 0], x, y, *decoded));
      if (decoded->color_space == OPJ_CLRSPC_SYCC && is_color) from_ycc(rgb);
    }
  }
  return image;
}

}  // namespace dlc::data

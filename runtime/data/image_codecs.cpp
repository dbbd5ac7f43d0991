#include "runtime/data/image_codecs.h"

#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>
#include <png.h>

#include "runtime/error.h"

namespace dlc::data {
namespace {

struct Format {
  bool (*matches)(std::string_view bytes);
  Image (*decode)(std::string_view bytes);
};
constexpr Format kFormats[] = {
    {is_png, decode_png}, {is_jpeg, decode_jpeg}, {is_jpeg2000, decode_jpeg2000}, {is_bmp, decode_bmp},
    {is_pnm, decode_pnm}, {is_tiff, decode_tiff}, {is_webp, decode_webp},
};

// libjpeg reports by longjmp; nothing with a destructor lives between setjmp() and the calls.
struct JpegErrors {
  jpeg_error_mgr base;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_jpeg_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->text);
  longjmp(errors->jump, 1);
}

void on_jpeg_message(j_common_ptr, int) {}

// False when the picture is damaged; the decompressor is destroyed then.
bool start_jpeg(jpeg_decompress_struct& info, JpegErrors& errors, std::string_view bytes) {
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  return true;
}

bool finish_jpeg(jpeg_decompress_struct& info, JpegErrors& errors, uint8_t* pixels) {
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + size_t{3} * info.output_width * info.output_scanline;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

Image decode_image(std::string_view bytes) {
  for (const Format& format : kFormats) {
    if (!format.matches(bytes)) continue;
    Image image = format.decode(bytes);
    check(static_cast<int64_t>(image.pixels.size()) == image.width * image.height * 3,
          "a picture has all its pixels");
    return image;
  }
  fail(ErrorKind::kData, "is no picture: expected JPEG, JPEG 2000, PNG, BMP, TIFF, WebP or PNM");
}

Image new_image(int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kMaxImagePixels / height) {
    fail(ErrorKind::kData, "has {} x {} pixels; the limit is {} in all", width, height, kMaxImagePixels);
  }
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
}

bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }
bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8\xff"); }

Image decode_png(std::string_view bytes) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) {
    fail(ErrorKind::kData, "is a damaged PNG picture: {}", png.message);
  }
  Image image;
  try {
    image = new_image(png.width, png.height);
  } catch (...) {
    png_image_free(&png);
    throw;
  }
  png.format = PNG_FORMAT_RGB;
  png_color black{};
  if (png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr) == 0) {
    fail(ErrorKind::kData, "is a damaged PNG picture: {}", png.message);
  }
  return image;
}

Image decode_jpeg(std::string_view bytes) {
  jpeg_decompress_struct info{};
  JpegErrors errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_jpeg_error;
  errors.base.emit_message = on_jpeg_message;
  if (!start_jpeg(info, errors, bytes)) fail(ErrorKind::kData, "is a damaged JPEG picture: {}", errors.text);
  Image image;
  try {
    image = new_image(info.image_width, info.image_height);
  } catch (...) {
    jpeg_destroy_decompress(&info);
    throw;
  }
  if (!finish_jpeg(info, errors, image.pixels.data())) {
    fail(ErrorKind::kData, "is a damaged JPEG picture: {}", errors.text);
  }
  return image;
}

}  // namespace dlc::data

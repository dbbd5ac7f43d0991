// UTF-8. Part of compiled models: libc only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dlc {

// The character at `text` and the bytes that it takes; no bytes where they are not UTF-8: cut off, longer
// than needed, a surrogate or beyond U+10FFFF.
struct Utf8Character {
  uint32_t code;
  size_t bytes;
};
inline Utf8Character utf8_character(const char* text, size_t size) {
  if (size == 0) return {0, 0};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
  if (bytes == 0 || bytes > size) return {0, 0};
  uint32_t code = lead & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {0, 0};
    code = code << 6 | (next & 0x3f);
  }
  const uint32_t least = bytes == 2 ? 0x80 : bytes == 3 ? 0x800 : 0x10000;
  const bool is_valid = code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return is_valid ? Utf8Character{code, bytes} : Utf8Character{0, 0};
}

inline bool is_utf8(const char* text, size_t size) {
  for (size_t i = 0; i < size;) {
    const size_t bytes = utf8_character(text + i, size - i).bytes;
    if (bytes == 0) return false;
    i += bytes;
  }
  return true;
}

// Writes a character that is_utf8() accepts; returns its bytes, at most 4.
inline size_t write_utf8(uint32_t code, char* text) {
  const size_t bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  if (bytes == 1) return text[0] = static_cast<char>(code), bytes;
  for (size_t i = bytes; i-- > 1; code >>= 6) text[i] = static_cast<char>(0x80 | (code & 0x3f));
  text[0] = static_cast<char>((0xf00u >> bytes & 0xff) | code);
  return bytes;
}

}  // namespace dlc

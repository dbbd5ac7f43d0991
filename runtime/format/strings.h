// Strings as objects: how compiled code and the constants of a model hold them.
#pragma once

#include <cstdint>

namespace dlc {

// In the constants of a model strings lie one after the other, each followed by zero bytes, at least one, up
// to a multiple of 8.
struct StringObject {
  int64_t size;
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }  // and a zero byte
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

inline int64_t packed_bytes(int64_t size) {
  return static_cast<int64_t>(sizeof(StringObject)) + (size / 8 + 1) * 8;
}
inline const StringObject* next_packed(const StringObject* string) {
  const char* next = reinterpret_cast<const char*>(string) + packed_bytes(string->size);
  return reinterpret_cast<const StringObject*>(next);
}

// FNV-1a, mixed: of the tables in the constants of a model, so the same wherever it is compiled.
inline uint64_t hash_text(const char* text, int64_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(text[i])) * 0x100000001b3u;
  return hash ^ (hash >> 32);
}

}  // namespace dlc

// The file of a model's constants.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/model/abi.h"

namespace dlc::model {

// The constants follow at the next multiple of a cache line.
struct alignas(64) WeightsHeader {
  char magic[8];
  uint64_t size;          // of the constants
  char content_hash[48];  // the beginning of the model's
};
static_assert(sizeof(WeightsHeader) == 64);

WeightsHeader make_weights_header(const char* content_hash, uint64_t size);

// A mapped file.
struct MappedWeights {
  void* memory;
  size_t bytes;
  const char* constants() const { return static_cast<const char*>(memory) + sizeof(WeightsHeader); }
};

enum class WeightsFault : uint8_t { kNone, kUnreadable, kNotWeights, kOtherModel, kCutOff };

// On success `mapped` is to be unmapped. kUnreadable leaves the reason in errno.
WeightsFault map_weights(const char* path, const char* content_hash, uint64_t size, MappedWeights* mapped);
void unmap_weights(const MappedWeights& mapped);

}  // namespace dlc::model

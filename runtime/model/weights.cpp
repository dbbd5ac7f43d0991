#include "runtime/model/weights.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dlc::model {
namespace {

constexpr char kMagic[9] = "DLCWGHT1";

WeightsFault check_header(const MappedWeights& mapped, const WeightsHeader& expected) {
  const WeightsHeader& found = *static_cast<const WeightsHeader*>(mapped.memory);
  if (memcmp(found.magic, expected.magic, sizeof found.magic) != 0) return WeightsFault::kNotWeights;
  if (memcmp(&found, &expected, sizeof found) != 0) return WeightsFault::kOtherModel;
  return mapped.bytes - sizeof found < expected.size ? WeightsFault::kCutOff : WeightsFault::kNone;
}

WeightsFault map_file(int file, MappedWeights* mapped) {
  struct stat status = {};
  if (fstat(file, &status) != 0) return WeightsFault::kUnreadable;
  if (!S_ISREG(status.st_mode) || static_cast<size_t>(status.st_size) < sizeof(WeightsHeader))
    return WeightsFault::kNotWeights;
  mapped->bytes = static_cast<size_t>(status.st_size);
  mapped->memory = mmap(nullptr, mapped->bytes, PROT_READ, MAP_PRIVATE, file, 0);
  return mapped->memory == MAP_FAILED ? WeightsFault::kUnreadable : WeightsFault::kNone;
}

}  // namespace

WeightsHeader make_weights_header(const char* content_hash, uint64_t size) {
  WeightsHeader header = {};
  memcpy(header.magic, kMagic, sizeof header.magic);
  header.size = size;
  size_t length = strlen(content_hash);
  memcpy(header.content_hash, content_hash,
         length < sizeof header.content_hash ? length : sizeof header.content_hash);
  return header;
}

WeightsFault map_weights(const char* path, const char* content_hash, uint64_t size, MappedWeights* mapped) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return WeightsFault::kUnreadable;
  WeightsFault fault = map_file(file, mapped);
  int reason = errno;
  close(file);
  errno = reason;
  if (fault != WeightsFault::kNone) return fault;
  fault = check_header(*mapped, make_weights_header(content_hash, size));
  if (fault != WeightsFault::kNone) unmap_weights(*mapped);
  return fault;
}

void unmap_weights(const MappedWeights& mapped) {
  if (mapped.memory != nullptr) munmap(mapped.memory, mapped.bytes);
}

}  // namespace dlc::model

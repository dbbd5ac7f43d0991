#include "runtime/weights_file.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include "runtime/error.h"
#include "runtime/model/weights.h"
#include "runtime/output_file.h"

namespace dlc::runtime {

MappedConstants map_weights_file(const std::string& path, const std::string& content_hash, uint64_t size) {
  model::MappedWeights mapped = {};
  switch (model::map_weights(path.c_str(), content_hash.c_str(), size, &mapped)) {
    case model::WeightsFault::kNone:
      return {mapped.constants(), {mapped.memory, [mapped](const void*) { model::unmap_weights(mapped); }}};
    case model::WeightsFault::kUnreadable:
      fail(ErrorKind::kIo, "cannot read the weights file '{}': {}", path, std::strerror(errno));
    case model::WeightsFault::kNotWeights:
      fail(ErrorKind::kModel, "'{}' is no weights file", path);
    case model::WeightsFault::kOtherModel:
      fail(ErrorKind::kModel, "the weights file '{}' belongs to another model", path);
    case model::WeightsFault::kCutOff:
      fail(ErrorKind::kModel, "the weights file '{}' is cut off: expected {} bytes", path,
           size + sizeof(model::WeightsHeader));
  }
  check(false, "every fault of a weights file has a message");
  return {};
}

void write_weights_file(const std::string& path, const std::string& content_hash, const Tensor& constants) {
  const auto size = static_cast<uint64_t>(constants.byte_size());
  const model::WeightsHeader header = model::make_weights_header(content_hash.c_str(), size);
  OutputFile file(path);
  file.write(std::string_view(reinterpret_cast<const char*>(&header), sizeof header));
  file.write(std::string_view(constants.as<char>(), size));
  file.commit();
}

}  // namespace dlc::runtime

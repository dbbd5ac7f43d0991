// Files with tensor data beside a model, mapped into memory and confined to the model's folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace dlc::frontend {

// A read-only mapping of a whole file.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // Error(kIo)
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

class ExternalData {
 public:
  // `folder` is where all locations must lie; empty: no external data is allowed.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  // The file of a location as a model states it. Error(kModel) when it is absolute, climbs out of the folder,
  // or is a link that leaves it; Error(kIo) when it is missing. Each file is mapped once.
  std::shared_ptr<const MappedFile> open(const std::string& location);

 private:
  std::string folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace dlc::frontend

// Pictures in folders: each folder is a class, named by the folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/training/dataset.h"

namespace dlc::training {

struct ImageFolder {
  std::unique_ptr<Dataset> data;
  std::vector<std::string> classes;  // by number, in the order of their names
};

struct ImageFolderOptions {
  Conversion conversion = {};
  bool strict = false;                    // pictures that cannot be read are Error(kData), else left out
  std::vector<std::string> classes = {};  // those that there may be, by number; empty: those that there are
};

// Pictures are scaled to the input's height and width, with its channels first (or last, where only that
// fits), and converted; the second field is the class. Error(kData) for a folder without classes or a class
// without pictures or an unknown class, Error(kUsage) where the target is no class.
ImageFolder open_image_folder(const std::string& path, const std::vector<Field>& fields,
                              const ImageFolderOptions& options);

}  // namespace dlc::training

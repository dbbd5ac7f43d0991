// Pictures in folders: each folder is a class, named by the folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/training/dataset.h"

namespace dlc::training {

struct ImageFolder {
  std::unique_ptr<Dataset> data;
  std::vector<std::string> classes;  // by number, in the order of their names
};

// Pictures are scaled to the input's height and width, with its channels first (or last, where only that
// fits), and converted; the second field is the class. Pictures that cannot be read are left out, or
// Error(kData) where `strict`. Error(kData) for a folder without classes or a class without pictures,
// Error(kUsage) where the target is no class.
ImageFolder open_image_folder(const std::string& path, const std::vector<Field>& fields,
                              const Conversion& conversion, bool strict);

}  // namespace dlc::training

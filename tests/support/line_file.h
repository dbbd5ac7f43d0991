// Files that tests read line by line.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace dlc::test {

// Calls `read` with every line that is neither empty nor a comment (#). Its faults are named by file and
// line. Error(kIo) where the file cannot be read.
void for_each_line(const std::filesystem::path& path,
                   const std::function<void(const std::string& line)>& read);

}  // namespace dlc::test

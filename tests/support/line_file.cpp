#include "tests/support/line_file.h"

#include <fstream>

#include "runtime/error.h"

namespace dlc::test {

void for_each_line(const std::filesystem::path& path,
                   const std::function<void(const std::string& line)>& read) {
  std::ifstream stream(path);
  if (!stream) fail(ErrorKind::kIo, "{}: cannot be read", path.string());
  int number = 0;
  for (std::string text; std::getline(stream, text);) {
    ++number;
    if (text.empty() || text.starts_with('#')) continue;
    try {
      read(text);
    } catch (Error& error) {
      throw error.add_context(fmt::format("{}:{}", path.filename().string(), number));
    }
  }
}

}  // namespace dlc::test

#include "runtime/output_file.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

void write(const std::string& path, std::string_view bytes) {
  OutputFile file(path);
  file.write(bytes);
  file.commit();
}

TEST(OutputFile, AppearsWholeOrNotAtAll) {
  const TemporaryFolder folder;
  { OutputFile(folder / "a").write("lost"); }
  EXPECT_EQ(folder.names(), std::vector<std::string>{});
  write(folder / "a", "kept");
  write(folder / "a", "kept again");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a"});
  EXPECT_EQ(data::read_file(folder / "a"), "kept again");
}

TEST(OutputFile, LeavesLinksAsTheyAre) {
  const TemporaryFolder folder;
  write(folder / "target", "old");
  std::filesystem::create_symlink(folder / "target", folder / "link");
  write(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(data::read_file(folder / "target"), "new");
}

TEST(OutputFile, ReplacesNoDevice) { EXPECT_THROW(OutputFile("/dev/null"), Error); }

}  // namespace
}  // namespace dlc::test

#include "runtime/output_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/error.h"

namespace dlc {
namespace {

// The process's file mode creation mask, which can only be read by setting it.
mode_t creation_mask() {
  mode_t mask = umask(0);
  umask(mask);
  return mask;
}

// The file that a link points to; any other path as it is.
std::string followed(const std::string& path) {
  char* target = realpath(path.c_str(), nullptr);
  std::string result = target == nullptr ? path : target;
  std::free(target);
  return result;
}

}  // namespace

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), target_(followed(path_)), temporary_(target_ + ".XXXXXX") {
  struct stat status = {};
  if (stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    fail(ErrorKind::kIo, "cannot write '{}': it is no regular file", path_);
  }
  descriptor_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail_io("write");
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void OutputFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_io("write");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void OutputFile::commit(unsigned mode) {
  // By path: whoever was given the temporary path may have put another file there.
  if (chmod(temporary_.c_str(), mode & ~creation_mask()) != 0) fail_io("set the permissions of");
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail_io("write");
  close(descriptor_);
  descriptor_ = -1;
}

void OutputFile::fail_io(const char* what) const {
  fail(ErrorKind::kIo, "cannot {} '{}': {}", what, path_, std::strerror(errno));
}

}  // namespace dlc

#include "tools/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "runtime/error.h"

namespace dlc::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
  size_t index;
  pid_t pid;
  int fd;  // what the child writes
  Clock::time_point end;
  std::string text = {};
};

Child start(size_t index, int timeout_seconds, const std::function<std::string(size_t)>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(ErrorKind::kResource, "no pipe: {}", std::strerror(errno));
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) fail(ErrorKind::kResource, "no process: {}", std::strerror(errno));
  if (pid == 0) {
    ::close(ends[0]);
    // The leading mark tells a result from a death before it.
    const std::string text = "=" + work(index);
    const ssize_t written = ::write(ends[1], text.data(), text.size());
    std::_Exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  return {index, pid, ends[0], Clock::now() + std::chrono::seconds(timeout_seconds)};
}

// Reads what is there; false at the end.
bool read_some(Child& child) {
  char bytes[4096];
  const ssize_t count = ::read(child.fd, bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  child.text.append(bytes, static_cast<size_t>(count));
  return true;
}

std::string finish(Child& child, bool late, int timeout_seconds) {
  if (late) ::kill(child.pid, SIGKILL);
  ::close(child.fd);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) return fmt::format("took longer than {} s", timeout_seconds);
  if (child.text.starts_with('=')) return child.text.substr(1);
  if (WIFSIGNALED(status)) return fmt::format("crashed: {}", ::strsignal(WTERMSIG(status)));
  return "its process ended without a result";
}

}  // namespace

void run_in_processes(size_t count, int jobs, int timeout_seconds,
                      const std::function<std::string(size_t)>& work,
                      const std::function<void(size_t, const std::string&)>& done) {
  std::vector<Child> children;
  std::map<size_t, std::string> results;  // done, but not reported yet
  size_t started = 0;
  size_t reported = 0;
  while (reported < count) {
    while (started < count && children.size() < static_cast<size_t>(std::max(jobs, 1))) {
      children.push_back(start(started++, timeout_seconds, work));
    }
    std::vector<pollfd> polled;
    for (const Child& child : children) polled.push_back({child.fd, POLLIN, 0});
    ::poll(polled.data(), polled.size(), 200);
    for (size_t i = children.size(); i-- > 0;) {
      const bool late = Clock::now() > children[i].end;
      const bool ended = polled[i].revents != 0 && !read_some(children[i]);
      if (!late && !ended) continue;
      results[children[i].index] = finish(children[i], late, timeout_seconds);
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (auto next = results.find(reported); next != results.end(); next = results.find(reported)) {
      done(reported++, next->second);
      results.erase(next);
    }
  }
}

}  // namespace dlc::tools

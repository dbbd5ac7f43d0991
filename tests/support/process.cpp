#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "runtime/error.h"

namespace dlc::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Channel {
  int ours = -1;
  int theirs = -1;
};

Channel make_channel(bool terminal) {
  Channel channel;
  int ends[2];
  if (terminal) {
    if (::openpty(&channel.ours, &channel.theirs, nullptr, nullptr, nullptr) == 0) return channel;
  } else if (::pipe(ends) == 0) {
    return {ends[0], ends[1]};
  }
  fail(ErrorKind::kResource, "no pipe: {}", std::strerror(errno));
}

[[noreturn]] void become(const std::vector<std::string>& command, const ProcessOptions& options, Channel out,
                         Channel err) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY);
  const bool ready = ::chdir(options.folder.c_str()) == 0 && ::dup2(nothing, STDIN_FILENO) >= 0 &&
                     ::dup2(out.theirs, STDOUT_FILENO) >= 0 && ::dup2(err.theirs, STDERR_FILENO) >= 0;
  for (const int end : {out.ours, out.theirs, err.ours, err.theirs}) ::close(end);
  if (ready) ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

// Appends what is there; false at the end. A terminal whose other side is closed gives EIO.
bool read_some(int end, std::string& text) {
  char bytes[4096];
  const ssize_t count = ::read(end, bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  text.append(bytes, static_cast<size_t>(count));
  return true;
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& command, const ProcessOptions& options) {
  Channel out = make_channel(false);
  Channel err = make_channel(options.terminal);
  const pid_t child = ::fork();
  if (child < 0) fail(ErrorKind::kResource, "no process: {}", std::strerror(errno));
  if (child == 0) become(command, options, out, err);
  ::close(out.theirs);
  ::close(err.theirs);
  ProcessResult result;
  const Clock::time_point end = Clock::now() + std::chrono::seconds(options.timeout_seconds);
  pollfd polled[] = {{out.ours, POLLIN, 0}, {err.ours, POLLIN, 0}};
  std::string* texts[] = {&result.out, &result.err};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    ::poll(polled, 2, 200);
    for (int i = 0; i < 2; ++i) {
      if (polled[i].fd >= 0 && polled[i].revents != 0 && !read_some(polled[i].fd, *texts[i]))
        polled[i].fd = -1;
    }
    if (Clock::now() > end) ::kill(child, SIGKILL);
  }
  ::close(out.ours);
  ::close(err.ours);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace dlc::test

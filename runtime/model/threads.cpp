// How many threads a process may use: its affinity mask and the CPU quota of its control group.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "runtime/model/api.h"

namespace {

constexpr int32_t kMaxThreads = 256;

int32_t affinity_count() {
  for (size_t cpus = 1024; cpus <= (1u << 18); cpus *= 4) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) return 1;
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    int result = sched_getaffinity(0, bytes, set);
    int count = result == 0 ? CPU_COUNT_S(bytes, set) : 0;
    bool too_small = result != 0 && errno == EINVAL;
    CPU_FREE(set);
    if (count > 0) return count;
    if (!too_small) break;
  }
  return 1;
}

// The start of a small file as a string; false if it cannot be read.
bool read_file(const char* path, char* text, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t length = read(file, text, size - 1);
  close(file);
  if (length <= 0) return false;
  text[length] = '\0';
  return true;
}

// Threads that a quota of microseconds per period is worth, a begun one counted; `limit` where there is no
// quota.
int32_t quota_threads(long long quota, long long period, int32_t limit) {
  if (quota <= 0 || period <= 0) return limit;
  long long threads = (quota + period - 1) / period;
  return threads < limit ? static_cast<int32_t>(threads) : limit;
}

int32_t quota_of_folder(const char* folder, int32_t limit) {
  char path[4200];
  char text[128];
  long long quota = 0;
  long long period = 0;
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (read_file(path, text, sizeof text)) {
    return sscanf(text, "%lld %lld", &quota, &period) == 2 ? quota_threads(quota, period, limit) : limit;
  }
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  if (!read_file(path, text, sizeof text) || sscanf(text, "%lld", &quota) != 1) return limit;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  if (!read_file(path, text, sizeof text) || sscanf(text, "%lld", &period) != 1) return limit;
  return quota_threads(quota, period, limit);
}

// The smallest quota of `group` below the hierarchy's mount point and of the groups around it.
int32_t quota_of_group(const char* mount, char* group, int32_t limit) {
  char folder[4096];
  for (;;) {
    snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
    limit = quota_of_folder(folder, limit);
    char* slash = strrchr(group, '/');
    if (slash == nullptr || group[0] == '\0') return limit;
    *slash = '\0';
  }
}

// True if a comma-separated list of controllers holds "cpu".
bool lists_cpu(const char* controllers) {
  const char* found = strstr(controllers, "cpu");
  for (; found != nullptr; found = strstr(found + 1, "cpu")) {
    bool begins = found == controllers || found[-1] == ',';
    if (begins && (found[3] == '\0' || found[3] == ',')) return true;
  }
  return false;
}

// Lines of /proc/self/cgroup: "0::/group" (version 2), "4:cpu,cpuacct:/group" (version 1).
int32_t quota_limit(int32_t limit) {
  char text[4096];
  if (!read_file("/proc/self/cgroup", text, sizeof text)) return limit;
  char* rest = nullptr;
  for (char* line = strtok_r(text, "\n", &rest); line != nullptr; line = strtok_r(nullptr, "\n", &rest)) {
    char* controllers = strchr(line, ':');
    char* group = controllers == nullptr ? nullptr : strchr(controllers + 1, ':');
    if (group == nullptr) continue;
    *group++ = '\0';
    ++controllers;
    if (controllers[0] == '\0') {
      limit = quota_of_group("/sys/fs/cgroup", group, limit);
    } else if (lists_cpu(controllers)) {
      limit = quota_of_group("/sys/fs/cgroup/cpu", group, limit);
    }
  }
  return limit;
}

}  // namespace

extern "C" int32_t dlc_usable_threads(void) {
  int32_t threads = affinity_count();
  return quota_limit(threads < kMaxThreads ? threads : kMaxThreads);
}

#include "tests/fuzz/hunt.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include <gtest/gtest.h>

#include "runtime/data/files.h"

namespace dlc::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMutantsPerProcess = 250;
constexpr int kFaultsAtMost = 20;                    // then the hunt ends
constexpr auto kLongest = std::chrono::seconds(30);  // a mutant may take
constexpr rlim_t kMostMemory = rlim_t{3} << 30;

// What the hunter sees of the process that tries the mutants.
struct Shared {
  std::atomic<uint64_t> index;
  std::atomic<int> phase;
  std::atomic<uint64_t> reached[4];  // by phase: how many mutants came so far
  std::atomic<bool> at_fault;        // the mutant `index` has the fault `text`
  char text[4096];
};

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Hunter {
 public:
  Hunter(const Prey& prey, uint64_t seed, Clock::time_point end)
      : prey_(prey), seed_(seed), end_(end), shared_(map_shared()) {}
  ~Hunter() { munmap(shared_, sizeof(Shared)); }
  Hunter(const Hunter&) = delete;
  Hunter& operator=(const Hunter&) = delete;

  void run() {
    while (Clock::now() < end_ && faults_ < kFaultsAtMost) run_process();
    std::cout << fmt::format("{}: seed {}, {} mutants, {} compiled, {} run, {} ended well, {} at fault\n",
                             prey_.name, seed_, next_, count(Phase::kCompile), count(Phase::kRun),
                             count(Phase::kDone), faults_);
    if (slow_ > 0) std::cout << fmt::format("{} runs were ended after {} s\n", slow_, kLongest.count());
    EXPECT_GT(next_, 0u) << "no mutant was tried";
  }

  std::string try_one(uint64_t index) const {
    Random random = random_of(seed_, index);
    const std::string bytes = prey_.make(random);
    return prey_.exercise(bytes, random, [this](Phase phase) {
      shared_->phase = static_cast<int>(phase);
      ++shared_->reached[static_cast<int>(phase)];
    });
  }

 private:
  static Shared* map_shared() {
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : new (memory) Shared();
  }

  uint64_t count(Phase phase) const { return shared_->reached[static_cast<int>(phase)]; }

  // In the child: from the next mutant on, until one is at fault.
  [[noreturn]] void try_mutants() const {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const rlimit limit = {kMostMemory, kMostMemory};
    setrlimit(RLIMIT_AS, &limit);
#endif
    for (uint64_t i = 0; i < kMutantsPerProcess && Clock::now() < end_; ++i) {
      shared_->index = next_ + i;
      const std::string fault = try_one(next_ + i);
      if (fault.empty()) continue;
      std::strncpy(shared_->text, fault.c_str(), sizeof shared_->text - 1);
      shared_->at_fault = true;
      break;
    }
    std::_Exit(0);
  }

  void run_process() {
    shared_->index = next_;
    shared_->at_fault = false;
    std::fflush(nullptr);
    const pid_t child = fork();
    ASSERT_GE(child, 0) << "no process: " << std::strerror(errno);
    if (child == 0) try_mutants();
    int status = 0;
    const bool late = !wait_for(child, status);
    const uint64_t index = shared_->index;
    next_ = index + 1;
    if (late) {
      // A model may say that it computes for ever.
      if (shared_->phase == static_cast<int>(Phase::kRun)) {
        ++slow_;
        keep(index);
      } else {
        report(index, "takes too long");
      }
    } else if (WIFSIGNALED(status)) {
      report(index, fmt::format("crashed: {}", strsignal(WTERMSIG(status))));
    } else if (shared_->at_fault) {
      report(index, shared_->text);
    } else if (WEXITSTATUS(status) != 0) {
      report(index, fmt::format("ended its process with code {}", WEXITSTATUS(status)));
    }
  }

  // False, and the process is gone, where a mutant takes too long.
  bool wait_for(pid_t child, int& status) const {
    uint64_t index = shared_->index;
    Clock::time_point since = Clock::now();
    while (waitpid(child, &status, WNOHANG) == 0) {
      usleep(5000);
      if (shared_->index != index) {
        index = shared_->index;
        since = Clock::now();
      } else if (Clock::now() - since > kLongest) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return false;
      }
    }
    return true;
  }

  std::string keep(uint64_t index) const {
    const std::filesystem::path folder = std::filesystem::temp_directory_path() / "dlc_fuzz";
    std::filesystem::create_directories(folder);
    const std::filesystem::path file = folder / fmt::format("{}_{}_{}", seed_, index, prey_.name);
    Random random = random_of(seed_, index);
    data::write_file(file.string(), prey_.make(random));
    return file.string();
  }

  void report(uint64_t index, const std::string& fault) {
    ++faults_;
    ADD_FAILURE() << fmt::format(
        "mutant {} of seed {}: {}\n  kept as {}; again with DLC_FUZZ_SEED={} DLC_FUZZ_MUTANT={}", index,
        seed_, fault, keep(index), seed_, index);
  }

  const Prey& prey_;
  uint64_t seed_;
  Clock::time_point end_;
  Shared* shared_;
  uint64_t next_ = 0;
  int faults_ = 0;
  int slow_ = 0;
};

}  // namespace

void hunt(const Prey& prey, int seconds) {
  const uint64_t seed = number_from("DLC_FUZZ_SEED", 1);
  const auto time = std::chrono::seconds(number_from("DLC_FUZZ_SECONDS", static_cast<uint64_t>(seconds)));
  Hunter hunter(prey, seed, Clock::now() + time);
  if (std::getenv("DLC_FUZZ_MUTANT") != nullptr) {
    EXPECT_EQ(hunter.try_one(number_from("DLC_FUZZ_MUTANT", 0)), "");
    return;
  }
  hunter.run();
}

}  // namespace dlc::test

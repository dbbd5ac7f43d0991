#include "runtime/mpi/communicator.h"

#include <mpi.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/mpi/lifeline.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Sum {
  void* data;
  int64_t count;
  MPI_Datatype type;
};

MPI_Datatype type_of(int32_t dtype) {
  constexpr int32_t kFloat = 1;
  constexpr int32_t kInt64 = 7;
  return dtype == kFloat ? MPI_FLOAT : dtype == kInt64 ? MPI_INT64_T : MPI_DOUBLE;
}

std::string text_of(int fault) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int size = 0;
  MPI_Error_string(fault, text, &size);
  return {text, static_cast<size_t>(size)};
}

void copy_text(const std::string& text, char* message, int64_t size) {
  snprintf(message, static_cast<size_t>(size), "%s", text.c_str());
}

}  // namespace

// One thread makes all calls of MPI, in the order of the requests.
struct dlc_communicator {
  int rank = 0;
  int size = 1;

  // Joins; afterwards either `fault` is empty or the thread has ended.
  void open() {
    thread_ = std::thread([this] { run(); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open_ || !fault_.empty(); });
  }

  std::string fault() {
    const std::lock_guard lock(mutex_);
    return fault_;
  }

  int64_t add(const Sum& sum) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(sum);
    changed_.notify_all();
    return ++given_;
  }

  // Empty: it is done.
  std::string wait(int64_t ticket) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ >= ticket || !fault_.empty(); });
    return done_ >= ticket ? "" : fault_;
  }

  void close(const char* fault) {
    {
      const std::lock_guard lock(mutex_);
      if (fault != nullptr && fault_.empty()) fault_ = fault;
      is_closing_ = true;
      changed_.notify_all();
    }
    if (fault != nullptr) lifeline_.leave(fault);
    thread_.join();
    lifeline_.leave(nullptr);
  }

 private:
  void run() {
    if (!join()) return;
    while (true) {
      Sum sum = {};
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_closing_ || !fault_.empty() || !waiting_.empty(); });
        if (!fault_.empty()) return;
        if (waiting_.empty()) break;
        sum = waiting_.front();
        waiting_.pop_front();
      }
      MPI_Request request = MPI_REQUEST_NULL;
      const int status = MPI_Iallreduce(MPI_IN_PLACE, sum.data, static_cast<int>(sum.count), sum.type,
                                        MPI_SUM, MPI_COMM_WORLD, &request);
      if (!finish(status, request)) return;
      const std::lock_guard lock(mutex_);
      ++done_;
      changed_.notify_all();
    }
    // Everybody is there, so that nobody waits for ever in what follows.
    MPI_Request request = MPI_REQUEST_NULL;
    const int status = MPI_Ibarrier(MPI_COMM_WORLD, &request);
    if (finish(status, request)) MPI_Finalize();
  }

  bool join() {
    int level = 0;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
      return fail("MPI cannot be initialized");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size > 1 && !connect()) return fail("the processes cannot reach one another by TCP");
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
    return true;
  }

  bool connect() {
    char address[4096] = "";
    if (rank == 0) copy_text(lifeline_.listen(), address, sizeof address);
    if (MPI_Bcast(address, sizeof address, MPI_CHAR, 0, MPI_COMM_WORLD) != MPI_SUCCESS) return false;
    const bool is_there = rank == 0 ? lifeline_.accept(size - 1) : lifeline_.connect(address, rank);
    if (is_there) lifeline_.watch();
    return is_there;
  }

  // Waits with an eye on the other processes. Yields first, which is fastest, then sleeps in between, which
  // leaves the processor to the computation.
  bool finish(int status, MPI_Request& request) {
    constexpr std::chrono::microseconds kYielding{200};
    constexpr std::chrono::microseconds kPause{20};
    const Clock::time_point start = Clock::now();
    int is_done = 0;
    while (status == MPI_SUCCESS && is_done == 0) {
      status = MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
      if (is_done != 0) break;
      if (lifeline_.is_broken()) return fail(lifeline_.fault());
      if (is_closing_with_fault()) return false;
      if (Clock::now() - start < kYielding) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(kPause);
      }
    }
    return status == MPI_SUCCESS || fail("MPI: " + text_of(status));
  }

  bool is_closing_with_fault() {
    const std::lock_guard lock(mutex_);
    return is_closing_ && !fault_.empty();
  }

  bool fail(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (fault_.empty()) fault_ = text;
    changed_.notify_all();
    return false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Sum> waiting_;
  int64_t given_ = 0;
  int64_t done_ = 0;
  bool is_open_ = false;
  bool is_closing_ = false;
  std::string fault_;
  dlc::mpi::Lifeline lifeline_;
  std::thread thread_;
};

#define DLC_EXPORT __attribute__((visibility("default")))

extern "C" {

DLC_EXPORT int32_t dlc_communicator_version() { return DLC_COMMUNICATOR_VERSION; }

DLC_EXPORT dlc_communicator* dlc_communicator_open(char* message, int64_t size) {
  auto* communicator = new dlc_communicator;
  communicator->open();
  const std::string fault = communicator->fault();
  if (fault.empty()) return communicator;
  copy_text(fault, message, size);
  communicator->close(fault.c_str());
  delete communicator;
  return nullptr;
}

DLC_EXPORT int32_t dlc_communicator_rank(const dlc_communicator* communicator) { return communicator->rank; }
DLC_EXPORT int32_t dlc_communicator_size(const dlc_communicator* communicator) { return communicator->size; }

DLC_EXPORT int64_t dlc_communicator_sum(dlc_communicator* communicator, void* data, int64_t count,
                                        int32_t dtype) {
  return communicator->add({data, count, type_of(dtype)});
}

DLC_EXPORT int32_t dlc_communicator_wait(dlc_communicator* communicator, int64_t ticket, char* message,
                                         int64_t size) {
  const std::string fault = communicator->wait(ticket);
  if (!fault.empty()) copy_text(fault, message, size);
  return fault.empty() ? 0 : 1;
}

DLC_EXPORT void dlc_communicator_close(dlc_communicator* communicator, const char* fault) {
  communicator->close(fault);
  delete communicator;
}

}  // extern "C"

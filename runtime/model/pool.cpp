#include "runtime/model/pool.h"

#include <cstdlib>
#include <new>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "runtime/model/futex.h"

namespace dlc::model {
namespace {

// A region is open while workers may join it. `state` holds the number of places left for workers in its high
// half and the number of workers inside in its low half; the region's fields are written only while both are
// zero.
constexpr uint32_t kPlace = 1u << 16;
constexpr uint32_t kInside = kPlace - 1;

// About 50 microseconds: longer than the serial parts between the kernels of one run, shorter than a time
// slice.
constexpr int kSpins = 1500;

}  // namespace

struct Pool {
  alignas(64) std::atomic<uint32_t> state{0};
  alignas(64) std::atomic<uint32_t> epoch{0};  // counts regions; what idle workers sleep on
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stop{false};
  std::atomic<bool> busy{false};           // a caller owns the region's fields
  std::atomic<bool> caller_sleeps{false};  // the caller waits for the last worker to leave
  // The region.
  dlc_worker_fn task = nullptr;
  void* argument = nullptr;
  // Used by the caller only.
  int32_t wanted_workers = 0;
  int32_t started = 0;
  pthread_t* threads = nullptr;
  // A byte of a page that the kernel zeroes in a child process: 1 in the process that started the workers.
  char* same_process = nullptr;
};

namespace {

// Takes a place in the open region; its number in [1, workers), or 0 where there is none.
int32_t join_region(Pool& pool) {
  uint32_t state = pool.state.load(std::memory_order_acquire);
  while (state >= kPlace) {
    if (pool.state.compare_exchange_weak(state, state - kPlace + 1, std::memory_order_acq_rel)) {
      return static_cast<int32_t>(state / kPlace);
    }
  }
  return 0;
}

void leave_region(Pool& pool) {
  bool last_of_closed = pool.state.fetch_sub(1) == 1;
  if (last_of_closed && pool.caller_sleeps.load()) futex_wake(pool.state, 1);
}

void wait_for_region(Pool& pool, uint32_t seen) {
  for (int i = 0; i < kSpins; ++i) {
    if (pool.epoch.load(std::memory_order_acquire) != seen) return;
    spin_pause();
  }
  pool.sleepers.fetch_add(1);
  while (pool.epoch.load() == seen && !pool.stop.load()) futex_wait(pool.epoch, seen);
  pool.sleepers.fetch_sub(1);
}

void* worker_main(void* argument) {
  Pool& pool = *static_cast<Pool*>(argument);
  for (;;) {
    uint32_t seen = pool.epoch.load(std::memory_order_acquire);
    if (pool.stop.load()) return nullptr;
    if (int32_t worker = join_region(pool); worker != 0) {
      pool.task(pool.argument, worker);
      leave_region(pool);
    } else {
      wait_for_region(pool, seen);
    }
  }
}

// In a child process the workers of the parent are not there, and whatever state they were in is void.
void forget_workers_after_fork(Pool& pool) {
  if (pool.same_process == nullptr || *pool.same_process == 1) return;
  *pool.same_process = 1;
  pool.started = 0;
  pool.state.store(0);
  pool.sleepers.store(0);
  pool.caller_sleeps.store(false);
  pool.busy.store(false);
}

// Workers leave signals to the threads of the program.
void start_workers(Pool& pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.started < pool.wanted_workers) {
    if (pthread_create(&pool.threads[pool.started], nullptr, worker_main, &pool) != 0) break;
    ++pool.started;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // With fewer threads than wanted the work is still done; they are not asked for again.
  pool.wanted_workers = pool.started;
}

void open_region(Pool& pool, dlc_worker_fn task, void* argument, int32_t places) {
  pool.task = task;
  pool.argument = argument;
  pool.state.store(static_cast<uint32_t>(places) * kPlace, std::memory_order_release);
  pool.epoch.fetch_add(1);
  if (pool.sleepers.load() > 0) futex_wake(pool.epoch, places);
}

void close_region(Pool& pool) {
  uint32_t state = pool.state.fetch_and(kInside, std::memory_order_acq_rel) & kInside;
  for (int i = 0; state != 0 && i < kSpins; ++i) {
    spin_pause();
    state = pool.state.load(std::memory_order_acquire);
  }
  if (state == 0) return;
  pool.caller_sleeps.store(true);
  while ((state = pool.state.load()) != 0) futex_wait(pool.state, state);
  pool.caller_sleeps.store(false);
}

}  // namespace

Pool* create_pool(int32_t threads) {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignof(Pool), sizeof(Pool)) != 0) return nullptr;
  Pool* pool = new (memory) Pool;
  pool->wanted_workers = threads > 1 ? threads - 1 : 0;
  pool->threads =
      static_cast<pthread_t*>(calloc(static_cast<size_t>(pool->wanted_workers) + 1, sizeof(pthread_t)));
  void* page = mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED && madvise(page, 1, MADV_WIPEONFORK) == 0) {
    pool->same_process = static_cast<char*>(page);
    *pool->same_process = 1;
  } else if (page != MAP_FAILED) {
    munmap(page, 1);
  }
  if (pool->threads != nullptr) return pool;
  destroy_pool(pool);
  return nullptr;
}

void destroy_pool(Pool* pool) {
  if (pool == nullptr) return;
  forget_workers_after_fork(*pool);
  pool->stop.store(true);
  pool->epoch.fetch_add(1);
  futex_wake(pool->epoch, INT_MAX);
  for (int32_t i = 0; i < pool->started; ++i) pthread_join(pool->threads[i], nullptr);
  if (pool->same_process != nullptr) munmap(pool->same_process, 1);
  free(pool->threads);
  free(pool);
}

void run_on_pool(void* user, dlc_worker_fn task, void* argument, int32_t workers) {
  Pool& pool = *static_cast<Pool*>(user);
  forget_workers_after_fork(pool);
  if (workers <= 1 || pool.busy.exchange(true, std::memory_order_acquire)) return task(argument, 0);
  if (pool.started < pool.wanted_workers) start_workers(pool);
  int32_t places = workers - 1 < pool.started ? workers - 1 : pool.started;
  open_region(pool, task, argument, places);
  task(argument, 0);
  close_region(pool);
  pool.busy.store(false, std::memory_order_release);
}

}  // namespace dlc::model

#include "runtime/model/pool.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/model/context.h"
#include "runtime/model/futex.h"
#include "tests/unit/runtime/model/test_model.h"

namespace dlc::model {
namespace {

struct Task {
  std::atomic<int> calls{0};
  std::atomic<uint32_t> workers{0};
  Pool* nested_in = nullptr;
};

void note_worker(void* argument, int32_t worker) {
  Task& task = *static_cast<Task*>(argument);
  ++task.calls;
  EXPECT_EQ(task.workers.fetch_or(1u << worker) & (1u << worker), 0u)
      << "worker numbers are unique in a region";
  if (task.nested_in != nullptr) {
    Task inner;
    run_on_pool(task.nested_in, note_worker, &inner, 4);
    EXPECT_EQ(inner.workers.load(), 1u) << "nested regions run inline";
  }
}

TEST(Pool, RunsTheCallerAndSomeWorkersInManyRegions) {
  Pool* pool = create_pool(4);
  int helped = 0;
  for (int i = 0; i < 5000; ++i) {
    Task task;
    run_on_pool(pool, note_worker, &task, 4);
    ASSERT_TRUE((task.workers.load() & 1u) != 0);
    ASSERT_LE(task.calls.load(), 4);
    helped += task.calls.load() > 1 ? 1 : 0;
    if (i % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  EXPECT_GT(helped, 0);
  destroy_pool(pool);
}

TEST(Pool, RunsNestedRegionsInline) {
  Pool* pool = create_pool(3);
  for (int i = 0; i < 200; ++i) {
    Task task;
    task.nested_in = pool;
    run_on_pool(pool, note_worker, &task, 3);
  }
  destroy_pool(pool);
}

TEST(Pool, ServesSeveralCallers) {
  Pool* pool = create_pool(3);
  std::atomic<int> regions{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        Task task;
        run_on_pool(pool, note_worker, &task, 3);
        regions += task.calls.load() >= 1 ? 1 : 0;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(regions.load(), 6000);
  destroy_pool(pool);
}

TEST(Pool, CanBeDestroyedWithoutARegion) {
  destroy_pool(create_pool(8));
  destroy_pool(create_pool(1));
  destroy_pool(nullptr);
}

// True if `threads` workers took part in one of many regions.
bool all_take_part(Pool* pool, uint32_t threads) {
  for (int i = 0; i < 20000; ++i) {
    Task task;
    auto wait_for_all = [](void* argument, int32_t worker) {
      note_worker(argument, worker);
      for (int spin = 0; spin < 2000 && static_cast<Task*>(argument)->calls.load() < 2; ++spin) spin_pause();
    };
    run_on_pool(pool, wait_for_all, &task, static_cast<int32_t>(threads));
    if (task.workers.load() == (1u << threads) - 1) return true;
  }
  return false;
}

TEST(Pool, StartsNewWorkersInAChildProcess) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer allows no new threads in a child process";
#endif
  Pool* pool = create_pool(2);
  ASSERT_TRUE(all_take_part(pool, 2));
  pid_t child = fork();
  if (child == 0) {
    bool ok = all_take_part(pool, 2);
    destroy_pool(pool);
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(all_take_part(pool, 2)) << "the parent's workers go on";
  destroy_pool(pool);
}

struct Seen {
  std::vector<std::atomic<int>> counts;
  std::atomic<int> ranges{0};
};

void count_tasks(void* const* buffers, const int64_t* dims, int64_t begin, int64_t end, void* scratch) {
  Seen& seen = *static_cast<Seen*>(buffers[0]);
  EXPECT_EQ(dims[0], 42);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch) % 64, 0u);
  static_cast<char*>(scratch)[99] = 1;
  ++seen.ranges;
  for (int64_t i = begin; i < end; ++i) ++seen.counts[static_cast<size_t>(i)];
}

TEST(ParallelFor, RunsEveryTaskOnce) {
  for (int32_t threads : {1, 2, 3, 7}) {
    dlc_context_options options = {};
    options.struct_size = sizeof options;
    options.threads = threads;
    dlc_context* context = nullptr;
    ASSERT_EQ(dlc_context_create(&test::sum_model(), &options, &context), DLC_OK);
    EXPECT_EQ(dlc_context_threads(context), threads);
    for (int64_t count : {0, 1, 2, 3, 10, 97, 1000}) {
      for (int64_t work : {int64_t{0}, int64_t{20000}, int64_t{10000000}, INT64_MAX}) {
        Seen seen;
        seen.counts = std::vector<std::atomic<int>>(static_cast<size_t>(count));
        void* buffers[] = {&seen};
        int64_t dims[] = {42};
        dlc_parallel_for(&context->frame, count_tasks, buffers, dims, count, work);
        for (auto& n : seen.counts) ASSERT_EQ(n.load(), 1);
        if (work == 0) {
          EXPECT_LE(seen.ranges.load(), 1) << "little work runs inline";
        }
      }
    }
    dlc_context_release(context);
  }
}

TEST(Threads, FollowAffinityAndQuota) {
  EXPECT_GE(dlc_usable_threads(), 1);
  EXPECT_LE(dlc_usable_threads(), static_cast<int32_t>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace dlc::model

// A pool of worker threads for one caller at a time. Workers start when first needed, spin briefly between
// regions and then sleep. The pool survives fork(): the child starts workers of its own.
#pragma once

#include <cstdint>

#include "runtime/model/api.h"

namespace dlc::model {

struct Pool;

// `threads` counts the caller. Null: no memory.
Pool* create_pool(int32_t threads);
// Joins the workers. No region may be running.
void destroy_pool(Pool* pool);
// dlc_executor::run with a Pool as `user`. While another caller's region runs, or in a task of one, worker 0
// does all.
void run_on_pool(void* pool, dlc_worker_fn task, void* argument, int32_t workers);

}  // namespace dlc::model

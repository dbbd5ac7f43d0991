// What libdlc_mpi exports: processes that were started together add up numbers. By a C interface, because the
// library is loaded when it is asked for, and libdlc itself needs no MPI.
//
// All processes make the same calls in the same order. A process that ends before the others, whether it was
// killed or has failed, is a fault of every wait of the others, which names it.
#pragma once

#include <stdint.h>

extern "C" {

#define DLC_COMMUNICATOR_VERSION 1

typedef struct dlc_communicator dlc_communicator;

int32_t dlc_communicator_version(void);
// Joins the processes that mpirun or the like has started; alone without it. To be called once in a process.
// Null: `message` (of `size` bytes) says why.
dlc_communicator* dlc_communicator_open(char* message, int64_t size);
int32_t dlc_communicator_rank(const dlc_communicator* communicator);
int32_t dlc_communicator_size(const dlc_communicator* communicator);

// Begins to replace the numbers by their sums over all processes; they are not to be touched until the wait
// for the ticket that is returned. `dtype`: 1 (float), 11 (double), 7 (int64), as ONNX numbers them. Sums are
// the same to the last bit in all processes. One thread at a time.
int64_t dlc_communicator_sum(dlc_communicator* communicator, void* data, int64_t count, int32_t dtype);
// 0: the sum of this ticket, and of those before, is there. Else `message` says what has happened.
int32_t dlc_communicator_wait(dlc_communicator* communicator, int64_t ticket, char* message, int64_t size);

// The process takes its leave: in peace with null, else the others are told the fault.
void dlc_communicator_close(dlc_communicator* communicator, const char* fault);

}  // extern "C"

// The processes that train together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/dtype.h"

namespace dlc::training {

// All of them make the same calls in the same order. Faults are Error(kResource), and name the process that
// has ended or failed where one has.
class Communicator {
 public:
  // Joins them by MPI: loads libdlc_mpi, which is asked for once in a process.
  static std::unique_ptr<Communicator> open_mpi();
  // Without leave(): the others are told of a failure.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }

  // Replaces the numbers (f32, f64, i64) by their sums over all processes, which are the same everywhere. The
  // sum is there, and may be read, after wait() for the ticket.
  int64_t begin_sum(void* data, int64_t count, DType type);
  void wait(int64_t ticket);
  // Both.
  void sum(std::vector<double>& numbers);
  void sum(std::vector<int64_t>& numbers);

  // Ends the connection, in peace where `fault` is empty; nothing where it has ended.
  void leave(const std::string& fault = "");

 private:
  struct Library;
  explicit Communicator(std::unique_ptr<Library> library);

  std::unique_ptr<Library> library_;
  int64_t rank_;
  int64_t size_;
};

// Error(kUsage) naming a process where `text`, which says what a run is, is not the same in all of them.
void require_same(Communicator& communicator, const std::string& text);

}  // namespace dlc::training

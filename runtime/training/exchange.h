// What the processes that train together exchange in a step.
#pragma once

#include <string>
#include <vector>

#include "runtime/model/api.h"
#include "runtime/tensor.h"
#include "runtime/training/communicator.h"
#include "runtime/training/step.h"

namespace dlc::training {

// The parts of a step lie in buckets one after the other, as the step gives them. A bucket whose last part is
// there goes out at once, while the step computes what comes next.
class Exchange {
 public:
  // The communicator outlives it.
  Exchange(const std::vector<ExchangedPart>& parts, Communicator& communicator);
  // A sum that is still on its way ends the connection.
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // For the context of the step's program.
  const dlc_exchange& hook() const { return hook_; }
  // Before each run.
  void begin();
  const std::string& fault() const { return fault_; }  // of the last run; empty: none

 private:
  struct Bucket {
    Tensor numbers;
    size_t last = 0;  // of its parts
    int64_t ticket = 0;
    bool is_out = false;
  };
  struct Place {
    size_t bucket;
    int64_t offset;  // in elements
  };
  void place_parts(const std::vector<ExchangedPart>& parts);
  void give(size_t place, const void* data, int64_t count);
  void take(size_t place, void* data, int64_t count);
  char* address(const Place& place);

  Communicator& communicator_;
  std::vector<Bucket> buckets_;
  std::vector<Place> places_;
  dlc_exchange hook_;
  std::string fault_;
};

}  // namespace dlc::training

#include "runtime/training/exchange.h"

#include <algorithm>
#include <cstring>

#include "runtime/error.h"

namespace dlc::training {
namespace {

// Large enough that latency does not count, small enough that the first ones leave early.
constexpr int64_t kBucketBytes = int64_t{4} << 20;

// Runs on the border of a compiled program, which no exception crosses.
template <class Use>
int32_t guarded(std::string& fault, const Use& use) {
  try {
    use();
    return DLC_OK;
  } catch (const std::exception& error) {
    fault = error.what();
    return DLC_UNSUPPORTED;
  }
}

}  // namespace

Exchange::Exchange(const std::vector<ExchangedPart>& parts, Communicator& communicator)
    : communicator_(communicator) {
  place_parts(parts);
  hook_.user = this;
  hook_.give = [](void* user, int64_t place, const void* data, int64_t count, uint8_t) {
    auto& self = *static_cast<Exchange*>(user);
    return guarded(self.fault_, [&] { self.give(static_cast<size_t>(place), data, count); });
  };
  hook_.take = [](void* user, int64_t place, void* data, int64_t count, uint8_t) {
    auto& self = *static_cast<Exchange*>(user);
    return guarded(self.fault_, [&] { self.take(static_cast<size_t>(place), data, count); });
  };
  hook_.fault = [](void* user) { return static_cast<const Exchange*>(user)->fault_.c_str(); };
}

Exchange::~Exchange() {
  const bool is_out =
      std::any_of(buckets_.begin(), buckets_.end(), [](const Bucket& bucket) { return bucket.is_out; });
  if (is_out) communicator_.leave("it has ended in the middle of a step");
}

// The first part, which is waited for soonest, travels alone.
void Exchange::place_parts(const std::vector<ExchangedPart>& parts) {
  std::vector<ExchangedPart> sizes;  // of the buckets
  for (size_t i = 0; i < parts.size(); ++i) {
    const ExchangedPart& part = parts[i];
    const bool is_new = i <= 1 || sizes.back().dtype != part.dtype ||
                        byte_size(part.dtype, sizes.back().count) >= kBucketBytes;
    if (is_new) {
      sizes.push_back({part.dtype, 0});
      buckets_.emplace_back();
    }
    places_.push_back({sizes.size() - 1, sizes.back().count});
    sizes.back().count += part.count;
    buckets_.back().last = i;
  }
  for (size_t i = 0; i < sizes.size(); ++i) buckets_[i].numbers = Tensor(sizes[i].dtype, {sizes[i].count});
}

void Exchange::begin() { fault_.clear(); }

char* Exchange::address(const Place& place) {
  Tensor& numbers = buckets_[place.bucket].numbers;
  return numbers.mutable_as<char>() + byte_size(numbers.dtype(), place.offset);
}

void Exchange::give(size_t place, const void* data, int64_t count) {
  Bucket& bucket = buckets_[places_.at(place).bucket];
  std::memcpy(address(places_[place]), data, static_cast<size_t>(byte_size(bucket.numbers.dtype(), count)));
  if (place != bucket.last) return;
  bucket.ticket =
      communicator_.begin_sum(bucket.numbers.mutable_data(), bucket.numbers.size(), bucket.numbers.dtype());
  bucket.is_out = true;
}

void Exchange::take(size_t place, void* data, int64_t count) {
  Bucket& bucket = buckets_[places_.at(place).bucket];
  if (bucket.is_out) communicator_.wait(bucket.ticket);
  bucket.is_out = false;
  std::memcpy(data, address(places_[place]), static_cast<size_t>(byte_size(bucket.numbers.dtype(), count)));
}

}  // namespace dlc::training

#include "runtime/training/loader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "runtime/error.h"
#include "runtime/training/random.h"

namespace dlc::training {

struct Loader::Impl {
  struct Slot {
    Batch batch;
    int64_t number = -1;  // of the batch that it holds or is being filled with
    bool ready = false;
    std::exception_ptr fault;
  };

  Impl(const Dataset& dataset, const Subset& part, std::vector<Field> batch_fields, const LoaderOptions& how)
      : data(dataset), subset(part), fields(std::move(batch_fields)), options(how) {}

  const Dataset& data;
  const Subset& subset;
  const std::vector<Field> fields;
  const LoaderOptions options;
  std::vector<Slot> slots;
  std::vector<std::thread> threads;

  std::mutex mutex;
  std::condition_variable work;  // for the threads
  std::condition_variable done;  // for the consumer
  std::vector<int64_t> order;
  int64_t epoch = 0;
  int64_t next_to_fill = 0;
  int64_t next_to_give = 0;
  int busy = 0;  // threads that fill a slot
  std::atomic<int64_t> skipped = 0;
  bool paused = true;
  bool stopping = false;

  int64_t batches() const {
    auto samples = static_cast<int64_t>(subset.indices.size());
    const int64_t whole = options.batch * options.parts;
    return (samples + whole - 1) / whole;
  }

  Slot& slot_of(int64_t number) { return slots[static_cast<size_t>(number) % slots.size()]; }

  // The slot of a batch is free when the one before in it has been given and left again.
  bool may_fill() const {
    return !paused && next_to_fill < batches() &&
           next_to_fill < std::max<int64_t>(next_to_give - 1, 0) + static_cast<int64_t>(slots.size());
  }

  void check_classes(int64_t sample, void* place) const {
    if (options.classes == 0) return;
    std::vector<int64_t> shape = fields.back().shape;
    shape.front() = 1;
    const Tensor target(fields.back().dtype, shape, place, nullptr);
    for (int64_t i = 0; i < target.size(); ++i) {
      const int64_t number = target.get_int(i);
      if (number == options.ignored_class || (number >= 0 && number < options.classes)) continue;
      fail(ErrorKind::kData, "sample {}: the class is {}, the model has classes 0 to {}", sample, number,
           options.classes - 1);
    }
  }

  // What a sample that cannot be read leaves behind is the same in every run.
  void clear(std::span<void* const> places, const Batch& batch) const {
    for (size_t k = 0; k < places.size(); ++k) {
      std::memset(places[k], 0, static_cast<size_t>(batch.fields[k].byte_size() / options.batch));
    }
  }

  void fill(Batch& batch, int64_t number) {
    auto samples = static_cast<int64_t>(order.size());
    int64_t first = (number * options.parts + options.part) * options.batch;
    batch.count = std::clamp(samples - first, int64_t{0}, options.batch);
    std::vector<void*> places(fields.size());
    for (int64_t i = 0; i < options.batch; ++i) {
      for (size_t k = 0; k < fields.size(); ++k) {
        Tensor& tensor = batch.fields[k];
        places[k] = tensor.mutable_as<char>() + i * (tensor.byte_size() / options.batch);
      }
      int64_t sample = order[static_cast<size_t>((first + i) % samples)];
      std::optional<uint64_t> key;
      if (options.augment) {
        key = mixed(mixed(options.seed, static_cast<uint64_t>(epoch)), static_cast<uint64_t>(sample));
      }
      const bool is_read = data.read(sample, key, places);
      if (is_read) {
        check_classes(sample, places.back());
      } else {
        clear(places, batch);
      }
      const bool is_filler = i >= batch.count;
      if (!is_read && !is_filler) ++skipped;
      batch.weights.mutable_as<float>()[i] = is_read && !is_filler ? 1.0F : 0.0F;
    }
  }

  void run_thread() {
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [&] { return stopping || may_fill(); });
      if (stopping) return;
      int64_t number = next_to_fill++;
      Slot& slot = slot_of(number);
      slot.number = number;
      slot.ready = false;
      ++busy;
      lock.unlock();
      std::exception_ptr fault;
      try {
        fill(slot.batch, number);
      } catch (...) {
        fault = std::current_exception();
      }
      lock.lock();
      --busy;
      slot.fault = fault;
      slot.ready = true;
      done.notify_all();
    }
  }
};

Loader::Loader(const Dataset& data, const Subset& subset, std::vector<Field> fields, LoaderOptions options)
    : impl_(std::make_unique<Impl>(data, subset, std::move(fields), options)) {
  impl_->slots.resize(static_cast<size_t>(std::max(2, options.ahead + 1)));
  for (Impl::Slot& slot : impl_->slots) {
    for (const Field& field : impl_->fields) slot.batch.fields.emplace_back(field.dtype, field.shape);
    slot.batch.weights = Tensor(DType::kFloat, {options.batch});
  }
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->run_thread(); });
  }
}

Loader::~Loader() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->work.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

int64_t Loader::batches() const { return impl_->batches(); }
int64_t Loader::skipped() const { return impl_->skipped; }

void Loader::start(int64_t epoch, int64_t first) {
  Impl& impl = *impl_;
  std::unique_lock lock(impl.mutex);
  impl.paused = true;
  impl.done.wait(lock, [&] { return impl.busy == 0; });
  impl.epoch = epoch;
  impl.order = impl.subset.indices;
  if (impl.options.shuffle) {
    uint64_t seed = mixed(impl.options.seed, static_cast<uint64_t>(epoch));
    std::vector<int64_t> places = permutation(static_cast<int64_t>(impl.order.size()), seed);
    for (size_t i = 0; i < places.size(); ++i) {
      impl.order[i] = impl.subset.indices[static_cast<size_t>(places[i])];
    }
  }
  for (Impl::Slot& slot : impl.slots) slot.number = -1;
  impl.skipped = 0;
  impl.next_to_fill = first;
  impl.next_to_give = first;
  impl.paused = false;
  impl.work.notify_all();
}

const Batch* Loader::next() {
  Impl& impl = *impl_;
  std::unique_lock lock(impl.mutex);
  if (impl.next_to_give >= impl.batches()) return nullptr;
  int64_t number = impl.next_to_give++;
  impl.work.notify_all();
  Impl::Slot& slot = impl.slot_of(number);
  impl.done.wait(lock, [&] { return slot.number == number && slot.ready; });
  if (slot.fault) std::rethrow_exception(slot.fault);
  return &slot.batch;
}

}  // namespace dlc::training

#include "runtime/training/communicator.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/mpi/communicator.h"
#include "runtime/plugin.h"

namespace dlc::training {
namespace {

constexpr const char* kLibrary = "libdlc_mpi.so.0";
constexpr int64_t kMessageSize = 1024;

}  // namespace

struct Communicator::Library {
  runtime::Plugin plugin{kLibrary};
  decltype(dlc_communicator_open)* open =
      plugin.function<decltype(dlc_communicator_open)>("dlc_communicator_open");
  decltype(dlc_communicator_rank)* rank =
      plugin.function<decltype(dlc_communicator_rank)>("dlc_communicator_rank");
  decltype(dlc_communicator_size)* size =
      plugin.function<decltype(dlc_communicator_size)>("dlc_communicator_size");
  decltype(dlc_communicator_sum)* sum =
      plugin.function<decltype(dlc_communicator_sum)>("dlc_communicator_sum");
  decltype(dlc_communicator_wait)* wait =
      plugin.function<decltype(dlc_communicator_wait)>("dlc_communicator_wait");
  decltype(dlc_communicator_close)* close =
      plugin.function<decltype(dlc_communicator_close)>("dlc_communicator_close");
  dlc_communicator* communicator = nullptr;  // null: left
};

std::unique_ptr<Communicator> Communicator::open_mpi() {
  auto library = std::make_unique<Library>();
  auto* version = library->plugin.function<decltype(dlc_communicator_version)>("dlc_communicator_version");
  if (version() != DLC_COMMUNICATOR_VERSION)
    fail(ErrorKind::kResource, "{} is of another version: {}", kLibrary, version());
  char message[kMessageSize] = "";
  library->communicator = library->open(message, kMessageSize);
  if (library->communicator == nullptr) fail(ErrorKind::kResource, "{}: {}", kLibrary, message);
  return std::unique_ptr<Communicator>(new Communicator(std::move(library)));
}

Communicator::Communicator(std::unique_ptr<Library> library)
    : library_(std::move(library)),
      rank_(library_->rank(library_->communicator)),
      size_(library_->size(library_->communicator)) {}

Communicator::~Communicator() { leave("it has given up"); }

void Communicator::leave(const std::string& fault) {
  dlc_communicator* communicator = std::exchange(library_->communicator, nullptr);
  if (communicator != nullptr) library_->close(communicator, fault.empty() ? nullptr : fault.c_str());
}

int64_t Communicator::begin_sum(void* data, int64_t count, DType type) {
  if (library_->communicator == nullptr) fail(ErrorKind::kResource, "the processes have parted");
  constexpr int64_t kMost = int64_t{1} << 30;  // MPI counts with 32 bits
  int64_t ticket = 0;
  for (int64_t begin = 0; begin == 0 || begin < count; begin += kMost) {
    const int64_t part = std::min(count - begin, kMost);
    void* from = static_cast<char*>(data) + byte_size(type, begin);
    ticket = library_->sum(library_->communicator, from, part, static_cast<int32_t>(type));
  }
  return ticket;
}

void Communicator::wait(int64_t ticket) {
  char message[kMessageSize] = "";
  if (library_->communicator == nullptr) fail(ErrorKind::kResource, "the processes have parted");
  if (library_->wait(library_->communicator, ticket, message, kMessageSize) == 0) return;
  fail(ErrorKind::kResource, "{}", message);
}

void Communicator::sum(std::vector<double>& numbers) {
  wait(begin_sum(numbers.data(), static_cast<int64_t>(numbers.size()), DType::kDouble));
}

void Communicator::sum(std::vector<int64_t>& numbers) {
  wait(begin_sum(numbers.data(), static_cast<int64_t>(numbers.size()), DType::kInt64));
}

void require_same(Communicator& communicator, const std::string& text) {
  std::vector<int64_t> hashes(static_cast<size_t>(communicator.size()));
  hashes[static_cast<size_t>(communicator.rank())] = static_cast<int64_t>(std::hash<std::string>()(text));
  communicator.sum(hashes);
  const auto other =
      std::find_if(hashes.begin(), hashes.end(), [&](int64_t hash) { return hash != hashes[0]; });
  if (other == hashes.end()) return;
  fail(ErrorKind::kUsage, "process {} was started with another model or other flags than process 0",
       other - hashes.begin());
}

}  // namespace dlc::training

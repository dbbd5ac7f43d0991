#include "tests/support/guarded_run.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/error.h"

namespace dlc::test {
namespace {

// Every element of every float type is NaN in memory of these bytes.
constexpr int kNanByte = 0xff;

// Planned memory between unreadable pages; the padding up to the alignment, less than 64 bytes, is not
// guarded.
class GuardedAllocator {
 public:
  explicit GuardedAllocator(Guard guard) : guard_(guard), allocator_{this, allocate, release} {}
  GuardedAllocator(const GuardedAllocator&) = delete;
  GuardedAllocator& operator=(const GuardedAllocator&) = delete;
  const dlc_allocator* get() const { return &allocator_; }

 private:
  static void* allocate(void* user, size_t bytes, size_t alignment) noexcept try {
    auto& self = *static_cast<GuardedAllocator*>(user);
    GuardedBuffer buffer((bytes + alignment - 1) / alignment * alignment, self.guard_);
    std::memset(buffer.data(), kNanByte, buffer.size());
    void* memory = buffer.data();
    self.buffers_.emplace(memory, std::move(buffer));
    return memory;
  } catch (const Error&) {
    return nullptr;
  }
  static void release(void* user, void* memory, size_t) {
    static_cast<GuardedAllocator*>(user)->buffers_.erase(memory);
  }

  Guard guard_;
  dlc_allocator allocator_;
  std::map<void*, GuardedBuffer> buffers_;
};

bool is_number(const runtime::ValueInfo& info) { return info.is_tensor() && info.dtype != DType::kString; }

bool has_numbers_only(const runtime::Program& program) {
  return std::all_of(program.inputs().begin(), program.inputs().end(), is_number) &&
         std::all_of(program.outputs().begin(), program.outputs().end(), is_number);
}

// The border's view of memory for `tensor` between guards.
dlc_tensor guarded(const Tensor& tensor, Guard guard, std::vector<GuardedBuffer>& buffers) {
  const GuardedBuffer& buffer = buffers.emplace_back(static_cast<size_t>(tensor.byte_size()), guard);
  dlc_tensor view = runtime::border_tensor(tensor);
  view.data = buffer.data();
  return view;
}

}  // namespace

std::vector<Value> run_guarded(const runtime::Program& program, const std::vector<Value>& inputs,
                               const std::vector<Value>& like, Guard guard) {
  GuardedAllocator allocator(guard);
  runtime::Context context(program, {.threads = 1, .allocator = allocator.get()});
  if (!has_numbers_only(program)) {
    context.run_values(inputs);
    return context.run_values(inputs);
  }
  std::vector<GuardedBuffer> buffers;
  std::vector<dlc_tensor> in;
  for (const Value& value : inputs) {
    const Tensor& input = value.tensor();
    in.push_back(guarded(input, guard, buffers));
    if (input.byte_size() > 0)
      std::memcpy(in.back().data, input.data(), static_cast<size_t>(input.byte_size()));
    buffers.back().make_read_only();
  }
  std::vector<dlc_tensor> out(program.outputs().size());
  for (size_t i = 0; i < like.size(); ++i) {
    out[i] = guarded(like[i].tensor(), guard, buffers);
    std::memset(out[i].data, 0xa5, buffers.back().size());
  }
  context.run(in, out);
  std::vector<Value> outputs;
  for (size_t i = 0; i < out.size(); ++i)
    outputs.push_back(runtime::value_from_border(program.model().outputs[i], out[i]));
  return outputs;
}

}  // namespace dlc::test

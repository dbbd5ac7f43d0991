#include "tests/conformance/run_case.h"

#include <cstring>
#include <map>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/error.h"
#include "tests/support/guarded_buffer.h"
#include "tools/difference.h"
#include "tools/test_cases.h"

namespace dlc::test {
namespace {

namespace fs = std::filesystem;

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
  static void* allocate(void* user, size_t bytes, size_t alignment) {
    auto& self = *static_cast<GuardedAllocator*>(user);
    GuardedBuffer buffer((bytes + alignment - 1) / alignment * alignment, self.guard_);
    std::memset(buffer.data(), kNanByte, buffer.size());
    void* memory = buffer.data();
    self.buffers_.emplace(memory, std::move(buffer));
    return memory;
  }
  static void release(void* user, void* memory, size_t) {
    static_cast<GuardedAllocator*>(user)->buffers_.erase(memory);
  }

  Guard guard_;
  dlc_allocator allocator_;
  std::map<void*, GuardedBuffer> buffers_;
};

bool has_strings(const std::vector<Tensor>& tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const Tensor& tensor) { return tensor.dtype() == DType::kString; });
}

std::vector<Tensor> run_guarded(const runtime::Program& program, const std::vector<Tensor>& inputs,
                                const std::vector<Tensor>& expected, Guard guard) {
  GuardedAllocator allocator(guard);
  runtime::Context context(program, {.threads = 1, .allocator = allocator.get()});
  if (has_strings(inputs) || has_strings(expected)) return context.run(inputs);
  std::vector<GuardedBuffer> buffers;
  std::vector<dlc_tensor> in;
  for (const Tensor& input : inputs) {
    GuardedBuffer& buffer = buffers.emplace_back(static_cast<size_t>(input.byte_size()), guard);
    std::memcpy(buffer.data(), input.data(), buffer.size());
    buffer.make_read_only();
    in.push_back(runtime::border_tensor(input));
    in.back().data = buffer.data();
  }
  std::vector<dlc_tensor> out;
  for (const Tensor& output : expected) {
    GuardedBuffer& buffer = buffers.emplace_back(static_cast<size_t>(output.byte_size()), guard);
    std::memset(buffer.data(), 0xa5, buffer.size());
    out.push_back(runtime::border_tensor(output));
    out.back().data = buffer.data();
  }
  context.run(in, out);
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < expected.size(); ++i) {
    Tensor& output = outputs.emplace_back(expected[i].dtype(),
                                          std::vector<int64_t>(out[i].shape, out[i].shape + out[i].ndim));
    if (output.byte_size() > 0) {
      std::memcpy(output.mutable_data(), out[i].data, static_cast<size_t>(output.byte_size()));
    }
  }
  return outputs;
}

void compare(const runtime::Program& program, const std::vector<Tensor>& outputs,
             const std::vector<Tensor>& expected, const tools::Tolerance& tolerance, Excuse excuse) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (excuse == Excuse::kValues && outputs[i].dtype() == expected[i].dtype() &&
        outputs[i].shape() == expected[i].shape()) {
      continue;
    }
    if (auto difference = tools::first_difference(outputs[i], expected[i], tolerance)) {
      fail(ErrorKind::kData, "output '{}' {}", program.outputs()[i].name, *difference);
    }
  }
}

void run_set(const OfficialCase& item, const runtime::Program& program, const fs::path& set, Mode mode,
             Excuse excuse) {
  std::vector<Tensor> all = tools::read_tensors(set, "input");
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_kept(item.folder, mode, i)) inputs.push_back(all[i]);
  }
  const std::vector<Tensor> expected = tools::read_tensors(set, "output");
  if (inputs.size() != program.inputs().size() || expected.size() != program.outputs().size()) {
    fail(ErrorKind::kData, "expected {} inputs and {} outputs, found {} and {}", program.inputs().size(),
         program.outputs().size(), inputs.size(), expected.size());
  }
  for (Guard guard : {Guard::kEnd, Guard::kBegin}) {
    const std::vector<Tensor> outputs = run_guarded(program, inputs, expected, guard);
    compare(program, outputs, expected, tools::tolerance_of(item.folder, {}), excuse);
  }
}

runtime::Program compile(const OfficialCase& item, Mode mode, const fs::path& set) {
  const auto graph = frontend::parse_model(model_bytes(item.folder, mode, set), item.folder.string());
  codegen::CompileOptions options;
  return codegen::compile(*graph, options);
}

void run_sets(const OfficialCase& item, Mode mode, Excuse excuse) {
  const std::vector<fs::path> sets = data_sets(item.folder);
  if (sets.empty()) fail(ErrorKind::kData, "no data set");
  std::optional<runtime::Program> program;
  for (const fs::path& set : sets) {
    if (!program || mode == Mode::kConstant) program = compile(item, mode, set);
    run_set(item, *program, set, mode, excuse);
  }
}

}  // namespace

std::string run_case(const OfficialCase& item, Mode mode, Excuse excuse) {
  return tools::fault_of([&] { run_sets(item, mode, excuse); });
}

}  // namespace dlc::test

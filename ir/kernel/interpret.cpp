#include "ir/kernel/interpret.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "ir/kernel/element.h"
#include "ir/kernel/expand_attention.h"
#include "ir/kernel/expand_contraction.h"
#include "ir/kernel/interpret_nest.h"

namespace dlc::ir {

namespace {

// Calls f with the position of every element in row-major order, and its index.
template <class F>
void for_each_index(const std::vector<int64_t>& shape, const F& f) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  std::vector<Scalar> index(shape.size());
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
      index[axis].integer = rest % shape[axis];
    f(i, index.data());
  }
}

class Interpreter {
 public:
  Interpreter(const Program& program, const InterpretOptions& options)
      : program_(program), options_(options) {
    // Elements lie in row-major order here, whatever the layout.
    for (Buffer& buffer : program_.buffers) buffer.order.clear();
    expand_attentions(program_);
  }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs);

 private:
  void bind_inputs(const std::vector<Tensor>& inputs);
  void bind_input(const Buffer& buffer, const Tensor& tensor);
  int64_t evaluate(const Dim& dim) const;
  int64_t evaluate(const Expr& e);  // of an integer type, free of variables
  std::vector<int64_t> evaluate(const Shape& shape) const;

  // The memory of a root; made, or made anew where its shape has changed, if it is about to be written.
  Tensor& memory(BufferId root, bool for_write);
  Access access(BufferId id, bool for_write);
  Tensor read_dense(BufferId id);
  void write_dense(BufferId id, const Tensor& tensor);

  void run(const Region& region);
  void run(const Step& step);
  void run(const Kernel& kernel);
  void run(const Call& call);
  void run_nest(const Kernel& kernel);
  void bind(const BindStep& step);
  std::vector<int64_t> requested_shape(const Call& call, const Shape& shape) const;
  bool condition(BufferId id);
  void report_writes(const Kernel& kernel);

  Program program_;
  const InterpretOptions& options_;
  std::map<std::string, int64_t> symbols_;
  std::map<BufferId, Tensor> memory_;
  std::map<const Kernel*, std::unique_ptr<CompiledNest>> compiled_;
};

int64_t Interpreter::evaluate(const Dim& dim) const {
  return dim.evaluate([this](const std::string& name) {
    const auto it = symbols_.find(name);
    if (it == symbols_.end()) fail(ErrorKind::kInternal, "symbol {} is used before it is bound", name);
    return it->second;
  });
}

std::vector<int64_t> Interpreter::evaluate(const Shape& shape) const {
  std::vector<int64_t> result;
  for (const Dim& dim : shape) result.push_back(evaluate(dim));
  return result;
}

void Interpreter::bind_input(const Buffer& buffer, const Tensor& tensor) {
  if (tensor.dtype() != buffer.dtype || tensor.shape().size() != buffer.shape.size()) {
    fail(ErrorKind::kData, "input '{}': expected {}{}, found {}[{}]", buffer.name, name(buffer.dtype),
         to_string(buffer.shape), name(tensor.dtype()), fmt::join(tensor.shape(), ", "));
  }
  for (size_t i = 0; i < buffer.shape.size(); ++i) {
    if (buffer.shape[i].is_symbol()) symbols_.try_emplace(buffer.shape[i].symbol_name(), tensor.shape()[i]);
  }
}

void Interpreter::bind_inputs(const std::vector<Tensor>& inputs) {
  for (size_t id = 0; id < program_.buffers.size(); ++id) {
    const Buffer& buffer = program_.buffers[id];
    if (buffer.view || buffer.kind != BufferKind::kInput) continue;
    const size_t index = static_cast<size_t>(buffer.border_index);
    if (index >= inputs.size()) fail(ErrorKind::kData, "input '{}' is missing", buffer.name);
    bind_input(buffer, inputs[index]);
    memory_[static_cast<BufferId>(id)] = inputs[index];
  }
  for (const auto& [id, tensor] : memory_) {
    const std::vector<int64_t> expected = evaluate(program_.buffer(id).shape);
    if (expected == tensor.shape()) continue;
    fail(ErrorKind::kData, "input '{}': expected shape [{}], found [{}]", program_.buffer(id).name,
         fmt::join(expected, ", "), fmt::join(tensor.shape(), ", "));
  }
}

Tensor& Interpreter::memory(BufferId root, bool for_write) {
  const Buffer& buffer = program_.buffer(root);
  Tensor& tensor = memory_[root];
  if (buffer.kind == BufferKind::kConstant && !tensor.defined()) tensor = buffer.constant;
  if (buffer.kind == BufferKind::kInput || buffer.kind == BufferKind::kConstant) {
    if (for_write) fail(ErrorKind::kInternal, "buffer '{}' is read-only", buffer.name);
    return tensor;
  }
  const bool state = buffer.kind == BufferKind::kState;
  if (!for_write && !state) {
    if (!tensor.defined())
      fail(ErrorKind::kInternal, "buffer '{}' is read before it is written", buffer.name);
    return tensor;
  }
  const std::vector<int64_t> shape = evaluate(buffer.shape);
  if (tensor.defined() && tensor.shape() == shape) return tensor;
  tensor = Tensor(buffer.dtype, shape);
  if (!state && tensor.byte_size() > 0) {
    std::memset(tensor.mutable_data(), 0xff, static_cast<size_t>(tensor.byte_size()));
  }
  return tensor;
}

Access Interpreter::access(BufferId id, bool for_write) {
  const Buffer& buffer = program_.buffer(id);
  Tensor& tensor = memory(root_of(program_, id), for_write);
  Access result{.buffer = id, .type = buffer.dtype, .shape = evaluate(buffer.shape), .size = tensor.size()};
  result.data = tensor.mutable_data();
  if (const std::optional<Strides> strides = strides_of(program_, id)) {
    result.offset = evaluate(strides->offset);
    result.strides = evaluate(strides->strides);
    return result;
  }
  for (; program_.buffer(id).view; id = program_.buffer(id).view->base) {
    const View& view = *program_.buffer(id).view;
    result.levels.push_back({.kind = view.kind,
                             .perm = view.perm,
                             .start = evaluate(view.start),
                             .step = evaluate(view.step),
                             .shape = evaluate(program_.buffer(id).shape),
                             .base_shape = evaluate(program_.buffer(view.base).shape)});
  }
  return result;
}

// The elements of a buffer, view or not, as a dense tensor.
Tensor Interpreter::read_dense(BufferId id) {
  if (!program_.buffer(id).view) return memory(id, false);
  const Access from = access(id, false);
  Tensor result(from.type, from.shape);
  if (from.type == DType::kString) fail(ErrorKind::kInternal, "a view of strings is not supported");
  std::vector<Scalar> index(from.shape.size());
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t rest = i;
    for (size_t axis = index.size(); axis-- > 0; rest /= from.shape[axis]) {
      index[axis].integer = rest % from.shape[axis];
    }
    write_bits(result.mutable_data(), from.type, i,
               read_bits(from.data, from.type, element_of(from, index.data())));
  }
  return result;
}

void Interpreter::write_dense(BufferId id, const Tensor& tensor) {
  const BufferId root = root_of(program_, id);
  const std::vector<int64_t> shape = evaluate(program_.buffer(id).shape);
  const Tensor expected(program_.buffer(id).dtype, shape);
  if (tensor.dtype() != expected.dtype() || tensor.size() != expected.size()) {
    fail(ErrorKind::kInternal, "a runtime kernel returned {} elements for buffer '{}' of shape [{}]",
         tensor.size(), program_.buffer(id).name, fmt::join(shape, ", "));
  }
  if (root == id) {
    memory(root, true) = tensor.reshaped(shape);
    return;
  }
  const Access to = access(id, true);
  for_each_index(to.shape, [&](int64_t i, const Scalar* index) {
    write_bits(to.data, to.type, element_of(to, index), read_bits(tensor.data(), to.type, i));
  });
}

void Interpreter::run(const Region& region) {
  for (const Step& step : region.steps) run(step);
}

void Interpreter::run(const Step& step) {
  if (const auto* kernel = std::get_if<KernelStep>(&step.node)) {
    run(kernel->kernel);
  } else if (const auto* binding = std::get_if<BindStep>(&step.node)) {
    bind(*binding);
  } else if (const auto* set = std::get_if<SetStep>(&step.node)) {
    symbols_[set->symbol] = evaluate(set->value);
  } else if (const auto* branch = std::get_if<IfStep>(&step.node)) {
    run(condition(branch->condition) ? branch->then_region : branch->else_region);
  } else if (const auto* repeat = std::get_if<RepeatStep>(&step.node)) {
    const int64_t count = evaluate(repeat->count);
    for (int64_t i = 0; i < count; ++i) {
      symbols_[repeat->symbol] = i;
      run(repeat->body);
    }
  } else if (const auto* loop = std::get_if<WhileStep>(&step.node)) {
    const int64_t trip = loop->trip ? evaluate(*loop->trip) : INT64_MAX;
    for (int64_t i = 0; i < trip && condition(loop->condition); ++i) {
      symbols_[loop->counter] = i;
      run(loop->body);
    }
  } else if (const auto* test = std::get_if<CheckStep>(&step.node)) {
    const int64_t lhs = evaluate(test->lhs), rhs = evaluate(test->rhs);
    if (lhs != rhs) fail(ErrorKind::kData, "{} ({} and {})", test->message, lhs, rhs);
  }
}

bool Interpreter::condition(BufferId id) {
  const Tensor value = read_dense(id);
  return read_bits(value.data(), value.dtype(), 0) != 0;
}

void Interpreter::bind(const BindStep& step) {
  const int64_t value = evaluate(load(step.buffer, program_.buffer(step.buffer).dtype, step.index));
  if (value < step.minimum || value > step.maximum) {
    const std::string range = fmt::format("{} to {}", step.minimum, step.maximum);
    fail(ErrorKind::kData, "{}: expected {}, found {}", step.what,
         step.expected.empty() ? range : step.expected, value);
  }
  symbols_[step.symbol] = value;
}

void Interpreter::run(const Kernel& kernel) {
  try {
    if (const auto* call = std::get_if<Call>(&kernel.body)) {
      run(*call);
    } else {
      run_nest(kernel);
    }
  } catch (Error& error) {
    error.add_context(fmt::format("kernel '{}' of {}", kernel.name, kernel.origin));
    throw;
  }
  if (options_.on_write) report_writes(kernel);
}

void Interpreter::report_writes(const Kernel& kernel) {
  for (BufferId id : writes(kernel)) options_.on_write(kernel, id, read_dense(id));
}

void Interpreter::run_nest(const Kernel& kernel) {
  std::unique_ptr<CompiledNest>& compiled = compiled_[&kernel];
  if (!compiled) {
    const auto* contraction = std::get_if<Contraction>(&kernel.body);
    const LoopNest nest =
        contraction != nullptr ? expand_contraction(*contraction, program_) : std::get<LoopNest>(kernel.body);
    compiled = std::make_unique<CompiledNest>(nest, options_.double_accumulation);
  }
  const std::vector<BufferId> written = writes(kernel);
  for (BufferId id : written) memory(root_of(program_, id), true);
  std::vector<Access> accesses;
  for (BufferId id : compiled->code().buffers()) {
    const bool writes_it = std::find(written.begin(), written.end(), id) != written.end();
    accesses.push_back(access(id, writes_it));
  }
  std::vector<int64_t> dims;
  for (const auto& [dim, target] : compiled->code().dims()) dims.push_back(evaluate(dim));
  compiled->run(accesses, dims);
}

int64_t Interpreter::evaluate(const Expr& e) {
  ScalarCode code;
  const CodeRange range = code.compile(e);
  std::vector<Scalar> registers = code.initial_registers();
  for (const auto& [dim, target] : code.dims())
    registers[static_cast<size_t>(target)].integer = evaluate(dim);
  std::vector<Access> accesses;
  for (BufferId id : code.buffers()) accesses.push_back(access(id, false));
  code.run(range, registers, accesses);
  return registers[static_cast<size_t>(range.result)].integer;
}

// The extents of an output of a call, -1 where the call binds them.
std::vector<int64_t> Interpreter::requested_shape(const Call& call, const Shape& shape) const {
  std::vector<int64_t> result;
  for (const Dim& extent : shape) {
    const bool bound = std::any_of(call.bindings.begin(), call.bindings.end(),
                                   [&](const Call::Binding& b) { return extent.uses_symbol(b.symbol); });
    result.push_back(bound ? -1 : evaluate(extent));
  }
  return result;
}

void Interpreter::run(const Call& call) {
  if (!options_.call) fail(ErrorKind::kInternal, "no runtime kernels are at hand to call {}", call.symbol);
  CallRequest request{.call = call, .inputs = {}, .params = {}, .output_types = {}, .output_shapes = {}};
  for (BufferId id : call.inputs) request.inputs.push_back(id == BufferId::kNone ? Tensor() : read_dense(id));
  for (const Expr& param : call.params) request.params.push_back(evaluate(param));
  for (BufferId id : call.outputs) {
    const bool absent = id == BufferId::kNone;
    request.output_types.push_back(absent ? DType::kUndefined : program_.buffer(id).dtype);
    request.output_shapes.push_back(requested_shape(call, absent ? Shape() : program_.buffer(id).shape));
  }
  const std::vector<Tensor> outputs = options_.call(request);
  check(outputs.size() == call.outputs.size(), "a tensor for every output of a call");
  for (const Call::Binding& binding : call.bindings) {
    symbols_[binding.symbol] = outputs[binding.output].shape()[binding.axis];
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (call.outputs[i] != BufferId::kNone) write_dense(call.outputs[i], outputs[i]);
  }
}

std::vector<Tensor> Interpreter::run(const std::vector<Tensor>& inputs) {
  bind_inputs(inputs);
  run(program_.main);
  std::vector<Tensor> outputs;
  for (size_t id = 0; id < program_.buffers.size(); ++id) {
    const Buffer& buffer = program_.buffers[id];
    if (buffer.view || buffer.kind != BufferKind::kOutput) continue;
    const size_t index = static_cast<size_t>(buffer.border_index);
    if (outputs.size() <= index) outputs.resize(index + 1);
    outputs[index] = memory(static_cast<BufferId>(id), false);
  }
  return outputs;
}

}  // namespace

std::vector<Tensor> interpret(const Program& program, const std::vector<Tensor>& inputs,
                              const InterpretOptions& options) {
  return Interpreter(program, options).run(inputs);
}

}  // namespace dlc::ir

#include "runtime/program.h"

#include "runtime/cpu.h"
#include "runtime/error.h"
#include "runtime/model/pool.h"

namespace dlc::runtime {
namespace {

ValueInfo value_info(const dlc_value_info& info) {
  ValueInfo result{info.name, static_cast<DType>(info.dtype), {}, {}};
  result.kind = static_cast<ValueKind>(info.kind);  // the numbers of dlc_kind
  result.has_rank = info.rank >= 0;
  if (info.element != nullptr) result.element = std::make_shared<const ValueInfo>(value_info(*info.element));
  for (int32_t i = 0; i < info.rank; ++i) {
    result.dims.push_back(info.dims[i] >= 0 ? info.dims[i] : -1);
    result.dim_texts.emplace_back(info.dim_texts[i]);
  }
  return result;
}

void check_model(const dlc_model* model) {
  if (model == nullptr || model->magic != DLC_MODEL_MAGIC)
    fail(ErrorKind::kModel, "this is no compiled model");
  if (model->abi_version != DLC_ABI_VERSION || model->struct_size != sizeof(dlc_model)) {
    fail(ErrorKind::kModel,
         "the model was compiled for version {} of the border ({} bytes), expected version {} ({} bytes): "
         "compile it "
         "again",
         model->abi_version, model->struct_size, DLC_ABI_VERSION, sizeof(dlc_model));
  }
  const dlc_runtime* runtime = model->runtime;
  if (runtime == nullptr || runtime->abi_version != DLC_ABI_VERSION ||
      runtime->struct_size != sizeof(dlc_runtime)) {
    fail(ErrorKind::kModel, "the model's runtime is of another version: compile it again");
  }
  uint64_t missing = model->cpu_features & ~cpu_features();
  if (missing != 0) {
    fail(ErrorKind::kResource, "the model was compiled for a CPU with {}, which this machine lacks",
         describe_cpu_features(missing));
  }
}

ErrorKind kind_of(int32_t status) {
  switch (status) {
    case DLC_INVALID_INPUT:
      return ErrorKind::kData;
    case DLC_INVALID_WEIGHTS:
    case DLC_INVALID_MODEL:
      return ErrorKind::kModel;
    case DLC_OUT_OF_MEMORY:
    case DLC_UNSUPPORTED:
      return ErrorKind::kResource;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

Program::Program(const dlc_model* model, const char* constants, std::shared_ptr<const void> keep_alive)
    : model_(model), constants_(constants), keep_alive_(std::move(keep_alive)) {
  check_model(model);
  for (int32_t i = 0; i < model->num_inputs; ++i) inputs_.push_back(value_info(model->inputs[i]));
  for (int32_t i = 0; i < model->num_outputs; ++i) outputs_.push_back(value_info(model->outputs[i]));
}

std::vector<std::string> Program::symbols() const {
  return {model_->symbols, model_->symbols + model_->num_symbols};
}

std::optional<size_t> Program::in_place(size_t output) const {
  if (model_->in_place == nullptr || model_->in_place[output] < 0) return std::nullopt;
  return static_cast<size_t>(model_->in_place[output]);
}

ThreadPool::ThreadPool(int threads) : executor_{} {
  int32_t count = threads > 0 ? threads : dlc_usable_threads();
  executor_ = {model::create_pool(count), count, model::run_on_pool};
  if (executor_.user == nullptr) fail(ErrorKind::kResource, "no memory for a pool of {} threads", count);
}

ThreadPool::~ThreadPool() { model::destroy_pool(static_cast<model::Pool*>(executor_.user)); }

struct Context::Impl {
  Program program;
  std::shared_ptr<ThreadPool> pool;  // outlives the context that uses it
  dlc_context* context = nullptr;

  const dlc_runtime& runtime() const { return *program.model().runtime; }
  ~Impl() { runtime().release(context); }
  void check(int32_t status) const {
    if (status != DLC_OK) throw Error(kind_of(status), runtime().error(context));
  }
};

Context::Context(const Program& program, ContextOptions options)
    : impl_(new Impl{program, std::move(options.pool), nullptr}) {
  dlc_context_options chosen = {};
  chosen.struct_size = sizeof chosen;
  chosen.threads = options.threads;
  chosen.constants = program.constants_;
  chosen.allocator = options.allocator;
  chosen.exchange = options.exchange;
  chosen.executor = impl_->pool ? &impl_->pool->executor() : nullptr;
  int32_t status = impl_->runtime().create(&program.model(), &chosen, &impl_->context);
  if (status != DLC_OK) {
    fail(kind_of(status), "model '{}' cannot be made ready: {}", program.name(), dlc_status_text(status));
  }
}

Context::~Context() = default;
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;

std::vector<Value> Context::run_border(const BorderValues& inputs) {
  std::vector<dlc_tensor> tensors(impl_->program.outputs().size());
  run(inputs.tensors(), tensors);
  std::vector<Value> outputs;
  for (size_t i = 0; i < tensors.size(); ++i)
    outputs.push_back(value_from_border(impl_->program.model().outputs[i], tensors[i]));
  return outputs;
}

std::vector<Value> Context::run_values(const std::vector<Value>& inputs) {
  return run_border(BorderValues(inputs));
}

std::vector<Tensor> Context::run(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs;
  for (const Value& output : run_border(BorderValues(inputs))) outputs.push_back(output.tensor());
  return outputs;
}

void Context::run(const std::vector<dlc_tensor>& inputs, std::vector<dlc_tensor>& outputs) {
  const Program& program = impl_->program;
  if (inputs.size() != program.inputs().size()) {
    fail(ErrorKind::kData, "model '{}': expected {} inputs, found {}", program.name(),
         program.inputs().size(), inputs.size());
  }
  if (outputs.size() != program.outputs().size()) {
    fail(ErrorKind::kData, "model '{}': expected {} outputs, found {}", program.name(),
         program.outputs().size(), outputs.size());
  }
  run(inputs.data(), outputs.data());
}

void Context::run(const dlc_tensor* inputs, dlc_tensor* outputs) {
  impl_->check(impl_->runtime().run(impl_->context, inputs, outputs));
}

int64_t Context::arena_bytes() const { return impl_->runtime().memory_bytes(impl_->context); }

int Context::threads() const { return impl_->runtime().threads(impl_->context); }

std::vector<KernelTime> Context::kernel_times() const {
  std::vector<KernelTime> times;
  const dlc_model& model = impl_->program.model();
  for (int32_t i = 0; i < model.num_kernels; ++i) {
    dlc_kernel_time time = impl_->runtime().kernel_time(impl_->context, i);
    times.push_back({model.kernels[i].name, model.kernels[i].origin, static_cast<double>(time.start_ns) / 1e3,
                     static_cast<double>(time.duration_ns) / 1e3, time.calls, time.flops, time.bytes});
  }
  return times;
}

}  // namespace dlc::runtime

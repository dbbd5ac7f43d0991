// Times generated contraction kernels alone, warm, on one thread: GFLOP/s of matrix products and
// convolutions, of floats and of bytes.
//
//   contraction_bench            the built-in list
//   contraction_bench conv       the problems whose names contain "conv"
//   contraction_bench M N K      one matrix product with constant B
//
// Environment: EXACT (no minimal filtering), COLD (caches hold other data before every run), DUMP_ASM.
#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "codegen/emit_kernel.h"
#include "codegen/optimize.h"
#include "ir/kernel/lower.h"
#include "passes/choose_schedules.h"
#include "runtime/error.h"
#include "runtime/model/abi.h"

using namespace dlc;

namespace {

Tensor random_tensor(std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(DType::kFloat, std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.mutable_as<float>()[i] = uniform(generator);
  return tensor;
}

Tensor random_bytes(DType type, std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(type, std::move(shape));
  std::mt19937 generator(seed);
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor.mutable_as<uint8_t>()[i] = static_cast<uint8_t>(generator());
  return tensor;
}

struct Problem {
  ir::Program program;
  double flops = 0;
};

ir::BufferId add(ir::Program& program, ir::Shape shape, std::vector<int> order = {}) {
  ir::Buffer buffer;
  buffer.dtype = DType::kFloat;
  buffer.shape = std::move(shape);
  buffer.order = std::move(order);
  return program.add_buffer(std::move(buffer));
}

ir::BufferId add_constant(ir::Program& program, Tensor tensor) {
  ir::Buffer buffer;
  buffer.kind = ir::BufferKind::kConstant;
  buffer.dtype = tensor.dtype();
  for (int64_t extent : tensor.shape()) buffer.shape.push_back(extent);
  buffer.constant = std::move(tensor);
  return program.add_buffer(std::move(buffer));
}

void add_contraction(Problem& problem, ir::Contraction contraction) {
  contraction.accumulator = problem.program.fresh_var();
  contraction.epilogue = ir::var(contraction.accumulator, DType::kFloat);
  double flops = 2;
  for (const ir::ContractionAxis& axis : contraction.axes) flops *= static_cast<double>(axis.extent.value());
  problem.flops = flops;
  problem.program.main.steps.push_back(
      {ir::KernelStep{ir::Kernel{"contraction", "", std::move(contraction)}}});
}

Problem matrix_product(int64_t m, int64_t n, int64_t k) {
  Problem problem;
  ir::Program& p = problem.program;
  const ir::VarId vm = p.fresh_var(), vn = p.fresh_var(), vk = p.fresh_var();
  ir::Contraction c;
  c.axes = {{vm, m, ir::AxisRole::kM}, {vn, n, ir::AxisRole::kN}, {vk, k, ir::AxisRole::kK}};
  c.a = {add(p, {m, k}), {ir::var(vm), ir::var(vk)}};
  c.b = {add_constant(p, random_tensor({k, n}, 2)), {ir::var(vk), ir::var(vn)}};
  c.out = add(p, {m, n});
  c.out_index = {ir::var(vm), ir::var(vn)};
  add_contraction(problem, std::move(c));
  return problem;
}

// u8 x s8 with a zero point of A, requantised to u8.
void make_bytes(Problem& problem) {
  ir::Program& p = problem.program;
  auto& c = std::get<ir::Contraction>(std::get<ir::KernelStep>(p.main.steps.back().node).kernel.body);
  for (const ir::BufferId id : {c.a.buffer, c.out}) p.buffer(id).dtype = DType::kUint8;
  ir::Buffer& weights = p.buffer(c.b.buffer);
  weights.dtype = DType::kInt8;
  weights.constant = random_bytes(DType::kInt8, weights.constant.shape(), 2);
  c.a.zero_point = ir::integer(113, DType::kUint8);
  c.accumulator_type = DType::kInt32;
  const ir::Expr scaled =
      ir::cast(ir::var(c.accumulator, DType::kInt32), DType::kFloat) * ir::real(0.0003, DType::kFloat);
  const ir::Expr shifted = ir::unary(ir::ExprOp::kRoundEven, scaled) + ir::real(128);
  const ir::Expr clamped = ir::min(ir::max(shifted, ir::real(0)), ir::real(255));
  c.epilogue = ir::cast(ir::cast(clamped, DType::kInt32), DType::kUint8);
}

Problem convolution(int64_t size, int64_t in, int64_t out, int64_t window, int64_t stride) {
  Problem problem;
  ir::Program& p = problem.program;
  const int64_t pad = window / 2, result = (size + 2 * pad - window) / stride + 1;
  ir::VarId v[6];
  for (ir::VarId& id : v) id = p.fresh_var();
  const ir::Expr oh = ir::var(v[0]), ow = ir::var(v[1]), oc = ir::var(v[2]), ic = ir::var(v[3]),
                 kh = ir::var(v[4]), kw = ir::var(v[5]);
  ir::Contraction c;
  c.axes = {{v[0], result, ir::AxisRole::kM},      {v[1], result, ir::AxisRole::kM},
            {v[2], out, ir::AxisRole::kN},         {v[3], in, ir::AxisRole::kK},
            {v[4], window, ir::AxisRole::kWindow}, {v[5], window, ir::AxisRole::kWindow}};
  auto at = [&](const ir::Expr& o, const ir::Expr& w) {
    return o * ir::integer(stride) + w - ir::integer(pad);
  };
  c.a = {add(p, {1, in, size, size}, {0, 2, 3, 1}), {ir::integer(0), ic, at(oh, kh), at(ow, kw)}, pad > 0};
  c.b = {add_constant(p, random_tensor({out, in, window, window}, 2)), {oc, ic, kh, kw}};
  c.out = add(p, {1, out, result, result}, {0, 2, 3, 1});
  c.out_index = {ir::integer(0), oc, oh, ow};
  add_contraction(problem, std::move(c));
  return problem;
}

Problem depthwise(int64_t size, int64_t channels, int64_t window, int64_t stride) {
  Problem problem;
  ir::Program& p = problem.program;
  const int64_t pad = window / 2, result = (size + 2 * pad - window) / stride + 1;
  ir::VarId v[7];
  for (ir::VarId& id : v) id = p.fresh_var();
  const ir::Expr channel = ir::var(v[0]), oh = ir::var(v[1]), ow = ir::var(v[2]), kh = ir::var(v[5]),
                 kw = ir::var(v[6]);
  ir::Contraction c;
  c.axes = {{v[0], channels, ir::AxisRole::kBatch},
            {v[1], result, ir::AxisRole::kM},
            {v[2], result, ir::AxisRole::kM},
            {v[3], 1, ir::AxisRole::kN},
            {v[4], 1, ir::AxisRole::kK},
            {v[5], window, ir::AxisRole::kWindow},
            {v[6], window, ir::AxisRole::kWindow}};
  auto at = [&](const ir::Expr& o, const ir::Expr& w) {
    return o * ir::integer(stride) + w - ir::integer(pad);
  };
  c.a = {add(p, {1, channels, size, size}, {0, 2, 3, 1}),
         {ir::integer(0), channel + ir::var(v[4]), at(oh, kh), at(ow, kw)},
         pad > 0};
  c.b = {add_constant(p, random_tensor({channels, 1, window, window}, 2)),
         {channel + ir::var(v[3]), ir::var(v[4]), kh, kw}};
  c.out = add(p, {1, channels, result, result}, {0, 2, 3, 1});
  c.out_index = {ir::integer(0), channel + ir::var(v[3]), oh, ow};
  add_contraction(problem, std::move(c));
  return problem;
}

void take(llvm::Error error) {
  if (error) fail(ErrorKind::kInternal, "{}", llvm::toString(std::move(error)));
}
template <class T>
T take(llvm::Expected<T> value) {
  if (!value) fail(ErrorKind::kInternal, "{}", llvm::toString(value.takeError()));
  return std::move(*value);
}

std::string filter;

template <class MakeProblem>
void bench(const std::string& name, const MakeProblem& make_problem) {
  if (name.find(filter) == std::string::npos) return;
  Problem problem = make_problem();
  const codegen::Target target = codegen::Target::parse("native");
  passes::Options options;
  options.exact = std::getenv("EXACT") != nullptr;
  options.weight_growth = 10;
  passes::choose_schedules(problem.program, options);
  const ir::Kernel& kernel = std::get<ir::KernelStep>(problem.program.main.steps.back().node).kernel;
  auto context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> module = codegen::make_module(*context, target, "bench");
  const codegen::KernelSignature signature =
      codegen::emit_kernel(*module, problem.program, target, kernel, "kernel");
  codegen::optimize(*module, target);
  if (std::getenv("DUMP_ASM")) fmt::print("{}", codegen::to_assembly(*module, target));
  auto jit = take(llvm::orc::LLJITBuilder().create());
  take(jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))));
  auto run = take(jit->lookup("kernel")).toPtr<dlc_kernel_fn>();

  std::vector<Tensor> keep;
  std::vector<void*> buffers;
  for (ir::BufferId id : signature.buffers) {
    const ir::Buffer& buffer = problem.program.buffer(id);
    keep.push_back(buffer.kind == ir::BufferKind::kConstant ? buffer.constant
                   : buffer.dtype == DType::kFloat
                       ? random_tensor(ir::static_shape(buffer.shape), 1)
                       : random_bytes(buffer.dtype, ir::static_shape(buffer.shape), 1));
    buffers.push_back(keep.back().mutable_data());
  }
  const int64_t tasks = signature.task_count.value();
  const Tensor scratch(DType::kUint8, {signature.scratch_bytes + 64});
  char* scratch_memory = static_cast<char*>(const_cast<void*>(scratch.data()));
  scratch_memory += 63 & -reinterpret_cast<intptr_t>(scratch_memory);
  using Clock = std::chrono::steady_clock;
  double best = 1e30;
  const auto end = Clock::now() + std::chrono::milliseconds(400);
  const bool cold = std::getenv("COLD") != nullptr;
  std::vector<int64_t> flood(cold ? 16 << 20 : 0);
  while (Clock::now() < end) {
    if (cold && std::accumulate(flood.begin(), flood.end(), int64_t{0}) != 0) return;
    const auto start = Clock::now();
    run(buffers.data(), nullptr, 0, tasks, scratch_memory);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  fmt::print("{:32} {:10.1f} us {:8.1f} GFLOP/s  {} tasks\n", name, best * 1e6, problem.flops / best * 1e-9,
             tasks);
}

void bench_products() {
  for (auto [m, n, k] : std::vector<std::array<int64_t, 3>>{{1024, 1024, 1024},
                                                            {128, 768, 768},
                                                            {128, 3072, 768},
                                                            {128, 768, 3072},
                                                            {64, 256, 256},
                                                            {1, 768, 768},
                                                            {197, 192, 192},
                                                            {3136, 64, 64}}) {
    bench(fmt::format("product {}x{}x{}", m, n, k),
          [m = m, n = n, k = k] { return matrix_product(m, n, k); });
    bench(fmt::format("bytes {}x{}x{}", m, n, k), [m = m, n = n, k = k] {
      Problem problem = matrix_product(m, n, k);
      make_bytes(problem);
      return problem;
    });
  }
}

void bench_convolutions() {
  for (auto [size, in, out, window, stride] : std::vector<std::array<int64_t, 5>>{{56, 64, 64, 3, 1},
                                                                                  {28, 128, 128, 3, 1},
                                                                                  {14, 256, 256, 3, 1},
                                                                                  {7, 512, 512, 3, 1},
                                                                                  {56, 64, 128, 3, 2},
                                                                                  {56, 64, 256, 1, 1},
                                                                                  {224, 3, 64, 7, 2},
                                                                                  {256, 32, 32, 3, 1},
                                                                                  {128, 64, 64, 3, 1},
                                                                                  {32, 256, 256, 3, 1},
                                                                                  {224, 64, 64, 3, 1}}) {
    bench(fmt::format("conv {}x{} {}->{} s{}", size, window, in, out, stride),
          [size = size, in = in, out = out, window = window, stride = stride] {
            return convolution(size, in, out, window, stride);
          });
    bench(fmt::format("bytes conv {}x{} {}->{} s{}", size, window, in, out, stride),
          [size = size, in = in, out = out, window = window, stride = stride] {
            Problem problem = convolution(size, in, out, window, stride);
            make_bytes(problem);
            return problem;
          });
  }
}

void bench_depthwise() {
  for (auto [size, channels, window, stride] : std::vector<std::array<int64_t, 4>>{{112, 32, 3, 1},
                                                                                   {112, 96, 3, 2},
                                                                                   {56, 144, 3, 1},
                                                                                   {28, 192, 3, 1},
                                                                                   {14, 384, 3, 1},
                                                                                   {14, 576, 3, 2},
                                                                                   {7, 960, 3, 1},
                                                                                   {28, 116, 3, 1},
                                                                                   {56, 96, 7, 1},
                                                                                   {14, 384, 7, 1},
                                                                                   {28, 240, 5, 1},
                                                                                   {28, 240, 5, 2}}) {
    bench(fmt::format("depthwise {}x{} {} s{}", size, window, channels, stride),
          [size = size, channels = channels, window = window, stride = stride] {
            return depthwise(size, channels, window, stride);
          });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4) {
    const int64_t m = std::atoll(argv[1]), n = std::atoll(argv[2]), k = std::atoll(argv[3]);
    bench("product", [&] { return matrix_product(m, n, k); });
    return 0;
  }
  if (argc == 2) filter = argv[1];
  bench_products();
  bench_convolutions();
  bench_depthwise();
}

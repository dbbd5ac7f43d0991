// Program: a compiled model, ready to run. Immutable and thread-safe; every thread runs it with a Context of
// its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/border.h"
#include "runtime/model/api.h"
#include "runtime/value.h"

namespace dlc::runtime {

class ThreadPool;

struct ValueInfo {
  std::string name;
  DType dtype;                         // of a map: of its keys
  std::vector<int64_t> dims;           // -1 where symbolic
  std::vector<std::string> dim_texts;  // "batch", "3", "?" for any extent
  ValueKind kind = ValueKind::kTensor;
  bool has_rank = true;                                // false inside of what holds tensors of any rank
  std::shared_ptr<const ValueInfo> element = nullptr;  // of a sequence, an optional, a map: what it holds

  bool is_tensor() const { return kind == ValueKind::kTensor; }
};

struct KernelTime {
  std::string name;
  std::string origin;
  double start_us = 0;     // of the first call, since the start of the run
  double duration_us = 0;  // of all calls
  int64_t calls = 0;
  int64_t flops = -1;  // of one call; -1: unknown
  int64_t bytes = -1;
};

class Program {
 public:
  // `constants` is null for a model that carries its own. `keep_alive` owns the code and the constants.
  // Error(kModel) for a model of another ABI, Error(kResource) for one that this CPU cannot run.
  Program(const dlc_model* model, const char* constants, std::shared_ptr<const void> keep_alive);

  const dlc_model& model() const { return *model_; }
  std::string name() const { return model_->name; }
  const std::vector<ValueInfo>& inputs() const { return inputs_; }
  const std::vector<ValueInfo>& outputs() const { return outputs_; }
  // Symbols that the shapes of inputs bind, in the order of the model.
  std::vector<std::string> symbols() const;
  // The input whose memory the caller may give to this output, so that it is overwritten.
  std::optional<size_t> in_place(size_t output) const;

 private:
  friend class Context;
  const dlc_model* model_;
  const char* constants_;
  std::shared_ptr<const void> keep_alive_;  // shared by all copies and contexts
  std::vector<ValueInfo> inputs_;
  std::vector<ValueInfo> outputs_;
};

struct ContextOptions {
  int threads = 0;  // 0: as many as the process may use (affinity, cgroup quota), or as the pool has
  // Threads that several contexts share; null: threads of the context's own. While one context uses them,
  // another runs on its calling thread alone. Shared by all contexts that are given it.
  std::shared_ptr<ThreadPool> pool = nullptr;
  // Where planned memory and outputs come from; null: malloc. Copied.
  const dlc_allocator* allocator = nullptr;
  // For programs that exchange values with other processes during a run. Copied.
  const dlc_exchange* exchange = nullptr;
};

class ThreadPool {
 public:
  explicit ThreadPool(int threads = 0);  // 0: as many as the process may use
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  const dlc_executor& executor() const { return executor_; }

 private:
  dlc_executor executor_;
};

// The memory and threads of one thread of execution. Not thread-safe; cheap to keep, costly to make.
class Context {
 public:
  explicit Context(const Program& program, ContextOptions options = {});
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  // Inputs in order. Throws Error(kData) naming the input, expected and found, or an output that is no
  // tensor.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);
  // The same for inputs and outputs of any kind.
  std::vector<Value> run_values(const std::vector<Value>& inputs);
  // Without any allocation once shapes as large have been seen: caller's memory; outputs whose data is null
  // get memory of the context, valid until the next run.
  void run(const std::vector<dlc_tensor>& inputs, std::vector<dlc_tensor>& outputs);
  void run(const dlc_tensor* inputs, dlc_tensor* outputs);  // as many as the program has

  int64_t arena_bytes() const;  // all memory that the context holds
  int threads() const;
  // Times of the kernels of the last run, in the order of the program; empty unless the model was compiled
  // with profiling.
  std::vector<KernelTime> kernel_times() const;

 private:
  struct Impl;
  std::vector<Value> run_border(const BorderValues& inputs);
  std::unique_ptr<Impl> impl_;
};

// Loads a compiled library: descriptor, ABI version and CPU are checked first. `weights_file` is needed by
// models whose constants are in a file. Error(kIo, kModel).
Program load_library(const std::string& path, const std::string& weights_file = "");

}  // namespace dlc::runtime

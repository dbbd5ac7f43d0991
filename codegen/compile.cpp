#include "codegen/compile.h"

#include <chrono>
#include <limits>

#include <fmt/format.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/SHA256.h>

#include "codegen/emit_kernels.h"
#include "codegen/emit_program.h"
#include "codegen/explain.h"
#include "codegen/jit.h"
#include "codegen/link.h"
#include "codegen/optimize.h"
#include "codegen/write_header.h"
#include "passes/expand_small_floats.h"
#include "passes/in_place.h"
#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "passes/schedule/pack.h"
#include "passes/schedule/winograd_form.h"
#include "runtime/error.h"
#include "runtime/version.h"
#include "runtime/weights_file.h"

namespace dlc::codegen {

namespace {

using Clock = std::chrono::steady_clock;

// Few enough that threads end together, and enough for a small model to be one unit.
constexpr int kKernelsPerUnit = 4;
constexpr int kOneUnit = std::numeric_limits<int>::max();

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The bits of runtime/cpu.h that all code for this target needs.
uint64_t base_features(const Target& target) {
  switch (target.isa) {
    case Isa::kX86V3:
      return DLC_CPU_X86_V2 | DLC_CPU_X86_V3;
    case Isa::kX86V4:
      return DLC_CPU_X86_V2 | DLC_CPU_X86_V3 | DLC_CPU_X86_V4;
    case Isa::kX86V2:
      return DLC_CPU_X86_V2;
    case Isa::kNeon:
      return 0;
  }
  return 0;
}

// And that this program's code does.
uint64_t needed_features(const Target& target, const ir::Program& program) {
  uint64_t features = base_features(target);
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    const auto* kernel = std::get_if<ir::KernelStep>(&step.node);
    const auto* c = kernel ? std::get_if<ir::Contraction>(&kernel->kernel.body) : nullptr;
    if (c != nullptr && target.has_bf16 && c->schedule.algorithm == ir::Algorithm::kGemm &&
        passes::is_pair_product(program, *c))
      features |= DLC_CPU_AVX512_BF16;
  });
  return features;
}

// The compilation of one graph up to optimised LLVM IR.
class Compilation {
 public:
  explicit Compilation(const CompileOptions& options)
      : start_(Clock::now()), options_(options), target_(Target::parse(options_.cpu)) {}
  Compilation(ir::Graph& graph, const CompileOptions& options, int kernels_per_unit = kKernelsPerUnit)
      : Compilation(options) {
    lower(graph);
    emit(kernels_per_unit);
  }

  // The first step. The graph is not needed after it.
  void lower(ir::Graph& graph) {
    passes::PassReport pass_report;
    program_ = passes::run_pipeline(graph, pass_options(), &pass_report);
    if (pass_report.stopped) {
      fail(ErrorKind::kUsage, "there is no code to make when the passes stop after '{}'",
           options_.passes.stop_after);
    }
    report_.graph_nodes = pass_report.graph_nodes;
    for (const auto& [pass, seconds] : pass_report.seconds) report_.pass_seconds[pass] += seconds;
    passes::expand_small_floats(program_, {.float16 = target_.has_f16});

    name_ = c_identifier(options_.name.empty() ? graph.name() : options_.name);
    note_algorithms();
    report_.choices = explain(program_, target_);
    report_.choice_notes = std::move(pass_report.notes);
  }

  int64_t arena_bytes() const { return arena_bytes(passes::plan_memory(program_)); }

  // The second one: optimised LLVM IR.
  void emit(int kernels_per_unit) {
    show_stage(0);
    constants_ = std::make_unique<ConstantPool>(program_);
    units_ = std::make_unique<CodeUnits>(target_, name_, options_.threads);
    KernelSet kernels = emit_kernels(*units_, program_, target_, name_, kernels_per_unit);
    report_.kernels = static_cast<int>(kernels.code.size());
    report_.distinct_kernels = kernels.distinct;
    report_.constant_bytes = constants_->size();
    const passes::MemoryPlan plan = passes::plan_memory(program_);
    report_.arena_bytes = arena_bytes(plan);
    ModelInfo info;
    info.name = name_;
    info.build = fmt::format("dlc {}, {}", version(), options_.cpu == "native" ? target_.cpu : options_.cpu);
    info.content_hash = content_hash_ = content_hash();
    info.cpu_features = needed_features(target_, program_);
    info.profile = options_.profile;
    info.constants_in_file = !options_.weights_file.empty();
    info.in_place = passes::in_place_outputs(program_, options_.passes.in_place);
    header_ = write_header(program_, info);
    emit_program(units_->main(), {program_, plan, *constants_, kernels.code}, info);
    report_.pass_seconds["emit"] = seconds_since(start_) - passes_total();
    show_stage(1);
    timed("optimize", [&] { units_->for_each([&](int i) { optimize(units_->module(i), target_); }); });
  }

  CompiledModel to_model() {
    CompiledModel model;
    model.content_hash = content_hash_;
    model.header = header_;
    model.name = name_;
    show_stage(2);
    model.objects.resize(static_cast<size_t>(units_->size()));
    timed("machine_code", [&] {
      units_->for_each(
          [&](int i) { model.objects[static_cast<size_t>(i)] = to_object(units_->module(i), target_); });
    });
    model.constants = constant_bytes_;
    report_.seconds = seconds_since(start_);
    model.report = report_;
    return model;
  }

  // Of a compilation with one unit.
  std::string to_llvm() { return to_text(units_->main()); }
  std::string to_assembly_text() { return to_assembly(units_->main(), target_); }

 private:
  static int64_t arena_bytes(const passes::MemoryPlan& plan) {
    return plan.slots.empty() && plan.dynamic_buffers == 0 ? plan.fixed_bytes : -1;
  }

  // The passes' share of the progress, with room for the stages that follow them.
  passes::Options pass_options() {
    passes::Options changed = options_.passes;
    if (!changed.progress) return changed;
    changed.progress = [this](std::string_view pass, int index, int count) {
      passes_ = count;
      options_.passes.progress(pass, index, count + static_cast<int>(std::size(kStages)));
    };
    return changed;
  }

  void show_stage(int index) const {
    constexpr int kCount = static_cast<int>(std::size(kStages));
    if (options_.passes.progress) options_.passes.progress(kStages[index], passes_ + index, passes_ + kCount);
  }

  template <class F>
  void timed(const char* what, F&& f) {
    const auto start = Clock::now();
    f();
    report_.pass_seconds[what] = seconds_since(start);
  }

  void note_algorithms() {
    std::map<std::pair<int, int>, int> convolutions;  // by tile and taps of minimal filtering
    ir::for_each_step(program_.main, [&](const ir::Step& step) {
      auto* kernel = std::get_if<ir::KernelStep>(&step.node);
      auto* contraction = kernel ? std::get_if<ir::Contraction>(&kernel->kernel.body) : nullptr;
      if (contraction && contraction->schedule.algorithm == ir::Algorithm::kWinograd) {
        const int taps = passes::winograd_form(program_, *contraction).value().taps;
        ++convolutions[{contraction->schedule.winograd_tile, taps}];
      }
    });
    for (const auto& [form, count] : convolutions) {
      report_.notes.push_back(fmt::format("Winograd F({}, {}) in {} convolution{}", form.first, form.second,
                                          count, count == 1 ? "" : "s"));
    }
  }

  double passes_total() const {
    double total = 0;
    for (const auto& [pass, seconds] : report_.pass_seconds) total += seconds;
    return total;
  }

  // Of the constants and of the code before optimisation: equal inputs of the compiler give equal hashes.
  std::string content_hash() {
    constant_bytes_ = constants_->take_bytes();
    llvm::SHA256 hash;
    hash.update(llvm::StringRef(static_cast<const char*>(constant_bytes_.data()),
                                static_cast<size_t>(constant_bytes_.byte_size())));
    std::vector<std::string> code(static_cast<size_t>(units_->size()));
    units_->for_each([&](int i) { code[static_cast<size_t>(i)] = to_text(units_->module(i)); });
    for (const std::string& unit : code) hash.update(unit);
    std::string text;
    for (uint8_t byte : hash.final()) text += fmt::format("{:02x}", byte);
    return text;
  }

  static constexpr const char* kStages[] = {"emit", "optimize", "machine_code"};

  Clock::time_point start_;
  const CompileOptions& options_;
  Target target_;
  ir::Program program_;
  std::unique_ptr<ConstantPool> constants_;
  std::unique_ptr<CodeUnits> units_;
  Tensor constant_bytes_;
  std::string name_;
  std::string content_hash_;
  std::string header_;
  CompileReport report_;
  int passes_ = 0;
};

// Writes the constants to a file of their own, if that is asked for.
LinkInput link_input(CompiledModel model, const CompileOptions& options) {
  if (!options.weights_file.empty()) {
    runtime::write_weights_file(options.weights_file, model.content_hash, model.constants);
    model.constants = Tensor();
  }
  return {std::move(model.name), std::move(model.objects), std::move(model.constants)};
}

}  // namespace

CompiledModel compile_to_object(ir::Graph& graph, const CompileOptions& options) {
  return Compilation(graph, options).to_model();
}

CompiledModel compile_to_object(std::unique_ptr<ir::Graph> graph, const CompileOptions& options) {
  Compilation compilation(options);
  compilation.lower(*graph);
  graph.reset();
  compilation.emit(kKernelsPerUnit);
  return compilation.to_model();
}

int64_t plan_arena(std::unique_ptr<ir::Graph> graph, const CompileOptions& options) {
  Compilation compilation(options);
  compilation.lower(*graph);
  return compilation.arena_bytes();
}

runtime::Program load(CompiledModel model) {
  return load_objects(model.objects, model.constants, model.name);
}

void write_shared_library(CompiledModel model, const std::string& path, const CompileOptions& options) {
  link_shared_library(link_input(std::move(model), options), path);
}

void write_archive(CompiledModel model, const std::string& path, const CompileOptions& options) {
  link_archive(link_input(std::move(model), options), path);
}

void write_object(CompiledModel model, const std::string& path, const CompileOptions& options) {
  link_object(link_input(std::move(model), options), path);
}

runtime::Program compile(ir::Graph& graph, const CompileOptions& options) {
  return load(compile_to_object(graph, options));
}

std::string emit_llvm(ir::Graph& graph, const CompileOptions& options) {
  return Compilation(graph, options, kOneUnit).to_llvm();
}

std::string emit_assembly(ir::Graph& graph, const CompileOptions& options) {
  return Compilation(graph, options, kOneUnit).to_assembly_text();
}

}  // namespace dlc::codegen

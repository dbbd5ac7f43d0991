// dlc-run: runs a model, times it, tests it, compares it.
#include <chrono>

#include <fmt/format.h>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/output_file.h"
#include "tools/bench.h"
#include "tools/compare.h"
#include "tools/explain.h"
#include "tools/inputs.h"
#include "tools/list_operators.h"
#include "tools/model_source.h"
#include "tools/outputs.h"
#include "tools/profile.h"
#include "tools/test_cases.h"
#include "tools/tool.h"

namespace dlc::tools {
namespace {

constexpr const char* kDescription =
    "Runs an ONNX model, compiled in process, or a library that dlc-compile wrote.";
constexpr const char* kExamples = R"(Examples:
  dlc-run model.onnx                                     random inputs, outputs in short
  dlc-run model.so --input picture.jpg --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --top 5
  dlc-run model.onnx --input ids=ids.npy --input mask=mask.npy --output-dir out
  dlc-run model.onnx --shape x=8x3x224x224 --bench --threads 2 --json
  dlc-run model.onnx --profile trace.json                open it in a Chrome trace viewer
  dlc-run model.onnx --compare                           every value against reference compilation
  dlc-run --test cases/test_add cases/test_relu          ONNX test cases
Exit code: 0 done, 1 the model, the data or the machine is at fault, or a test failed, 2 the command line is.)";

struct Flags {
  std::string model;
  InputFlags inputs;
  codegen::CompileOptions compile;
  std::string weights;
  std::string dump_dir;
  std::string output_dir;
  int top = 0;
  std::string labels;
  std::vector<std::string> test;
  CaseOptions cases;
  bool no_isolate = false;
  bool compare = false;
  double tolerance = 1e-4;
  bool all = false;
  bool bench = false;
  BenchOptions bench_options;
  bool json = false;
  std::string profile;
  bool operators = false;
  bool explain = false;
  bool quiet = false;
};

void add_output_flags(CLI::App& app, Flags& flags) {
  const std::string group = "Outputs";
  app.add_option("-o,--output-dir", flags.output_dir, "Write the outputs there, as NAME.npy")
      ->type_name("FOLDER")
      ->group(group);
  app.add_option("--top", flags.top, "Print the COUNT likeliest classes with their probabilities")
      ->type_name("COUNT")
      ->check(at_least(1))
      ->group(group);
  app.add_option("--labels", flags.labels, "File with the names of the classes, one a line")
      ->type_name("FILE")
      ->group(group);
}

void add_measuring_flags(CLI::App& app, Flags& flags) {
  const std::string group = "Measuring";
  app.add_flag("--bench", flags.bench, "Time repeated runs")->group(group);
  app.add_option("--seconds", flags.bench_options.seconds, "That --bench and --profile take; default: 1")
      ->type_name("SECONDS")
      ->check(at_least(0))
      ->group(group);
  app.add_option("--warmup", flags.bench_options.warmup, "Runs before those that are timed; default: 2")
      ->type_name("COUNT")
      ->check(at_least(0))
      ->group(group);
  app.add_flag("--json", flags.json, "Print the times of --bench as JSON on one line")->group(group);
  app.add_option("--profile", flags.profile,
                 "Print a table of the kernels' times, write them there as a Chrome trace")
      ->type_name("FILE")
      ->group(group);
}

void add_testing_flags(CLI::App& app, Flags& flags) {
  const std::string group = "Testing";
  app.add_option("--test", flags.test, "Run the ONNX test cases in these folders")
      ->type_name("FOLDER ...")
      ->group(group);
  app.add_option("--rtol", flags.cases.tolerance.rtol,
                 "Of --test, relative to the expected value; default: 1e-3")
      ->type_name("NUMBER")
      ->group(group);
  app.add_option("--atol", flags.cases.tolerance.atol, "Of --test, absolute; default: 1e-7")
      ->type_name("NUMBER")
      ->group(group);
  app.add_option("--jobs", flags.cases.jobs, "Test cases at a time; default: 1")
      ->type_name("COUNT")
      ->check(at_least(1))
      ->group(group);
  app.add_option("--timeout", flags.cases.timeout_seconds, "Of a test case; default: 600")
      ->type_name("SECONDS")
      ->check(at_least(1))
      ->group(group);
  app.add_flag("--no-isolate", flags.no_isolate, "Run all test cases in this process")->group(group);
  app.add_flag(
         "--compare", flags.compare,
         "Compare every value with reference compilation: no fusion, naive schedules, double accumulation")
      ->group(group);
  app.add_option("--tolerance", flags.tolerance,
                 "Of --compare: max|difference| / max|reference|; default: 1e-4")
      ->type_name("NUMBER")
      ->group(group);
  app.add_flag("--all", flags.all, "Print the values that --compare finds equal, too")->group(group);
}

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "ONNX file, or a library of dlc-compile")->type_name("");
  add_input_flags(app, flags.inputs);
  add_output_flags(app, flags);
  add_measuring_flags(app, flags);
  add_testing_flags(app, flags);
  app.add_option("--threads", flags.bench_options.threads, "Default: as many as the process may use")
      ->type_name("COUNT")
      ->check(at_least(0));
  app.add_option("--cpu", flags.compile.cpu,
                 "Processor to compile for: native (default), x86-64-v3, x86-64-v4, ...")
      ->type_name("NAME");
  app.add_option("--weights", flags.weights, "The weights of a library compiled with --weights")
      ->type_name("FILE");
  app.add_flag("--explain", flags.explain,
               "Print for every operator which kernel it got, and why it got no better one; then end");
  app.add_flag("--operators", flags.operators, "List the operators that dlc knows, and end");
  app.add_flag("-q,--quiet", flags.quiet, "Print results only");
  add_pass_flags(app, flags.compile.passes, flags.dump_dir);
  app.footer(kExamples);
}

int run_tests(const Flags& flags) {
  CaseOptions options = flags.cases;
  options.compile = flags.compile;
  options.threads = flags.bench_options.threads;
  options.isolate = !flags.no_isolate;
  const std::vector<std::string> cases = find_cases(flags.test);
  Progress progress(flags.quiet);
  int64_t passed = 0;
  int64_t failed = 0;
  run_cases(cases, options, [&](const CaseResult& result) {
    ++(result.passed ? passed : failed);
    progress.clear();
    if (!result.passed) fmt::print("FAIL {}: {}\n", result.name, result.reason);
    progress.show(result.name, passed + failed, static_cast<int64_t>(cases.size()));
  });
  progress.clear();
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? kExitDone : kExitFailed;
}

void print_notes(const Flags& flags, const std::vector<std::string>& notes) {
  if (flags.quiet || flags.json) return;
  for (const std::string& note : notes) fmt::print("{}\n", note);
}

int run_compare(const Flags& flags) {
  const Comparison comparison =
      compare_model(flags.model, flags.inputs, flags.compile, flags.bench_options.threads, flags.tolerance);
  print_notes(flags, comparison.notes);
  fmt::print("{}", format_comparison(comparison, flags.all));
  for (const ComparedValue& value : comparison.values) {
    if (!agrees(value, comparison.tolerance)) return kExitFailed;
  }
  return kExitDone;
}

int run_once(const Flags& flags, const LoadedModel& model, const std::vector<Value>& inputs) {
  std::vector<std::string> labels;
  if (!flags.labels.empty()) labels = read_labels(flags.labels);
  runtime::Context context(model.program, {.threads = flags.bench_options.threads});
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Value> outputs = context.run_values(inputs);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  for (size_t i = 0; i < outputs.size(); ++i) {
    fmt::print("{}\n", summarize(model.program.outputs()[i].name, outputs[i]));
  }
  if (flags.top > 0 || !flags.labels.empty()) {
    if (outputs.empty()) fail(ErrorKind::kUsage, "--top: the model has no outputs");
    fmt::print("{}", format_top(outputs.front().tensor(), flags.top > 0 ? flags.top : 5, labels));
  }
  if (!flags.output_dir.empty()) write_outputs(flags.output_dir, model.program.outputs(), outputs);
  if (!flags.quiet) {
    fmt::print("{} in {:.1f} ms, run in {:.3f} ms on {} thread{}\n", model.is_library ? "loaded" : "compiled",
               model.load_ms, ms, context.threads(), context.threads() == 1 ? "" : "s");
  }
  return kExitDone;
}

// Flags that would be without effect.
void check_flags(const Flags& flags) {
  const int modes = int(!flags.test.empty()) + int(flags.compare) + int(flags.bench) +
                    int(!flags.profile.empty()) + int(flags.explain);
  if (modes > 1)
    fail(ErrorKind::kUsage, "--test, --compare, --bench, --profile and --explain exclude each other");
  if (flags.json && !flags.bench) fail(ErrorKind::kUsage, "--json goes with --bench");
  const bool prints_outputs = modes == 0;
  if (!prints_outputs && (!flags.output_dir.empty() || flags.top > 0 || !flags.labels.empty())) {
    fail(ErrorKind::kUsage, "--output-dir, --top and --labels go with a plain run");
  }
  if (!flags.test.empty()) {
    if (!flags.model.empty()) fail(ErrorKind::kUsage, "--test takes folders, and no MODEL beside them");
    return;
  }
  if (flags.model.empty()) fail(ErrorKind::kUsage, "MODEL is missing; dlc-run --help says more");
  const passes::Options& passes = flags.compile.passes;
  const bool compiles = flags.compile.cpu != "native" || passes.exact ||
                        passes.precision != passes::Precision::kFloat32 || !passes.dump_after.empty() ||
                        !passes.disabled_passes.empty() || passes.rewrite_limit >= 0 || passes.verify;
  if (is_library_file(flags.model)) {
    if (compiles)
      fail(ErrorKind::kUsage, "'{}' is compiled already: give such flags to dlc-compile", flags.model);
    if (flags.compare) fail(ErrorKind::kUsage, "--compare needs an ONNX file, not a library");
    if (flags.explain) fail(ErrorKind::kUsage, "--explain needs an ONNX file, not a library");
  } else if (!flags.weights.empty()) {
    fail(ErrorKind::kUsage, "--weights goes with a library; the weights of an ONNX file lie where it says");
  }
  if (!flags.profile.empty()) OutputFile::check_writable(flags.profile);
}

int run(Flags& flags) {
  if (flags.operators) {
    fmt::print("{}", format_operators());
    return kExitDone;
  }
  set_dump_target(flags.compile.passes, flags.dump_dir);
  check_flags(flags);
  if (!flags.test.empty()) return run_tests(flags);
  if (flags.compare) return run_compare(flags);
  Progress progress(flags.quiet || flags.json);
  flags.compile.profile = !flags.profile.empty();
  const LoadedModel model =
      load_model(flags.model, parse_shapes(flags.inputs.shapes), flags.compile, flags.weights, progress);
  if (flags.explain) {
    fmt::print("{}", format_choices(model.report));
    return kExitDone;
  }
  const InputSet inputs = make_inputs(model.program.inputs(), flags.inputs);
  print_notes(flags, inputs.notes);
  if (flags.bench) {
    const BenchResult result = run_bench(model, inputs.values, flags.bench_options);
    fmt::print("{}", flags.json ? format_json(result) + "\n" : format_text(result));
    return kExitDone;
  }
  if (!flags.profile.empty()) {
    write_profile(model.program, inputs.values, flags.bench_options.threads, flags.bench_options.seconds,
                  flags.profile);
    return kExitDone;
  }
  return run_once(flags, model, inputs.values);
}

}  // namespace
}  // namespace dlc::tools

int main(int argc, char** argv) {
  CLI::App app(dlc::tools::kDescription, "dlc-run");
  dlc::tools::Flags flags;
  dlc::tools::add_flags(app, flags);
  return dlc::tools::run_tool(app, argc, argv, [&] { return dlc::tools::run(flags); });
}

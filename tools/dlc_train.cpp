// dlc-train: fine-tunes a model with a compiled training step and writes it back as ONNX.
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "frontend/read_model.h"
#include "frontend/write_model.h"
#include "passes/training/choose_parameters.h"
#include "runtime/error.h"
#include "tools/spec.h"
#include "tools/tool.h"
#include "tools/training_check.h"
#include "tools/training_compile.h"
#include "tools/training_export.h"
#include "tools/training_session.h"

namespace dlc::tools {
namespace {

constexpr const char* kDescription =
    "Trains ONNX models: fit makes a run folder, export writes the tuned model.\n\n"
    "  dlc-train inspect model.onnx\n"
    "  dlc-train fit model.onnx --data idx:images.gz,labels.gz --val-split 0.2 --epochs 5 --out runs/a\n"
    "  dlc-train resume runs/a\n"
    "  dlc-train eval runs/a --data folder:photos\n"
    "  dlc-train export runs/a --best -o tuned.onnx\n"
    "  dlc-train merge model.onnx --adapter adapter.safetensors -o tuned.onnx\n"
    "  dlc-train grad-check model.onnx\n"
    "  dlc-train bench model.onnx --batch 8\n"
    "  dlc-train compile model.onnx -o step.so --header step.h\n";

struct Flags {
  std::string model;
  std::string folder;
  std::string output;
  std::string data;
  std::vector<std::string> metrics;
  CheckpointChoice checkpoint;
  bool adapter = false;
  bool training_info = false;
  std::string adapter_file;
  StepFiles step;
  std::string config;
  TrainingFlags training;
  SessionOptions session;
  StepBenchOptions bench;
};

void print_head(const std::string& bytes) {
  try {
    const frontend::Head head = frontend::find_head(bytes, "");
    fmt::print("head    {}: {} classes of {} features, weight '{}'{}\n", head.node, head.classes,
               head.features, head.weight, head.bias.empty() ? "" : fmt::format(", bias '{}'", head.bias));
  } catch (const Error& error) {
    fmt::print("no head: {}\n", error.what());
  }
}

int inspect(const Flags& flags) {
  const std::string bytes = frontend::pack_model(flags.model);
  auto graph = frontend::parse_model(bytes, "", {.input_shapes = parse_shapes(flags.training.shapes)});
  const std::vector<passes::Parameter> parameters =
      passes::stored_parameters(*graph, frontend::tensor_names(bytes));
  int64_t total = 0;
  int64_t count = 0;
  fmt::print("{:<48} {:<24} {:>10}  {}\n", "parameter", "type", "elements", "of");
  for (const passes::Parameter& parameter : parameters) {
    const Tensor& value = parameter.value;
    std::string type = fmt::format("{}[{}]", name(value.dtype()), fmt::join(value.shape(), ", "));
    fmt::print("{:<48} {:<24} {:>10}  {}{}\n", parameter.name, type, value.size(), parameter.user,
               parameter.is_statistic ? "  (statistic)" : "");
    if (parameter.is_statistic) continue;
    total += value.size();
    ++count;
  }
  fmt::print("{} parameters in {} tensors\n", total, count);
  for (const ir::Value* input : graph->inputs()) {
    fmt::print("input   {:<40} {}\n", input->name(), to_string(input->type()));
  }
  for (size_t i = 0; i < graph->outputs().size(); ++i) {
    fmt::print("output  {:<40} {}\n", graph->output_names()[i], to_string(graph->outputs()[i]->type()));
  }
  print_head(bytes);
  return kExitDone;
}

void add_session_flags(CLI::App& app, Flags& flags) {
  app.add_flag("--quiet", flags.session.quiet, "Print nothing but errors");
  app.add_flag("--json", flags.session.json, "Print one JSON object a line");
}

void add_checkpoint_flags(CLI::App& app, Flags& flags) {
  app.add_flag_callback(
      "--best", [&] { flags.checkpoint.name = "best"; }, "The best checkpoint instead of the last");
  app.add_flag("--raw", flags.checkpoint.raw,
               "The parameters themselves, where the run averages them (--ema)");
}

// About the step of a model alone, without a run.
void add_step_commands(CLI::App& app, Flags& flags) {
  CLI::App* check = app.add_subcommand("grad-check", "Compares gradients with differences of the loss");
  check->add_option("MODEL", flags.model, "ONNX file")->required();
  add_training_flags(*check, flags.training);

  CLI::App* bench = app.add_subcommand("bench", "Times a training step on random data");
  bench->add_option("MODEL", flags.model, "ONNX file")->required();
  add_training_flags(*bench, flags.training);
  bench->add_option("--seconds", flags.bench.seconds, "Of measuring; default: 3")->type_name("NUMBER");
  bench
      ->add_option("--profile", flags.bench.profile,
                   "Times of kernels to this file, for a Chrome trace viewer")
      ->type_name("FILE");
  bench->add_flag("--json", flags.bench.json, "Print one JSON object");

  CLI::App* compile = app.add_subcommand("compile", "Writes the training step as a library with a C header");
  compile->add_option("MODEL", flags.model, "ONNX file")->required();
  add_training_flags(*compile, flags.training);
  compile->add_option("-o,--library", flags.step.library, "Shared library")->required()->type_name("FILE");
  compile->add_option("--header", flags.step.header, "C header")->type_name("FILE");
  compile
      ->add_option("--name", flags.step.name,
                   "Prefix of the functions; default: the name of the header or library")
      ->type_name("NAME");
}

void add_commands(CLI::App& app, Flags& flags) {
  app.require_subcommand(1);
  CLI::App* inspect = app.add_subcommand("inspect", "Lists what can be trained");
  inspect->add_option("MODEL", flags.model, "ONNX file")->required();
  inspect->add_option("--shape", flags.training.shapes, "Fixes an input's shape: NAME=1x3x224x224");

  CLI::App* fit = app.add_subcommand("fit", "Trains a model");
  fit->add_option("MODEL", flags.model, "ONNX file")->required();
  add_training_flags(*fit, flags.training);
  fit->add_option("--config", flags.config, "A run.toml whose keys are these flags")->type_name("FILE");
  fit->add_flag("--dry-run", flags.session.dry_run, "Print the plan and end");
  add_session_flags(*fit, flags);

  CLI::App* resume = app.add_subcommand("resume", "Goes on with a run from its last checkpoint");
  resume->add_option("RUN", flags.folder, "Run folder")->required();
  add_session_flags(*resume, flags);

  CLI::App* eval = app.add_subcommand("eval", "Loss and metrics of a run");
  eval->add_option("RUN", flags.folder, "Run folder")->required();
  eval->add_option("--data", flags.data, "Samples, as for fit; default: what the run validates with");
  eval->add_option("--metrics", flags.metrics, "Default: those of the run")->delimiter(',');
  add_checkpoint_flags(*eval, flags);
  add_session_flags(*eval, flags);

  add_step_commands(app, flags);

  CLI::App* out = app.add_subcommand("export", "Writes the tuned model as ONNX");
  out->add_option("RUN", flags.folder, "Run folder")->required();
  out->add_option("-o,--output", flags.output, "ONNX file")->required();
  add_checkpoint_flags(*out, flags);
  out->add_flag("--adapter", flags.adapter,
                "Only adapters and other trained tensors, as a safetensors file; else adapters are merged");
  out->add_flag("--training-info", flags.training_info,
                "Also how it is trained, in the standard's words, and the optimizer's states")
      ->excludes("--adapter");

  CLI::App* merge = app.add_subcommand("merge", "Writes a model with the adapters of a file");
  merge->add_option("MODEL", flags.model, "ONNX file that they were trained for")->required();
  merge->add_option("--adapter", flags.adapter_file, "File that export --adapter has written")
      ->required()
      ->type_name("FILE");
  merge->add_option("-o,--output", flags.output, "ONNX file")->required();
}

int run(const CLI::App& app, Flags& flags) {
  if (app.got_subcommand("inspect")) return inspect(flags);
  if (!flags.config.empty()) add_run_file(*app.get_subcommand("fit"), flags.training, flags.config);
  if (app.got_subcommand("fit")) return fit(flags.model, flags.training, flags.session);
  if (app.got_subcommand("resume")) return resume(flags.folder, flags.session);
  if (app.got_subcommand("eval")) {
    return evaluate_run(flags.folder, flags.checkpoint, flags.data, flags.metrics, flags.session);
  }
  if (app.got_subcommand("grad-check")) return check_gradients(flags.model, flags.training);
  if (app.got_subcommand("bench")) return bench_step(flags.model, flags.training, flags.bench);
  if (app.got_subcommand("compile")) return compile_library(flags.model, flags.training, flags.step);
  if (app.got_subcommand("merge")) {
    merge_adapter(flags.model, flags.adapter_file, flags.output);
    return kExitDone;
  }
  if (flags.training_info) {
    export_training(flags.folder, flags.output);
  } else if (flags.adapter) {
    export_adapter(flags.folder, flags.checkpoint, flags.output);
  } else {
    export_run(flags.folder, flags.checkpoint, flags.output);
  }
  return kExitDone;
}

}  // namespace
}  // namespace dlc::tools

int main(int argc, char** argv) {
  CLI::App app(dlc::tools::kDescription, "dlc-train");
  dlc::tools::Flags flags;
  dlc::tools::add_commands(app, flags);
  return dlc::tools::run_tool(app, argc, argv, [&] { return dlc::tools::run(app, flags); });
}

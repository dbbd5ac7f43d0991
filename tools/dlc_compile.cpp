// dlc-compile: an ONNX file becomes a shared library, or one of the forms on the way there.
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace dlc::tools {
namespace {

constexpr const char* kDescription =
    "Compiles an ONNX model to a shared library that needs nothing but libc and libm.";
constexpr const char* kExamples = R"(Examples:
  dlc-compile model.onnx -o model.so
  dlc-compile model.onnx -o model.so --header model.h    a C header written for this model
  dlc-compile model.onnx -o model.so --weights model.bin weights beside the library
  dlc-compile model.onnx -o model.so --cpu x86-64-v3     for any processor with AVX2
  dlc-compile model.onnx --shape x=1x3x224x224           fixed dims make faster code
  dlc-compile model.onnx --emit asm -o model.s
Exit code: 0 done, 1 the model is at fault, 2 the command line is.)";

struct Flags {
  std::string model;
  std::string output;
  std::string header;
  std::string emit = "so";
  std::vector<std::string> shapes;
  codegen::CompileOptions compile;
  std::string dump_dir;
  bool quiet = false;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "ONNX file")->required();
  app.add_option("-o,--output", flags.output, "Default: the model's name with the ending of the form");
  app.add_option("--emit", flags.emit,
                 "so: shared library, obj: object file, llvm: LLVM IR, asm: assembly, graph: the "
                 "graph after its passes, kernels: the kernels after theirs")
      ->capture_default_str()
      ->check(CLI::IsMember({"so", "obj", "llvm", "asm", "graph", "kernels"}));
  app.add_option("--header", flags.header, "Write a C header of the model there");
  app.add_option("--weights", flags.compile.weights_file,
                 "Put the weights there instead of into the library");
  app.add_option("--cpu", flags.compile.cpu,
                 "native, x86-64-v2, x86-64-v3, x86-64-v4 or a name that LLVM knows")
      ->capture_default_str();
  app.add_option("--shape", flags.shapes,
                 "NAME=1x3x224x224: fixes symbolic dims of an input ('?' leaves one open)");
  app.add_option("--name", flags.compile.name, "Of the model in its library; default: the file's");
  app.add_option("--threads", flags.compile.compile_threads,
                 "To compile with; default: as many as the process may use")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--profile", flags.compile.profile, "Let dlc-run --profile measure the library's kernels");
  app.add_flag("-q,--quiet", flags.quiet, "No progress and no summary");
  add_pass_flags(app, flags.compile.passes);
  app.add_option("--dump-dir", flags.dump_dir, "Write what --dump-after shows to files there")
      ->group("Debugging the compiler");
  app.footer(kExamples);
}

std::string default_output(const Flags& flags) {
  const std::string ending = flags.emit == "so"     ? ".so"
                             : flags.emit == "obj"  ? ".o"
                             : flags.emit == "llvm" ? ".ll"
                             : flags.emit == "asm"  ? ".s"
                                                    : "." + flags.emit + ".txt";
  return std::filesystem::path(flags.model).stem().string() + ending;
}

void print_summary(const codegen::CompileReport& report, const std::string& output) {
  fmt::print("{}: {} operators, {} kernels ({} distinct), weights {}, arena {}, {:.2f} s\n", output,
             report.graph_nodes, report.kernels, report.distinct_kernels, format_bytes(report.constant_bytes),
             report.arena_bytes < 0 ? "by shape" : format_bytes(report.arena_bytes), report.seconds);
  for (const std::string& note : report.notes) fmt::print("  {}\n", note);
}

void write_binary(ir::Graph& graph, const Flags& flags, const std::string& output, Progress& progress) {
  const codegen::CompiledModel model = codegen::compile_to_object(graph, flags.compile);
  progress.show("writing");
  // Opened first: if it cannot be written, nothing is.
  std::optional<data::AtomicFile> header;
  if (!flags.header.empty()) {
    header.emplace(flags.header);
    header->write(model.header);
  }
  if (flags.emit == "so") {
    codegen::write_shared_library(model, output, flags.compile);
  } else {
    codegen::write_object(model, output);
  }
  if (header) header->commit();
  progress.clear();
  if (!flags.quiet) print_summary(model.report, output);
}

// The last dump of the passes up to the wanted stage.
std::string stage_text(ir::Graph& graph, const Flags& flags) {
  codegen::CompileOptions options = flags.compile;
  std::string text;
  options.passes.dump_after = {flags.emit == "graph" ? "graph" : "kernels"};
  options.passes.stop_after = options.passes.dump_after.front();
  options.passes.dump = [&](std::string_view, const std::string& dumped) { text = dumped; };
  codegen::compile_to_object(graph, options);
  return text;
}

std::string text_form(ir::Graph& graph, const Flags& flags) {
  if (flags.emit == "llvm") return codegen::emit_llvm(graph, flags.compile);
  if (flags.emit == "asm") return codegen::emit_assembly(graph, flags.compile);
  return stage_text(graph, flags);
}

int run(Flags& flags) {
  set_dump_target(flags.compile.passes, flags.dump_dir);
  const std::string output = flags.output.empty() ? default_output(flags) : flags.output;
  const bool binary = flags.emit == "so" || flags.emit == "obj";
  if (!binary && (!flags.header.empty() || !flags.compile.weights_file.empty())) {
    fail(ErrorKind::kUsage, "--header and --weights go with --emit so or obj");
  }
  // Found out before minutes are spent.
  std::optional<data::AtomicFile> probe;
  if (output != "-") probe.emplace(output);
  if (flags.compile.name.empty()) flags.compile.name = std::filesystem::path(flags.model).stem().string();
  Progress progress(flags.quiet);
  flags.compile.passes.progress = [&](std::string_view pass, int index, int count) {
    progress.show(pass, index, count);
  };
  progress.show("reading the model");
  const std::unique_ptr<ir::Graph> graph =
      frontend::read_model(flags.model, {.input_shapes = parse_shapes(flags.shapes)});
  if (binary) {
    write_binary(*graph, flags, output, progress);
  } else {
    const std::string text = text_form(*graph, flags);
    progress.clear();
    if (output == "-") {
      fmt::print("{}", text);
    } else {
      data::write_file(output, text);
    }
  }
  return kExitDone;
}

}  // namespace
}  // namespace dlc::tools

int main(int argc, char** argv) {
  CLI::App app(dlc::tools::kDescription, "dlc-compile");
  dlc::tools::Flags flags;
  dlc::tools::add_flags(app, flags);
  return dlc::tools::run_tool(app, argc, argv, [&] { return dlc::tools::run(flags); });
}

// dlc-compile: an ONNX file becomes a library, or one of the forms on the way there.
#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "ir/kernel/text.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/output_file.h"
#include "tools/check_model.h"
#include "tools/explain.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace dlc::tools {
namespace {

constexpr const char* kDescription =
    "Compiles an ONNX model to a library that needs nothing but libc and libm.";
constexpr const char* kExamples = R"(Examples:
  dlc-compile model.onnx -o model.so
  dlc-compile model.onnx -o model.so --header model.h     a C header written for this model
  dlc-compile model.onnx -o model.a --header model.h      to link into a program
  dlc-compile model.onnx -o model.so --weights model.bin  weights beside the library
  dlc-compile model.onnx -o model.so --cpu x86-64-v3      for any processor with AVX2
  dlc-compile model.onnx --shape x=1x3x224x224            fixed dims make faster code
  dlc-compile model.onnx --emit kernels                   what it is compiled to, to read
  dlc-compile model.onnx --check                          whether it compiles, and all that is in the way
Exit code: 0 done, 1 the model or the machine is at fault, 2 the command line is.)";

struct Form {
  std::string_view name;
  std::string_view ending;
  bool is_code;  // a library or an object, else text
};

constexpr Form kForms[] = {
    {"so", ".so", true},
    {"archive", ".a", true},
    {"obj", ".o", true},
    {"llvm", ".ll", false},
    {"asm", ".s", false},
    {"graph", ".graph.txt", false},
    {"kernels", ".kernels.txt", false},
};

struct Flags {
  std::string model;
  std::string output;
  std::string header;
  std::string emit;
  std::vector<std::string> shapes;
  codegen::CompileOptions compile;
  std::string dump_dir;
  bool check = false;
  bool explain = false;
  bool quiet = false;
};

void add_flags(CLI::App& app, Flags& flags) {
  std::vector<std::string> forms;
  for (const Form& form : kForms) forms.emplace_back(form.name);
  app.add_option("MODEL", flags.model, "ONNX file")->required()->type_name("");
  app.add_option("-o,--output", flags.output,
                 "Default: the model's name with the ending of the form; '-': standard output, for text")
      ->type_name("FILE");
  app.add_option(
         "--emit", flags.emit,
         "so: shared library; archive: static library; obj: object file, to be linked with libdlcrt.a; llvm: "
         "LLVM IR; asm: assembly; graph, kernels: the program after the passes on graphs, on kernels. "
         "Default: what the ending of the output says (.so .a .o .ll .s), else so")
      ->type_name("FORM")
      ->check(CLI::IsMember(forms));
  app.add_option("--header", flags.header, "Write a C header of the model there")->type_name("FILE");
  app.add_option("--weights", flags.compile.weights_file, "Put the weights there instead of into the library")
      ->type_name("FILE");
  app.add_option("--cpu", flags.compile.cpu,
                 "native (default), x86-64-v2, x86-64-v3, x86-64-v4, aarch64 or a name that LLVM knows")
      ->type_name("NAME");
  app.add_option("--shape", flags.shapes,
                 "NAME=1x3x224x224: fixes symbolic dims of an input ('?' leaves one open)")
      ->type_name("SHAPE")
      ->allow_extra_args(false);
  app.add_option(
         "--name", flags.compile.name,
         "Of the model: what the names in its library and header begin with. Default: the output's name")
      ->type_name("NAME");
  app.add_option("--threads", flags.compile.threads,
                 "Threads that compile; the result does not depend on it. Default: as many as there are")
      ->type_name("COUNT")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--profile", flags.compile.profile, "Let dlc-run --profile measure the library's kernels");
  app.add_flag("--check", flags.check,
               "List everything in the model that would not compile, without compiling, and end");
  app.add_flag("--explain", flags.explain,
               "Print for every operator which kernel it got, and why it got no better one");
  app.add_flag("-q,--quiet", flags.quiet, "No progress and no summary");
  add_pass_flags(app, flags.compile.passes, flags.dump_dir);
  app.add_option("--stop-after", flags.compile.passes.stop_after,
                 "Write the program as it is after this pass (default: to standard output), and end")
      ->type_name("PASS")
      ->group("Debugging the compiler");
  app.footer(kExamples);
}

bool stops_early(const Flags& flags) { return !flags.compile.passes.stop_after.empty(); }

const Form& find_form(std::string_view name) {
  return *std::find_if(std::begin(kForms), std::end(kForms),
                       [&](const Form& form) { return form.name == name; });
}

Form choose_form(const Flags& flags) {
  if (!flags.emit.empty()) return find_form(flags.emit);
  for (const Form& form : kForms) {
    if (flags.output.ends_with(form.ending)) return form;
  }
  return find_form(stops_early(flags) ? "kernels" : "so");
}

std::string choose_output(const Flags& flags, const Form& form) {
  if (!flags.output.empty()) return flags.output;
  return stops_early(flags) ? "-"
                            : std::filesystem::path(flags.model).stem().string() + std::string(form.ending);
}

// "libdigits.so" holds the model "digits".
std::string choose_name(const Flags& flags, const std::string& output) {
  const std::string name = std::filesystem::path(output == "-" ? flags.model : output).stem().string();
  return name.starts_with("lib") && name.size() > 3 ? name.substr(3) : name;
}

// Before minutes are spent: what is asked for goes together, and can be written.
void check_outputs(const Flags& flags, const Form& form, const std::string& output) {
  if (!form.is_code && (!flags.header.empty() || !flags.compile.weights_file.empty())) {
    fail(ErrorKind::kUsage, "--header and --weights go with --emit so, archive or obj");
  }
  if (!form.is_code && flags.explain) {
    fail(ErrorKind::kUsage, "--explain goes with --emit so, archive or obj");
  }
  if (stops_early(flags) && (form.is_code || form.name == "llvm" || form.name == "asm")) {
    fail(ErrorKind::kUsage, "--stop-after goes with --emit graph or kernels");
  }
  if (form.is_code && output == "-") {
    fail(ErrorKind::kUsage, "--emit {} does not go to standard output: name a file", form.name);
  }
  std::vector<std::string> paths;
  for (const std::string& path : {output, flags.header, flags.compile.weights_file}) {
    if (path.empty() || path == "-") continue;
    if (std::find(paths.begin(), paths.end(), path) != paths.end()) {
      fail(ErrorKind::kUsage, "'{}' is named for two outputs", path);
    }
    OutputFile::check_writable(path);
    paths.push_back(path);
  }
}

void print_summary(const codegen::CompileReport& report, const std::string& output) {
  fmt::print("{}: {} operators, {} kernels ({} distinct), weights {}, arena {}, {:.2f} s\n", output,
             report.graph_nodes, report.kernels, report.distinct_kernels, format_bytes(report.constant_bytes),
             report.arena_bytes < 0 ? "by shape" : format_bytes(report.arena_bytes), report.seconds);
  for (const std::string& note : report.notes) fmt::print("  {}\n", note);
}

void write_code(std::unique_ptr<ir::Graph> graph, const Flags& flags, const Form& form,
                const std::string& output, Progress& progress) {
  codegen::CompiledModel model = codegen::compile_to_object(std::move(graph), flags.compile);
  const codegen::CompileReport report = model.report;
  progress.show("writing");
  // Opened first: if it cannot be written, nothing is.
  std::optional<OutputFile> header;
  if (!flags.header.empty()) {
    header.emplace(flags.header);
    header->write(model.header);
  }
  if (form.name == "so") {
    codegen::write_shared_library(std::move(model), output, flags.compile);
  } else if (form.name == "archive") {
    codegen::write_archive(std::move(model), output, flags.compile);
  } else {
    codegen::write_object(std::move(model), output, flags.compile);
  }
  if (header) header->commit();
  progress.clear();
  if (!flags.quiet) print_summary(report, output);
  if (flags.explain) fmt::print("{}", format_choices(report));
}

std::string text_form(ir::Graph& graph, const Flags& flags, const Form& form) {
  if (form.name == "llvm") return codegen::emit_llvm(graph, flags.compile);
  if (form.name == "asm") return codegen::emit_assembly(graph, flags.compile);
  passes::Options options = flags.compile.passes;
  if (form.name == "graph" && options.stop_after.empty()) {
    options.stop_after = passes::last_graph_pass(options);
  }
  passes::PassReport report;
  const ir::Program program = passes::run_pipeline(graph, options, &report);
  return report.lowered ? ir::to_text(program) : ir::to_text(graph);
}

void write_text(ir::Graph& graph, const Flags& flags, const Form& form, const std::string& output,
                Progress& progress) {
  const std::string text = text_form(graph, flags, form);
  progress.clear();
  if (output == "-") {
    fmt::print("{}", text);
    return;
  }
  data::write_file(output, text);
  if (!flags.quiet) fmt::print("{}: {}\n", output, format_bytes(static_cast<int64_t>(text.size())));
}

void require_only_check(const Flags& flags) {
  if (!flags.output.empty() || !flags.emit.empty() || !flags.header.empty() ||
      !flags.compile.weights_file.empty() || stops_early(flags)) {
    fail(ErrorKind::kUsage,
         "--check writes nothing: no --output, --emit, --header, --weights or --stop-after");
  }
}

int run(Flags& flags) {
  set_dump_target(flags.compile.passes, flags.dump_dir);
  if (flags.check) {
    require_only_check(flags);
    return check_model(flags.model, parse_shapes(flags.shapes), flags.compile.passes);
  }
  const Form form = choose_form(flags);
  const std::string output = choose_output(flags, form);
  check_outputs(flags, form, output);
  if (flags.compile.name.empty()) flags.compile.name = choose_name(flags, output);
  Progress progress(flags.quiet);
  flags.compile.passes.progress = [&](std::string_view pass, int index, int count) {
    progress.show(pass, index + 1, count);
  };
  progress.show("reading the model");
  std::unique_ptr<ir::Graph> graph =
      frontend::read_model(flags.model, {.input_shapes = parse_shapes(flags.shapes)});
  if (form.is_code) {
    write_code(std::move(graph), flags, form, output, progress);
  } else {
    write_text(*graph, flags, form, output, progress);
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

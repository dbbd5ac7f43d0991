#include "tools/tool.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "runtime/data/files.h"
#include "runtime/error.h"
#include "runtime/version.h"

namespace dlc::tools {
namespace {

// Help with lines that fit a terminal and without what CLI11 says of types.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kColumn); }

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (size_t at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n"))
      text.erase(at, 1);
    return text;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0 || option->get_positional()) return "";
    const std::string type = option->get_type_name();
    return " " + type.substr(0, type.find(':'));
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    constexpr size_t kWidth = 110 - kColumn;
    std::string lines, line;
    std::istringstream words(option->get_description());
    for (std::string word; words >> word;) {
      if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
        lines += line + "\n";
        line.clear();
      }
      line += (line.empty() ? "" : " ") + word;
    }
    return lines + line;
  }

 private:
  static constexpr size_t kColumn = 30;
};

int report(const CLI::App& app, std::string_view message, int code) {
  std::fflush(stdout);
  fmt::print(stderr, "{}: error: {}\n", app.get_name(), message);
  return code;
}

int run_guarded(const CLI::App& app, const std::function<int()>& run) {
  try {
    return run();
  } catch (const Error& error) {
    return report(app, error.what(), error.kind() == ErrorKind::kUsage ? kExitUsage : kExitFailed);
  } catch (const std::bad_alloc&) {
    return report(app, "out of memory", kExitFailed);
  } catch (const std::system_error& error) {
    // Of the standard library and LLD: threads that cannot be started.
    return report(app, fmt::format("a resource of the machine is used up: {}", error.what()), kExitFailed);
  } catch (const std::exception& error) {
    return report(app, error.what(), kExitFailed);
  }
}

}  // namespace

int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& run) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", fmt::format("{} {}", app.get_name(), version()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(app, fmt::format("{}; {} --help says more", error.what(), app.get_name()), kExitUsage);
  }
  const int code = run_guarded(app, run);
  if (std::fflush(stdout) != 0 && code == kExitDone)
    return report(app, "standard output cannot be written", 1);
  return code;
}

CLI::Validator at_least(int64_t minimum) {
  const auto check = [minimum](const std::string& text) -> std::string {
    double value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && rest == text.data() + text.size() && value >= static_cast<double>(minimum))
      return "";
    return fmt::format("expected a number of at least {}, found '{}'", minimum, text);
  };
  return CLI::Validator(check, "");
}

std::vector<int64_t> parse_shape(const std::string& text) {
  std::vector<int64_t> shape;
  if (text.empty()) return shape;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find_first_of("x,", begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    int64_t extent = -1;
    const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), extent);
    const bool is_number = error == std::errc() && rest == part.data() + part.size() && extent >= 0;
    if (!is_number && part != "?") {
      fail(ErrorKind::kUsage,
           "--shape: '{}' is no shape; expected dims such as 1x3x224x224 ('?' stays symbolic)", text);
    }
    shape.push_back(is_number ? extent : -1);
    begin = end + 1;
  }
  return shape;
}

Shapes parse_shapes(const std::vector<std::string>& flags) {
  Shapes shapes;
  for (const std::string& flag : flags) {
    // Names may hold '='; shapes cannot.
    const size_t split = flag.rfind('=');
    const std::string name = split == std::string::npos ? "" : flag.substr(0, split);
    const std::string dims = split == std::string::npos ? flag : flag.substr(split + 1);
    if (!shapes.emplace(name, parse_shape(dims)).second) {
      fail(ErrorKind::kUsage, "--shape is given twice for input '{}'", name);
    }
  }
  return shapes;
}

void add_pass_flags(CLI::App& app, passes::Options& options, std::string& dump_dir) {
  const std::string group = "Debugging the compiler";
  app.add_option_function<std::string>(
         "--precision",
         [&options](const std::string& name) {
           try {
             options.precision = passes::parse_precision(name);
           } catch (const Error& error) {
             throw CLI::ValidationError("--precision", error.what());
           }
         },
         "fp32 (default), or bf16: factors of large products are rounded to bfloat16, sums stay in float32")
      ->type_name("NAME");
  app.add_flag("--exact", options.exact, "Leave out algorithms that round differently (Winograd)");
  app.add_option("--max-iterations", options.max_iterations,
                 fmt::format("A Loop that takes more fails the run; default: {}", options.max_iterations))
      ->type_name("COUNT")
      ->check(at_least(1));
  app.add_option("--dump-after", options.dump_after,
                 "Show the program after these passes, on standard error; 'all': after each that changes it, "
                 "'rewrites': what was rewritten")
      ->type_name("PASS,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  app.add_option("--dump-dir", dump_dir, "Write what --dump-after shows to files in this folder")
      ->type_name("FOLDER")
      ->group(group);
  app.add_option("--disable-pass", options.disabled_passes, "Leave these passes out")
      ->type_name("PASS,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  app.add_option("--rewrite-limit", options.rewrite_limit,
                 "Apply no more rewrites than this: to find a wrong one")
      ->type_name("COUNT")
      ->check(at_least(0))
      ->group(group);
  app.add_flag("--verify", options.verify,
               "Verify the program after every pass, not only at the stages' ends")
      ->group(group);
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::kIo, "{}: cannot be made: {}", folder, error.message());
}

void set_dump_target(passes::Options& options, const std::string& folder) {
  if (folder.empty()) {
    options.dump = [](std::string_view pass, const std::string& text) {
      fmt::print(stderr, "---- after {}\n{}\n", pass, text);
    };
    return;
  }
  make_folder(folder);
  // Shared by all copies of the function.
  const auto number = std::make_shared<int>(0);
  options.dump = [folder, number](std::string_view pass, const std::string& text) {
    data::write_file(fmt::format("{}/{:02}_{}.txt", folder, (*number)++, pass), text);
  };
}

std::string format_bytes(int64_t bytes) {
  if (bytes < 0) return "depends on the input's shape";
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

}  // namespace dlc::tools

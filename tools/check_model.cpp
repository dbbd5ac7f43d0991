#include "tools/check_model.h"

#include <fmt/format.h>

#include "frontend/read_model.h"
#include "passes/pipeline.h"
#include "runtime/error.h"

namespace dlc::tools {
namespace {

std::vector<std::string> find_all(const std::string& path, const Shapes& shapes,
                                  const passes::Options& options) {
  std::vector<std::string> faults;
  try {
    const std::unique_ptr<ir::Graph> graph =
        frontend::read_model(path, {.input_shapes = shapes, .faults = &faults});
    const std::vector<std::string> more = passes::find_faults(*graph, options);
    faults.insert(faults.end(), more.begin(), more.end());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kUsage || error.kind() == ErrorKind::kIo) throw;
    faults.emplace_back(error.what());
  }
  return faults;
}

}  // namespace

int check_model(const std::string& path, const Shapes& shapes, const passes::Options& options) {
  const std::vector<std::string> faults = find_all(path, shapes, options);
  if (faults.empty()) {
    fmt::print("{}: found nothing that would not compile\n", path);
    return kExitDone;
  }
  fmt::print("{}: {} fault{}\n", path, faults.size(), faults.size() == 1 ? "" : "s");
  for (const std::string& fault : faults) fmt::print("  {}\n", fault);
  return kExitFailed;
}

}  // namespace dlc::tools

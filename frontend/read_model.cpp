#include "frontend/read_model.h"

#include "frontend/guarded.h"
#include "frontend/import_model.h"
#include "frontend/model_file.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

std::unique_ptr<ir::Graph> import_model(onnx::ModelProto& model, const std::string& folder,
                                        const ReadOptions& options) {
  TensorSource tensors{RawData(model), ExternalData(folder), options.max_model_bytes};
  return Importer(model, tensors, options).run();
}

}  // namespace

std::unique_ptr<ir::Graph> read_model(const std::string& path, const ReadOptions& options) {
  return guarded(path, [&] {
    const std::unique_ptr<onnx::ModelProto> model = parse_model_file(path, options);
    return import_model(*model, folder_of(path), options);
  });
}

std::unique_ptr<ir::Graph> parse_model(std::string_view bytes, const std::string& folder,
                                       const ReadOptions& options) {
  return guarded("model", [&] {
    const std::unique_ptr<onnx::ModelProto> model = parse_model_bytes(bytes, options);
    return import_model(*model, folder, options);
  });
}

}  // namespace dlc::frontend

// Bytes -> ModelProto: parsing with limits, before anything is believed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <onnx/onnx_pb.h>

#include "frontend/read_model.h"

namespace dlc::frontend {

// Parses a file without ever holding its bytes beside the parsed message. Throws Error(kIo) when it cannot be
// read, Error(kModel) when it is no ONNX model, of an unknown IR version or larger than the limits.
std::unique_ptr<onnx::ModelProto> parse_model_file(const std::string& path, const ReadOptions& options);
std::unique_ptr<onnx::ModelProto> parse_model_bytes(std::string_view bytes, const ReadOptions& options);

// Parses any message from a file; false if the bytes are not of that message. Throws Error(kIo).
bool parse_message_file(const std::string& path, int64_t max_bytes, google::protobuf::Message& message);

}  // namespace dlc::frontend

#include "frontend/model_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>

#include "runtime/error.h"

namespace dlc::frontend {
namespace {

namespace io = google::protobuf::io;

constexpr int64_t kProtobufLimit = INT_MAX;  // of one message, in bytes
constexpr int kMessagesPerGraph = 3;         // graph -> node -> attribute -> graph

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail(ErrorKind::kIo, "cannot be opened: {}", std::strerror(errno));
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd_);
      fail(ErrorKind::kIo, "is not a file");
    }
    size_ = info.st_size;
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  int64_t size() const { return size_; }

 private:
  int fd_;
  int64_t size_ = 0;
};

bool parse(io::ZeroCopyInputStream& stream, int max_depth, google::protobuf::Message& message) {
  google::protobuf::LogSilencer silence;  // protobuf would print what the caller reports
  io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(INT_MAX);
  coded.SetRecursionLimit((max_depth + 2) * kMessagesPerGraph + 10);
  return message.ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

void check_size(int64_t size, int64_t limit) {
  if (size == 0) fail(ErrorKind::kModel, "is empty; expected an ONNX model");
  if (size > kProtobufLimit) {
    fail(ErrorKind::kModel,
         "has {} bytes; an ONNX file holds at most {}. Store large weights as external data beside it", size,
         kProtobufLimit);
  }
  if (size > limit) fail(ErrorKind::kResource, "has {} bytes; the limit is {}", size, limit);
}

[[noreturn]] void fail_parse(int64_t size) {
  fail(ErrorKind::kModel,
       "is not an ONNX model, is truncated or nests too deeply ({} bytes cannot be parsed)", size);
}

void check_header(const onnx::ModelProto& model) {
  if (!model.has_graph()) fail(ErrorKind::kModel, "is not an ONNX model: it has no graph");
  if (!model.has_ir_version()) fail(ErrorKind::kModel, "is not an ONNX model: it states no IR version");
  if (model.ir_version() < 1 || model.ir_version() > onnx::Version::IR_VERSION) {
    fail(ErrorKind::kModel, "has ONNX IR version {}; known are 1 to {}", model.ir_version(),
         static_cast<int>(onnx::Version::IR_VERSION));
  }
}

}  // namespace

std::unique_ptr<onnx::ModelProto> parse_model_file(const std::string& path, const ReadOptions& options) {
  const File file(path);
  check_size(file.size(), options.max_model_bytes);
  auto model = std::make_unique<onnx::ModelProto>();
  io::FileInputStream stream(file.fd(), 1 << 18);
  if (!parse(stream, options.max_depth, *model)) fail_parse(file.size());
  check_header(*model);
  return model;
}

std::unique_ptr<onnx::ModelProto> parse_model_bytes(std::string_view bytes, const ReadOptions& options) {
  check_size(static_cast<int64_t>(bytes.size()), options.max_model_bytes);
  auto model = std::make_unique<onnx::ModelProto>();
  io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (!parse(stream, options.max_depth, *model)) fail_parse(static_cast<int64_t>(bytes.size()));
  check_header(*model);
  return model;
}

bool parse_message_file(const std::string& path, int64_t max_bytes, google::protobuf::Message& message) {
  const File file(path);
  if (file.size() > kProtobufLimit || file.size() > max_bytes) {
    fail(ErrorKind::kResource, "has {} bytes; the limit is {}", file.size(),
         std::min(kProtobufLimit, max_bytes));
  }
  io::FileInputStream stream(file.fd(), 1 << 18);
  return parse(stream, 16, message);
}

}  // namespace dlc::frontend

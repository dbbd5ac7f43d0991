#include "ir/op.h"

#include <fmt/format.h>

namespace dlc::ir {
namespace {

// Shape computations are small; longer integer constants are data.
constexpr int64_t kMaxShapeValue = 1024;

bool is_set(const Type& type) { return !type.is_tensor() || type.tensor.dtype != DType::kUndefined; }

// No extent is negative and sizes in bytes fit 64 bits wherever the fixed extents alone decide that.
void check_size(const Node& node, size_t output) {
  const Type& type = node.output(output)->type();
  if (!type.is_tensor()) return;
  int64_t bits = std::max(bit_width(type.tensor.dtype), 8);
  bool overflows = false;
  for (const Dim& extent : type.tensor.shape) {
    if (!extent.is_constant()) continue;
    if (extent.value() < 0) {
      fail(ErrorKind::kModel, "output {}: extents are 0 or more, found {}", output, to_string(type));
    }
  }
  for (const Dim& extent : type.tensor.shape) {
    if (!extent.is_constant()) continue;
    if (extent.value() == 0) return;
    overflows = overflows || __builtin_mul_overflow(bits, extent.value(), &bits);
  }
  if (overflows) {
    fail(ErrorKind::kModel, "output {}: the size of {} overflows 64 bits", output, to_string(type));
  }
}

}  // namespace

void InferContext::fail_text(std::string text) const { throw Error(ErrorKind::kModel, std::move(text)); }

const Type& InferContext::input_type(size_t i) const {
  const Value* value = node_.input(i);
  if (value == nullptr) fail("input {} is missing", i);
  return value->type();
}

const TensorType& InferContext::input(size_t i) const {
  const Type& type = input_type(i);
  if (!type.is_tensor()) {
    fail("input {} ('{}'): expected a tensor, found {}", i, node_.input(i)->name(), to_string(type));
  }
  return type.tensor;
}

void InferContext::set_output(size_t i, Type type) {
  if (Value* output = node_.output(i)) output->set_type(std::move(type));
}

const Tensor* InferContext::constant(size_t i) const {
  const Value* value = node_.input(i);
  return value != nullptr && value->is_constant() ? &value->constant() : nullptr;
}

std::optional<std::vector<Dim>> InferContext::shape_value(size_t i) const {
  const Value* value = node_.input(i);
  if (value == nullptr) return std::nullopt;
  if (value->shape_value()) return value->shape_value();
  if (!value->is_constant()) return std::nullopt;
  const Tensor& tensor = value->constant();
  if (!is_integer(tensor.dtype()) || tensor.rank() > 1 || tensor.size() > kMaxShapeValue) return std::nullopt;
  std::vector<int64_t> numbers = tensor.to_ints();
  return std::vector<Dim>(numbers.begin(), numbers.end());
}

std::vector<int64_t> InferContext::ints(size_t i, std::string_view what) const {
  const Type& type = input_type(i);
  if (const Tensor* tensor = constant(i); tensor != nullptr && is_integer(tensor->dtype())) {
    return tensor->to_ints();
  }
  std::optional<std::vector<Dim>> value = shape_value(i);
  if (!value) {
    fail("{} (input {}, '{}', {}): expected integers known at compile time", what, i, node_.input(i)->name(),
         to_string(type));
  }
  std::vector<int64_t> result;
  for (const Dim& element : *value) {
    if (!element.is_constant()) {
      fail("{} (input {}, '{}'): expected integers known at compile time, found {}", what, i,
           node_.input(i)->name(), element.to_string());
    }
    result.push_back(element.value());
  }
  return result;
}

int64_t InferContext::known(const Dim& extent, std::string_view what) const {
  if (!extent.is_constant()) {
    fail("{} must be known at compile time, found {}; --shape fixes the extents of inputs", what,
         extent.to_string());
  }
  return extent.value();
}

void InferContext::set_shape_value(size_t output, std::vector<Dim> value) {
  if (Value* result = node_.output(output)) result->set_shape_value(std::move(value));
}

Dim InferContext::fresh_symbol(std::string_view hint, SymbolInfo info) const {
  if (next_symbol_ == node_.symbols().size()) {
    node_.add_symbol(node_.graph().fresh_symbol(hint, std::move(info)).symbol_name());
  } else {
    node_.graph().symbols()[node_.symbols()[next_symbol_]] = std::move(info);
  }
  return Dim::symbol(node_.symbols()[next_symbol_++]);
}

int64_t InferContext::normalize_axis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank) {
    fail("axis: expected a number in [{}, {}), found {}", -rank, rank, axis);
  }
  return axis < 0 ? axis + rank : axis;
}

void infer_node(Node& node) {
  for (Value* output : node.outputs()) {
    if (output != nullptr) output->clear_shape_value();
  }
  try {
    InferContext context(node);
    node.op().infer(context);
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      if (node.output(i) != nullptr && is_set(node.output(i)->type())) check_size(node, i);
    }
  } catch (Error& error) {
    error.add_context(node.describe());
    throw;
  }
  for (Value* output : node.outputs()) {
    check(output == nullptr || is_set(output->type()), "inference sets the type of every output");
  }
}

void infer_types(Graph& graph) {
  for (const auto& node : graph.nodes()) infer_node(*node);
}

}  // namespace dlc::ir

#include "ir/builder.h"

#include <numeric>

#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

bool is_identity(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

}  // namespace

Builder::Builder(Graph& graph, Node* before, const Node* origin)
    : graph_(graph), before_(before), name_(origin == nullptr ? "" : origin->name()) {}

std::vector<Value*> Builder::op_n(std::string_view name, size_t outputs, std::vector<Value*> inputs,
                                  Attributes attributes, std::string_view domain) {
  const OpDef& op = OpRegistry::global().get(domain, name);
  Node* node = graph_.add_node(op, std::move(inputs), std::vector<std::string>(outputs),
                               std::move(attributes), name_, before_);
  infer_node(*node);
  return {node->outputs().begin(), node->outputs().end()};
}

Value* Builder::op_in(std::string_view domain, std::string_view name, std::vector<Value*> inputs,
                      Attributes attributes) {
  return op_n(name, 1, std::move(inputs), std::move(attributes), domain)[0];
}

Value* Builder::op(std::string_view name, std::vector<Value*> inputs, Attributes attributes) {
  return op_in("", name, std::move(inputs), std::move(attributes));
}

Value* Builder::constant(Tensor tensor) { return graph_.add_constant("", std::move(tensor)); }

Value* Builder::scalar(DType type, double value) { return constant(Tensor::scalar(type, value)); }

Value* Builder::like(Value* value, double constant) { return scalar(value->dtype(), constant); }

Value* Builder::ints(std::vector<int64_t> values) { return constant(Tensor::from_ints(values)); }

Value* Builder::dims(const std::vector<Dim>& values) {
  if (is_static(values)) return ints(static_shape(values));
  std::vector<std::string> texts;
  for (const Dim& value : values) texts.push_back(value.to_string());
  return op_in("dlc", "Dims", {}, {{"dims", std::move(texts)}});
}

Value* Builder::cast(Value* value, DType type) {
  if (value->dtype() == type) return value;
  return op("Cast", {value}, {{"to", static_cast<int64_t>(type)}});
}

Value* Builder::reshape(Value* value, const Shape& shape) {
  if (value->shape() == shape) return value;
  // allowzero: a symbolic extent may turn out to be zero and must not mean "as in the input".
  return op("Reshape", {value, dims(shape)}, {{"allowzero", int64_t{1}}});
}

Value* Builder::transpose(Value* value, std::vector<int64_t> perm) {
  if (is_identity(perm)) return value;
  return op("Transpose", {value}, {{"perm", std::move(perm)}});
}

Value* Builder::reduce(std::string_view op_name, Value* value, std::vector<int64_t> axes, bool keepdims) {
  return op(op_name, {value, ints(std::move(axes))},
            {{"keepdims", int64_t{keepdims}}, {"noop_with_empty_axes", int64_t{1}}});
}

void Builder::replace(Node& node, size_t i, Value* value) {
  Value* old = node.output(i);
  if (old == nullptr || old == value) return;
  if (old->type().is_tensor() && value->type().is_tensor() && old->dtype() != DType::kUndefined) {
    check(old->dtype() == value->dtype(), "a replacement has the same element type");
    check(old->shape().size() == value->shape().size(), "a replacement has the same rank");
  }
  graph_.replace_all_uses(old, value);
  graph_.pass_name(old, value);
}

std::vector<int64_t> swap_last_axes(size_t rank) {
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[rank - 1], perm[rank - 2]);
  return perm;
}

}  // namespace dlc::ir

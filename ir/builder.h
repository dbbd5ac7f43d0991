// Builder: makes nodes where an expansion, a rewrite or a gradient needs them and infers their types as it
// goes.
#pragma once

#include <initializer_list>

#include "ir/graph.h"

namespace dlc::ir {

class Builder {
 public:
  // New nodes go before `before` (null: at the end of the graph); they inherit the name of `origin`, if
  // given.
  explicit Builder(Graph& graph, Node* before = nullptr, const Node* origin = nullptr);

  using Attributes = ir::Attributes;
  Value* op(std::string_view name, std::vector<Value*> inputs, Attributes attributes = {});
  std::vector<Value*> op_n(std::string_view name, size_t outputs, std::vector<Value*> inputs,
                           Attributes attributes = {}, std::string_view domain = "");
  Value* op_in(std::string_view domain, std::string_view name, std::vector<Value*> inputs,
               Attributes attributes = {});

  Value* constant(Tensor tensor);
  Value* scalar(DType type, double value);      // rank 0
  Value* like(Value* value, double constant);   // scalar of the value's element type
  Value* ints(std::vector<int64_t> values);     // int64 rank 1
  Value* dims(const std::vector<Dim>& values);  // int64 rank 1, symbolic ones computed from the bound symbols

  Value* add(Value* a, Value* b) { return op("Add", {a, b}); }
  Value* sub(Value* a, Value* b) { return op("Sub", {a, b}); }
  Value* mul(Value* a, Value* b) { return op("Mul", {a, b}); }
  Value* div(Value* a, Value* b) { return op("Div", {a, b}); }
  // The value itself where nothing would change.
  Value* cast(Value* value, DType type);
  Value* reshape(Value* value, const Shape& shape);
  Value* transpose(Value* value, std::vector<int64_t> perm);
  // op is "ReduceSum", "ReduceMax", ...
  Value* reduce(std::string_view op, Value* value, std::vector<int64_t> axes, bool keepdims);

  Graph& graph() const { return graph_; }
  // Replaces all uses of output `i` of `node` and keeps the old name on the new value where it is unnamed.
  // The new value has the same element type and rank.
  void replace(Node& node, size_t i, Value* value);

 private:
  Graph& graph_;
  Node* before_;
  std::string name_;  // of new nodes
};

// The perm of a Transpose that exchanges rows and columns: the last two of `rank` axes, 2 at least.
std::vector<int64_t> swap_last_axes(size_t rank);

}  // namespace dlc::ir

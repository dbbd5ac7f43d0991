// Reverse-mode differentiation of graphs: what a gradient rule works with, and the walk that applies the
// rules.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/builder.h"
#include "ir/graph.h"
#include "runtime/error.h"

namespace dlc::ir {

// The sum of `value` over the axes along which `shape` broadcasts to its shape; `value` itself where there
// are none. Extents that are not known to be equal or 1 are told apart during the run.
Value* sum_to(Builder& builder, Value* value, const Shape& shape);

// Values of enclosing graphs that a sub-graph reads or gives on as they are; one may come several times.
std::vector<Value*> captured_values(const Graph& body);

// What went wrong while a graph was differentiated, so that one message can name all of it.
using GradientFaults = std::vector<std::string>;

struct Cotangent {
  Value* value;
  Value* grad;  // of the value's type
};

// Extends the graph, at its end, by nodes that compute sum over the seeds of grad^T * d value / d w for each
// w of `wrt`; null where nothing depends on w. Values of other than floating-point type are constants.
// Operators without rule are first replaced by their definitions. A rule may ask for further outputs of its
// node, or replace it. Nodes that cannot be differentiated are added to `faults`, and are taken for
// constants. `wrt` may hold values of enclosing graphs.
std::vector<Value*> pull_back(Graph& graph, std::span<const Cotangent> seeds, std::span<Value* const> wrt,
                              GradientFaults& faults);

// One node while its rule runs. Nodes that the rule makes go to the end of the graph.
class GradientContext {
 public:
  GradientContext(Node& node, std::vector<Value*> output_grads, std::function<bool(const Value*)> is_active,
                  std::function<void(Value*, Value*)> contribute, GradientFaults& faults);

  Node& node() const { return node_; }
  Builder& builder() { return builder_; }
  Value* input(size_t i) const { return node_.input(i); }
  Value* output(size_t i = 0) const { return node_.output(i); }
  // An output that the rule needs whether the model asks for it or not.
  Value* ensure_output(size_t i);

  // The cotangent of an output; null: zero.
  Value* grad(size_t output = 0) const { return output < grads_.size() ? grads_[output] : nullptr; }
  // Whether the cotangent of the input is of use.
  bool wants(size_t input) const { return wants_value(node_.input(input)); }
  bool wants_value(const Value* value) const { return value != nullptr && is_active_(value); }
  // Adds to the cotangent of an input. The value has the input's type, or a shape that the input broadcasts
  // to: then it is summed. Null adds nothing.
  void set(size_t input, Value* grad) { contribute(node_.input(input), grad); }
  void contribute(Value* value, Value* grad);

  // The same for another node that stands for this one.
  GradientContext with(Node& node) const;
  GradientFaults& faults() const { return faults_; }

  // This form of the node has no derivative: Error(kModel), which becomes one of the faults.
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(ErrorKind::kModel, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  Node& node_;
  Builder builder_;
  std::vector<Value*> grads_;
  std::function<bool(const Value*)> is_active_;
  std::function<void(Value*, Value*)> contribute_;
  GradientFaults& faults_;
};

}  // namespace dlc::ir

// Graph IR: an SSA graph of tensor operators with the semantics of the newest ONNX operator sets.
//
// A Graph owns its values and nodes. Nodes are kept in one topological order. A value is an input of its
// graph, a constant, or an output of a node. Sub-graphs (branches of If, bodies of Loop and Scan) are
// attributes of their node; they may read values of the enclosing graphs ("captured values"), which then
// counts as a use.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/type.h"
#include "runtime/tensor.h"

namespace dlc::ir {

class Graph;
class Node;
struct OpDef;

using Attribute = std::variant<int64_t, double, std::string, Tensor, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>, std::shared_ptr<Graph>, Type>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

struct Use {
  Node* node;
  size_t index;  // of the node's inputs
  friend bool operator==(const Use&, const Use&) = default;
};

class Value {
 public:
  const std::string& name() const { return name_; }
  const Type& type() const { return type_; }
  const TensorType& tensor_type() const;  // Error(kModel) if it is no tensor
  const Shape& shape() const { return tensor_type().shape; }
  DType dtype() const { return tensor_type().dtype; }
  void set_type(Type type) { type_ = std::move(type); }

  Graph& graph() const { return *graph_; }
  Node* producer() const { return producer_; }  // null for inputs and constants
  size_t output_index() const { return output_index_; }
  bool is_constant() const { return constant_.defined(); }
  const Tensor& constant() const { return constant_; }
  const std::vector<Use>& uses() const { return uses_; }  // by nodes, of this graph and of sub-graphs
  bool has_uses() const { return !uses_.empty() || output_uses_ > 0; }  // by nodes or as an output of a graph
  bool is_graph_output() const { return output_uses_ > 0; }             // of its graph or of a sub-graph
  bool is_input() const { return is_input_; }                           // of its graph

  // What is known at compile time of the content of an integer tensor of rank 0 or 1, element by element, as
  // symbolic integers. Inference propagates it so that computed shapes need no run-time computation.
  const std::optional<std::vector<Dim>>& shape_value() const { return shape_value_; }
  void set_shape_value(std::vector<Dim> value) { shape_value_ = std::move(value); }
  void clear_shape_value() { shape_value_.reset(); }

 private:
  friend class Graph;
  friend class Node;
  std::string name_;
  Type type_;
  Graph* graph_ = nullptr;
  Node* producer_ = nullptr;
  size_t output_index_ = 0;
  Tensor constant_;
  std::optional<std::vector<Dim>> shape_value_;
  std::vector<Use> uses_;
  size_t output_uses_ = 0;  // how often it is an output of its graph or of a sub-graph
  bool is_input_ = false;
  bool made_up_name_ = false;
};

class Node {
 public:
  const OpDef& op() const { return *op_; }
  const std::string& name() const { return name_; }  // the model's node name; may be empty
  void set_name(std::string name) { name_ = std::move(name); }
  Graph& graph() const { return *graph_; }
  std::span<Value* const> inputs() const { return inputs_; }    // null where an optional input is absent
  std::span<Value* const> outputs() const { return outputs_; }  // null where an optional output is absent
  Value* input(size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }
  Value* output(size_t i = 0) const { return i < outputs_.size() ? outputs_[i] : nullptr; }
  void set_input(size_t i, Value* value);  // appends absent inputs where `i` is beyond the last
  void truncate_inputs(size_t count);      // drops the inputs from `count` on

  const Attributes& attributes() const { return attributes_; }
  bool has(std::string_view name) const { return attributes_.contains(name); }
  // Typed access; the second form gives `fallback` where the attribute is absent. Error(kModel) when the
  // attribute is absent without fallback or has another type.
  template <class T>
  const T& attribute(std::string_view name) const;
  template <class T>
  T attribute(std::string_view name, T fallback) const;
  void set_attribute(std::string name, Attribute value);
  void erase_attribute(std::string_view name);
  Attributes take_attributes() { return std::exchange(attributes_, {}); }  // for another node

  // "Conv 'layer1/conv' (output 'x12')", for messages.
  std::string describe() const;

  // Symbols that inference has made for this node, in the order of its requests; inferring again gives the
  // same.
  const std::vector<std::string>& symbols() const { return symbols_; }
  void add_symbol(std::string name) { symbols_.push_back(std::move(name)); }

 private:
  friend class Graph;
  const OpDef* op_ = nullptr;
  std::string name_;
  Graph* graph_ = nullptr;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;
  Attributes attributes_;
  std::vector<std::string> symbols_;
  std::list<std::unique_ptr<Node>>::iterator position_;
};

// What is known of a symbol beyond its name.
struct SymbolInfo {
  std::optional<Dim> upper_bound;  // e.g. NonZero's count <= number of elements
  bool from_input = false;         // bound at entry from the shape of an input
  bool may_be_negative = false;    // its name then begins with '$'
};

class Graph {
 public:
  explicit Graph(std::string name = "graph", Graph* parent = nullptr);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  const std::string& name() const { return name_; }
  Graph* parent() const { return parent_; }             // null for the main graph
  void set_parent(Graph* parent) { parent_ = parent; }  // of a sub-graph that moves within its model

  static constexpr std::string_view kAbsent = "<absent>";
  // Names of values are unique in the model: one that is taken gets a number.
  Value* add_input(std::string name, Type type);
  Value* add_constant(std::string name, Tensor tensor);
  // Inserted before `before` (null: at the end). Output types are unset until infer_types() or set_type().
  // `outputs` gives the names, made unique; an absent output has the name kAbsent, an empty name is made up.
  Node* add_node(const OpDef& op, std::vector<Value*> inputs, std::vector<std::string> outputs,
                 Attributes attributes = {}, std::string name = "", Node* before = nullptr);
  // Output `i` of the node, added if it was absent; the node is then to be inferred again.
  Value* ensure_output(Node* node, size_t i);
  void set_outputs(std::vector<Value*> values, std::vector<std::string> names);
  void replace_output(size_t index, Value* value);
  void set_output_name(size_t index, std::string name) { output_names_[index] = std::move(name); }

  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const {
    return outputs_;
  }  // may repeat a value, an input or a constant
  const std::vector<std::string>& output_names() const { return output_names_; }
  const std::list<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  std::vector<Value*> constants() const;

  // All uses (nodes' inputs here and in sub-graphs, graph outputs) of `from` become `to`.
  void replace_all_uses(Value* from, Value* to);
  bool is_output(const Value* value) const;  // of this graph
  // Requires that no output has a use. Uses by its sub-graphs end too. The node's values stay until
  // erase_unused_values().
  void erase(Node* node);
  // Frees constants without use and the values of erased nodes.
  void erase_unused_values();
  void move_before(Node* node, Node* before);  // null: to the end
  // The values exchange names if that of `to` was made up and that of `from` was not.
  void pass_name(Value* from, Value* to);

  // A symbol that no other of this model has; `hint` becomes part of the name.
  Dim fresh_symbol(std::string_view hint, SymbolInfo info = {});
  // Of the root graph, shared by all sub-graphs.
  std::map<std::string, SymbolInfo>& symbols() { return root().symbols_; }
  const std::map<std::string, SymbolInfo>& symbols() const { return root().symbols_; }

  std::string unique_name(std::string_view hint);

 private:
  friend class Node;
  Graph& root();
  const Graph& root() const { return const_cast<Graph*>(this)->root(); }
  Value* make_value(std::string name, std::string_view hint);
  static void add_use(Value* value, Use use);
  static void remove_use(Value* value, Use use);
  void replace_outputs(Value* from, Value* to);
  void drop_uses();

  std::string name_;
  Graph* parent_;
  std::vector<std::unique_ptr<Value>> values_;
  std::list<std::unique_ptr<Node>> nodes_;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;
  std::vector<std::string> output_names_;
  std::map<std::string, SymbolInfo> symbols_;              // root only
  std::map<std::string, int, std::less<>> name_counters_;  // root only
};

// The sub-graphs of a node with their attribute names, in name order.
std::vector<std::pair<std::string, Graph*>> subgraphs(const Node& node);

}  // namespace dlc::ir

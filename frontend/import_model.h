// ModelProto -> Graph: names become values, functions become their bodies, operator versions become the
// newest.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "frontend/check_node.h"
#include "frontend/order_nodes.h"
#include "frontend/read_model.h"
#include "frontend/read_tensor.h"
#include "frontend/read_type.h"
#include "frontend/upgrade.h"
#include "ir/clone.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::frontend {

// What the names in one graph or function body mean.
struct Scope {
  // An attribute of the call that a function body belongs to, and what the names in it (if it is a graph)
  // mean.
  struct Binding {
    const onnx::AttributeProto* proto;
    const Scope* scope;
  };
  using Bindings = std::map<std::string, Binding>;

  ir::Graph& graph;
  const Opsets& opsets;
  const Scope* outer = nullptr;    // of the enclosing graph; null in a main graph and in a function body
  const Bindings* call = nullptr;  // inside a function body
  int depth = 0;                   // of sub-graphs and functions
  ir::Node* before = nullptr;      // where nodes go; null: at the end
  std::string prefix = "";         // of names inside function bodies
  std::unordered_map<std::string, ir::Value*> values = {};

  // Null: undefined, or an optional input of a function that its caller left out.
  ir::Value* find(const std::string& name) const;
  bool defines(const std::string& name) const;
};

// Imports one model in two walks. The first makes a Graph of the same structure with the nodes' versions on
// the side. The second, in order of evaluation, checks types, upgrades each node, replaces operators that dlc
// has no record of by the function bodies of their schemas, and infers types.
class Importer {
 public:
  Importer(const onnx::ModelProto& model, TensorSource& tensors, const ReadOptions& options);
  std::unique_ptr<ir::Graph> run();

 private:
  // What the second walk needs to know of a node.
  struct Pending {
    const onnx::OpSchema* schema;
    const onnx::NodeProto* proto;
    Scope::Bindings attributes;  // of a placeholder; protos of the model, of a schema or of bodies_
    std::vector<std::string>
        captures;  // names of the additional inputs of a placeholder, read by its sub-graphs
    const Opsets* opsets;
    int depth;
    bool expands;  // it is a placeholder
  };
  struct TypeCheck {
    std::string node;
    const onnx::OpSchema* schema;
    std::vector<ir::Value*> inputs;
  };
  struct Body {
    const onnx::FunctionProto* function;
    Opsets opsets;
    onnx::FunctionProto built;  // what `function` points to where a schema built it for one node
  };
  using FunctionKey = std::tuple<std::string, std::string, std::string>;  // domain, name, overload

  // import_model.cpp: the model and its main graph.
  void read_functions();
  void read_inputs(Scope& scope);
  ir::Type read_input_type(const onnx::ValueInfoProto& input);
  void fix_input_dims(const onnx::ValueInfoProto& input, const std::vector<int64_t>& shape);
  void check_outputs(const ir::Graph& graph);
  void check_output(const onnx::ValueInfoProto& declared, const ir::Type& found);

  // import_nodes.cpp: first walk.
  void read_initializers(const onnx::GraphProto& proto, Scope& scope);
  void read_nodes(const NodeList& nodes, Scope& scope);
  void read_node(const onnx::NodeProto& node, Scope& scope);
  Scope::Bindings resolve_attributes(const onnx::NodeProto& node, const Scope& scope);
  void add_node(const onnx::NodeProto& node, const onnx::OpSchema& schema, Scope::Bindings attributes,
                Scope& scope);
  void add_placeholder(const onnx::NodeProto& node, const onnx::OpSchema& schema, Scope::Bindings attributes,
                       Scope& scope);
  void read_outputs(const onnx::GraphProto& proto, Scope& scope);
  std::shared_ptr<ir::Graph> read_subgraph(const onnx::GraphProto& proto, const Scope& outer);
  std::vector<ir::Value*> read_inputs_of(const onnx::NodeProto& node, const Scope& scope);
  void name_outputs(const onnx::NodeProto& node, std::span<ir::Value* const> values, Scope& scope);
  const Body* find_function(const onnx::NodeProto& node) const;
  // The outputs; null for one that the body does not define, as bodies of schemas leave out what nobody uses.
  std::vector<ir::Value*> read_call(const Body& body, const std::vector<ir::Value*>& inputs,
                                    const Scope::Bindings& attributes, Scope& scope);
  void count_node();

  // settle_nodes.cpp: second walk.
  void settle(ir::Graph& graph, bool typed);
  NodePosition settle_node(ir::Graph& graph, NodePosition position, bool typed);
  void check_types(const ir::Node& node, const Pending& pending);
  void run_type_checks();
  void expand(ir::Node& placeholder, const Pending& pending);
  void find_body(const ir::Node& placeholder, const Pending& pending, Body& body);

  // settle_branches.cpp: nodes that run one of two sub-graphs.
  NodePosition settle_branches(ir::Graph& graph, NodePosition position);
  NodePosition take_known_branch(ir::Graph& graph, NodePosition position, const ir::Graph& taken);
  void copy_unsettled(const std::vector<ir::Node*>& nodes, ir::Graph& target, ir::ValueMap& values);
  void settle_both(ir::Node& branch);
  ir::Node& move_rest_into(ir::Node& branch, const std::vector<ir::Node*>& rest);
  void append_copies(const std::vector<ir::Node*>& rest, ir::Node& branch, bool condition,
                     const std::vector<ir::Value*>& results);
  void settle_rest(ir::Node& branch);
  void erase_unsettled(ir::Node& node);
  void forget(const ir::Node& node);

  // collect_faults.cpp: going on behind a fault, where the options ask for it. Only the nodes of the main
  // graph are settled on their own; a fault in a sub-graph is one of the node around it.
  bool collects(const ir::Graph& graph) const {
    return options_.faults != nullptr && graph.parent() == nullptr;
  }
  void collect(const Error& error) { options_.faults->emplace_back(error.what()); }
  void add_broken(const onnx::NodeProto& node, Scope& scope);
  NodePosition settle_or_collect(ir::Graph& graph, NodePosition position);
  bool is_broken(const ir::Node& node) const;
  void mark_faulty(NodePosition begin, NodePosition end);
  void drop_faulty();

  const onnx::ModelProto& model_;
  TensorSource& tensors_;
  const ReadOptions& options_;
  SymbolTable symbols_;
  std::unique_ptr<ir::Graph> graph_;
  std::map<FunctionKey, Body> functions_;
  std::vector<std::string> function_names_;  // for suggestions
  std::vector<const Body*> active_calls_;
  std::deque<Body> bodies_;  // of schemas; pending nodes point into them
  std::unordered_map<const ir::Node*, Pending> pending_;
  std::vector<TypeCheck> type_checks_;  // of nodes whose inputs had no type yet
  int64_t node_count_ = 0;
  int rank_splits_ = 0;
  std::set<const ir::Node*> faulty_;  // of the main graph; their results are not to be used
};

// Of a node's outputs and of the node itself, in the graph that the scope is of.
std::vector<std::string> output_names(const onnx::NodeProto& node, const Scope& scope);
std::string node_name(const onnx::NodeProto& node, const Scope& scope);

// Attributes that the schema has a default for and the node does not have.
void fill_defaults(ir::Node& node, const onnx::OpSchema& schema, TensorSource& tensors);

}  // namespace dlc::frontend

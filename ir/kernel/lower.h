// LowerContext: what an operator's lower() uses to turn its node into buffers, views and kernels.
#pragma once

#include <functional>
#include <string_view>

#include "ir/graph.h"
#include "ir/kernel/kernel.h"
#include "ir/kernel/view_index.h"

namespace dlc::ir {

class LowerContext {
 public:
  LowerContext(Program& program, Region& region, const Node& node, std::map<const Value*, BufferId>& buffers);

  const Node& node() const { return node_; }
  Program& program() { return program_; }
  bool has_input(size_t i) const { return node_.input(i) != nullptr; }
  bool has_output(size_t i) const { return node_.output(i) != nullptr; }
  // As the buffers hold them: storage_type().
  TensorType input_type(size_t i) const { return storage_type(node_.input(i)->type()); }
  TensorType output_type(size_t i = 0) const { return storage_type(node_.output(i)->type()); }
  const Shape& input_shape(size_t i) const { return node_.input(i)->shape(); }
  const Shape& output_shape(size_t i = 0) const { return node_.output(i)->shape(); }
  BufferId input(size_t i) const;
  // The buffer of an output; made as a kTemp on first use.
  BufferId output(size_t i = 0);
  BufferId temp(DType type, Shape shape, std::string_view hint);
  BufferId constant(Tensor tensor, std::string_view hint);
  // Declares output i to be a view of another buffer.
  void view_output(size_t i, View view);
  // Makes a view without an output, e.g. [batch, heads, length, head size] of a [batch, length, hidden]
  // buffer.
  BufferId view(Shape shape, View view, std::string_view hint);
  // `id` if its elements are stored dense in row-major order (checked later again after layout), else a copy.
  BufferId dense(BufferId id);
  // The elements of `id` in row-major order under another shape: a kReshape view, of a dense copy where the
  // storage of `id` forbids the view.
  BufferId reshaped(BufferId id, Shape shape, std::string_view hint);
  // Declares output i to be the buffer `id` as it is (same shape), e.g. of Identity.
  void alias_output(size_t i, BufferId id);

  VarId fresh_var() { return program_.fresh_var(); }
  Expr at(BufferId id, Index index) const;  // load with the buffer's type
  Expr at_input(size_t i, Index index) const { return at(input(i), std::move(index)); }
  // Load of `id` at an index of a shape it broadcasts to (ONNX multidirectional broadcasting, right-aligned).
  Expr at_broadcast(BufferId id, const Index& index, const Shape& index_shape) const;

  // out[i...] = value(i...) for all i: one parallel-by-rows loop nest over the buffer's shape. Axes of extent
  // 1 have no loop; their index is 0.
  void map(BufferId out, const std::function<Expr(const Index&)>& value, std::string_view name = "");
  void map_output(const std::function<Expr(const Index&)>& value) { map(output(), value); }
  // out[i...] = finish(combine over r in axes-extents of value(i, r)).
  void reduce(BufferId out, const Shape& reduced, Combiner combiner, Expr init,
              const std::function<Expr(const Index& outer, const Index& inner)>& value,
              const std::function<Expr(Expr)>& finish, std::string_view name = "");
  // `name` defaults to the operator's name in lower case.
  void loop_nest(Block body, std::string_view name = "");
  void contraction(Contraction contraction, std::string_view name = "");
  void call(Call call, std::string_view name = "");
  void step(Step step);

  // The same node, with its steps going into a nested region.
  LowerContext inside(Region& region) { return {program_, region, node_, buffers_}; }
  // Control flow: lowers a sub-graph into `region`; the sub-graph's inputs are bound to the given buffers
  // first. Returns the buffers of its outputs.
  std::vector<BufferId> lower_subgraph(const Graph& graph, Region& region,
                                       const std::vector<BufferId>& inputs);

 private:
  bool is_input(BufferId id) const;

  Program& program_;
  Region& region_;
  const Node& node_;
  std::map<const Value*, BufferId>& buffers_;
};

// Building blocks of loop nests, for lowerings that map() and reduce() do not cover.
Stmt for_loop(VarId var, Expr end, LoopKind kind, Block body);
Stmt store(BufferId buffer, Index index, Expr value);
Stmt let(VarId var, Expr value);
Stmt reduce_into(VarId var, Combiner combiner, Expr value);
// Nested loops over [0, shape[i]) around `body`; variables are vars[i]; the outermost `parallel` of them are
// kParallel. A kNone variable stands for an axis without loop.
Block nest(const std::vector<VarId>& vars, const Shape& shape, size_t parallel, Block body);
Expr combine(Combiner combiner, const Expr& a, const Expr& b);
Expr neutral(Combiner combiner, DType type);

struct LowerOptions {
  int64_t max_iterations = kMaxIterations;  // of a Loop; more fail the run
};

// Graph -> Program: every node by its lower(). Requires that all types are inferred and all nodes have a
// lower().
Program lower_to_kernels(const Graph& graph, const LowerOptions& options = {});
// What lower_to_kernels() finds wrong with nodes of the graph; nodes that depend on one are left out.
std::vector<std::string> find_lowering_faults(const Graph& graph);

}  // namespace dlc::ir

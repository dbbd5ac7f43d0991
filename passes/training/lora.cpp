#include "passes/training/lora.h"

#include <cmath>

#include <fmt/ranges.h>

#include "ir/op.h"
#include "ir/term.h"
#include "passes/rewrites/match.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

using ir::Builder;
using ir::Node;
using ir::Term;
using ir::Value;

// The layers of one weight.
struct Layers {
  std::vector<Node*> nodes;
  bool is_transposed = false;
};

bool exchanges_axes(const Node& node) {
  if (!is_op(node, "Transpose") || node.input(0)->shape().size() != 2) return false;
  const auto perm = node.attribute<std::vector<int64_t>>("perm", {1, 0});
  return perm == std::vector<int64_t>{1, 0};
}

// Whether the node is a layer with input 1 as its weight; `is_transposed`: that is [inputs, outputs].
bool is_layer(const Node& node, size_t rank, bool& is_transposed) {
  if (is_op(node, "Conv")) return rank > 2 && node.attribute<int64_t>("group", 1) == 1;
  if (rank != 2) return false;
  if (is_op(node, "Gemm")) {
    if (node.attribute<int64_t>("transB", 0) == 0) is_transposed = !is_transposed;
    return true;
  }
  is_transposed = !is_transposed;
  return is_op(node, "MatMul") && node.input(0)->shape().size() >= 2;
}

// False where something else uses the value, or layers use it both ways round.
bool collect_layers(const ir::Graph& graph, const Value& value, bool is_transposed, Layers& layers) {
  if (value.is_graph_output()) return false;
  for (const ir::Use& use : value.uses()) {
    Node& node = *use.node;
    if (&node.graph() != &graph) return false;
    if (exchanges_axes(node)) {
      if (!collect_layers(graph, *node.output(), !is_transposed, layers)) return false;
      continue;
    }
    bool own = is_transposed;
    if (use.index != 1 || !is_layer(node, value.shape().size(), own)) return false;
    if (!layers.nodes.empty() && own != layers.is_transposed) return false;
    layers.is_transposed = own;
    layers.nodes.push_back(&node);
  }
  return true;
}

Layers layers_of(const ir::Graph& graph, const Value& weight) {
  Layers layers;
  if (!is_float(weight.dtype()) || !collect_layers(graph, weight, false, layers)) return {};
  return layers;
}

Tensor filled(DType type, std::vector<int64_t> shape, const std::function<double()>& value) {
  Tensor result(type, std::move(shape));
  for (int64_t i = 0; i < result.size(); ++i) result.set_double(i, value());
  return result;
}

// The shapes of A and B.
struct Shapes {
  std::vector<int64_t> a, b;
};

Shapes shapes_of(const std::vector<int64_t>& weight, bool is_transposed, int64_t rank) {
  Shapes shapes{weight, {weight[is_transposed ? 1 : 0], rank}};
  if (is_transposed) shapes.a[1] = weight[0];
  shapes.a[0] = rank;
  return shapes;
}

// B (A x) * scale for a layer with the input x.
Value* product(Builder& builder, const Node& layer, Value* a, Value* b, double scale) {
  Term x(builder, layer.input(0));
  if (is_op(layer, "Conv")) {
    Term inner(builder, builder.op("Conv", {x, a}, layer.attributes()));
    ir::Shape kernel = b->shape();
    kernel.resize(a->shape().size(), 1);
    return builder.op("Conv", {inner * scale, builder.reshape(b, kernel)});
  }
  if (layer.attribute<int64_t>("transA", 0) != 0) x = transpose_matrices(x);
  if (is_op(layer, "Gemm")) scale *= layer.attribute<double>("alpha", 1);
  const Term inner = x.apply("MatMul", {transpose_matrices(Term(builder, a))});
  return (inner * scale).apply("MatMul", {transpose_matrices(Term(builder, b))});
}

void adapt(Node& layer, Value* a, Value* b, double scale) {
  ir::Graph& graph = layer.graph();
  Builder builder(graph, &layer, &layer);
  const std::vector<Value*> inputs(layer.inputs().begin(), layer.inputs().end());
  Term base(builder, builder.op(layer.op().name, inputs, layer.attributes()));
  builder.replace(layer, 0, base + Term(builder, product(builder, layer, a, b, scale)));
  graph.erase(&layer);
}

}  // namespace

std::vector<Adapter> find_adaptable(const ir::Graph& model, const LoraOptions& options) {
  std::vector<Adapter> result;
  for (const Value* value : model.constants()) {
    const Layers layers = layers_of(model, *value);
    if (layers.nodes.empty()) continue;
    result.push_back({value->name(), layers.nodes.front()->describe(), layers.is_transposed,
                      options.alpha / static_cast<double>(options.rank)});
  }
  return result;
}

void add_adapters(ir::Graph& model, const std::vector<Adapter>& adapters, const LoraOptions& options,
                  const std::function<double()>& draw) {
  std::map<std::string, Value*> constants;
  for (Value* value : model.constants()) constants.emplace(value->name(), value);
  for (const Adapter& adapter : adapters) {
    auto it = constants.find(adapter.weight);
    check(it != constants.end(), "an adapted weight is a constant of the graph");
    const Tensor& weight = it->second->constant();
    const Layers layers = layers_of(model, *it->second);
    const Shapes shapes = shapes_of(weight.shape(), layers.is_transposed, options.rank);
    int64_t fan_in = 1;
    for (size_t i = 1; i < shapes.a.size(); ++i) fan_in *= shapes.a[i];
    const double bound = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(fan_in, 1)));
    Value* a =
        model.add_constant(adapter.a(), filled(weight.dtype(), shapes.a, [&] { return bound * draw(); }));
    Value* b = model.add_constant(adapter.b(), Tensor(weight.dtype(), shapes.b));
    for (Node* layer : layers.nodes) adapt(*layer, a, b, adapter.scale);
  }
}

Tensor merged(const Adapter& adapter, const Tensor& weight, const Tensor& a, const Tensor& b) {
  const int64_t rank = a.rank() > 1 ? a.shape()[0] : 0;
  const Shapes expected =
      weight.rank() < 2 ? Shapes() : shapes_of(weight.shape(), adapter.is_transposed, rank);
  if (a.shape() != expected.a || b.shape() != expected.b) {
    fail(
        ErrorKind::kData,
        "the adapter of '{}' [{}]: expected A [rank, inputs, ...] and B [outputs, rank], found [{}] and [{}]",
        adapter.weight, fmt::join(weight.shape(), ", "), fmt::join(a.shape(), ", "),
        fmt::join(b.shape(), ", "));
  }
  const int64_t outputs = b.shape()[0];
  const int64_t inputs = rank == 0 ? 0 : a.size() / rank;
  Tensor result(weight.dtype(), weight.shape());
  std::vector<double> row(static_cast<size_t>(inputs));
  for (int64_t o = 0; o < outputs; ++o) {
    std::fill(row.begin(), row.end(), 0.0);
    for (int64_t r = 0; r < rank; ++r) {
      const double factor = adapter.scale * b.get_double(o * rank + r);
      for (int64_t i = 0; i < inputs; ++i)
        row[static_cast<size_t>(i)] += factor * a.get_double(r * inputs + i);
    }
    for (int64_t i = 0; i < inputs; ++i) {
      const int64_t at = adapter.is_transposed ? i * outputs + o : o * inputs + i;
      result.set_double(at, weight.get_double(at) + row[static_cast<size_t>(i)]);
    }
  }
  return result;
}

}  // namespace dlc::passes

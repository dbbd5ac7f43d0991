#include <onnx/defs/schema.h>

#include "frontend/write_tensor.h"
#include "tests/fuzz/mutate.h"

namespace dlc::test {
namespace {

// Every graph of the model, those inside of attributes included.
void collect_graphs(onnx::GraphProto* graph, std::vector<onnx::GraphProto*>& graphs) {
  graphs.push_back(graph);
  for (onnx::NodeProto& node : *graph->mutable_node()) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) collect_graphs(attribute.mutable_g(), graphs);
    }
  }
}

int index_in(int size, Random& random) { return static_cast<int>(below(random, static_cast<size_t>(size))); }

// An element of a repeated field; null where it has none.
template <class Repeated>
auto* pick(Repeated* repeated, Random& random) {
  return repeated->empty() ? nullptr : repeated->Mutable(index_in(repeated->size(), random));
}

std::string random_operator(Random& random) {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> all;
    for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas()) {
      if (schema.domain().empty()) all.push_back(schema.Name());
    }
    return all;
  }();
  return pick_from(kNames, random);
}

// A name that the graph defines, or none.
std::string random_name(onnx::GraphProto& graph, Random& random) {
  switch (below(random, 4)) {
    case 0:
      return graph.input().empty() ? "" : pick(graph.mutable_input(), random)->name();
    case 1:
      return graph.initializer().empty() ? "" : pick(graph.mutable_initializer(), random)->name();
    case 2:
      return "";
    default: {
      const onnx::NodeProto* node = pick(graph.mutable_node(), random);
      return node == nullptr || node->output().empty() ? "nowhere" : node->output(0);
    }
  }
}

void mutate_attribute(onnx::AttributeProto& attribute, Random& random) {
  if (attribute.has_i()) attribute.set_i(likely_int(random));
  if (attribute.has_f()) attribute.set_f(static_cast<float>(telling_int(random)));
  if (attribute.has_s()) attribute.set_s(below(random, 2) == 0 ? "" : attribute.s() + "x");
  if (!attribute.ints().empty()) {
    if (below(random, 4) == 0) attribute.add_ints(likely_int(random));
    if (below(random, 4) == 0) attribute.mutable_ints()->RemoveLast();
    if (!attribute.ints().empty())
      attribute.set_ints(index_in(attribute.ints_size(), random), likely_int(random));
  }
  if (below(random, 8) == 0) {
    attribute.set_type(static_cast<onnx::AttributeProto::AttributeType>(below(random, 15)));
  }
}

void mutate_inputs(onnx::GraphProto& graph, onnx::NodeProto& node, Random& random) {
  switch (below(random, 3)) {
    case 0:
      node.add_input(random_name(graph, random));
      break;
    case 1:
      if (!node.input().empty()) node.mutable_input()->RemoveLast();
      break;
    default:
      if (!node.input().empty()) *pick(node.mutable_input(), random) = random_name(graph, random);
  }
}

void mutate_node(onnx::GraphProto& graph, Random& random) {
  onnx::NodeProto* node = pick(graph.mutable_node(), random);
  if (node == nullptr) return;
  switch (below(random, 7)) {
    case 0:
      node->set_op_type(random_operator(random));
      break;
    case 1:
    case 2:
      mutate_inputs(graph, *node, random);
      break;
    case 3:
      node->add_output("more");
      break;
    case 4:
      if (!node->output().empty()) node->mutable_output()->RemoveLast();
      break;
    case 5:
      if (!node->attribute().empty()) node->mutable_attribute()->RemoveLast();
      break;
    default:
      if (auto* attribute = pick(node->mutable_attribute(), random)) mutate_attribute(*attribute, random);
  }
}

void mutate_value(onnx::ValueInfoProto& value, Random& random) {
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  auto* dims = tensor->mutable_shape()->mutable_dim();
  switch (below(random, 5)) {
    case 0:
      tensor->set_elem_type(static_cast<int>(below(random, 28)));
      break;
    case 1:
      dims->Add()->set_dim_value(telling_int(random));
      break;
    case 2:
      if (!dims->empty()) dims->RemoveLast();
      break;
    case 3:
      if (auto* dim = pick(dims, random)) dim->set_dim_value(telling_int(random));
      break;
    default:
      if (auto* dim = pick(dims, random)) dim->set_dim_param(below(random, 2) == 0 ? "n" : "m");
  }
}

// An extent that a run can have.
void mutate_extent(onnx::ValueInfoProto& value, Random& random) {
  constexpr int64_t kExtents[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33};
  auto* dims = value.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim();
  if (auto* dim = pick(dims, random)) dim->set_dim_value(pick_from(kExtents, random));
}

// The input becomes a constant of its type.
void make_constant(onnx::GraphProto& graph, Random& random) {
  if (graph.input().empty()) return;
  const int index = index_in(graph.input_size(), random);
  const onnx::ValueInfoProto& input = graph.input(index);
  std::vector<int64_t> shape;
  int64_t size = 1;
  for (const auto& dim : input.type().tensor_type().shape().dim()) {
    shape.push_back(dim.has_dim_value() ? dim.dim_value() : 2);
    if (shape.back() < 0 || shape.back() > 4096) return;
    size *= shape.back();
  }
  const auto type = static_cast<DType>(input.type().tensor_type().elem_type());
  if (size > 4096 || bit_width(type) == 0) return;
  const Tensor values = random_values(type, shape, random);
  onnx::TensorProto& constant = *graph.add_initializer();
  constant.set_name(input.name());
  frontend::store(constant, values);
  graph.mutable_input()->DeleteSubrange(index, 1);
}

void replace_number(std::string& raw, Random& random) {
  if (raw.size() < sizeof(int64_t)) return;
  const int64_t number = likely_int(random);
  const size_t at = below(random, raw.size() / sizeof number) * sizeof number;
  raw.replace(at, sizeof number, reinterpret_cast<const char*>(&number), sizeof number);
}

void mutate_constant(onnx::TensorProto& tensor, Random& random) {
  switch (below(random, 5)) {
    case 0:
      tensor.set_data_type(static_cast<int>(below(random, 28)));
      break;
    case 1:
      tensor.add_dims(telling_int(random));
      break;
    case 2:
      if (!tensor.dims().empty()) tensor.set_dims(index_in(tensor.dims_size(), random), telling_int(random));
      break;
    case 3:
      if (tensor.int64_data_size() > 0) tensor.set_int64_data(0, telling_int(random));
      break;
    default:
      replace_number(*tensor.mutable_raw_data(), random);
  }
}

void mutate_order(onnx::GraphProto& graph, Random& random) {
  auto* nodes = graph.mutable_node();
  if (nodes->empty()) return;
  switch (below(random, 3)) {
    case 0:
      nodes->SwapElements(index_in(nodes->size(), random), index_in(nodes->size(), random));
      break;
    case 1:
      nodes->DeleteSubrange(index_in(nodes->size(), random), 1);
      break;
    default: {
      const onnx::NodeProto copy = nodes->Get(index_in(nodes->size(), random));
      *nodes->Add() = copy;
    }
  }
}

void mutate_once(onnx::ModelProto& model, Random& random) {
  std::vector<onnx::GraphProto*> graphs;
  collect_graphs(model.mutable_graph(), graphs);
  onnx::GraphProto& graph = *graphs[below(random, graphs.size())];
  switch (below(random, 12)) {
    case 0:
      mutate_order(graph, random);
      break;
    case 1:
      if (auto* input = pick(graph.mutable_input(), random)) mutate_value(*input, random);
      break;
    case 2:
      if (auto* input = pick(graph.mutable_input(), random)) mutate_extent(*input, random);
      break;
    case 3:
      make_constant(graph, random);
      break;
    case 4:
      if (auto* output = pick(graph.mutable_output(), random)) mutate_value(*output, random);
      break;
    case 5:
      if (auto* constant = pick(graph.mutable_initializer(), random)) mutate_constant(*constant, random);
      break;
    case 6:
      if (auto* opset = pick(model.mutable_opset_import(), random)) {
        opset->set_version(static_cast<int64_t>(below(random, 30)));
      }
      break;
    default:
      mutate_node(graph, random);
  }
}

}  // namespace

void mutate_model(onnx::ModelProto& model, Random& random) {
  const size_t changes = 1 + below(random, 3);
  for (size_t i = 0; i < changes; ++i) mutate_once(model, random);
}

std::string graph_mutant(const std::vector<SeedModel>& corpus, Random& random) {
  const std::string& bytes = pick_from(corpus, random).bytes;
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) return mutate_bytes(bytes, "", random);
  // What outputs are declared as contradicts most changes of shapes.
  if (!one_in(random, 4)) {
    for (auto& output : *model.mutable_graph()->mutable_output()) output.clear_type();
  }
  mutate_model(model, random);
  return model.SerializeAsString();
}

}  // namespace dlc::test

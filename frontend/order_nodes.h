// The order of evaluation of a graph's nodes.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

namespace dlc::frontend {

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// "Conv 'conv1' (output 'x12')".
std::string describe(const onnx::NodeProto& node);
// "Conv", "com.microsoft.Gelu"; the standard domain under either of its names is left out.
std::string operator_name(const onnx::NodeProto& node);
// "ai.onnx" is "".
std::string normal_domain(const std::string& domain);

// Names that a sub-graph reads from the graphs around it.
void collect_captures(const onnx::GraphProto& graph, std::set<std::string>& out);

// Which names are defined outside of a list of nodes.
struct NodeOrder {
  std::function<bool(const std::string&)> own;    // by its graph: inputs and initializers
  std::function<bool(const std::string&)> outer;  // by its graph or one around it
};

// Indices of the nodes such that each comes after the producers of what it reads, sub-graphs included; the
// given order where it is one already. Error(kModel) when a name is defined twice in one graph, when one that
// is read is defined nowhere, and when nodes depend on each other in a cycle.
std::vector<int> order_nodes(const NodeList& nodes, const NodeOrder& names);

}  // namespace dlc::frontend

#include "ir/verify.h"

#include <gtest/gtest.h>

#include "ir/clone.h"
#include "ir/equal.h"
#include "ir/op.h"
#include "ir/text.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

const OpDef& copy_op() {
  static const OpDef op{.domain = "test", .name = "Copy", .infer = [](InferContext& context) {
                          context.set_output(0, context.input_type(0));
                        }};
  return op;
}

std::string fault(const Graph& graph, GraphStage stage = GraphStage::kImported) {
  try {
    verify(graph, stage);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    return error.what();
  }
  return "none";
}

TEST(Verify, AcceptsNestedGraphs) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  auto body = std::make_shared<Graph>("body", &graph);
  Node* inner = body->add_node(copy_op(), {x}, {"inner"});
  body->set_outputs({inner->output()}, {"out"});
  infer_types(*body);
  Node* outer = graph.add_node(copy_op(), {x}, {"y"}, {{"body", body}});
  graph.set_outputs({outer->output()}, {"y"});
  infer_types(graph);
  EXPECT_EQ(fault(graph), "none");
  EXPECT_EQ(fault(graph, GraphStage::kExpanded),
            "the graph is not valid: test.Copy (output 'y') has no lower()");
}

TEST(Verify, FindsUseBeforeDefinition) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Node* a = graph.add_node(copy_op(), {x}, {"a"});
  Node* b = graph.add_node(copy_op(), {a->output()}, {"b"});
  infer_types(graph);
  EXPECT_EQ(fault(graph), "none");
  graph.move_before(b, a);
  EXPECT_NE(fault(graph).find("test.Copy (output 'b'): input 0 ('a') is not defined before it"),
            std::string::npos);
}

TEST(Verify, FindsValuesOfSubGraphsUsedOutside) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  auto body = std::make_shared<Graph>("body", &graph);
  Node* inner = body->add_node(copy_op(), {x}, {"inner"});
  infer_types(*body);
  graph.add_node(copy_op(), {x}, {"y"}, {{"body", body}});
  graph.add_node(copy_op(), {inner->output()}, {"z"});
  infer_types(graph);
  EXPECT_NE(fault(graph).find("'inner') is not defined before it"), std::string::npos);
}

TEST(Verify, FindsMissingTypesAndUnboundSymbols) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {Dim::symbol("n")}));
  EXPECT_NE(fault(graph).find("nothing binds 'n' before it"), std::string::npos);
  graph.symbols()["n"].from_input = true;
  EXPECT_EQ(fault(graph), "none");
  graph.add_node(copy_op(), {x}, {"y"});
  EXPECT_NE(fault(graph).find("value 'y' has no type"), std::string::npos);
}

TEST(Clone, IsEqualAndIndependent) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  auto body = std::make_shared<Graph>("body", &graph);
  Node* inner = body->add_node(copy_op(), {x}, {"inner"});
  body->set_outputs({inner->output()}, {"out"});
  Node* outer = graph.add_node(copy_op(), {x}, {"y"}, {{"body", body}});
  graph.set_outputs({outer->output()}, {"y"});
  infer_types(*body);
  infer_types(graph);
  auto copy = clone(graph);
  EXPECT_TRUE(equal(graph, *copy));
  EXPECT_EQ(to_text(graph), to_text(*copy));
  EXPECT_EQ(fault(*copy), "none");
  copy->replace_output(0, copy->inputs()[0]);
  EXPECT_FALSE(equal(graph, *copy));
}

TEST(Clone, InlinesABody) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Graph body("body", &graph);
  Value* i = body.add_input("i", Type(DType::kFloat, {2}));
  Value* w = body.add_constant("w", Tensor::scalar(DType::kFloat, 3));
  Node* first = body.add_node(copy_op(), {i}, {"first"});
  Node* second = body.add_node(copy_op(), {w}, {"second"});
  body.set_outputs({first->output(), second->output(), i}, {"a", "b", "c"});
  std::vector<Value*> outputs = inline_body(body, graph, nullptr, std::vector{x});
  graph.set_outputs(outputs, {"a", "b", "c"});
  EXPECT_EQ(outputs[2], x);
  EXPECT_EQ(graph.nodes().size(), 2u);
  EXPECT_EQ(outputs[0]->producer()->input(0), x);
  EXPECT_EQ(fault(graph), "none");
}

}  // namespace
}  // namespace dlc::ir

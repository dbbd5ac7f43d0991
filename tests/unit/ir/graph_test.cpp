#include "ir/graph.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/builder.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

// A unary operator that keeps the type, for graphs in tests.
void infer_same(InferContext& context) {
  if (context.rank(0) > 3) context.fail("rank: expected at most 3, found {}", context.rank(0));
  context.set_output(0, context.input_type(0));
}

const OpDef& identity_op() {
  static const OpDef op{.domain = "test", .name = "Same", .infer = infer_same};
  return op;
}

// Its output length is known only during the run.
const OpDef& count_op() {
  static const OpDef op{.domain = "test", .name = "Count", .infer = [](InferContext& context) {
                          Dim n = context.fresh_symbol("count", {.upper_bound = context.shape(0)[0]});
                          context.set_output(0, Type(DType::kInt64, {n}));
                        }};
  return op;
}

TEST(Graph, UsesFollowEdits) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Value* y = graph.add_input("y", Type(DType::kFloat, {2}));
  Node* a = graph.add_node(identity_op(), {x}, {"a"});
  Node* b = graph.add_node(identity_op(), {a->output()}, {""});
  graph.set_outputs({b->output(), a->output()}, {"o", "p"});
  infer_types(graph);
  EXPECT_EQ(x->uses(), (std::vector<Use>{{a, 0}}));
  EXPECT_TRUE(graph.is_output(a->output()));
  EXPECT_THROW(graph.erase(a), Error);

  graph.replace_all_uses(a->output(), y);
  EXPECT_FALSE(a->output()->has_uses());
  EXPECT_EQ(y->uses(), (std::vector<Use>{{b, 0}}));
  EXPECT_EQ(graph.outputs()[1], y);
  graph.erase(a);
  EXPECT_TRUE(x->uses().empty());
  EXPECT_EQ(graph.nodes().size(), 1u);

  b->set_input(2, x);
  EXPECT_EQ(b->inputs().size(), 3u);
  EXPECT_EQ(b->input(1), nullptr);
  b->truncate_inputs(1);
  EXPECT_TRUE(x->uses().empty());
}

TEST(Graph, SubGraphsUseCapturedValues) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Value* y = graph.add_input("y", Type(DType::kFloat, {2}));
  auto body = std::make_shared<Graph>("body", &graph);
  body->add_node(identity_op(), {x}, {"inner"});
  body->set_outputs({x}, {"out"});
  Node* owner = graph.add_node(identity_op(), {y}, {"z"}, {{"body", body}});
  EXPECT_EQ(subgraphs(*owner).size(), 1u);

  graph.replace_all_uses(x, y);
  EXPECT_EQ(body->outputs()[0], y);
  EXPECT_FALSE(x->has_uses());
  EXPECT_EQ(y->uses().size(), 2u);
  graph.erase(owner);
  EXPECT_FALSE(y->has_uses());
}

TEST(Graph, NamesAreUnique) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Graph body("body", &graph);
  Value* inner = body.add_input("x", Type(DType::kFloat, {2}));
  EXPECT_NE(inner->name(), "x");
  Node* made_up = graph.add_node(identity_op(), {x}, {""});
  Node* named = graph.add_node(identity_op(), {x}, {"result"});
  EXPECT_EQ(made_up->output()->name(), "Same");
  graph.pass_name(named->output(), made_up->output());
  EXPECT_EQ(made_up->output()->name(), "result");
  EXPECT_EQ(named->output()->name(), "Same");
}

TEST(Graph, AbsentOutputsAndUnusedValues) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Node* node = graph.add_node(identity_op(), {x}, {"a", std::string(Graph::kAbsent), ""});
  EXPECT_EQ(node->output(1), nullptr);
  EXPECT_NE(node->output(2), nullptr);
  graph.add_constant("unused", Tensor::scalar(DType::kFloat, 1));
  EXPECT_EQ(graph.constants().size(), 1u);
  graph.erase_unused_values();
  EXPECT_EQ(graph.constants().size(), 0u);
}

TEST(Node, AttributesAreTyped) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Node* node = graph.add_node(identity_op(), {x}, {"a"}, {{"axis", int64_t{3}}}, "layer1");
  EXPECT_EQ(node->attribute<int64_t>("axis"), 3);
  EXPECT_EQ(node->attribute<double>("alpha", 0.5), 0.5);
  EXPECT_EQ(node->describe(), "test.Same 'layer1' (output 'a')");
  try {
    node->attribute<std::string>("axis");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "test.Same 'layer1' (output 'a'): attribute 'axis': expected a string, found an integer");
  }
}

TEST(Infer, ErrorsNameTheNode) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {1, 2, 3, 4}));
  graph.add_node(identity_op(), {x}, {"a"}, {}, "layer1");
  try {
    infer_types(graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kModel);
    EXPECT_EQ(std::string(error.what()),
              "test.Same 'layer1' (output 'a'): rank: expected at most 3, found 4");
  }
}

TEST(Infer, AgainGivesTheSameSymbols) {
  Graph graph;
  Value* x = graph.add_input("x", Type(DType::kFloat, {2}));
  Node* a = graph.add_node(count_op(), {x}, {"a"});
  Node* b = graph.add_node(count_op(), {x}, {"b"});
  infer_types(graph);
  Type before = a->output()->type();
  EXPECT_FALSE(before == b->output()->type());
  infer_types(graph);
  EXPECT_EQ(a->output()->type(), before);
  EXPECT_EQ(graph.symbols().at("count").upper_bound, Dim(2));
}

TEST(Type, TextAndEquality) {
  Type tensor(DType::kFloat, {Dim::symbol("batch"), 10});
  EXPECT_EQ(to_string(tensor), "f32[batch, 10]");
  EXPECT_EQ(to_string(Type::map(DType::kInt64, Type::sequence(tensor))), "map(i64, seq(f32[batch, 10]))");
  EXPECT_EQ(Type::optional(tensor), Type::optional(tensor));
  EXPECT_FALSE(Type::optional(tensor) == Type::sequence(tensor));
}

}  // namespace
}  // namespace dlc::ir

#include "frontend/order_nodes.h"

#include <gtest/gtest.h>

#include "runtime/error.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::frontend {
namespace {

std::vector<int> order(const std::string& body) {
  const onnx::ModelProto model = test::model_from_text("g (float[2] x) => (float[2] y) {" + body + "}");
  const auto is_input = [](const std::string& name) { return name == "x"; };
  return order_nodes(model.graph().node(), {is_input, is_input});
}

std::string error_of(const std::string& body) {
  try {
    order(body);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(OrderNodes, KeepsAnOrderThatIsOne) {
  EXPECT_EQ(order("b = Relu(x) a = Neg(x) y = Add(a, b)"), (std::vector<int>{0, 1, 2}));
}

TEST(OrderNodes, SortsAndCountsSubGraphsReads) {
  EXPECT_EQ(order("y = Add(a, b) a = Neg(x) b = Relu(a)"), (std::vector<int>{1, 2, 0}));
  EXPECT_EQ(order("y = If(x) <then_branch = t () => (float[2] o) { o = Neg(late) }, "
                  "else_branch = e () => (float[2] o) { o = Neg(x) }> late = Neg(x)"),
            (std::vector<int>{1, 0}));
}

TEST(OrderNodes, TellsACycleFromAnUndefinedName) {
  EXPECT_NE(error_of("a = Add(x, b) b = Neg(c) c = Relu(a) y = Neg(a)").find("cycle"), std::string::npos);
  EXPECT_NE(error_of("first = Neg(x) y = Neg(frist)")
                .find("'frist' is defined by no node, input or initializer; did "
                      "you mean 'first'?"),
            std::string::npos);
}

TEST(OrderNodes, RejectsNamesDefinedTwice) {
  EXPECT_NE(error_of("y = Neg(x) y = Relu(x)").find("also an output of Neg"), std::string::npos);
  EXPECT_NE(error_of("x = Neg(x)").find("name of an input or initializer"), std::string::npos);
}

}  // namespace
}  // namespace dlc::frontend

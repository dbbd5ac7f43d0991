// Ensembles of decision trees: what the operators of ai.onnx.ml say in their attributes, and the tables that
// the runtime kernel walks.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::ir {

enum class TreeTest : uint8_t { kLessEqual, kLess, kGreaterEqual, kGreater, kEqual, kNotEqual, kMember };
enum class TreeAggregate : uint8_t { kSum, kMin, kMax };

struct LeafWeight {
  int64_t target;
  double weight;
};

// A node tests one feature, or is a leaf. `when_true` and `when_false` are positions in the ensemble.
struct TreeNode {
  bool is_leaf = false;
  TreeTest test = TreeTest::kLessEqual;
  int64_t feature = 0;
  double value = 0;
  std::vector<double> members = {};  // kMember
  bool missing_is_true = false;      // where NaN goes beyond what the test says of it
  int64_t when_true = -1;
  int64_t when_false = -1;
  std::vector<LeafWeight> weights = {};  // of a leaf
};

struct TreeEnsemble {
  std::vector<TreeNode> nodes;
  std::vector<int64_t> roots;  // one a tree
  int64_t targets = 1;
};

// The inputs of the kernel dlc_tree_ensemble (runtime/kernels/kernels.h) but the first.
struct TreeTables {
  Tensor nodes;      // records: int32 [n, 3], of double thresholds int64 [n, 2]
  Tensor nan_right;  // uint8 [n]
  Tensor trees;      // int32 [trees, 3]: root, depth, the target of all its leaves or -1
  Tensor features;   // int32: the columns of the input that are tested
  Tensor values;     // double [n]: of leaves of trees with one target
  Tensor leaves;     // int32 [n + 1]: where the weights of a node begin
  Tensor targets;    // int32, of every weight
  Tensor weights;    // double
};

// `type`: float or double, in which features are compared. Every test becomes steps of "right where above the
// threshold", and trees are sorted by depth. Error(kModel) for nodes that form a cycle.
TreeTables tree_tables(const TreeEnsemble& ensemble, DType type);

}  // namespace dlc::ir

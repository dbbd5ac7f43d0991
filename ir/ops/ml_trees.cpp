// ai.onnx.ml: TreeEnsemble, TreeEnsembleRegressor and TreeEnsembleClassifier. All become dlc.TreeEnsemble, a
// runtime kernel on tables, followed by the transform of the scores.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/ml.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/tree_ensemble.h"

namespace dlc::ir {
namespace {

// ---- Attributes -------------------------------------------------------------------------------------------

// Numbers that are a list of floats or a tensor.
std::vector<double> numbers_of(const Node& node, const std::string& name, const std::string& tensor_name) {
  if (!node.has(tensor_name)) return floats_of(node, name);
  const auto& tensor = node.attribute<Tensor>(tensor_name);
  if (!is_float(tensor.dtype()))
    fail(ErrorKind::kModel, "{}: expected floats, found {}", tensor_name, dlc::name(tensor.dtype()));
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i) result.push_back(tensor.get_double(i));
  return result;
}

void require_size(size_t found, size_t expected, std::string_view attribute) {
  if (found != expected)
    fail(ErrorKind::kModel, "{}: expected {} values, found {}", attribute, expected, found);
}

void require_feature(int64_t feature) {
  if (feature < 0 || feature >= INT32_MAX)
    fail(ErrorKind::kModel, "nodes_featureids: {} is no feature", feature);
}

void require_target(int64_t target, int64_t count, std::string_view attribute) {
  if (target < 0 || target >= count)
    fail(ErrorKind::kModel, "{}: expected numbers in [0, {}), found {}", attribute, count, target);
}

// ---- TreeEnsembleRegressor, TreeEnsembleClassifier --------------------------------------------------------

constexpr std::array<std::pair<std::string_view, TreeTest>, 6> kModes{{
    {"BRANCH_LEQ", TreeTest::kLessEqual},
    {"BRANCH_LT", TreeTest::kLess},
    {"BRANCH_GTE", TreeTest::kGreaterEqual},
    {"BRANCH_GT", TreeTest::kGreater},
    {"BRANCH_EQ", TreeTest::kEqual},
    {"BRANCH_NEQ", TreeTest::kNotEqual},
}};

void set_mode(TreeNode& node, const std::string& mode) {
  node.is_leaf = mode == "LEAF";
  if (node.is_leaf) return;
  const auto* found =
      std::find_if(kModes.begin(), kModes.end(), [&](const auto& row) { return row.first == mode; });
  if (found == kModes.end()) fail(ErrorKind::kModel, "nodes_modes: '{}' is no mode", mode);
  node.test = found->second;
}

// Nodes are named by the numbers of their tree and of the node in it.
class KeyedTrees {
 public:
  // `weights`: "target" or "class", what the attributes of the leaves' weights begin with.
  KeyedTrees(const Node& node, const std::string& weights, int64_t targets) : node_(node), prefix_(weights) {
    ensemble_.targets = targets;
  }

  TreeEnsemble read() {
    read_nodes();
    link_children();
    read_weights();
    return std::move(ensemble_);
  }

 private:
  using Key = std::pair<int64_t, int64_t>;

  std::vector<int64_t> list(const char* name) const {
    std::vector<int64_t> values = ints_of(node_, name);
    require_size(values.size(), tree_ids_.size(), name);
    return values;
  }

  int64_t find(int64_t tree, int64_t id, std::string_view attribute) const {
    const auto found = positions_.find({tree, id});
    if (found == positions_.end()) fail(ErrorKind::kModel, "{}: tree {} has no node {}", attribute, tree, id);
    return found->second;
  }

  void read_nodes() {
    tree_ids_ = ints_of(node_, "nodes_treeids");
    const std::vector<int64_t> ids = list("nodes_nodeids"), features = list("nodes_featureids");
    const auto modes = node_.attribute<std::vector<std::string>>("nodes_modes", {});
    const std::vector<double> values = numbers_of(node_, "nodes_values", "nodes_values_as_tensor");
    const std::vector<int64_t> missing = ints_of(node_, "nodes_missing_value_tracks_true");
    require_size(modes.size(), ids.size(), "nodes_modes");
    require_size(values.size(), ids.size(), "nodes_values");
    if (!missing.empty()) require_size(missing.size(), ids.size(), "nodes_missing_value_tracks_true");
    std::set<int64_t> trees;
    for (size_t i = 0; i < ids.size(); ++i) {
      TreeNode& node = ensemble_.nodes.emplace_back();
      set_mode(node, modes[i]);
      if (!node.is_leaf) require_feature(features[i]);
      node.feature = features[i];
      node.value = values[i];
      node.missing_is_true = !missing.empty() && missing[i] != 0;
      if (!positions_.emplace(Key{tree_ids_[i], ids[i]}, static_cast<int64_t>(i)).second)
        fail(ErrorKind::kModel, "nodes_nodeids: tree {} has two nodes {}", tree_ids_[i], ids[i]);
      // The first node of a tree is its root.
      if (trees.insert(tree_ids_[i]).second) ensemble_.roots.push_back(static_cast<int64_t>(i));
    }
  }

  void link_children() {
    const std::vector<int64_t> yes = list("nodes_truenodeids"), no = list("nodes_falsenodeids");
    for (size_t i = 0; i < ensemble_.nodes.size(); ++i) {
      TreeNode& node = ensemble_.nodes[i];
      if (node.is_leaf) continue;
      node.when_true = find(tree_ids_[i], yes[i], "nodes_truenodeids");
      node.when_false = find(tree_ids_[i], no[i], "nodes_falsenodeids");
    }
  }

  void read_weights() {
    const std::vector<int64_t> trees = ints_of(node_, prefix_ + "_treeids"),
                               nodes = ints_of(node_, prefix_ + "_nodeids"),
                               targets = ints_of(node_, prefix_ + "_ids");
    const std::vector<double> weights =
        numbers_of(node_, prefix_ + "_weights", prefix_ + "_weights_as_tensor");
    require_size(nodes.size(), trees.size(), prefix_ + "_nodeids");
    require_size(targets.size(), trees.size(), prefix_ + "_ids");
    require_size(weights.size(), trees.size(), prefix_ + "_weights");
    for (size_t i = 0; i < trees.size(); ++i) {
      require_target(targets[i], ensemble_.targets, prefix_ + "_ids");
      TreeNode& leaf = ensemble_.nodes[static_cast<size_t>(find(trees[i], nodes[i], prefix_ + "_nodeids"))];
      leaf.weights.push_back({targets[i], weights[i]});
    }
  }

  const Node& node_;
  std::string prefix_;
  TreeEnsemble ensemble_;
  std::vector<int64_t> tree_ids_;
  std::map<Key, int64_t> positions_;
};

// ---- TreeEnsemble -----------------------------------------------------------------------------------------

constexpr std::string_view kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
constexpr std::string_view kTransforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};

std::string aggregate_of(const Node& node) {
  if (node.op().name != "TreeEnsemble") return node.attribute<std::string>("aggregate_function", "SUM");
  const auto number = node.attribute<int64_t>("aggregate_function", 1);
  if (number < 0 || number >= static_cast<int64_t>(std::size(kAggregates)))
    fail(ErrorKind::kModel, "aggregate_function: expected 0 to 3, found {}", number);
  return std::string(kAggregates[number]);
}

std::string transform_of(const Node& node) {
  if (node.op().name != "TreeEnsemble") return node.attribute<std::string>("post_transform", "NONE");
  const auto number = node.attribute<int64_t>("post_transform", 0);
  if (number < 0 || number >= static_cast<int64_t>(std::size(kTransforms)))
    fail(ErrorKind::kModel, "post_transform: expected 0 to 4, found {}", number);
  return std::string(kTransforms[number]);
}

// Inner nodes and leaves are numbered on their own; leaves follow the inner nodes in the ensemble.
class NumberedTrees {
 public:
  explicit NumberedTrees(const Node& node) : node_(node) {}

  TreeEnsemble read() {
    ensemble_.roots = ints_of(node_, "tree_roots");
    read_nodes();
    read_leaves();
    for (const int64_t root : ensemble_.roots) require_target(root, inner_, "tree_roots");
    return std::move(ensemble_);
  }

 private:
  std::vector<int64_t> list(const char* name) const {
    std::vector<int64_t> values = ints_of(node_, name);
    require_size(values.size(), static_cast<size_t>(inner_), name);
    return values;
  }

  int64_t child(int64_t number, bool is_leaf, const char* attribute) const {
    require_target(number, is_leaf ? leaves_ : inner_, attribute);
    return is_leaf ? inner_ + number : number;
  }

  void read_nodes() {
    const std::vector<int64_t> features = ints_of(node_, "nodes_featureids");
    inner_ = static_cast<int64_t>(features.size());
    leaves_ = static_cast<int64_t>(ints_of(node_, "leaf_targetids").size());
    const auto& modes = node_.attribute<Tensor>("nodes_modes");
    const std::vector<double> splits = numbers_of(node_, "", "nodes_splits");
    const std::vector<int64_t> yes = list("nodes_truenodeids"), no = list("nodes_falsenodeids");
    const std::vector<int64_t> yes_leaf = list("nodes_trueleafs"), no_leaf = list("nodes_falseleafs");
    const std::vector<int64_t> missing = ints_of(node_, "nodes_missing_value_tracks_true");
    require_size(static_cast<size_t>(modes.size()), features.size(), "nodes_modes");
    require_size(splits.size(), features.size(), "nodes_splits");
    if (!missing.empty()) require_size(missing.size(), features.size(), "nodes_missing_value_tracks_true");
    for (size_t i = 0; i < features.size(); ++i) {
      TreeNode& node = ensemble_.nodes.emplace_back();
      const int64_t mode = modes.get_int(static_cast<int64_t>(i));
      if (mode < 0 || mode > static_cast<int64_t>(TreeTest::kMember))
        fail(ErrorKind::kModel, "nodes_modes: expected 0 to 6, found {}", mode);
      require_feature(features[i]);
      node.test = static_cast<TreeTest>(mode);
      node.feature = features[i];
      node.value = splits[i];
      node.missing_is_true = !missing.empty() && missing[i] != 0;
      node.when_true = child(yes[i], yes_leaf[i] != 0, "nodes_truenodeids");
      node.when_false = child(no[i], no_leaf[i] != 0, "nodes_falsenodeids");
    }
    read_members();
  }

  // Of all nodes with a set one after the other, each ended by NaN.
  void read_members() {
    const std::vector<double> members = numbers_of(node_, "", "membership_values");
    size_t next = 0;
    for (TreeNode& node : ensemble_.nodes) {
      if (node.test != TreeTest::kMember) continue;
      for (; next < members.size() && !std::isnan(members[next]); ++next)
        node.members.push_back(members[next]);
      if (next++ >= members.size())
        fail(ErrorKind::kModel, "membership_values: fewer sets than nodes that test for one");
    }
  }

  void read_leaves() {
    const std::vector<int64_t> targets = ints_of(node_, "leaf_targetids");
    const std::vector<double> weights = numbers_of(node_, "", "leaf_weights");
    require_size(weights.size(), targets.size(), "leaf_weights");
    int64_t most = 0;
    for (const int64_t target : targets) most = std::max(most, target);
    ensemble_.targets = node_.attribute<int64_t>("n_targets", most + 1);
    for (size_t i = 0; i < targets.size(); ++i) {
      require_target(targets[i], ensemble_.targets, "leaf_targetids");
      ensemble_.nodes.push_back({.is_leaf = true, .weights = {{targets[i], weights[i]}}});
    }
  }

  const Node& node_;
  TreeEnsemble ensemble_;
  int64_t inner_ = 0;
  int64_t leaves_ = 0;
};

// ---- dlc.TreeEnsemble -------------------------------------------------------------------------------------

// inputs: rows, then the tables of TreeTables, then what is added to every target's score.
// attributes: aggregate (TreeAggregate), average, features (that the trees test: the greatest number + 1)
void infer_kernel(InferContext& context) {
  const Rows rows = rows_of(context);
  context.set_output(0, Type(context.dtype(0), {rows.count, context.shape(9)[0]}));
}

void lower_kernel(LowerContext& context) {
  Call call{.symbol = "dlc_tree_ensemble", .inputs = {}, .outputs = {context.output()}, .params = {}};
  for (size_t i = 0; i < context.node().inputs().size(); ++i)
    call.inputs.push_back(context.dense(context.input(i)));
  add_callee_scratch(context, call);
  const auto attribute = [&](const char* name) { return integer(context.node().attribute<int64_t>(name)); };
  const Shape& rows = context.input_shape(0);
  call.params = {dim(rows[0]),
                 dim(rows[1]),
                 dim(context.output_shape()[1]),
                 dim(context.input_shape(3)[0]),
                 dim(context.input_shape(4)[0]),
                 attribute("aggregate"),
                 attribute("average"),
                 attribute("features")};
  context.call(std::move(call), "tree_ensemble");
}

// Scores [n, targets] in the type of x.
Value* scores_of(Builder& builder, const Node& ensemble_node, const TreeEnsemble& ensemble,
                 const std::vector<double>& base) {
  // Features are compared in their type; every other type than double fits float.
  Value* x = as_rows(builder, ensemble_node.input(0), wide_type(ensemble_node.input(0)->dtype()));
  const std::string aggregate = aggregate_of(ensemble_node);
  const TreeTables tables = tree_tables(ensemble, x->dtype());
  int64_t features = 0;
  for (const TreeNode& node : ensemble.nodes) {
    if (!node.is_leaf) features = std::max(features, node.feature + 1);
  }
  const Dim& columns = x->shape()[1];
  if (columns.is_constant() && columns.value() < features) {
    fail(ErrorKind::kModel, "nodes_featureids: feature {} is tested, but the input has {}", features - 1,
         columns.value());
  }
  const TreeAggregate kind = aggregate == "MIN"   ? TreeAggregate::kMin
                             : aggregate == "MAX" ? TreeAggregate::kMax
                                                  : TreeAggregate::kSum;
  std::vector<Value*> inputs{x};
  for (const Tensor* table : {&tables.nodes, &tables.nan_right, &tables.trees, &tables.features,
                              &tables.values, &tables.leaves, &tables.targets, &tables.weights})
    inputs.push_back(builder.constant(*table));
  inputs.push_back(double_table(builder, base));
  return builder.op_in("dlc", "TreeEnsemble", std::move(inputs),
                       {{"aggregate", static_cast<int64_t>(kind)},
                        {"average", int64_t{aggregate == "AVERAGE"}},
                        {"features", features}});
}

std::vector<double> base_values(const Node& node) {
  return numbers_of(node, "base_values", "base_values_as_tensor");
}

// One a target; zeros where there are none.
std::vector<double> base_values(const Node& node, int64_t targets) {
  std::vector<double> base = base_values(node);
  if (base.empty()) base.assign(static_cast<size_t>(targets), 0.0);
  require_size(base.size(), static_cast<size_t>(targets), "base_values");
  return base;
}

// ---- The operators ----------------------------------------------------------------------------------------

void require_enums(const InferContext& context) {
  const std::string aggregate = aggregate_of(context.node());
  if (std::find(std::begin(kAggregates), std::end(kAggregates), aggregate) == std::end(kAggregates))
    context.fail("aggregate_function: expected SUM, AVERAGE, MIN or MAX, found '{}'", aggregate);
  if (context.node().op().name != "TreeEnsemble") require_post_transform(context);
  transform_of(context.node());
}

int64_t target_count(const InferContext& context) {
  int64_t most = 0;
  const bool is_keyed = context.node().op().name != "TreeEnsemble";
  for (const int64_t target : ints_of(context.node(), is_keyed ? "target_ids" : "leaf_targetids"))
    most = std::max(most, target);
  const auto count = context.node().attribute<int64_t>("n_targets", most + 1);
  if (count < 1 || count > INT32_MAX) context.fail("n_targets: expected a positive number, found {}", count);
  return count;
}

void infer_ensemble(InferContext& context) {
  require_enums(context);
  context.set_output(0, Type(context.dtype(0), {rows_of(context).count, Dim(target_count(context))}));
}

bool expand_ensemble(Builder& builder, Node& node) {
  const TreeEnsemble ensemble = NumberedTrees(node).read();
  const std::vector<double> base(static_cast<size_t>(ensemble.targets), 0.0);
  Value* scores = scores_of(builder, node, ensemble, base);
  builder.replace(node, 0,
                  builder.cast(post_transform(builder, scores, transform_of(node)), node.output()->dtype()));
  return true;
}

void infer_regressor(InferContext& context) {
  require_enums(context);
  context.set_output(0, Type(DType::kFloat, {rows_of(context).count, Dim(target_count(context))}));
}

bool expand_regressor(Builder& builder, Node& node) {
  const int64_t targets = node.output()->shape()[1].value();
  const TreeEnsemble ensemble = KeyedTrees(node, "target", targets).read();
  Value* scores = scores_of(builder, node, ensemble, base_values(node, targets));
  builder.replace(node, 0, post_transform(builder, builder.cast(scores, DType::kFloat), transform_of(node)));
  return true;
}

ClassLabels labels_of(const Node& node) {
  return class_labels(node, "classlabels_int64s", "classlabels_strings");
}

void infer_classifier(InferContext& context) {
  require_enums(context);
  const ClassLabels labels = labels_of(context.node());
  const Dim rows = rows_of(context).count;
  context.set_output(0, Type(labels.table.dtype(), {rows}));
  context.set_output(1, Type(DType::kFloat, {rows, Dim(static_cast<int64_t>(labels.count()))}));
}

// Two classes, of which all weights are of one: how ensembles that know one score are written.
struct SingleClass {
  bool is_second;
  bool is_share;  // no weight is negative: scores are shares of 1
};
std::optional<SingleClass> single_class(const TreeEnsemble& ensemble, size_t base_count) {
  if (ensemble.targets != 2 || base_count > 1) return std::nullopt;
  bool uses[2] = {false, false}, is_share = true;
  for (const TreeNode& node : ensemble.nodes) {
    for (const LeafWeight& entry : node.weights) {
      uses[entry.target] = true;
      is_share = is_share && entry.weight >= 0;
    }
  }
  if (uses[0] == uses[1]) return std::nullopt;
  return SingleClass{uses[1], is_share};
}

Classes single_class_scores(Builder& builder, const Node& node, TreeEnsemble ensemble,
                            const SingleClass& single, const ClassLabels& labels) {
  for (TreeNode& tree_node : ensemble.nodes) {
    for (LeafWeight& entry : tree_node.weights) entry.target = 0;
  }
  ensemble.targets = 1;
  std::vector<double> base = base_values(node);
  // A value for the first class is of no use to the second.
  if (base.empty() || single.is_second) base = {0.0};
  const std::string transform = transform_of(node);
  Value* score = builder.cast(scores_of(builder, node, ensemble, base), DType::kFloat);
  Classes result{binary_label(builder, labels, score, single.is_share ? 0.5 : 0.0), nullptr};
  if (single.is_second) {
    Value* both =
        builder.op("Pad", {score, builder.ints({1, 0}), float_scalar(builder, 0), builder.ints({1})});
    result.scores = post_transform(builder, both, transform);
  } else {
    result.scores = transformed_pair(builder, score, single.is_share, transform);
  }
  return result;
}

Classes all_class_scores(Builder& builder, const Node& node, const TreeEnsemble& ensemble,
                         const ClassLabels& labels) {
  const std::vector<double> base = base_values(node, static_cast<int64_t>(labels.count()));
  Value* scores = builder.cast(scores_of(builder, node, ensemble, base), DType::kFloat);
  return {best_label(builder, labels, scores), post_transform(builder, scores, transform_of(node))};
}

bool expand_classifier(Builder& builder, Node& node) {
  const ClassLabels labels = labels_of(node);
  const TreeEnsemble ensemble = KeyedTrees(node, "class", static_cast<int64_t>(labels.count())).read();
  const std::optional<SingleClass> single = single_class(ensemble, base_values(node).size());
  const Classes result = single ? single_class_scores(builder, node, ensemble, *single, labels)
                                : all_class_scores(builder, node, ensemble, labels);
  replace_classes(builder, node, result);
  return true;
}

// ---- dlc.CoupleProbabilities ------------------------------------------------------------------------------

// input: the first class's share of every pair of classes [n, pairs]; output: probabilities [n, classes]
void infer_couple(InferContext& context) {
  const auto classes = context.node().attribute<int64_t>("classes");
  context.set_output(0, Type(DType::kFloat, {context.shape(0)[0], Dim(classes)}));
}

void lower_couple(LowerContext& context) {
  const auto classes = context.node().attribute<int64_t>("classes");
  const BufferId scratch = context.temp(DType::kInt64, {Dim(classes * (classes + 2))}, "scratch");
  context.call({.symbol = "dlc_couple_probabilities",
                .inputs = {context.dense(context.input(0))},
                .outputs = {context.output(), scratch},
                .params = {dim(context.output_shape()[0]), integer(classes)}},
               "couple_probabilities");
}

}  // namespace

std::vector<OpDef> ml_tree_records() {
  const std::string domain(kMlDomain);
  return {
      {.domain = domain, .name = "TreeEnsemble", .infer = infer_ensemble, .expand = expand_ensemble},
      {.domain = domain,
       .name = "TreeEnsembleRegressor",
       .infer = infer_regressor,
       .expand = expand_regressor},
      {.domain = domain,
       .name = "TreeEnsembleClassifier",
       .infer = infer_classifier,
       .expand = expand_classifier},
      {.domain = "dlc", .name = "TreeEnsemble", .infer = infer_kernel, .lower = lower_kernel},
      {.domain = "dlc", .name = "CoupleProbabilities", .infer = infer_couple, .lower = lower_couple},
  };
}

}  // namespace dlc::ir

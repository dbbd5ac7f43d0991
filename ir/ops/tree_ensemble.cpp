#include "ir/ops/tree_ensemble.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "runtime/error.h"

namespace dlc::ir {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What a test comes to: breakpoints in ascending order and the node for each interval between them, where a
// breakpoint belongs to the interval below it; and the node for NaN.
struct Split {
  std::vector<double> breakpoints;
  std::vector<int64_t> outcomes;  // one more
  int64_t when_nan;
};

// The greatest number of the type that is not above the value.
double round_down(double value, DType type) {
  if (type == DType::kDouble) return value;
  const auto rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) <= value) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}
// The greatest number of the type that is below the value; nothing where there is none.
std::optional<double> below(double value, DType type) {
  if (value == -kInfinity) return std::nullopt;
  return round_down(std::nextafter(value, -kInfinity), type);
}

class SplitBuilder {
 public:
  SplitBuilder(const TreeNode& node, DType type) : node_(node), type_(type) {}

  Split build() {
    const int64_t yes = node_.when_true, no = node_.when_false;
    split_.outcomes = {no};
    split_.when_nan = node_.missing_is_true || node_.test == TreeTest::kNotEqual ? yes : no;
    const bool is_nan = std::isnan(node_.value);
    switch (node_.test) {
      case TreeTest::kLessEqual:
        if (!is_nan) halves(round_down(node_.value, type_), yes, no);
        break;
      case TreeTest::kGreater:
        if (!is_nan) halves(round_down(node_.value, type_), no, yes);
        break;
      case TreeTest::kLess:
        if (!is_nan) halves(below(node_.value, type_), yes, no);
        break;
      case TreeTest::kGreaterEqual:
        if (!is_nan) halves(below(node_.value, type_), no, yes);
        break;
      case TreeTest::kEqual:
        points({node_.value}, yes, no);
        break;
      case TreeTest::kNotEqual:
        points({node_.value}, no, yes);
        break;
      case TreeTest::kMember:
        points(node_.members, yes, no);
        break;
    }
    return std::move(split_);
  }

 private:
  // Without a breakpoint nothing lies below it.
  void halves(std::optional<double> breakpoint, int64_t lower, int64_t upper) {
    split_.outcomes = {upper};
    if (!breakpoint) return;
    split_.breakpoints = {*breakpoint};
    split_.outcomes = {lower, upper};
  }

  void points(std::vector<double> values, int64_t at, int64_t elsewhere) {
    std::erase_if(values, [](double value) { return std::isnan(value); });
    std::sort(values.begin(), values.end());
    split_.outcomes = {elsewhere};
    for (const double value : values) {
      const double top = round_down(value, type_);
      if (top != value) continue;  // no number of the type is equal to it
      const std::optional<double> bottom = below(value, type_);
      if (!split_.breakpoints.empty() && split_.breakpoints.back() == top) continue;
      if (!bottom) {
        split_.outcomes.back() = at;
      } else if (!split_.breakpoints.empty() && split_.breakpoints.back() == *bottom) {
        split_.outcomes.back() = at;  // next to the value before
      } else {
        split_.breakpoints.push_back(*bottom);
        split_.outcomes.push_back(at);
      }
      split_.breakpoints.push_back(top);
      split_.outcomes.push_back(elsewhere);
    }
  }

  const TreeNode& node_;
  DType type_;
  Split split_;
};

struct Record {
  double threshold = kInfinity;
  uint32_t feature = 0;  // its number
  int32_t left = -1;
  bool nan_goes_right = false;
  int64_t leaf = -1;  // of the ensemble
};

// Lays the trees out as records, the two children of a record side by side.
class Layout {
 public:
  Layout(const TreeEnsemble& ensemble, DType type) : ensemble_(ensemble), type_(type) {}

  std::vector<Record> records;
  std::map<int64_t, uint32_t> features;  // column -> number, in order of first use

  // Returns the root's record.
  int32_t add_tree(int64_t root) {
    const int32_t slot = new_slots(1);
    place(slot, root);
    while (!pending_.empty()) {
      const Pending next = pending_.back();
      pending_.pop_back();
      fill(next.slot, next.node);
    }
    // Records that stand in several places have the same children.
    for (const auto& [to, from] : copies_)
      records[static_cast<size_t>(to)] = records[static_cast<size_t>(from)];
    copies_.clear();
    return slot;
  }

 private:
  struct Pending {
    int32_t slot;
    int64_t node;
  };

  int32_t new_slots(size_t count) {
    const size_t first = records.size();
    if (first + count > static_cast<size_t>(INT32_MAX))
      fail(ErrorKind::kResource, "the trees have more than {} nodes", INT32_MAX);
    records.resize(first + count);
    return static_cast<int32_t>(first);
  }

  void place(int32_t slot, int64_t node) {
    const auto [known, is_new] = slots_.emplace(node, slot);
    if (is_new) {
      pending_.push_back({slot, node});
    } else {
      copies_.emplace_back(slot, known->second);
    }
  }

  void fill(int32_t slot, int64_t node) {
    const TreeNode& source = ensemble_.nodes[static_cast<size_t>(node)];
    if (source.is_leaf) {
      records[static_cast<size_t>(slot)] = {.left = slot, .leaf = node};
      return;
    }
    const Split split = SplitBuilder(source, type_).build();
    const auto [entry, is_new] = features.emplace(source.feature, static_cast<uint32_t>(features.size()));
    add_steps(slot, entry->second, split, 0, split.breakpoints.size());
  }

  // Outcomes [begin, end] of the split, as a balanced tree over the breakpoints [begin, end).
  void add_steps(int32_t slot, uint32_t feature, const Split& split, size_t begin, size_t end) {
    const int32_t children = new_slots(2);
    const auto holds_nan = [&](size_t from, size_t to) {
      return std::find(split.outcomes.begin() + static_cast<ptrdiff_t>(from),
                       split.outcomes.begin() + static_cast<ptrdiff_t>(to) + 1,
                       split.when_nan) != split.outcomes.begin() + static_cast<ptrdiff_t>(to) + 1;
    };
    if (begin == end) {
      // Nothing is above infinity but NaN goes its own way.
      records[static_cast<size_t>(slot)] = {kInfinity, feature, children, true};
      place(children, split.outcomes[begin]);
      place(children + 1, split.when_nan);
      return;
    }
    const size_t middle = begin + (end - begin) / 2;
    const bool is_left = holds_nan(begin, middle);
    records[static_cast<size_t>(slot)] = {split.breakpoints[middle], feature, children, !is_left};
    add_side(children, feature, split, begin, middle);
    add_side(children + 1, feature, split, middle + 1, end);
  }

  void add_side(int32_t slot, uint32_t feature, const Split& split, size_t begin, size_t end) {
    begin == end ? place(slot, split.outcomes[begin]) : add_steps(slot, feature, split, begin, end);
  }

  const TreeEnsemble& ensemble_;
  DType type_;
  std::map<int64_t, int32_t> slots_;  // of nodes
  std::vector<Pending> pending_;
  std::vector<std::pair<int32_t, int32_t>> copies_;  // to, from
};

// The longest way from every record to a leaf.
class Depths {
 public:
  explicit Depths(const std::vector<Record>& records) : records_(records), depth_(records.size(), kUnseen) {}

  int32_t of(int32_t root) {
    std::vector<int32_t> stack{root};
    while (!stack.empty()) {
      const int32_t slot = stack.back();
      const Record& record = records_[static_cast<size_t>(slot)];
      int32_t& depth = depth_[static_cast<size_t>(slot)];
      if (depth >= 0) {
        stack.pop_back();
      } else if (record.leaf >= 0) {
        depth = 0;
      } else if (depth == kUnseen) {
        depth = kOpen;
        for (const int32_t child : {record.left, record.left + 1}) {
          const int32_t known = depth_[static_cast<size_t>(child)];
          if (known == kOpen) fail(ErrorKind::kModel, "the nodes of a tree form a cycle");
          if (known == kUnseen) stack.push_back(child);
        }
      } else {
        depth = 1 + std::max(depth_[static_cast<size_t>(record.left)],
                             depth_[static_cast<size_t>(record.left) + 1]);
      }
    }
    return depth_[static_cast<size_t>(root)];
  }

 private:
  static constexpr int32_t kUnseen = -1, kOpen = -2;
  const std::vector<Record>& records_;
  std::vector<int32_t> depth_;
};

struct Tree {
  int32_t root;
  int32_t depth;
  int32_t target;  // of all leaves, or -1
};

// The only target of the leaves below a record where each has one weight; -1 else.
int32_t common_target(const TreeEnsemble& ensemble, const std::vector<Record>& records, int32_t root) {
  int64_t target = -1;
  std::vector<int32_t> stack{root};
  std::set<int32_t> visited;
  while (!stack.empty()) {
    const int32_t slot = stack.back();
    stack.pop_back();
    if (!visited.insert(slot).second) continue;
    const Record& record = records[static_cast<size_t>(slot)];
    if (record.leaf < 0) {
      stack.push_back(record.left);
      stack.push_back(record.left + 1);
      continue;
    }
    const std::vector<LeafWeight>& weights = ensemble.nodes[static_cast<size_t>(record.leaf)].weights;
    if (weights.size() != 1 || (target >= 0 && weights[0].target != target)) return -1;
    target = weights[0].target;
  }
  return static_cast<int32_t>(target);
}

Tensor pack_records(const std::vector<Record>& records, DType type) {
  const auto count = static_cast<int64_t>(records.size());
  const bool is_double = type == DType::kDouble;
  Tensor result = is_double ? Tensor(DType::kInt64, {count, 2}) : Tensor(DType::kInt32, {count, 3});
  char* to = static_cast<char*>(result.mutable_data());
  for (const Record& record : records) {
    const auto single = static_cast<float>(record.threshold);
    const size_t bytes = is_double ? sizeof(double) : sizeof(float);
    const auto offset = static_cast<uint32_t>(record.feature * bytes);
    std::memcpy(to, is_double ? static_cast<const void*>(&record.threshold) : &single, bytes);
    std::memcpy(to + bytes, &offset, sizeof(offset));
    std::memcpy(to + bytes + 4, &record.left, sizeof(record.left));
    to += bytes + 8;
  }
  return result;
}

Tensor nan_directions(const std::vector<Record>& records) {
  Tensor result(DType::kUint8, {static_cast<int64_t>(records.size())});
  for (size_t i = 0; i < records.size(); ++i)
    result.mutable_as<uint8_t>()[i] = records[i].nan_goes_right ? 1 : 0;
  return result;
}

Tensor int32_tensor(const std::vector<int32_t>& values, std::vector<int64_t> shape) {
  return Tensor::of<int32_t>(DType::kInt32, std::move(shape), values);
}

void pack_leaves(const TreeEnsemble& ensemble, const std::vector<Record>& records, TreeTables& tables) {
  std::vector<int32_t> begins{0}, targets;
  std::vector<double> weights, values;
  for (const Record& record : records) {
    const std::vector<LeafWeight> none;
    const std::vector<LeafWeight>& own =
        record.leaf >= 0 ? ensemble.nodes[static_cast<size_t>(record.leaf)].weights : none;
    values.push_back(own.size() == 1 ? own[0].weight : 0);
    for (const LeafWeight& entry : own) {
      targets.push_back(static_cast<int32_t>(entry.target));
      weights.push_back(entry.weight);
    }
    if (targets.size() > static_cast<size_t>(INT32_MAX))
      fail(ErrorKind::kResource, "the leaves have more than {} weights", INT32_MAX);
    begins.push_back(static_cast<int32_t>(targets.size()));
  }
  const auto length = [](const auto& list) {
    return std::vector<int64_t>{static_cast<int64_t>(list.size())};
  };
  tables.values = Tensor::of<double>(DType::kDouble, length(values), values);
  tables.leaves = int32_tensor(begins, length(begins));
  tables.targets = int32_tensor(targets, length(targets));
  tables.weights = Tensor::of<double>(DType::kDouble, length(weights), weights);
}

}  // namespace

TreeTables tree_tables(const TreeEnsemble& ensemble, DType type) {
  Layout layout(ensemble, type);
  std::vector<Tree> trees;
  for (const int64_t root : ensemble.roots) trees.push_back({layout.add_tree(root), 0, -1});
  Depths depths(layout.records);
  for (Tree& tree : trees) {
    tree.depth = depths.of(tree.root);
    tree.target = common_target(ensemble, layout.records, tree.root);
  }
  // Trees that are walked side by side then take as many steps.
  std::stable_sort(trees.begin(), trees.end(),
                   [](const Tree& a, const Tree& b) { return a.depth < b.depth; });
  TreeTables tables;
  tables.nodes = pack_records(layout.records, type);
  tables.nan_right = nan_directions(layout.records);
  std::vector<int32_t> rows, columns(layout.features.size());
  for (const Tree& tree : trees) rows.insert(rows.end(), {tree.root, tree.depth, tree.target});
  for (const auto& [column, number] : layout.features) columns[number] = static_cast<int32_t>(column);
  tables.trees = int32_tensor(rows, {static_cast<int64_t>(trees.size()), 3});
  tables.features = int32_tensor(columns, {static_cast<int64_t>(columns.size())});
  pack_leaves(ensemble, layout.records, tables);
  return tables;
}

}  // namespace dlc::ir

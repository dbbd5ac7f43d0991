// OpDef: everything dlc knows to be true of one operator, in one record. Families register their records
// explicitly in ir/ops/registry.cpp.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "runtime/error.h"

namespace dlc::ir {

class LowerContext;     // ir/kernel/lower.h
class Builder;          // ir/builder.h
class GradientContext;  // ir/gradient.h

// Type inference of one node. Output types, symbolic shapes and shape values.
class InferContext {
 public:
  explicit InferContext(Node& node) : node_(node) {}
  Node& node() const { return node_; }
  bool has_input(size_t i) const { return node_.input(i) != nullptr; }
  const TensorType& input(size_t i) const;  // Error when absent or no tensor
  const Type& input_type(size_t i) const;
  const Shape& shape(size_t i) const { return input(i).shape; }
  int64_t rank(size_t i) const { return static_cast<int64_t>(shape(i).size()); }
  DType dtype(size_t i) const { return input(i).dtype; }
  void set_output(size_t i, Type type);  // ignored where the output is absent

  // The constant of an input, if it is one (large or small).
  const Tensor* constant(size_t i) const;
  // Element-wise content of an integer input of rank <= 1: its constant or its propagated shape value.
  std::optional<std::vector<Dim>> shape_value(size_t i) const;
  // The same, required to be plain numbers: axes, pads, ... Error naming the input otherwise.
  std::vector<int64_t> ints(size_t i, std::string_view what) const;
  void set_shape_value(size_t output, std::vector<Dim> value);
  // An extent on which a rank depends; Error where only the run knows it, naming `what`.
  int64_t known(const Dim& extent, std::string_view what) const;
  // The same request gives the same symbol when the node is inferred again.
  Dim fresh_symbol(std::string_view hint, SymbolInfo info = {}) const;

  // In [0, rank); Error otherwise.
  int64_t normalize_axis(int64_t axis, int64_t rank) const;
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    fail_text(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void fail_text(std::string text) const;  // Error(kModel); infer_node() names the node
  Node& node_;
  mutable size_t next_symbol_ = 0;
};

// One structural schema step: rewrites a node that follows the semantics of any version < `to_version` into
// the form of `to_version`, in place or by replacing it. Runs before inference; types are known only of
// constants and graph inputs. `from_version` is the operator's version that the model's opset selects.
struct UpgradeStep {
  int to_version;
  void (*apply)(Graph& graph, Node& node, int from_version);
};

enum class Trait : uint32_t {
  kNone = 0,
  kElementwise = 1,  // one output; inputs broadcast; output element depends on the inputs' same element
  kCommutative = 2,
  kNondeterministic = 4,  // never merged or folded: random numbers without seed
  kMovement = 8,          // output elements are input elements (or a fill value); type preserved
};
constexpr Trait operator|(Trait a, Trait b) { return Trait(uint32_t(a) | uint32_t(b)); }
constexpr bool has(Trait set, Trait t) { return (uint32_t(set) & uint32_t(t)) != 0; }

// The largest errors of results, by element type, in units in the last place of the exact result; of results
// nearer to zero than `unit_at`, where terms cancel, in those of `unit_at`. A test measures them.
struct ErrorBounds {
  double f32;
  double f64;
  double f16;
  double bf16;
  double unit_at = 0;
};

struct OpDef {
  std::string domain =
      "";  // "" is ai.onnx; "ai.onnx.ml", "com.microsoft", "dlc" (internal operators of passes)
  std::string name = "";
  // Required. Sets the type of every present output.
  void (*infer)(InferContext&) = nullptr;
  // Definition in simpler operators: replaces the node's outputs by values built with the Builder. Returns
  // false when this node (its attributes, types) needs no expansion because lower() handles it.
  bool (*expand)(Builder&, Node&) = nullptr;
  // Kernels of this node. At least one of expand and lower is present.
  void (*lower)(LowerContext&) = nullptr;
  // Like expand(), for an operator that lower() handles as a whole: a definition whose parts have gradient
  // rules, which stands for the node where it is differentiated. Replaces all outputs.
  bool (*unfold)(Builder&, Node&) = nullptr;
  // Cotangents of the inputs as graph values, given those of the outputs. Rules lie in ir/ops/gradients/ and
  // are attached after all families. An operator without one is differentiated through unfold() or expand().
  void (*gradient)(GradientContext&) = nullptr;
  // Rows of ir/ops/error_bounds.cpp. Nothing where errors depend on how many elements are summed.
  std::optional<ErrorBounds> errors = {};
  std::vector<UpgradeStep> upgrades = {};
  Trait traits = Trait::kNone;
  // For the list of operators: what a user cannot guess, such as a limit.
  std::string_view note = "";
};

class OpRegistry {
 public:
  // All families registered; built on first use, immutable afterwards.
  static const OpRegistry& global();

  void add(OpDef op);  // CHECK: unique (domain, name)
  // CHECK: the operator is registered and has no rule yet.
  void set_gradient(std::string_view domain, std::string_view name, void (*gradient)(GradientContext&));
  // CHECK: the operator is registered and has no bounds yet.
  void set_errors(std::string_view domain, std::string_view name, const ErrorBounds& bounds);
  const OpDef* find(std::string_view domain, std::string_view name) const;  // null if unknown
  const OpDef& get(std::string_view domain, std::string_view name) const;   // CHECK
  std::vector<const OpDef*> all() const;                                    // sorted by domain, name

 private:
  std::map<std::pair<std::string, std::string>, OpDef, std::less<>> ops_;
};

// Sets the type of every output of the node. An operator with sub-graphs sets the types of their inputs and
// calls infer_types() on them. Errors name the node. Inferring again is harmless.
void infer_node(Node& node);
// infer_node over the graph in order.
void infer_types(Graph& graph);

}  // namespace dlc::ir

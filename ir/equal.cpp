#include "ir/equal.h"

#include <fmt/format.h>

#include <unordered_map>

#include "ir/op.h"

namespace dlc::ir {
namespace {

void mix(size_t& seed, size_t value) { seed ^= value + 0x9e3779b97f4a7c15 + (seed << 6) + (seed >> 2); }

bool same_strings(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && a.strings() == b.strings();
}

bool same_tensor(const Tensor& a, const Tensor& b) {
  if (a.dtype() == DType::kString && b.dtype() == DType::kString) return same_strings(a, b);
  return identical(a, b);
}

// Pairs the values of two graphs from their outputs backwards. The pairing is one to one, so that shared and
// repeated computations differ.
class Matcher {
 public:
  bool graphs(const Graph& a, const Graph& b) {
    if (a.inputs().size() != b.inputs().size()) return differ("number of inputs of '{}'", a.name());
    if (a.output_names() != b.output_names()) return differ("outputs of '{}'", a.name());
    for (size_t i = 0; i < a.inputs().size(); ++i) {
      if (!pair(a.inputs()[i], b.inputs()[i], true)) return false;
    }
    for (size_t i = 0; i < a.outputs().size(); ++i) {
      if (!values(a.outputs()[i], b.outputs()[i])) return false;
    }
    return true;
  }

  bool attributes(const Attributes& a, const Attributes& b) {
    if (a.size() != b.size()) return false;
    for (auto i = a.begin(), j = b.begin(); i != a.end(); ++i, ++j) {
      if (i->first != j->first || !attribute(i->second, j->second)) return false;
    }
    return true;
  }

  bool attribute(const Attribute& a, const Attribute& b) {
    if (a.index() != b.index()) return false;
    if (auto* tensor = std::get_if<Tensor>(&a)) return same_tensor(*tensor, std::get<Tensor>(b));
    if (auto* graph = std::get_if<std::shared_ptr<Graph>>(&a)) {
      return graphs(**graph, *std::get<std::shared_ptr<Graph>>(b));
    }
    if (auto* number = std::get_if<int64_t>(&a)) return *number == std::get<int64_t>(b);
    if (auto* number = std::get_if<double>(&a)) return *number == std::get<double>(b);
    if (auto* text = std::get_if<std::string>(&a)) return *text == std::get<std::string>(b);
    if (auto* list = std::get_if<std::vector<int64_t>>(&a)) return *list == std::get<std::vector<int64_t>>(b);
    if (auto* list = std::get_if<std::vector<double>>(&a)) return *list == std::get<std::vector<double>>(b);
    if (auto* list = std::get_if<std::vector<std::string>>(&a))
      return *list == std::get<std::vector<std::string>>(b);
    return std::get<Type>(a) == std::get<Type>(b);
  }

  const std::string& difference() const { return difference_; }

 private:
  struct Pending {
    const Value* a;
    const Value* b;
  };

  template <class... Args>
  bool differ(fmt::format_string<Args...> format, Args&&... args) {
    if (difference_.empty()) difference_ = fmt::format(format, std::forward<Args>(args)...);
    return false;
  }

  // Compares what a and b depend on; a stack, because graphs are deep.
  bool values(const Value* a, const Value* b) {
    std::vector<Pending> stack = {{a, b}};
    while (!stack.empty()) {
      auto [x, y] = stack.back();
      stack.pop_back();
      if ((x == nullptr) != (y == nullptr)) return differ("an optional input");
      if (x == nullptr) continue;
      if (x->is_constant() && y->is_constant()) {
        if (!same_tensor(x->constant(), y->constant())) return differ("constant '{}'", x->name());
        continue;
      }
      if (auto it = forward_.find(x); it != forward_.end()) {
        if (it->second != y) return differ("value '{}' is shared differently", x->name());
        continue;
      }
      if (!pair(x, y, false)) return false;
      if (x->producer() != nullptr && !nodes(*x->producer(), *y->producer(), stack)) return false;
    }
    return true;
  }

  bool pair(const Value* a, const Value* b, bool inputs) {
    if (a != b && backward_.contains(b)) return differ("value '{}' is shared differently", a->name());
    forward_[a] = b;
    backward_[b] = a;
    if (!(a->type() == b->type())) {
      return differ("type of '{}': {} and {}", a->name(), to_string(a->type()), to_string(b->type()));
    }
    if (a->is_constant() != b->is_constant()) return differ("value '{}' is constant in one only", a->name());
    if ((a->producer() == nullptr) != (b->producer() == nullptr))
      return differ("producer of '{}'", a->name());
    if (a->producer() != nullptr) {
      return a->output_index() == b->output_index() || differ("output index of '{}'", a->name());
    }
    // An input that is met before its graph is entered is a captured one.
    return inputs || a == b || differ("captured value '{}'", a->name());
  }

  bool nodes(const Node& a, const Node& b, std::vector<Pending>& stack) {
    auto [it, is_new] = nodes_.try_emplace(&a, &b);
    if (!is_new) return it->second == &b || differ("{} is shared differently", a.describe());
    if (&a == &b) return true;
    if (&a.op() != &b.op()) return differ("{} and {}", a.describe(), b.describe());
    if (a.inputs().size() != b.inputs().size()) return differ("number of inputs of {}", a.describe());
    if (a.outputs().size() != b.outputs().size()) return differ("number of outputs of {}", a.describe());
    for (size_t i = 0; i < a.inputs().size(); ++i) stack.push_back({a.input(i), b.input(i)});
    return attributes(a.attributes(), b.attributes()) || differ("attributes of {}", a.describe());
  }

  std::unordered_map<const Value*, const Value*> forward_;
  std::unordered_map<const Value*, const Value*> backward_;
  std::unordered_map<const Node*, const Node*> nodes_;
  std::string difference_;
};

size_t hash_of(const Attribute& attribute) {
  size_t seed = attribute.index();
  if (auto* tensor = std::get_if<Tensor>(&attribute)) mix(seed, hash(*tensor));
  if (auto* graph = std::get_if<std::shared_ptr<Graph>>(&attribute)) mix(seed, (*graph)->nodes().size());
  if (auto* number = std::get_if<int64_t>(&attribute)) mix(seed, std::hash<int64_t>()(*number));
  if (auto* number = std::get_if<double>(&attribute)) mix(seed, std::hash<double>()(*number));
  if (auto* text = std::get_if<std::string>(&attribute)) mix(seed, std::hash<std::string>()(*text));
  if (auto* list = std::get_if<std::vector<int64_t>>(&attribute)) {
    for (int64_t number : *list) mix(seed, std::hash<int64_t>()(number));
  }
  if (auto* list = std::get_if<std::vector<double>>(&attribute)) {
    for (double number : *list) mix(seed, std::hash<double>()(number));
  }
  if (auto* list = std::get_if<std::vector<std::string>>(&attribute)) {
    for (const std::string& text : *list) mix(seed, std::hash<std::string>()(text));
  }
  return seed;
}

}  // namespace

bool equal(const Graph& a, const Graph& b, std::string* difference) {
  Matcher matcher;
  bool result = matcher.graphs(a, b);
  if (!result && difference != nullptr) *difference = matcher.difference();
  return result;
}

bool equal(const Attribute& a, const Attribute& b) { return Matcher().attribute(a, b); }
bool equal(const Attributes& a, const Attributes& b) { return Matcher().attributes(a, b); }

size_t hash(const Attributes& attributes) {
  size_t seed = attributes.size();
  for (const auto& [name, attribute] : attributes) {
    mix(seed, std::hash<std::string>()(name));
    mix(seed, hash_of(attribute));
  }
  return seed;
}

uint64_t hash(const Tensor& tensor) {
  size_t seed = static_cast<size_t>(tensor.dtype());
  for (int64_t extent : tensor.shape()) mix(seed, std::hash<int64_t>()(extent));
  if (tensor.dtype() == DType::kString) {
    for (const std::string& text : tensor.strings()) mix(seed, std::hash<std::string>()(text));
    return seed;
  }
  std::string_view bytes(tensor.as<char>(), static_cast<size_t>(tensor.byte_size()));
  mix(seed, std::hash<std::string_view>()(bytes));
  return seed;
}

}  // namespace dlc::ir

// Node: inputs, attributes, description.
#include <fmt/format.h>

#include "ir/graph.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

template <class T>
constexpr std::string_view kTypeName = "";
template <>
constexpr std::string_view kTypeName<int64_t> = "an integer";
template <>
constexpr std::string_view kTypeName<double> = "a float";
template <>
constexpr std::string_view kTypeName<std::string> = "a string";
template <>
constexpr std::string_view kTypeName<Tensor> = "a tensor";
template <>
constexpr std::string_view kTypeName<std::vector<int64_t>> = "integers";
template <>
constexpr std::string_view kTypeName<std::vector<double>> = "floats";
template <>
constexpr std::string_view kTypeName<std::vector<std::string>> = "strings";
template <>
constexpr std::string_view kTypeName<std::shared_ptr<Graph>> = "a graph";
template <>
constexpr std::string_view kTypeName<Type> = "a type";

std::string_view type_name(const Attribute& attribute) {
  return std::visit([](const auto& value) { return kTypeName<std::decay_t<decltype(value)>>; }, attribute);
}

}  // namespace

void Node::set_input(size_t i, Value* value) {
  if (i >= inputs_.size()) inputs_.resize(i + 1, nullptr);
  Graph::remove_use(inputs_[i], {this, i});
  inputs_[i] = value;
  Graph::add_use(value, {this, i});
}

void Node::truncate_inputs(size_t count) {
  while (inputs_.size() > count) {
    Graph::remove_use(inputs_.back(), {this, inputs_.size() - 1});
    inputs_.pop_back();
  }
}

void Node::set_attribute(std::string name, Attribute value) {
  attributes_.insert_or_assign(std::move(name), std::move(value));
}

void Node::erase_attribute(std::string_view name) {
  auto it = attributes_.find(name);
  if (it == attributes_.end()) return;
  if (auto* graph = std::get_if<std::shared_ptr<Graph>>(&it->second)) (*graph)->drop_uses();
  attributes_.erase(it);
}

template <class T>
const T& Node::attribute(std::string_view name) const {
  auto it = attributes_.find(name);
  if (it == attributes_.end()) {
    fail(ErrorKind::kModel, "{}: attribute '{}' is missing, expected {}", describe(), name, kTypeName<T>);
  }
  const T* value = std::get_if<T>(&it->second);
  if (value == nullptr) {
    fail(ErrorKind::kModel, "{}: attribute '{}': expected {}, found {}", describe(), name, kTypeName<T>,
         type_name(it->second));
  }
  return *value;
}

template <class T>
T Node::attribute(std::string_view name, T fallback) const {
  return has(name) ? attribute<T>(name) : std::move(fallback);
}

template const int64_t& Node::attribute(std::string_view) const;
template const double& Node::attribute(std::string_view) const;
template const std::string& Node::attribute(std::string_view) const;
template const Tensor& Node::attribute(std::string_view) const;
template const std::vector<int64_t>& Node::attribute(std::string_view) const;
template const std::vector<double>& Node::attribute(std::string_view) const;
template const std::vector<std::string>& Node::attribute(std::string_view) const;
template const std::shared_ptr<Graph>& Node::attribute(std::string_view) const;
template const Type& Node::attribute(std::string_view) const;
template int64_t Node::attribute(std::string_view, int64_t) const;
template double Node::attribute(std::string_view, double) const;
template std::string Node::attribute(std::string_view, std::string) const;
template Tensor Node::attribute(std::string_view, Tensor) const;
template std::vector<int64_t> Node::attribute(std::string_view, std::vector<int64_t>) const;
template std::vector<double> Node::attribute(std::string_view, std::vector<double>) const;
template std::vector<std::string> Node::attribute(std::string_view, std::vector<std::string>) const;

std::string Node::describe() const {
  std::string result = op_->domain.empty() ? op_->name : fmt::format("{}.{}", op_->domain, op_->name);
  if (!name_.empty()) result += fmt::format(" '{}'", name_);
  for (Value* output : outputs_) {
    if (output != nullptr) return result + fmt::format(" (output '{}')", output->name());
  }
  return result;
}

}  // namespace dlc::ir

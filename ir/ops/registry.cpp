#include <fmt/format.h>

#include "ir/op.h"
#include "ir/ops/families.h"
#include "ir/ops/gradients/rules.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

constexpr void (*kFamilies[])(OpRegistry&) = {
    register_elementwise,    register_activation,
    register_reduce,         register_softmax,
    register_normalization,  register_matmul,
    register_conv,           register_pool,
    register_shape,          register_movement,
    register_indexing,       register_image,
    register_signal,         register_generator,
    register_control_flow,   register_recurrent,
    register_random,         register_quantization,
    register_attention,      register_contrib,
    register_linear_algebra, register_ml,
    register_training,       register_values,
    register_internal,       register_contrib_array,
    register_exchange,       register_gradient_operator,
    register_block_product,
};

}  // namespace

const OpRegistry& OpRegistry::global() {
  static const OpRegistry registry = [] {
    OpRegistry result;
    for (auto register_family : kFamilies) register_family(result);
    attach_gradients(result);
    attach_error_bounds(result);
    return result;
  }();
  return registry;
}

void OpRegistry::add(OpDef op) {
  check(op.infer != nullptr, "every operator has infer");
  check(op.expand != nullptr || op.lower != nullptr, "every operator has expand or lower");
  std::pair key(op.domain, op.name);
  bool inserted = ops_.emplace(std::move(key), std::move(op)).second;
  check(inserted, "an operator is registered once");
}

void OpRegistry::set_gradient(std::string_view domain, std::string_view name,
                              void (*gradient)(GradientContext&)) {
  auto it = ops_.find(std::pair(std::string(domain), std::string(name)));
  check(it != ops_.end(), "a gradient rule belongs to a registered operator");
  check(it->second.gradient == nullptr, "an operator has one gradient rule");
  it->second.gradient = gradient;
}

void OpRegistry::set_errors(std::string_view domain, std::string_view name, const ErrorBounds& bounds) {
  auto it = ops_.find(std::pair(std::string(domain), std::string(name)));
  check(it != ops_.end(), "error bounds belong to a registered operator");
  check(!it->second.errors, "an operator has one row of error bounds");
  it->second.errors = bounds;
}

const OpDef* OpRegistry::find(std::string_view domain, std::string_view name) const {
  auto it = ops_.find(std::pair(std::string(domain), std::string(name)));
  return it == ops_.end() ? nullptr : &it->second;
}

const OpDef& OpRegistry::get(std::string_view domain, std::string_view name) const {
  const OpDef* op = find(domain, name);
  check(op != nullptr, "the operator is registered");
  return *op;
}

std::vector<const OpDef*> OpRegistry::all() const {
  std::vector<const OpDef*> result;
  for (const auto& entry : ops_) result.push_back(&entry.second);
  return result;
}

}  // namespace dlc::ir

// Names of the enumerations of Kernel IR, for its text form and for messages.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "ir/kernel/kernel.h"

namespace dlc::ir {

template <class T>
struct Named {
  T value;
  std::string_view name;
};

// Every operation but kInt, kFloat, kVar, kDim and kLoad.
std::span<const Named<ExprOp>> expr_op_names();
std::span<const Named<BufferKind>> buffer_kind_names();
std::span<const Named<ViewKind>> view_kind_names();
std::span<const Named<LoopKind>> loop_kind_names();
std::span<const Named<Combiner>> combiner_names();
std::span<const Named<AxisRole>> axis_role_names();
std::span<const Named<Algorithm>> algorithm_names();
std::span<const Named<RowGuard>> row_guard_names();

template <class T>
std::string_view name_in(std::span<const Named<T>> names, T value) {
  for (const Named<T>& row : names) {
    if (row.value == value) return row.name;
  }
  return "?";
}

template <class T>
std::optional<T> value_in(std::span<const Named<T>> names, std::string_view name) {
  for (const Named<T>& row : names) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

inline std::string_view name(ExprOp op) { return name_in(expr_op_names(), op); }

// How many arguments an operation takes; 0 for constants, variables and dims, -1 for loads.
int arity_of(ExprOp op);
bool is_comparison(ExprOp op);

}  // namespace dlc::ir

// What operators need for extents and values that are known only during a run: symbols for them, steps that
// bind the symbols, and checks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

// What is known before the run of the content of an integer tensor of rank 0 or 1; nothing for an absent
// value.
std::optional<std::vector<Dim>> known_values(const Value* value);
// The same where every element is a plain number.
std::optional<std::vector<int64_t>> known_ints(const Value* value);
// The only element of a constant of any numeric type.
std::optional<double> known_number(const Value* value);

// Shape values longer than this are not propagated.
constexpr size_t kMaxShapeValue = 1024;

// Sets the shape value of an output unless it is too long.
void propagate(InferContext& context, size_t output, std::vector<Dim> value);

// Stores the shape value of an output, where it has one, so that its inputs need not be computed.
bool lower_shape_value(LowerContext& context, size_t output = 0);

struct RuntimeExtent {
  size_t axis;
  Expr value;
};
// Binds the symbols of an output's extents to values computed during the run. Negative ones fail the run.
// `what` names them in the message.
void bind_extents(LowerContext& context, size_t output, const std::vector<RuntimeExtent>& extents,
                  std::string_view what);

// A number computed during the run as a Dim: its symbol is bound by a step emitted now.
Dim bind_number(LowerContext& context, const Expr& value, int64_t minimum, int64_t maximum,
                std::string_view what);

// Adds to a call scratch memory of a size that the callee decides, as an int64 vector.
void add_callee_scratch(LowerContext& context, Call& call);

// A condition on a number (int64) at every index of a shape.
struct RangeCheck {
  std::function<Expr(const Index&)> holds;
  std::function<Expr(const Index&)> number;
  std::string what;      // the message: "index: expected [-4, 4), found 7"
  std::string expected;  //
};
// Fails the run unless the condition holds everywhere, and names the largest number for which it does not.
void check_all(LowerContext& context, const Shape& shape, RangeCheck range);

}  // namespace dlc::ir

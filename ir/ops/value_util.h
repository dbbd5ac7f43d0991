// What operators on sequences, optionals, maps and strings share.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

std::vector<OpDef> sequence_records();
std::vector<OpDef> optional_records();
std::vector<OpDef> map_records();
std::vector<OpDef> string_records();
std::vector<OpDef> tfidf_records();
std::vector<OpDef> regex_records();

// ---- Inference

// The type of what input i, a sequence (an optional), holds. Error naming the input otherwise.
const Type& element_of(const InferContext& context, size_t i, TypeKind holder);
// The type of a value that is taken out of what holds `held`: extents that differ from one to the next become
// symbols. Error unless the rank is known.
Type taken_type(InferContext& context, const Type& held);
// The elements of a sequence whose structure the graph tells.
std::optional<std::vector<Value*>> known_elements(const Value* sequence);
// A position among `count` elements that the graph tells; `absent` for an absent value.
std::optional<size_t> known_position(const Value* position, size_t count, size_t absent);

// ---- Lowering

// A handle of a value that lies in `buffer`: what holds others is one, a tensor is copied into one.
BufferId handle_of(LowerContext& context, const Value& value, BufferId buffer);
BufferId handle_of_input(LowerContext& context, size_t i);
// A call that makes output i. Where that is a tensor, the call gives a handle, from which the tensor is
// taken.
void call_for_output(LowerContext& context, Call call, size_t i = 0);
// An optional that has what the handle stands for.
BufferId wrap_in_optional(LowerContext& context, BufferId handle);
// Output i is what the optional has; fails the run where it has nothing.
void take_from_optional(LowerContext& context, BufferId optional, size_t i = 0);
// For each axis of output i its extent, or -1 where the callee says it, in which case the call binds it.
void add_expected_extents(LowerContext& context, Call& call, size_t i = 0);

}  // namespace dlc::ir

// Records of the control-flow family that have a file of their own, and what they share.
#pragma once

#include <vector>

#include "ir/kernel/lower.h"
#include "ir/op.h"

namespace dlc::ir {

OpDef if_record();
OpDef assert_record();
OpDef loop_record();
OpDef scan_record();

// The sub-graph of an attribute.
Graph& subgraph(const Node& node, std::string_view attribute);

// True, false, or nothing where it is known only during the run.
std::optional<bool> known_condition(const Value* value);

// Types of the state variables that a loop body carries from one iteration to the next: body input first + i
// gets the type of node input `initial` + i, and extents that the body changes become symbols. Infers the
// body. Output first_output + i of the body is the next value.
struct Carried {
  size_t count;
  size_t first_input;   // of the body
  size_t first_output;  // of the body
  size_t initial;       // of the node
};
// Where the state is an optional and the body gives what it holds, the next state is an optional that has it.
bool is_wrapped(const Type& state, const Type& next);
void infer_carried(InferContext& context, Graph& body, const Carried& carried);

// The state variables while a loop is lowered.
class CarriedStates {
 public:
  // Makes the buffers and fills them before the loop.
  CarriedStates(LowerContext& context, const Graph& body, const Carried& carried);
  const std::vector<BufferId>& buffers() const { return buffers_; }
  // At the end of an iteration: the body's results, its outputs from `first_output` on, become the states.
  // `inner` is the context of the loop's region.
  void advance(LowerContext& inner, const Graph& body, size_t first_output, std::vector<BufferId> results);

 private:
  bool aliases_state(const Program& program, BufferId id) const;
  std::vector<Type> types_;
  std::vector<BufferId> buffers_;
};

}  // namespace dlc::ir

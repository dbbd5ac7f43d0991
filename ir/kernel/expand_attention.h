// What an attention means, as a contraction, a softmax and a contraction.
#pragma once

#include <functional>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::ir {

// The kernels that compute the attention of `kernel` with its scores in a new temporary of the program:
// unscheduled, in this order.
std::vector<Kernel> expand_attention(const Kernel& kernel, Program& program);

// Replaces the attentions of the program that `selects` holds for, all without it, by these kernels.
void expand_attentions(Program& program, const std::function<bool(const Attention&)>& selects = {});

// Whether the row has the key: first_key <= key < last_key; empty where it has all of them.
Expr key_condition(const Attention& attention);

// The lowest score, which stands for no key.
Expr no_score(const Attention& attention);

}  // namespace dlc::ir

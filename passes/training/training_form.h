// Models in the form that training or inference wants, whatever they were exported for.
#pragma once

#include <string>

#include "ir/graph.h"

namespace dlc::passes {

// Nothing is dropped, and BatchNormalization uses its running statistics.
void set_inference_form(ir::Graph& graph);
// The second half of that alone.
void freeze_normalization(ir::Graph& graph);

// Puts a Dropout with this ratio behind every node of the main graph whose name or first output matches the
// pattern; returns how many. In inference they change nothing.
size_t add_dropout(ir::Graph& graph, const std::string& pattern, double ratio);

// Every Dropout drops: each element with the node's ratio, or with `ratio` unless that is negative. What is
// drawn depends on the number `draw` (i64 scalar) and the node alone.
void replace_dropout(ir::Graph& graph, ir::Value* draw, double ratio);

// Whether the node draws random numbers in training, replace_dropout() with this ratio included.
bool is_random(const ir::Node& node, double ratio);

// The BatchNormalization that reads the running statistic takes those of the batch from now on; returns what
// it makes of the running one, null where there is no such node.
ir::Value* running_statistic(ir::Graph& graph, ir::Value* statistic);

}  // namespace dlc::passes

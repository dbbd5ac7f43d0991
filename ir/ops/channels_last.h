// Operators of com.microsoft whose channels come behind the spatial axes.
#pragma once

#include "ir/builder.h"
#include "ir/op.h"

namespace dlc::ir {

// Moves the channels from the last axis to the second one, and back.
Value* channels_to_front(Builder& builder, Value* x);
Value* channels_to_back(Builder& builder, Value* x);

// The shape with its channels moved the same way.
Shape with_channels_first(Shape shape);
Shape with_channels_last(Shape shape);

// The shape of a pool of input 0 by the node's attributes, after checks of these.
Shape infer_pooled(const InferContext& context, bool channels_last);

}  // namespace dlc::ir

// What the operators of ai.onnx.ml have in common: inputs seen as rows of features, labels of classes, and
// the transforms of scores.
#pragma once

#include <string_view>
#include <vector>

#include "ir/builder.h"
#include "ir/op.h"

namespace dlc::ir {

constexpr std::string_view kMlDomain = "ai.onnx.ml";

// Attributes; empty where absent.
std::vector<double> floats_of(const Node& node, std::string_view attribute);
std::vector<int64_t> ints_of(const Node& node, std::string_view attribute);

// An input of one or two axes as rows of features: a vector is one row.
struct Rows {
  Dim count;
  Dim features;
};
Rows rows_of(const InferContext& context, size_t input = 0);
// The same as a value of two axes and the given type.
Value* as_rows(Builder& builder, Value* x, DType type);
// Error unless the rows have this many features; where that is a symbol, the kernels check it.
void require_features(const InferContext& context, const Rows& rows, size_t expected);

Value* float_table(Builder& builder, const std::vector<double>& values, std::vector<int64_t> shape);
Value* double_table(Builder& builder, const std::vector<double>& values);
Value* float_scalar(Builder& builder, double value);

// NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO or PROBIT, of rows of scores.
Value* post_transform(Builder& builder, Value* scores, std::string_view kind);
void require_post_transform(const InferContext& context);

// The names of classes. Error unless exactly one of the attributes is there.
struct ClassLabels {
  Tensor table;  // int64 or string, rank 1
  size_t count() const { return static_cast<size_t>(table.size()); }
};
ClassLabels class_labels(const Node& node, std::string_view ints = "classlabels_ints",
                         std::string_view strings = "classlabels_strings");
// The labels of classes given by number.
Value* label_of(Builder& builder, const ClassLabels& labels, Value* number);
// The label of the greatest score of every row.
Value* best_label(Builder& builder, const ClassLabels& labels, Value* scores);

// The scores [n, 2] of two classes of which only the second's [n, 1] is known, transformed. The first's is
// the rest of 1 (`is_share`) or the negative. A softmax of a single score says nothing and is left out.
Value* transformed_pair(Builder& builder, Value* score, bool is_share, std::string_view transform);
// The label of the second class where its score [n, 1] is above the threshold, else that of the first.
Value* binary_label(Builder& builder, const ClassLabels& labels, Value* score, double threshold);

struct Classes {
  Value* labels;
  Value* scores;
};
// They take the places of a classifier's outputs.
void replace_classes(Builder& builder, Node& node, const Classes& classes);

std::vector<OpDef> ml_feature_records();
std::vector<OpDef> ml_encoder_records();
std::vector<OpDef> ml_linear_records();
std::vector<OpDef> ml_svm_records();
std::vector<OpDef> ml_tree_records();

}  // namespace dlc::ir

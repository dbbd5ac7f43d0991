// ai.onnx.ml: operators on features that map numbers to numbers. Scaler, Normalizer, Binarizer, Imputer,
// FeatureVectorizer.
#include <cmath>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/ml.h"

namespace dlc::ir {
namespace {

constexpr int64_t kLast = -1;

// One number for all features, or one a feature, as a constant of the type; null where the attribute is
// absent.
Value* per_feature(Builder& builder, const std::vector<double>& values, DType type) {
  if (values.empty()) return nullptr;
  Tensor table(type, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) table.set_double(static_cast<int64_t>(i), values[i]);
  return builder.constant(std::move(table));
}

void require_per_feature(const InferContext& context, size_t count, std::string_view attribute) {
  if (count <= 1) return;
  require_rank_at_least(context, 0, 1);
  require_equal_extents(context, context.shape(0).back(), Dim(static_cast<int64_t>(count)), attribute);
}

// ---- Scaler -----------------------------------------------------------------------------------------------

void infer_scaler(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  for (const char* attribute : {"offset", "scale"})
    require_per_feature(context, floats_of(context.node(), attribute).size(), attribute);
  context.set_output(0, Type(DType::kFloat, context.shape(0)));
}

bool expand_scaler(Builder& builder, Node& node) {
  const DType type = wide_type(node.input(0)->dtype());
  Value* x = builder.cast(node.input(0), type);
  if (Value* offset = per_feature(builder, floats_of(node, "offset"), type)) x = builder.sub(x, offset);
  if (Value* scale = per_feature(builder, floats_of(node, "scale"), type)) x = builder.mul(x, scale);
  builder.replace(node, 0, builder.cast(x, DType::kFloat));
  return true;
}

// ---- Normalizer -------------------------------------------------------------------------------------------

void infer_normalizer(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  rows_of(context);
  const std::string norm = context.node().attribute<std::string>("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    context.fail("norm: expected MAX, L1 or L2, found '{}'", norm);
  context.set_output(0, Type(DType::kFloat, context.shape(0)));
}

// Rows of norm zero stay as they are.
bool expand_normalizer(Builder& builder, Node& node) {
  Value* x = builder.cast(node.input(0), DType::kFloat);
  const std::string norm = node.attribute<std::string>("norm", "MAX");
  const char* reduction = norm == "MAX" ? "ReduceMax" : norm == "L1" ? "ReduceL1" : "ReduceL2";
  Value* size = builder.reduce(reduction, x, {kLast}, true);
  Value* is_zero = builder.op("Equal", {size, builder.like(size, 0)});
  Value* divisor = builder.op("Where", {is_zero, builder.like(size, 1), size});
  builder.replace(node, 0, builder.div(x, divisor));
  return true;
}

// ---- Binarizer --------------------------------------------------------------------------------------------

void lower_binarizer(LowerContext& context) {
  const double threshold = context.node().attribute<double>("threshold", 0.0);
  const DType type = context.input_type(0).dtype;
  const DType wide = is_float(type) ? type : DType::kFloat;
  context.map_output([&](const Index& index) {
    const Expr x = cast(context.at_input(0, index), wide);
    return select(x > constant(wide, threshold), constant(type, 1), constant(type, 0));
  });
}

// ---- Imputer ----------------------------------------------------------------------------------------------

std::vector<double> imputed_values(const Node& node) {
  if (is_float(node.input(0)->dtype())) return floats_of(node, "imputed_value_floats");
  const std::vector<int64_t> ints = ints_of(node, "imputed_value_int64s");
  return {ints.begin(), ints.end()};
}

void infer_imputer(InferContext& context) {
  require_type(context, 0, TypeClass::kNumeric);
  const size_t count = imputed_values(context.node()).size();
  if (count == 0) {
    context.fail("{} is absent, which an input of type {} needs",
                 is_float(context.dtype(0)) ? "imputed_value_floats" : "imputed_value_int64s",
                 name(context.dtype(0)));
  }
  require_per_feature(context, count, "imputed values");
  infer_same_as_input(context);
}

bool expand_imputer(Builder& builder, Node& node) {
  Value* x = node.input(0);
  const DType type = x->dtype();
  Value* is_missing = nullptr;
  if (is_float(type)) {
    const double missing = node.attribute<double>("replaced_value_float", 0.0);
    is_missing = std::isnan(missing) ? builder.op("IsNaN", {x})
                                     : builder.op("Equal", {x, builder.scalar(type, missing)});
  } else {
    const auto missing = node.attribute<int64_t>("replaced_value_int64", 0);
    Tensor number(type, {});
    number.set_int(0, missing);
    is_missing = builder.op("Equal", {x, builder.constant(std::move(number))});
  }
  Value* imputed = per_feature(builder, imputed_values(node), type);
  if (imputed->constant().size() == 1) imputed = builder.constant(imputed->constant().reshaped({}));
  builder.replace(node, 0, builder.op("Where", {is_missing, imputed, x}));
  return true;
}

// ---- FeatureVectorizer ------------------------------------------------------------------------------------

std::vector<int64_t> widths_of(const Node& node) { return ints_of(node, "inputdimensions"); }

void infer_feature_vectorizer(InferContext& context) {
  const std::vector<int64_t> widths = widths_of(context.node());
  const size_t count = context.node().inputs().size();
  if (!widths.empty() && widths.size() != count)
    context.fail("inputdimensions: expected one number an input ({}), found {}", count, widths.size());
  const Rows first = rows_of(context, 0);
  Dim total = 0;
  for (size_t i = 0; i < count; ++i) {
    require_type(context, i, TypeClass::kNumeric);
    const Rows rows = rows_of(context, i);
    require_equal_extents(context, rows.count, first.count, "rows of the inputs");
    if (!widths.empty() && widths[i] < 0)
      context.fail("inputdimensions: expected no negative number, found {}", widths[i]);
    total = total + (widths.empty() ? rows.features : Dim(widths[i]));
  }
  context.set_output(0, Type(DType::kFloat, {first.count, total}));
}

// The first `width` columns, with zeros for those that are not there.
Value* with_width(Builder& builder, Value* x, const Dim& width) {
  const Dim found = x->shape()[1];
  if (found == width) return x;
  const Dim kept = min(found, width);
  Value* part = builder.op("Slice", {x, builder.ints({0}), builder.dims({kept}), builder.ints({1})});
  return builder.op(
      "Pad", {part, builder.dims({0, width - kept}), builder.scalar(DType::kFloat, 0), builder.ints({1})});
}

bool expand_feature_vectorizer(Builder& builder, Node& node) {
  const std::vector<int64_t> widths = widths_of(node);
  std::vector<Value*> parts;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    Value* rows = as_rows(builder, node.input(i), DType::kFloat);
    parts.push_back(widths.empty() ? rows : with_width(builder, rows, widths[i]));
  }
  builder.replace(node, 0, builder.op("Concat", parts, {{"axis", int64_t{1}}}));
  return true;
}

}  // namespace

std::vector<OpDef> ml_feature_records() {
  const std::string domain(kMlDomain);
  return {
      {.domain = domain, .name = "Scaler", .infer = infer_scaler, .expand = expand_scaler},
      {.domain = domain, .name = "Normalizer", .infer = infer_normalizer, .expand = expand_normalizer},
      {.domain = domain,
       .name = "Binarizer",
       .infer = infer_same<TypeClass::kNumeric>,
       .lower = lower_binarizer},
      {.domain = domain, .name = "Imputer", .infer = infer_imputer, .expand = expand_imputer},
      {.domain = domain,
       .name = "FeatureVectorizer",
       .infer = infer_feature_vectorizer,
       .expand = expand_feature_vectorizer},
  };
}

}  // namespace dlc::ir

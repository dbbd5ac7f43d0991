#include "frontend/contrib_schemas.h"

#include <iterator>

#include <onnx/defs/function.h>

#include "frontend/contrib_signatures.h"
#include "runtime/error.h"

namespace dlc::frontend {
namespace {

using Context = onnx::FunctionBodyBuildContext;
using onnx::AttributeProto;
using onnx::OpSchema;

constexpr int kBodyOpset = 18;     // that the definitions are written in
constexpr int kRemovedOpset = 10;  // of ai.onnx: without its experimental operators

float float_of(const Context& node, const char* name, float fallback) {
  const AttributeProto* attribute = node.getAttribute(name);
  return attribute != nullptr ? attribute->f() : fallback;
}

std::vector<int64_t> ints_of(const Context& node, const char* name, size_t count) {
  const AttributeProto* attribute = node.getAttribute(name);
  if (attribute == nullptr) return {};
  if (static_cast<size_t>(attribute->ints_size()) != count) {
    fail(ErrorKind::kModel, "attribute '{}' has {} values; expected {}", name, attribute->ints_size(), count);
  }
  return {attribute->ints().begin(), attribute->ints().end()};
}

// alpha * x + beta.
void affine_body(const Context& node, onnx::FunctionBuilder& body) {
  body.Const("a", float_of(node, "alpha", 1)).Const("b", float_of(node, "beta", 0));
  body.Add("a_x = CastLike(a, X)").Add("b_x = CastLike(b, X)");
  body.Add("scaled = Mul(X, a_x)").Add("Y = Add(scaled, b_x)");
}

// scale * x + bias[channel], for images in N x C x H x W.
void image_scaler_body(const Context& node, onnx::FunctionBuilder& body) {
  body.Const("s", float_of(node, "scale", 1)).Add("s_x = CastLike(s, input)").Add("scaled = Mul(input, s_x)");
  const AttributeProto* bias = node.getAttribute("bias");
  if (bias == nullptr || bias->floats_size() == 0) {
    body.Add("output = Identity(scaled)");
    return;
  }
  body.Const("b", std::vector<float>(bias->floats().begin(), bias->floats().end()));
  body.Const("channels", std::vector<int64_t>{1, bias->floats_size(), 1, 1});
  body.Add("b_x = CastLike(b, input)").Add("b_c = Reshape(b_x, channels)").Add("output = Add(scaled, b_c)");
}

// Rows and columns of images in N x C x H x W: without `border` = (left, top, right, bottom), or `scale` =
// (height, width) of them from the left top corner that the border gives.
void crop_body(const Context& node, onnx::FunctionBuilder& body) {
  std::vector<int64_t> border = ints_of(node, "border", 4);
  const std::vector<int64_t> scale = ints_of(node, "scale", 2);
  if (border.empty()) border.assign(4, 0);
  const auto end = [&](int axis) {
    if (!scale.empty()) return border[1 - axis] + scale[axis];
    return border[3 - axis] == 0 ? INT64_MAX : -border[3 - axis];
  };
  body.Const("starts", std::vector<int64_t>{border[1], border[0]});
  body.Const("ends", std::vector<int64_t>{end(0), end(1)});
  body.Const("axes", std::vector<int64_t>{2, 3});
  body.Add("output = Slice(input, starts, ends, axes)");
}

// scale * x.
void scale_body(const Context& node, onnx::FunctionBuilder& body) {
  body.Const("s", float_of(node, "scale", 1)).Add("s_x = CastLike(s, input)").Add("output = Mul(input, s_x)");
}

// alpha * function(beta * x).
void scaled_function_body(const Context& node, const char* function, onnx::FunctionBuilder& body) {
  body.Const("a", float_of(node, "alpha", 1)).Const("b", float_of(node, "beta", 1));
  body.Add("a_x = CastLike(a, X)").Add("b_x = CastLike(b, X)").Add("inner = Mul(X, b_x)");
  body.Add(("outer = " + std::string(function) + "(inner)").c_str()).Add("Y = Mul(outer, a_x)");
}
void scaled_tanh_body(const Context& node, onnx::FunctionBuilder& body) {
  scaled_function_body(node, "Tanh", body);
}
void parametric_softplus_body(const Context& node, onnx::FunctionBuilder& body) {
  scaled_function_body(node, "Softplus", body);
}

void dynamic_slice_body(const Context& node, onnx::FunctionBuilder& body) {
  const bool has_axes = node.hasInput(3);
  body.Add(has_axes ? "output = Slice(data, starts, ends, axes)" : "output = Slice(data, starts, ends)");
}

// A tensor of one value. Its extents are those in `shape`, or those of the input, or (input_as_shape) what
// the input holds; then those in `extra_shape`.
void constant_fill_body(const Context& node, onnx::FunctionBuilder& body) {
  const auto extents = [&](const char* name) {
    const AttributeProto* attribute = node.getAttribute(name);
    return attribute == nullptr ? std::vector<int64_t>{}
                                : std::vector<int64_t>(attribute->ints().begin(), attribute->ints().end());
  };
  const AttributeProto* as_shape = node.getAttribute("input_as_shape");
  if (!node.hasInput(0)) {
    body.Const("own", extents("shape"));
  } else {
    const bool is_shape = as_shape != nullptr && as_shape->i() != 0;
    body.Add(is_shape ? "own = Cast <to = 7> (input)" : "own = Shape(input)");
  }
  const AttributeProto* type = node.getAttribute("dtype");
  body.Const("extra", extents("extra_shape")).Add("extents = Concat <axis = 0> (own, extra)");
  body.Const("v", float_of(node, "value", 0)).Add("filled = Expand(v, extents)");
  body.Add("output = Cast(filled)", "to", type == nullptr ? int64_t{1} : type->i());
}

struct ContribOp {
  const char* name;
  const char* domain;
  int removed;  // the opset that does not have it any more, or 0
  void (*declare)(OpSchema& schema);
  // Null: an operator of the standard in an older form, which its record upgrades.
  void (*body)(const Context& node, onnx::FunctionBuilder& body);
};

const std::vector<std::string>& float_types() {
  static const std::vector<std::string> types{"tensor(float16)", "tensor(float)", "tensor(double)"};
  return types;
}

void declare_affine(OpSchema& schema) {
  schema.Attr("alpha", "", AttributeProto::FLOAT, 1.0f).Attr("beta", "", AttributeProto::FLOAT, 0.0f);
  schema.Input(0, "X", "", "T").Output(0, "Y", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_image_scaler(OpSchema& schema) {
  schema.Attr("scale", "", AttributeProto::FLOAT, 1.0f).Attr("bias", "", AttributeProto::FLOATS, false);
  schema.Input(0, "input", "", "T").Output(0, "output", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_crop(OpSchema& schema) {
  schema.Attr("border", "", AttributeProto::INTS, false).Attr("scale", "", AttributeProto::INTS, false);
  schema.Input(0, "input", "", "T").Output(0, "output", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_scale(OpSchema& schema) {
  schema.Attr("scale", "", AttributeProto::FLOAT, 1.0f);
  schema.Input(0, "input", "", "T").Output(0, "output", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_scaled_function(OpSchema& schema) {
  schema.Attr("alpha", "", AttributeProto::FLOAT, false).Attr("beta", "", AttributeProto::FLOAT, false);
  schema.Input(0, "X", "", "T").Output(0, "Y", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_thresholded_relu(OpSchema& schema) {
  schema.Attr("alpha", "", AttributeProto::FLOAT, 1.0f);
  schema.Input(0, "X", "", "T").Output(0, "Y", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_mean_variance(OpSchema& schema) {
  schema.Attr("across_channels", "", AttributeProto::INT, int64_t{0});
  schema.Attr("normalize_variance", "", AttributeProto::INT, int64_t{1});
  schema.Input(0, "input", "", "T").Output(0, "output", "", "T").TypeConstraint("T", float_types(), "");
}

void declare_dynamic_slice(OpSchema& schema) {
  schema.Input(0, "data", "", "T").Input(1, "starts", "", "I").Input(2, "ends", "", "I");
  schema.Input(3, "axes", "", "I", OpSchema::Optional).Output(0, "output", "", "T");
  schema.TypeConstraint("T", OpSchema::all_tensor_types(), "");
  schema.TypeConstraint("I", {"tensor(int32)", "tensor(int64)"}, "");
}

void declare_constant_fill(OpSchema& schema) {
  schema.Attr("dtype", "", AttributeProto::INT, int64_t{1}).Attr("value", "", AttributeProto::FLOAT, 0.0f);
  schema.Attr("shape", "", AttributeProto::INTS, false).Attr("extra_shape", "", AttributeProto::INTS, false);
  schema.Attr("input_as_shape", "", AttributeProto::INT, int64_t{0});
  schema.Input(0, "input", "", "I", OpSchema::Optional).Output(0, "output", "", "O");
  schema.TypeConstraint("I", OpSchema::all_numeric_types(), "");
  schema.TypeConstraint("O", OpSchema::all_numeric_types(), "");
}

constexpr ContribOp kOps[] = {
    {"Affine", "", kRemovedOpset, declare_affine, affine_body},
    {"ConstantFill", "", kRemovedOpset, declare_constant_fill, constant_fill_body},
    {"DynamicSlice", "", kRemovedOpset, declare_dynamic_slice, dynamic_slice_body},
    {"MeanVarianceNormalization", "", 0, declare_mean_variance, nullptr},
    {"ParametricSoftplus", "", kRemovedOpset, declare_scaled_function, parametric_softplus_body},
    {"Scale", "", kRemovedOpset, declare_scale, scale_body},
    {"ScaledTanh", "", kRemovedOpset, declare_scaled_function, scaled_tanh_body},
    {"ThresholdedRelu", "", 0, declare_thresholded_relu, nullptr},
    {"ImageScaler", "", kRemovedOpset, declare_image_scaler, image_scaler_body},
    {"Crop", "", kRemovedOpset, declare_crop, crop_body},
};

const ContribOp* find_op(const OpSchema& schema) {
  for (const ContribOp& op : kOps) {
    if (schema.Name() == op.name && schema.domain() == op.domain) return &op;
  }
  return nullptr;
}

void register_op(const ContribOp& op) {
  OpSchema schema(op.name, __FILE__, __LINE__);
  op.declare(schema);
  onnx::RegisterSchema(schema.SetDomain(op.domain).SinceVersion(1), 0, true, true);
  if (op.removed == 0) return;
  OpSchema removed(op.name, __FILE__, __LINE__);
  onnx::RegisterSchema(removed.SetDomain(op.domain).SinceVersion(op.removed).Deprecate(), 0, true, true);
}

}  // namespace

void register_contrib_schemas() {
  static const bool done = [] {
    onnx::OpSchemaRegistry::DomainToVersionRange::Instance().AddDomainToVersion("com.microsoft", 1, 1);
    for (const ContribOp& op : kOps) register_op(op);
    for (const Signature& signature : contrib_signatures()) {
      onnx::RegisterSchema(schema_of(signature), 0, true, true);
    }
    return true;
  }();
  static_cast<void>(done);
}

bool has_contrib_body(const OpSchema& schema) {
  const ContribOp* op = find_op(schema);
  return op != nullptr && op->body != nullptr;
}

bool build_contrib_body(const OpSchema& schema, const Context& node, onnx::FunctionProto& body) {
  const ContribOp* op = find_op(schema);
  if (op == nullptr || op->body == nullptr) return false;
  onnx::FunctionBuilder builder(body);
  builder.AddOpset("", kBodyOpset);
  schema.BuildFunction(body);
  op->body(node, builder);
  return true;
}

}  // namespace dlc::frontend

#include "tests/fuzz/operator_model.h"

#include <algorithm>
#include <map>

#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>

#include "frontend/contrib_schemas.h"
#include "frontend/write_tensor.h"
#include "ir/op.h"

namespace dlc::test {
namespace {

using onnx::OpSchema;
using Shape = std::vector<int64_t>;

constexpr int64_t kExtents[] = {1, 1, 2, 2, 3, 3, 4, 5, 8, 17, 0};
constexpr const char* kWords[] = {"NOTSET",
                                  "SAME_UPPER",
                                  "SAME_LOWER",
                                  "VALID",
                                  "constant",
                                  "reflect",
                                  "edge",
                                  "wrap",
                                  "linear",
                                  "nearest",
                                  "cubic",
                                  "bilinear",
                                  "align_corners",
                                  "half_pixel",
                                  "asymmetric",
                                  "none",
                                  "add",
                                  "mul",
                                  "max",
                                  "min",
                                  "mean",
                                  "sum",
                                  "forward",
                                  "reverse",
                                  "bidirectional",
                                  "ij,jk->ik",
                                  "...i,ij->...j",
                                  "ii->i",
                                  "ij->",
                                  "tanh",
                                  "",
                                  "LEFT",
                                  "RIGHT",
                                  "Tanh",
                                  "Relu",
                                  "round_prefer_floor",
                                  "floor",
                                  "DCR",
                                  "CRD",
                                  "avg",
                                  "tf_crop_and_resize",
                                  "no such word"};

// "tensor(float)" -> the number of its element type; 0 for what is no tensor of a type that dlc has.
int32_t element_type(const std::string& text) {
  if (!text.starts_with("tensor(")) return 0;
  for (int32_t code = 1; code <= static_cast<int32_t>(DType::kInt2); ++code) {
    if (text == fmt::format("tensor({})", onnx_name(static_cast<DType>(code)))) return code;
  }
  return 0;
}

std::vector<int32_t> element_types(const OpSchema::FormalParameter& parameter) {
  std::vector<int32_t> codes;
  for (const std::string* text : parameter.GetTypes()) {
    if (const int32_t code = element_type(*text)) codes.push_back(code);
  }
  std::sort(codes.begin(), codes.end());
  return codes;
}

bool is_known(const OpSchema& schema) {
  return ir::OpRegistry::global().find(schema.domain(), schema.Name()) != nullptr || schema.HasFunction() ||
         schema.HasContextDependentFunction() || frontend::has_contrib_body(schema);
}

bool is_fuzzed(const OpSchema& schema) {
  if (!is_known(schema)) return false;
  for (const auto& [name, attribute] : schema.attributes()) {
    if (attribute.type == onnx::AttributeProto::GRAPH) return false;
  }
  return std::all_of(schema.inputs().begin(), schema.inputs().end(),
                     [](const auto& input) { return !element_types(input).empty(); });
}

class Maker {
 public:
  Maker(const OpSchema& schema, Random& random) : schema_(schema), random_(random) {}

  std::string make() {
    auto& opset = *model_.add_opset_import();
    opset.set_domain(schema_.domain());
    opset.set_version(schema_.since_version());
    model_.set_ir_version(10);
    graph().set_name("fuzz");
    node_ = graph().add_node();
    node_->set_op_type(schema_.Name());
    node_->set_domain(schema_.domain());
    node_->set_name("culprit");
    usual_ = random_shape();
    for (const auto& input : schema_.inputs()) add_inputs(input);
    for (const auto& [name, attribute] : schema_.attributes()) {
      if (attribute.required || one_in(random_, 2)) add_attribute(name, attribute.type);
    }
    add_outputs();
    return model_.SerializeAsString();
  }

 private:
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  Shape random_shape() {
    Shape shape(below(random_, 6));
    for (int64_t& extent : shape) extent = pick_from(kExtents, random_);
    return shape;
  }

  // Most inputs of an operator have shapes that resemble each other.
  Shape input_shape(int32_t type) {
    const bool is_index = type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32;
    Shape shape = usual_;
    switch (below(random_, is_index ? 8 : 6)) {
      case 0:
        return random_shape();
      case 1:
        return {};
      case 2:
        if (!shape.empty()) shape[below(random_, shape.size())] = pick_from(kExtents, random_);
        return shape;
      case 3:
        if (!shape.empty()) shape.erase(shape.begin());
        return shape;
      case 6:
      case 7:
        return {static_cast<int64_t>(std::max<size_t>(1, usual_.size()))};
      default:
        return shape;
    }
  }

  int32_t type_of(const OpSchema::FormalParameter& parameter) {
    const std::vector<int32_t> codes = element_types(parameter);
    int32_t code = pick_from(codes, random_);
    if (std::find(codes.begin(), codes.end(), onnx::TensorProto::FLOAT) != codes.end() && one_in(random_, 2))
      code = onnx::TensorProto::FLOAT;
    if (one_in(random_, 100)) code = 1 + static_cast<int32_t>(below(random_, 26));
    if (one_in(random_, 50)) return code;
    return types_.emplace(parameter.GetTypeStr(), code).first->second;
  }

  void add_inputs(const OpSchema::FormalParameter& parameter) {
    size_t count = 1;
    if (parameter.GetOption() == OpSchema::Variadic) count = 1 + below(random_, 3);
    if (parameter.GetOption() == OpSchema::Optional && one_in(random_, 3)) {
      node_->add_input("");
      return;
    }
    for (size_t i = 0; i < count; ++i) add_input(type_of(parameter));
  }

  void add_input(int32_t type) {
    const std::string name = fmt::format("x{}", node_->input_size());
    node_->add_input(name);
    const Shape shape = input_shape(type);
    const auto dtype = static_cast<DType>(type);
    if (one_in(random_, shape.size() < 2 ? 2 : 5) && bit_width(dtype) > 0) {
      const Tensor values = random_values(dtype, shape, random_);
      onnx::TensorProto& constant = *graph().add_initializer();
      constant.set_name(name);
      frontend::store(constant, values);
      return;
    }
    onnx::ValueInfoProto& input = *graph().add_input();
    input.set_name(name);
    auto& tensor = *input.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (int64_t extent : shape) {
      auto& dim = *tensor.mutable_shape()->add_dim();
      if (one_in(random_, 5)) {
        dim.set_dim_param(one_in(random_, 2) ? "n" : fmt::format("d{}", below(random_, 4)));
      } else {
        dim.set_dim_value(extent);
      }
    }
  }

  void add_attribute(const std::string& name, onnx::AttributeProto::AttributeType type) {
    onnx::AttributeProto& attribute = *node_->add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    const size_t count = one_in(random_, 2) ? usual_.size() : below(random_, 6);
    switch (type) {
      case onnx::AttributeProto::INT:
        attribute.set_i(likely_int(random_));
        break;
      case onnx::AttributeProto::FLOAT:
        attribute.set_f(random_values(DType::kFloat, {}, random_).as<float>()[0]);
        break;
      case onnx::AttributeProto::STRING:
        attribute.set_s(pick_from(kWords, random_));
        break;
      case onnx::AttributeProto::TENSOR:
        attribute.mutable_t()->set_data_type(onnx::TensorProto::INT64);
        attribute.mutable_t()->add_dims(1);
        attribute.mutable_t()->add_int64_data(likely_int(random_));
        break;
      case onnx::AttributeProto::INTS:
        for (size_t i = 0; i < count; ++i) attribute.add_ints(likely_int(random_));
        break;
      case onnx::AttributeProto::FLOATS:
        for (size_t i = 0; i < count; ++i)
          attribute.add_floats(random_values(DType::kFloat, {}, random_).as<float>()[0]);
        break;
      case onnx::AttributeProto::STRINGS:
        for (size_t i = 0; i < count; ++i) attribute.add_strings(pick_from(kWords, random_));
        break;
      default:
        node_->mutable_attribute()->RemoveLast();
    }
  }

  // No type is declared, so that whatever inference finds is right.
  void add_outputs() {
    const auto least = static_cast<size_t>(std::max(schema_.min_output(), 1));
    const size_t most = std::clamp(static_cast<size_t>(schema_.max_output()), least, least + 3);
    const size_t count = least + below(random_, most - least + 1);
    for (size_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("y{}", i);
      node_->add_output(name);
      graph().add_output()->set_name(name);
    }
  }

  const OpSchema& schema_;
  Random& random_;
  onnx::ModelProto model_;
  onnx::NodeProto* node_ = nullptr;
  Shape usual_;
  std::map<std::string, int32_t> types_;
};

}  // namespace

std::vector<const OpSchema*> fuzzed_operators() {
  frontend::register_contrib_schemas();
  static const std::vector<OpSchema> kSchemas = onnx::OpSchemaRegistry::get_all_schemas_with_history();
  std::vector<const OpSchema*> result;
  for (const OpSchema& schema : kSchemas) {
    if (is_fuzzed(schema)) result.push_back(&schema);
  }
  std::sort(result.begin(), result.end(), [](const OpSchema* a, const OpSchema* b) {
    return std::tuple(a->domain(), a->Name(), a->since_version()) <
           std::tuple(b->domain(), b->Name(), b->since_version());
  });
  return result;
}

std::string operator_model(const OpSchema& schema, Random& random) { return Maker(schema, random).make(); }

}  // namespace dlc::test

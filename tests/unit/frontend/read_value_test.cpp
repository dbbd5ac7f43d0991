// Files of values, and text that is no UTF-8.
#include <gtest/gtest.h>
#include <onnx/onnx-data.pb.h>

#include <fstream>

#include "frontend/read_model.h"
#include "runtime/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

onnx::TensorProto float_tensor(std::vector<float> values, bool scalar = false) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  if (!scalar) tensor.add_dims(static_cast<int64_t>(values.size()));
  for (float value : values) tensor.add_float_data(value);
  return tensor;
}

Value read(const google::protobuf::Message& message, ValueKind kind) {
  const TemporaryFolder folder;
  std::ofstream(folder / "value.pb", std::ios::binary) << message.SerializeAsString();
  return frontend::read_value_proto(folder / "value.pb", kind);
}

std::string fault_of(const google::protobuf::Message& message, ValueKind kind) {
  try {
    read(message, kind);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

onnx::MapProto map_of(const std::vector<std::string>& keys, const std::vector<float>& values) {
  onnx::MapProto map;
  map.set_key_type(onnx::TensorProto::STRING);
  for (const std::string& key : keys) map.add_string_keys(key);
  map.mutable_values()->set_elem_type(onnx::SequenceProto::TENSOR);
  for (float value : values) *map.mutable_values()->add_tensor_values() = float_tensor({value}, true);
  return map;
}

TEST(ReadValue, ReadsSequencesAndOptionals) {
  onnx::SequenceProto sequence;
  sequence.set_elem_type(onnx::SequenceProto::TENSOR);
  *sequence.add_tensor_values() = float_tensor({1, 2});
  *sequence.add_tensor_values() = float_tensor({3});
  EXPECT_EQ(describe(read(sequence, ValueKind::kSequence)), "sequence of 2: float[2], float[1]");
  onnx::OptionalProto optional;
  optional.set_elem_type(onnx::OptionalProto::SEQUENCE);
  EXPECT_EQ(describe(read(optional, ValueKind::kOptional)), "optional without element");
  *optional.mutable_sequence_value() = sequence;
  const Value value = read(optional, ValueKind::kOptional);
  ASSERT_EQ(value.elements().size(), 1u);
  EXPECT_EQ(value.elements()[0].elements()[1].tensor().as<float>()[0], 3);
}

TEST(ReadValue, ReadsMapsAndSequencesOfThem) {
  onnx::SequenceProto sequence;
  sequence.set_elem_type(onnx::SequenceProto::MAP);
  *sequence.add_map_values() = map_of({"b", "a"}, {1, 2});
  const Value map = read(sequence, ValueKind::kSequence).elements()[0];
  EXPECT_EQ(map.keys().strings(), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(map.values().as<float>()[1], 2);
}

TEST(ReadValue, SaysWhatIsWrong) {
  EXPECT_NE(fault_of(map_of({"a", "b"}, {1}), ValueKind::kMap).find("a map of 2 keys and 1 values"),
            std::string::npos);
  onnx::MapProto keys = map_of({}, {});
  keys.set_key_type(onnx::TensorProto::FLOAT);
  EXPECT_NE(fault_of(keys, ValueKind::kMap).find("keys of type float"), std::string::npos);
  onnx::SequenceProto nested;
  for (int i = 0; i < 40; ++i) {
    onnx::SequenceProto outer;
    outer.set_elem_type(onnx::SequenceProto::SEQUENCE);
    *outer.add_sequence_values() = nested;
    nested = outer;
  }
  EXPECT_NE(fault_of(nested, ValueKind::kSequence).find("nest"), std::string::npos);
  EXPECT_THROW(frontend::read_value_proto("nowhere.pb", ValueKind::kSequence), Error);
  const TemporaryFolder folder;
  std::ofstream(folder / "value.pb", std::ios::binary) << "no message";
  EXPECT_THROW(frontend::read_value_proto(folder / "value.pb", ValueKind::kMap), Error);
}

TEST(ReadValue, StringsOfAModelAreUtf8) {
  onnx::ModelProto model = model_from_text(R"(<ir_version: 9, opset_import: ["" : 20]>
g (string[1] x) => (string[1] y) <string[1] w = {"é"}> { y = StringConcat (x, w) })");
  EXPECT_EQ(error_of(model), "");
  model.mutable_graph()->mutable_initializer(0)->set_string_data(0, "\xc3");
  EXPECT_NE(error_of(model).find("string 0 is not UTF-8"), std::string::npos) << error_of(model);

  onnx::ModelProto words = model_from_text(R"(
g (string[2] x) => (string[n] y) { y = StringNormalizer <stopwords = ["a", "b"]> (x) })");
  EXPECT_EQ(error_of(words), "");
  words.mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_strings(1, "\xff");
  EXPECT_NE(error_of(words).find("attribute 'stopwords' is not UTF-8"), std::string::npos);
}

TEST(ReadValue, TypesThatHoldOthersAreChecked) {
  EXPECT_NE(error_of_text(R"(g (map(float, float) m) => (float[1] y) { y = Identity (m) })")
                .find("the keys of 'm' are float"),
            std::string::npos);
  EXPECT_NE(error_of_text(R"(g (seq(float[n]) s) => (float[n] y) { y = Identity (s) })").find("'y'"),
            std::string::npos);
}

}  // namespace
}  // namespace dlc::test

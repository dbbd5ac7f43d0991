// Strings, sequences and optionals through the C API.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "api/dlc_c.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

class Session {
 public:
  // Of a model in ONNX's text form.
  explicit Session(const std::string& text) {
    const TemporaryFolder folder;
    const std::string path = folder / "model.onnx";
    std::ofstream(path, std::ios::binary) << model_from_text(text).SerializeAsString();
    dlc_graph* graph = nullptr;
    EXPECT_EQ(dlc_read_model(path.c_str(), nullptr, &graph), DLC_OK) << dlc_last_error();
    EXPECT_EQ(dlc_compile(graph, nullptr, &program_), DLC_OK) << dlc_last_error();
    dlc_graph_release(graph);
    EXPECT_EQ(dlc_session_create(program_, nullptr, &session_), DLC_OK) << dlc_last_error();
  }
  ~Session() {
    dlc_session_release(session_);
    dlc_program_release(program_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  dlc_session* get() const { return session_; }
  const dlc_program* program() const { return program_; }

 private:
  dlc_program* program_ = nullptr;
  dlc_session* session_ = nullptr;
};

constexpr uint8_t kFloat = 1, kInt64 = 7, kString = 8;

constexpr const char* kConcat = R"(<ir_version: 9, opset_import: ["" : 20]>
g (string[2] x, string[2] y) => (string[2] z) { z = StringConcat (x, y) })";
constexpr const char* kInsert = R"(
g (seq(int64[]) s, int64[3] x, int64[1] at) => (seq(int64[]) y) { y = SequenceInsert (s, x, at) })";
constexpr const char* kHasElement = R"(<ir_version: 8, opset_import: ["" : 18]>
g (optional(float[4]) o) => (bool y) { y = OptionalHasElement (o) })";

TEST(CApiValues, TakesAndGivesStrings) {
  const Session session(kConcat);
  dlc_string x[] = {{"ab", -1}, {"c\0d", 3}};
  dlc_string y[] = {{"x", 1}, {"", 0}};
  int64_t shape[] = {2};
  dlc_tensor inputs[] = {dlc_make_tensor(x, kString, 1, shape), dlc_make_tensor(y, kString, 1, shape)};
  dlc_tensor output = {};
  ASSERT_EQ(dlc_run(session.get(), inputs, &output), DLC_OK) << dlc_last_error();
  ASSERT_EQ(output.ndim, 1);
  ASSERT_EQ(output.shape[0], 2);
  const auto* result = static_cast<const dlc_string*>(output.data);
  EXPECT_STREQ(result[0].data, "abx");
  ASSERT_EQ(result[1].size, 3);
  EXPECT_EQ(std::memcmp(result[1].data, "c\0d", 4), 0);

  dlc_string memory[2] = {};
  output = dlc_make_tensor(memory, kString, 1, shape);
  ASSERT_EQ(dlc_run(session.get(), inputs, &output), DLC_OK) << dlc_last_error();
  EXPECT_STREQ(memory[0].data, "abx");

  x[1] = {"\xff", 1};
  EXPECT_EQ(dlc_run(session.get(), inputs, &output), DLC_INVALID_INPUT);
  EXPECT_STREQ(dlc_last_error(), "input 'x': string 1 is not UTF-8");
}

TEST(CApiValues, ReadsStringsWithStrides) {
  const Session session(kConcat);
  dlc_string x[] = {{"a", 1}, {"-", 1}, {"b", 1}};
  int64_t shape[] = {2}, stride[] = {2}, back[] = {-1};
  dlc_tensor inputs[] = {dlc_make_tensor(x, kString, 1, shape), dlc_make_tensor(x + 1, kString, 1, shape)};
  inputs[0].strides = stride;
  inputs[1].strides = back;
  dlc_tensor output = {};
  ASSERT_EQ(dlc_run(session.get(), inputs, &output), DLC_OK) << dlc_last_error();
  const auto* result = static_cast<const dlc_string*>(output.data);
  EXPECT_STREQ(result[0].data, "a-");
  EXPECT_STREQ(result[1].data, "ba");
}

TEST(CApiValues, TakesAndGivesSequences) {
  const Session session(kInsert);
  const dlc_value_info* info = dlc_input(session.program(), 0);
  ASSERT_EQ(info->kind, DLC_SEQUENCE);
  ASSERT_NE(info->element, nullptr);
  EXPECT_EQ(info->element->kind, DLC_TENSOR);
  EXPECT_EQ(info->element->dtype, kInt64);
  EXPECT_EQ(info->element->rank, -1);  // any

  int64_t a[] = {1, 2}, b[] = {3}, c[] = {7, 8, 9}, position[] = {1}, two[] = {2}, one[] = {1}, three[] = {3};
  dlc_value elements[2] = {};
  elements[0].tensor = dlc_make_tensor(a, kInt64, 1, two);
  elements[1].tensor = dlc_make_tensor(b, kInt64, 1, one);
  dlc_value sequence = {};
  sequence.kind = DLC_SEQUENCE;
  sequence.count = 2;
  sequence.elements = elements;
  dlc_tensor inputs[] = {dlc_make_value(&sequence), dlc_make_tensor(c, kInt64, 1, three),
                         dlc_make_tensor(position, kInt64, 1, one)};
  dlc_tensor output = {};
  for (int run = 0; run < 3; ++run) {
    // What the output was before makes no difference: a sequence takes no memory of the caller.
    ASSERT_EQ(dlc_run(session.get(), inputs, &output), DLC_OK) << dlc_last_error();
    const auto& result = *static_cast<const dlc_value*>(output.data);
    ASSERT_EQ(result.kind, DLC_SEQUENCE);
    ASSERT_EQ(result.count, 3);
    EXPECT_EQ(result.elements[1].tensor.shape[0], 3);
    EXPECT_EQ(static_cast<const int64_t*>(result.elements[1].tensor.data)[2], 9);
    EXPECT_EQ(static_cast<const int64_t*>(result.elements[2].tensor.data)[0], 3);
  }
  position[0] = 9;
  EXPECT_EQ(dlc_run(session.get(), inputs, &output), DLC_INVALID_INPUT);
  EXPECT_NE(std::string(dlc_last_error()).find("position 9 in a sequence of 2 elements"), std::string::npos)
      << dlc_last_error();
  inputs[0] = dlc_make_tensor(c, kInt64, 1, three);
  EXPECT_EQ(dlc_run(session.get(), inputs, &output), DLC_INVALID_INPUT);
}

TEST(CApiValues, TakesOptionals) {
  const Session session(kHasElement);
  float numbers[4] = {};
  int64_t four[] = {4};
  dlc_value element = {};
  element.tensor = dlc_make_tensor(numbers, kFloat, 1, four);
  dlc_value optional = {};
  optional.kind = DLC_OPTIONAL;
  optional.elements = &element;
  for (const bool has : {false, true}) {
    optional.count = has ? 1 : 0;
    const dlc_tensor input = dlc_make_value(&optional);
    dlc_tensor output = {};
    ASSERT_EQ(dlc_run(session.get(), &input, &output), DLC_OK) << dlc_last_error();
    EXPECT_EQ(*static_cast<const bool*>(output.data), has);
  }
}

}  // namespace
}  // namespace dlc::test

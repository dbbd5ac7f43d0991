#include "runtime/training/table_data.h"

#include <gtest/gtest.h>

#include "runtime/data/files.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace dlc::training {
namespace {

using test::expect_contains;
using test::message_of;

const Field kTwo{"x", DType::kFloat, {8, 2}};
const Field kClass{"target", DType::kInt64, {8}};
const Field kNumber{"target", DType::kFloat, {8, 1}};

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i) result.push_back(tensor.get_double(i));
  return result;
}

class TableDataTest : public testing::Test {
 protected:
  TableData csv(const std::string& text, const std::vector<Field>& fields, const TableOptions& options = {}) {
    data::write_file(folder_ / "a.csv", text);
    return read_csv_samples(folder_ / "a.csv", fields, options);
  }
  TableData json(const std::string& text, const std::vector<Field>& fields,
                 const TableOptions& options = {}) {
    data::write_file(folder_ / "a.jsonl", text);
    return read_json_samples(folder_ / "a.jsonl", fields, options);
  }
  std::string csv_fault(const std::string& text, const std::vector<Field>& fields,
                        const TableOptions& options = {}) {
    return message_of([&] { csv(text, fields, options); });
  }
  std::string json_fault(const std::string& text, const std::vector<Field>& fields,
                         const TableOptions& options = {}) {
    return message_of([&] { json(text, fields, options); });
  }

  test::TemporaryFolder folder_;
};

TEST_F(TableDataTest, TakesAllColumnsButTheTarget) {
  const TableData table = csv("a,label,b\n1,0,2.5\n-3e2,4, +4 \n", {kTwo, kClass}, {.is_class = true});
  ASSERT_EQ(table.arrays.size(), 2U);
  EXPECT_EQ(table.arrays[0].shape(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(values_of(table.arrays[0]), (std::vector<double>{1, 2.5, -300, 4}));
  EXPECT_EQ(table.arrays[1].dtype(), DType::kInt64);
  EXPECT_EQ(values_of(table.arrays[1]), (std::vector<double>{0, 4}));
  EXPECT_TRUE(table.classes.empty()) << "numbers are classes as they are";
}

TEST_F(TableDataTest, GivesNamedColumnsToInputs) {
  const std::vector<Field> fields = {{"pixels", DType::kFloat, {8, 3}}, {"age", DType::kInt64, {8}}, kNumber};
  const std::string text = "p0,age,price,p1,extra,p2\n1,30,9.5,2,,3\n";
  const TableData table =
      csv(text, fields, {.columns = {{"pixels", {"p2", "p0", "p1"}}, {"target", {"price"}}}});
  EXPECT_EQ(values_of(table.arrays[0]), (std::vector<double>{3, 1, 2}));
  EXPECT_EQ(values_of(table.arrays[1]), (std::vector<double>{30})) << "by its name";
  EXPECT_EQ(values_of(table.arrays[2]), (std::vector<double>{9.5}));
  const TableData matched = csv(text, fields, {.columns = {{"pixels", {"p?"}}, {"target", {"price"}}}});
  EXPECT_EQ(values_of(matched.arrays[0]), (std::vector<double>{1, 2, 3})) << "in the order of the columns";
}

TEST_F(TableDataTest, NumbersNamesInTheirOrder) {
  const std::string text = "a,b,species\n1,2,virginica\n3,4,setosa\n5,6,virginica\n";
  const TableOptions options{.columns = {{"target", {"species"}}}, .is_class = true};
  const TableData table = csv(text, {kTwo, kClass}, options);
  EXPECT_EQ(table.classes, (std::vector<std::string>{"setosa", "virginica"}));
  EXPECT_EQ(values_of(table.arrays[1]), (std::vector<double>{1, 0, 1}));
  // The numbers of other data of the run hold, whichever names occur.
  TableOptions known = options;
  known.classes = {"virginica", "versicolor", "setosa"};
  EXPECT_EQ(values_of(csv(text, {kTwo, kClass}, known).arrays[1]), (std::vector<double>{0, 2, 0}));
  known.classes = {"setosa"};
  expect_contains(csv_fault(text, {kTwo, kClass}, known),
                  "a.csv: line 2: column 3 ('species'): the class 'virginica' is none of the training data");
  known.classes = std::vector<std::string>();
  expect_contains(csv_fault(text, {kTwo, kClass}, known), "expected the number of a class");
}

TEST_F(TableDataTest, NamesFileLineAndColumnOfAFault) {
  const std::vector<Field> fields = {kTwo, kNumber};
  expect_contains(csv_fault("a,b,y\n1,2,3\n\n1,two,3\n", fields),
                  "a.csv: line 4: column 2 ('b'): expected a number, found 'two'");
  expect_contains(csv_fault("a,b,y\n1,,3\n", fields), "line 2: column 2 ('b'): expected a number, found ''");
  expect_contains(csv_fault("a,b,y\n1,nan,3\n", fields), "line 2: column 2 ('b'): expected a number");
  expect_contains(csv_fault("a,b,y\n1,2\n", fields), "a.csv: line 2: expected 3 cells, found 2");
  expect_contains(csv_fault("a,b,y\n1,\"2,3\n", fields), "a.csv: line 2: cell 2: the quote is not closed");
  expect_contains(csv_fault("", fields), "a.csv: is empty");
  expect_contains(csv_fault("a,b,y\n1,2,\n", {kTwo, kClass}, {.is_class = true}), "expected a class");
  expect_contains(csv_fault("a,y\n1.5,1\n", {{"x", DType::kInt64, {8, 1}}, kNumber}),
                  "line 2: column 1 ('a'): expected a whole number, found 1.5");
}

TEST_F(TableDataTest, TellsWhichColumnsThereAre) {
  const std::vector<Field> fields = {kTwo, kNumber};
  expect_contains(csv_fault("a,b,c\n", fields),
                  "which column is the target? Say target=COLUMN; there are a, b, c");
  expect_contains(csv_fault("a,b,c,y\n", fields), "'x' takes 2 numbers a sample, but has 3 columns: a, b, c");
  expect_contains(csv_fault("a,b,y\n", fields, {.columns = {{"x", {"a", "d"}}}}),
                  "there is no column 'd' for 'x'; there are a, b, y");
  expect_contains(csv_fault("a,b,y\n", fields, {.columns = {{"z", {"a"}}}}),
                  "there is no 'z' to give columns to; there are x, target");
  expect_contains(csv_fault("a,b,y\n", {kTwo, {"z", DType::kFloat, {8, 1}}, kNumber}),
                  "which columns are 'x'?");
}

TEST_F(TableDataTest, ReadsJsonLines) {
  const TableData table =
      json("{\"label\": \"b\", \"x\": [[1], [2.5]]}\n\n{\"x\": [3, true], \"label\": \"a\"}", {kTwo, kClass},
           {.is_class = true});
  EXPECT_EQ(values_of(table.arrays[0]), (std::vector<double>{1, 2.5, 3, 1}));
  EXPECT_EQ(values_of(table.arrays[1]), (std::vector<double>{1, 0}));
  EXPECT_EQ(table.classes, (std::vector<std::string>{"a", "b"}));
}

TEST_F(TableDataTest, FillsUpShortLists) {
  const std::vector<Field> fields = {{"ids", DType::kInt64, {8, 4}}, {"target", DType::kInt64, {8, 4}}};
  const TableOptions options{.is_class = true, .filling = 9, .target_filling = -100};
  const TableData table =
      json("{\"ids\": [1, 2], \"labels\": [2, 3]}\n{\"ids\": [4,5,6,7], \"labels\": [5,6,7,8]}\n", fields,
           options);
  EXPECT_EQ(values_of(table.arrays[0]), (std::vector<double>{1, 2, 9, 9, 4, 5, 6, 7}));
  EXPECT_EQ(values_of(table.arrays[1]), (std::vector<double>{2, 3, -100, -100, 5, 6, 7, 8}));
  expect_contains(json_fault("{\"ids\": [1,2,3,4,5], \"labels\": [1]}\n", fields, options),
                  "a.jsonl: line 1: 'ids': 'ids' takes 4 numbers a sample, found 5");
}

TEST_F(TableDataTest, NamesTheLineOfJsonThatIsWrong) {
  const std::vector<Field> fields = {kTwo, kNumber};
  const std::string good = "{\"x\": [1, 2], \"y\": 3}\n";
  expect_contains(json_fault(good + "{\"x\": [1, 2], \"y\": }\n", fields),
                  "a.jsonl: line 2: column 20: is no JSON");
  expect_contains(json_fault(good + "[1]\n", fields), "line 2: expected a JSON object, found array");
  expect_contains(json_fault(good + "{\"x\": [1, 2]}\n", fields), "line 2: 'y': there is no 'y'");
  expect_contains(json_fault(good + "{\"x\": [1, null], \"y\": 3}\n", fields),
                  "line 2: 'x': expected a number");
  expect_contains(json_fault(good + "{\"x\": [1], \"y\": 3}\n", fields),
                  "line 2: 'x': 'x' takes 2 numbers a sample, found 1");
  expect_contains(json_fault("{\"x\": 1e999, \"y\": 3}\n", fields), "a.jsonl: line 1");
  expect_contains(
      json_fault("{\"x\": " + std::string(100, '[') + std::string(100, ']') + ", \"y\": 3}", fields),
      "lists in too many lists");
}

}  // namespace
}  // namespace dlc::training

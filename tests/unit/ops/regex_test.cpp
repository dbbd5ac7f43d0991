// Patterns against texts, with RE2 as the oracle: regex_cases.txt, written by make_regex_cases.py.
#include "ir/ops/regex.h"

#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ir/kernel/strings.h"
#include "runtime/error.h"
#include "runtime/format/strings.h"
#include "runtime/kernels/kernels.h"
#include "runtime/model/values.h"
#include "tests/support/paths.h"

namespace dlc::test {
namespace {

// "1" or "0" for each text.
std::string matches(const std::string& pattern, const std::vector<std::string>& texts) {
  std::vector<RegexInstruction> program = ir::compile_regex(*ir::parse_regex(pattern));
  const Tensor packed = ir::packed_strings(texts);
  std::vector<model::Handle> handles;
  const auto* string = static_cast<const StringObject*>(packed.data());
  for (size_t i = 0; i < texts.size(); ++i, string = next_packed(string))
    handles.push_back(model::handle_of(string));
  int64_t count = static_cast<int64_t>(texts.size());
  int64_t program_dims[] = {static_cast<int64_t>(program.size()), 4};
  int64_t states_dims[] = {4 * program_dims[0]};
  std::vector<int64_t> states(static_cast<size_t>(states_dims[0]));
  std::unique_ptr<bool[]> results(new bool[texts.size()]);
  dlc_call_tensor inputs[] = {{handles.data(), &count, 1, 7, 0}, {program.data(), program_dims, 2, 7, 0}};
  dlc_call_tensor outputs[] = {{results.get(), &count, 1, 9, 0}, {states.data(), states_dims, 1, 7, 0}};
  dlc_frame frame = {};
  EXPECT_EQ(dlc_regex_full_match(&frame, inputs, outputs, nullptr), DLC_OK);
  std::string text;
  for (size_t i = 0; i < texts.size(); ++i) text += results[i] ? '1' : '0';
  return text;
}

TEST(Regex, MatchesWhatRe2Matches) {
  std::ifstream file(source_dir() / "tests/unit/ops/regex_cases.txt");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const auto texts = nlohmann::json::parse(line).get<std::vector<std::string>>();
  int patterns = 0;
  for (; std::getline(file, line); ++patterns) {
    const size_t space = line.rfind(' ');
    const auto pattern = nlohmann::json::parse(line.substr(0, space)).get<std::string>();
    const std::string expected = line.substr(space + 1);
    SCOPED_TRACE(pattern);
    if (expected == "error") {
      EXPECT_THROW(ir::parse_regex(pattern), Error);
    } else {
      EXPECT_EQ(matches(pattern, texts), expected);
    }
  }
  EXPECT_GT(patterns, 100);
}

TEST(Regex, SaysWhereAPatternIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"ab[", "pattern 'ab[': a class without end at position 3"},
      {"a**", "pattern 'a**': a repetition of a repetition at position 2"},
      {"\\pL", "classes of Unicode properties are not supported"},
      {"(a\xff)", "the pattern is not UTF-8"},
  };
  for (const auto& [pattern, expected] : rows) {
    try {
      ir::parse_regex(pattern);
      ADD_FAILURE() << pattern;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }
}

TEST(Regex, LimitsItsSize) {
  EXPECT_THROW(ir::compile_regex(*ir::parse_regex("((a{1000}){1000}){1000}")), Error);
  EXPECT_THROW(ir::parse_regex(std::string(100000, '(')), Error);
}

// Time that grows with the product of the lengths, where backtracking would not end.
TEST(Regex, RunsInLinearTime) {
  std::string pattern;
  for (int i = 0; i < 30; ++i) pattern += "a?";
  pattern += std::string(30, 'a');
  EXPECT_EQ(matches(pattern, {std::string(30, 'a'), std::string(29, 'a')}), "10");
}

}  // namespace
}  // namespace dlc::test

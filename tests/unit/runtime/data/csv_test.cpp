#include "runtime/data/csv.h"

#include <gtest/gtest.h>

#include "tests/support/error_text.h"

namespace dlc::data {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Parsed {
  Rows rows;
  std::vector<int64_t> lines;
};

Parsed parse(std::string_view text) {
  Parsed result;
  CsvReader reader(text);
  while (reader.next()) {
    result.rows.emplace_back(reader.cells().begin(), reader.cells().end());
    result.lines.push_back(reader.line());
  }
  return result;
}

TEST(CsvReader, SplitsRows) {
  EXPECT_EQ(parse("a,b\n1,2\n3,4").rows, (Rows{{"a", "b"}, {"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(parse("a,b\r\n1,2\r\n").rows, (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(parse("a,,\n,,c\n").rows, (Rows{{"a", "", ""}, {"", "", "c"}}));
  EXPECT_EQ(parse("\xEF\xBB\xBF"
                  "a,b\n")
                .rows,
            (Rows{{"a", "b"}}));
  EXPECT_EQ(parse("").rows, Rows{});
  EXPECT_EQ(parse("\n\r\n").rows, Rows{});
  EXPECT_EQ(parse("a\rb,c").rows, (Rows{{"a\rb", "c"}}));
}

TEST(CsvReader, FindsTheSeparator) {
  EXPECT_EQ(parse("a;b\n1,5;2").rows, (Rows{{"a", "b"}, {"1,5", "2"}}));
  EXPECT_EQ(parse("a\tb, c\td\n").rows, (Rows{{"a", "b, c", "d"}}));
}

TEST(CsvReader, ReadsQuotedCells) {
  EXPECT_EQ(parse("\"a,b\",c\n\"\",\"say \"\"hi\"\"\"\n").rows, (Rows{{"a,b", "c"}, {"", "say \"hi\""}}));
  EXPECT_EQ(parse("a,\"\"\"\"\r\n").rows, (Rows{{"a", "\""}}));
  EXPECT_EQ(parse("a,b\"c\n").rows, (Rows{{"a", "b\"c"}})) << "quotes inside of other cells are text";
}

TEST(CsvReader, CountsLines) {
  const Parsed parsed = parse("a,b\n\n\"two\nlines\",1\nc,d\n");
  EXPECT_EQ(parsed.rows, (Rows{{"a", "b"}, {"two\nlines", "1"}, {"c", "d"}}));
  EXPECT_EQ(parsed.lines, (std::vector<int64_t>{1, 3, 5}));
}

TEST(CsvReader, NamesThePlaceOfAFault) {
  EXPECT_EQ(test::message_of([] { parse("a,b\n1,\"2\n"); }), "line 2: cell 2: the quote is not closed");
  EXPECT_EQ(test::message_of([] { parse("a,b\n\"1\"x,2\n"); }),
            "line 2: cell 1: the quote is closed before the cell ends");
}

}  // namespace
}  // namespace dlc::data

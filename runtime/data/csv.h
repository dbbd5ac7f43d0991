// Rows of comma-separated values (RFC 4180).
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::data {

class CsvReader {
 public:
  // `text` outlives it. Cells are separated by a comma, a semicolon or a tab, whichever the first line has
  // most of; quoted ones may hold separators, line ends, and quotes as two of them.
  explicit CsvReader(std::string_view text);

  // Goes to the next row that is not empty; false at the end. Error(kData) naming line and cell where a quote
  // is not closed, or closed before the end of its cell.
  bool next();
  std::span<const std::string_view> cells() const { return cells_; }  // of the row, until the next one
  int64_t line() const { return line_; }                              // that the row begins in, from 1

 private:
  bool read_cell();
  bool read_quoted_cell();
  bool skip_line_end();

  std::string_view text_;
  char separator_ = ',';
  size_t at_ = 0;
  int64_t next_line_ = 1;
  int64_t line_ = 0;
  std::vector<std::string_view> cells_;
  std::deque<std::string> unescaped_;  // cells with quotes inside
};

}  // namespace dlc::data

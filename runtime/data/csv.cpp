#include "runtime/data/csv.h"

#include <algorithm>

#include "runtime/error.h"

namespace dlc::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

char find_separator(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  char best = ',';
  for (char candidate : {';', '\t'}) {
    if (std::count(line.begin(), line.end(), candidate) > std::count(line.begin(), line.end(), best)) {
      best = candidate;
    }
  }
  return best;
}

}  // namespace

CsvReader::CsvReader(std::string_view text) : text_(text) {
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  separator_ = find_separator(text_);
}

bool CsvReader::next() {
  cells_.clear();
  unescaped_.clear();
  while (skip_line_end()) {
  }
  if (at_ == text_.size()) return false;
  line_ = next_line_;
  while (read_cell()) {
  }
  return true;
}

bool CsvReader::skip_line_end() {
  const size_t length = text_.substr(at_).starts_with("\r\n") ? 2 : 1;
  if (at_ == text_.size() || text_[at_ + length - 1] != '\n') return false;
  at_ += length;
  ++next_line_;
  return true;
}

// True where another cell of the row follows.
bool CsvReader::read_cell() {
  if (at_ < text_.size() && text_[at_] == '"') return read_quoted_cell();
  const size_t begin = at_;
  while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n') ++at_;
  const bool ends_row = at_ == text_.size() || text_[at_] == '\n';
  std::string_view cell = text_.substr(begin, at_ - begin);
  if (ends_row && cell.ends_with('\r')) cell.remove_suffix(1);
  cells_.push_back(cell);
  if (!ends_row) {
    ++at_;
    return true;
  }
  skip_line_end();
  return false;
}

bool CsvReader::read_quoted_cell() {
  const size_t begin = ++at_;
  bool has_quotes = false;
  while (true) {
    at_ = text_.find('"', at_);
    if (at_ == std::string_view::npos) {
      fail(ErrorKind::kData, "line {}: cell {}: the quote is not closed", line_, cells_.size() + 1);
    }
    if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') break;
    has_quotes = true;
    at_ += 2;
  }
  std::string_view cell = text_.substr(begin, at_ - begin);
  next_line_ += std::count(cell.begin(), cell.end(), '\n');
  ++at_;
  if (has_quotes) {
    std::string& text = unescaped_.emplace_back();
    for (size_t i = 0; i < cell.size(); ++i) {
      text += cell[i];
      if (cell[i] == '"') ++i;
    }
    cell = text;
  }
  cells_.push_back(cell);
  if (at_ == text_.size() || skip_line_end()) return false;
  if (text_[at_] == separator_) {
    ++at_;
    return true;
  }
  fail(ErrorKind::kData, "line {}: cell {}: the quote is closed before the cell ends", line_, cells_.size());
}

}  // namespace dlc::data

// Characters and tokens of the text form; what parse_graph() is made of.
#pragma once

#include <string>
#include <string_view>

#include "ir/type.h"

namespace dlc::ir {

class TextScanner {
 public:
  explicit TextScanner(std::string_view text) : text_(text) {}

  // Error(kUsage) naming the line and what was found.
  [[noreturn]] void bad(std::string_view expected);

  bool at_end();
  char peek();                           // after white space and comments; '\0' at the end
  bool accept(std::string_view symbol);  // a punctuation, or a whole word
  void expect(std::string_view symbol);
  bool starts_with(std::string_view text);
  std::string word();    // letters, digits and _ . / : - $
  std::string quoted();  // "..."
  std::string word_or_quoted();
  std::string value_name();  // after '%'
  std::string number();      // the characters of a number, inf or nan
  std::string until(
      std::string_view stops);  // raw text before one of the characters outside of (), [] and ``
  Type type();
  Shape shape();  // "[batch, 2]"

 private:
  void skip_space();

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace dlc::ir

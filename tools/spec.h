// Values of flags that have parts: "adamw,lr=1e-3,wd=0.01".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/glob.h"

namespace dlc::tools {

class Spec {
 public:
  // `flag` names it in messages. Error(kUsage) where a part is no key=value.
  Spec(std::string flag, const std::string& text);

  const std::string& name() const { return name_; }  // before the first comma
  double number(const std::string& key, double fallback);
  std::string text(const std::string& key, std::string fallback = {});
  int64_t count(const std::string& key, int64_t fallback);  // a whole number
  bool flag(const std::string& key);                        // key=1, or the key alone
  std::vector<double> numbers(const std::string& key);      // a/b/c
  // Error(kUsage) naming a key that nobody has asked for, with those that exist.
  void finish() const;

 private:
  const std::string* take(const std::string& key);
  std::string flag_;
  std::string name_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> known_;
};

// Error(kUsage) naming the flag.
double parse_number(const std::string& flag, const std::string& text);
std::vector<std::string> split_text(const std::string& text, char separator);

}  // namespace dlc::tools

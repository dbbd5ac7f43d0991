// What a test looks at in faults.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "runtime/error.h"

namespace dlc::test {

// What the Error says that `work` throws; "" where it throws none.
template <class Work>
std::string message_of(Work&& work) {
  try {
    work();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' lacks '" << part << "'";
}

}  // namespace dlc::test

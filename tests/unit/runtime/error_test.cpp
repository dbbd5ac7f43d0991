#include "runtime/error.h"

#include <gtest/gtest.h>

#include <string>

namespace dlc {
namespace {

TEST(Error, CarriesKindAndFormattedMessage) {
  try {
    fail(ErrorKind::kModel, "expected {} inputs, found {}", 2, 3);
    FAIL() << "fail() returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kModel);
    EXPECT_EQ(error.message(), "expected 2 inputs, found 3");
    EXPECT_STREQ(error.what(), "expected 2 inputs, found 3");
  }
}

TEST(Error, JoinsContextOutermostFirst) {
  Error error(ErrorKind::kData, "rank 3");
  error.add_context("node conv1").add_context("file m.onnx");
  EXPECT_STREQ(error.what(), "file m.onnx: node conv1: rank 3");
  EXPECT_EQ(error.message(), "rank 3");
}

TEST(Error, ContextSurvivesRethrow) {
  try {
    try {
      fail(ErrorKind::kIo, "no such file");
    } catch (Error& error) {
      error.add_context("weights");
      throw;
    }
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(), "weights: no such file");
  }
}

TEST(Check, IsSilentWhenItHolds) { EXPECT_NO_THROW(check(true, "never seen")); }

TEST(Check, NamesItsPlaceAndWhatShouldHold) {
  try {
    check(1 > 2, "one exceeds two");
    FAIL() << "check() returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    EXPECT_NE(error.message().find("error_test.cpp:"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("one exceeds two"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace dlc

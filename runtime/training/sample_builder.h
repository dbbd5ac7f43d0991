// Samples of one field, collected number by number.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor.h"
#include "runtime/training/step.h"

namespace dlc::training {

struct SampleBuilderOptions {
  bool is_class = false;  // one class a sample: a number, or a name that stands for one
  // Names of the classes by their number; nothing: those that occur, in their order. Empty: there are only
  // numbers.
  std::optional<std::vector<std::string>> classes = {};
  std::optional<double> filling = {};  // of samples with too few numbers
};

class SampleBuilder {
 public:
  SampleBuilder(Field field, SampleBuilderOptions options);

  // Error(kData) for what is no finite number, no whole one where the field takes integers, or no class.
  void add(std::string_view text);
  void add(double value);
  // Error(kData) where the sample has not as many numbers as the field takes.
  void end_sample();

  const Field& field() const { return field_; }
  int64_t elements() const { return elements_; }  // of a sample
  // All samples: f32, or i64 where the field takes no floats.
  Tensor finish();
  // By number, after finish(); empty where classes are numbers.
  const std::vector<std::string>& classes() const { return classes_; }

 private:
  void add_class(std::string_view text);
  void number_classes();

  Field field_;
  SampleBuilderOptions options_;
  int64_t elements_ = 1;
  int64_t added_ = 0;  // to this sample
  int64_t samples_ = 0;
  std::vector<float> floats_;
  std::vector<int64_t> integers_;                          // or, for classes, places of their names below
  std::map<std::string, int64_t, std::less<>> places_of_;  // by name
  std::vector<std::string> classes_;                       // by place; at last by number
};

}  // namespace dlc::training
